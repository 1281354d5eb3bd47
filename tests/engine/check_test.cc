#include "engine/check.h"

#include <cstdio>

#include <gtest/gtest.h>

namespace quorate::engine::test {

namespace {

TEST(CheckDeathTest, AFalseSentenceStopsTheProcessAndSaysWhichAndWhere) {
    EXPECT_DEATH(ENGINE_CHECK(1 + 1 == 3), "check_test\\.cc:[0-9]+: check failed: 1 \\+ 1 == 3");
}

TEST(CheckDeathTest, AHookIsToldInPlaceOfStandardError) {
    const auto die = [] {
        set_check_hook([](const char* sentence, const char*, int line) {
            std::fprintf(stderr, "%s in line %d", sentence, line);
            // Nobody is left to be told of this one.
            ENGINE_CHECK(2 + 2 == 5);
        });
        ENGINE_CHECK(1 + 1 == 3);
    };
    EXPECT_DEATH(die(), "^1 \\+ 1 == 3 in line [0-9]+.*: check failed: 2 \\+ 2 == 5\n$");
}

TEST(Check, ATrueSentenceDoesNothing) { ENGINE_CHECK(1 + 1 == 2); }

TEST(Check, AMaybeDoesNothingEitherWay) {
    ENGINE_MAYBE(true);
    ENGINE_MAYBE(false);
}

}  // namespace

}  // namespace quorate::engine::test
