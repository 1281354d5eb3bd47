#pragma once

// A backup: what all keys hold at one revision, as lines of JSON that end in LF.
//
//   {"quorate_backup":1,"cluster":"quorate","revision":12,"keys":1}
//   {"k":"count","v":"3","create_revision":5,"mod_revision":7,"version":2}
//   {"complete":true,"keys":1,"xxh64":"0123456789abcdef"}
//
// In the middle a line for each key, in the order of the keys' bytes; key and value as append_json_bytes()
// has them. The last line tells XXH64 of all bytes before it: without it a backup is cut. Equal stores of one
// cluster give equal backups.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "server/hash.h"
#include "server/pinned_walk.h"
#include "server/record.h"
#include "server/state_machine.h"

namespace quorate::server {

/// Of a node under way at one time: each holds a client's connection, and what the store forgets meanwhile.
inline constexpr std::size_t kBackupsMax = 4;
/// A part ends as soon as it has so many, for all that are under way together: what one turn makes.
inline constexpr std::size_t kBackupPartBytes = std::size_t{256} << 10;

/// Makes a backup of a store as it was at `pin`, while it goes on changing.
class BackupEncoder {
 public:
    /// `store` has just been pinned.
    BackupEncoder(std::string_view cluster_id, const StateMachine& store, const Pin& pin,
                  std::size_t keys_at_once = kKeysAtOnce);

    [[nodiscard]] const Pin& pin() const { return walk_.pin(); }
    [[nodiscard]] bool is_complete() const { return is_complete_; }
    /// What comes next; it ends with the first line that reaches `bytes`, or with the keys that may be looked
    /// at at once, and may then be nothing. Not when it is complete.
    [[nodiscard]] std::string next_part(const StateMachine& store, std::size_t bytes);

 private:
    PinnedWalk walk_;
    std::uint64_t keys_ = 0;
    std::string head_;  ///< until it is given
    RunningHash64 hash_;
    bool is_complete_ = false;
};

struct BackupHead {
    std::string cluster_id;
    std::uint64_t revision = 0;
    std::uint64_t keys = 0;
};

struct BackupPair {
    std::string key;
    Record record;
};

/// Reads a backup, which may be anything. Once something is wrong with it, there is nothing more to ask.
class BackupReader {
 public:
    /// The next bytes, however many; none at the end. Or why they cannot be read.
    using Source = std::function<std::expected<std::string, std::string>()>;

    explicit BackupReader(Source source) : source_(std::move(source)) {}

    /// First of all. An error says what is wrong, in which line, and what to do.
    [[nodiscard]] std::expected<BackupHead, std::string> head();
    /// The next pair; nothing: it is complete, and all of it is as it was made.
    [[nodiscard]] std::expected<std::optional<BackupPair>, std::string> next();
    /// Of a complete one, which its last line tells: equal for equal backups, and never zero.
    [[nodiscard]] std::uint64_t hash() const { return hash_.value() == 0 ? 1 : hash_.value(); }

 private:
    [[nodiscard]] std::expected<std::string, std::string> next_line();
    [[nodiscard]] std::expected<void, std::string> check_end(std::uint64_t keys, std::string_view hash);
    [[nodiscard]] std::unexpected<std::string> wrong(std::string_view what) const;

    Source source_;
    std::string bytes_;  ///< read, from begin_ on
    std::size_t begin_ = 0;
    std::uint64_t line_ = 0;  ///< the last one that was read, from 1
    BackupHead head_;
    std::uint64_t pairs_ = 0;
    std::string last_key_;
    RunningHash64 hash_;
};

}  // namespace quorate::server
