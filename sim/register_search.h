#pragma once

// Is there an order of a register's operations that explains what each of them saw? The search of Wing and
// Gong (Testing and Verifying Concurrent Objects, 1993) with the memory of configurations that Lowe added
// (Testing for Linearizability, 2016), and with what a register allows to leave out.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "sim/register_model.h"

namespace quorate::sim {

struct SearchLimits {
    std::size_t configurations_max = 0;  ///< pairs of what has been placed and the state then
    std::size_t bytes_max = 0;           ///< that these take
};

enum class SearchVerdict : std::uint8_t {
    Found,
    None,
    Unknown,  ///< the limits were reached before the search was over
};

struct SearchResult {
    SearchVerdict verdict = SearchVerdict::Unknown;
    std::size_t configurations = 0;
};

/// The shortcuts never change a verdict that the limits leave time for.
[[nodiscard]] SearchResult search_order(std::span<const Step> steps, const SearchLimits& limits);

/// The longest order found that explains some of the steps so that no other would have had to come before
/// them: indexes into `steps`. "Longest" counts those that have returned. Without shortcuts: for few steps.
[[nodiscard]] std::vector<std::size_t> longest_order(std::span<const Step> steps, const SearchLimits& limits);

}  // namespace quorate::sim
