#include "server/seldom.h"

#include <gtest/gtest.h>

namespace quorate::server {
namespace {

TEST(Seldom, OnceInAPeriodForEachName) {
    Seldom seldom(60'000, 8);
    EXPECT_TRUE(seldom.is_due(0, "a"));
    EXPECT_FALSE(seldom.is_due(0, "a"));
    EXPECT_TRUE(seldom.is_due(30'000, "b"));
    EXPECT_FALSE(seldom.is_due(59'999, "a"));
    EXPECT_TRUE(seldom.is_due(60'000, "a"));
    EXPECT_FALSE(seldom.is_due(60'000, "b"));
}

TEST(Seldom, NoMoreNamesThanItsBound) {
    Seldom seldom(60'000, 2);
    EXPECT_TRUE(seldom.is_due(0, "a"));
    EXPECT_TRUE(seldom.is_due(1000, "b"));
    EXPECT_FALSE(seldom.is_due(2000, "c"));
    EXPECT_TRUE(seldom.is_due(60'000, "c")) << "a has become old";
    EXPECT_FALSE(seldom.is_due(60'000, "a"));
}

}  // namespace
}  // namespace quorate::server
