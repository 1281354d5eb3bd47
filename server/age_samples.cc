#include "server/age_samples.h"

namespace quorate::server {

namespace {

constexpr std::uint64_t kSamplesOfAnAge = 16;

}  // namespace

void AgeSamples::note_time(std::uint64_t now_ms, std::uint64_t number) {
    const bool is_due = samples_.empty() || (samples_.back().number != number &&
                                             now_ms - samples_.back().at_ms >= age_ms_max_ / kSamplesOfAnAge);
    if (is_due) samples_.push_back({now_ms, number});
    while (!samples_.empty() && now_ms - samples_.front().at_ms >= age_ms_max_) {
        expired_ = samples_.front().number;
        samples_.pop_front();
    }
}

}  // namespace quorate::server
