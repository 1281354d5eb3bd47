// Reads at whole nodes: none is stale unless it may be, and none is forgotten.

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/node_cluster.h"

namespace quorate::test {
namespace {

TEST(NodeReads, MakesNoAnswerToAReadThatIsNotWanted) {
    NodeCluster cluster(1);
    ASSERT_EQ(cluster.await_leader(), 1);
    ASSERT_EQ(cluster.request(1, "PUT", "/kv/a", std::string(100'000, 'x')).status, 200);
    ASSERT_EQ(cluster.request(1, "PUT", "/kv/b", "1").status, 200);
    cluster.host(1).is_answer_wanted = false;
    for (const char* target : {"/kv/a", "/kv/a?consistency=stale", "/kv/none", "/kv/range"}) {
        cluster.host(1).asked_bytes.clear();
        EXPECT_EQ(cluster.request(1, "GET", target).status, 0) << target;
        ASSERT_EQ(cluster.host(1).asked_bytes.size(), 1U);
        const bool is_large = std::string_view(target) != "/kv/none";
        EXPECT_EQ(cluster.host(1).asked_bytes[0] >= 100'000, is_large) << target;
    }
    cluster.run_for(6000);
    EXPECT_TRUE(cluster.node(1).is_quiet()) << "nothing waits for a time to run out";
    cluster.host(1).is_answer_wanted = true;
    EXPECT_EQ(cluster.request(1, "GET", "/kv/a").body.size(), 100'000U);
}

TEST(NodeReads, DeposedLeaderServesNoStaleRead) {
    NodeCluster cluster(3);
    const int old_leader = cluster.await_leader();
    ASSERT_EQ(cluster.request(old_leader, "PUT", "/kv/a", "old").status, 200);
    cluster.isolate(old_leader);
    const auto read = cluster.send(old_leader, "GET", "/kv/a");
    cluster.run_for(3000);
    const int leader = cluster.node(other_than(old_leader)).raft().role() == engine::RoleName::Leader
                           ? other_than(old_leader)
                           : 6 - old_leader - other_than(old_leader);
    ASSERT_EQ(cluster.request(leader, "PUT", "/kv/a", "new").status, 200);
    cluster.run_for(3000);
    const server::HttpResponse* answer = cluster.answer(old_leader, read);
    ASSERT_NE(answer, nullptr);
    EXPECT_EQ(answer->status, 503);
    cluster.heal();
    cluster.run_for(2000);
    EXPECT_EQ(cluster.request(old_leader, "GET", "/kv/a").body, "new");
}

// A read is asked again, together with one that began later; when the first one's time is over, the other
// still waits for the answer.
TEST(NodeReads, AReadThatIsRetriedDoesNotEndALaterOne) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    const int follower = other_than(leader);
    const engine::ServerId leader_id = cluster.node(leader).raft().config().self;
    ASSERT_EQ(cluster.request(leader, "PUT", "/kv/a", "1").status, 200);
    NodeHost& host = cluster.host(follower);
    // Its question is lost.
    const auto earlier = cluster.send_late(follower, "GET", "/kv/a").exchange;
    cluster.run_for(4000);
    const auto later = cluster.send(follower, "GET", "/kv/a");
    cluster.node(follower).peer_lost(leader_id);
    cluster.node(follower).turn_ended(cluster.now_ms());
    auto question = std::exchange(host.outbox, {});
    ASSERT_EQ(question.size(), 1U);
    cluster.run_for(2000);
    ASSERT_NE(cluster.answer(follower, earlier), nullptr);
    EXPECT_EQ(cluster.answer(follower, earlier)->status, 503);
    ASSERT_EQ(cluster.answer(follower, later), nullptr);
    host.outbox = std::move(question);
    cluster.settle();
    ASSERT_NE(cluster.answer(follower, later), nullptr);
    EXPECT_EQ(cluster.answer(follower, later)->body, "1");
}

// The question that an earlier life put is answered late: to the life that asks now it says nothing.
TEST(NodeReads, AnAnswerToAnEarlierLifeConfirmsNoRead) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    const int follower = other_than(leader);
    ASSERT_EQ(cluster.request(leader, "PUT", "/kv/a", "old").status, 200);
    const auto earlier = cluster.send_late(follower, "GET", "/kv/a");
    cluster.host(follower).crash();
    cluster.host(follower).start();
    cluster.run_for(500);
    EXPECT_EQ(cluster.answer(follower, earlier.exchange), nullptr);

    const auto later = cluster.send_late(follower, "GET", "/kv/a");
    cluster.host(follower).outbox = earlier.frames;
    cluster.settle();
    EXPECT_EQ(cluster.answer(follower, later.exchange), nullptr)
        << "only its own question's answer confirms it";
    cluster.host(follower).outbox = later.frames;
    cluster.settle();
    ASSERT_NE(cluster.answer(follower, later.exchange), nullptr);
    EXPECT_EQ(cluster.answer(follower, later.exchange)->body, "old");
}

// The client is told that nobody leads, long before its time has run out, and can ask again.
TEST(NodeReads, AReadThatAChangeOfLeadersInterruptsIsNotForgotten) {
    NodeCluster cluster(3);
    const int old_leader = cluster.await_leader();
    const int follower = other_than(old_leader);
    ASSERT_EQ(cluster.request(old_leader, "PUT", "/kv/a", "1").status, 200);
    // Its question is lost.
    const auto read = cluster.send_late(follower, "GET", "/kv/a").exchange;
    cluster.isolate(old_leader);
    cluster.run_for(3500);
    ASSERT_NE(cluster.answer(follower, read), nullptr);
    EXPECT_NE(cluster.answer(follower, read)->body.find("\"no_leader\""), std::string::npos);
    EXPECT_EQ(cluster.request(follower, "GET", "/kv/a").body, "1");
}

// Confirmed, but for an index that this node does not reach: nothing is kept of a read whose time is over.
TEST(NodeReads, ReadsThatWaitForAnIndexInVainAreForgotten) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    const int follower = other_than(leader);
    const int third = 6 - leader - follower;
    ASSERT_EQ(cluster.request(leader, "PUT", "/kv/a", "1").status, 200);
    // The follower hears heartbeats and answers to its questions, and no appends.
    cluster.host(leader).drops_appends_to = cluster.node(follower).raft().config().self;
    ASSERT_EQ(cluster.request(third, "PUT", "/kv/a", "2").status, 200);
    for (int batch = 0; batch < 3; ++batch) {
        std::vector<server::HttpExchange> reads;
        reads.reserve(50);
        for (int i = 0; i < 50; ++i) reads.push_back(cluster.send(follower, "GET", "/kv/a"));
        cluster.run_for(6000);
        for (const auto read : reads) {
            ASSERT_NE(cluster.answer(follower, read), nullptr);
            EXPECT_NE(cluster.answer(follower, read)->body.find("\"read_timed_out\""), std::string::npos);
        }
    }
    EXPECT_EQ(cluster.node(follower).reads_waiting(), 0U);
    cluster.host(leader).drops_appends_to.reset();
    cluster.run_for(1000);
    EXPECT_EQ(cluster.request(follower, "GET", "/kv/a").body, "2");
}

// Staleness is the age of the data, not that of the last word from the leader.
TEST(NodeReads, StalenessIsUnknownUntilTheStoreHasCaughtUp) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    const int follower = other_than(leader);
    ASSERT_EQ(cluster.request(leader, "PUT", "/kv/a", "1").status, 200);
    const auto staleness = [&](int node) {
        return header(cluster.request(node, "GET", "/kv/a?consistency=stale"), "Quorate-Staleness-Ms");
    };
    cluster.run_for(300);
    EXPECT_LE(std::stoi(staleness(follower)), 120) << "a heartbeat and two ticks";
    EXPECT_LE(std::stoi(staleness(leader)), 120);

    ASSERT_EQ(cluster.request(follower, "POST", "/admin/snapshot").status, 200);
    ASSERT_EQ(cluster.request(leader, "PUT", "/kv/b", "1").status, 200);
    cluster.run_for(20);  // no idle moment: its vote files do not tell that this is committed
    cluster.host(follower).crash();
    cluster.host(follower).start();
    cluster.node(follower).turn_ended(cluster.now_ms());  // it has loaded the snapshot
    // Only the leader's first heartbeat arrives.
    cluster.node(follower).frame_received(
        cluster.node(leader).raft().config().self,
        server::RaftFrame{engine::Heartbeat{cluster.node(leader).raft().current_term(), engine::Round(99),
                                            cluster.node(leader).raft().commit_index()},
                          {}});
    cluster.node(follower).turn_ended(cluster.now_ms());
    const auto early = cluster.send(follower, "GET", "/kv/b?consistency=stale");
    ASSERT_NE(cluster.answer(follower, early), nullptr);
    EXPECT_EQ(cluster.answer(follower, early)->status, 404);
    EXPECT_EQ(header(*cluster.answer(follower, early), "Quorate-Staleness-Ms"), "unknown");
    cluster.run_for(1000);
    EXPECT_LE(std::stoi(staleness(follower)), 120);

    // A process that stood still for ten seconds sees one tick, and what lay in its socket at once.
    const std::uint64_t now_ms = cluster.now_ms();
    cluster.node(follower).tick(now_ms + 10'000);
    EXPECT_GE(std::stoi(staleness(follower)), 9'800);
    cluster.node(follower).frame_received(
        cluster.node(leader).raft().config().self,
        server::RaftFrame{engine::Heartbeat{cluster.node(leader).raft().current_term(), engine::Round(1000),
                                            cluster.node(leader).raft().commit_index()},
                          {}});
    EXPECT_GE(std::stoi(staleness(follower)), 9'800);
    cluster.skip(10'000);
    cluster.run_for(1000);
    EXPECT_LE(std::stoi(staleness(follower)), 120);

    cluster.isolate(leader);
    cluster.run_for(400);
    EXPECT_GE(std::stoi(staleness(leader)), 400) << "nobody has confirmed since that it leads";
    EXPECT_GE(std::stoi(staleness(follower)), 400);
}

TEST(NodeReads, ThePastHasItsOwnSize) {
    NodeCluster cluster(1);
    (void)cluster.await_leader();
    ASSERT_EQ(cluster.request(1, "PUT", "/kv/a", std::string(100'000, 'v')).status, 200);
    ASSERT_EQ(cluster.request(1, "DELETE", "/kv/a").status, 200);
    for (const char* target : {"/kv/a?revision=1", "/kv/range?revision=1"}) {
        cluster.host(1).asked_bytes.clear();
        EXPECT_EQ(cluster.request(1, "GET", target).status, 200);
        ASSERT_EQ(cluster.host(1).asked_bytes.size(), 1U);
        EXPECT_GE(cluster.host(1).asked_bytes[0], 100'000U) << target << ": asked before it is made";
    }
    EXPECT_EQ(cluster.request(1, "GET", "/kv/a?revision=3").status, 400);
    EXPECT_EQ(cluster.request(1, "GET", "/kv/a").status, 404);
}

}  // namespace
}  // namespace quorate::test
