#pragma once

// A run: nodes, clients, network, disks and clocks in one thread and in virtual time. What happens is a pure
// function of the plan.
//
// First the storm: faults come and go as the plan says, and nothing that was promised may break. Then the
// calm: the faults are over for a core of the nodes (a quorum), which must serve within a bounded time while
// the others are down; then all come back and must agree.

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/check.h"
#include "sim/event_queue.h"
#include "sim/history.h"
#include "sim/host.h"
#include "sim/marks.h"
#include "sim/plan.h"
#include "sim/referee.h"
#include "sim/virtual_network.h"

namespace quorate::sim {

/// Kinds of operations that were answered for good, by what they found: a workload that never deletes, or
/// never misses, shows as a zero.
struct Answers {
    static constexpr std::array<int, 8> kStatuses{200, 400, 404, 409, 410, 412, 503, 507};
    std::vector<std::uint64_t> counts = std::vector<std::uint64_t>(kRequestKindCount * kStatuses.size());
    void add(RequestKind kind, int status) { ++counts[place(kind, status)]; }
    [[nodiscard]] std::uint64_t of(RequestKind kind, int status) const { return counts[place(kind, status)]; }

 private:
    [[nodiscard]] static std::size_t place(RequestKind kind, int status) {
        const auto found = std::ranges::find(kStatuses, status);
        ENGINE_CHECK(found != kStatuses.end());
        return static_cast<std::size_t>(kind) * kStatuses.size() +
               static_cast<std::size_t>(found - kStatuses.begin());
    }
};

struct RunResult {
    std::optional<Violation> violation;
    std::uint64_t trace_hash = 0;  ///< of every event and action
    std::uint64_t virtual_us = 0;
    std::uint64_t events = 0;
    std::uint64_t committed = 0;  ///< entries
    std::uint64_t done = 0;       ///< operations, by what their clients were told
    std::uint64_t refused = 0;
    std::uint64_t unknown = 0;
    std::uint64_t leaders = 0;         ///< elections won
    std::uint64_t disk_bytes_max = 0;  ///< that a node has taken, when something was done beside its log
    Effects effects;
    MarkSet marks;  ///< reached
    Answers answers;
};

struct RunOptions {
    /// Called with a line of JSON for each event; empty: no trace.
    std::function<void(std::string_view)> trace{};
    /// Called with the log lines of each node, with its number (from 1); empty: none.
    std::function<void(std::size_t, std::string_view)> log{};
    /// Called once with what the clients asked and were told; empty: none.
    std::function<void(std::span<const Operation>)> history{};
    /// Called with the pieces of a recording of each life of each node: the node's number (from 1), the
    /// life's, and bytes that follow those before; empty: nothing is recorded.
    std::function<void(std::size_t, std::uint64_t, std::string_view)> record{};
    std::uint64_t record_bytes_max = std::uint64_t{1} << 30;  ///< of each
    std::uint64_t events_max = UINT64_MAX;                    ///< stops there
    Moment* moment =
        nullptr;  ///< shows how far the run has come while it goes on, to whom a crash leaves nothing else
};

[[nodiscard]] RunResult run(const Plan& plan, const RunOptions& options = {});

}  // namespace quorate::sim
