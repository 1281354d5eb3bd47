#include "engine/check.h"

#include <gtest/gtest.h>

namespace quorate::engine::test {

namespace {

TEST(CheckDeathTest, AFalseSentenceStopsTheProcessAndSaysWhichAndWhere) {
    EXPECT_DEATH(ENGINE_CHECK(1 + 1 == 3), "check_test\\.cc:[0-9]+: check failed: 1 \\+ 1 == 3");
}

TEST(Check, ATrueSentenceDoesNothing) { ENGINE_CHECK(1 + 1 == 2); }

TEST(Check, AMaybeDoesNothingEitherWay) {
    ENGINE_MAYBE(true);
    ENGINE_MAYBE(false);
}

}  // namespace

}  // namespace quorate::engine::test
