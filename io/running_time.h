#pragma once

// What clients are given their time in.

#include <algorithm>
#include <cstdint>

namespace quorate::io {

/// The time in which the process ran: it is looked at every `period_ms`, and of the time from one look to the
/// next no more than that counts. So a process that was stopped, or whose machine was, blames nobody for it:
/// what its clients sent meanwhile it has not even read. Never goes back.
class RunningTime {
 public:
    RunningTime(std::uint64_t now_ms, std::uint64_t period_ms)
        : period_ms_(period_ms), looked_ms_(now_ms), running_ms_(now_ms) {}

    [[nodiscard]] std::uint64_t at(std::uint64_t now_ms) const {
        return running_ms_ + std::min(now_ms - looked_ms_, period_ms_);
    }
    void look(std::uint64_t now_ms) {
        running_ms_ = at(now_ms);
        looked_ms_ = now_ms;
    }

 private:
    std::uint64_t period_ms_;
    std::uint64_t looked_ms_;
    std::uint64_t running_ms_;
};

}  // namespace quorate::io
