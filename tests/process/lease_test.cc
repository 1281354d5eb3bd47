// Reads that rely on clocks, against real ones.

#include <cstddef>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/process_cluster.h"

namespace quorate::test {
namespace {

using testing::HasSubstr;

constexpr const char* kRead = "/kv/k?consistency=lease";

TEST(Leases, AreRefusedUnlessTheNodeIsToldHowRightItsClockIs) {
    Cluster cluster(3);
    HttpClient client;
    const std::size_t leader = cluster.wait_for_leader();
    for (const std::size_t node : {leader, cluster.some_follower()}) {
        const Reply reply = client.get(cluster.address(node), kRead);
        EXPECT_EQ(reply.status, 400);
        EXPECT_THAT(reply.body, HasSubstr("\"lease_not_configured\""));
        EXPECT_THAT(reply.body, HasSubstr("--clock-drift-ppm"));
    }
}

TEST(Leases, AreServedAtOnceByTheLeaderAndByAFollowerAsLinearizableReads) {
    Cluster cluster(3, {"--clock-drift-ppm", "1000"});
    HttpClient client;
    const std::size_t leader = cluster.wait_for_leader();
    EXPECT_THAT(cluster.log(leader), HasSubstr("gives a lease of"));
    ASSERT_EQ(client.put(cluster.address(leader), "/kv/k", "1").status, 200);
    // On a busy machine a heartbeat may take its time.
    EXPECT_TRUE(eventually(
        [&] { return client.get(cluster.address(leader), kRead).header("quorate-lease") == "held"; }));
    EXPECT_EQ(client.get(cluster.address(leader), kRead).body, "1");
    const Reply of_follower = client.get(cluster.address(cluster.some_follower()), kRead);
    EXPECT_EQ(of_follower.body, "1");
    EXPECT_EQ(of_follower.header("quorate-lease"), "not-held");
    EXPECT_EQ(client.get(cluster.address(leader), "/kv/k").header("quorate-lease"), "");
}

}  // namespace
}  // namespace quorate::test
