#pragma once

// How much of the past the store keeps: what a leader lets the cluster forget.

#include <cstdint>

#include "server/age_samples.h"
#include "server/key_history.h"

namespace quorate::server {

/// What is over any of them is forgotten.
struct HistoryLimits {
    std::uint64_t changes_max = 10'000;                 ///< past values, absences included
    std::uint64_t bytes_max = std::uint64_t{64} << 20;  ///< of their keys and values
    std::uint64_t age_ms_max = std::uint64_t{600'000};  ///< as the leader's clock tells it

    bool operator==(const HistoryLimits&) const = default;
};

/// Pure: the time comes in.
class HistoryWindow {
 public:
    explicit HistoryWindow(const HistoryLimits& limits) : limits_(limits), ages_(limits.age_ms_max) {}

    /// The store is at `revision` now. Call it on every tick, whoever leads, so that a new leader knows how
    /// old what it holds is.
    void note_time(std::uint64_t now_ms, std::uint64_t revision) { ages_.note_time(now_ms, revision); }
    /// Through here the history is to be forgotten; zero: nothing is. Limits of size are passed by an eighth
    /// before it says so, so that a busy cluster does not forget with every write.
    [[nodiscard]] std::uint64_t forget_through(const KeyHistory& history) const;

 private:
    HistoryLimits limits_;
    AgeSamples ages_;
};

}  // namespace quorate::server
