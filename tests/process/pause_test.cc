// Processes that stop for a while and do not know it.

#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/process_load.h"

namespace quorate::test {
namespace {

// The old leader wakes with a read in its socket, sent while it slept: it still believes that it leads, and
// must not answer from a state that others have left behind.
void expect_no_stale_read_after_sleep(Cluster& cluster, const std::string& target) {
    HttpClient client;
    const std::size_t old_leader = cluster.wait_for_leader();
    ASSERT_EQ(client.put(cluster.address(old_leader), "/kv/k", "old").status, 200);

    cluster.pause(old_leader);
    const std::size_t new_leader = cluster.wait_for_leader(old_leader);
    ASSERT_NE(new_leader, old_leader);
    ASSERT_EQ(client.put(cluster.address(new_leader), "/kv/k", "new").status, 200);

    const RawConnection waiting(cluster.address(old_leader));
    waiting.send("GET " + target + " HTTP/1.1\r\nHost: q\r\nConnection: close\r\n\r\n");
    cluster.resume(old_leader);
    const std::optional<std::string> answer = waiting.receive_until_closed();
    ASSERT_TRUE(answer) << "a request is answered or its connection closed";
    EXPECT_FALSE(answer->ends_with("old")) << *answer;

    EXPECT_TRUE(eventually([&] { return client.get(cluster.address(old_leader), target).status == 200; }));
    EXPECT_EQ(client.get(cluster.address(old_leader), target).body, "new");
}

TEST(Pause, ALeaderThatWasAsleepServesNoStaleRead) {
    Cluster cluster(3);
    expect_no_stale_read_after_sleep(cluster, "/kv/k");
}

// Its last tick was when nobody else led, and so was all that it has heard.
TEST(Pause, ALeaderThatWasAsleepDoesNotTakeItsLeaseForRunning) {
    Cluster cluster(3, {"--clock-drift-ppm", "1000"});
    for (int round = 0; round < 3 && !testing::Test::HasFatalFailure(); ++round)
        expect_no_stale_read_after_sleep(cluster, "/kv/k?consistency=lease");
}

TEST(Pause, WritesGoOnWhileTheLeaderSleepsAndNoneIsLost) {
    Cluster cluster(3);
    std::size_t leader = cluster.wait_for_leader();
    Load load(cluster, 6);
    for (int round = 0; round < 3; ++round) {
        ASSERT_TRUE(load.wait_for(200));
        leader = cluster.wait_for_leader();
        cluster.pause(leader);
        (void)cluster.wait_for_leader(leader);
        ASSERT_TRUE(load.wait_for(100));
        cluster.resume(leader);
        ASSERT_TRUE(cluster.wait_until_caught_up(leader));
    }
    load.stop();
    expect_exactly_the_attempts(cluster, load.attempts());
}

TEST(Pause, ASleepingFollowerDisturbsNobody) {
    Cluster cluster(3);
    const std::size_t leader = cluster.wait_for_leader();
    const auto term = cluster.health(leader).at("term").get<std::uint64_t>();
    const std::size_t follower = cluster.some_follower();
    Load load(cluster, 4);
    cluster.pause(follower);
    ASSERT_TRUE(load.wait_for(500));
    cluster.resume(follower);
    ASSERT_TRUE(cluster.wait_until_caught_up(follower));
    load.stop();
    EXPECT_GE(cluster.health(cluster.wait_for_leader()).at("term").get<std::uint64_t>(), term);
    expect_exactly_the_attempts(cluster, load.attempts());
}

}  // namespace
}  // namespace quorate::test
