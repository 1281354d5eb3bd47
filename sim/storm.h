#pragma once

// Draws a plan from a seed: the cluster's size and limits, what the clients do, and which faults come when.
// Swarm testing (Groce et al., ISSTA 2012): each seed uses only some kinds of faults, each with an intensity
// of its own, so that no kind can hide what another would show.

#include <cstdint>

#include "sim/plan.h"

namespace quorate::sim {

/// Faults that no cluster survives are not in it: what damages a disk for good befalls less than half of the
/// nodes.
[[nodiscard]] Plan make_plan(std::uint64_t seed);

/// A cluster of `nodes` with steady clients and no faults for `seconds`, for measuring.
[[nodiscard]] Plan make_fair_weather(std::uint64_t nodes, std::uint64_t seconds, std::uint64_t seed);

}  // namespace quorate::sim
