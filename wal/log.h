#pragma once

// The replicated log, the vote and the term on disk.

#include <cstdint>
#include <deque>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/raft.h"
#include "wal/disk.h"
#include "wal/entry.h"

namespace quorate::wal {

/// Why a data directory cannot be used, or a process must stop. The numbers are the process's exit codes.
enum class RefusalCode : std::uint8_t {
    Damage = 10,         ///< bytes that may have been acknowledged have changed
    MetaUnreadable = 11, ///< neither copy of the vote and term is readable
    WrongIdentity = 12,  ///< the directory belongs to another cluster or node
    Locked = 13,         ///< another process uses it
    UnknownFormat = 14,  ///< written by a version that this one does not know
    IoFailed = 15,       ///< a read, write or sync failed
    NoSpace = 16,        ///< no room to start
};

/// One line for a person: what, which file and offset, which entries, what to do next.
struct Refusal {
    RefusalCode code = RefusalCode::IoFailed;
    std::string message;
};

/// Whose directory it is. Each 1 to 64 characters.
struct Identity {
    std::string cluster_id;
    std::string node_id;
    bool operator==(const Identity&) const = default;
};

struct LogOptions {
    Identity identity;
    std::uint64_t segment_bytes = 64U << 20;  ///< at least 64 KiB
};

/// What recovery found; everything in it has been made durable again.
struct Recovered {
    engine::HardState hard_state;
    std::vector<engine::EntryShape> entries;  ///< from index 1
    std::vector<engine::LogIndex> memberships;  ///< of the Membership entries among them, ascending
    std::vector<std::string> warnings;        ///< what was mended: a torn tail, a copy of the vote
    bool fresh = false;                       ///< the directory was new
};

}  // namespace quorate::wal
