// Nodes that have cut off their last write, and do not know whether they had acknowledged it.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include <gtest/gtest.h>

#include "tests/support/node_cluster.h"
#include "wal/format.h"
#include "wal/segment_walk.h"

namespace quorate::test {
namespace {

using engine::EntryId;
using engine::LogIndex;
using engine::ServerId;
using engine::Term;

constexpr std::string_view kLog = "log-0000000000000001";

void accept_torn_tail(server::NodeConfig& config) { config.takes_tail_for_torn = 1; }

class NodeInDoubt : public testing::Test {
 protected:
    NodeInDoubt() : cluster_(3, {}) {
        leader_ = cluster_.await_leader();
        doubting_ = other_than(leader_);
        third_ = 6 - leader_ - doubting_;
        write("a");
    }

    void write(const std::string& key) {
        ASSERT_EQ(cluster_.request(leader_, "PUT", "/kv/" + key, "v").status, 200);
    }
    VirtualDisk& disk(int node) { return *cluster_.host(node).disk; }
    std::uint64_t used(int node) { return wal::used_bytes(disk(node).written().at(std::string(kLog))); }
    /// The disk damages the last write, which was acknowledged.
    void damage_last_write(int node) {
        cluster_.host(node).crash();
        ASSERT_TRUE(disk(node).rot(kLog, used(node) - 1, 0));
        start(node);
    }
    /// A crash interrupts another write.
    void tear(int node) {
        cluster_.host(node).crash();
        const std::string log(kLog);
        const wal::DiskOperation part[] = {wal::WriteAt{log, used(node) + 8, "a part of a batch"},
                                           wal::SyncFile{log}};
        ASSERT_TRUE(disk(node).run(part));
    }
    void start(int node) {
        cluster_.host(node).refusal.reset();
        cluster_.host(node).start();
        ASSERT_FALSE(cluster_.host(node).refusal) << cluster_.host(node).refusal->message;
    }
    [[nodiscard]] bool is_in_doubt(int node) { return cluster_.node(node).lost() == wal::Lost::LastBatch; }
    [[nodiscard]] bool has_said(int node, std::string_view words) {
        return std::ranges::any_of(cluster_.host(node).lines,
                                   [&](const std::string& line) { return line.contains(words); });
    }

    NodeCluster cluster_;
    int leader_ = 0;
    int doubting_ = 0;
    int third_ = 0;
};

TEST_F(NodeInDoubt, ALeaderFillsTheLogAndThenItVotesAgain) {
    damage_last_write(doubting_);
    EXPECT_TRUE(is_in_doubt(doubting_));
    EXPECT_TRUE(cluster_.request(doubting_, "GET", "/raft/health").body.contains(R"("state":"doubting")"));
    cluster_.run_for(2000);
    EXPECT_FALSE(is_in_doubt(doubting_));
    EXPECT_EQ(cluster_.node(doubting_).store().digest(), cluster_.node(leader_).store().digest());
    EXPECT_TRUE(has_said(doubting_, "this node votes again"));
    // It stays so.
    cluster_.host(doubting_).crash();
    start(doubting_);
    EXPECT_FALSE(is_in_doubt(doubting_));
}

TEST_F(NodeInDoubt, ItServesWhatItHas) {
    cluster_.run_for(500);
    ASSERT_EQ(cluster_.request(doubting_, "POST", "/admin/snapshot").status, 200);
    write("b");
    cluster_.isolate(doubting_);
    damage_last_write(doubting_);
    cluster_.run_for(100);
    EXPECT_TRUE(is_in_doubt(doubting_));
    EXPECT_EQ(cluster_.request(doubting_, "GET", "/kv/a?consistency=stale").status, 200);
    EXPECT_EQ(cluster_.request(doubting_, "GET", "/kv/b?consistency=stale").status, 404)
        << "it has only lost that";
}

// The third has never heard of the write, and by its log the one in doubt could not know that.
TEST_F(NodeInDoubt, ItDoesNotOutvoteWhoHoldsWhatItHasLost) {
    cluster_.isolate(third_);
    write("b");
    damage_last_write(doubting_);
    cluster_.heal();
    cluster_.isolate(leader_);
    cluster_.run_for(12'000);
    EXPECT_NE(cluster_.node(third_).raft().role(), engine::RoleName::Leader);
    EXPECT_NE(cluster_.node(doubting_).raft().role(), engine::RoleName::Leader);
    EXPECT_TRUE(has_said(doubting_, "--accept-torn-tail"));
    EXPECT_TRUE(has_said(doubting_, "not heard, or recovering themselves: " + std::to_string(leader_)));
    cluster_.heal();
    leader_ = cluster_.await_leader();
    ASSERT_NE(leader_, 0);
    EXPECT_EQ(cluster_.request(leader_, "GET", "/kv/b").status, 200);
}

// The write was on two disks. One has damaged it, the other is lost: that no log holds it proves nothing.
TEST_F(NodeInDoubt, WhoRecoversIsNotHeard) {
    cluster_.isolate(third_);
    write("b");
    cluster_.host(leader_).crash();
    damage_last_write(doubting_);
    cluster_.heal();
    NodeHost& recovering = cluster_.host(leader_);
    recovering.disk = std::make_unique<VirtualDisk>();
    recovering.adjust([](server::NodeConfig& config) { config.recovers_from_peers = 1; });
    recovering.start();
    cluster_.run_for(20'000);
    EXPECT_EQ(cluster_.leader(), 0);
    EXPECT_TRUE(is_in_doubt(doubting_));
    EXPECT_TRUE(has_said(doubting_, "recovering themselves: " + std::to_string(leader_)));
    // It loses the write, as its text says.
    cluster_.host(doubting_).crash();
    cluster_.host(doubting_).adjust(accept_torn_tail);
    start(doubting_);
    EXPECT_NE(cluster_.await_leader(), 0);
}

// Its own log would only tell of elections that nobody wins.
TEST_F(NodeInDoubt, WhoStandsInVainIsToldByWhom) {
    tear(doubting_);
    cluster_.host(leader_).crash();
    start(doubting_);
    cluster_.run_for(12'000);
    ASSERT_EQ(cluster_.leader(), 0);
    const std::string said = " was not won, and " + std::to_string(doubting_) + " is in doubt";
    EXPECT_TRUE(has_said(third_, said));
    const auto times = std::ranges::count_if(cluster_.host(third_).lines, [&](const std::string& line) {
        return line.contains("was not won, and ");
    });
    EXPECT_LE(times, 2) << "in 12 s";
    cluster_.host(leader_).start();
    EXPECT_NE(cluster_.await_leader(), 0);
}

TEST_F(NodeInDoubt, AfterAPowerCutOfAllTheyElectAgain) {
    for (const int node : {leader_, doubting_, third_}) tear(node);
    for (const int node : {leader_, doubting_, third_}) {
        start(node);
        EXPECT_TRUE(is_in_doubt(node));
    }
    leader_ = cluster_.await_leader();
    ASSERT_NE(leader_, 0);
    EXPECT_EQ(cluster_.request(leader_, "GET", "/kv/a").status, 200);
    cluster_.run_for(2000);
    for (const int node : {1, 2, 3}) EXPECT_FALSE(is_in_doubt(node));
}

TEST_F(NodeInDoubt, WithOneAwayForGoodTheyGoOnWhenToldThatTheWriteWasTorn) {
    for (const int node : {leader_, doubting_, third_}) tear(node);
    start(doubting_);
    start(leader_);
    cluster_.run_for(10'000);
    EXPECT_EQ(cluster_.leader(), 0);
    for (const int node : {leader_, doubting_}) {
        cluster_.host(node).crash();
        cluster_.host(node).adjust(accept_torn_tail);
        start(node);
        EXPECT_FALSE(is_in_doubt(node));
        EXPECT_TRUE(has_said(node, "taken for torn"));
    }
    leader_ = cluster_.await_leader();
    ASSERT_NE(leader_, 0);
    EXPECT_EQ(cluster_.request(leader_, "GET", "/kv/a").status, 200);
    cluster_.host(doubting_).crash();
    start(doubting_);
    EXPECT_TRUE(has_said(doubting_, "no write is in doubt: leave --accept-torn-tail out"));
}

TEST_F(NodeInDoubt, AStartThatIsRefusedDoesNotEndTheDoubt) {
    tear(doubting_);
    NodeHost& host = cluster_.host(doubting_);
    server::ClusterMembers members;
    host.adjust([&](server::NodeConfig& config) {
        config.takes_tail_for_torn = 1;
        members = config.members;
        config.members.members.pop_back();
        config.members.members.push_back(
            {server::server_id_of("9"), "9", "127.0.0.1:9", server::MemberRole::Voter});
        if (config.self.name == "3") config.self = config.members.members.front();
    });
    host.start();
    ASSERT_TRUE(host.refusal);
    EXPECT_EQ(host.refusal->code, wal::RefusalCode::WrongIdentity);
    disk(doubting_).kill_process();
    host.adjust([&](server::NodeConfig& config) {
        config.takes_tail_for_torn = 0;
        config.members = members;
    });
    start(doubting_);
    EXPECT_TRUE(is_in_doubt(doubting_));
}

// The question to the others and the first query may have the same number.
TEST_F(NodeInDoubt, ItListsTheNodesOfItsCluster) {
    tear(doubting_);
    start(doubting_);
    cluster_.node(doubting_).tick(cluster_.now_ms() + 10);
    const auto answer = cluster_.request(doubting_, "GET", "/cluster/nodes");
    EXPECT_EQ(answer.status, 200);
    EXPECT_FALSE(answer.body.contains(R"("up":false)")) << answer.body;
}

// Its entries are on no disk, so that nobody can have committed them, and it cannot lead.
TEST_F(NodeInDoubt, WhatIsOnNoDiskIsNoFloor) {
    cluster_.run_for(500);
    const engine::Raft& raft = cluster_.node(leader_).raft();
    cluster_.host(leader_).background_jobs_left = 0;  // its log gets no segment any more
    for (int i = 0; i < 100 && raft.log().last_index() == raft.durable_index(); ++i) {
        (void)cluster_.send(leader_, "PUT", "/kv/big" + std::to_string(i), std::string(60'000, 'x'));
        cluster_.run_for(300);
    }
    cluster_.isolate(leader_);
    (void)cluster_.send(leader_, "PUT", "/kv/a", "x");
    cluster_.settle();
    ASSERT_EQ(raft.role(), engine::RoleName::Leader);
    ASSERT_GT(raft.log().last_index(), cluster_.node(third_).raft().log().last_index());
    tear(doubting_);
    cluster_.host(third_).crash();
    cluster_.run_for(5000);
    start(third_);
    start(doubting_);
    cluster_.heal();
    cluster_.run_for(10'000);
    EXPECT_TRUE(cluster_.leader() == third_ || cluster_.leader() == doubting_) << cluster_.leader();
}

// One that recovers what it had lost acknowledged an entry that no other disk holds; nobody is elected
// without it, and it need not wait for a leader.
TEST_F(NodeInDoubt, WhoRecoversWithTheLongestLogLeads) {
    cluster_.run_for(500);
    NodeHost& recovering = cluster_.host(third_);
    recovering.crash();
    recovering.disk = std::make_unique<VirtualDisk>();
    recovering.adjust([](server::NodeConfig& config) { config.recovers_from_peers = 1; });
    start(third_);
    const auto is_filled = [&] {
        return cluster_.node(third_).lost() == wal::Lost::Entries &&
               cluster_.node(third_).raft().durable_index() ==
                   cluster_.node(leader_).raft().log().last_index();
    };
    for (int i = 0; i < 200 && !is_filled(); ++i) cluster_.run_for(10);
    ASSERT_TRUE(is_filled());
    (void)cluster_.send(leader_, "PUT", "/kv/b", "v");
    cluster_.node(leader_).turn_ended(cluster_.now_ms());
    const ServerId from = cluster_.node(leader_).raft().config().self;
    const auto frames = std::exchange(cluster_.host(leader_).outbox, {});
    cluster_.host(leader_).crash();
    for (const auto& [to, bytes] : frames) {
        if (to.value != static_cast<std::uint64_t>(third_)) continue;
        server::FrameReader reader;
        reader.feed(bytes);
        auto frame = server::next_peer_frame(reader);
        recovering.node().frame_received(from, std::move(frame->value()));
    }
    cluster_.settle();
    tear(doubting_);
    start(doubting_);
    start(leader_);
    cluster_.run_for(10'000);
    EXPECT_EQ(cluster_.leader(), third_);
    EXPECT_EQ(cluster_.request(third_, "GET", "/kv/b").status, 200);
}

TEST_F(NodeInDoubt, ACrashInTheStartDoesNotEndTheDoubt) {
    for (std::uint64_t operations = 0; operations < 30; ++operations) {
        tear(doubting_);
        disk(doubting_).cut_power_after(operations);
        cluster_.host(doubting_).start();
        cluster_.host(doubting_).crash();
        start(doubting_);
        EXPECT_TRUE(is_in_doubt(doubting_)) << operations;
        cluster_.run_for(2000);
        ASSERT_FALSE(is_in_doubt(doubting_));
    }
}

// A start that fails leaves in the system's cache what the disk does not hold.
TEST_F(NodeInDoubt, WhatAFailedStartLeftInTheCacheDoesNotEndTheDoubt) {
    for (std::uint64_t failed = 0; failed < 12; ++failed) {
        for (std::uint64_t operations = 0; operations < 12; ++operations) {
            tear(doubting_);
            disk(doubting_).fail_operation(failed, wal::DiskError::Failed);
            cluster_.host(doubting_).start();
            disk(doubting_).kill_process();
            disk(doubting_).cut_power_after(operations);
            cluster_.host(doubting_).start();
            cluster_.host(doubting_).crash();
            start(doubting_);
            EXPECT_TRUE(is_in_doubt(doubting_)) << failed << ' ' << operations;
            cluster_.run_for(2000);
            ASSERT_FALSE(is_in_doubt(doubting_));
        }
    }
}

TEST(NodeAloneInDoubt, GoesOn) {
    NodeCluster alone(1, {});
    ASSERT_EQ(alone.await_leader(), 1);
    ASSERT_EQ(alone.request(1, "PUT", "/kv/a", "v").status, 200);
    NodeHost& host = alone.host(1);
    host.crash();
    const std::uint64_t end = wal::used_bytes(host.disk->written().at(std::string(kLog)));
    const wal::DiskOperation part = wal::WriteAt{std::string(kLog), end + 8, "a part of a batch"};
    ASSERT_TRUE(host.disk->run({&part, 1}));
    host.start();
    ASSERT_TRUE(host.is_up());
    EXPECT_EQ(host.node().lost(), wal::Lost::Nothing);
    EXPECT_TRUE(
        std::ranges::any_of(host.lines, [](const std::string& line) { return line.contains("cut "); }));
    ASSERT_EQ(alone.await_leader(), 1);
    EXPECT_EQ(alone.request(1, "GET", "/kv/a").status, 200);
}

/// What the others answer to the question of the node in doubt.
class Heard : public NodeInDoubt {
 protected:
    Heard() {
        damage_last_write(doubting_);
        cluster_.node(doubting_).tick(cluster_.now_ms() + 10);
        for (auto& [to, bytes] : std::exchange(cluster_.host(doubting_).outbox, {})) {
            server::FrameReader reader;
            reader.feed(bytes);
            auto frame = server::next_peer_frame(reader);
            if (const auto* asked = std::get_if<server::HealthRequest>(&frame->value()))
                request_ = asked->request;
        }
        own_term_ = cluster_.node(doubting_).raft().current_term();
    }
    void answer(int from, Term term, Term durable, EntryId last) {
        server::NodeHealth health = server::NodeHealth::down(std::to_string(from), "");
        health.up = true;
        health.term = term.value;
        health.durable_term = durable.value;
        health.durable_index = last.index.value;
        health.durable_entry_term = last.term.value;
        cluster_.node(doubting_).frame_received(ServerId(static_cast<std::uint64_t>(from)),
                                                server::HealthReply{request_, health});
    }
    [[nodiscard]] std::optional<EntryId> floor() { return cluster_.node(doubting_).raft().vote_floor(); }

    std::uint64_t request_ = 0;
    Term own_term_;
};

TEST_F(Heard, AllOthersCountInALaterTermAndTheLongestLogIsTheFloor) {
    const Term later = own_term_.next();
    answer(leader_, later, later, {LogIndex(9), own_term_});
    EXPECT_FALSE(floor()) << "one is not all";
    answer(third_, later, later, {LogIndex(5), own_term_});
    ASSERT_TRUE(floor());
    EXPECT_EQ(*floor(), (EntryId{LogIndex(9), own_term_}));
    answer(third_, later, later, {LogIndex(6), later});
    EXPECT_EQ(*floor(), (EntryId{LogIndex(6), later})) << "of a later term";
    answer(third_, later, later, {LogIndex(8), own_term_});
    EXPECT_EQ(*floor(), (EntryId{LogIndex(9), own_term_})) << "what it said last";
}

// An old leader may still give it entries, count what this node has lost, and commit them.
TEST_F(Heard, WhoIsInATermOfItsOwnDoesNotCount) {
    answer(leader_, own_term_.next(), own_term_.next(), {LogIndex(9), own_term_});
    answer(third_, own_term_, own_term_, {LogIndex(9), own_term_});
    EXPECT_FALSE(floor());
}

// A crash takes it back into the old term.
TEST_F(Heard, WhoseLaterTermIsNotOnItsDiskDoesNotCount) {
    answer(leader_, own_term_.next(), own_term_.next(), {LogIndex(9), own_term_});
    answer(third_, own_term_.next(), own_term_, {LogIndex(9), own_term_});
    EXPECT_FALSE(floor());
}

TEST_F(Heard, WhatNoNodeCanSayDoesNotCount) {
    const Term later = own_term_.next();
    answer(leader_, later, later, {LogIndex(9), own_term_});
    answer(third_, later, later, {LogIndex(9), later.next()});
    answer(third_, later, later, {LogIndex(UINT64_MAX), own_term_});
    EXPECT_FALSE(floor());
}

// What it has lost may have been acknowledged under a configuration that it does not know.
TEST_F(NodeInDoubt, AsksAlsoWhoOthersSayBelongsToTheCluster) {
    tear(doubting_);
    const int four = cluster_.add_host();
    ASSERT_EQ(cluster_
                  .request(leader_, "POST", "/cluster/members",
                           R"({"add":[{"nodeId":"4","addr":"127.0.0.1:7074"}]})")
                  .status,
              200);
    cluster_.run_for(1000);  // it votes
    cluster_.host(leader_).crash();
    cluster_.host(four).crash();
    start(doubting_);
    cluster_.run_for(11'000);
    EXPECT_TRUE(is_in_doubt(doubting_));
    const auto& lines = cluster_.host(doubting_).lines;
    EXPECT_TRUE(std::ranges::any_of(lines, [&](const std::string& line) {
        return line.contains("not heard, or recovering themselves: ") && line.contains("4.");
    })) << testing::PrintToString(lines);
    cluster_.host(four).start();
    cluster_.host(leader_).start();
    cluster_.run_for(3000);
    EXPECT_FALSE(is_in_doubt(doubting_));
}

}  // namespace
}  // namespace quorate::test
