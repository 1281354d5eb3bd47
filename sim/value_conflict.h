#pragma once

// Contradictions that need no search.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "sim/register_model.h"

namespace quorate::sim {

/// Two values that are at odds with each other; the same one twice when it is with itself.
struct ValueConflict {
    std::uint32_t first = kAbsent;
    std::uint32_t second = kAbsent;

    bool operator==(const ValueConflict&) const = default;
};

/// A value that only one step sets, and some saw, is in the register once, without a break. So of two such
/// values, all that has to do with the one comes before all that has to do with the other; where one step of
/// each value returned before a step of the other was called, no order explains them. Gibbons and Korach
/// (Testing Shared Memories, 1997) show that nothing else can go wrong if all writes are of this kind and
/// none is a Cas or open; here it is what can be told at once. Also found: a value that nobody wrote, or that
/// was seen before its write was called.
[[nodiscard]] std::optional<ValueConflict> find_conflict(std::span<const Step> steps);

/// The steps that have to do with the two values alone; an order of all would give one of these. A Cas that
/// sets one of them is a Write here, one that only saw one of them a Read.
[[nodiscard]] std::vector<Step> steps_of_conflict(std::span<const Step> steps, const ValueConflict& conflict);

}  // namespace quorate::sim
