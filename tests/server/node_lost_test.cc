// Nodes that have lost what they promised, and recover it from the others.

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/members_json.h"
#include "server/refusal_text.h"
#include "tests/support/node_cluster.h"
#include "wal/format.h"
#include "wal/segment_walk.h"

namespace quorate::test {
namespace {

using engine::RoleName;
using testing::HasSubstr;

void recover_from_peers(server::NodeConfig& config) {
    config.recovers_from_peers = 1;
    config.snapshots = {50, std::uint64_t{1} << 20, 2000};
    config.segment_bytes = 8192;
}

void know_nobody(server::NodeConfig& config) {
    std::erase_if(config.members.members,
                  [&](const server::Member& member) { return member.id != config.self.id; });
}

class NodeLost : public testing::Test {
 protected:
    /// The cluster is new, so that the flag must not be on at its first start.
    NodeLost() : cluster_(3, {}) {
        leader_ = cluster_.await_leader();
        lost_ = other_than(leader_);
        third_ = 6 - leader_ - lost_;
        write(40);
        cluster_.run_for(500);
    }

    void write(int count) {
        for (int i = 0; i < count; ++i)
            ASSERT_EQ(cluster_.request(leader_, "PUT", "/kv/k" + std::to_string(i), "v").status, 200);
    }
    /// The node starts on what is left, told to recover.
    void start_lost() {
        cluster_.host(lost_).adjust(recover_from_peers);
        cluster_.host(lost_).start();
    }
    void lose_disk() {
        cluster_.host(lost_).crash();
        cluster_.host(lost_).disk = std::make_unique<VirtualDisk>();
    }
    void damage_log() {
        cluster_.host(lost_).crash();
        ASSERT_TRUE(cluster_.host(lost_).disk->rot("log-0000000000000001", 5000, 1));
    }
    [[nodiscard]] std::size_t damaged_files() {
        const auto files = *cluster_.host(lost_).disk->list();
        return static_cast<std::size_t>(std::ranges::count_if(
            files, [](const wal::FileStatus& file) { return file.name.starts_with("damaged-"); }));
    }
    [[nodiscard]] bool is_whole() {
        return !cluster_.node(lost_).is_recovering() &&
               cluster_.node(lost_).store().digest() == cluster_.node(leader_).store().digest();
    }

    NodeCluster cluster_;
    int leader_ = 0;
    int lost_ = 0;
    int third_ = 0;
};

TEST_F(NodeLost, WithoutTheFlagADamagedDirectoryIsRefusedAndTheMessageNamesIt) {
    damage_log();
    cluster_.host(lost_).start();
    ASSERT_TRUE(cluster_.host(lost_).refusal);
    EXPECT_EQ(cluster_.host(lost_).refusal->code, wal::RefusalCode::Damage);
    EXPECT_TRUE(cluster_.host(lost_).refusal->message.contains("--recover-from-peers"));
}

TEST_F(NodeLost, ADamagedLogIsTakenFromTheClusterAgain) {
    damage_log();
    start_lost();
    EXPECT_TRUE(cluster_.node(lost_).is_recovering());
    EXPECT_EQ(damaged_files(), 1U) << "it stays until the node is whole";
    const auto& lines = cluster_.host(lost_).lines;
    const auto told = std::ranges::find_if(
        lines, [](const std::string& line) { return line.contains("begins its log anew"); });
    ASSERT_NE(told, lines.end());
    EXPECT_TRUE(told->contains("offset 4")) << *told;
    EXPECT_FALSE(told->contains("When a node refuses")) << "it does not: " << *told;
    cluster_.run_for(3000);
    EXPECT_TRUE(is_whole());
    EXPECT_EQ(damaged_files(), 0U);
    // It stays whole, also without the flag.
    cluster_.host(lost_).crash();
    cluster_.host(lost_).adjust([](server::NodeConfig& config) { config.recovers_from_peers = 0; });
    cluster_.host(lost_).start();
    EXPECT_FALSE(cluster_.node(lost_).is_recovering());
}

// They would refuse it, and it could not go back.
TEST_F(NodeLost, ForAnotherListOfMembersNothingIsSetAside) {
    damage_log();
    cluster_.host(lost_).adjust([&](server::NodeConfig& config) {
        std::erase_if(config.members.members,
                      [&](const server::Member& member) { return member.name == std::to_string(third_); });
    });
    EXPECT_EQ(cluster_.host(lost_).refusal_to_recover().code, wal::RefusalCode::WrongIdentity);
}

TEST_F(NodeLost, TheMembersAreKnownFromWhatIsLeft) {
    cluster_.host(lost_).adjust(know_nobody);
    damage_log();
    start_lost();
    cluster_.run_for(3000);
    EXPECT_TRUE(is_whole());
    // From its newest snapshot, now that its log begins behind one.
    write(150);
    cluster_.run_for(500);
    ASSERT_GT(cluster_.node(lost_).raft().log().base().index.value, 1U);
    cluster_.host(lost_).crash();
    const auto files = *cluster_.host(lost_).disk->list();
    const auto log = std::ranges::find_if(
        files, [](const wal::FileStatus& file) { return wal::parse_segment_name(file.name).has_value(); });
    ASSERT_NE(log, files.end());
    ASSERT_TRUE(cluster_.host(lost_).disk->rot(log->name, 4500, 1));
    cluster_.host(lost_).start();
    ASSERT_TRUE(cluster_.node(lost_).is_recovering());
    cluster_.run_for(3000);
    EXPECT_TRUE(is_whole());
}

// A start that a crash ends has set aside some of what tells them, or all.
TEST_F(NodeLost, TheMembersAreKnownFromWhatIsLeftWhereverACrashCame) {
    auto& host = cluster_.host(lost_);
    host.adjust(know_nobody);
    host.adjust(recover_from_peers);
    damage_log();
    const VirtualDisk::Image damaged = host.disk->written();
    VirtualDisk::Image voteless = damaged;
    for (const char* vote : {"vote-a", "vote-b"}) voteless.at(vote).at(40) ^= 1;
    VirtualDisk::Image with_one_vote = damaged;
    for (const char* copy : {"vote-b", "identity-b"}) with_one_vote.at(copy).at(40) ^= 1;
    for (const VirtualDisk::Image& image : {damaged, voteless, with_one_vote}) {
        bool was_complete = false;
        for (std::uint64_t operations = 0; !was_complete; ++operations) {
            for (const bool keeps : {false, true}) {
                host.stop_with(image);
                host.disk->cut_power_after(operations);
                host.start();
                was_complete = !host.disk->power_is_off();
                const auto kept = [keeps] { return keeps; };
                host.stop_with(host.disk->after_crash(kept, kept));
                host.start();
                ASSERT_FALSE(host.refusal) << operations << ' ' << host.refusal->message;
                EXPECT_EQ(host.node().lost() == wal::Lost::TermAndEntries, image == voteless) << operations;
                cluster_.run_for(3000);
                ASSERT_TRUE(is_whole()) << operations;
            }
        }
        // And without any.
        host.stop_with(image);
        host.start();
        ASSERT_FALSE(host.refusal) << host.refusal->message;
        cluster_.run_for(3000);
        ASSERT_TRUE(is_whole());
    }
}

// The members that joined may stand only in what is lost.
TEST_F(NodeLost, TheMembersOfTodayMayBeNamedInsteadOfTheFirst) {
    const int four = cluster_.add_host();
    const auto change = [&](const server::MembersChange& what) {
        return cluster_.request(leader_, "POST", "/cluster/members", server::members_change_json(what))
            .status;
    };
    ASSERT_EQ(change({.add = {{std::to_string(four), "127.0.0.1:7074"}}}), 200);
    cluster_.run_for(1000);
    ASSERT_EQ(change({.remove = {std::to_string(third_)}}), 200);
    write(20);
    cluster_.run_for(500);
    const server::ClusterMembers today = cluster_.node(leader_).members();
    ASSERT_EQ(today.members.size(), 3U);
    cluster_.host(lost_).crash();
    const std::string log = "log-0000000000000001";
    ASSERT_TRUE(cluster_.host(lost_).disk->rot(
        log, wal::used_bytes(cluster_.host(lost_).disk->written().at(log)) - 600, 1));
    cluster_.host(lost_).adjust([&](server::NodeConfig& config) { config.members = today; });
    start_lost();
    ASSERT_FALSE(cluster_.host(lost_).refusal) << cluster_.host(lost_).refusal->message;
    ASSERT_TRUE(cluster_.node(lost_).is_recovering());
    cluster_.host(lost_).crash();
    cluster_.host(lost_).start();
    ASSERT_FALSE(cluster_.host(lost_).refusal) << cluster_.host(lost_).refusal->message;
    cluster_.run_for(3000);
    EXPECT_TRUE(is_whole());
}

// Nobody else has what it would set aside.
TEST(NodeAlone, ADamagedDirectoryIsNotSetAside) {
    NodeCluster cluster(1);
    ASSERT_EQ(cluster.await_leader(), 1);
    for (int i = 0; i < 40; ++i) ASSERT_EQ(cluster.request(1, "PUT", "/kv/k", "v").status, 200);
    auto& host = cluster.host(1);
    host.crash();
    ASSERT_TRUE(host.disk->rot("log-0000000000000001", 5000, 1));
    EXPECT_EQ(host.refusal_to_recover().code, wal::RefusalCode::Damage);
    for (const char* vote : {"vote-a", "vote-b"}) ASSERT_TRUE(host.disk->rot(vote, 40, 1));
    const wal::Refusal refusal = host.refusal_to_recover();
    EXPECT_EQ(refusal.code, wal::RefusalCode::MetaUnreadable);
    EXPECT_TRUE(refusal.message.contains("nobody to recover from"));
    // Names of who has the data are not put behind what says that nobody has.
    const server::ClusterMembers flags{{{engine::ServerId(2), "2", "h:2", server::MemberRole::Voter}}};
    EXPECT_FALSE(server::refusal_text(refusal, "d", flags, {}).contains("can supply it"));
}

// Of two, the other alone cannot tell in which terms this one may have voted.
TEST(NodeOfTwo, WithItsVoteLostNothingIsSetAside) {
    NodeCluster cluster(2);
    ASSERT_NE(cluster.await_leader(), 0);
    cluster.run_for(500);
    auto& host = cluster.host(1);
    host.crash();
    ASSERT_TRUE(host.disk->rot("vote-a", 40, 1));
    ASSERT_TRUE(host.disk->rot("vote-b", 40, 1));
    EXPECT_THAT(host.refusal_to_recover().message, HasSubstr("has lost its vote"));
    // Nor where nothing tells of the cluster either.
    ASSERT_TRUE(host.disk->rot("log-0000000000000001", 600, 1));
    EXPECT_THAT(host.refusal_to_recover().message, HasSubstr("has lost its vote"));
    host.stop_with({});
    EXPECT_THAT(host.refusal_to_recover().message, HasSubstr("has lost its vote"));
}

// A directory without an owner's name is not taken for another node's.
TEST_F(NodeLost, AnotherNodesDirectoryWhoseNameIsLostIsNotSetAside) {
    cluster_.host(lost_).crash();
    VirtualDisk::Image image = cluster_.host(third_).disk->written();
    for (const char* name : {"identity-a", "identity-b"}) image.at(name).at(40) ^= 1;
    cluster_.host(lost_).stop_with(image);
    EXPECT_EQ(cluster_.host(lost_).refusal_to_recover().code, wal::RefusalCode::WrongIdentity);
}

TEST_F(NodeLost, WhoseMembersNobodyNamesBeginsNothing) {
    cluster_.host(lost_).adjust(know_nobody);
    lose_disk();
    EXPECT_TRUE(cluster_.host(lost_).refusal_to_recover().message.contains(
        "name those that it began with by --peers"));
}

TEST_F(NodeLost, ALostDirectoryIsTooWhenAllOthersWereAsked) {
    lose_disk();
    cluster_.cut(lost_, third_);
    start_lost();
    cluster_.run_for(5000);
    EXPECT_TRUE(cluster_.node(lost_).is_recovering()) << "the third may know a later term";
    EXPECT_EQ(cluster_.node(lost_).raft().log().last_index().value, 1U) << "it keeps silent";
    cluster_.heal();
    cluster_.run_for(3000);
    EXPECT_TRUE(is_whole());
}

// It may not know any more who else can vote.
TEST(NodeOfFive, WhoRecoversEntriesIsNotBelievedAboutTerms) {
    NodeCluster cluster(5);
    const int leader = cluster.await_leader();
    ASSERT_NE(leader, 0);
    for (int i = 0; i < 40; ++i) ASSERT_EQ(cluster.request(leader, "PUT", "/kv/k", "v").status, 200);
    cluster.run_for(500);
    const int entries = leader % 5 + 1;
    const int term = entries % 5 + 1;
    for (const int node : {entries, term}) {
        cluster.host(node).crash();
        cluster.host(node).adjust(recover_from_peers);
    }
    ASSERT_TRUE(cluster.host(entries).disk->rot("log-0000000000000001", 5000, 1));
    cluster.host(term).disk = std::make_unique<VirtualDisk>();
    cluster.cut(leader, entries);
    for (const int node : {entries, term}) cluster.host(node).start();
    cluster.run_for(5000);
    EXPECT_EQ(cluster.node(entries).lost(), wal::Lost::Entries);
    EXPECT_EQ(cluster.node(term).lost(), wal::Lost::TermAndEntries);
    cluster.heal();
    cluster.run_for(3000);
    EXPECT_FALSE(cluster.node(entries).is_recovering());
    EXPECT_FALSE(cluster.node(term).is_recovering());
}

TEST_F(NodeLost, WhatIsDamagedWhileItRecoversIsKeptToo) {
    damage_log();
    cluster_.isolate(lost_);
    start_lost();
    EXPECT_EQ(damaged_files(), 1U);
    cluster_.host(lost_).crash();
    ASSERT_TRUE(cluster_.host(lost_).disk->rot("log-0000000000000001", 20, 1));
    start_lost();
    ASSERT_TRUE(cluster_.host(lost_).is_up());
    EXPECT_EQ(damaged_files(), 2U);
    cluster_.heal();
    cluster_.run_for(3000);
    EXPECT_TRUE(is_whole());
    EXPECT_EQ(damaged_files(), 0U);
}

TEST_F(NodeLost, ThatItIsLostSurvivesACrash) {
    for (const bool loses_disk : {false, true}) {
        loses_disk ? lose_disk() : damage_log();
        cluster_.isolate(lost_);
        start_lost();
        cluster_.run_for(500);
        cluster_.host(lost_).crash();
        cluster_.host(lost_).adjust([](server::NodeConfig& config) { config.recovers_from_peers = 0; });
        cluster_.host(lost_).start();
        EXPECT_TRUE(cluster_.node(lost_).is_recovering());
        cluster_.heal();
        cluster_.run_for(4000);
        EXPECT_TRUE(is_whole());
    }
}

// Wherever the power goes while the directory is made: once it says that promises are lost, it goes on saying
// so.
TEST_F(NodeLost, ALossThatIsRecordedIsNotForgottenByACrash) {
    NodeHost& host = cluster_.host(lost_);
    int recorded = 0;
    for (std::uint64_t operations = 0; operations < 40; ++operations) {
        lose_disk();
        host.disk->cut_power_after(operations);
        start_lost();
        host.crash();
        bool is_recorded = false;
        for (const char* file : {"vote-a", "vote-b"}) {
            std::string block(wal::kBlockBytes, '\0');
            if (!host.disk->read(file, 0, block)) continue;
            const auto vote = wal::decode_vote(block);
            is_recorded = is_recorded || (vote && vote->lost != wal::Lost::Nothing);
        }
        host.adjust([](server::NodeConfig& config) { config.recovers_from_peers = 0; });
        host.start();
        if (!is_recorded) continue;
        ++recorded;
        EXPECT_TRUE(!host.is_up() || cluster_.node(lost_).is_recovering()) << operations;
    }
    EXPECT_GT(recorded, 5);
}

TEST_F(NodeLost, ItHelpsNobodyToLeadBeforeItIsWhole) {
    damage_log();
    cluster_.isolate(lost_);
    start_lost();
    // Only it and the third are left: the third has every entry, and still must not be elected by one that
    // cannot know that.
    cluster_.isolate(leader_);
    cluster_.host(lost_).cut_off.erase(server::server_id_of(std::to_string(third_)));
    cluster_.host(third_).cut_off.erase(server::server_id_of(std::to_string(lost_)));
    cluster_.run_for(10'000);
    EXPECT_NE(cluster_.node(third_).raft().role(), RoleName::Leader);
    EXPECT_EQ(cluster_.node(lost_).raft().role(), RoleName::Follower) << "and it stands for nothing";
    cluster_.heal();
    leader_ = cluster_.await_leader();
    ASSERT_NE(leader_, 0);
    cluster_.run_for(3000);
    EXPECT_TRUE(is_whole());
}

TEST_F(NodeLost, ItAnswersNoStaleReadBeforeItIsWhole) {
    damage_log();
    cluster_.isolate(lost_);
    start_lost();
    const auto answer = cluster_.request(lost_, "GET", "/kv/k1?consistency=stale");
    EXPECT_EQ(answer.status, 503);
    EXPECT_TRUE(answer.body.contains("store_loading"));
    EXPECT_TRUE(cluster_.request(lost_, "GET", "/raft/health").body.contains(R"("state":"recovering")"));
}

TEST_F(NodeLost, WhenAMajorityLostItsTermsNothingIsBegunAnew) {
    for (const int node : {lost_, third_}) {
        cluster_.host(node).crash();
        cluster_.host(node).disk = std::make_unique<VirtualDisk>();
        cluster_.host(node).adjust(recover_from_peers);
        cluster_.host(node).start();
    }
    cluster_.run_for(11'000);
    EXPECT_TRUE(cluster_.node(lost_).is_recovering());
    EXPECT_TRUE(cluster_.node(third_).is_recovering());
    EXPECT_TRUE(std::ranges::any_of(cluster_.host(lost_).lines, [&](const std::string& line) {
        return line.contains("lost it too: " + std::to_string(third_));
    }));
}

// In the term that it learns it may have voted before.
TEST_F(NodeLost, ItGivesNoSecondVoteInTheTermThatItLearns) {
    lose_disk();
    start_lost();
    cluster_.run_for(3000);
    ASSERT_TRUE(is_whole());
    const engine::Raft& raft = cluster_.node(lost_).raft();
    EXPECT_EQ(raft.current_term(), cluster_.node(leader_).raft().current_term());
    EXPECT_EQ(raft.hard_state().voted_for, raft.config().self);
}

}  // namespace
}  // namespace quorate::test
