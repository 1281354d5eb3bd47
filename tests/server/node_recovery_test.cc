// Nodes that start again, on what their disks have kept.

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "tests/support/node_cluster.h"

namespace quorate::test {
namespace {

TEST(NodeRecovery, AcknowledgedWritesSurviveACrashOfAll) {
    NodeCluster cluster(3);
    int leader = cluster.await_leader();
    for (int i = 0; i < 100; ++i) {
        ASSERT_EQ(
            cluster.request(1 + i % 3, "PUT", "/kv/k" + std::to_string(i), std::string(100, 'v')).status,
            200);
    }
    for (int round = 0; round < 3; ++round) {
        for (int i = 1; i <= 3; ++i) cluster.host(i).crash();
        for (int i = 1; i <= 3; ++i) cluster.host(i).start();
        leader = cluster.await_leader();
        ASSERT_NE(leader, 0);
        for (int i = 0; i < 100; ++i) {
            ASSERT_EQ(cluster.request(1 + i % 3, "GET", "/kv/k" + std::to_string(i)).status, 200)
                << "round " << round;
        }
    }
    EXPECT_EQ(cluster.node(1).store().digest(), cluster.node(2).store().digest());
    EXPECT_EQ(cluster.node(1).store().digest(), cluster.node(3).store().digest());
}

TEST(NodeRecovery, LaggingFollowerCatchesUpFromTheLeadersDisk) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    const int lagging = other_than(leader);
    cluster.host(lagging).crash();
    for (int i = 0; i < 300; ++i) {
        ASSERT_EQ(cluster.request(leader, "PUT", "/kv/k" + std::to_string(i), std::string(3000, 'v')).status,
                  200);
    }
    cluster.host(lagging).start();
    cluster.run_for(3000);
    EXPECT_EQ(cluster.node(lagging).store().digest(), cluster.node(leader).store().digest());
}

// The procedure of docs/operations.md, at its last step.
TEST(NodeRecovery, AFollowerOnAnEmptyDirectoryGetsTheWholeLogUnderTheSameLeader) {
    for (const bool tells_of_lost_link : {true, false}) {
        SCOPED_TRACE(tells_of_lost_link);
        NodeCluster cluster(3);
        const int leader = cluster.await_leader();
        const int replaced = other_than(leader);
        for (int i = 0; i < 50; ++i) {
            ASSERT_EQ(cluster.request(leader, "PUT", "/kv/k" + std::to_string(i), "v").status, 200);
        }
        cluster.run_for(1000);
        const engine::Term term = cluster.node(leader).raft().current_term();
        cluster.host(replaced).crash();
        cluster.host(replaced).disk = std::make_unique<VirtualDisk>();
        if (tells_of_lost_link)
            cluster.node(leader).peer_lost(server::server_id_of(std::to_string(replaced)));
        cluster.host(replaced).start();
        cluster.run_for(3000);
        EXPECT_EQ(cluster.node(replaced).applied_index(), cluster.node(leader).applied_index());
        EXPECT_EQ(cluster.node(replaced).store().digest(), cluster.node(leader).store().digest());
        EXPECT_EQ(cluster.leader(), leader);
        EXPECT_EQ(cluster.node(leader).raft().current_term(), term);
        const auto& lines = cluster.host(leader).lines;
        EXPECT_TRUE(std::ranges::any_of(lines, [&](const std::string& line) {
            return line.starts_with("member " + std::to_string(replaced) + " lost acknowledged entries");
        }));
    }
}

TEST(NodeRecovery, DirectoryOfAnotherNodeIsRefused) {
    NodeCluster cluster(3);
    ASSERT_NE(cluster.await_leader(), 0);
    cluster.host(1).crash();
    cluster.host(2).crash();
    std::swap(cluster.host(1).disk, cluster.host(2).disk);
    cluster.host(1).start();
    EXPECT_FALSE(cluster.host(1).is_up());
    ASSERT_TRUE(cluster.host(1).refusal.has_value());
    EXPECT_EQ(cluster.host(1).refusal->code, wal::RefusalCode::WrongIdentity);
}

TEST(NodeRecovery, FailedSyncStopsTheNodeAndAcknowledgesNothing) {
    NodeCluster cluster(1);
    ASSERT_EQ(cluster.await_leader(), 1);
    cluster.host(1).disk->fail_operation(1, wal::DiskError::Failed);
    const auto write = cluster.send(1, "PUT", "/kv/a", "1");
    cluster.settle();
    ASSERT_TRUE(cluster.host(1).failure.has_value());
    EXPECT_EQ(cluster.host(1).failure->first, 15);
    EXPECT_EQ(cluster.answer(1, write), nullptr);
}

}  // namespace
}  // namespace quorate::test
