#pragma once

// Histories of registers that really are linearizable: each operation takes effect at one moment between its
// call and its return.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sim/history.h"

namespace quorate::sim {

struct HistoryShape {
    std::size_t operations = 0;
    std::uint32_t clients = 16;
    std::uint32_t keys = 4;
    std::uint32_t latency_max = 100;
    std::uint32_t pause_max = 10;        ///< between a return and the next call of the same client
    std::uint32_t values = 0;            ///< how many different ones are written; 0: each write has its own
    std::uint32_t reads_percent = 50;    ///< the rest are writes:
    std::uint32_t deletes_percent = 5;   ///< of all
    std::uint32_t cas_percent = 10;      ///< of all
    std::uint32_t unknown_permille = 0;  ///< of all; half of these take effect, perhaps much later
    bool with_revisions = false;
};

/// In the order of their effects. Equal shapes and seeds give equal histories.
[[nodiscard]] std::vector<Operation> linearizable_history(const HistoryShape& shape, std::uint64_t seed);

}  // namespace quorate::sim
