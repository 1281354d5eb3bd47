#pragma once

// How long the store knows what writes that must happen once were answered: what a leader lets the cluster
// forget.

#include <cstdint>

#include "server/age_samples.h"
#include "server/answered_writes.h"

namespace quorate::server {

struct AnswersLimits {
    /// Those with a session are forgotten when there are more; what has none is forgotten by age alone, and
    /// writes with a new key are refused while there are so many.
    std::uint64_t count_max = 1'000'000;
    std::uint64_t age_ms_max = 300'000;  ///< as the leader's clock tells it

    bool operator==(const AnswersLimits&) const = default;
};

/// Pure: the time comes in.
class AnswersWindow {
 public:
    explicit AnswersWindow(const AnswersLimits& limits) : limits_(limits), ages_(limits.age_ms_max) {}

    /// The last one is `last` now. Call it on every tick, whoever leads.
    void note_time(std::uint64_t now_ms, std::uint64_t last) { ages_.note_time(now_ms, last); }
    /// Through here they are to be forgotten; at most answers.forgotten(): none is. A bounded number of those
    /// that only their count makes forgotten.
    [[nodiscard]] std::uint64_t forget_through(const AnsweredWrites& answers) const;
    [[nodiscard]] bool is_full(const AnsweredWrites& answers) const {
        return answers.size() >= limits_.count_max;
    }

 private:
    AnswersLimits limits_;
    AgeSamples ages_;
};

}  // namespace quorate::server
