// What a plan may ask for: the world must be able to have it, and where nothing is wrong with the nodes
// nothing may seem wrong.

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "server/http_api.h"
#include "sim/patience.h"
#include "sim/plan.h"

namespace quorate::sim {

namespace {

constexpr std::uint64_t kHourUs = 3'600'000'000;
constexpr std::uint64_t kMillion = 1'000'000;
/// A value, and all values of a plan together: every node holds them in memory, its disk too.
constexpr std::uint64_t kValueBytesMax = 1U << 20;
constexpr std::uint64_t kValuesBytesMax = 64U << 20;
/// Of a line of a batch's body, besides the value.
constexpr std::uint64_t kBatchLineBytes = 64;
/// Where they overlap they add up, and the dice know 32 bits.
constexpr std::uint64_t kReorderSumUsMax = 4'000'000'000;

/// A pause that begins in the calm lasts no longer, whatever its line says.
constexpr std::uint64_t kCalmPauseUsMax = 10'000;

struct Bound {
    std::string_view name;
    std::uint64_t value;
    std::uint64_t least;
    std::uint64_t most;
};

template <class Bounds>
std::optional<std::string> breach(std::string_view where, const Bounds& bounds) {
    for (const Bound& b : bounds) {
        if (b.value < b.least || b.value > b.most)
            return fmt::format("{}: {} {}: from {} to {}", where, b.name, b.value, b.least, b.most);
    }
    return std::nullopt;
}

std::optional<std::string> breach(const Shape& s) {
    const std::array bounds{
#define QUORATE_SHAPE_BOUND(name, value, least, most) Bound{#name, s.name, least, most},
        QUORATE_SHAPE_FIELDS(QUORATE_SHAPE_BOUND)
#undef QUORATE_SHAPE_BOUND
    };
    if (auto wrong = breach("shape", bounds)) return wrong;
    const auto ticks = [&](std::uint64_t ms) { return (ms + s.tick_ms - 1) / s.tick_ms; };
    // A heartbeat may be lost without a new election.
    if (2 * ticks(s.heartbeat_ms) >= ticks(s.election_min_ms) ||
        ticks(s.election_min_ms) >= ticks(s.election_max_ms) || s.heartbeat_ms < s.tick_ms)
        return fmt::format(
            "shape: tick_ms {}, heartbeat_ms {}, election_min_ms {}, election_max_ms {}: tick <= heartbeat, "
            "and in whole ticks 2 * heartbeat < election_min < election_max",
            s.tick_ms, s.heartbeat_ms, s.election_min_ms, s.election_max_ms);
    // An election takes four messages and two writes: on average, and at best, it has to end before others
    // begin too often. The storms that we draw go nearly as far.
    const std::uint64_t election_us =
        2 * (s.latency_us_min + s.latency_us_max) + s.sync_us_min + s.sync_us_max;
    if (election_us > s.election_min_ms * 2700)
        return fmt::format(
            "shape: latency_us_min {}, latency_us_max {}, sync_us_min {}, sync_us_max {}: the former two "
            "doubled and "
            "the latter at most {} together, for an election_min_ms of {}",
            s.latency_us_min, s.latency_us_max, s.sync_us_min, s.sync_us_max, s.election_min_ms * 2700,
            s.election_min_ms);
    // From a node to the leader, on to the followers and back, and into two disks behind one another, on
    // average and half of what there is between the least and the most besides: that has to end in time, or
    // nearly. What the storms lack that we draw, luck gives them in many tries; but nothing is faster than
    // the least.
    constexpr std::uint64_t kLuckUs = 410'000;
    const std::uint64_t usual_us =
        s.latency_us_min + 3 * s.latency_us_max + (s.sync_us_min + 3 * s.sync_us_max) / 2;
    const std::uint64_t write_us =
        std::max(4 * s.latency_us_min + s.sync_us_min, usual_us - std::min(usual_us, kLuckUs));
    const auto in_ms = [](std::uint64_t us) { return (us + 999) / 1000; };
    // In the calm no client is less patient than by default.
    const std::uint64_t client_ms = std::max(s.client_timeout_ms, Shape{}.client_timeout_ms);
    const std::uint64_t answer_us = write_us + 2 * s.latency_us_max;
    if (s.operation_timeout_ms < in_ms(write_us) || client_ms < in_ms(answer_us))
        return fmt::format(
            "shape: operation_timeout_ms {}, client_timeout_ms {}: from {} and {}, for latencies of {} to {} "
            "us and "
            "syncs of {} to {} us",
            s.operation_timeout_ms, client_ms, in_ms(write_us), in_ms(answer_us), s.latency_us_min,
            s.latency_us_max, s.sync_us_min, s.sync_us_max);
    return breach("shape",
                  std::array{
                      Bound{"first", s.first, 0, s.nodes},
                      Bound{"core_mask", s.core_mask, 0, (std::uint64_t{1} << s.nodes) - 1},
                      Bound{"latency_us_max", s.latency_us_max, s.latency_us_min, s.election_min_ms * 500},
                      Bound{"sync_us_min", s.sync_us_min, 0, s.election_min_ms * 750 - s.latency_us_min},
                      Bound{"sync_us_max", s.sync_us_max, s.sync_us_min, s.election_min_ms * 2700},
                      Bound{"inflight_bytes_max", s.inflight_bytes_max, s.append_bytes_max, kBoundless},
                  });
}

std::uint64_t amount_max(const FaultLine& line, std::uint64_t nodes) {
    switch (line.kind) {
        case FaultKind::Loss:
        case FaultKind::Duplicate:
        case FaultKind::Corrupt: return kMillion;
        case FaultKind::Reorder:
        case FaultKind::Slow: return 10 * kMillion;
        case FaultKind::Partition: return line.node == kTheLeader ? 8 : (std::uint64_t{1} << nodes) - 1;
        case FaultKind::PowerCutAtDisk:
        case FaultKind::DiskSlow:
        case FaultKind::SyncFails: return kMillion;
        case FaultKind::ClockJump: return kHourUs / 1000;
        case FaultKind::ClockDrift: return 100 * kMillion;
        case FaultKind::DiskFull: return kBoundless;
        case FaultKind::OneWay:
        case FaultKind::Clog:
        case FaultKind::Disconnect:
        case FaultKind::Kill:
        case FaultKind::PowerCut:
        case FaultKind::Pause:
        case FaultKind::Stop:
        case FaultKind::ReadFails:
        case FaultKind::Rot:
        case FaultKind::DiskLost: return UINT64_MAX;
    }
    std::unreachable();
}

// A storm may leave a client all of its work, and the longest of its pauses just begun: else a cluster that
// is well would be said not to agree in time. Only the first pause has begun before, with the run.
std::optional<std::string> breach_of_calm(const Plan& plan) {
    struct Work {
        std::uint64_t lines = 0;
        std::uint64_t us = 0;
        std::uint64_t pause_us = 0;
    };
    const Shape& s = plan.shape;
    // To the node that is asked, on to the leader and on to its followers; there and back, on average.
    const std::uint64_t line_us =
        3 * (s.latency_us_min + s.latency_us_max) + (s.sync_us_min + s.sync_us_max) / 2;
    // A twentieth is left for an election and for what takes longer than on average.
    const std::uint64_t calm_us = patience_us(s) / 20 * 19;
    std::vector<Work> work_of(s.clients);
    for (std::size_t i = 0; i < plan.operations.size(); ++i) {
        const OperationLine& line = plan.operations[i];
        Work& work = work_of[line.client];
        const std::string where = fmt::format("operations[{}], {}", i, to_string(line.kind));
        const std::uint64_t begun_us = work.lines == 0 ? s.storm_us : 0;
        if (auto wrong = breach(where, std::array{Bound{"pause_us", line.pause_us, 0, begun_us + calm_us}}))
            return wrong;
        work.pause_us = std::max(work.pause_us, line.pause_us - std::min(line.pause_us, begun_us));
        work.us += line_us + std::min(line.pause_us, kCalmPauseUsMax);
        if (work.pause_us + work.us > calm_us)
            return fmt::format(
                "{}: client {}: at most {} operations, for they and a pause_us of {} have to be over in {} "
                "us",
                where, line.client, work.lines, work.pause_us, calm_us);
        ++work.lines;
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::string> out_of_bounds(const Plan& plan) {
    const Shape& s = plan.shape;
    if (auto wrong = breach(s)) return wrong;
    const bool members_change = plan.changes_members();
    std::uint64_t reorder_us = 0;
    for (std::size_t i = 0; i < plan.faults.size(); ++i) {
        const FaultLine& line = plan.faults[i];
        const std::string where = fmt::format("faults[{}], {}", i, to_string(line.kind));
        const bool is_of_leader = line.node == kTheLeader && may_befall_the_leader(line.kind);
        if (auto wrong =
                breach(where, std::array{Bound{"at_us", line.at_us, 0, kHourUs},
                                         Bound{"node", is_of_leader ? 0 : line.node, 0, s.nodes - 1},
                                         Bound{"peer", line.peer, 0, s.nodes - 1},
                                         Bound{"duration_us", line.duration_us, 0, kHourUs},
                                         Bound{"amount", line.amount, 0, amount_max(line, s.nodes)}}))
            return wrong;
        if (line.kind == FaultKind::Reorder) reorder_us += line.amount;
        // Who has lost its log asks all first members for their terms, and one that has left answers nobody.
        if ((line.kind == FaultKind::Rot || line.kind == FaultKind::DiskLost) && members_change)
            return fmt::format("{}: not where members change: neither with first, nor Join, Leave or Replace",
                               where);
    }
    if (reorder_us > kReorderSumUsMax)
        return fmt::format("faults: Reorder: amount {} in all: at most {}", reorder_us, kReorderSumUsMax);
    std::uint64_t values_bytes = 0;
    for (std::size_t i = 0; i < plan.operations.size(); ++i) {
        const OperationLine& line = plan.operations[i];
        const std::string where = fmt::format("operations[{}], {}", i, to_string(line.kind));
        const bool is_change = changes_members(line.kind);
        if (auto wrong = breach(
                where,
                std::array{
                    Bound{"client", line.client, 0, s.clients - 1}, Bound{"key", line.key, 0, s.keys - 1},
                    Bound{"last_key", line.last_key, 0, s.keys - 1}, Bound{"node", line.node, 0, s.nodes - 1},
                    Bound{"bytes", line.bytes, 0, is_change ? s.nodes - 1 : kValueBytesMax},
                    Bound{"limit", line.limit, 0, is_change ? s.nodes - 1 : server::kRangeLimitDefault},
                    Bound{"once", line.once, 0, static_cast<std::uint64_t>(Sending::InSession)},
                    Bound{"pause_us", line.pause_us, 0, kHourUs}}))
            return wrong;
        if (is_write(line.kind) && line.once == static_cast<std::uint64_t>(Sending::Once) &&
            s.answers_age_ms_max != kBoundless)
            return fmt::format(
                "{}: once 1: only with answers_age_ms_max {}, for without a session it is written again when "
                "its answer is forgotten",
                where, kBoundless);
        if (line.kind == RequestKind::LeaseGet && s.clock_drift_ppm == 0)
            return fmt::format("{}: clock_drift_ppm 0: from 1, for nodes refuse it else", where);
        const bool is_batch = line.kind == RequestKind::Batch && line.last_key > line.key;
        const std::uint64_t values = is_batch ? line.last_key - line.key + 1 : 1;
        constexpr std::uint64_t kBatchBytesMax = server::ApiLimits{}.batch_bytes_max;
        if (is_batch && values * (line.bytes + kBatchLineBytes) > kBatchBytesMax)
            return fmt::format("{}: bytes {}, for {} keys: at most {} with {} more for each", where,
                               line.bytes, values, kBatchBytesMax, kBatchLineBytes);
        values_bytes += values * line.bytes;
    }
    if (values_bytes > kValuesBytesMax)
        return fmt::format("operations: bytes {} in all: at most {}", values_bytes, kValuesBytesMax);
    return breach_of_calm(plan);
}

}  // namespace quorate::sim
