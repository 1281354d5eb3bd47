// Nodes without room on their disks.

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/node_cluster.h"

namespace quorate::test {
namespace {

TEST(NodeFullDisk, FullDiskRefusesWritesAndServesReads) {
    NodeCluster cluster(1);
    ASSERT_EQ(cluster.await_leader(), 1);
    ASSERT_EQ(cluster.request(1, "PUT", "/kv/a", "1").status, 200);
    cluster.host(1).disk->set_capacity(1);
    int status = 200;
    for (int i = 0; i < 1000 && status == 200; ++i) {
        status = cluster.request(1, "PUT", "/kv/filler", std::string(4000, 'x')).status;
    }
    EXPECT_EQ(status, 507);
    EXPECT_EQ(cluster.request(1, "GET", "/kv/a").body, "1");
    EXPECT_NE(cluster.request(1, "GET", "/raft/health").body.find("\"storage\":\"full\""), std::string::npos);
    cluster.host(1).disk->set_capacity(UINT64_MAX);
    cluster.run_for(2000);
    EXPECT_EQ(cluster.request(1, "PUT", "/kv/b", "1").status, 200);
}

// The log is half full, and the next segment on its way: nobody knows yet whether there is room.
class NodeWithoutNextSegment : public testing::Test {
 protected:
    void SetUp() override {
        ASSERT_EQ(cluster_.await_leader(), 1);
        term_ = cluster_.node(1).raft().current_term();
        cluster_.host(1).background_jobs_left = 0;
        const server::HttpResponse* answer = nullptr;
        for (int i = 0; i < 1000; ++i) {
            waiting_ = cluster_.send(1, "PUT", "/kv/filler", std::string(4000, 'x'));
            cluster_.run_for(10);
            answer = cluster_.answer(1, waiting_);
            if (answer == nullptr) break;
            ASSERT_EQ(answer->status, 200);
        }
        ASSERT_EQ(answer, nullptr) << "one write waits";
        EXPECT_EQ(cluster_.request(1, "GET", "/kv/filler").status, 200);
        cluster_.run_for(3000);
    }
    // What waits is in nobody's log, so that the leader stays.
    void expect_the_same_leader() {
        EXPECT_EQ(cluster_.node(1).raft().role(), engine::RoleName::Leader);
        EXPECT_EQ(cluster_.node(1).raft().current_term(), term_);
    }

    NodeCluster cluster_{1};
    engine::Term term_;
    server::HttpExchange waiting_ = 0;
};

TEST_F(NodeWithoutNextSegment, WritesWaitUntilItIsThere) {
    cluster_.host(1).background_jobs_left = SIZE_MAX;
    cluster_.settle();
    ASSERT_NE(cluster_.answer(1, waiting_), nullptr);
    EXPECT_EQ(cluster_.answer(1, waiting_)->status, 200);
    expect_the_same_leader();
}

TEST_F(NodeWithoutNextSegment, WritesAreRefusedWhenThereIsNoRoom) {
    cluster_.host(1).disk->set_capacity(1);
    cluster_.host(1).background_jobs_left = SIZE_MAX;
    cluster_.settle();
    ASSERT_NE(cluster_.answer(1, waiting_), nullptr);
    EXPECT_EQ(cluster_.answer(1, waiting_)->status, 507);
    cluster_.run_for(30'000);
    EXPECT_EQ(cluster_.request(1, "PUT", "/kv/a", "1").status, 507);
    EXPECT_EQ(cluster_.request(1, "GET", "/kv/filler").status, 200);
    expect_the_same_leader();
    cluster_.host(1).disk->set_capacity(UINT64_MAX);
    cluster_.run_for(5000);
    EXPECT_EQ(cluster_.request(1, "PUT", "/kv/a", "1").status, 200);
    expect_the_same_leader();
}

TEST(NodeFullDisk, AFollowerThatCannotFollowSaysWhyItAnswersNoRead) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    const int full = other_than(leader);
    ASSERT_EQ(cluster.request(leader, "PUT", "/kv/a", "1").status, 200);
    cluster.host(full).disk->set_capacity(1);
    for (int i = 0; i < 400; ++i) {
        ASSERT_EQ(cluster.request(leader, "PUT", "/kv/filler", std::string(4000, 'x')).status, 200);
        cluster.run_for(10);
    }
    const auto exchange = cluster.send(full, "GET", "/kv/a");
    cluster.run_for(100);
    ASSERT_NE(cluster.answer(full, exchange), nullptr);
    EXPECT_EQ(cluster.answer(full, exchange)->status, 503);
    EXPECT_TRUE(cluster.answer(full, exchange)->body.contains("store_behind"));
    EXPECT_EQ(cluster.request(full, "GET", "/kv/a?consistency=stale").body, "1");
    cluster.host(full).disk->set_capacity(UINT64_MAX);
    cluster.run_for(10'000);
    EXPECT_EQ(cluster.request(full, "GET", "/kv/a").body, "1");
}

// What the others can commit waits for the leader's own disk only as long as a full one would take to say so.
TEST(NodeFullDisk, ALeaderThatHasOthersHoldsWritesBackForAMoment) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    cluster.host(leader).background_jobs_left = 0;
    server::HttpExchange waiting = 0;
    for (int i = 0; i < 1000; ++i) {
        waiting = cluster.send(leader, "PUT", "/kv/filler", std::string(4000, 'x'));
        cluster.run_for(10);
        if (cluster.answer(leader, waiting) == nullptr) break;
    }
    cluster.run_for(900);
    EXPECT_EQ(cluster.answer(leader, waiting), nullptr);
    cluster.run_for(200);
    ASSERT_NE(cluster.answer(leader, waiting), nullptr);
    EXPECT_EQ(cluster.answer(leader, waiting)->status, 200);
    EXPECT_EQ(cluster.request(leader, "PUT", "/kv/later", "x").status, 200) << "and the next one not again";
}

// Of many that have waited together each finds its place, or is refused: none that fits waits for another
// one.
TEST_F(NodeWithoutNextSegment, WritesThatHaveWaitedTogetherAreAllAnswered) {
    std::vector<server::HttpExchange> exchanges(200);
    for (server::HttpExchange& exchange : exchanges)
        exchange = cluster_.send(1, "PUT", "/kv/k", std::string(4000, 'x'));
    cluster_.host(1).background_jobs_left = SIZE_MAX;
    cluster_.settle();
    for (const server::HttpExchange exchange : exchanges) {
        ASSERT_NE(cluster_.answer(1, exchange), nullptr);
        EXPECT_EQ(cluster_.answer(1, exchange)->status, 200);
    }
    expect_the_same_leader();
}

// Writes until the leader has no room, or for so long that it cannot matter.
void fill(NodeCluster& cluster) {
    for (int i = 0; i < 400; ++i) {
        const int leader = cluster.leader();
        if (leader == 0) {
            cluster.run_for(100);
        } else if (cluster.request(leader, "PUT", "/kv/filler", std::string(4000, 'x')).status == 507) {
            return;
        }
        cluster.run_for(10);
    }
}

std::uint64_t last_index(NodeCluster& cluster, int number) {
    return cluster.node(number).raft().log().last_index().value;
}

std::ptrdiff_t offers_of(NodeCluster& cluster, int number) {
    return std::ranges::count_if(cluster.host(number).lines, [](const std::string& line) {
        return line.contains("offering leadership to ");
    });
}

TEST(NodeFullDisk, ALeaderWithoutRoomHandsOverToOneThatHasRoom) {
    for (const int full : {1, 2, 3, 4, 5}) {
        SCOPED_TRACE(full);
        NodeCluster cluster(5);
        ASSERT_NE(cluster.await_leader(), 0);
        // Two neighbours, the leader one of them: in the old order each was the other's best successor.
        const int also_full = full % 5 + 1;
        for (const int number : {full, also_full}) cluster.host(number).disk->set_capacity(0);
        for (int tries = 0; cluster.leader() != full && tries < 100; ++tries) {
            const int leader = cluster.await_leader();
            if (leader == full) break;
            cluster.isolate(leader);
            cluster.run_for(3000);
            cluster.heal();
            cluster.run_for(2000);
        }
        ASSERT_EQ(cluster.leader(), full);
        fill(cluster);
        cluster.run_for(8000);
        const int leader = cluster.leader();
        ASSERT_NE(leader, 0);
        EXPECT_NE(leader, full);
        EXPECT_NE(leader, also_full);
        const engine::Term term = cluster.node(leader).raft().current_term();
        for (int minute = 0; minute < 10; ++minute) {
            EXPECT_EQ(cluster.request(full, "PUT", "/kv/a", std::to_string(minute)).status, 200);
            cluster.run_for(60'000);
        }
        EXPECT_EQ(cluster.leader(), leader);
        EXPECT_EQ(cluster.node(leader).raft().current_term(), term);
    }
}

TEST(NodeFullDisk, WithAllDisksFullReadsGoOnForHoursAndUseNoRoom) {
    NodeCluster cluster(3);
    ASSERT_NE(cluster.await_leader(), 0);
    ASSERT_EQ(cluster.request(1, "PUT", "/kv/a", "1").status, 200);
    for (int number = 1; number <= 3; ++number) cluster.host(number).disk->set_capacity(0);
    fill(cluster);
    cluster.run_for(10'000);
    const int leader = cluster.leader();
    ASSERT_NE(leader, 0);
    const std::uint64_t last = last_index(cluster, leader);
    for (int minute = 0; minute < 180; ++minute) {
        cluster.run_for(60'000);
        for (int number = 1; number <= 3; ++number) {
            ASSERT_EQ(cluster.request(number, "GET", "/kv/a").body, "1") << "minute " << minute;
            ASSERT_EQ(cluster.request(number, "PUT", "/kv/a", "2").status, 507) << "minute " << minute;
        }
    }
    EXPECT_EQ(cluster.leader(), leader);
    EXPECT_EQ(last_index(cluster, leader), last);
    EXPECT_GT(offers_of(cluster, leader), 0);
    EXPECT_LE(offers_of(cluster, leader), 200);
    for (int number = 1; number <= 3; ++number) cluster.host(number).disk->set_capacity(UINT64_MAX);
    cluster.run_for(10'000);
    EXPECT_EQ(cluster.request(1, "PUT", "/kv/a", "2").status, 200);
}

// The stop's own transfer takes the place of an offer that nobody has taken yet, and is waited for.
TEST(NodeFullDisk, AStopWaitsForItsTransferNotForAnEarlierOffer) {
    NodeCluster cluster(3);
    ASSERT_NE(cluster.await_leader(), 0);
    for (int number = 1; number <= 3; ++number) cluster.host(number).disk->set_capacity(0);
    fill(cluster);
    cluster.run_for(10'000);
    const int leader = cluster.leader();
    const auto offers = offers_of(cluster, leader);
    for (int ticks = 0; ticks < 6000 && offers_of(cluster, leader) == offers; ++ticks) cluster.run_for(10);
    ASSERT_GT(offers_of(cluster, leader), offers);
    cluster.node(leader).begin_stop();
    EXPECT_FALSE(cluster.node(leader).is_quiet());
    cluster.run_for(1000);
    EXPECT_TRUE(cluster.node(leader).is_quiet());
    cluster.host(leader).crash();
    EXPECT_NE(cluster.await_leader(), 0);
}

}  // namespace
}  // namespace quorate::test
