#pragma once

// What clients asked of a key-value store and what they were told, as the checkers read it. Of a simulated
// run or a real one: docs/history-format.md.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace quorate::sim {

enum class OperationKind : std::uint8_t { Put, Get, Delete, Cas };

enum class Outcome : std::uint8_t {
    Ok,               ///< done, and the client was told
    ConditionFailed,  ///< a Cas found another value than it expected, and changed nothing
    NotApplied,       ///< certainly never took effect, and never will
    Unknown,          ///< may take effect at any time after the call, or never
};

/// One operation of one client on one key: a register that holds bytes or is absent, as it is in the
/// beginning.
struct Operation {
    /// For the reader alone: order follows from the times, and a client may have any number of operations
    /// open.
    std::uint64_t client = 0;
    OperationKind kind = OperationKind::Get;
    std::string key;
    /// Put and Cas: what is written. Get that is Ok: what was read, nothing when absent. Nothing otherwise.
    std::optional<std::string> value;
    /// Cas: what must be there, nothing when the key must be absent. Nothing otherwise.
    std::optional<std::string> expected;
    /// Any unit, one clock for all clients. An operation precedes another if it returned *before* the other
    /// was called: at equal times they are concurrent.
    std::uint64_t call = 0;
    /// Not before the call. Nothing exactly when the outcome is Unknown.
    std::optional<std::uint64_t> ret;
    Outcome outcome = Outcome::Unknown;
    /// Only when Ok, and never needed: what the store said of its revision. Of a Put, a Cas or a Get that
    /// read a value: the revision at which the key got this value, at least 1. Of a Delete, or a Get that
    /// found the key absent: the store's revision at that time.
    std::optional<std::uint64_t> revision;

    bool operator==(const Operation&) const = default;
};

/// What contradicts the comments above, or nothing.
[[nodiscard]] std::optional<std::string> fault_of(const Operation& operation);

/// Quoted, anything but printable ASCII as \xNN, and shortened when long.
[[nodiscard]] std::string display(std::string_view bytes);
/// The same, or the word absent.
[[nodiscard]] std::string display(const std::optional<std::string>& value);
/// What was asked and answered, without client and times: put "a", get -> absent, cas "a" -> "b": condition
/// failed.
[[nodiscard]] std::string display(const Operation& operation);

}  // namespace quorate::sim
