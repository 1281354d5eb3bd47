// Terms, elections and their timing: thesis §3.3, §3.4, §3.6.1, §3.9.

#include <set>

#include <gtest/gtest.h>

#include "tests/support/engine_story.h"

namespace quorate::engine::test {

namespace {

// "If one server's current term is smaller than the other's, then it updates its current term to the larger
// value."
TEST(Thesis, Section3_3_AHigherTermIsAdopted) {
    LoneServer server{short_timeouts()};
    server.hear(kS2, Heartbeat{Term(4), Round(1)});
    EXPECT_EQ(server.raft().hard_state(), (HardState{Term(4), kNobody}));
    EXPECT_EQ(server.raft().leader(), kS2);
    ASSERT_EQ(server.actions<PersistLog>().size(), 1U);
    EXPECT_EQ(server.actions<PersistLog>().front().hard_state, (HardState{Term(4), kNobody}));
}

// "If a candidate or leader discovers that its term is out of date, it immediately reverts to follower
// state."
TEST(Thesis, Section3_3_ALeaderOfAnOldTermStepsDown) {
    EngineStory story(voters(3));
    story.elect(kS1);
    story.isolate(kS1);
    story.end_lease(kS3);
    story.elect(kS2);
    ASSERT_EQ(story.raft(kS1).role(), RoleName::Leader);
    story.rejoin(kS1);
    story.tick(kS1, 3);  // a heartbeat of term 2
    story.settle();
    EXPECT_EQ(story.raft(kS1).role(), RoleName::Follower);
    EXPECT_EQ(story.raft(kS1).current_term(), Term(3));
}

TEST(Thesis, Section3_3_ACandidateOfAnOldTermStepsDown) {
    LoneServer server{short_timeouts()};
    server.time_out();
    server.hear(kS2, VoteGranted{Term(2), CampaignKind::PreVote});
    ASSERT_EQ(server.raft().role(), RoleName::Candidate);
    server.hear(kS3, VoteRefused{Term(5), CampaignKind::Election, Term(2)});
    EXPECT_EQ(server.raft().role(), RoleName::Follower);
    EXPECT_EQ(server.raft().hard_state(), (HardState{Term(5), kNobody}));
}

// "If a server receives a request with a stale term number, it rejects the request": and says which term it
// is.
TEST(Thesis, Section3_3_ARequestOfAnOldTermIsRejectedWithTheNewTerm) {
    LoneServer server(short_timeouts(), voters(3), {1}, HardState{Term(5), kNobody});
    const Raft before = server.raft();
    server.hear(kS2, AppendEntries{Term(4), kBootstrap, 0, {}});
    EXPECT_EQ(server.sent<StaleTerm>(kS2), (std::vector<StaleTerm>{{Term(5)}}));
    server.hear(kS2, Heartbeat{Term(4), Round(1)});
    EXPECT_EQ(server.sent<StaleTerm>(kS2), (std::vector<StaleTerm>{{Term(5)}}));
    server.hear(kS2, RequestVote{Term(4), CampaignKind::Election, {LogIndex(9), Term(4)}});
    EXPECT_EQ(server.sent<VoteRefused>(kS2),
              (std::vector<VoteRefused>{{Term(5), CampaignKind::Election, Term(4)}}));
    EXPECT_EQ(server.raft(), before);
}

TEST(Thesis, Section3_4_ACandidateWithAMajorityOfVotesLeads) {
    EngineStory story(voters(5));
    story.isolate(kS4);
    story.isolate(kS5);
    story.time_out(kS1);
    story.settle();
    EXPECT_EQ(story.raft(kS1).role(), RoleName::Leader);
    EXPECT_EQ(story.raft(kS1).current_term(), Term(2));
    EXPECT_EQ(story.raft(kS3).leader(), kS1);
}

TEST(Thesis, Section3_4_AMinorityOfVotesIsNotEnough) {
    LoneServer candidate(short_timeouts(), voters(5));
    candidate.time_out();
    candidate.hear(kS2, VoteGranted{Term(2), CampaignKind::PreVote});
    candidate.hear(kS3, VoteGranted{Term(2), CampaignKind::PreVote});
    candidate.persist();
    candidate.hear(kS2, VoteGranted{Term(2), CampaignKind::Election});
    candidate.hear(kS2, VoteGranted{Term(2), CampaignKind::Election});  // the same vote twice is one vote
    EXPECT_EQ(candidate.raft().role(), RoleName::Candidate);
    candidate.hear(kS4, VoteGranted{Term(1), CampaignKind::Election});  // a vote of another term is none
    EXPECT_EQ(candidate.raft().role(), RoleName::Candidate);
    candidate.hear(kS5, VoteGranted{Term(2), CampaignKind::Election});
    EXPECT_EQ(candidate.raft().role(), RoleName::Leader);
}

// "Each server will vote for at most one candidate in a given term, on a first-come-first-served basis."
TEST(Thesis, Section3_4_AServerVotesOnceATerm) {
    LoneServer voter{short_timeouts()};
    voter.hear(kS2, RequestVote{Term(2), CampaignKind::Election, kBootstrap});
    EXPECT_EQ(voter.raft().hard_state(), (HardState{Term(2), kS2}));
    voter.persist();
    voter.hear(kS3, RequestVote{Term(2), CampaignKind::Election, kBootstrap});
    EXPECT_TRUE(voter.noted(NoteKind::VoteRefusedAlreadyVoted));
    EXPECT_EQ(voter.sent<VoteRefused>(kS3).size(), 1U);
    EXPECT_EQ(voter.raft().hard_state().voted_for, kS2);
    voter.hear(kS3, RequestVote{Term(3), CampaignKind::Election, kBootstrap});
    EXPECT_EQ(voter.raft().hard_state(), (HardState{Term(3), kS3}));  // another term, another vote
}

// If the leader's term is at least as large as the candidate's current term, the candidate recognizes the
// leader.
TEST(Thesis, Section3_4_ACandidateFollowsTheLeaderOfItsTerm) {
    LoneServer candidate{short_timeouts()};
    candidate.time_out();
    candidate.hear(kS2, VoteGranted{Term(2), CampaignKind::PreVote});
    ASSERT_EQ(candidate.raft().current_term(), Term(2));
    candidate.hear(kS3, Heartbeat{Term(2), Round(1)});
    EXPECT_TRUE(candidate.noted(NoteKind::CandidateFoundLeaderOfItsTerm));
    EXPECT_EQ(candidate.raft().role(), RoleName::Follower);
    EXPECT_EQ(candidate.raft().leader(), kS3);
    EXPECT_EQ(candidate.raft().hard_state().voted_for, kS1);  // the vote of this term stays given
}

// Two of four stand at once and get two votes each. Nobody wins; the next campaign is another term's.
TEST(Thesis, Section3_4_ASplitVoteEndsWithANewCampaign) {
    EngineStory story(voters(4));
    for (const ServerId id : {kS1, kS2}) story.time_out(id);
    for (const ServerId from : {kS1, kS2}) {  // both win their pre-vote before either stands
        for (const ServerId to : {kS3, kS4}) story.deliver(from, to);
    }
    for (const ServerId to : {kS1, kS2}) {
        for (const ServerId from : {kS3, kS4}) story.deliver(from, to);
        story.persist(to);
    }
    ASSERT_EQ(story.raft(kS1).role(), RoleName::Candidate);
    ASSERT_EQ(story.raft(kS2).role(), RoleName::Candidate);
    story.deliver(kS1, kS3);
    story.deliver(kS2, kS4);
    story.settle();
    EXPECT_EQ(story.raft(kS3).hard_state(), (HardState{Term(2), kS1}));
    EXPECT_EQ(story.raft(kS4).hard_state(), (HardState{Term(2), kS2}));
    for (const ServerId id : {kS1, kS2, kS3, kS4}) EXPECT_NE(story.raft(id).role(), RoleName::Leader);
    story.elect(kS1);
    EXPECT_EQ(story.raft(kS1).current_term(), Term(3));
}

// It then sends heartbeat messages to all of the other servers to establish its authority and prevent new
// elections.
TEST(Thesis, Section3_4_HeartbeatsPreventElections) {
    EngineStory story(voters(3));
    story.elect(kS1);
    story.forget();
    for (int i = 0; i < 200; ++i) {
        for (const ServerId id : {kS1, kS2, kS3}) story.tick(id);
        story.settle();
    }
    for (const ServerId id : {kS2, kS3}) {
        EXPECT_FALSE(story.noted(id, NoteKind::ElectionTimeoutElapsed));
        EXPECT_EQ(story.sent<Heartbeat>(kS1, id).size(), 66U);  // one each three ticks
    }
}

// "If the logs have last entries with different terms, then the log with the later term is more up-to-date.
// If the logs end with the same term, then whichever log is longer is more up-to-date."
TEST(Thesis, Section3_6_1_OnlyAnUpToDateLogGetsAVote) {
    const struct {
        const char* what = "";
        EntryId last_entry;
        bool is_up_to_date = false;
    } cases[] = {
        {"the same log", {LogIndex(3), Term(3)}, true},
        {"a longer log of the same term", {LogIndex(4), Term(3)}, true},
        {"a shorter log of the same term", {LogIndex(2), Term(3)}, false},
        {"a shorter log of a later term", {LogIndex(2), Term(4)}, true},
        {"a longer log of an older term", {LogIndex(9), Term(2)}, false},
        {"an empty log", {}, false},
    };
    for (const auto& one : cases) {
        for (const CampaignKind kind :
             {CampaignKind::PreVote, CampaignKind::Election, CampaignKind::Transfer}) {
            LoneServer voter(short_timeouts(), voters(3), {1, 2, 3}, HardState{Term(4), kNobody});
            voter.hear(kS2, RequestVote{Term(5), kind, one.last_entry});
            EXPECT_EQ(voter.noted(NoteKind::VoteRefusedLogBehind), !one.is_up_to_date) << one.what;
            EXPECT_EQ(voter.sent<VoteRefused>(kS2).size(), one.is_up_to_date ? 0U : 1U) << one.what;
            voter.persist();
            EXPECT_EQ(voter.raft().hard_state().voted_for == kS2,
                      one.is_up_to_date && kind != CampaignKind::PreVote)
                << one.what;
        }
    }
}

// Leader Completeness, §3.6.3: a majority holds the committed entry, and none of it votes for a server that
// does not.
TEST(Thesis, Section3_6_3_AServerWithoutACommittedEntryCannotWin) {
    EngineStory story(voters(3));
    story.elect(kS1);
    story.isolate(kS3);
    story.propose(kS1, "x=1");
    story.settle();
    ASSERT_EQ(story.raft(kS1).commit_index(), LogIndex(3));
    story.cluster().crash(kS1);
    story.rejoin(kS3);
    story.end_lease(kS2);
    for (int campaign = 0; campaign < 3; ++campaign) {
        story.time_out(kS3);
        story.settle();
    }
    EXPECT_TRUE(story.noted(kS2, NoteKind::VoteRefusedLogBehind));
    EXPECT_NE(story.raft(kS3).role(), RoleName::Leader);
    story.elect(kS2);
    EXPECT_EQ(story.committed_words(kS3), (std::vector<std::string>{"-", "-", "x=1", "-"}));
}

// Election timeouts are chosen randomly from a fixed interval, §3.4 and §3.9; each wait draws anew.
TEST(Thesis, Section3_9_TimeoutsAreDrawnAnewFromTheirInterval) {
    LoneServer server{short_timeouts()};
    std::set<std::uint32_t> drawn{server.time_out()};
    for (int i = 0; i < 300; ++i) drawn.insert(server.time_out());
    EXPECT_GE(*drawn.begin(), 10U);
    EXPECT_LE(*drawn.rbegin(), 40U);
    EXPECT_EQ(drawn.size(), 31U);  // every value of the interval
}

TEST(Thesis, Section3_9_ServersDrawDifferentTimeouts) {
    std::set<std::uint32_t> drawn;
    for (std::uint64_t seed = 1; seed <= 9; ++seed) {
        Config config = short_timeouts();
        config.seed = seed;
        drawn.insert(LoneServer(config).time_out());
    }
    EXPECT_GE(drawn.size(), 6U);
}

// One that hears its leader starts its wait again, and so does one that has given its vote.
TEST(Thesis, Section3_9_TheWaitBeginsAgainWithEachHeartbeatAndVote) {
    LoneServer follower{short_timeouts()};
    for (int i = 0; i < 100; ++i) {
        follower.hear(kS2, Heartbeat{Term(1), Round(1)});
        for (int tick = 0; tick < 9; ++tick) follower.step(TickElapsed{});
        ASSERT_EQ(follower.raft().role(), RoleName::Follower);
    }
    LoneServer voter{short_timeouts()};
    for (std::uint64_t term = 2; term < 100; ++term) {
        voter.hear(kS2, RequestVote{Term(term), CampaignKind::Election, kBootstrap});
        for (int tick = 0; tick < 9; ++tick) voter.step(TickElapsed{});
        ASSERT_EQ(voter.raft().role(), RoleName::Follower);
    }
}

}  // namespace

}  // namespace quorate::engine::test
