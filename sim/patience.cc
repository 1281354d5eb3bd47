#include "sim/patience.h"

#include <algorithm>

namespace quorate::sim {

namespace {

/// Of an entry, besides each value at most.
constexpr std::uint64_t kEntryBytes = 64;

/// The least that is allowed, and what each tick and operation of the storm adds: several times what they
/// take.
constexpr std::uint64_t kEventsMaxAtLeast = 20'000'000;
constexpr std::uint64_t kEventsOfTick = 20;
constexpr std::uint64_t kEventsOfOperation = 200;

/// Tries of a write, on average: every other one that has no answer in time is tried again; what happens once
/// is, ever less often, until it has one.
constexpr std::uint64_t kTriesOfWrite = 2;
constexpr std::uint64_t kTriesOfOnce = 6;

/// Of each try: the write, and the leader's word that an older one is forgotten, which the shortest history
/// takes behind every write (seed 1971074095).
constexpr std::uint64_t kEntriesOfTry = 2;

/// Entries that may be on their way to a follower before it acknowledges one.
std::uint64_t window(const Shape& s, std::uint64_t bytes) {
    const std::uint64_t in_append =
        std::clamp<std::uint64_t>(s.append_bytes_max / bytes, 1, s.append_entries_max);
    const std::uint64_t appends =
        std::clamp<std::uint64_t>(s.inflight_bytes_max / (in_append * bytes), 1, s.inflight_appends_max);
    return in_append * appends;
}

}  // namespace

std::uint64_t patience_us(const Shape& shape) { return 30'000 * shape.election_max_ms + 60'000'000; }

std::uint64_t patience_us(const Plan& plan) {
    const Shape& s = plan.shape;
    // There, into the follower's disk and back.
    const std::uint64_t sync_us = (s.sync_us_min + s.sync_us_max) / 2;
    const std::uint64_t round_us = s.latency_us_min + s.latency_us_max + sync_us;
    std::uint64_t us = 0;
    std::uint64_t written_bytes = 0;
    std::uint64_t sent_bytes = 0;
    std::uint64_t snapshots = 0;
    for (const OperationLine& line : plan.operations) {
        if (line.kind == RequestKind::Snapshot) ++snapshots;
        if (!is_write(line.kind)) continue;
        const std::uint64_t keys =
            line.kind == RequestKind::Batch ? std::max(line.key, line.last_key) - line.key + 1 : 1;
        // Half of a window waits for the job that the other half is in.
        const std::uint64_t per_round = (window(s, keys * (line.bytes + kEntryBytes)) + 1) / 2;
        const std::uint64_t tries = line.once != 0 ? kTriesOfOnce : kTriesOfWrite;
        us += kEntriesOfTry * tries * round_us / per_round;
        sent_bytes += kEntriesOfTry * tries * keys * (line.bytes + kEntryBytes);
        written_bytes += keys * (line.bytes + kEntryBytes);
    }
    // Each holds all that was ever written at most, a job for each chunk, and waits for one that is under
    // way.
    us += 2 * snapshots * sync_us * (written_bytes / s.snapshot_chunk_bytes + 1);
    // Who lacks all of them is sent so many in a tick.
    us += sent_bytes / s.catch_up_bytes_per_tick_max * s.tick_ms * 1000;
    return patience_us(s) + us;
}

std::uint64_t events_max(const Plan& plan) {
    const std::uint64_t ticks = plan.shape.nodes * (plan.shape.storm_us / (1000 * plan.shape.tick_ms));
    return kEventsMaxAtLeast + kEventsOfTick * ticks + kEventsOfOperation * plan.operations.size();
}

}  // namespace quorate::sim
