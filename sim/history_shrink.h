#pragma once

// Makes a register's history small that no order explains, so that a person can see why. Every step taken is
// such that an order of the larger history would give one of the smaller: what is left is a fault of the
// whole, and not one that leaving something out has made.

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "sim/register_model.h"
#include "sim/register_search.h"

namespace quorate::sim {

struct ShrunkHistory {
    /// In the order of their calls. Some are weaker than they were: open, when the history was cut before
    /// they returned; a Write or a Read instead of a Cas, when it does not matter what the Cas saw or what it
    /// set.
    std::vector<Step> steps;
    bool smallest = false;  ///< nothing more can be left out; else the work was over first
};

/// Looks for a fault among steps that are near each other, where a search of all of them takes too long:
/// steps of which search_order() finds None, so that it would of all. Nothing when there are none such, or
/// when the work was over.
[[nodiscard]] std::optional<std::vector<Step>> find_fault_nearby(std::span<const Step> steps,
                                                                 const SearchLimits& limits,
                                                                 std::size_t work_max);

/// Requires that search_order(steps, limits) finds None. `work_max` counts about microseconds.
[[nodiscard]] ShrunkHistory shrink_history(std::span<const Step> steps, const SearchLimits& limits,
                                           std::size_t work_max);

}  // namespace quorate::sim
