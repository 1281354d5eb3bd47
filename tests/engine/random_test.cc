#include "engine/random.h"

#include <array>
#include <cstdint>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace quorate::engine::test {

namespace {

// The first two are those of the generator's published reference code; a change here changes every recorded
// run.
TEST(Random, ItsDrawsAreTheSameEverywhere) {
    Random zero(0);
    EXPECT_EQ(zero.next(), 0xe220a8397b1dcdafU);
    EXPECT_EQ(zero.next(), 0x6e789e6aa1b965f4U);
    Random seeded(1234567);
    const std::array<std::uint64_t, 5> golden{6457827717110365317U, 3203168211198807973U,
                                              9817491932198370423U, 4593380528125082431U,
                                              16408922859458223821U};
    for (const std::uint64_t draw : golden) EXPECT_EQ(seeded.next(), draw);
}

TEST(Random, ItsBoundedDrawsAreTheSameEverywhere) {
    Random random(7);
    const std::array<std::uint32_t, 8> golden{50, 74, 62, 95, 57, 62, 51, 65};
    for (const std::uint32_t draw : golden) EXPECT_EQ(random.between(50, 100), draw);
}

TEST(Random, ItIsAValue) {
    Random a(5);
    const Random start = a;
    EXPECT_EQ(a.next(), Random(start).next());
    EXPECT_NE(a, start);
    EXPECT_EQ(a.state(), 5 + 0x9e3779b97f4a7c15U);
}

RC_GTEST_PROP(Random, DrawsLieWithinTheirBounds,
              (std::uint64_t seed, std::uint32_t one, std::uint32_t other)) {
    Random random(seed);
    const std::uint32_t min = std::min(one, other);
    const std::uint32_t max = std::max(one, other);
    for (int i = 0; i < 20; ++i) {
        const std::uint32_t draw = random.between(min, max);
        RC_ASSERT(draw >= min);
        RC_ASSERT(draw <= max);
    }
}

TEST(Random, BothEndsAreDrawnAndTheWholeRangeToo) {
    Random random(3);
    std::array<int, 6> times{};
    for (int i = 0; i < 60000; ++i) ++times.at(random.between(10, 15) - 10);
    for (const int t : times) EXPECT_NEAR(t, 10000, 500);  // five standard deviations
    EXPECT_EQ(random.between(9, 9), 9U);
    EXPECT_EQ(random.between(UINT32_MAX, UINT32_MAX), UINT32_MAX);
    std::uint32_t highest = 0;
    for (int i = 0; i < 64; ++i) highest = std::max(highest, random.between(0, UINT32_MAX));
    EXPECT_GT(highest, UINT32_MAX / 2);
}

// 2^64 is no multiple of three: of the 2^64 draws, UINT64_MAX would give zero once too often. This state
// gives it.
TEST(Random, ADrawThatWouldFavourTheLowEndIsThrownAway) {
    const auto undo_xor_shift = [](std::uint64_t z, unsigned shift) {
        std::uint64_t undone = z;
        for (int i = 0; i < 64; ++i) undone = z ^ (undone >> shift);
        return undone;
    };
    const auto inverse = [](std::uint64_t odd) {
        std::uint64_t x = odd;
        for (int i = 0; i < 6; ++i) x *= 2 - odd * x;
        return x;
    };
    std::uint64_t z = undo_xor_shift(UINT64_MAX, 31) * inverse(0x94d049bb133111ebU);
    z = undo_xor_shift(z, 27) * inverse(0xbf58476d1ce4e5b9U);
    const std::uint64_t seed = undo_xor_shift(z, 30) - 0x9e3779b97f4a7c15U;
    Random raw(seed);
    ASSERT_EQ(raw.next(), UINT64_MAX);
    const std::uint64_t second = raw.next();

    Random random(seed);
    EXPECT_EQ(random.between(0, 2), second % 3);
    EXPECT_EQ(random, raw);  // two draws were used
}

}  // namespace

}  // namespace quorate::engine::test
