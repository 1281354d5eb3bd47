// New clusters from a backup.

#include "server/restore.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/node_cluster.h"

namespace quorate::test {
namespace {

using engine::LogIndex;
using server::RangeQuery;
using sim::VirtualDisk;
using testing::HasSubstr;
using testing::IsEmpty;

server::BackupOpener opener_of(const std::string& backup) {
    return [&backup]() -> std::expected<server::BackupReader::Source, std::string> {
        return [&backup, at = std::size_t{0}]() mutable -> std::expected<std::string, std::string> {
            std::string piece = backup.substr(at, 1000);
            at += piece.size();
            return piece;
        };
    };
}

server::StateMachine some_store(std::string_view value = "v") {
    server::StateMachine store;
    for (int i = 0; i < 200; ++i) {
        store.apply({{{server::Operation::Kind::Put, "k" + std::to_string(i % 50),
                       std::string(value) + std::to_string(i)}},
                     {}});
    }
    return store;
}

std::string backup_of(server::StateMachine store) {
    server::BackupEncoder encoder("old", store, store.pin_present());
    std::string backup;
    while (!encoder.is_complete()) backup += encoder.next_part(store, 1000);
    return backup;
}

class Restored : public testing::Test {
 protected:
    /// Nodes whose directories are made from a backup each; the hosts are not started.
    void make(int size, const std::function<void(server::NodeConfig&)>& change = {}) {
        cluster_ = std::make_unique<NodeCluster>(size, [&](server::NodeConfig& config) {
            config.snapshots.chunk_bytes = 300;
            config.segment_bytes = 8192;
            if (change) change(config);
            configs_.push_back(config);
        });
        for (int i = 1; i <= size; ++i) cluster_->host(i).stop_with({});
    }
    [[nodiscard]] std::expected<server::Restored, wal::Refusal> restore(int node, const std::string& backup) {
        VirtualDisk& disk = *cluster_->host(node).disk;
        auto restored = server::restore(configs_[static_cast<std::size_t>(node - 1)], disk, "b.ndjson",
                                        opener_of(backup));
        cluster_->host(node).stop_with(disk.written());
        return restored;
    }
    void restore_all(const std::string& backup) {
        for (int i = 1; i <= cluster_->size(); ++i) {
            const auto restored = restore(i, backup);
            ASSERT_TRUE(restored) << restored.error().message;
            EXPECT_FALSE(restored->was_there);
            EXPECT_EQ(restored->backup.revision, 200U);
            cluster_->host(i).start();
            ASSERT_TRUE(cluster_->host(i).is_up()) << cluster_->host(i).refusal->message;
        }
    }

    std::vector<server::NodeConfig> configs_;
    std::unique_ptr<NodeCluster> cluster_;
};

void expect_equal(const server::StateMachine& store, const server::StateMachine& then) {
    const RangeQuery all{{}, {}, {}, 100'000, UINT64_MAX, {}};
    const auto entries = store.range(all).entries;
    const auto expected = then.range(all).entries;
    ASSERT_EQ(entries.size(), expected.size());
    for (std::size_t i = 0; i < entries.size(); ++i) {
        EXPECT_EQ(entries[i].key, expected[i].key);
        EXPECT_EQ(*entries[i].record, *expected[i].record);
    }
}

TEST_F(Restored, AClusterHasEveryKeyWithItsRevisionsAndGoesOn) {
    make(3);
    restore_all(backup_of(some_store()));
    const int leader = cluster_->await_leader();
    ASSERT_NE(leader, 0);
    cluster_->run_for(100);
    for (int i = 1; i <= 3; ++i) {
        expect_equal(cluster_->node(i).store(), some_store());
        EXPECT_EQ(cluster_->node(i).store().revision(), 200U);
        EXPECT_EQ(cluster_->node(i).store().oldest_revision(), 200U) << "the past is not in it";
        EXPECT_EQ(cluster_->node(i).store().digest(), cluster_->node(1).store().digest());
    }
    EXPECT_EQ(header(cluster_->request(leader, "GET", "/kv/k7"), "ETag"), "\"158\"");
    const auto written = cluster_->request(leader, "PUT", "/kv/new", "x");
    EXPECT_EQ(header(written, "ETag"), "\"201\"");
    // Its own snapshots carry on what the greeting compares.
    for (int i = 1; i <= 3; ++i) {
        ASSERT_EQ(cluster_->request(i, "POST", "/admin/snapshot").status, 200);
        cluster_->host(i).crash();
        cluster_->host(i).start();
    }
    ASSERT_NE(cluster_->await_leader(), 0);
    cluster_->run_for(500);
    for (int i = 1; i <= 3; ++i) EXPECT_EQ(cluster_->node(i).store().size(), 51U);
}

TEST_F(Restored, ASessionOfTheClusterBeforeIsNone) {
    make(1);
    restore_all(backup_of(some_store()));
    const int leader = cluster_->await_leader();
    const auto exchange = cluster_->send(leader, "PUT", "/kv/k", "again",
                                         {{"Idempotency-Key", "sent-before"}, {"Quorate-Session", "0"}});
    cluster_->settle();
    ASSERT_NE(cluster_->answer(leader, exchange), nullptr);
    EXPECT_EQ(cluster_->answer(leader, exchange)->status, 410);
}

server::HttpRequest greeting(server::Node& from, int to) {
    return {"GET", "/raft/peer", from.greeting_to(std::to_string(to)), {}};
}

TEST_F(Restored, NodesOfDifferentBackupsRefuseEachOther) {
    make(3);
    const std::string one = backup_of(some_store());
    const std::string other = backup_of(some_store("w"));
    for (int i = 1; i <= 2; ++i) ASSERT_TRUE(restore(i, i == 1 ? one : other));
    for (int i = 1; i <= 3; ++i) cluster_->host(i).start();
    for (const auto& [from, to] : {std::pair(1, 2), std::pair(2, 1), std::pair(1, 3), std::pair(3, 1)}) {
        const auto greeted = cluster_->node(to).check_greeting(greeting(cluster_->node(from), to));
        ASSERT_FALSE(greeted);
        EXPECT_EQ(greeted.error().code, "other_first_members");
        EXPECT_THAT(greeted.error().detail, HasSubstr("different backups"));
    }
    ASSERT_EQ(cluster_->host(2).refusal, std::nullopt);
    cluster_->host(2).stop_with({});
    ASSERT_TRUE(restore(2, one));
    cluster_->host(2).start();
    EXPECT_TRUE(cluster_->node(2).check_greeting(greeting(cluster_->node(1), 2)));
}

TEST_F(Restored, ABackupThatIsNotWholeTouchesNothing) {
    make(1);
    const std::string backup = backup_of(some_store());
    for (const auto& [file, part] : std::vector<std::pair<std::string, std::string>>{
             {"", "b.ndjson: line 1: the file is empty"},
             {backup.substr(0, backup.size() / 2), "the file ends in the middle of this line"},
             {backup.substr(0, backup.rfind("{\"complete\"")), "b.ndjson: line 52: the file ends here"},
         }) {
        const auto restored = restore(1, file);
        ASSERT_FALSE(restored);
        EXPECT_EQ(restored.error().code, wal::RefusalCode::Configuration);
        EXPECT_THAT(restored.error().message, HasSubstr(part));
        EXPECT_THAT(cluster_->host(1).disk->written(), IsEmpty());
    }
    const auto missing = server::restore(configs_[0], *cluster_->host(1).disk, "b.ndjson",
                                         [] { return std::unexpected(std::string("open: no such file")); });
    EXPECT_EQ(missing.error().message,
              "b.ndjson: open: no such file; name a backup, as GET /admin/backup gives it");
}

TEST_F(Restored, OnlyAnEmptyDirectoryOrThatOfTheSameBackupIsTaken) {
    make(1);
    const std::string backup = backup_of(some_store());
    cluster_->host(1).start();
    ASSERT_EQ(cluster_->await_leader(), 1);
    ASSERT_EQ(cluster_->request(1, "PUT", "/kv/a", "1").status, 200);
    ASSERT_EQ(cluster_->request(1, "POST", "/admin/snapshot").status, 200);
    const VirtualDisk::Image used = cluster_->host(1).disk->written();
    cluster_->host(1).stop_with(used);
    const auto refused = restore(1, backup);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, wal::RefusalCode::Configuration);
    EXPECT_THAT(refused.error().message, HasSubstr("b.ndjson: the data directory is not empty"));
    EXPECT_EQ(cluster_->host(1).disk->written(), used);

    cluster_->host(1).stop_with({});
    ASSERT_TRUE(restore(1, backup));
    cluster_->host(1).start();
    ASSERT_EQ(cluster_->await_leader(), 1);
    for (int i = 0; i < 3; ++i) {
        ASSERT_EQ(cluster_->request(1, "PUT", "/kv/a", "1").status, 200);
        ASSERT_EQ(cluster_->request(1, "POST", "/admin/snapshot").status, 200);
    }
    cluster_->host(1).stop_with(cluster_->host(1).disk->written());
    EXPECT_FALSE(restore(1, backup_of(some_store("w"))));
    const auto again = restore(1, backup);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_TRUE(again->was_there);
    cluster_->host(1).start();
    ASSERT_EQ(cluster_->await_leader(), 1);
    EXPECT_EQ(cluster_->request(1, "GET", "/kv/a").body, "1") << "what was written since is there";
}

// Its log alone has none of the backup's keys, and the others might send it no snapshot.
TEST_F(Restored, ADamagedNodeIsToldToBeginWithTheBackupAndKeepsWhatItHas) {
    make(3);
    restore_all(backup_of(some_store()));
    const int leader = cluster_->await_leader();
    ASSERT_NE(leader, 0);
    for (int i = 0; i < 20; ++i) ASSERT_EQ(cluster_->request(leader, "PUT", "/kv/k", "v").status, 200);
    auto& host = cluster_->host(1);
    host.crash();
    ASSERT_TRUE(host.disk->rot("log-0000000000000001", 5000, 1));
    const wal::Refusal refusal = host.refusal_to_recover();
    EXPECT_EQ(refusal.code, wal::RefusalCode::Damage);
    EXPECT_THAT(refusal.message, HasSubstr("--restore, the same backup, --recover-from-peers"));
}

// With a new directory it would be alone again, or wait for what one other alone can not tell.
TEST_F(Restored, ADamagedNodeOfOneOrTwoIsToldToLetAnotherJoin) {
    for (const int size : {1, 2}) {
        configs_.clear();
        make(size);
        restore_all(backup_of(some_store()));
        ASSERT_NE(cluster_->await_leader(), 0);
        auto& host = cluster_->host(1);
        host.crash();
        VirtualDisk::Image without_vote = host.disk->written();
        for (const char* vote : {"vote-a", "vote-b"}) without_vote.at(vote).at(40) ^= 1;
        host.stop_with(without_vote);
        EXPECT_THAT(host.refusal_to_recover().message, HasSubstr("let another one join under another name"));
        host.stop_with({});
        configs_[0].recovers_from_peers = 1;
        EXPECT_FALSE(restore(1, backup_of(some_store())));
        EXPECT_TRUE(host.disk->written().empty());
    }
}

TEST_F(Restored, WhoJoinsTakesNoOtherBackupThanTheCluster) {
    make(1);
    configs_[0].members.origin = 7;
    const auto refused = restore(1, backup_of(some_store()));
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("began with another backup"));
    EXPECT_TRUE(cluster_->host(1).disk->written().empty());
}

TEST_F(Restored, AFolderIsNeitherNothingNorRemoved) {
    make(1);
    const std::string backup = backup_of(some_store());
    cluster_->host(1).stop_with({{"folder/", ""}});
    const auto refused = restore(1, backup);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("b.ndjson: the data directory is not empty"));
    cluster_->host(1).stop_with({{"folder/", ""}, {"restoring", "\0"}, {"vote-a", ""}});
    EXPECT_TRUE(restore(1, backup)) << "one that was interrupted is begun anew";
    EXPECT_TRUE(cluster_->host(1).disk->written().contains("folder/"));
}

// Cut at every operation: no node starts on what is there, and a second restore makes the whole of it.
TEST_F(Restored, ACrashLeavesNothingThatStartsHalfFilled) {
    make(1);
    const std::string backup = backup_of(some_store());
    bool was_complete = false;
    for (std::uint64_t operations = 0; !was_complete; ++operations) {
        for (const bool keeps : {false, true}) {
            VirtualDisk disk;
            disk.cut_power_after(operations);
            const auto restored = server::restore(configs_[0], disk, "b.ndjson", opener_of(backup));
            was_complete = restored.has_value() && !disk.power_is_off();
            const auto kept = [keeps] { return keeps; };
            const VirtualDisk::Image left = disk.after_crash(kept, kept);
            cluster_->host(1).stop_with(left);
            if (!left.empty()) {
                cluster_->host(1).start();
                if (cluster_->host(1).is_up()) {
                    ASSERT_EQ(cluster_->await_leader(), 1);
                    expect_equal(cluster_->node(1).store(), some_store());
                } else {
                    EXPECT_THAT(cluster_->host(1).refusal->message,
                                HasSubstr("restoring: a restore into this"));
                }
                cluster_->host(1).stop_with(left);
            }
            ASSERT_TRUE(restore(1, backup)) << operations;
            cluster_->host(1).start();
            ASSERT_TRUE(cluster_->host(1).is_up()) << operations << cluster_->host(1).refusal->message;
            ASSERT_EQ(cluster_->await_leader(), 1);
            expect_equal(cluster_->node(1).store(), some_store());
        }
    }
}

// It was a member before, and has lost its directory.
TEST_F(Restored, ANodeThatRecoversFromItsPeersDoesSoBehindTheBackup) {
    make(3, [](server::NodeConfig& config) { config.recovers_from_peers = 1; });
    ASSERT_TRUE(restore(1, backup_of(some_store())));
    VirtualDisk disk(cluster_->host(1).disk->written());
    const auto opened = wal::Log::open(disk, {{"test", "1"}, 8192, 1, true});
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->recovered.lost, wal::Lost::TermAndEntries);
}

// The log alone does not have what was restored.
TEST_F(Restored, WithoutItsSnapshotANodeDoesNotStart) {
    make(1);
    ASSERT_TRUE(restore(1, backup_of(some_store())));
    const std::string snapshot = wal::snapshot_name(LogIndex(1));
    for (const bool is_there : {false, true}) {
        VirtualDisk::Image image = cluster_->host(1).disk->written();
        if (is_there) {
            image.at(snapshot).at(5000) ^= 1;
        } else {
            image.erase(snapshot);
        }
        const VirtualDisk::Image sound = cluster_->host(1).disk->written();
        cluster_->host(1).stop_with(image);
        cluster_->host(1).start();
        if (cluster_->host(1).is_up()) {
            cluster_->run_for(100);
            ASSERT_TRUE(cluster_->host(1).failure);
            EXPECT_THAT(cluster_->host(1).failure->second, HasSubstr("damaged"));
        } else {
            EXPECT_EQ(cluster_->host(1).refusal->code, wal::RefusalCode::Damage);
            EXPECT_THAT(cluster_->host(1).refusal->message, HasSubstr("was restored with"));
        }
        cluster_->host(1).stop_with(sound);
    }
}

}  // namespace
}  // namespace quorate::test
