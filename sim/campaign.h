#pragma once

// Runs plans in processes of their own. Part of quorate-sim's shell, not of the pure room.

#include <cstdint>
#include <functional>
#include <string>

#include "sim/storm.h"
#include "sim/world.h"

namespace quorate::sim {

/// What breaks when the plan runs in a process of its own: the property, and of a crash the check or the
/// signal too; empty when nothing does.
[[nodiscard]] std::string failure_of(const Plan& plan);

struct Campaign {
    std::uint64_t first_seed = 1;
    std::uint64_t last_seed = 1;
    unsigned jobs = 1;
    bool twice = false;  ///< each seed, and compare the traces
    Plan (*plan_of)(std::uint64_t seed) = make_plan;
};

/// Runs every seed of the campaign; `on_result` is called for each, in no particular order, and `on_pause`
/// a few times a second. False from either ends it.
void run_campaign(const Campaign& campaign,
                  const std::function<bool(std::uint64_t seed, RunResult&&)>& on_result,
                  const std::function<bool()>& on_pause);

}  // namespace quorate::sim
