#pragma once

// The key-value store as the log defines it: equal logs give equal stores, on every server and platform.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/functional/function_ref.h>

#include "server/answered_writes.h"
#include "server/apply_result.h"
#include "server/command.h"
#include "server/key_history.h"
#include "server/packed_text.h"
#include "server/record.h"

namespace quorate::server {

struct RangeQuery {
    std::optional<std::string> start;  ///< inclusive; absent: from the first key
    std::optional<std::string> end;    ///< inclusive; absent: through the last key
    std::optional<std::string> after;  ///< exclusive, beside `start`
    std::size_t limit = 1000;          ///< entries, at least 1
    /// Of keys and values: the page ends where one more entry would pass it, but never before the first.
    std::size_t bytes_max = std::size_t{8} << 20;
    std::optional<std::uint64_t> revision{};  ///< of the past; absent: the present

    bool operator==(const RangeQuery&) const = default;
};

/// Points into the store: valid until the next apply().
struct RangeEntry {
    std::string_view key;
    const Record* record;
};

struct RangePage {
    std::vector<RangeEntry> entries;  ///< in byte order of the keys
    bool more = false;                ///< the range goes on behind the last entry
    std::size_t bytes = 0;            ///< of its keys and values
};

/// What the store has of one key at a revision, and of its past before that: something. Valid until the next
/// apply().
struct KeyState {
    std::string_view key;
    std::vector<const PastRecord*> changes;  ///< oldest first, none of them forgotten
    const Record* record = nullptr;          ///< null: absent
};

/// A moment that a store keeps: the present of then, the past behind `oldest_revision`, and the answers that
/// are known, with the numbers behind `answers_forgotten`.
struct Pin {
    std::uint64_t revision = 0;
    std::uint64_t oldest_revision = 0;  ///< `revision`: nothing of the past
    std::uint64_t answers_forgotten = 0;
    std::uint64_t answers_last = 0;  ///< the largest number for both: none of them

    bool operator==(const Pin&) const = default;
};

/// A regular value. Not thread-safe.
class StateMachine {
 public:
    /// A command that changes something takes the next revision, all of its operations the same one. A
    /// condition that does not hold, or deletes of absent keys alone, change nothing; nor does the history
    /// that a command forgets. One that must happen once, and has, gives its first answer.
    ApplyResult apply(const Command& command);

    /// Of the last write that changed something; 0 in the beginning.
    [[nodiscard]] std::uint64_t revision() const { return revision_; }
    /// Null when absent. Valid until the next apply().
    [[nodiscard]] const Record* get(std::string_view key) const;
    /// At a revision from oldest_revision() through revision(). Valid until the next apply().
    [[nodiscard]] const Record* get_at(std::string_view key, std::uint64_t revision) const;
    /// `query.revision`, if any, as in get_at().
    [[nodiscard]] RangePage range(const RangeQuery& query) const;

    /// Keeps what there is of the present and the past, whatever is forgotten later, for walk(), until it is
    /// unpinned. What can be read does not depend on it. Each pin stands for itself.
    [[nodiscard]] Pin pin() {
        return pins_.emplace_back(revision_, oldest_revision_, answers_.forgotten(), answers_.last());
    }
    /// The same of the present of the keys alone.
    [[nodiscard]] Pin pin_present() {
        return pins_.emplace_back(revision_, revision_, UINT64_MAX, UINT64_MAX);
    }
    void unpin(const Pin& pin);
    /// Gives to `take` what each key behind `after` (absent: each of all) has at `pin`, which the store
    /// keeps, until it refuses one, or `keys_max` were looked at: most of them may have come since, and have
    /// nothing. Moves `after` to the last one that is done with. True: no key is left.
    [[nodiscard]] bool walk(const Pin& pin, std::optional<std::string>& after, std::size_t keys_max,
                            absl::FunctionRef<bool(const KeyState&)> take) const;

    /// Frees the memory of a bounded part of what is forgotten and not pinned: call it often.
    void free_some();

    /// Frees a bounded part of a store that nobody reads any more. False: nothing is left of it.
    [[nodiscard]] bool discard_some();

    /// The other way: what a new store begins with, key after key in their order, and then how far it is.
    void load(std::string_view key, Record record);
    /// False: there is one with its key. Answers come in the order of their numbers.
    [[nodiscard]] bool load(AnsweredWrite write);
    void begin_load(std::uint64_t answers_forgotten) { answers_.begin_behind(answers_forgotten); }
    void finish_load(std::uint64_t revision, std::uint64_t oldest_revision, std::vector<PastRecord> changes);

    /// What was there before it is forgotten.
    [[nodiscard]] std::uint64_t oldest_revision() const { return oldest_revision_; }
    [[nodiscard]] const KeyHistory& history() const { return history_; }
    [[nodiscard]] const AnsweredWrites& answers() const { return answers_; }

    /// Keys.
    [[nodiscard]] std::size_t size() const { return records_.size(); }
    /// Of all keys and values of the present, without what the map adds.
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
    /// Of the whole content, the history and the revision; equal on every platform. Costs a pass over
    /// everything.
    [[nodiscard]] std::uint64_t digest() const;

    bool operator==(const StateMachine&) const = default;

 private:
    [[nodiscard]] ApplyResult apply_once(const Once& once, const Command& command);
    [[nodiscard]] ApplyResult write(const Command& command);
    using Records = std::map<PackedText, Record, ByBytes>;
    /// Where the operation before has left: those of a command mostly come in the order of their keys.
    struct Place {
        Records::iterator record;  ///< the key's, or its neighbour; the end: anywhere
        KeyHistory::Place change;
    };
    [[nodiscard]] Records::iterator lower_bound(std::string_view key, Records::iterator before);
    void put(const Operation& operation, std::uint64_t revision, bool has_deleted, Place& place);
    [[nodiscard]] bool remove(const std::string& key, std::uint64_t revision, Place& place);
    [[nodiscard]] bool holds(const Condition& condition, const std::string& key) const;

    // Measured at a million keys of 25 bytes with values of 256 (tests/server/state_machine_bench.cc, g++ 12
    // -O2, least CPU time of three runs), std::map against absl::btree_map: insert 1.0 against 2.5 us,
    // overwrite 0.9 against 2.6 us, get 1.3 against 2.3 us, a range of 1,000 entries 174 against 57 us, 416
    // against 403 bytes a key. Most requests are about single keys. The machine was busy: runs differed by
    // more than a factor of two.
    Records records_;
    KeyHistory history_;
    AnsweredWrites answers_;
    std::uint64_t revision_ = 0;
    std::uint64_t oldest_revision_ = 0;
    std::vector<Pin> pins_;
    std::uint64_t bytes_ = 0;
};

}  // namespace quorate::server
