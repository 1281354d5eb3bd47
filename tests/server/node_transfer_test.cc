// Leadership that is handed over, by order or by a stop.

#include <string>

#include <gtest/gtest.h>

#include "tests/support/node_cluster.h"

namespace quorate::test {
namespace {

TEST(NodeTransfer, StopHandsOverAndAnswersWhatItAccepted) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    const auto write = cluster.send(leader, "PUT", "/kv/a", "1");
    cluster.node(leader).begin_stop();
    cluster.run_for(300);
    EXPECT_TRUE(cluster.node(leader).is_quiet());
    EXPECT_NE(cluster.node(leader).raft().role(), engine::RoleName::Leader);
    ASSERT_NE(cluster.answer(leader, write), nullptr);
    EXPECT_EQ(cluster.request(leader, "PUT", "/kv/b", "1").status, 503);
    EXPECT_EQ(cluster.request(other_than(leader), "PUT", "/kv/b", "1").status, 200);
}

TEST(NodeTransfer, ATransferIsAnsweredWhenItsTargetHasTakenOver) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    const int target = other_than(leader);
    const std::string order = "/cluster/transfer?to=" + std::to_string(target);
    const server::HttpResponse of_follower = cluster.request(target, "POST", order);
    EXPECT_EQ(of_follower.status, 409);
    EXPECT_NE(of_follower.body.find("127.0.0.1:" + std::to_string(7070 + leader)), std::string::npos);
    EXPECT_EQ(cluster.request(leader, "POST", "/cluster/transfer?to=stranger").status, 400);
    EXPECT_EQ(cluster.request(leader, "POST", "/cluster/transfer?to=" + std::to_string(leader)).status, 400);
    ASSERT_EQ(cluster.node(leader).raft().role(), engine::RoleName::Leader);

    EXPECT_EQ(cluster.request(leader, "POST", order).status, 200);
    EXPECT_EQ(cluster.await_leader(), target);
    EXPECT_EQ(cluster.request(leader, "PUT", "/kv/a", "1").status, 200);
}

// It lasts an election timeout, in which nothing is proposed; then the leader leads on.
TEST(NodeTransfer, ATransferThatComesToNothingSaysSoAndALaterOneReplacesIt) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    const int target = other_than(leader);
    const std::string order = "/cluster/transfer?to=" + std::to_string(target);
    cluster.cut(leader, target);
    const auto first = cluster.send(leader, "POST", order);
    const auto second = cluster.send(leader, "POST", order);
    ASSERT_NE(cluster.answer(leader, first), nullptr);
    EXPECT_NE(cluster.answer(leader, first)->body.find("\"transfer_replaced\""), std::string::npos);
    EXPECT_EQ(cluster.answer(leader, second), nullptr);
    cluster.run_for(1500);
    ASSERT_NE(cluster.answer(leader, second), nullptr);
    EXPECT_NE(cluster.answer(leader, second)->body.find("\"transfer_timed_out\""), std::string::npos);
    EXPECT_EQ(cluster.request(leader, "POST", order).status, 400) << "it has not been heard of lately";
    EXPECT_EQ(cluster.request(leader, "PUT", "/kv/a", "1").status, 200);
}

TEST(NodeTransfer, AStoppingNodeTakesNoLeadershipAndHandsOverWhatItWins) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    const int stopping = other_than(leader);
    const int third = 6 - leader - stopping;
    cluster.node(stopping).begin_stop();
    const auto order = cluster.send(leader, "POST", "/cluster/transfer?to=" + std::to_string(stopping));
    cluster.run_for(1500);
    ASSERT_NE(cluster.answer(leader, order), nullptr);
    EXPECT_NE(cluster.answer(leader, order)->body.find("\"transfer_timed_out\""), std::string::npos);
    EXPECT_EQ(cluster.leader(), leader);

    // The third one's clock stands still when it has forgotten its leader: the stopping one wins, and hands
    // over.
    cluster.host(leader).crash();
    for (std::uint64_t ms = 0; ms < 5000 && cluster.leader() != stopping; ms += 10) {
        if (ms < 500) cluster.node(third).tick(100'000 + ms);
        cluster.node(stopping).tick(100'000 + ms);
        cluster.settle();
    }
    ASSERT_EQ(cluster.leader(), stopping);
    EXPECT_FALSE(cluster.node(stopping).is_quiet());
    cluster.run_for(200);
    EXPECT_EQ(cluster.leader(), third);
    EXPECT_TRUE(cluster.node(stopping).is_quiet());
}

}  // namespace
}  // namespace quorate::test
