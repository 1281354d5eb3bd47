#pragma once

// A write as the log carries it: what every server applies, in the log's order, to its own copy of the store.
//
// Encoding, little-endian:
//   u8 version = 1 | u8 condition kind | u8 count of revisions | u64 each revision
//   u32 count of operations | each: u8 kind | u32 key bytes | key | Put only: u32 value bytes | value
// or, for history alone: u8 version = 2 | u64 forget_through

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace quorate::server {

struct Operation {
    /// Numbers are part of the log format: never renumber.
    enum class Kind : std::uint8_t { Put = 1, Delete = 2 };

    Kind kind = Kind::Put;
    std::string key;
    std::string value;  ///< empty for Delete

    bool operator==(const Operation&) const = default;
};

/// What must be true of the key of a command's only operation, or nothing of the command happens.
struct Condition {
    /// Numbers are part of the log format: never renumber.
    enum class Kind : std::uint8_t {
        None = 0,
        Exists = 1,         ///< If-Match: *
        Absent = 2,         ///< If-None-Match: *
        RevisionIn = 3,     ///< If-Match: the key's mod revision is one of `revisions`; none of none
        RevisionNotIn = 4,  ///< If-None-Match: the key is absent, or its mod revision is none of `revisions`
    };

    Kind kind = Kind::None;
    std::vector<std::uint64_t> revisions;  ///< of the last two kinds, at most kConditionRevisionsMax

    bool operator==(const Condition&) const = default;
};

inline constexpr std::size_t kConditionRevisionsMax = 16;

/// All of its operations, in order, or none. Only a command of one operation may have a condition.
struct Command {
    std::vector<Operation> operations;
    Condition condition;
    /// Not zero: the command has nothing else in it, and what the store held before this revision is
    /// forgotten. A command, so that all servers forget the same at the same place of the log.
    std::uint64_t forget_through = 0;

    bool operator==(const Command&) const = default;
};

[[nodiscard]] std::string encode_command(const Command& command);

/// Total: nothing when the bytes are no command, or one of a version that this program cannot apply. Never
/// more memory than a small multiple of their size.
[[nodiscard]] std::optional<Command> decode_command(std::string_view bytes);

}  // namespace quorate::server
