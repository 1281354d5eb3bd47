#pragma once

// A stable 64-bit digest of numbers, for comparing states across processes and platforms. Not cryptographic.

#include <cstdint>

namespace quorate::engine {

/// Order matters; the same numbers give the same value everywhere.
class Digest {
 public:
    constexpr Digest& add(std::uint64_t number) {
        value_ = (value_ ^ number) * 0x9fb21c651e98df25U;
        value_ ^= value_ >> 32U;
        return *this;
    }
    [[nodiscard]] constexpr std::uint64_t value() const { return value_; }

 private:
    std::uint64_t value_ = 0x243f6a8885a308d3U;
};

}  // namespace quorate::engine
