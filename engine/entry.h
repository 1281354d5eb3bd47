#pragma once

// What the engine knows of a log entry: its shape, never its payload.

#include <cstdint>

#include "engine/types.h"

namespace quorate::engine {

/// Numbers are part of the disk and wire formats: never renumber.
enum class EntryKind : std::uint8_t {
    NoOp = 1,        ///< a new leader's first entry, thesis §3.6.2 and §6.4; no payload
    Command = 2,     ///< for the state machine
    Membership = 3,  ///< a configuration, thesis §4.1; in force as soon as it is in the log
};

/// A proposal as the engine sees it: the caller keeps the payload.
struct ProposedEntry {
    EntryKind kind = EntryKind::Command;
    std::uint32_t bytes = 0;  ///< payload size, for the in-flight and backlog bounds

    bool operator==(const ProposedEntry&) const = default;
};

/// An entry in the log without its payload.
struct EntryShape {
    Term term;
    EntryKind kind = EntryKind::NoOp;
    std::uint32_t bytes = 0;

    bool operator==(const EntryShape&) const = default;
};

/// Identifies an entry among all logs of all time: Log Matching, thesis §3.5.
struct EntryId {
    LogIndex index;
    Term term;

    bool operator==(const EntryId&) const = default;
};

/// Whether a log that ends with `theirs` is at least as up to date as one that ends with `ours`: "If the logs
/// have last entries with different terms, then the log with the later term is more up-to-date. If the logs
/// end with the same term, then whichever log is longer is more up-to-date." Thesis §3.6.1.
[[nodiscard]] constexpr bool at_least_as_up_to_date(EntryId theirs, EntryId ours) {
    return theirs.term != ours.term ? theirs.term > ours.term : theirs.index >= ours.index;
}

}  // namespace quorate::engine
