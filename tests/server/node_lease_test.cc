// Reads that rely on clocks, at whole nodes.

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "tests/support/node_cluster.h"

namespace quorate::test {
namespace {

constexpr const char* kRead = "/kv/a?consistency=lease";

void rely_on_clocks(server::NodeConfig& config) { config.clock_drift_ppm = 1000; }

/// What has been asked to be sent since the last settling.
std::size_t frames(NodeCluster& cluster, int number) { return cluster.host(number).outbox.size(); }

/// A read that is answered, or not, by the end of this turn.
const server::HttpResponse* read_at_once(NodeCluster& cluster, int number, std::uint64_t clock_ms) {
    const auto read = cluster.send(number, "GET", kRead);
    cluster.node(number).turn_ended(clock_ms);
    return cluster.answer(number, read);
}

TEST(NodeLease, IsRefusedByWhoIsToldNothingOfItsClock) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    for (const int node : {leader, other_than(leader)}) {
        for (const char* target : {kRead, "/kv/range?consistency=lease", "/admin/backup?consistency=lease"}) {
            const auto answer = cluster.request(node, "GET", target);
            EXPECT_EQ(answer.status, 400) << target;
            EXPECT_NE(answer.body.find("\"lease_not_configured\""), std::string::npos);
            EXPECT_NE(answer.body.find("--clock-drift-ppm"), std::string::npos);
        }
    }
    EXPECT_FALSE(cluster.node(leader).holds_lease(cluster.now_ms()));
}

TEST(NodeLease, AReadOfTheLeaderAsksNobody) {
    NodeCluster cluster(3, rely_on_clocks);
    const int leader = cluster.await_leader();
    ASSERT_EQ(cluster.request(leader, "PUT", "/kv/a", "1").status, 200);
    cluster.run_for(500);
    ASSERT_EQ(frames(cluster, leader), 0U);
    const auto* answer = read_at_once(cluster, leader, cluster.now_ms());
    EXPECT_EQ(frames(cluster, leader), 0U);
    ASSERT_NE(answer, nullptr);
    EXPECT_EQ(answer->body, "1");
    EXPECT_EQ(header(*answer, "Quorate-Lease"), "held");
    EXPECT_EQ(cluster.request(leader, "GET", "/kv/range?consistency=lease").status, 200);
    EXPECT_EQ(header(cluster.request(leader, "GET", "/kv/a"), "Quorate-Lease"), "absent");
}

// Nothing is heard meanwhile. The lease is 479 ms, and the last round began a heartbeat ago at most.
TEST(NodeLease, EndsByTheClockOfTheTurnAndTheReadAsksAMajorityThen) {
    NodeCluster cluster(3, rely_on_clocks);
    const int leader = cluster.await_leader();
    ASSERT_EQ(cluster.request(leader, "PUT", "/kv/a", "1").status, 200);
    cluster.run_for(500);
    EXPECT_NE(read_at_once(cluster, leader, cluster.now_ms() + 350), nullptr);
    EXPECT_EQ(frames(cluster, leader), 0U);
    // Not one tick has come: the process stood still.
    EXPECT_FALSE(cluster.node(leader).holds_lease(cluster.now_ms() + 480));
    const auto read = cluster.send(leader, "GET", kRead);
    cluster.node(leader).turn_ended(cluster.now_ms() + 480);
    EXPECT_EQ(cluster.answer(leader, read), nullptr);
    EXPECT_EQ(frames(cluster, leader), 2U) << "a round of heartbeats";
    cluster.skip(480);
    cluster.settle();
    ASSERT_NE(cluster.answer(leader, read), nullptr);
    EXPECT_EQ(cluster.answer(leader, read)->body, "1");
    EXPECT_EQ(header(*cluster.answer(leader, read), "Quorate-Lease"), "not-held");
    // That round has given a new one.
    EXPECT_NE(read_at_once(cluster, leader, cluster.now_ms() + 400), nullptr);
}

// A round begins now, and its answers come 300 ms later.
TEST(NodeLease, IsCountedFromTheRoundsBeginningAndNotFromItsAnswers) {
    NodeCluster cluster(3, rely_on_clocks);
    const int leader = cluster.await_leader();
    cluster.run_for(2000);
    cluster.skip(1000);
    ASSERT_FALSE(cluster.node(leader).holds_lease(cluster.now_ms()));
    const std::uint64_t began_ms = cluster.now_ms();
    (void)cluster.send(leader, "GET", "/kv/none");
    cluster.node(leader).turn_ended(began_ms);
    cluster.skip(300);
    cluster.settle();
    EXPECT_TRUE(cluster.node(leader).holds_lease(began_ms + 478));
    EXPECT_FALSE(cluster.node(leader).holds_lease(began_ms + 479));
}

/// A node's turn, its disk, and what it says to one other node.
void turn(NodeCluster& cluster, int number, int to) {
    NodeHost& host = cluster.host(number);
    host.node().turn_ended(cluster.now_ms());
    while (const auto completion = host.disk->complete_next(wal::DiskLane::Log))
        host.node().disk_completed(*completion);
    const auto self = host.node().raft().config().self;
    for (const auto& [receiver, bytes] : std::exchange(host.outbox, {})) {
        if (receiver != cluster.node(to).raft().config().self) continue;
        server::FrameReader reader;
        reader.feed(bytes);
        cluster.node(to).frame_received(self, std::move(server::next_peer_frame(reader)->value()));
    }
}

// An entry a turn: the last one is committed, and another leader may have acknowledged it.
TEST(NodeLease, AReadSeesWhatIsCommittedThoughItIsNotAppliedYet) {
    NodeCluster cluster(3, [](server::NodeConfig& config) {
        rely_on_clocks(config);
        config.apply_bytes_max = 1;
    });
    const int leader = cluster.await_leader();
    cluster.run_for(500);
    for (int i = 1; i <= 5; ++i) (void)cluster.send(leader, "PUT", "/kv/a", std::to_string(i));
    turn(cluster, leader, other_than(leader));
    turn(cluster, other_than(leader), leader);
    ASSERT_EQ(cluster.node(leader).raft().commit_index(), cluster.node(leader).raft().log().last_index());
    const auto read = cluster.send(leader, "GET", kRead);
    cluster.node(leader).turn_ended(cluster.now_ms());
    EXPECT_EQ(cluster.answer(leader, read), nullptr);
    cluster.settle();
    ASSERT_NE(cluster.answer(leader, read), nullptr);
    EXPECT_EQ(cluster.answer(leader, read)->body, "5");
    EXPECT_EQ(header(*cluster.answer(leader, read), "Quorate-Lease"), "held");
}

TEST(NodeLease, AFollowerAsksTheLeader) {
    NodeCluster cluster(3, rely_on_clocks);
    const int leader = cluster.await_leader();
    ASSERT_EQ(cluster.request(leader, "PUT", "/kv/a", "1").status, 200);
    cluster.run_for(500);
    const int follower = other_than(leader);
    EXPECT_EQ(read_at_once(cluster, follower, cluster.now_ms()), nullptr);
    EXPECT_EQ(frames(cluster, follower), 1U);
    const auto answer = cluster.request(follower, "GET", kRead);
    EXPECT_EQ(answer.body, "1");
    EXPECT_EQ(header(answer, "Quorate-Lease"), "not-held");
    EXPECT_EQ(cluster.request(follower, "GET", "/kv/a?consistency=lease&forward=false").status, 409);
}

// The order may be late, and is obeyed while the leader is heard.
TEST(NodeLease, IsVoidFromATransfersOrderToTheEndOfTheTerm) {
    NodeCluster cluster(3, rely_on_clocks);
    const int leader = cluster.await_leader();
    const int target = other_than(leader);
    ASSERT_EQ(cluster.request(leader, "PUT", "/kv/a", "1").status, 200);
    cluster.run_for(500);
    ASSERT_TRUE(cluster.node(leader).holds_lease(cluster.now_ms()));
    const auto order = cluster.send_late(leader, "POST", "/cluster/transfer?to=" + std::to_string(target));
    EXPECT_FALSE(cluster.node(leader).holds_lease(cluster.now_ms()));
    cluster.cut(leader, target);
    cluster.run_for(1000);
    ASSERT_NE(cluster.answer(leader, order.exchange), nullptr) << "it has timed out";
    cluster.heal();
    cluster.run_for(1000);
    ASSERT_EQ(cluster.leader(), leader);
    EXPECT_FALSE(cluster.node(leader).holds_lease(cluster.now_ms()));
    EXPECT_EQ(header(cluster.request(leader, "GET", kRead), "Quorate-Lease"), "not-held");
    // It comes now.
    cluster.host(leader).outbox = order.frames;
    cluster.settle();
    ASSERT_EQ(cluster.leader(), target);
    cluster.run_for(500);
    EXPECT_TRUE(cluster.node(target).holds_lease(cluster.now_ms())) << "of another term";
    EXPECT_FALSE(cluster.node(leader).holds_lease(cluster.now_ms()));
}

TEST(NodeLease, WhoIsAboutToStopHasNone) {
    NodeCluster cluster(1, rely_on_clocks);
    (void)cluster.await_leader();
    ASSERT_EQ(cluster.request(1, "PUT", "/kv/a", "1").status, 200);
    cluster.run_for(500);
    EXPECT_EQ(header(cluster.request(1, "GET", kRead), "Quorate-Lease"), "held");
    cluster.node(1).begin_stop();
    EXPECT_FALSE(cluster.node(1).holds_lease(cluster.now_ms()));
}

// What its predecessor has acknowledged, it may not know yet.
TEST(NodeLease, ANewLeaderHasNoneBeforeItKnowsWhatIsCommitted) {
    NodeCluster cluster(3, rely_on_clocks);
    const int leader = cluster.await_leader();
    ASSERT_EQ(cluster.request(leader, "PUT", "/kv/a", "1").status, 200);
    cluster.run_for(500);
    cluster.isolate(leader);
    cluster.run_for(3000);
    const int second = cluster.node(other_than(leader)).raft().role() == engine::RoleName::Leader
                           ? other_than(leader)
                           : 6 - leader - other_than(leader);
    ASSERT_EQ(cluster.request(second, "PUT", "/kv/a", "2").status, 200);
    EXPECT_FALSE(cluster.node(leader).holds_lease(cluster.now_ms()));
    cluster.run_for(500);
    EXPECT_EQ(header(cluster.request(second, "GET", kRead), "Quorate-Lease"), "held");
}

// A follower that has just answered is killed and started again: it gives nobody its vote for as long as
// the leader counts on it.
TEST(NodeLease, AVoterThatWasRestartedKeepsToWhatItHasPromised) {
    NodeCluster cluster(3, rely_on_clocks);
    const int leader = cluster.await_leader();
    const int second = other_than(leader);
    const int third = 6 - leader - second;
    ASSERT_EQ(cluster.request(leader, "PUT", "/kv/a", "1").status, 200);
    cluster.cut(leader, third);
    cluster.run_for(2000);
    ASSERT_EQ(cluster.leader(), leader);
    ASSERT_TRUE(cluster.node(leader).holds_lease(cluster.now_ms()));
    // The third has long wanted another leader, and the second comes back without a memory of this one.
    cluster.cut(leader, second);
    cluster.host(second).crash();
    cluster.host(second).start();
    while (cluster.node(leader).holds_lease(cluster.now_ms())) {
        ASSERT_NE(cluster.node(third).raft().role(), engine::RoleName::Leader);
        cluster.run_for(10);
    }
    cluster.run_for(3000);
    EXPECT_NE(cluster.leader(), leader);
}

}  // namespace
}  // namespace quorate::test
