#include "io/running_time.h"

#include <gtest/gtest.h>

namespace quorate::io {
namespace {

TEST(RunningTime, IsThatOfTheClockWhileItIsLookedAtInTime) {
    RunningTime time(1000, 500);
    EXPECT_EQ(time.at(1000), 1000U);
    EXPECT_EQ(time.at(1500), 1500U);
    time.look(1500);
    time.look(1700);
    EXPECT_EQ(time.at(2100), 2100U);
}

TEST(RunningTime, CountsNoPauseOfTheProcess) {
    RunningTime time(1000, 500);
    EXPECT_EQ(time.at(61'000), 1500U) << "before the pause has been noticed, too";
    time.look(61'000);
    EXPECT_EQ(time.at(61'000), 1500U);
    EXPECT_EQ(time.at(61'400), 1900U);
}

}  // namespace
}  // namespace quorate::io
