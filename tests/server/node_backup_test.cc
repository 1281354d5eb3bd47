// Backups of running nodes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/backup.h"
#include "tests/support/node_cluster.h"

namespace quorate::test {
namespace {

using server::AnswerPart;
using testing::Contains;
using testing::HasSubstr;

using Pairs = std::map<std::string, std::pair<std::string, std::uint64_t>>;  ///< value and ETag

/// What a complete backup holds; nothing: it is none.
std::optional<Pairs> pairs_of(std::string backup) {
    server::BackupReader reader(
        [&] { return std::expected<std::string, std::string>(std::exchange(backup, {})); });
    if (!reader.head()) return std::nullopt;
    Pairs pairs;
    for (;;) {
        const auto pair = reader.next();
        if (!pair) return std::nullopt;
        if (!*pair) return pairs;
        pairs[(*pair)->key] = {std::string((*pair)->record.value.view()), (*pair)->record.mod_revision};
    }
}

Pairs pairs_of(const server::StateMachine& store) {
    Pairs pairs;
    for (const server::RangeEntry& entry : store.range({{}, {}, {}, 1'000'000, UINT64_MAX, {}}).entries)
        pairs[std::string(entry.key)] = {std::string(entry.record->value.view()), entry.record->mod_revision};
    return pairs;
}

class NodeBackup : public testing::Test {
 protected:
    void begin(int size, const std::function<void(server::NodeConfig&)>& change = {}) {
        cluster_ = std::make_unique<NodeCluster>(size, change);
        leader_ = cluster_->await_leader();
        ASSERT_NE(leader_, 0);
    }
    void write(int from, int count, std::size_t bytes = 100) {
        for (int i = from; i < from + count; ++i)
            ASSERT_EQ(cluster_->request(leader_, "PUT", "/kv/k" + std::to_string(i), std::string(bytes, 'v'))
                          .status,
                      200);
    }
    NodeHost::Stream& stream(int node, server::HttpExchange exchange) {
        return cluster_->host(node).streams.at(exchange);
    }

    std::unique_ptr<NodeCluster> cluster_;
    int leader_ = 0;
};

TEST_F(NodeBackup, OfAFollowerHoldsAllThatWasAcknowledged) {
    begin(3);
    write(0, 50);
    const int follower = other_than(leader_);
    const auto exchange = cluster_->send(follower, "GET", "/admin/backup");
    cluster_->settle();
    const NodeHost::Stream& got = stream(follower, exchange);
    EXPECT_EQ(got.response.status, 200);
    EXPECT_EQ(header(got.response, "Content-Type"), "application/x-ndjson");
    EXPECT_EQ(header(got.response, "Quorate-Revision"), "50");
    EXPECT_EQ(got.last, AnswerPart::Last);
    EXPECT_EQ(pairs_of(got.response.body), pairs_of(cluster_->node(leader_).store()));
    EXPECT_EQ(cluster_->answer(follower, exchange), nullptr) << "one answer";
    EXPECT_THAT(cluster_->host(follower).lines, Contains("the backup at revision 50 is complete"));
}

TEST_F(NodeBackup, ComesInPartsOfOneRevisionWhileTheNodeGoesOn) {
    begin(1);
    write(0, 300, 4000);
    const Pairs then = pairs_of(cluster_->node(1).store());
    cluster_->host(1).takes_parts = false;
    const auto exchange = cluster_->send(1, "GET", "/admin/backup");
    cluster_->settle();
    EXPECT_EQ(stream(1, exchange).response.body, "") << "its client takes nothing: nothing is made";
    write(100, 300, 4000);
    ASSERT_EQ(cluster_->request(1, "DELETE", "/kv/k7").status, 200);
    cluster_->host(1).takes_parts = true;
    cluster_->run_for(10);
    const NodeHost::Stream& got = stream(1, exchange);
    EXPECT_EQ(got.last, AnswerPart::Last);
    EXPECT_EQ(pairs_of(got.response.body), then);
    EXPECT_GE(got.largest_part, server::kBackupPartBytes);
    EXPECT_LT(got.largest_part, server::kBackupPartBytes + 5000);
}

TEST_F(NodeBackup, GoesOnBehindManyKeysThatHaveComeSince) {
    begin(1);
    write(0, 3);
    ASSERT_EQ(cluster_->request(1, "PUT", "/kv/zebra", "z").status, 200);
    const Pairs then = pairs_of(cluster_->node(1).store());
    cluster_->host(1).takes_parts = false;
    const auto exchange = cluster_->send(1, "GET", "/admin/backup");
    cluster_->settle();
    constexpr std::size_t kNew = server::kKeysAtOnce;
    for (const std::size_t first : {std::size_t{0}, kNew, 2 * kNew})
        ASSERT_EQ(cluster_->request(1, "POST", "/kv/batch", batch_of_new(first, kNew)).status, 200);
    cluster_->host(1).takes_parts = true;
    cluster_->settle();
    EXPECT_EQ(stream(1, exchange).last, AnswerPart::Last);
    EXPECT_EQ(pairs_of(stream(1, exchange).response.body), then);
}

TEST_F(NodeBackup, SoManyAtOneTime) {
    begin(1);
    write(0, 10);
    cluster_->host(1).takes_parts = false;
    std::vector<server::HttpExchange> exchanges(server::kBackupsMax);
    for (server::HttpExchange& exchange : exchanges)
        exchange = cluster_->send(1, "GET", "/admin/backup?consistency=stale");
    const auto refused = cluster_->request(1, "GET", "/admin/backup");
    EXPECT_EQ(refused.status, 503);
    EXPECT_THAT(refused.body, HasSubstr("overloaded"));
    // One client goes.
    cluster_->host(1).streams.erase(exchanges[0]);
    cluster_->host(1).takes_parts = true;
    cluster_->run_for(10);
    EXPECT_THAT(cluster_->host(1).lines, Contains(HasSubstr("its client has gone")));
    for (std::size_t i = 1; i < exchanges.size(); ++i)
        EXPECT_EQ(pairs_of(stream(1, exchanges[i]).response.body)->size(), 10U);
    const auto again = cluster_->send(1, "GET", "/admin/backup");
    cluster_->settle();
    EXPECT_EQ(stream(1, again).last, AnswerPart::Last);
}

TEST_F(NodeBackup, IsRefusedWhereItIsNoneOfTheStore) {
    begin(3, [](server::NodeConfig& config) { config.snapshots.chunk_bytes = 1000; });
    write(0, 30);
    EXPECT_EQ(cluster_->request(leader_, "POST", "/admin/backup").status, 405);
    EXPECT_EQ(cluster_->request(leader_, "GET", "/admin/backup?x=1").status, 400);
    const int follower = other_than(leader_);
    EXPECT_EQ(cluster_->request(follower, "GET", "/admin/backup?forward=false").status, 409);
    ASSERT_EQ(cluster_->request(follower, "POST", "/admin/snapshot").status, 200);
    cluster_->host(follower).crash();
    cluster_->host(follower).start();
    for (const char* target : {"/admin/backup", "/admin/backup?consistency=stale"}) {
        const auto* answer = cluster_->answer(follower, cluster_->send(follower, "GET", target));
        ASSERT_NE(answer, nullptr);
        EXPECT_EQ(answer->status, 503);
        EXPECT_THAT(answer->body, HasSubstr("store_loading"));
    }
    cluster_->node(leader_).begin_stop();
    EXPECT_THAT(cluster_->request(leader_, "GET", "/admin/backup").body, HasSubstr("shutting_down"));
}

TEST_F(NodeBackup, OfANodeThatStopsIsBrokenOff) {
    begin(1);
    write(0, 10);
    cluster_->host(1).takes_parts = false;
    const auto exchange = cluster_->send(1, "GET", "/admin/backup");
    cluster_->settle();
    cluster_->node(1).begin_stop();
    EXPECT_EQ(stream(1, exchange).last, AnswerPart::BrokenOff);
    cluster_->run_for(3000);
    EXPECT_TRUE(cluster_->node(1).is_quiet());
}

// The store that it was of is gone.
TEST_F(NodeBackup, OfANodeThatInstallsASnapshotIsBrokenOff) {
    begin(3, [](server::NodeConfig& config) {
        config.snapshots = {20, std::uint64_t{1} << 20, 2000};
        config.segment_bytes = 8192;
    });
    write(0, 10);
    const int behind = other_than(leader_);
    cluster_->host(behind).takes_parts = false;
    const auto exchange = cluster_->send(behind, "GET", "/admin/backup?consistency=stale");
    cluster_->settle();
    ASSERT_EQ(stream(behind, exchange).last, AnswerPart::More);
    cluster_->isolate(behind);
    cluster_->run_for(100);
    write(0, 300);
    cluster_->run_for(2000);
    cluster_->heal();
    cluster_->run_for(5000);
    ASSERT_THAT(cluster_->host(behind).lines, Contains(HasSubstr("installed the snapshot")));
    EXPECT_EQ(stream(behind, exchange).last, AnswerPart::BrokenOff);
    EXPECT_EQ(stream(behind, exchange).response.body, "");
}

TEST_F(NodeBackup, ThatHoldsTooMuchOfThePastIsBrokenOff) {
    begin(1, [](server::NodeConfig& config) {
        config.history = {10, std::uint64_t{1} << 20, 1000};
        config.backup_held_bytes_max = 100'000;
    });
    write(0, 10);
    cluster_->host(1).takes_parts = false;
    const auto slow = cluster_->send(1, "GET", "/admin/backup");
    cluster_->settle();
    for (int round = 0; round < 5; ++round) write(0, 10, 1000);
    const auto later = cluster_->send(1, "GET", "/admin/backup");
    cluster_->run_for(2000);
    EXPECT_EQ(stream(1, slow).last, AnswerPart::More);
    for (int round = 0; round < 7; ++round) write(0, 10, 1000);
    cluster_->run_for(2000);
    EXPECT_EQ(stream(1, slow).last, AnswerPart::BrokenOff);
    EXPECT_EQ(stream(1, later).last, AnswerPart::More) << "only what holds it";
    EXPECT_LT(cluster_->node(1).store().history().forgotten_bytes(), 100'000U);
}

}  // namespace
}  // namespace quorate::test
