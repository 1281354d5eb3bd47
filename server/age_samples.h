#pragma once

// How old is what a growing number counts, by the clock of whoever looks.

#include <cstdint>
#include <deque>

namespace quorate::server {

/// Pure: the time comes in.
class AgeSamples {
 public:
    explicit AgeSamples(std::uint64_t age_ms_max) : age_ms_max_(age_ms_max) {}

    /// The number is `number` now, and never falls. Call it on every tick.
    void note_time(std::uint64_t now_ms, std::uint64_t number);
    /// It had reached this longer ago than the limit; within a sixteenth of it.
    [[nodiscard]] std::uint64_t expired() const { return expired_; }

 private:
    struct Sample {
        std::uint64_t at_ms = 0;
        std::uint64_t number = 0;
    };

    std::uint64_t age_ms_max_;
    std::deque<Sample> samples_;  ///< ascending, some of each age
    std::uint64_t expired_ = 0;
};

}  // namespace quorate::server
