// Configurations: learners, servers that disturb, joint quorums. Thesis §4.1, §4.2, §4.3.

#include <gtest/gtest.h>

#include "tests/support/engine_story.h"

namespace quorate::engine::test {

namespace {

const Membership kOneVoterTwoLearners{{kS1}, {}, {kS2, kS3}};
const Membership kJoint{{kS1, kS2, kS3}, {kS1, kS4, kS5}, {}};

EntryShape configuration(std::uint64_t term) { return {Term(term), EntryKind::Membership, 0}; }

// A server always uses the latest configuration in its log, regardless of whether the entry is committed.
TEST(Thesis, Section4_1_AConfigurationIsInForceAsSoonAsItIsInTheLog) {
    LoneServer follower{short_timeouts()};
    const EntryShape entry = configuration(1);
    const MembershipAt at{LogIndex(2), voters(5)};
    follower.hear(kS2, AppendEntries{Term(1), kBootstrap, 1, {}}, {&entry, 1}, {&at, 1});
    EXPECT_TRUE(follower.noted(NoteKind::MembershipAdopted));
    EXPECT_EQ(follower.raft().membership(), voters(5));
    EXPECT_EQ(follower.raft().commit_index(), LogIndex(0));
}

// A server must be prepared to fall back to the previous configuration in its log.
TEST(Thesis, Section4_1_AConfigurationThatIsCutGivesWayToTheOneBefore) {
    LoneServer follower{short_timeouts()};
    const EntryShape entry = configuration(1);
    const MembershipAt at{LogIndex(2), voters(5)};
    follower.hear(kS2, AppendEntries{Term(1), kBootstrap, 1, {}}, {&entry, 1}, {&at, 1});
    follower.hear(kS3, AppendEntries{Term(2), kBootstrap, 1, {}}, commands({2}));
    EXPECT_TRUE(follower.noted(NoteKind::MembershipRolledBack));
    EXPECT_EQ(follower.raft().membership(), voters(3));
    EXPECT_EQ(follower.raft().membership_index(), LogIndex(1));
}

// A vote is given to whoever asks well: it is the caller's configuration that is used in reaching
// consensus.
TEST(Thesis, Section4_1_AVoteIsGivenToAServerThatIsNotInTheConfiguration) {
    LoneServer voter{short_timeouts()};
    voter.hear(kS5, RequestVote{Term(2), CampaignKind::Election, kBootstrap});
    voter.persist();
    EXPECT_EQ(voter.sent<VoteGranted>(kS5).size(), 1U);
}

// Non-voting members: the leader replicates log entries to it, but it is not yet counted towards
// majorities.
TEST(Thesis, Section4_2_1_ALearnerCountsInNoMajorityOfTheLog) {
    EngineStory story(Membership{{kS1, kS2, kS3}, {}, {kS4, kS5}});
    story.elect(kS1);
    story.isolate(kS2);
    story.isolate(kS3);
    story.propose(kS1, "x=1");
    story.settle();
    EXPECT_EQ(story.raft(kS4).log().last_index(), LogIndex(3));
    EXPECT_EQ(story.raft(kS1).commit_index(), LogIndex(2));  // three of five hold it, and one of three voters
}

TEST(Thesis, Section4_2_1_ALearnerIsNotWaitedFor) {
    EngineStory story(kOneVoterTwoLearners);
    story.isolate(kS2);
    story.isolate(kS3);
    story.elect(kS1);
    story.propose(kS1, "x=1");
    story.settle();
    EXPECT_EQ(story.raft(kS1).commit_index(), LogIndex(3));
}

TEST(Thesis, Section4_2_1_ALearnerGetsTheLogAndItsCommits) {
    EngineStory story(kOneVoterTwoLearners);
    story.elect(kS1);
    story.propose(kS1, "x=1");
    story.settle();
    EXPECT_EQ(story.committed_words(kS2), (std::vector<std::string>{"-", "-", "x=1"}));
}

TEST(Thesis, Section4_2_1_ALearnerDoesNotCampaignAndItsVoteDoesNotCount) {
    LoneServer learner(short_timeouts(kS2), kOneVoterTwoLearners);
    learner.time_out();
    EXPECT_TRUE(learner.noted(NoteKind::CampaignRefusedNotVoter));
    EXPECT_EQ(learner.raft().role(), RoleName::Follower);
    EXPECT_TRUE(learner.actions<SendMessage>().empty());

    LoneServer candidate(short_timeouts(), Membership{{kS1, kS2, kS3}, {}, {kS4}});
    candidate.time_out();
    EXPECT_TRUE(candidate.sent<RequestVote>(kS4).empty());
    candidate.hear(kS4, VoteGranted{Term(2), CampaignKind::PreVote});
    EXPECT_TRUE(candidate.noted(NoteKind::MessageOfStrangerIgnored));
    EXPECT_EQ(candidate.raft().role(), RoleName::PreCandidate);
}

TEST(Thesis, Section4_2_1_ALearnerKeepsNoLeaderInOffice) {
    EngineStory story(Membership{{kS1, kS2, kS3}, {}, {kS4}});
    story.elect(kS1);
    story.isolate(kS2);
    story.isolate(kS3);
    for (int i = 0; i < 40; ++i) {
        story.tick(kS1);
        story.settle();
    }
    EXPECT_TRUE(story.noted(kS1, NoteKind::QuorumLost));
}

// If a server receives a RequestVote request within the minimum election timeout of hearing from a current
// leader, it does not update its term or grant its vote.
TEST(Thesis, Section4_2_3_AServerThatHearsItsLeaderHelpsNobodyElse) {
    for (const CampaignKind kind : {CampaignKind::PreVote, CampaignKind::Election}) {
        LoneServer follower{short_timeouts()};
        follower.hear(kS2, Heartbeat{Term(1), Round(1)});
        for (int i = 0; i < 9; ++i) follower.step(TickElapsed{});
        const Raft before = follower.raft();
        follower.hear(kS3, RequestVote{Term(9), kind, {LogIndex(9), Term(8)}});
        EXPECT_TRUE(follower.noted(NoteKind::VoteRefusedLeaderIsAlive));
        EXPECT_EQ(follower.raft(), before);
    }
}

TEST(Thesis, Section4_2_3_TheLeaseEndsAfterTheMinimumElectionTimeout) {
    EngineStory story(voters(3));
    story.elect(kS1);
    story.end_lease(kS2);
    EXPECT_EQ(story.raft(kS2).ticks_since_leader(), 10U);
    story.cluster().step(
        kS2, MessageReceived{kS3, RequestVote{Term(3), CampaignKind::Election, {LogIndex(2), Term(2)}}});
    EXPECT_EQ(story.raft(kS2).hard_state(), (HardState{Term(3), kS3}));
}

TEST(Thesis, Section4_2_3_ALeaderIsNotDeposedByAServerThatWasCutOff) {
    LoneServer leader{short_timeouts()};
    leader.time_out();
    leader.hear(kS2, VoteGranted{Term(2), CampaignKind::PreVote});
    leader.persist();
    leader.hear(kS2, VoteGranted{Term(2), CampaignKind::Election});
    ASSERT_EQ(leader.raft().role(), RoleName::Leader);
    leader.hear(kS3, RequestVote{Term(9), CampaignKind::Election, {LogIndex(9), Term(8)}});
    EXPECT_EQ(leader.raft().role(), RoleName::Leader);
    EXPECT_EQ(leader.raft().current_term(), Term(2));
}

// A server that starts may have heard a leader just before it ended.
TEST(Thesis, Section4_2_3_ARestartedServerLeavesAloneWhomItMayHaveHeard) {
    EngineStory story(voters(3));
    story.elect(kS1);
    story.cluster().crash(kS2);
    story.cluster().restart(kS2);
    const RequestVote request{Term(3), CampaignKind::Election, {LogIndex(2), Term(2)}};
    story.tick(kS2, 9);
    story.cluster().step(kS2, MessageReceived{kS3, request});
    EXPECT_EQ(story.raft(kS2).current_term(), Term(2));
    story.tick(kS2);
    story.cluster().step(kS2, MessageReceived{kS3, request});
    EXPECT_EQ(story.raft(kS2).hard_state(), (HardState{Term(3), kS3}));
}

// In a later term it would hear no leader, and could vote at once.
TEST(Thesis, Section4_2_3_NoLateAnswerRaisesTheTermOfWhoHearsItsLeader) {
    for (const Message& answer :
         {Message(VoteRefused{Term(9), CampaignKind::PreVote, Term(1)}), Message(StaleTerm{Term(9)}),
          Message(ReadIndexRefused{Term(9), RequestId(1)})}) {
        LoneServer follower{short_timeouts()};
        follower.hear(kS2, Heartbeat{Term(1), Round(1)});
        const Raft before = follower.raft();
        follower.hear(kS3, answer);
        EXPECT_TRUE(follower.noted(NoteKind::TermIgnoredLeaderIsAlive));
        EXPECT_EQ(follower.raft(), before);
        for (int i = 0; i < 10; ++i) follower.step(TickElapsed{});
        follower.hear(kS3, answer);
        EXPECT_EQ(follower.raft().current_term(), Term(9)) << "nobody is heard any more";
    }
}

// The exception: a transfer has the leader's own permission.
TEST(Thesis, Section4_2_3_ATransferIsNotHeldUpByTheLease) {
    LoneServer follower{short_timeouts()};
    follower.hear(kS2, Heartbeat{Term(1), Round(1)});
    follower.hear(kS3, RequestVote{Term(2), CampaignKind::Transfer, kBootstrap});
    EXPECT_EQ(follower.raft().hard_state(), (HardState{Term(2), kS3}));
}

// S1 starts in a configuration that is joint already. Agreement requires separate majorities from both the
// old and the new configurations.
TEST(Thesis, Section4_3_AJointConfigurationElectsWithBothMajorities) {
    EngineStory story(kJoint);
    story.isolate(kS4);
    story.isolate(kS5);
    story.time_out(kS1);
    story.settle();
    EXPECT_NE(story.raft(kS1).role(), RoleName::Leader);  // all of the one set, one of the other
    story.rejoin(kS5);
    story.elect(kS1);
}

TEST(Thesis, Section4_3_AJointConfigurationCommitsWithBothMajorities) {
    EngineStory story(kJoint);
    story.elect(kS1);
    story.isolate(kS4);
    story.isolate(kS5);
    story.propose(kS1, "x=1");
    story.settle();
    EXPECT_EQ(story.raft(kS3).log().last_index(), LogIndex(3));
    EXPECT_EQ(story.raft(kS1).commit_index(), LogIndex(2));  // three of five, but one of S1 S4 S5
    story.rejoin(kS4);
    story.tick(kS1, 3);
    story.settle();
    EXPECT_EQ(story.raft(kS1).commit_index(), LogIndex(3));
}

TEST(Thesis, Section4_3_AJointConfigurationKeepsItsLeaderWithBothMajorities) {
    EngineStory story(kJoint);
    story.elect(kS1);
    story.isolate(kS4);
    story.isolate(kS5);
    for (int i = 0; i < 40; ++i) {
        story.tick(kS1);
        story.settle();
    }
    EXPECT_TRUE(story.noted(kS1, NoteKind::QuorumLost));
}

// Any server from either configuration may serve as leader.
TEST(Thesis, Section4_3_AServerOfEitherSetMayLead) {
    for (const ServerId id : {kS1, kS2, kS4}) {
        EngineStory story(kJoint);
        story.elect(id);
        EXPECT_EQ(story.raft(id).commit_index(), LogIndex(2));
    }
}

// "A leader that is removed from the configuration steps down once the C_new entry is committed."
TEST(Thesis, Section4_2_2_ALeaderThatIsLeftOutHandsOverOnceThatIsCommitted) {
    EngineStory story(voters(3));
    story.elect(kS1);
    story.cluster().change_membership(kS1, {{kS2, kS3}, {kS1, kS2, kS3}, {}});
    story.settle();
    EXPECT_EQ(story.raft(kS1).role(), RoleName::Leader);
    story.cluster().change_membership(kS1, {{kS2, kS3}, {}, {}});
    EXPECT_EQ(story.raft(kS1).role(), RoleName::Leader);
    story.settle();
    EXPECT_EQ(story.raft(kS1).role(), RoleName::Follower);
    EXPECT_TRUE(story.raft(kS2).role() == RoleName::Leader || story.raft(kS3).role() == RoleName::Leader);
}

// S1 alone has the entry that leaves it out; S2 needs its vote, and does not get it.
TEST(Thesis, Section4_2_2_WhoIsLeftOutByWhatIsNotCommittedMayLead) {
    EngineStory story(voters(2));
    story.elect(kS1);
    story.cluster().change_membership(kS1, {{kS2}, {kS1, kS2}, {}});
    story.settle();
    story.cluster().change_membership(kS1, {{kS2}, {}, {}});
    story.persist(kS1);
    story.lose(kS1, kS2);
    story.cluster().crash(kS1);
    story.cluster().restart(kS1);
    story.end_lease(kS2);
    story.time_out(kS1);
    story.settle();
    EXPECT_EQ(story.raft(kS2).membership(), (Membership{{kS2}, {}, {}}));
    EXPECT_EQ(story.raft(kS2).role(), RoleName::Leader);
}

TEST(Thesis, Section4_3_AChangeWaitsForTheOneBeforeIt) {
    EngineStory story(voters(3));
    story.elect(kS1);
    const Membership with_four{{kS1, kS2, kS3}, {}, {kS4}};
    story.cluster().change_membership(kS1, with_four);
    story.cluster().change_membership(kS1, voters(3));
    EXPECT_EQ(story.raft(kS1).membership(), with_four);
    EXPECT_TRUE(story.noted(kS1, NoteKind::MembershipProposalRefused));
    story.settle();
    story.cluster().change_membership(kS1, voters(3));
    EXPECT_EQ(story.raft(kS1).membership(), voters(3));
}

// Otherwise two leaders in turn may each begin with the same configuration, and end with majorities that do
// not meet.
TEST(Thesis, Section4_3_AChangeWaitsForAnEntryOfTheOwnTerm) {
    EngineStory story(voters(3));
    story.time_out(kS1);
    story.deliver(kS1, kS2);
    story.deliver(kS2, kS1);
    story.persist(kS1);
    story.deliver(kS1, kS2);
    story.persist(kS2);
    story.deliver(kS2, kS1);
    ASSERT_EQ(story.raft(kS1).role(), RoleName::Leader);
    story.cluster().change_membership(kS1, {{kS1, kS2, kS3}, {}, {kS4}});
    EXPECT_EQ(story.raft(kS1).membership(), voters(3));
    story.settle();
    story.cluster().change_membership(kS1, {{kS1, kS2, kS3}, {}, {kS4}});
    EXPECT_EQ(story.raft(kS1).membership().learners, std::vector{kS4});
}

}  // namespace

}  // namespace quorate::engine::test
