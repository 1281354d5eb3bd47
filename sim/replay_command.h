#pragma once

// A part of quorate-sim's shell: reads a recording's file, and prints what a replay of it shows.

#include <cstdint>
#include <string>

#include "sim/exit.h"

namespace quorate::sim {

struct ReplayNodeFlags {
    bool verbose = false;  ///< the node's log lines too
    std::uint64_t until = UINT64_MAX;
};

[[nodiscard]] Exit replay_recording(const std::string& name, const ReplayNodeFlags& flags);

}  // namespace quorate::sim
