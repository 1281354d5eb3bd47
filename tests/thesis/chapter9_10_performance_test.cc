// PreVote (thesis §9.6), and what a leader does at the same time (§10.2.1).

#include <gtest/gtest.h>

#include "tests/support/engine_story.h"

namespace quorate::engine::test {

namespace {

// A candidate would only increment its term if it first learns from a majority that they would be willing to
// vote.
TEST(Thesis, Section9_6_ACandidateAsksBeforeItRaisesItsTerm) {
    LoneServer server(short_timeouts(), voters(5));
    server.time_out();
    EXPECT_EQ(server.raft().role(), RoleName::PreCandidate);
    EXPECT_EQ(server.raft().current_term(), Term(1));
    EXPECT_EQ(server.sent<RequestVote>(kS2),
              (std::vector<RequestVote>{{Term(2), CampaignKind::PreVote, kBootstrap}}));
    server.hear(kS2, VoteGranted{Term(2), CampaignKind::PreVote});
    EXPECT_EQ(server.raft().role(), RoleName::PreCandidate);
    server.hear(kS3, VoteGranted{Term(2), CampaignKind::PreVote});
    EXPECT_EQ(server.raft().role(), RoleName::Candidate);
    EXPECT_EQ(server.raft().hard_state(), (HardState{Term(2), kS1}));
}

TEST(Thesis, Section9_6_APreVoteChangesNobodysState) {
    LoneServer voter{short_timeouts()};
    const Raft before = voter.raft();
    voter.hear(kS2, RequestVote{Term(2), CampaignKind::PreVote, kBootstrap});
    EXPECT_EQ(
        voter.sent<VoteGranted>(kS2),
        (std::vector<VoteGranted>{{Term(2), CampaignKind::PreVote}}));  // at once: there is nothing to write
    voter.hear(kS3, RequestVote{Term(2), CampaignKind::PreVote, kBootstrap});
    EXPECT_EQ(voter.sent<VoteGranted>(kS3).size(), 1U);  // and to whoever asks
    EXPECT_EQ(voter.raft(), before);
}

TEST(Thesis, Section9_6_APreVoteForATermThatIsOverIsRefused) {
    LoneServer voter(short_timeouts(), voters(3), {1}, HardState{Term(4), kNobody});
    voter.hear(kS2, RequestVote{Term(4), CampaignKind::PreVote, kBootstrap});
    EXPECT_EQ(voter.sent<VoteRefused>(kS2),
              (std::vector<VoteRefused>{{Term(4), CampaignKind::PreVote, Term(4)}}));
}

TEST(Thesis, Section9_6_AVoteOfOneKindDoesNotCountForTheOther) {
    LoneServer server{short_timeouts()};
    server.time_out();
    server.hear(kS2, VoteGranted{Term(2), CampaignKind::PreVote});
    server.persist();
    server.hear(kS3, VoteGranted{Term(2), CampaignKind::PreVote});
    EXPECT_TRUE(server.noted(NoteKind::VoteIgnoredOtherCampaign));
    EXPECT_EQ(server.raft().role(), RoleName::Candidate);
}

// A partitioned server does not increase its term, and so does not disrupt the cluster when it rejoins.
TEST(Thesis, Section9_6_AServerBackFromAPartitionDisturbsNobody) {
    EngineStory story(voters(3));
    story.elect(kS1);
    story.isolate(kS3);
    for (int campaign = 0; campaign < 10; ++campaign) {
        story.time_out(kS3);
        story.settle();
    }
    EXPECT_EQ(story.raft(kS3).current_term(), Term(2));
    story.rejoin(kS3);
    story.time_out(kS3);
    story.settle();
    EXPECT_EQ(story.raft(kS1).role(), RoleName::Leader);
    EXPECT_EQ(story.raft(kS1).current_term(), Term(2));
    story.tick(kS1, 3);
    story.settle();
    EXPECT_EQ(story.raft(kS3).leader(), kS1);
}

// The leader can write to its disk in parallel with replicating to the followers.
TEST(Thesis, Section10_2_1_ALeaderSendsBeforeItsOwnDiskIsDone) {
    EngineStory story(voters(3));
    story.elect(kS1);
    story.forget();
    story.propose(kS1, "x=1");
    EXPECT_EQ(story.sent<AppendEntries>(kS1, kS2).size(), 1U);
    EXPECT_EQ(story.raft(kS1).durable_index(), LogIndex(2));
}

// The leader may even commit an entry before it has been written to its own disk, if a majority of followers
// have.
TEST(Thesis, Section10_2_1_ALeaderCountsItselfOnlyWhenItsDiskIsDone) {
    EngineStory story(voters(3));
    story.elect(kS1);
    story.propose(kS1, "x=1");
    story.deliver(kS1, kS2);
    story.persist(kS2);
    story.deliver(kS2, kS1);
    EXPECT_EQ(story.raft(kS1).commit_index(), LogIndex(2));  // S2 alone
    story.persist(kS1);
    EXPECT_EQ(story.raft(kS1).commit_index(), LogIndex(3));

    story.propose(kS1, "y=2");
    for (const ServerId id : {kS2, kS3}) {
        story.deliver(kS1, id);
        story.persist(id);
        story.deliver(id, kS1);
    }
    EXPECT_EQ(story.raft(kS1).commit_index(), LogIndex(4));
    EXPECT_EQ(story.raft(kS1).durable_index(), LogIndex(3));
}

// The leader does not wait for an acknowledgment before it sends the next entry: next_index goes ahead.
TEST(Thesis, Section10_2_1_AppendsArePipelinedWithinAWindow) {
    Config config = short_timeouts();
    config.inflight_appends_max = 3;
    EngineStory story(voters(3), config);
    story.elect(kS1);
    story.forget();
    for (const char* word : {"a", "b", "c", "d", "e"}) story.propose(kS1, word);
    const auto sent = story.sent<AppendEntries>(kS1, kS2);
    ASSERT_EQ(sent.size(), 3U);
    for (std::uint64_t i = 0; i < 3; ++i) EXPECT_EQ(sent[i].previous.index, LogIndex(2 + i));
    EXPECT_TRUE(story.noted(kS1, NoteKind::WindowFull));
    story.settle();
    EXPECT_EQ(story.raft(kS2).commit_index(), LogIndex(7));
}

// The AppendEntries consistency check guards against reordering: the pipeline starts anew where the logs
// agree.
TEST(Thesis, Section10_2_1_AReorderedPipelineIsRepaired) {
    EngineStory story(voters(3));
    story.elect(kS1);
    story.propose(kS1, "a");
    story.propose(kS1, "b");
    story.cluster().reorder({kS1, kS2});
    story.settle();
    story.tick(kS1, 3);
    story.settle();
    EXPECT_EQ(story.committed_words(kS2), (std::vector<std::string>{"-", "-", "a", "b"}));
}

// A follower whose log is not known gets one append at a time.
TEST(Thesis, Section10_2_1_WithoutAMatchOnlyOneAppendIsOnItsWay) {
    EngineStory story(voters(3));
    story.isolate(kS3);
    story.elect(kS1);
    story.forget();
    for (const char* word : {"a", "b", "c"}) story.propose(kS1, word);
    EXPECT_EQ(story.sent<AppendEntries>(kS1, kS2).size(), 3U);
    EXPECT_TRUE(story.sent<AppendEntries>(kS1, kS3).empty());
}

}  // namespace

}  // namespace quorate::engine::test
