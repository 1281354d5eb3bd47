#include "server/lease.h"

#include <algorithm>

namespace quorate::server {

std::uint64_t silence_ms(const engine::Config& raft, std::uint32_t tick_ms) {
    return std::uint64_t{raft.election_timeout_ticks_min - 1} * tick_ms;
}

std::uint64_t lease_ms(const engine::Config& raft, std::uint32_t tick_ms, std::uint32_t clock_drift_ppm) {
    constexpr std::uint64_t kMillion = 1'000'000;
    const std::uint64_t silence = silence_ms(raft, tick_ms);
    return (silence - std::min(silence, kClockGrainMs)) * (kMillion - clock_drift_ppm) /
           (kMillion + clock_drift_ppm);
}

void Lease::note_round(engine::Term term, engine::Round round, std::uint64_t began_ms) {
    if (lease_ms_ == 0 || (term == term_ && round == newest_)) return;
    if (term != term_) {
        term_ = term;
        spans_.fill({});
    }
    newest_ = round;
    const Span& last = spans_[(next_ + spans_.size() - 1) % spans_.size()];
    const bool is_of_last = last.first > engine::Round{} &&
                            began_ms - last.began_ms < std::max<std::uint64_t>(1, lease_ms_ / kSpansMax);
    if (is_of_last) return;
    spans_[next_] = {round, began_ms};
    next_ = (next_ + 1) % spans_.size();
}

bool Lease::lasts(engine::Term term, engine::Round round, std::uint64_t now_ms) const {
    if (term != term_ || round == engine::Round{}) return false;
    // A round that no span is left of began too long ago.
    const Span* found = nullptr;
    for (const Span& span : spans_) {
        if (span.first == engine::Round{} || span.first > round) continue;
        if (found == nullptr || span.first > found->first) found = &span;
    }
    return found != nullptr && now_ms - found->began_ms < lease_ms_;
}

}  // namespace quorate::server
