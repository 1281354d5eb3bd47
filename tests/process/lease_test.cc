// Reads that rely on clocks, against real ones.

#include <optional>
#include <string>

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

// The old leader wakes with the read in its socket. Its last tick was when nobody else led, and so was all
// that it has heard.
TEST(Leases, ALeaderThatWasAsleepDoesNotTakeItsLeaseForRunning) {
    Cluster cluster(3, {"--clock-drift-ppm", "1000"});
    HttpClient client;
    for (int round = 0; round < 3; ++round) {
        const std::size_t old_leader = cluster.wait_for_leader();
        ASSERT_EQ(client.put(cluster.address(old_leader), "/kv/k", "old").status, 200);
        cluster.pause(old_leader);
        const std::size_t new_leader = cluster.wait_for_leader(old_leader);
        ASSERT_NE(new_leader, old_leader);
        ASSERT_EQ(client.put(cluster.address(new_leader), "/kv/k", "new").status, 200);

        const RawConnection waiting(cluster.address(old_leader));
        waiting.send("GET /kv/k?consistency=lease HTTP/1.1\r\nHost: q\r\nConnection: close\r\n\r\n");
        cluster.resume(old_leader);
        const std::optional<std::string> answer = waiting.receive_until_closed();
        ASSERT_TRUE(answer) << "a request is answered or its connection closed";
        EXPECT_FALSE(answer->ends_with("old")) << *answer;
        EXPECT_TRUE(eventually([&] { return client.get(cluster.address(old_leader), kRead).status == 200; }));
        EXPECT_EQ(client.get(cluster.address(old_leader), kRead).body, "new");
    }
}

}  // namespace
}  // namespace quorate::test
