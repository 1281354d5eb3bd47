#pragma once

// What keys held before they were changed, so that the past can be read.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <optional>
#include <ranges>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "server/packed_text.h"
#include "server/record.h"

namespace quorate::server {

/// A key's change at `revision`, by what it held until then.
struct PastRecord {
    std::uint64_t revision = 0;
    PackedText key;
    std::optional<Record> before;  ///< nothing: it was absent

    /// What it held; null: it was absent.
    [[nodiscard]] const Record* record() const { return before ? &*before : nullptr; }
    /// Of key and value.
    [[nodiscard]] std::uint64_t bytes() const { return key.size() + (before ? before->value.size() : 0); }

    bool operator==(const PastRecord&) const = default;
};

/// A regular value. Not thread-safe.
class KeyHistory {
    struct Change : PastRecord {
        Change* next = nullptr;  ///< the same key's next one
    };
    // The changes of a key. They lie in changes_, which moves none of them: a second copy of each key would
    // cost more than the tree.
    struct Chain {
        mutable const Change* oldest;  // of one key as long as the chain is there
        mutable Change* newest;
        [[nodiscard]] std::string_view key() const { return oldest->key; }
    };
    struct ByItsKey {
        using is_transparent = void;  // NOLINT(readability-identifier-naming): the standard's name
        static std::string_view key(const Chain& chain) { return chain.key(); }
        static std::string_view key(std::string_view key) { return key; }
        bool operator()(const auto& one, const auto& other) const { return key(one) < key(other); }
    };
    using Chains = std::set<Chain, ByItsKey>;

 public:
    KeyHistory() = default;
    KeyHistory(const KeyHistory& other);
    KeyHistory& operator=(const KeyHistory& other) { return *this = KeyHistory(other); }
    KeyHistory(KeyHistory&&) noexcept = default;
    KeyHistory& operator=(KeyHistory&&) noexcept = default;
    ~KeyHistory() = default;

    /// Where the change before has its place among the keys; nothing: anywhere. Valid until the next call
    /// that is not add().
    using Place = std::optional<Chains::iterator>;
    /// `revision` is that of the change before, or a later one, and this the key's first change at it: what
    /// it held between two changes of one revision nobody can see. Moves `place`, behind which it is looked
    /// for first.
    void add(std::uint64_t revision, std::string_view key, std::optional<Record> before, Place& place);
    /// Forgets the changes at `revision` and before: what was there earlier than `revision` is unknown then.
    /// Their memory goes with free_some().
    void forget_through(std::uint64_t revision);
    /// Frees the memory of changes that are forgotten, and stand at `through` or before: of at most `count`,
    /// and two for each that was added since the last call, so that it comes down however much is written.
    void free_some(std::size_t count, std::uint64_t through) {
        count += 2 * std::exchange(added_, 0);
        if (forgotten_ > 0) free_oldest(count, through);
    }

    /// What a store that has read a snapshot begins with: changes of any keys, in any order, one for each
    /// key and revision.
    void load(std::vector<PastRecord> changes);

    /// Whether the key has a change behind `revision`.
    [[nodiscard]] bool has_changed_after(std::string_view key, std::uint64_t revision) const;
    /// The first change of the key behind `revision`: it tells what the key held at `revision`. Null: it has
    /// not changed since. Valid until the next call that is not const. Looks at those before it, too.
    [[nodiscard]] const PastRecord* first_change_after(std::string_view key, std::uint64_t revision) const;
    /// Oldest first.
    [[nodiscard]] auto changes() const {
        return std::ranges::subrange(changes_.begin() + static_cast<std::ptrdiff_t>(forgotten_),
                                     changes_.end());
    }
    /// Of keys and values.
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
    /// The same of those that are forgotten and still have memory.
    [[nodiscard]] std::uint64_t forgotten_bytes() const { return forgotten_bytes_; }
    /// Of the oldest change that has memory; 0: none has.
    [[nodiscard]] std::uint64_t held_revision() const {
        return changes_.empty() ? 0 : changes_.front().revision;
    }

    /// The changes by key, and those of a key oldest first; the forgotten ones too that still have memory.
    class ByKey {
     public:
        [[nodiscard]] bool at_end() const { return chain_ == end_; }
        [[nodiscard]] const PastRecord& change() const { return *change_; }
        [[nodiscard]] std::string_view key() const { return change().key; }
        void next() {
            change_ = change_->next;
            if (change_ == nullptr) enter(std::next(chain_));
        }

     private:
        friend class KeyHistory;
        ByKey(Chains::const_iterator begin, Chains::const_iterator end) : end_(end) { enter(begin); }
        void enter(Chains::const_iterator chain) {
            chain_ = chain;
            if (chain_ != end_) change_ = chain_->oldest;
        }
        Chains::const_iterator chain_;
        Chains::const_iterator end_;
        const Change* change_ = nullptr;
    };
    /// From `key` on. Valid as long as nothing changes.
    [[nodiscard]] ByKey from(std::string_view key) const { return {chains_.lower_bound(key), chains_.end()}; }

    bool operator==(const KeyHistory& other) const { return std::ranges::equal(changes(), other.changes()); }

 private:
    void free_oldest(std::size_t count, std::uint64_t through);
    void link(Change& change, Place& place);

    std::deque<Change> changes_;
    std::size_t added_ = 0;      ///< since free_some()
    std::size_t forgotten_ = 0;  ///< so many of them, the oldest
    Chains chains_;
    std::uint64_t bytes_ = 0;  ///< of those that are not forgotten
    std::uint64_t forgotten_bytes_ = 0;
};

}  // namespace quorate::server
