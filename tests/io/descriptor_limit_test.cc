// What a limit on descriptors leaves for connections.

#include "io/descriptor_limit.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace quorate::io {
namespace {

TEST(DescriptorLimit, LeavesEnoughForEverythingElse) {
    const HttpLimits limits;
    for (std::uint64_t descriptors = 0; descriptors < 3000; ++descriptors) {
        const HttpLimits within = within_descriptors(limits, descriptors);
        EXPECT_LE(within.connections_max, limits.connections_max);
        EXPECT_LE(within.reserve_max, limits.reserve_max);
        EXPECT_LE(within.connections_per_address_max, limits.connections_per_address_max);
        if (descriptors >= 16) {
            EXPECT_LT(within.connections_per_address_max, within.connections_max);
        }
        EXPECT_EQ(within.connections_per_address_max == 0, within.connections_max == 0);
        EXPECT_LE(within.connections_max + within.reserve_max, descriptors);
        if (descriptors < 256) continue;
        EXPECT_EQ(within.reserve_max, limits.reserve_max);
        EXPECT_GE(descriptors - within.connections_max - within.reserve_max, 64U);
    }
    EXPECT_EQ(within_descriptors(limits, 1024).connections_max, 896U);
    EXPECT_EQ(within_descriptors(limits, RLIM_INFINITY).connections_max, limits.connections_max);
}

TEST(DescriptorLimit, IsRaisedToTheHardOne) {
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit lower{before.rlim_max / 2, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &lower), 0);
    EXPECT_EQ(raise_descriptor_limit(), before.rlim_max);
    rlimit after{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &after), 0);
    EXPECT_EQ(after.rlim_cur, before.rlim_max);
    ::setrlimit(RLIMIT_NOFILE, &before);
}

}  // namespace
}  // namespace quorate::io
