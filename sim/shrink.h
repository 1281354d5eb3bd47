#pragma once

// Makes a failing plan small: drops faults, clients, operations and time while it still fails in the same
// way. Delta debugging (Zeller and Hildebrandt, TSE 2002).

#include <cstdint>
#include <functional>
#include <string>

#include "sim/plan.h"

namespace quorate::sim {

/// What breaks when the plan runs, by a name that tells it from what else may break; empty when nothing does.
using Trial = std::function<std::string(const Plan&)>;

struct Shrunk {
    Plan plan;
    std::uint64_t trials = 0;
};

/// A plan of which the trial says `failure` and from which nothing more can be taken, or what is reached
/// after `trials_max` runs. Requires that it says so of `plan`.
[[nodiscard]] Shrunk shrink(const Plan& plan, const std::string& failure, const Trial& trial,
                            std::uint64_t trials_max);

}  // namespace quorate::sim
