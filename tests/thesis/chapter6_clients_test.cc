// What clients may rely on: thesis §6.2 (a leader that cannot serve steps down) and §6.4 (reads without the
// log).

#include <gtest/gtest.h>

#include "tests/support/engine_story.h"

namespace quorate::engine::test {

namespace {

using Answers = std::vector<AnswerRead>;

// A leader steps down if an election timeout elapses without a successful round of heartbeats to a
// majority.
TEST(Thesis, Section6_2_ALeaderWithoutAQuorumStepsDown) {
    EngineStory story(voters(5));
    story.elect(kS1);
    for (const ServerId id : {kS3, kS4, kS5}) story.isolate(id);
    for (int i = 0; i < 39; ++i) {
        story.tick(kS1);
        story.settle();
    }
    EXPECT_EQ(story.raft(kS1).role(), RoleName::Leader);
    story.tick(kS1);
    EXPECT_TRUE(story.noted(kS1, NoteKind::QuorumLost));
    EXPECT_EQ(story.raft(kS1).role(), RoleName::Follower);
}

TEST(Thesis, Section6_2_ALeaderWithAQuorumStays) {
    EngineStory story(voters(5));
    story.elect(kS1);
    for (const ServerId id : {kS4, kS5}) story.isolate(id);
    for (int i = 0; i < 200; ++i) {
        story.tick(kS1);
        story.settle();
    }
    EXPECT_EQ(story.raft(kS1).role(), RoleName::Leader);
}

TEST(Thesis, Section6_2_AFollowerNamesTheLeader) {
    EngineStory story(voters(3));
    story.elect(kS1);
    story.propose(kS2, "x=1");
    EXPECT_EQ(story.actions<RefuseProposal>(kS2),
              (std::vector<RefuseProposal>{{RefusalReason::NotLeader, kS1}}));
}

/// S1 leads term 2 and its no-op is not committed.
LoneServer new_leader() {
    LoneServer leader{short_timeouts()};
    leader.time_out();
    leader.hear(kS2, VoteGranted{Term(2), CampaignKind::PreVote});
    leader.persist();
    leader.hear(kS2, VoteGranted{Term(2), CampaignKind::Election});
    leader.persist();
    return leader;
}

/// S1 leads term 2 and its no-op, index 2, is committed.
LoneServer settled_leader() {
    LoneServer leader = new_leader();
    leader.hear(kS2, AppendAccepted{Term(2), LogIndex(2)});
    EXPECT_EQ(leader.raft().commit_index(), LogIndex(2));
    return leader;
}

HeartbeatReply reply(std::uint64_t round) {
    return {Term(2), Round(round), LogIndex(2), LogIndex(2), LogIndex(2)};
}

// Step 1: If the leader has not yet marked an entry from its current term committed, it waits until it has
// done so.
TEST(Thesis, Section6_4_ARead_Step1_WaitsForAnEntryOfTheLeadersTerm) {
    LoneServer leader = new_leader();
    leader.step(ReadRequested{RequestId(7)});
    EXPECT_TRUE(leader.noted(NoteKind::ReadWaitsForOwnTermCommit));
    EXPECT_TRUE(leader.actions<SendMessage>().empty());
    leader.hear(kS2, AppendAccepted{Term(2), LogIndex(2)});
    EXPECT_TRUE(leader.noted(NoteKind::ReadRoundStarted));
    EXPECT_TRUE(leader.actions<AnswerRead>().empty());
    leader.hear(kS2, reply(leader.raft().as_leader()->round.value));
    EXPECT_EQ(leader.actions<AnswerRead>(), (Answers{{RequestId(7), LogIndex(2)}}));
}

// Step 2: The leader saves its current commit index in a local variable read_index, when the read arrives:
// what is committed later is not waited for.
TEST(Thesis, Section6_4_ARead_Step2_TakesTheCommitIndexAtItsStart) {
    LoneServer leader = settled_leader();
    leader.step(ReadRequested{RequestId(7)});
    const ProposedEntry entry{EntryKind::Command, 1};
    leader.step(EntriesProposed{{&entry, 1}});
    leader.persist();
    leader.hear(kS3, AppendAccepted{Term(2), LogIndex(3)});
    ASSERT_EQ(leader.raft().commit_index(), LogIndex(3));
    leader.hear(kS2, reply(1));
    EXPECT_EQ(leader.actions<AnswerRead>(), (Answers{{RequestId(7), LogIndex(2)}}));
}

// Step 3: It issues a new round of heartbeats and waits for their acknowledgments from a majority of the
// cluster. An answer to a round from before the read proves nothing for it.
TEST(Thesis, Section6_4_ARead_Step3_IsConfirmedByARoundThatBeganAfterIt) {
    LoneServer leader = settled_leader();
    for (int i = 0; i < 3; ++i) leader.step(TickElapsed{});
    ASSERT_EQ(leader.sent<Heartbeat>(kS2), (std::vector<Heartbeat>{{Term(2), Round(1), LogIndex(2)}}));
    leader.step(ReadRequested{RequestId(7)});
    EXPECT_EQ(leader.sent<Heartbeat>(kS2), (std::vector<Heartbeat>{{Term(2), Round(2), LogIndex(2)}}));
    leader.hear(kS2, reply(1));
    EXPECT_TRUE(leader.actions<AnswerRead>().empty());
    leader.hear(kS2, reply(2));
    EXPECT_EQ(leader.actions<AnswerRead>(), (Answers{{RequestId(7), LogIndex(2)}}));
}

TEST(Thesis, Section6_4_ARead_Step3_NeedsAMajority) {
    EngineStory story(voters(5));
    story.elect(kS1);
    for (const ServerId id : {kS3, kS4, kS5}) story.isolate(id);
    story.cluster().step(kS1, ReadRequested{RequestId(7)});
    story.settle();
    EXPECT_TRUE(story.actions<AnswerRead>(kS1).empty());
    story.rejoin(kS3);
    story.tick(kS1, 3);  // a later round is as good
    story.settle();
    EXPECT_EQ(story.actions<AnswerRead>(kS1), (Answers{{RequestId(7), LogIndex(2)}}));
}

// A second read must not ride on the round of the first: it came later. But all that wait share the next one.
TEST(Thesis, Section6_4_ReadsThatArriveDuringARoundShareTheNext) {
    LoneServer leader = settled_leader();
    leader.step(ReadRequested{RequestId(1)});
    leader.step(ReadRequested{RequestId(2)});
    leader.step(ReadRequested{RequestId(3)});
    EXPECT_TRUE(leader.actions<SendMessage>().empty());
    leader.hear(kS2, reply(1));
    EXPECT_EQ(leader.actions<AnswerRead>(), (Answers{{RequestId(1), LogIndex(2)}}));
    EXPECT_EQ(leader.sent<Heartbeat>(kS2), (std::vector<Heartbeat>{{Term(2), Round(2), LogIndex(2)}}));
    leader.hear(kS2, reply(2));
    EXPECT_EQ(leader.actions<AnswerRead>(),
              (Answers{{RequestId(2), LogIndex(2)}, {RequestId(3), LogIndex(2)}}));
}

// The follower would issue a request to the leader that just asked for a current read_index.
TEST(Thesis, Section6_4_AFollowerReadsAtAnIndexOfTheLeader) {
    EngineStory story(voters(3));
    story.elect(kS1);
    story.propose(kS1, "x=1");
    story.settle();
    story.cluster().step(kS3, ReadRequested{RequestId(7)});
    EXPECT_EQ(story.sent<ReadIndexRequest>(kS3, kS1),
              (std::vector<ReadIndexRequest>{{Term(2), RequestId(7)}}));
    story.settle();
    EXPECT_EQ(story.actions<AnswerRead>(kS3), (Answers{{RequestId(7), LogIndex(3)}}));
}

// S1 was cut off and still believes that it leads; S2 has committed since. S1 must not answer from its own
// log.
TEST(Thesis, Section6_4_ADeposedLeaderAnswersNoRead) {
    EngineStory story(voters(3));
    story.elect(kS1);
    story.isolate(kS1);
    story.end_lease(kS3);
    story.elect(kS2);
    story.propose(kS2, "x=2");
    story.settle();
    ASSERT_EQ(story.raft(kS1).role(), RoleName::Leader);
    story.cluster().step(kS1, ReadRequested{RequestId(7)});
    story.rejoin(kS1);
    story.settle();
    EXPECT_TRUE(story.actions<AnswerRead>(kS1).empty());
    EXPECT_EQ(story.actions<RefuseRead>(kS1),
              (std::vector<RefuseRead>{{RequestId(7), RefusalReason::NotLeader, kNobody}}));
}

// The leader may take the time from that round's beginning for its lease.
TEST(Thesis, Section6_4_1_ALeaseRestsOnTheNewestRoundThatAMajorityHasAnswered) {
    EngineStory story(voters(3));
    story.elect(kS1);
    story.tick(kS1, 3);
    const Round first = story.raft(kS1).as_leader()->round;
    EXPECT_LT(story.raft(kS1).lease_round(), first);
    story.settle();
    EXPECT_EQ(story.raft(kS1).lease_round(), first);
    story.isolate(kS2);
    story.tick(kS1, 3);
    story.settle();
    EXPECT_EQ(story.raft(kS1).lease_round(), first.next());
    story.isolate(kS3);
    story.tick(kS1, 3);
    story.settle();
    EXPECT_EQ(story.raft(kS1).lease_round(), first.next());
}

// Its target does not wait for an election timeout, and nobody refuses it.
TEST(Thesis, Section6_4_1_AnOrderToTakeOverEndsTheLeaseForTheTerm) {
    EngineStory story(voters(3));
    story.elect(kS1);
    story.tick(kS1, 3);
    story.settle();
    ASSERT_GT(story.raft(kS1).lease_round(), Round(0));
    story.cluster().step(kS1, TransferRequested{RequestId(1), kS2});
    EXPECT_EQ(story.raft(kS1).lease_round(), Round(0));
    story.lose(kS1, kS2);
    story.isolate(kS2);
    for (int i = 0; i < 12; ++i) {
        story.tick(kS1);
        story.settle();
    }
    ASSERT_FALSE(story.raft(kS1).as_leader()->transfer);
    EXPECT_EQ(story.raft(kS1).lease_round(), Round(0));
}

TEST(Thesis, Section6_4_AServerWithoutALeaderRefusesReads) {
    LoneServer server{short_timeouts()};
    server.step(ReadRequested{RequestId(7)});
    EXPECT_EQ(server.actions<RefuseRead>(),
              (std::vector<RefuseRead>{{RequestId(7), RefusalReason::NotLeader, kNobody}}));
}

}  // namespace

}  // namespace quorate::engine::test
