#pragma once

// Counts what the program allocates with new: for benchmarks. Not thread-safe.

#include <cstddef>

namespace quorate::test {

/// Since the program began.
[[nodiscard]] std::size_t allocations();

}  // namespace quorate::test
