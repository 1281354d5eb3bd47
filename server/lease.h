#pragma once

// How long a leader may answer reads without asking anybody: thesis §6.4.1.

#include <array>
#include <cstddef>
#include <cstdint>

#include "engine/config.h"
#include "engine/types.h"

namespace quorate::server {

/// Of the clock that ticks come from a process sees whole milliseconds, and maybe only what the kernel saw
/// when it last looked (CLOCK_MONOTONIC_COARSE).
inline constexpr std::uint64_t kClockGrainMs = 10;

/// Whoever hears a heartbeat leaves its leader alone for so long, as its own clock tells it: for
/// election_timeout_ticks_min ticks, of which the first may come at once.
[[nodiscard]] std::uint64_t silence_ms(const engine::Config& raft, std::uint32_t tick_ms);

/// Of followers whose silence is no shorter than this node's. A clock that runs `clock_drift_ppm` too fast
/// there, and one as much too slow here, take their part of it.
[[nodiscard]] std::uint64_t lease_ms(const engine::Config& raft, std::uint32_t tick_ms,
                                     std::uint32_t clock_drift_ppm);

/// When the rounds of heartbeats of a term began. Times are those of one clock, which never goes back and
/// which counts the time in which the process, or its machine, stood still.
class Lease {
 public:
    /// Zero: there is none.
    explicit Lease(std::uint64_t lease_ms) : lease_ms_(lease_ms) {}

    /// `round` is the newest of the term, and began at `began_ms` or later.
    void note_round(engine::Term term, engine::Round round, std::uint64_t began_ms);
    /// Whether the lease that a majority gave by answering `round` lasts at `now_ms`.
    [[nodiscard]] bool lasts(engine::Term term, engine::Round round, std::uint64_t now_ms) const;

 private:
    // Rounds from `first` on, up to the next span's, count as begun at began_ms.
    struct Span {
        engine::Round first;
        std::uint64_t began_ms = 0;
    };
    /// Reads may begin many rounds in a millisecond: of all that begin within this part of the lease the
    /// first one's time is kept. A lease is that much shorter at the worst.
    static constexpr std::size_t kSpansMax = 64;

    std::uint64_t lease_ms_;
    engine::Term term_;
    engine::Round newest_;
    std::array<Span, kSpansMax + 1> spans_{};  ///< in a circle
    std::size_t next_ = 0;                     ///< where the next one goes, in place of the oldest
};

}  // namespace quorate::server
