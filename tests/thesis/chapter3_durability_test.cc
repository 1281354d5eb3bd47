// What is on disk before anybody hears of it: thesis §3.8. Each server must persist its current term and
// vote, and new log entries, before responding.

#include <gtest/gtest.h>

#include "tests/support/engine_story.h"

namespace quorate::engine::test {

namespace {

TEST(Thesis, Section3_8_AVoteIsDurableBeforeItIsAnswered) {
    LoneServer voter{short_timeouts()};
    voter.hear(kS2, RequestVote{Term(2), CampaignKind::Election, kBootstrap});
    EXPECT_TRUE(voter.sent<VoteGranted>(kS2).empty());
    const auto writes = voter.actions<PersistLog>();
    ASSERT_FALSE(writes.empty());
    EXPECT_EQ(writes.back().hard_state, (HardState{Term(2), kS2}));
    voter.persist();
    EXPECT_EQ(voter.sent<VoteGranted>(kS2).size(), 1U);
}

// The term is on disk and the vote is not: the first of two writes does not let the answer go.
TEST(Thesis, Section3_8_AnEarlierWriteDoesNotReleaseALaterAnswer) {
    LoneServer voter{short_timeouts()};
    voter.hear(kS3, StaleTerm{Term(2)});
    const PersistTicket term_only = voter.actions<PersistLog>().at(0).ticket;
    voter.hear(kS2, RequestVote{Term(2), CampaignKind::Election, kBootstrap});
    voter.step(PersistCompleted{term_only});
    EXPECT_TRUE(voter.sent<VoteGranted>(kS2).empty());
    voter.step(PersistCompleted{term_only.next()});
    EXPECT_EQ(voter.sent<VoteGranted>(kS2).size(), 1U);
}

TEST(Thesis, Section3_8_AVoteSurvivesACrash) {
    EngineStory story(voters(3));
    story.time_out(kS1);
    story.deliver(kS1, kS3);
    story.deliver(kS3, kS1);
    story.persist(kS1);
    story.deliver(kS1, kS3);
    story.persist(kS3);
    story.cluster().crash(kS3);
    story.cluster().restart(kS3);
    EXPECT_EQ(story.raft(kS3).hard_state(), (HardState{Term(2), kS1}));
    story.cluster().step(kS3, MessageReceived{kS2, RequestVote{Term(2), CampaignKind::Election, kBootstrap}});
    EXPECT_TRUE(story.noted(kS3, NoteKind::VoteRefusedAlreadyVoted));
}

TEST(Thesis, Section3_8_ACandidateAsksAndCountsOnlyWithItsOwnVoteDurable) {
    LoneServer candidate{short_timeouts()};
    candidate.time_out();
    candidate.hear(kS2, VoteGranted{Term(2), CampaignKind::PreVote});
    ASSERT_EQ(candidate.raft().role(), RoleName::Candidate);
    EXPECT_TRUE(candidate.sent<RequestVote>(kS2).empty());
    candidate.hear(kS2, VoteGranted{Term(2), CampaignKind::Election});
    EXPECT_EQ(candidate.raft().role(), RoleName::Candidate);  // one durable vote of three
    candidate.persist();
    EXPECT_EQ(candidate.raft().role(), RoleName::Leader);
}

TEST(Thesis, Section3_8_EntriesAreDurableBeforeTheyAreAcknowledged) {
    LoneServer follower{short_timeouts()};
    follower.hear(kS2, AppendEntries{Term(1), kBootstrap, 2, {}}, commands({1, 1}));
    EXPECT_TRUE(follower.sent<AppendAccepted>(kS2).empty());
    follower.hear(kS2, Heartbeat{Term(1), Round(1)});
    EXPECT_EQ(follower.sent<HeartbeatReply>(kS2),
              (std::vector<HeartbeatReply>{{Term(1), Round(1), LogIndex(3), LogIndex(1), LogIndex(0)}}));
    follower.persist();
    EXPECT_EQ(follower.sent<AppendAccepted>(kS2), (std::vector<AppendAccepted>{{Term(1), LogIndex(3)}}));
}

// An acknowledgement belongs to its term: what the old leader's entries were written for, the new one may
// replace.
TEST(Thesis, Section3_8_ANewTermVoidsWhatTheOldOneStillOwed) {
    LoneServer follower{short_timeouts()};
    follower.hear(kS2, AppendEntries{Term(1), kBootstrap, 1, {}}, commands({1}));
    follower.hear(kS3, Heartbeat{Term(2), Round(1)});
    EXPECT_TRUE(follower.noted(NoteKind::AcknowledgementDroppedTermChanged));
    follower.persist();
    EXPECT_TRUE(follower.output().actions.empty());
}

// The old write ends when its entries have been cut already: the log is not durable through there.
TEST(Thesis, Section3_8_AWriteThatEndsLateSaysNothingOfWhatReplacedIt) {
    LoneServer follower{short_timeouts()};
    follower.hear(kS2, AppendEntries{Term(1), kBootstrap, 2, {}}, commands({1, 1}));
    const PersistTicket old_entries = follower.actions<PersistLog>().at(0).ticket;
    follower.hear(kS3, AppendEntries{Term(2), kBootstrap, 2, {}}, commands({2, 2}));
    follower.step(PersistCompleted{old_entries});
    EXPECT_EQ(follower.raft().durable_index(), LogIndex(1));
    EXPECT_TRUE(follower.sent<AppendAccepted>(kS3).empty());
}

// Commit index may be safely reinitialized: a restarted server learns it from its leader.
TEST(Thesis, Section3_8_TheCommitIndexNeedsNoDisk) {
    EngineStory story(voters(3));
    story.elect(kS1);
    story.propose(kS1, "x=1");
    story.settle();
    story.cluster().crash(kS3);
    story.cluster().restart(kS3);
    EXPECT_EQ(story.raft(kS3).commit_index(), LogIndex(0));
    story.tick(kS1, 6);
    story.settle();
    EXPECT_EQ(story.raft(kS3).commit_index(), LogIndex(3));
}

}  // namespace

}  // namespace quorate::engine::test
