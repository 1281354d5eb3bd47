// What a lease may rest on: the newest heartbeat round that a majority has answered. Thesis §6.4.1.

#include <cstdint>
#include <initializer_list>

#include <gtest/gtest.h>

#include "tests/support/lone_server.h"

namespace quorate::engine::test {

namespace {

/// S1 has won term 2 by these votes, and its first entry is durable here and nowhere else.
LoneServer new_leader(const Membership& membership, std::initializer_list<ServerId> votes) {
    LoneServer leader(short_timeouts(), membership);
    leader.time_out();
    for (const ServerId id : votes) leader.hear(id, VoteGranted{Term(2), CampaignKind::PreVote});
    leader.persist();
    for (const ServerId id : votes) leader.hear(id, VoteGranted{Term(2), CampaignKind::Election});
    leader.persist();
    EXPECT_EQ(leader.raft().role(), RoleName::Leader);
    return leader;
}

void accept(LoneServer& leader, std::initializer_list<ServerId> ids) {
    for (const ServerId id : ids) leader.hear(id, AppendAccepted{Term(2), LogIndex(2)});
    EXPECT_EQ(leader.raft().commit_index(), LogIndex(2));
}

void begin_rounds(LoneServer& leader, std::uint64_t count) {
    const std::uint64_t wanted = leader.raft().as_leader()->round.value + count;
    while (leader.raft().as_leader()->round.value < wanted) leader.step(TickElapsed{});
}

void answer(LoneServer& leader, ServerId from, std::uint64_t round) {
    leader.hear(from, HeartbeatReply{Term(2), Round(round), LogIndex(2), LogIndex(2), LogIndex(2)});
}

TEST(LeaseRound, IsTheNewestThatAMajorityHasAnswered) {
    LoneServer leader = new_leader(voters(5), {kS2, kS3});
    accept(leader, {kS2, kS3});
    begin_rounds(leader, 3);
    EXPECT_EQ(leader.raft().lease_round(), Round(0));
    answer(leader, kS2, 3);
    EXPECT_EQ(leader.raft().lease_round(), Round(0)) << "two of five";
    answer(leader, kS3, 1);
    EXPECT_EQ(leader.raft().lease_round(), Round(1));
    answer(leader, kS4, 2);
    EXPECT_EQ(leader.raft().lease_round(), Round(2));
    answer(leader, kS4, 1);
    EXPECT_EQ(leader.raft().lease_round(), Round(2)) << "late";
}

TEST(LeaseRound, NobodyHasOneWhoDoesNotLead) {
    LoneServer server(short_timeouts());
    EXPECT_EQ(server.raft().lease_round(), Round(0));
    LoneServer leader = new_leader(voters(3), {kS2});
    accept(leader, {kS2});
    begin_rounds(leader, 1);
    answer(leader, kS2, 1);
    ASSERT_EQ(leader.raft().lease_round(), Round(1));
    leader.hear(kS3, StaleTerm{Term(3)});
    EXPECT_EQ(leader.raft().lease_round(), Round(0));
}

// What its predecessors have committed it may not know before.
TEST(LeaseRound, NeedsACommitOfTheOwnTerm) {
    LoneServer leader = new_leader(voters(3), {kS2});
    begin_rounds(leader, 1);
    leader.hear(kS2, HeartbeatReply{Term(2), Round(1), {}, {}, {}});
    EXPECT_EQ(leader.raft().lease_round(), Round(0));
    accept(leader, {kS2});
    EXPECT_EQ(leader.raft().lease_round(), Round(1));
}

TEST(LeaseRound, LearnersDoNotCount) {
    LoneServer leader = new_leader({{kS1, kS2, kS3}, {}, {kS4, kS5}}, {kS2});
    accept(leader, {kS2});
    begin_rounds(leader, 1);
    answer(leader, kS4, 1);
    answer(leader, kS5, 1);
    EXPECT_EQ(leader.raft().lease_round(), Round(0));
    answer(leader, kS3, 1);
    EXPECT_EQ(leader.raft().lease_round(), Round(1));
}

TEST(LeaseRound, AJointConfigurationNeedsBothMajorities) {
    LoneServer leader = new_leader({{kS1, kS2, kS3}, {kS1, kS4, kS5}, {}}, {kS2, kS4});
    accept(leader, {kS2, kS4});
    begin_rounds(leader, 2);
    answer(leader, kS2, 2);
    answer(leader, kS3, 2);
    EXPECT_EQ(leader.raft().lease_round(), Round(0));
    answer(leader, kS5, 1);
    EXPECT_EQ(leader.raft().lease_round(), Round(1));
}

// It is about to go, and S2, alone then, asks nobody.
TEST(LeaseRound, AServerThatIsLeftOutHasNone) {
    LoneServer leader = new_leader({{kS2}, {kS1, kS2}, {}}, {kS2});
    accept(leader, {kS2});
    begin_rounds(leader, 1);
    answer(leader, kS2, 1);
    ASSERT_EQ(leader.raft().lease_round(), Round(1));
    leader.step(MembershipProposed{{{kS2}, {}, {}}, 1});
    ASSERT_EQ(leader.raft().membership().voters.size(), 1U);
    EXPECT_EQ(leader.raft().lease_round(), Round(0));
}

TEST(LeaseRound, WhoIsAloneAnswersItself) {
    LoneServer leader = new_leader(voters(1), {});
    EXPECT_EQ(leader.raft().commit_index(), LogIndex(2));
    begin_rounds(leader, 2);
    EXPECT_EQ(leader.raft().lease_round(), Round(2));
}

// Whoever gets the order is heard by all, and the order may come as late as it likes, or twice.
TEST(LeaseRound, AnOrderToTakeOverEndsItForTheTerm) {
    LoneServer leader = new_leader(voters(3), {kS2});
    leader.hear(kS2, AppendAccepted{Term(2), LogIndex(2)});
    begin_rounds(leader, 1);
    answer(leader, kS2, 1);
    ASSERT_EQ(leader.raft().lease_round(), Round(1));
    // S3 does not have the log yet: nothing is ordered.
    leader.hear(kS3, HeartbeatReply{Term(2), Round(1), {}, {}, {}});
    leader.step(TransferRequested{RequestId(1), kS3});
    ASSERT_TRUE(leader.raft().as_leader()->transfer);
    EXPECT_EQ(leader.raft().lease_round(), Round(1));
    leader.hear(kS3, AppendAccepted{Term(2), LogIndex(2)});
    ASSERT_TRUE(leader.noted(NoteKind::TransferOrderSent));
    EXPECT_EQ(leader.raft().lease_round(), Round(0));
    for (int i = 0; leader.raft().as_leader()->transfer && i < 50; ++i) leader.step(TickElapsed{});
    ASSERT_FALSE(leader.raft().as_leader()->transfer);
    begin_rounds(leader, 1);
    answer(leader, kS2, leader.raft().as_leader()->round.value);
    EXPECT_EQ(leader.raft().lease_round(), Round(0)) << "it is over, and the order may be under way yet";
}

}  // namespace

}  // namespace quorate::engine::test
