#pragma once

// Whether bytes that must come from, or go to, a client still move as fast as we ask.

#include <algorithm>
#include <cstdint>

namespace quorate::io {

/// Time that passes is owed, and each byte that moves pays for 1 s / `bytes_per_second_min` of it. Nothing is
/// paid in advance: whoever moves a megabyte at once and then nothing has no more patience than others. Who
/// moves at that rate all the time owes little, however long it takes.
class Pace {
 public:
    /// Nothing is owed now.
    void begin(std::uint64_t now_ms) {
        last_ms_ = now_ms;
        owed_ms_ = 0;
    }
    /// `moved_bytes` have moved since the last call. True: more than `patience_ms` is owed.
    [[nodiscard]] bool is_too_slow(std::uint64_t now_ms, std::uint64_t moved_bytes, std::uint64_t patience_ms,
                                   std::uint64_t bytes_per_second_min) {
        owed_ms_ += now_ms - last_ms_;
        last_ms_ = now_ms;
        if (bytes_per_second_min == 0) return false;
        owed_ms_ -= std::min(owed_ms_, moved_bytes * 1000 / bytes_per_second_min);
        return owed_ms_ > patience_ms;
    }

 private:
    std::uint64_t last_ms_ = 0;
    std::uint64_t owed_ms_ = 0;
};

}  // namespace quorate::io
