// Snapshots that nodes take, load, send and install.

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>

#include "tests/support/node_cluster.h"
#include "wal/snapshot_file.h"

namespace quorate::test {
namespace {

using engine::LogIndex;

void take_often(server::NodeConfig& config) {
    config.snapshots = {20, std::uint64_t{1} << 20, 2000};
    config.segment_bytes = 8192;
}

void take_on_order(server::NodeConfig& config) {
    config.snapshots.chunk_bytes = 2000;
    config.segment_bytes = 8192;
}

bool has_line(const NodeHost& host, std::string_view part) {
    return std::ranges::any_of(host.lines, [&](const std::string& line) { return line.contains(part); });
}

std::size_t files_of(NodeHost& host, std::string_view prefix) {
    const auto files = host.disk->list();
    return static_cast<std::size_t>(std::ranges::count_if(
        *files, [&](const wal::FileStatus& file) { return file.name.starts_with(prefix); }));
}

// Each in its header.
void rot_snapshots(NodeHost& host) {
    const auto files = *host.disk->list();
    for (const wal::FileStatus& file : files) {
        if (!file.name.starts_with("snapshot-")) continue;
        ASSERT_TRUE(host.disk->rot(file.name, 20, 3));
    }
}

void write_some(NodeCluster& cluster, int node, int count, std::string_view prefix = "k") {
    for (int i = 0; i < count; ++i) {
        const std::string key = std::string("/kv/") + std::string(prefix) + std::to_string(i % 30);
        ASSERT_EQ(cluster.request(node, "PUT", key, std::string(300, 'v')).status, 200);
    }
}

server::HttpResponse read_stale(NodeCluster& cluster, int node, const std::string& key) {
    return cluster.request(node, "GET", "/kv/" + key + "?consistency=stale");
}

TEST(NodeSnapshots, WhatACrashHasLeftOfTheLogGoesAfterTheNextStart) {
    NodeCluster cluster(1, take_on_order);
    const int node = cluster.await_leader();
    NodeHost& host = cluster.host(node);
    const auto take = [&] {
        write_some(cluster, node, 60);
        ASSERT_EQ(cluster.request(node, "POST", "/admin/snapshot").status, 200);
    };
    take();
    const VirtualDisk::Image before = host.disk->written();
    take();
    const std::size_t needed = files_of(host, "log-");
    VirtualDisk::Image image = host.disk->written();
    for (const auto& [name, bytes] : before)
        if (name.starts_with("log-")) image.try_emplace(name, bytes);
    host.stop_with(image);
    EXPECT_GT(files_of(host, "log-"), needed + 1);
    host.start();
    cluster.run_for(2000);
    EXPECT_LE(files_of(host, "log-"), needed + 1) << "it goes on in a new segment, maybe";
    EXPECT_EQ(cluster.request(node, "GET", "/kv/k1").status, 200);
}

// Turn after turn, and no tick is waited for.
TEST(NodeSnapshots, GoOnBehindManyKeysThatHaveComeSince) {
    NodeCluster cluster(1);
    const int node = cluster.await_leader();
    write_some(cluster, node, 3);
    const auto snapshot = cluster.send(node, "POST", "/admin/snapshot");
    constexpr std::size_t kNew = server::kKeysAtOnce;
    for (const std::size_t first : {std::size_t{0}, kNew, 2 * kNew})
        cluster.send(node, "POST", "/kv/batch", batch_of_new(first, kNew));
    cluster.settle();
    EXPECT_EQ(cluster.node(node).store().size(), 3 + 3 * kNew);
    const auto* answer = cluster.answer(node, snapshot);
    ASSERT_NE(answer, nullptr);
    EXPECT_EQ(answer->status, 200);
    cluster.host(node).crash();
    cluster.host(node).start();
    cluster.run_for(2000);
    EXPECT_TRUE(has_line(cluster.host(node), "loaded the snapshot through entry 5: 3 keys"));
    EXPECT_EQ(cluster.node(node).store().size(), 3 + 3 * kNew) << "the rest comes from the log";
}

TEST(NodeSnapshots, AreTakenByCountAndTheLogBehindTheLastButOneGoes) {
    NodeCluster cluster(1, take_often);
    ASSERT_EQ(cluster.await_leader(), 1);
    write_some(cluster, 1, 300);
    cluster.run_for(100);
    EXPECT_EQ(files_of(cluster.host(1), "snapshot-"), 2U);
    EXPECT_LE(files_of(cluster.host(1), "log-"), 4U);
    const engine::Raft& raft = cluster.node(1).raft();
    EXPECT_GT(raft.log().base().index, LogIndex(200));
    EXPECT_GE(raft.commit_index().past(raft.log().base().index), 20U) << "a tail for slow followers";
}

TEST(NodeSnapshots, AreTakenByBytes) {
    NodeCluster cluster(1, [](server::NodeConfig& config) { config.snapshots.bytes_max = 3000; });
    ASSERT_EQ(cluster.await_leader(), 1);
    write_some(cluster, 1, 8);
    EXPECT_EQ(files_of(cluster.host(1), "snapshot-"), 0U);
    write_some(cluster, 1, 4);
    cluster.run_for(100);
    EXPECT_EQ(files_of(cluster.host(1), "snapshot-"), 1U);
}

TEST(NodeSnapshots, AStartLoadsTheNewestAndAppliesTheLogBehindIt) {
    NodeCluster cluster(3, take_often);
    const int leader = cluster.await_leader();
    write_some(cluster, leader, 95);
    cluster.run_for(500);
    const std::uint64_t digest = cluster.node(leader).store().digest();
    for (int i = 1; i <= 3; ++i) cluster.host(i).crash();
    for (int i = 1; i <= 3; ++i) cluster.host(i).start();
    ASSERT_NE(cluster.await_leader(), 0);
    cluster.run_for(1000);
    for (int i = 1; i <= 3; ++i) {
        EXPECT_EQ(cluster.node(i).store().digest(), digest);
        EXPECT_TRUE(has_line(cluster.host(i), "loaded the snapshot through entry"));
    }
}

TEST(NodeSnapshots, BeforeItIsLoadedNothingIsReadAndHealthTellsSo) {
    NodeCluster cluster(1, take_on_order);
    ASSERT_EQ(cluster.await_leader(), 1);
    write_some(cluster, 1, 30);
    ASSERT_EQ(cluster.request(1, "POST", "/admin/snapshot").status, 200);
    cluster.host(1).crash();
    cluster.host(1).start();
    const auto ask = [&](const std::string& method, const std::string& target) {
        return *cluster.answer(1, cluster.send(1, method, target));
    };
    EXPECT_EQ(ask("GET", "/kv/k1?consistency=stale").status, 503);
    EXPECT_TRUE(ask("GET", "/kv/k1?consistency=stale").body.contains("store_loading"));
    EXPECT_TRUE(ask("POST", "/admin/snapshot").body.contains("store_loading"));
    EXPECT_TRUE(ask("GET", "/raft/health").body.contains(R"("state":"loading","progress":0)"));
    cluster.run_for(20);
    EXPECT_EQ(ask("GET", "/kv/k1?consistency=stale").status, 200);
    ASSERT_EQ(cluster.await_leader(), 1);
    cluster.run_for(100);
    EXPECT_TRUE(ask("GET", "/raft/health").body.contains(R"("state":"serving","progress":100)"));
}

TEST(NodeSnapshots, AnOrderIsAnsweredWhenTheSnapshotIsDurable) {
    NodeCluster cluster(1, take_on_order);
    ASSERT_EQ(cluster.await_leader(), 1);
    write_some(cluster, 1, 30);
    const auto answer = cluster.request(1, "POST", "/admin/snapshot");
    ASSERT_EQ(answer.status, 200) << answer.body;
    EXPECT_TRUE(
        answer.body.contains("\"snapshotIndex\":" + std::to_string(cluster.node(1).applied_index().value)));
    // Nothing has changed: the same one does.
    EXPECT_EQ(cluster.request(1, "POST", "/admin/snapshot").body, answer.body);
    EXPECT_EQ(cluster.request(1, "GET", "/admin/snapshot").status, 405);
    EXPECT_EQ(files_of(cluster.host(1), "snapshot-"), 1U);
}

TEST(NodeSnapshots, WithoutRoomAnOrderIsRefusedAndTheNodeGoesOn) {
    NodeCluster cluster(1, take_on_order);
    ASSERT_EQ(cluster.await_leader(), 1);
    write_some(cluster, 1, 5);
    cluster.host(1).disk->set_capacity(cluster.host(1).disk->size() + 1000);
    const auto answer = cluster.request(1, "POST", "/admin/snapshot");
    EXPECT_EQ(answer.status, 507) << answer.body;
    write_some(cluster, 1, 2);
    cluster.host(1).disk->set_capacity(UINT64_MAX);
    cluster.run_for(11'000);
    EXPECT_EQ(cluster.request(1, "POST", "/admin/snapshot").status, 200);
}

TEST(NodeSnapshots, OneThatLackedRoomIsTakenOnceThereIsSomeThoughNothingMoreIsWritten) {
    NodeCluster cluster(1, [](server::NodeConfig& config) {
        take_on_order(config);
        config.snapshots.bytes_max = 2000;
    });
    ASSERT_EQ(cluster.await_leader(), 1);
    cluster.host(1).disk->set_capacity(cluster.host(1).disk->size() + 1000);
    write_some(cluster, 1, 10);
    cluster.run_for(500);
    EXPECT_TRUE(has_line(cluster.host(1), "no room for a snapshot"));
    EXPECT_EQ(files_of(cluster.host(1), "snapshot-"), 0U);
    cluster.host(1).disk->set_capacity(UINT64_MAX);
    cluster.run_for(11'000);
    EXPECT_EQ(files_of(cluster.host(1), "snapshot-"), 1U);
}

// Seed 10040: each attempt without room put the next one off for twice as long, also that to follow again.
TEST(NodeSnapshots, AFollowerThatLackedRoomManyTimesReceivesOneSoonAfterThereIsSome) {
    NodeCluster cluster(3, take_often);
    const int leader = cluster.await_leader();
    const int follower = other_than(leader);
    cluster.run_for(500);
    NodeHost& host = cluster.host(follower);
    host.crash();
    write_some(cluster, leader, 150);
    host.start();
    host.disk->set_capacity(host.disk->size() + 100);
    cluster.run_for(45'000);
    EXPECT_GE(
        std::ranges::count_if(
            host.lines, [](const std::string& line) { return line.contains("this node does not follow"); }),
        3);
    host.disk->set_capacity(UINT64_MAX);
    cluster.run_for(12'000);
    EXPECT_EQ(cluster.node(follower).store().digest(), cluster.node(leader).store().digest());
}

// Which of its snapshots is damaged, and where.
class DamagedSnapshot : public testing::TestWithParam<std::uint64_t> {};

TEST_P(DamagedSnapshot, TheOneBeforeAndTheLogHaveAllOfIt) {
    NodeCluster cluster(3, take_often);
    const int leader = cluster.await_leader();
    write_some(cluster, leader, 150);
    cluster.run_for(500);
    const int node = other_than(leader);
    NodeHost& host = cluster.host(node);
    host.crash();
    const auto files = *host.disk->list();
    std::string newest;
    for (const wal::FileStatus& file : files) {
        if (file.name.starts_with("snapshot-")) newest = file.name;
    }
    ASSERT_TRUE(host.disk->rot(newest, GetParam(), 3));
    host.start();
    ASSERT_TRUE(host.is_up());
    cluster.run_for(2000);
    EXPECT_TRUE(has_line(host, "not used")) << "an operator hears of it";
    EXPECT_EQ(cluster.node(node).store().digest(), cluster.node(leader).store().digest());
}

INSTANTIATE_TEST_SUITE_P(HeaderAndChunks, DamagedSnapshot, testing::Values(0U, 20U, 4096U, 4200U, 9000U));

TEST(NodeSnapshots, WithEverySnapshotDamagedTheDirectoryIsRefused) {
    NodeCluster cluster(3, take_often);
    const int leader = cluster.await_leader();
    write_some(cluster, leader, 150);
    cluster.run_for(500);
    NodeHost& host = cluster.host(other_than(leader));
    host.crash();
    rot_snapshots(host);
    const auto files = *host.disk->list();
    host.start();
    ASSERT_TRUE(host.refusal);
    EXPECT_EQ(host.refusal->code, wal::RefusalCode::Damage);
    EXPECT_TRUE(host.refusal->message.contains("snapshot")) << host.refusal->message;
    EXPECT_EQ(files, *host.disk->list()) << "nothing is removed";
}

TEST(NodeSnapshots, AFollowerThatLagsTooFarGetsOneWhileTheLeaderServes) {
    NodeCluster cluster(3, take_often);
    const int leader = cluster.await_leader();
    const int lagging = other_than(leader);
    cluster.host(lagging).crash();
    write_some(cluster, leader, 200);
    cluster.host(lagging).start();
    cluster.run_for(1000);
    EXPECT_TRUE(has_line(cluster.host(lagging), "installed the snapshot through entry"));
    EXPECT_EQ(cluster.node(lagging).applied_index(), cluster.node(leader).applied_index());
    EXPECT_EQ(cluster.node(lagging).store().digest(), cluster.node(leader).store().digest());
    EXPECT_EQ(read_stale(cluster, lagging, "k7").status, 200);
    // It is a follower like any other, also after a crash.
    write_some(cluster, leader, 10, "later");
    cluster.run_for(300);
    cluster.host(lagging).crash();
    cluster.host(lagging).start();
    cluster.run_for(1000);
    EXPECT_EQ(cluster.node(lagging).store().digest(), cluster.node(leader).store().digest());
}

// The segments that it left may still be there: they are no part of the log any more.
TEST(NodeSnapshots, NoneIsInstalledBeforeItIsDurable) {
    NodeCluster cluster(3, take_often);
    const int leader = cluster.await_leader();
    const int lagging = other_than(leader);
    cluster.isolate(lagging);
    write_some(cluster, leader, 200);
    cluster.heal();
    NodeHost& host = cluster.host(lagging);
    const auto nothing = [] { return false; };
    const auto has_durable_one = [&] {
        return std::ranges::any_of(host.disk->after_crash(nothing, nothing),
                                   [](const auto& file) { return file.first.starts_with("snapshot-0"); });
    };
    ASSERT_FALSE(has_durable_one());
    bool is_installed = false;
    for (int i = 0; i < 500 && !is_installed; ++i) {
        host.background_jobs_left = 1;
        cluster.run_for(10);
        is_installed = host.node().raft().log().base().index > LogIndex{};
        EXPECT_LE(is_installed, has_durable_one()) << i;
    }
    EXPECT_TRUE(is_installed);
}

TEST(NodeSnapshots, ALogThatOneHasReplacedIsRefusedWhenItIsDamaged) {
    NodeCluster cluster(3, take_often);
    const int leader = cluster.await_leader();
    NodeHost& lagging = cluster.host(other_than(leader));
    lagging.crash();
    write_some(cluster, leader, 200);
    lagging.start();
    for (int i = 0; i < 1000 && !has_line(lagging, "installed the snapshot"); ++i) cluster.run_for(10);
    lagging.crash();
    rot_snapshots(lagging);
    lagging.start();
    ASSERT_TRUE(lagging.refusal);
    EXPECT_EQ(lagging.refusal->code, wal::RefusalCode::Damage);
}

TEST(NodeSnapshots, AFollowerOnAnEmptyDirectoryGetsOne) {
    NodeCluster cluster(3, take_often);
    const int leader = cluster.await_leader();
    write_some(cluster, leader, 200);
    cluster.run_for(300);
    const int replaced = other_than(leader);
    cluster.host(replaced).crash();
    cluster.host(replaced).disk = std::make_unique<VirtualDisk>();
    cluster.host(replaced).start();
    cluster.run_for(3000);
    EXPECT_EQ(cluster.node(replaced).store().digest(), cluster.node(leader).store().digest());
}

TEST(NodeSnapshots, ATransferGoesOnWhereABrokenLinkHasEndedIt) {
    NodeCluster cluster(3, take_often);
    const int leader = cluster.await_leader();
    const int lagging = other_than(leader);
    cluster.host(lagging).crash();
    write_some(cluster, leader, 200);
    cluster.host(lagging).start();
    cluster.host(leader).snapshot_chunks_let_through = 3;
    cluster.run_for(1000);
    ASSERT_GT(cluster.host(leader).snapshot_chunks_sent, 3U);
    cluster.node(leader).peer_lost(server::server_id_of(std::to_string(lagging)));
    cluster.host(leader).snapshot_chunks_let_through = UINT64_MAX;
    cluster.host(leader).snapshot_chunks_sent = 0;
    cluster.run_for(2000);
    EXPECT_EQ(cluster.node(lagging).store().digest(), cluster.node(leader).store().digest());
    const auto files = *cluster.host(lagging).disk->list();
    const auto installed = std::ranges::find_if(
        files, [](const wal::FileStatus& file) { return file.name.starts_with("snapshot-"); });
    const auto meta =
        wal::read_snapshot_meta(*cluster.host(lagging).disk, *installed, {"test", std::to_string(lagging)});
    ASSERT_TRUE(meta);
    EXPECT_EQ(cluster.host(leader).snapshot_chunks_sent, meta->chunks - 3)
        << "what has come is not sent again";
}

TEST(NodeSnapshots, AnOrderGivenWhileOneIsReceivedIsAnsweredByIt) {
    NodeCluster cluster(3, take_often);
    const int leader = cluster.await_leader();
    const int lagging = other_than(leader);
    write_some(cluster, leader, 5);
    cluster.run_for(300);
    cluster.isolate(lagging);
    write_some(cluster, leader, 200);
    cluster.host(leader).snapshot_chunks_let_through = 3;
    cluster.heal();
    cluster.run_for(500);
    const auto order = cluster.send(lagging, "POST", "/admin/snapshot");
    cluster.settle();
    ASSERT_EQ(cluster.answer(lagging, order), nullptr) << cluster.answer(lagging, order)->body;
    cluster.host(leader).snapshot_chunks_let_through = UINT64_MAX;
    cluster.run_for(2000);
    ASSERT_TRUE(has_line(cluster.host(lagging), "installed the snapshot"));
    const auto* answer = cluster.answer(lagging, order);
    ASSERT_NE(answer, nullptr);
    EXPECT_EQ(answer->status, 200) << answer->body;
}

// The follower has the most of it by the time that the damage is met, and takes the one before instead.
TEST(NodeSnapshots, ADamagedOneIsNotSentWhileTheOneBeforeIsWhole) {
    NodeCluster cluster(3, take_often);
    const int leader = cluster.await_leader();
    const int lagging = other_than(leader);
    cluster.host(lagging).crash();
    write_some(cluster, leader, 200);
    cluster.run_for(300);
    wal::FileStatus newest;
    const auto files = *cluster.host(leader).disk->list();
    for (const wal::FileStatus& file : files) {
        if (file.name.starts_with("snapshot-")) newest = file;
    }
    ASSERT_TRUE(cluster.host(leader).disk->rot(newest.name, newest.size - 10, 3));
    cluster.host(lagging).start();
    cluster.run_for(1000);
    EXPECT_TRUE(has_line(cluster.host(leader), "damaged: "));
    EXPECT_TRUE(has_line(cluster.host(lagging), "installed the snapshot"));
    EXPECT_EQ(cluster.node(lagging).store().digest(), cluster.node(leader).store().digest());
    EXPECT_FALSE(cluster.host(leader).disk->written().contains(newest.name));
}

TEST(NodeSnapshots, AChunkThatComesAgainIsNotTakenAgain) {
    NodeCluster cluster(3, take_often);
    const int leader = cluster.await_leader();
    const int lagging = other_than(leader);
    cluster.host(lagging).crash();
    write_some(cluster, leader, 200);
    server::SnapshotChunk second;
    cluster.host(leader).on_snapshot_chunk = [&](server::SnapshotChunk& chunk) {
        if (chunk.chunk == 1) second = chunk;
    };
    cluster.host(lagging).start();
    cluster.host(leader).snapshot_chunks_let_through = 3;
    cluster.run_for(300);
    ASSERT_EQ(second.chunk, 1U);
    cluster.node(lagging).frame_received(server::server_id_of(std::to_string(leader)), std::move(second));
    cluster.host(leader).snapshot_chunks_let_through = UINT64_MAX;
    std::uint64_t first_sent_then = 0;
    cluster.host(leader).on_snapshot_chunk = [&](server::SnapshotChunk& chunk) {
        if (first_sent_then == 0) first_sent_then = chunk.chunk;
    };
    cluster.run_for(2000);
    EXPECT_EQ(first_sent_then, 3U);
    EXPECT_EQ(cluster.node(lagging).store().digest(), cluster.node(leader).store().digest());
}

TEST(NodeSnapshots, OneThatCameOtherThanItWasOfferedIsNotInstalled) {
    NodeCluster cluster(3, take_often);
    const int leader = cluster.await_leader();
    const int lagging = other_than(leader);
    cluster.host(lagging).crash();
    write_some(cluster, leader, 200);
    bool is_changed = false;
    cluster.host(leader).on_snapshot_chunk = [&](server::SnapshotChunk& chunk) {
        if (chunk.chunk != 1 || std::exchange(is_changed, true)) return;
        const std::size_t value = chunk.payload.find("vvv");
        ASSERT_NE(value, std::string::npos);
        chunk.payload[value] = 'w';
    };
    cluster.host(lagging).start();
    cluster.run_for(3000);
    ASSERT_TRUE(is_changed);
    EXPECT_EQ(cluster.node(lagging).applied_index(), cluster.node(leader).applied_index());
    EXPECT_EQ(cluster.node(lagging).store().digest(), cluster.node(leader).store().digest());
}

TEST(NodeSnapshots, AWriteThatASnapshotCoversIsOfUnknownOutcome) {
    NodeCluster cluster(3, take_often);
    const int old_leader = cluster.await_leader();
    write_some(cluster, old_leader, 10);
    cluster.isolate(old_leader);
    const auto lost = cluster.send(old_leader, "PUT", "/kv/lost", "x");
    cluster.settle();
    cluster.run_for(3000);
    const int leader = cluster.leader();
    ASSERT_NE(leader, 0);
    ASSERT_NE(leader, old_leader);
    write_some(cluster, leader, 200);
    cluster.heal();
    cluster.run_for(2000);
    EXPECT_EQ(cluster.node(old_leader).store().digest(), cluster.node(leader).store().digest());
    const auto* answer = cluster.answer(old_leader, lost);
    ASSERT_NE(answer, nullptr);
    EXPECT_TRUE(answer->body.contains("outcome_unknown")) << answer->body;
}

}  // namespace
}  // namespace quorate::test
