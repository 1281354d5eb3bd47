// Members that come and go: joint consensus (thesis §4.3) between whole nodes.

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "server/members_json.h"
#include "server/snapshot_codec.h"
#include "tests/support/node_cluster.h"
#include "wal/format.h"
#include "wal/segment_walk.h"
#include "wal/snapshot_file.h"

namespace quorate::test {
namespace {

using server::members_change_json;
using server::MembersChange;
using testing::Contains;
using testing::HasSubstr;

class Changes : public testing::Test {
 protected:
    explicit Changes(int size = 3) : cluster_(size) { leader_ = cluster_.await_leader(); }

    [[nodiscard]] static MembersChange adding(int number, bool stays_learner = false) {
        return {.add = {{std::to_string(number), fmt::format("127.0.0.1:{}", 7070 + number), stays_learner}}};
    }

    server::HttpResponse change(const MembersChange& change) {
        return cluster_.request(leader_, "POST", "/cluster/members", members_change_json(change));
    }
    [[nodiscard]] nlohmann::json members(int number) {
        return nlohmann::json::parse(cluster_.request(number, "GET", "/cluster/members").body);
    }
    // "1 voter, 2 learner", as this node knows them.
    [[nodiscard]] std::string roles(int number) {
        std::string text;
        const nlohmann::json known = members(number);
        for (const auto& one : known["members"])
            text += fmt::format("{}{} {}", text.empty() ? "" : ", ", one["nodeId"].get<std::string>(),
                                one["role"].get<std::string>());
        return text;
    }
    int put(const std::string& key) { return cluster_.request(leader_, "PUT", "/kv/" + key, "value").status; }
    // A node that joins, until it votes.
    int join() {
        const int number = cluster_.add_host();
        EXPECT_EQ(change(adding(number)).status, 200);
        cluster_.run_for(1000);
        EXPECT_THAT(roles(leader_), HasSubstr(fmt::format("{} voter", number)));
        return number;
    }

    NodeCluster cluster_;
    int leader_ = 0;
};

class ChangesOfOne : public Changes {
 protected:
    ChangesOfOne() : Changes(1) {}
};

std::string code_of(const server::HttpResponse& response) {
    return nlohmann::json::parse(response.body).value("code", "");
}

TEST_F(Changes, AJoiningLearnerGetsTheLogAndThenVotes) {
    ASSERT_EQ(put("before"), 200);
    const int four = cluster_.add_host();
    const auto answer = change(adding(four));
    ASSERT_EQ(answer.status, 200) << answer.body;
    EXPECT_THAT(answer.body, HasSubstr(R"("nodeId":"4")"));
    cluster_.run_for(1000);
    EXPECT_EQ(roles(leader_), "1 voter, 2 voter, 3 voter, 4 voter");
    EXPECT_EQ(roles(four), roles(leader_));
    EXPECT_EQ(cluster_.request(four, "GET", "/kv/before").body, "value");
    // It counts: with it, two of the others are not needed for a majority of four.
    cluster_.isolate(leader_ == 1 ? 2 : 1);
    EXPECT_EQ(put("with-it"), 200);
}

TEST_F(Changes, WhoNoLeaderReachesSaysSo) {
    const int four = cluster_.add_host();
    cluster_.run_for(11'000);
    EXPECT_THAT(cluster_.host(four).lines, Contains(HasSubstr("reach it at 127.0.0.1:7074")));
    for (int number = 1; number <= 3; ++number)
        EXPECT_THAT(cluster_.host(number).lines, testing::Not(Contains(HasSubstr("no leader has spoken"))));
}

TEST_F(Changes, ALearnerThatIsToStayOneDoes) {
    const int four = cluster_.add_host();
    ASSERT_EQ(change(adding(four, true)).status, 200);
    cluster_.run_for(2000);
    EXPECT_EQ(roles(four), "1 voter, 2 voter, 3 voter, 4 learner");
    ASSERT_EQ(change({.promote = {"4"}}).status, 200);
    EXPECT_EQ(roles(leader_), "1 voter, 2 voter, 3 voter, 4 voter");
}

TEST_F(Changes, AllVotersAreReplacedInOneStep) {
    for (int number = 4; number <= 6; ++number) {
        cluster_.add_host();
        ASSERT_EQ(change(adding(number, true)).status, 200);
    }
    ASSERT_EQ(put("before"), 200);
    cluster_.run_for(1000);
    const auto answer = change({.promote = {"4", "5", "6"}, .remove = {"1", "2", "3"}});
    ASSERT_EQ(answer.status, 200) << answer.body;
    cluster_.run_for(2000);
    leader_ = cluster_.leader();
    EXPECT_GE(leader_, 4);
    EXPECT_EQ(roles(leader_), "4 voter, 5 voter, 6 voter");
    EXPECT_EQ(cluster_.request(leader_, "GET", "/kv/before").body, "value");
    for (int number = 1; number <= 3; ++number) {
        EXPECT_THAT(cluster_.host(number).lines,
                    Contains(HasSubstr("this node was removed from the cluster")));
        EXPECT_EQ(code_of(cluster_.request(number, "GET", "/kv/before")), "node_removed");
        EXPECT_EQ(code_of(cluster_.request(number, "GET", "/kv/before?consistency=stale")), "node_removed");
        EXPECT_THAT(cluster_.request(number, "GET", "/raft/health").body, HasSubstr(R"("state":"removed")"));
        for (const char* about : {"/cluster/members", "/cluster/nodes", "/cluster/leader"})
            EXPECT_EQ(code_of(cluster_.request(number, "GET", about)), "node_removed") << about;
    }
    EXPECT_EQ(put("after"), 200);
}

TEST_F(Changes, ALeaderThatRemovesItselfHandsOver) {
    const int old = leader_;
    const auto answer = cluster_.request(old, "DELETE", fmt::format("/cluster/members/{}", old));
    ASSERT_EQ(answer.status, 200) << testing::PrintToString(cluster_.host(old).lines);
    cluster_.run_for(100);  // no election timeout
    leader_ = cluster_.leader();
    EXPECT_NE(leader_, old);
    ASSERT_NE(leader_, 0);
    EXPECT_EQ(put("after"), 200);
    cluster_.run_for(1000);
    EXPECT_EQ(cluster_.node(old).raft().role(), engine::RoleName::Follower);
}

TEST_F(Changes, ARemovedNodeDisturbsNobody) {
    const int gone = leader_ == 1 ? 2 : 1;
    cluster_.isolate(gone);
    ASSERT_EQ(change({.remove = {std::to_string(gone)}}).status, 200);
    cluster_.run_for(2000);
    const auto term = cluster_.node(leader_).raft().current_term();
    cluster_.heal();
    cluster_.run_for(5000);
    EXPECT_EQ(cluster_.node(leader_).raft().current_term(), term);
    EXPECT_EQ(cluster_.node(leader_).raft().role(), engine::RoleName::Leader);
}

TEST_F(Changes, ARemovedNodeIsToldWhenItGreets) {
    const int gone = leader_ == 1 ? 2 : 1;
    cluster_.isolate(gone);
    ASSERT_EQ(change({.remove = {std::to_string(gone)}}).status, 200);
    const auto answer = cluster_.node(leader_).check_greeting(
        {"GET", "/raft/peer", cluster_.node(gone).greeting_to(std::to_string(leader_)), {}});
    ASSERT_FALSE(answer.has_value());
    EXPECT_EQ(answer.error().code, "removed_member");
    EXPECT_THAT(answer.error().detail, HasSubstr("was removed from the cluster"));
}

TEST_F(Changes, AreRefusedWithTheirReason) {
    const struct {
        const char* what = "";
        MembersChange change;
        int status = 0;
        const char* code = "";
    } cases[] = {
        {"an unknown one is removed", {.remove = {"9"}}, 404, "unknown_member"},
        {"an unknown one is promoted", {.promote = {"9"}}, 404, "unknown_member"},
        {"an unknown one moves", {.move = {{"9", "h:1"}}}, 404, "unknown_member"},
        {"all are removed", {.remove = {"1", "2", "3"}}, 409, "last_voter"},
        {"a known one comes with another address", {.add = {{"1", "h:1"}}}, 409, "already_a_member"},
        {"no name", {.add = {{"", "h:1"}}}, 400, "invalid_member"},
        {"no address", {.add = {{"4", "h"}}}, 400, "invalid_member"},
        {"every address", {.add = {{"4", "0.0.0.0:7"}}}, 400, "invalid_member"},
        {"every address, shorter", {.add = {{"4", "0:7"}}}, 400, "invalid_member"},
        {"every address, longer", {.add = {{"4", "[0::0]:7"}}}, 400, "invalid_member"},
        {"a number for an address", {.add = {{"4", "0x7f000001:7"}}}, 400, "invalid_member"},
        {"an address cut short", {.add = {{"4", "127.1:7"}}}, 400, "invalid_member"},
        {"an empty part of a name", {.add = {{"4", "a..b:7"}}}, 400, "invalid_member"},
        {"no name of a host", {.add = {{"4", "-:7"}}}, 400, "invalid_member"},
        {"moves to every address", {.move = {{"1", "[::]:7"}}}, 400, "invalid_member"},
        {"moves to no address", {.move = {{"1", "h"}}}, 400, "invalid_member"},
    };
    for (const auto& one : cases) {
        const auto answer = change(one.change);
        EXPECT_EQ(answer.status, one.status) << one.what;
        EXPECT_EQ(code_of(answer), one.code) << one.what;
    }
    EXPECT_EQ(roles(leader_), "1 voter, 2 voter, 3 voter");
}

TEST_F(Changes, WhatIsSoAlreadyIsAnsweredAsDone) {
    const auto index = members(leader_)["index"];
    EXPECT_EQ(change({.add = {{"1", "127.0.0.1:7071"}}}).status, 200);
    EXPECT_EQ(members(leader_)["index"], index);
    const int gone = leader_ == 1 ? 2 : 1;
    EXPECT_EQ(change({.remove = {std::to_string(gone)}}).status, 200);
    EXPECT_EQ(change({.remove = {std::to_string(gone)}}).status, 200);
}

TEST_F(Changes, ANameThatWasRemovedDoesNotComeAgain) {
    const int gone = leader_ == 1 ? 2 : 1;
    ASSERT_EQ(change({.remove = {std::to_string(gone)}}).status, 200);
    const auto answer = change(adding(gone));
    EXPECT_EQ(answer.status, 409);
    EXPECT_EQ(code_of(answer), "removed_before");
}

TEST_F(Changes, OneAtATime) {
    cluster_.isolate(leader_);
    const auto first = cluster_.send(leader_, "POST", "/cluster/members", members_change_json(adding(4)));
    const auto second = change(adding(5));
    EXPECT_EQ(second.status, 409);
    EXPECT_EQ(code_of(second), "change_in_progress");
    EXPECT_EQ(cluster_.answer(leader_, first), nullptr);
    EXPECT_EQ(members(leader_)["changing"], true);
    cluster_.heal();
    cluster_.run_for(200);
    ASSERT_NE(cluster_.answer(leader_, first), nullptr);
    EXPECT_EQ(cluster_.answer(leader_, first)->status, 200);
}

TEST_F(Changes, AreForTheLeader) {
    const int follower = leader_ == 1 ? 2 : 1;
    const auto answer =
        cluster_.request(follower, "POST", "/cluster/members", members_change_json(adding(4)));
    EXPECT_EQ(answer.status, 409);
    EXPECT_EQ(code_of(answer), "not_leader");
}

TEST_F(Changes, WithoutALiveMajorityOfTheNewVotersTheyNeedForce) {
    const int down = leader_ == 1 ? 2 : 1;
    const int up = 6 - leader_ - down;
    cluster_.isolate(down);
    cluster_.run_for(600);
    const auto answer = change({.remove = {std::to_string(up)}});
    EXPECT_EQ(answer.status, 409);
    EXPECT_EQ(code_of(answer), "no_live_quorum");
    EXPECT_EQ(change({.remove = {std::to_string(down)}}).status, 200);
}

// Not only when its election timeout is over: until then the change would be taken, and nothing after it.
TEST_F(Changes, AVoterWhoseConnectionHasEndedDoesNotCount) {
    const int down = leader_ == 1 ? 2 : 1;
    const int up = 6 - leader_ - down;
    cluster_.host(down).crash();
    cluster_.node(leader_).peer_lost(server::server_id_of(std::to_string(down)));
    EXPECT_EQ(code_of(change({.remove = {std::to_string(up)}})), "no_live_quorum");
    cluster_.host(down).start();
    cluster_.run_for(500);
    EXPECT_EQ(change({.remove = {std::to_string(up)}}).status, 200);
}

TEST_F(Changes, ALearnerThatIsNotHeardIsNotPromoted) {
    ASSERT_EQ(change(adding(4)).status, 200);
    cluster_.run_for(2000);
    EXPECT_EQ(roles(leader_), "1 voter, 2 voter, 3 voter, 4 joining");
    const auto answer = change({.promote = {"4"}});
    EXPECT_EQ(code_of(answer), "not_caught_up");
    EXPECT_EQ(put("all-the-same"), 200);
}

TEST_F(Changes, TheNextLeaderEndsWhatTheLastOneBegan) {
    const int four = cluster_.add_host();
    ASSERT_EQ(change(adding(four, true)).status, 200);
    cluster_.run_for(1000);
    // The joint entry gets to all, and its commitment is known to the leader alone.
    const auto exchange =
        cluster_.send(leader_, "POST", "/cluster/members", members_change_json({.promote = {"4"}}));
    cluster_.node(leader_).turn_ended(cluster_.now_ms());
    const int old = leader_;
    for (int round = 0; round < 20 && cluster_.node(old).raft().commit_index() <
                                          cluster_.node(old).raft().membership_index();
         ++round)
        cluster_.settle();
    cluster_.isolate(old);
    for (int other = 1; other <= 4; ++other) {
        if (other != old) cluster_.host(other).outbox.clear();
    }
    cluster_.run_for(3000);
    for (int other = 1; other <= 4; ++other) {
        if (other != old && cluster_.node(other).raft().role() == engine::RoleName::Leader) leader_ = other;
    }
    ASSERT_NE(leader_, old);
    EXPECT_EQ(roles(leader_), "1 voter, 2 voter, 3 voter, 4 voter");
    EXPECT_EQ(members(leader_)["changing"], false);
    cluster_.heal();
    cluster_.run_for(1000);
    ASSERT_NE(cluster_.answer(old, exchange), nullptr);
}

// A leader that is cut off adds one; the next one adds another, at the same place of the log.
TEST_F(Changes, AnotherOneAtTheSameIndexIsTaken) {
    const int old = leader_;
    cluster_.isolate(old);
    (void)cluster_.send(old, "PUT", "/kv/lost", "value");
    cluster_.node(old).turn_ended(cluster_.now_ms());
    (void)cluster_.send(old, "POST", "/cluster/members", members_change_json(adding(9, true)));
    cluster_.run_for(3000);
    leader_ = cluster_.leader();
    ASSERT_NE(leader_, old);
    ASSERT_EQ(change(adding(8, true)).status, 200);
    ASSERT_EQ(cluster_.node(old).raft().membership_index(), cluster_.node(leader_).raft().membership_index());
    cluster_.heal();
    cluster_.run_for(1000);
    EXPECT_EQ(cluster_.node(old).members(), cluster_.node(leader_).members());
    EXPECT_EQ(cluster_.node(old).members().membership(), cluster_.node(old).raft().membership());
}

// It has a configuration of its own, which nobody else has and which stands at a later place of its log than
// the one that all others have. By that it does not know whom the others have taken in.
TEST_F(Changes, ADeposedLeaderAnswersWhomItsOwnChangeDoesNotKnow) {
    const int old = leader_;
    cluster_.isolate(old);
    for (int i = 0; i < 9; ++i) (void)cluster_.send(old, "PUT", "/kv/lost", "value");
    cluster_.node(old).turn_ended(cluster_.now_ms());
    (void)cluster_.send(old, "POST", "/cluster/members", members_change_json(adding(9, true)));
    cluster_.run_for(3000);
    leader_ = cluster_.leader();
    ASSERT_NE(leader_, old);
    const int third = 6 - old - leader_;
    const int four = join();
    ASSERT_EQ(change({.remove = {std::to_string(third)}}).status, 200);
    ASSERT_LT(cluster_.node(four).raft().membership_index(), cluster_.node(old).raft().membership_index());
    ASSERT_EQ(cluster_.request(leader_, "POST", "/cluster/transfer?to=4").status, 200);
    cluster_.host(leader_).crash();
    cluster_.host(third).crash();
    cluster_.heal();
    leader_ = cluster_.await_leader();
    ASSERT_EQ(leader_, four);
    EXPECT_EQ(put("after"), 200);
    EXPECT_EQ(roles(old), roles(four));
}

TEST_F(Changes, ALastVoterWaitsForTheLeaderThatLeaves) {
    const int gone = leader_ == 1 ? 2 : 1;
    ASSERT_EQ(change({.remove = {std::to_string(gone)}}).status, 200);
    const int old = leader_;
    const auto answer = cluster_.request(old, "DELETE", fmt::format("/cluster/members/{}", old));
    EXPECT_EQ(answer.status, 200) << answer.body;
}

TEST_F(ChangesOfOne, ASoleVoterInDoubtGoesOnWithALearnerToo) {
    const int two = cluster_.add_host();
    ASSERT_EQ(change(adding(two, true)).status, 200);
    cluster_.run_for(500);
    auto& host = cluster_.host(1);
    host.crash();
    const std::string log = "log-0000000000000001";
    const std::uint64_t used = wal::used_bytes(host.disk->written().at(log));
    const wal::DiskOperation part[] = {wal::WriteAt{log, used + 8, "a part of a batch"}, wal::SyncFile{log}};
    ASSERT_TRUE(host.disk->run(part));
    host.start();
    cluster_.run_for(2000);
    EXPECT_EQ(cluster_.node(1).raft().role(), engine::RoleName::Leader);
}

// It may have been promoted meanwhile, and what it has lost have been committed with it: its log cannot tell.
TEST_F(ChangesOfOne, ALearnerInDoubtWaitsForTheOneVoterThatItKnows) {
    const int two = cluster_.add_host();
    ASSERT_EQ(change(adding(two, true)).status, 200);
    cluster_.run_for(500);
    ASSERT_EQ(put("last"), 200);
    auto& host = cluster_.host(two);
    host.crash();
    const std::string log = "log-0000000000000001";
    ASSERT_TRUE(host.disk->rot(log, wal::used_bytes(host.disk->written().at(log)) - 1, 0));
    host.start();
    ASSERT_FALSE(host.refusal) << host.refusal->message;
    EXPECT_EQ(host.node().lost(), wal::Lost::LastBatch);
    cluster_.run_for(2000);
    EXPECT_EQ(host.node().lost(), wal::Lost::Nothing);
    EXPECT_EQ(cluster_.request(two, "GET", "/kv/last?consistency=stale").status, 200);
}

// It would begin a cluster of its own.
TEST(Joined, ADirectoryWithoutALogIsRefused) {
    NodeCluster cluster(1, [](server::NodeConfig& config) { config.has_joined = 1; });
    ASSERT_TRUE(cluster.host(1).refusal);
    EXPECT_EQ(cluster.host(1).refusal->code, wal::RefusalCode::Configuration);
    EXPECT_THAT(cluster.host(1).refusal->message, HasSubstr("empty the data directory"));
}

// One that joined, told to recover; its flags name nobody else.
void start_damaged(NodeHost& host) {
    host.crash();
    ASSERT_TRUE(host.disk->rot("log-0000000000000001", 4700, 1));
    host.adjust([](server::NodeConfig& config) {
        config.recovers_from_peers = 1;
        config.has_joined = 1;
        config.members = {
            {{config.self.id, config.self.name, config.self.address, server::MemberRole::Voter}}};
    });
    host.start();
    ASSERT_FALSE(host.refusal) << host.refusal->message;
    ASSERT_TRUE(host.node().is_recovering());
}

// The members that its flags do not name are in its log.
TEST_F(Changes, ANodeThatJoinedRecoversFromPeersToo) {
    const int four = join();
    ASSERT_EQ(put("key"), 200);
    cluster_.run_for(200);
    auto& host = cluster_.host(four);
    start_damaged(host);
    cluster_.run_for(3000);
    EXPECT_FALSE(host.node().is_recovering());
    EXPECT_EQ(roles(four), "1 voter, 2 voter, 3 voter, 4 voter");
    EXPECT_EQ(cluster_.request(four, "GET", "/kv/key").body, "value");
}

// Nobody is left that it knows, and who leads believes that it has everything.
TEST_F(Changes, ANodeThatJoinedRecoversFromThoseWhoJoinedSinceToo) {
    const int four = join();
    const int five = join();
    const int six = join();
    ASSERT_EQ(change({.remove = {"1", "2", "3"}}).status, 200);
    cluster_.run_for(1000);
    for (int number = 1; number <= 3; ++number) cluster_.host(number).crash();
    cluster_.run_for(3000);
    leader_ = cluster_.leader();
    ASSERT_TRUE(leader_ == four || leader_ == five || leader_ == six) << leader_;
    const int lost = leader_ == four ? five : four;
    ASSERT_EQ(put("key"), 200);
    cluster_.run_for(200);
    auto& host = cluster_.host(lost);
    start_damaged(host);
    cluster_.run_for(5000);
    EXPECT_FALSE(host.node().is_recovering());
    EXPECT_EQ(roles(lost), "4 voter, 5 voter, 6 voter");
}

TEST_F(Changes, OutliveARestartOfAll) {
    join();
    for (int number = 1; number <= 4; ++number) cluster_.host(number).crash();
    for (int number = 1; number <= 4; ++number) cluster_.host(number).start();
    leader_ = cluster_.await_leader();
    ASSERT_NE(leader_, 0);
    EXPECT_EQ(roles(leader_), "1 voter, 2 voter, 3 voter, 4 voter");
    EXPECT_EQ(put("after"), 200);
}

// The first snapshot forgets no configuration, since the log begins before all of them.
TEST_F(Changes, OutliveSnapshots) {
    join();
    const auto snapshots_of_all = [&] {
        for (int number = 1; number <= cluster_.size(); ++number)
            ASSERT_EQ(cluster_.request(number, "POST", "/admin/snapshot").status, 200);
    };
    for (const char* key : {"a", "b", "c"}) {
        ASSERT_EQ(put(key), 200);
        cluster_.run_for(200);
        snapshots_of_all();
    }
    ASSERT_GT(cluster_.node(leader_).raft().log().base().index,
              cluster_.node(leader_).raft().membership_index());
    // The log has forgotten what a new one needs.
    const int five = join();
    EXPECT_EQ(cluster_.request(five, "GET", "/kv/a").body, "value");
    for (int number = 1; number <= 5; ++number) cluster_.host(number).crash();
    for (int number = 1; number <= 5; ++number) cluster_.host(number).start();
    leader_ = cluster_.await_leader();
    ASSERT_NE(leader_, 0);
    for (int number = 1; number <= 5; ++number)
        EXPECT_EQ(roles(number), "1 voter, 2 voter, 3 voter, 4 voter, 5 voter");
}

// It would let whoever begins with it decide by the new voters alone.
TEST(ChangesInSnapshots, OneOfTheTimeBetweenTellsBothSetsOfVoters) {
    NodeCluster cluster(1, [](server::NodeConfig& config) { config.snapshots.entries_max = 1; });
    ASSERT_EQ(cluster.await_leader(), 1);
    cluster.add_host();
    const MembersChange joins{.add = {{"2", "127.0.0.1:7072", true}}};
    ASSERT_EQ(cluster.request(1, "POST", "/cluster/members", members_change_json(joins)).status, 200);
    cluster.run_for(1000);
    ASSERT_EQ(cluster.request(1, "POST", "/cluster/members", members_change_json({.promote = {"2"}})).status,
              200);
    const engine::LogIndex end = cluster.node(1).raft().membership_index();
    std::map<engine::LogIndex, bool> is_joint;
    wal::Disk& disk = *cluster.host(1).disk;
    const auto files = *disk.list();
    for (const wal::FileStatus& file : files) {
        if (!wal::parse_snapshot_name(file.name)) continue;
        const auto meta = wal::read_snapshot_meta(disk, file, {"test", "1"});
        ASSERT_TRUE(meta) << meta.error().what;
        const auto chunk = wal::SnapshotReader(disk, *meta).next();
        ASSERT_TRUE(chunk);
        const auto head = server::decode_snapshot_head(*chunk);
        ASSERT_TRUE(head);
        is_joint[meta->last.index] = head->members.membership().is_joint();
    }
    EXPECT_EQ(is_joint, (std::map<engine::LogIndex, bool>{{end.previous(), true}, {end, false}}));
}

TEST_F(Changes, ANodeThatSleptThroughThemFindsItsWayBack) {
    const int sleeper = leader_ == 1 ? 2 : 1;
    const int third = 6 - leader_ - sleeper;
    cluster_.host(sleeper).crash();
    join();
    const int five = join();
    // Who led and who followed when it fell asleep are gone.
    ASSERT_EQ(change({.remove = {std::to_string(third)}}).status, 200);
    ASSERT_EQ(change({.remove = {std::to_string(leader_)}}).status, 200);
    cluster_.run_for(1000);
    leader_ = cluster_.leader();
    cluster_.host(sleeper).start();
    cluster_.run_for(2000);
    EXPECT_EQ(roles(sleeper), roles(leader_));
    EXPECT_EQ(cluster_.node(sleeper).raft().commit_index(), cluster_.node(five).raft().commit_index());
}

TEST_F(Changes, AMoveThatMayLeaveNoMajorityNeedsForce) {
    const int other = leader_ == 1 ? 2 : 1;
    const MembersChange both{
        .move = {{std::to_string(other), "10.1.1.1:99"}, {std::to_string(leader_), "10.1.1.1:98"}}};
    EXPECT_EQ(code_of(change(both)), "no_live_quorum");
    cluster_.host(6 - leader_ - other).crash();
    cluster_.run_for(1000);
    MembersChange one{.move = {{std::to_string(other), "10.1.1.1:99"}}};
    EXPECT_EQ(code_of(change(one)), "no_live_quorum");
    one.is_forced = true;
    EXPECT_EQ(change(one).status, 200);
}

TEST_F(Changes, AMemberIsNamedOnceInAChange) {
    for (const MembersChange& twice :
         {MembersChange{.add = {{"4", "127.0.0.1:7074"}}, .remove = {"4"}},
          MembersChange{.promote = {"1", "1"}}, MembersChange{.move = {{"1", "h:1"}, {"1", "h:2"}}}}) {
        const auto answer = change(twice);
        EXPECT_EQ(answer.status, 400);
        EXPECT_THAT(answer.body, HasSubstr("is named twice"));
    }
}

TEST_F(Changes, ALearnerBecomesWhatItIsAddedAs) {
    const int four = cluster_.add_host();
    ASSERT_EQ(change(adding(four, true)).status, 200);
    cluster_.run_for(1000);
    // As who starts with --join asks: it stays what it is.
    ASSERT_EQ(change({.add = {{"4", "127.0.0.1:7074"}}}).status, 200);
    cluster_.run_for(1000);
    EXPECT_THAT(roles(leader_), HasSubstr("4 learner"));
    ASSERT_EQ(change(adding(four, false)).status, 200);
    cluster_.run_for(1000);
    EXPECT_THAT(roles(leader_), HasSubstr("4 voter"));
    EXPECT_EQ(code_of(change(adding(four, true))), "already_a_member");
}

TEST_F(Changes, AnAddressMayBeAName) {
    ASSERT_EQ(change({.add = {{"127.0.0.1:7099", "127.0.0.1:7099", true}}}).status, 200);
    EXPECT_EQ(cluster_.request(leader_, "DELETE", "/cluster/members/127.0.0.1:7099").status, 200);
}

TEST_F(Changes, AnAddressIsMoved) {
    const int other = leader_ == 1 ? 2 : 1;
    ASSERT_EQ(change({.move = {{std::to_string(other), "10.1.1.1:99"}}}).status, 200);
    EXPECT_EQ(members(leader_)["members"][static_cast<std::size_t>(other - 1)]["addr"], "10.1.1.1:99");
    EXPECT_EQ(roles(leader_), "1 voter, 2 voter, 3 voter");
}

TEST_F(ChangesOfOne, GrowToThreeAndShrinkAgain) {
    ASSERT_EQ(put("before"), 200);
    join();
    join();
    EXPECT_EQ(roles(leader_), "1 voter, 2 voter, 3 voter");
    ASSERT_EQ(change({.remove = {"2", "3"}}).status, 200);
    EXPECT_EQ(roles(leader_), "1 voter");
    EXPECT_EQ(put("after"), 200);
    EXPECT_EQ(code_of(change({.remove = {"1"}})), "last_voter");
    // Nor has it anybody to recover from: a learner cannot lead, and the others are gone.
    ASSERT_EQ(change(adding(cluster_.add_host(), true)).status, 200);
    auto& host = cluster_.host(1);
    host.crash();
    ASSERT_TRUE(host.disk->rot("log-0000000000000001", 4700, 1));
    EXPECT_THAT(host.refusal_to_recover().message, HasSubstr("nobody to recover from"));
}

}  // namespace
}  // namespace quorate::test
