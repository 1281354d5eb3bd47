#pragma once

// The engine's numbers. All of them are limits or durations in ticks; none switches a rule off.

#include <cstdint>

#include "engine/types.h"

namespace quorate::engine {

struct Config {
    ServerId self;
    std::uint64_t seed = 1;  ///< of the election timeouts; servers of one cluster should differ

    /// A follower that hears no leader for a random time of min..max ticks campaigns; each wait draws anew
    /// (thesis §3.4). While it has heard one within min ticks it helps nobody else to power (§4.2.3). 2 <=
    /// min < max.
    std::uint32_t election_timeout_ticks_min = 50;
    std::uint32_t election_timeout_ticks_max = 100;
    /// 1 <= heartbeat < election_timeout_ticks_min.
    std::uint32_t heartbeat_ticks = 10;

    /// Bounds of one AppendEntries. An entry larger than append_bytes_max travels alone.
    std::uint32_t append_entries_max = 1024;
    std::uint32_t append_bytes_max = 1U << 20;
    /// Bounds of what is on its way to one follower.
    std::uint32_t inflight_appends_max = 64;
    std::uint64_t inflight_bytes_max = 16U << 20;
    /// Of committed entries one follower is sent so many bytes in a tick, or twice what was committed in the
    /// tick before, when that is more, so that nobody stays behind for ever. Who lacks what others have
    /// committed is needed for none of it, as long as a majority has it and is heard, and takes from those
    /// the time of their processors, disks and links. At least 1.
    std::uint64_t catch_up_bytes_per_tick_max = 4U << 20;
    /// Bound of what a leader holds uncommitted; beyond it proposals are refused as Overloaded. One proposal
    /// always fits into an empty backlog.
    std::uint64_t uncommitted_bytes_max = 64U << 20;
    /// A leader whose own disk has finished nothing for so long, with something to do, steps down: it could
    /// accept no write. At least 1.
    std::uint32_t persist_stall_ticks_max = 300;
    /// Bound of the reads that wait for a heartbeat round.
    std::uint32_t pending_reads_max = 4096;

    bool operator==(const Config&) const = default;

    /// The ranges above hold.
    [[nodiscard]] bool is_valid() const;
};

}  // namespace quorate::engine
