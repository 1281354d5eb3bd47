// Who is too slow, in time that only the test makes pass.

#include "io/pace.h"

#include <functional>

#include <gtest/gtest.h>

namespace quorate::io {
namespace {

constexpr std::uint64_t kPatienceMs = 10'000;
constexpr std::uint64_t kRateMin = 1024;
constexpr std::uint64_t kScanMs = 500;

// Looked at every half second, as the server does. Zero: it was not too slow within a day.
std::uint64_t ms_until_too_slow(const std::function<std::uint64_t(std::uint64_t ms)>& moved_bytes_at) {
    Pace pace;
    pace.begin(7);
    for (std::uint64_t ms = kScanMs; ms <= 86'400'000; ms += kScanMs) {
        if (pace.is_too_slow(7 + ms, moved_bytes_at(ms), kPatienceMs, kRateMin)) return ms;
    }
    return 0;
}

TEST(Pace, WhoMovesNothingIsTooSlowOncePatienceIsOver) {
    EXPECT_EQ(ms_until_too_slow([](std::uint64_t) { return 0; }), kPatienceMs + kScanMs);
}

// The megabytes that the system's buffers take at once from a reader that reads nothing.
TEST(Pace, ABurstBuysNoTimeForLater) {
    EXPECT_EQ(ms_until_too_slow([](std::uint64_t ms) { return ms <= 1000 ? 4U << 20 : 0; }),
              1000 + kPatienceMs + kScanMs);
}

TEST(Pace, WhoIsSlowButSteadyIsNever) {
    EXPECT_EQ(ms_until_too_slow([](std::uint64_t) { return kRateMin * kScanMs / 1000; }), 0U);
    // In pieces, as a receiver announces its room.
    EXPECT_EQ(ms_until_too_slow([](std::uint64_t ms) { return ms % 8000 == 0 ? 8 * kRateMin : 0; }), 0U);
}

TEST(Pace, HalfTheRateIsTooSlowInTwiceThePatience) {
    const std::uint64_t ms = ms_until_too_slow([](std::uint64_t) { return kRateMin * kScanMs / 2000; });
    EXPECT_EQ(ms, 2 * kPatienceMs + kScanMs);
}

TEST(Pace, ANewBeginningOwesNothing) {
    Pace pace;
    pace.begin(0);
    EXPECT_FALSE(pace.is_too_slow(kPatienceMs, 0, kPatienceMs, kRateMin));
    pace.begin(kPatienceMs);
    EXPECT_FALSE(pace.is_too_slow(2 * kPatienceMs, 0, kPatienceMs, kRateMin));
    EXPECT_TRUE(pace.is_too_slow(2 * kPatienceMs + 1, 0, kPatienceMs, kRateMin));
}

TEST(Pace, NoRateAsksForNothing) {
    Pace pace;
    pace.begin(0);
    EXPECT_FALSE(pace.is_too_slow(1'000'000, 0, kPatienceMs, 0));
}

}  // namespace
}  // namespace quorate::io
