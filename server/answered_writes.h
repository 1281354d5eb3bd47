#pragma once

// What writes that must happen once were answered, so that one that comes again gets its first answer. Thesis
// §6.3.
//
// They are numbered from 1, in the order of the log, and forgotten in that order. A session is the number of
// the last one that had been answered when it began: all that its client writes has later numbers. As long as
// none of those is forgotten, a write of the session that is not found here has never happened. From then on
// the session has expired. So a session costs nothing, and needs nobody's care.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "server/apply_result.h"

namespace quorate::server {

inline constexpr std::size_t kOnceKeyBytesMax = 64;

struct AnsweredWrite {
    std::string key;                ///< its Idempotency-Key
    std::uint64_t fingerprint = 0;  ///< of what it writes
    bool has_session = false;       ///< false: its client trusts that it is not forgotten soon
    ApplyResult result;

    bool operator==(const AnsweredWrite&) const = default;
};

/// A regular value. Not thread-safe.
class AnsweredWrites {
    struct Numbered : AnsweredWrite {
        std::uint64_t number = 0;
    };
    struct ByItsKey {
        using is_transparent = void;  // NOLINT(readability-identifier-naming): the standard's name
        static std::string_view key(const Numbered* write) { return write->key; }
        static std::string_view key(std::string_view key) { return key; }
        bool operator()(const auto& one, const auto& other) const { return key(one) < key(other); }
    };

 public:
    AnsweredWrites() = default;
    AnsweredWrites(const AnsweredWrites& other);
    AnsweredWrites& operator=(const AnsweredWrites& other) { return *this = AnsweredWrites(other); }
    AnsweredWrites(AnsweredWrites&&) noexcept = default;
    AnsweredWrites& operator=(AnsweredWrites&&) noexcept = default;
    ~AnsweredWrites() = default;

    /// What a store that reads a snapshot begins with: so many are forgotten. Only of an empty one.
    void begin_behind(std::uint64_t forgotten);
    /// Requires that its key is not known.
    void add(AnsweredWrite write);
    /// Forgets those up to this number, of those that there are. Their memory goes with free_some().
    void forget_through(std::uint64_t number);
    /// Frees the memory of those that are forgotten and no later than `through`: of at most `count`, and of
    /// two for each that was added since the last call.
    void free_some(std::size_t count, std::uint64_t through) {
        count += 2 * std::exchange(added_, 0);
        if (unfreed() > 0) free_oldest(count, through);
    }

    /// Null: not known. Valid until the next call that is not const.
    [[nodiscard]] const AnsweredWrite* find(std::string_view key) const;
    /// One that has memory still: it is not forgotten, or was not when free_some() was last called.
    [[nodiscard]] const AnsweredWrite& at(std::uint64_t number) const;
    /// The number of the last one that is forgotten.
    [[nodiscard]] std::uint64_t forgotten() const { return forgotten_; }
    /// The number of the last one.
    [[nodiscard]] std::uint64_t last() const { return freed_ + held_.size(); }
    /// So many are known.
    [[nodiscard]] std::uint64_t size() const { return last() - forgotten_; }
    [[nodiscard]] bool has_expired(std::uint64_t session) const {
        return session < forgotten_ || session > last();
    }
    /// So many are forgotten and still have memory.
    [[nodiscard]] std::uint64_t unfreed() const { return forgotten_ - freed_; }

    bool operator==(const AnsweredWrites& other) const;

 private:
    void free_oldest(std::size_t count, std::uint64_t through);

    std::deque<Numbered> held_;  // moves none of them
    std::set<const Numbered*, ByItsKey> by_key_;
    std::uint64_t freed_ = 0;
    std::uint64_t forgotten_ = 0;
    std::size_t added_ = 0;  ///< since free_some()
};

}  // namespace quorate::server
