// Pairs of histories whose states differ in one field only: digest() must see it. Fields that are not here
// differ alone in short histories (digest_test.cc), or follow from the others, as the bytes in flight do from
// what is in flight.

#include <cstdint>
#include <span>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/lone_server.h"

namespace quorate::engine::test {

namespace {

void expect_told_apart(const LoneServer& a, const LoneServer& b) {
    EXPECT_NE(a.raft(), b.raft());
    EXPECT_NE(a.raft().digest(), b.raft().digest());
}

void propose(LoneServer& server, std::size_t count) {
    const std::vector<ProposedEntry> entries(count);  // of no bytes
    server.step(EntriesProposed{entries});
}

void ticks(LoneServer& server, int count) {
    for (int i = 0; i < count; ++i) server.step(TickElapsed{});
}

void accept(LoneServer& server, std::uint64_t match) {
    for (const ServerId id : {kS2, kS3}) server.hear(id, AppendAccepted{Term(2), LogIndex(match)});
}

void answer_round(LoneServer& server, std::uint64_t round, std::uint64_t commit) {
    for (const ServerId id : {kS2, kS3})
        server.hear(id, HeartbeatReply{Term(2), Round(round), {}, {}, LogIndex(commit)});
}

/// S1 leads term 2; nobody has answered its no-op, which is durable.
LoneServer new_leader(std::initializer_list<std::uint64_t> terms = {1}) {
    Config config = short_timeouts();
    config.inflight_appends_max = 2;
    LoneServer leader(config, voters(3), terms);
    leader.time_out();
    leader.hear(kS2, VoteGranted{Term(2), CampaignKind::PreVote});
    leader.persist();
    leader.hear(kS2, VoteGranted{Term(2), CampaignKind::Election});
    leader.persist();
    EXPECT_EQ(leader.raft().role(), RoleName::Leader);
    return leader;
}

/// All has been answered.
LoneServer settled_leader() {
    LoneServer leader = new_leader();
    accept(leader, 2);
    EXPECT_EQ(leader.raft().commit_index(), LogIndex(2));
    return leader;
}

// The second draw of one seed is the first of the seed that lies one step of the generator behind it.
TEST(RaftDigestField, Seed) {
    Config config = short_timeouts();
    LoneServer a(config);
    config.seed += 0x9e3779b97f4a7c15U;
    LoneServer b(config);
    a.hear(kS2, Heartbeat{Term(1), Round(1)});
    a.hear(kS2, Heartbeat{Term(1), Round(1)});
    b.hear(kS2, Heartbeat{Term(1), Round(1)});
    expect_told_apart(a, b);
}

// Some seeds draw the same timeout from two ranges.
TEST(RaftDigestField, ElectionTimeouts) {
    for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
        Config config = short_timeouts();
        config.seed = seed;
        const LoneServer start(config);
        ++config.election_timeout_ticks_max;
        expect_told_apart(start, LoneServer(config));
        --config.election_timeout_ticks_max;
        ++config.election_timeout_ticks_min;
        expect_told_apart(start, LoneServer(config));
    }
}

TEST(RaftDigestField, WhereAConfigurationStands) {
    const std::vector<EntryShape> early{{Term(1), EntryKind::Membership, 0},
                                        {Term(1), EntryKind::Command, 0}};
    const std::vector<EntryShape> late{{Term(1), EntryKind::Command, 0}, {Term(1), EntryKind::Membership, 0}};
    LoneServer a{short_timeouts()};
    LoneServer b = a;
    const MembershipAt at_2{LogIndex(2), voters(5)};
    const MembershipAt at_3{LogIndex(3), voters(5)};
    a.hear(kS2, AppendEntries{Term(1), kBootstrap, 2, {}}, early, {&at_2, 1});
    b.hear(kS2, AppendEntries{Term(1), kBootstrap, 2, {}}, late, {&at_3, 1});
    expect_told_apart(a, b);
}

// Two and one, or one and two, while nothing of it can be sent.
TEST(RaftDigestField, WhatAWriteMakesDurable) {
    LoneServer a = new_leader();
    LoneServer b = a;
    propose(a, 2);
    propose(a, 1);
    propose(b, 1);
    propose(b, 2);
    expect_told_apart(a, b);
}

TEST(RaftDigestField, WhereAnAppendInFlightEnds) {
    LoneServer a = settled_leader();
    LoneServer b = a;
    propose(a, 2);
    propose(a, 1);
    propose(b, 1);
    propose(b, 2);
    a.persist();
    b.persist();
    expect_told_apart(a, b);
}

// The same two writes in another order, and the first of them has ended.
TEST(RaftDigestField, DurableIndex) {
    const std::vector<EntryShape> entry = commands({1});
    const auto append = [&](LoneServer& server, std::uint64_t term) {
        server.hear(kS2, AppendEntries{Term(term), kBootstrap, 1, {}}, entry);
    };
    LoneServer a{short_timeouts()};
    LoneServer b = a;
    append(a, 1);
    a.hear(kS3, StaleTerm{Term(2)});
    append(a, 2);
    b.hear(kS3, StaleTerm{Term(2)});
    append(b, 2);
    append(b, 2);
    for (LoneServer* server : {&a, &b}) server->step(PersistCompleted{PersistTicket(1)});
    EXPECT_NE(a.raft().durable_index(), b.raft().durable_index());
    expect_told_apart(a, b);
}

TEST(RaftDigestField, KindOfAHeldVote) {
    LoneServer a{short_timeouts()};
    LoneServer b = a;
    a.hear(kS2, RequestVote{Term(2), CampaignKind::Election, kBootstrap});
    b.hear(kS2, RequestVote{Term(2), CampaignKind::Transfer, kBootstrap});
    expect_told_apart(a, b);
}

TEST(RaftDigestField, KindOfACampaign) {
    Config config = short_timeouts();
    LoneServer a(config);
    LoneServer b = a;
    a.time_out();
    a.hear(kS2, VoteGranted{Term(2), CampaignKind::PreVote});
    b.hear(kS2, Heartbeat{Term(1), Round(1)});
    b.hear(kS2, TimeoutNow{Term(1)});
    for (LoneServer* server : {&a, &b}) {
        server->persist();
        EXPECT_EQ(server->raft().role(), RoleName::Candidate);
    }
    expect_told_apart(a, b);
}

TEST(RaftDigestField, WhoHasVotedForACandidate) {
    LoneServer a(short_timeouts(), voters(5));
    a.time_out();
    for (const ServerId id : {kS2, kS3}) a.hear(id, VoteGranted{Term(2), CampaignKind::PreVote});
    LoneServer b = a;
    a.hear(kS2, VoteGranted{Term(2), CampaignKind::Election});
    b.hear(kS3, VoteGranted{Term(2), CampaignKind::Election});
    expect_told_apart(a, b);
}

TEST(RaftDigestField, HeartbeatRound) {
    LoneServer a = settled_leader();
    LoneServer b = a;
    ticks(a, 3);
    answer_round(a, 0, 2);
    answer_round(b, 0, 2);
    expect_told_apart(a, b);
}

TEST(RaftDigestField, RoundThatAPeerHasAnswered) {
    LoneServer a = settled_leader();
    ticks(a, 3);
    LoneServer b = a;
    answer_round(a, 0, 2);
    answer_round(b, 1, 2);
    expect_told_apart(a, b);
}

TEST(RaftDigestField, RoundThatReadsWaitFor) {
    LoneServer a = settled_leader();
    LoneServer b = a;
    a.step(ReadRequested{RequestId(1)});
    ticks(a, 3);
    ticks(b, 3);
    b.step(ReadRequested{RequestId(1)});
    expect_told_apart(a, b);
}

TEST(RaftDigestField, IndexThatReadsWillBeGiven) {
    LoneServer a = settled_leader();
    LoneServer b = a;
    const auto commit_one = [](LoneServer& leader) {
        propose(leader, 1);
        leader.persist();
        accept(leader, 3);
    };
    a.step(ReadRequested{RequestId(1)});
    commit_one(a);
    commit_one(b);
    b.step(ReadRequested{RequestId(1)});
    expect_told_apart(a, b);
}

// S1 has ordered S2 to take over, which takes no notice; or S2 lacks an entry all the time.
TEST(RaftDigestField, ThatAnOrderToTakeOverHasLeft) {
    LoneServer a = settled_leader();
    LoneServer b = a;
    const auto transfer = [](LoneServer& leader) { leader.step(TransferRequested{RequestId(1), kS2}); };
    const auto commit_one = [](LoneServer& leader) {
        propose(leader, 1);
        leader.persist();
        accept(leader, 3);
    };
    commit_one(a);
    transfer(a);
    propose(b, 1);
    transfer(b);
    for (LoneServer* leader : {&a, &b}) ticks(*leader, 10);
    ASSERT_FALSE(a.raft().as_leader()->transfer || b.raft().as_leader()->transfer);
    b.persist();
    accept(b, 3);
    for (LoneServer* leader : {&a, &b}) answer_round(*leader, 3, 3);
    expect_told_apart(a, b);
}

TEST(RaftDigestField, ThatAnEarlierLifeMayHaveHeardALeader) {
    const std::vector<EntryShape> log{{Term(1), EntryKind::Membership, 0}};
    const std::vector<MembershipAt> memberships{{LogIndex(1), voters(3)}};
    InitialState initial{.hard_state = {Term(1), kNobody},
                         .snapshot = {},
                         .snapshot_membership = {},
                         .entries = log,
                         .memberships = memberships};
    const Raft first(short_timeouts(), initial);
    initial.may_have_heard_leader = true;
    const Raft later(short_timeouts(), initial);
    EXPECT_NE(first, later);
    EXPECT_NE(first.digest(), later.digest());
}

// The no-op stood at index 2 or 3, and the log has forgotten it.
TEST(RaftDigestField, WhereATermBegan) {
    LoneServer a = new_leader({1, 1});
    LoneServer b = new_leader({1});
    accept(a, 3);
    accept(b, 2);
    propose(a, 1);
    propose(b, 2);
    for (LoneServer* leader : {&a, &b}) {
        leader->persist();
        accept(*leader, 4);
        leader->step(SnapshotCompleted{{LogIndex(4), Term(2)}, LogIndex(4)});
    }
    EXPECT_EQ(a.raft().log(), b.raft().log());
    expect_told_apart(a, b);
}

// S3 waits for a snapshot and says how much it knows to be committed.
TEST(RaftDigestField, CommitThatAPeerWasToldOf) {
    LoneServer a = settled_leader();
    for (int i = 0; i < 4; ++i) propose(a, 1);
    a.persist();
    a.hear(kS2, AppendAccepted{Term(2), LogIndex(4)});
    a.hear(kS2, AppendAccepted{Term(2), LogIndex(6)});
    ASSERT_EQ(a.raft().commit_index(), LogIndex(6));
    a.step(SnapshotCompleted{{LogIndex(6), Term(2)}, LogIndex(6)});
    a.hear(kS3, AppendAccepted{Term(2), LogIndex(3)});
    ASSERT_TRUE(a.noted(NoteKind::PeerNeedsSnapshot));
    LoneServer b = a;
    a.hear(kS3, HeartbeatReply{Term(2), Round(0), LogIndex(3), LogIndex(3), LogIndex(0)});
    b.hear(kS3, HeartbeatReply{Term(2), Round(0), LogIndex(3), LogIndex(3), LogIndex(1)});
    expect_told_apart(a, b);
}

}  // namespace

}  // namespace quorate::engine::test
