#pragma once

// How long the calm after a storm may last before something must have gone wrong.

#include <cstdint>

#include "sim/plan.h"

namespace quorate::sim {

/// For the core to serve, and then for all to agree with every client done.
[[nodiscard]] inline std::uint64_t patience_us(const Shape& shape) {
    return 30'000 * shape.election_max_ms + 60'000'000;
}

}  // namespace quorate::sim
