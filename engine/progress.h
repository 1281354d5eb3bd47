#pragma once

// What a leader knows of one other server. Thesis §3.5 (next_index, match_index), §10.2.1 (pipelining).

#include <cstdint>
#include <vector>

#include "engine/types.h"

namespace quorate::engine {

enum class ProgressState : std::uint8_t {
    Probe,      ///< where the logs agree is unknown: one append at a time
    Replicate,  ///< they agree through next_index - 1: appends are pipelined, within a window
    Snapshot,   ///< needs entries that the log has forgotten: a snapshot is on its way
};

/// An append on its way: sent in heartbeat round `round`, ending at `last_index`.
struct InflightAppend {
    LogIndex last_index;
    Round round;
    std::uint64_t bytes = 0;

    bool operator==(const InflightAppend&) const = default;
};

struct Progress {
    ServerId id{};
    /// It belongs to the membership no more, counts for nothing, and is sent the log until it knows.
    bool is_leaving = false;
    ProgressState state = ProgressState::Probe;
    /// Durable there, known to equal this log. Within a term it falls only to zero, and only when the server
    /// refuses what it had acknowledged: its directory was lost, and nothing is known of the one it has now.
    LogIndex match_index{};
    LogIndex next_index{};       ///< next entry to send; > match_index
    LogIndex sent_commit{};      ///< highest commit_index that this server was told of
    LogIndex snapshot_index{};   ///< of the snapshot on its way, in state Snapshot
    Round acknowledged_round{};  ///< highest round that it answered
    std::uint32_t ticks_since_heard = 0;
    std::vector<InflightAppend> inflight;  ///< in order of sending; bounded by Config::inflight_appends_max
    std::uint64_t inflight_bytes = 0;
    std::uint64_t catch_up_bytes = 0;  ///< of committed entries that it was sent, less what each tick allows

    bool operator==(const Progress&) const = default;
};

}  // namespace quorate::engine
