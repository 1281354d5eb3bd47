#pragma once

// Runs plans in processes of their own, so that one that aborts is told from one that fails and takes nobody
// with it. Part of quorate-sim's shell, not of the pure room.

#include <cstdint>
#include <functional>
#include <vector>

#include "sim/world.h"

namespace quorate::sim {

/// The property of a run whose process died: an assertion failed, or worse.
inline constexpr const char* kCrash = "Crash";

/// Runs the plan in a child process. A crash is a violation; its text is how the process ended.
[[nodiscard]] RunResult run_apart(const Plan& plan);

struct Campaign {
    std::uint64_t first_seed = 1;
    std::uint64_t last_seed = 1;
    unsigned jobs = 1;
    bool twice = false;  ///< each seed, and compare the traces
};

/// Runs every seed of the campaign; `on_result` is called for each, in no particular order, and `on_pause`
/// a few times a second. False from either ends it.
void run_campaign(const Campaign& campaign,
                  const std::function<bool(std::uint64_t seed, RunResult&&)>& on_result,
                  const std::function<bool()>& on_pause);

}  // namespace quorate::sim
