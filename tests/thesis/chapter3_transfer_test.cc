// Moving leadership on purpose: thesis §3.10.

#include <gtest/gtest.h>

#include "tests/support/engine_story.h"

namespace quorate::engine::test {

namespace {

using Outcomes = std::vector<AnswerTransfer>;

TEST(Thesis, Section3_10_TheTargetCampaignsAtOnceAndWins) {
    EngineStory story(voters(3));
    story.elect(kS1);
    story.forget();
    story.cluster().step(kS1, TransferRequested{RequestId(1), kS3});
    story.settle();  // no time passes: no lease runs out, no timeout elapses
    EXPECT_EQ(story.raft(kS3).role(), RoleName::Leader);
    EXPECT_TRUE(story.sent<RequestVote>(kS3, kS2).at(0).kind == CampaignKind::Transfer);
    EXPECT_EQ(story.actions<AnswerTransfer>(kS1), (Outcomes{{RequestId(1), TransferOutcome::Done}}));
}

// The prior leader fully updates the target server's log to match its own.
TEST(Thesis, Section3_10_TheOrderWaitsUntilTheTargetHoldsTheWholeLog) {
    EngineStory story(voters(3));
    story.elect(kS1);
    story.propose(kS1, "x=1");
    story.forget();
    story.cluster().step(kS1, TransferRequested{RequestId(1), kS3});
    story.deliver(kS1, kS3);
    EXPECT_TRUE(story.sent<TimeoutNow>(kS1, kS3).empty());
    story.persist(kS3);
    story.deliver(kS3, kS1);
    EXPECT_EQ(story.sent<TimeoutNow>(kS1, kS3).size(), 1U);
    story.settle();
    EXPECT_EQ(story.raft(kS3).role(), RoleName::Leader);
}

// The prior leader stops accepting new client requests.
TEST(Thesis, Section3_10_NoProposalIsTakenWhileLeadershipMoves) {
    EngineStory story(voters(3));
    story.elect(kS1);
    story.isolate(kS3);
    story.cluster().step(kS1, TransferRequested{RequestId(1), kS3});
    story.propose(kS1, "x=1");
    EXPECT_EQ(story.actions<RefuseProposal>(kS1),
              (std::vector<RefuseProposal>{{RefusalReason::Transferring, kS1}}));
    EXPECT_EQ(story.raft(kS1).log().last_index(), LogIndex(2));
}

// If leadership transfer does not complete after about an election timeout, the prior leader aborts the
// transfer and resumes accepting client requests.
TEST(Thesis, Section3_10_ATransferIsGivenUpAfterAnElectionTimeout) {
    EngineStory story(voters(3));
    story.elect(kS1);
    story.isolate(kS3);
    story.cluster().step(kS1, TransferRequested{RequestId(1), kS3});
    for (int i = 0; i < 9; ++i) {
        story.tick(kS1);
        story.settle();
    }
    EXPECT_TRUE(story.actions<AnswerTransfer>(kS1).empty());
    story.tick(kS1);
    EXPECT_EQ(story.actions<AnswerTransfer>(kS1), (Outcomes{{RequestId(1), TransferOutcome::TimedOut}}));
    story.propose(kS1, "x=1");
    story.settle();
    EXPECT_EQ(story.raft(kS1).commit_index(), LogIndex(3));
}

TEST(Thesis, Section3_10_WithoutATargetTheMostUpToDateVoterIsChosen) {
    EngineStory story(voters(3));
    story.elect(kS1);
    story.propose(kS1, "x=1");
    story.lose(kS1, kS2);
    story.deliver(kS1, kS3);
    story.persist(kS3);
    story.deliver(kS3, kS1);
    story.cluster().step(kS1, TransferRequested{RequestId(1), kNobody});
    story.settle();
    EXPECT_EQ(story.raft(kS3).role(), RoleName::Leader);
}

TEST(Thesis, Section3_10_OnlyAnotherVoterCanBeTheTarget) {
    EngineStory story(Membership{{kS1, kS2}, {}, {kS3}});
    story.elect(kS1);
    for (const ServerId target : {kS1, kS3, kS5})
        story.cluster().step(kS1, TransferRequested{RequestId(target.value), target});
    story.cluster().step(kS2, TransferRequested{RequestId(9), kS1});  // it does not lead
    for (const auto& answer : story.actions<AnswerTransfer>(kS1))
        EXPECT_EQ(answer.outcome, TransferOutcome::NoTarget);
    EXPECT_EQ(story.actions<AnswerTransfer>(kS1).size(), 3U);
    EXPECT_EQ(story.actions<AnswerTransfer>(kS2), (Outcomes{{RequestId(9), TransferOutcome::NoTarget}}));
}

// An order that comes late or from another must not start an election that no lease stops.
TEST(Thesis, Section3_10_OnlyTheLeaderThatIsFollowedGivesTheOrder) {
    LoneServer follower{short_timeouts()};
    follower.hear(kS2, Heartbeat{Term(1), Round(1)});
    follower.hear(kS3, TimeoutNow{Term(1)});
    EXPECT_TRUE(follower.noted(NoteKind::TransferOrderIgnored));
    EXPECT_EQ(follower.raft().role(), RoleName::Follower);
    follower.hear(kS2, TimeoutNow{Term(1)});
    EXPECT_EQ(follower.raft().role(), RoleName::Candidate);
}

}  // namespace

}  // namespace quorate::engine::test
