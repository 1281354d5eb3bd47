#pragma once

// A part of quorate-sim's shell: replays a plan, and prints what broke and when.

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "sim/exit.h"
#include "sim/plan.h"
#include "sim/referee.h"

namespace quorate::sim {

/// `source`, a seed or a file, is what replays it.
void print_violation(std::FILE* file, const Violation& violation, std::string_view source);

struct ReplayFlags {
    bool trace = false;  ///< its lines have standard output for themselves; all else goes to standard error
    std::uint64_t until = UINT64_MAX;
    std::size_t verbose = 0;  ///< the node whose log is printed, from 1; 0: none
    std::string history{};    ///< the file that it is written to, if any
};

/// In a process of its own: a crash is a violation like any other, told behind all that was printed before.
[[nodiscard]] Exit replay_plan(const std::string& source, const Plan& plan, const ReplayFlags& flags);

}  // namespace quorate::sim
