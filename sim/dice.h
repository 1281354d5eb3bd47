#pragma once

// The simulator's chance: portable draws from one seed.

#include <cstdint>
#include <span>
#include <vector>

#include "engine/check.h"
#include "engine/random.h"

namespace quorate::sim {

/// Chances are counted in millionths.
inline constexpr std::uint32_t kAlways = 1'000'000;

class Dice {
 public:
    explicit Dice(std::uint64_t seed) : random_(seed) {}

    /// An independent source, named by `salt`: what is drawn from it does not depend on what is drawn here.
    [[nodiscard]] static Dice salted(std::uint64_t seed, std::uint64_t salt) {
        engine::Random mix(seed ^ (salt * 0x9e3779b97f4a7c15U));
        return Dice(mix.next());
    }

    [[nodiscard]] std::uint64_t bits() { return random_.next(); }
    /// min..max inclusive; max - min below 2^32.
    [[nodiscard]] std::uint64_t between(std::uint64_t min, std::uint64_t max) {
        ENGINE_CHECK(min <= max && max - min < UINT32_MAX);
        return min + random_.between(0, static_cast<std::uint32_t>(max - min));
    }
    [[nodiscard]] bool chance(std::uint64_t millionths) { return between(1, kAlways) <= millionths; }
    [[nodiscard]] bool flip() { return (bits() & 1U) != 0; }
    /// An index below `count`.
    [[nodiscard]] std::size_t pick(std::size_t count) {
        return static_cast<std::size_t>(between(0, count - 1));
    }
    /// Small numbers are likelier: each power of two up to max has the same chance.
    [[nodiscard]] std::uint64_t skewed(std::uint64_t min, std::uint64_t max) {
        std::uint64_t span = max - min;
        unsigned bits_max = 0;
        while (bits_max < 31 && (span >> bits_max) > 0) ++bits_max;
        const std::uint64_t cap = (std::uint64_t{1} << between(0, bits_max)) - 1;
        return min + between(0, cap < span ? cap : span);
    }
    /// An index into `weights`, which are not all zero.
    [[nodiscard]] std::size_t weighted(std::span<const std::uint32_t> weights) {
        std::uint64_t sum = 0;
        for (const std::uint32_t weight : weights) sum += weight;
        std::uint64_t draw = between(1, sum);
        std::size_t i = 0;
        while (draw > weights[i]) draw -= weights[i++];
        return i;
    }
    template <class T>
    void shuffle(std::vector<T>& items) {
        for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[pick(i)]);
    }

 private:
    engine::Random random_;
};

}  // namespace quorate::sim
