#pragma once

// The engine's own randomness: eight bytes of state, the same draws on every platform (splitmix64, Steele et
// al., OOPSLA 2014).

#include <cstdint>

namespace quorate::engine {

class Random {
 public:
    explicit constexpr Random(std::uint64_t seed) : state_(seed) {}

    constexpr bool operator==(const Random&) const = default;
    [[nodiscard]] constexpr std::uint64_t state() const { return state_; }

    constexpr std::uint64_t next() {
        state_ += 0x9e3779b97f4a7c15U;
        std::uint64_t z = state_;
        z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
        return z ^ (z >> 31U);
    }

    /// min..max inclusive, without bias: draws that would favour the low end are thrown away.
    constexpr std::uint32_t between(std::uint32_t min, std::uint32_t max) {
        const std::uint64_t span = std::uint64_t{max} - min + 1;
        const std::uint64_t limit = UINT64_MAX - UINT64_MAX % span;
        std::uint64_t draw = next();
        while (draw >= limit) draw = next();
        return static_cast<std::uint32_t>(min + draw % span);
    }

 private:
    std::uint64_t state_;
};

}  // namespace quorate::engine
