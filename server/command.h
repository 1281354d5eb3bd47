#pragma once

// A write as the log carries it: what every server applies, in the log's order, to its own copy of the store.
//
// Encoding, little-endian:
//   u8 version = 1 | u8 condition kind | u8 count of revisions | u64 each revision
//   u32 count of operations | each: u8 kind | u32 key bytes | key | Put only: u32 value bytes | value
// or, for history alone: u8 version = 2 | u64 forget_through
// or, for a write that must happen once: u8 version = 3 | u32 key bytes | Idempotency-Key | u8 has a session
//   | u64 session | as in version 1, from the condition kind on
// or, for answers alone: u8 version = 4 | u64 forget_answers_through

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

/// By what a write that comes again is known. server/answered_writes.h
struct Once {
    std::string key;                       ///< Idempotency-Key: 1 to kOnceKeyBytesMax visible characters
    std::optional<std::uint64_t> session;  ///< in which its client sent it first

    bool operator==(const Once&) const = default;
};

/// All of its operations, in order, or none. Only a command of one operation may have a condition.
struct Command {
    std::vector<Operation> operations{};
    Condition condition{};
    /// Not zero: the command has nothing else in it, and what the store held before this revision is
    /// forgotten. A command, so that all servers forget the same at the same place of the log.
    std::uint64_t forget_through = 0;
    /// Present: however often the command comes, it happens once.
    std::optional<Once> once{};
    /// As forget_through, of the answers that are known: through this number.
    std::uint64_t forget_answers_through = 0;

    bool operator==(const Command&) const = default;
};

/// Whether it is 1 to kOnceKeyBytesMax visible characters of ASCII.
[[nodiscard]] bool is_once_key(std::string_view key);

/// Of what a command would write, and on which condition. Not of its `once`.
[[nodiscard]] std::uint64_t fingerprint_of(const Command& command);

[[nodiscard]] std::string encode_command(const Command& command);

/// Total: nothing when the bytes are no command, or one of a version that this program cannot apply. Never
/// more memory than a small multiple of their size.
[[nodiscard]] std::optional<Command> decode_command(std::string_view bytes);

}  // namespace quorate::server
