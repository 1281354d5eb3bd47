#pragma once

#include <cstdint>

namespace quorate::sim {

/// How quorate-sim ends.
enum Exit : std::uint8_t {
    Passed = 0,
    Broken = 1,         ///< a property does not hold, or a replay is not what was recorded
    Usage = 2,          ///< what the command line says; what a file says is Unusable
    Unusable = 3,       ///< no verdict: a file cannot be used, or nobody can judge what is in it
    Interrupted = 128,  ///< and the number of the signal
};

}  // namespace quorate::sim
