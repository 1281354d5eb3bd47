// Log replication, what is committed, and retries: thesis §3.5, §3.6.2, §3.7.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/engine_story.h"

namespace quorate::engine::test {

namespace {

using Words = std::vector<std::string>;

/// S1 leads term `term` after its log ended as `terms` say.
LoneServer leader_with(std::initializer_list<std::uint64_t> terms, std::uint64_t term,
                       const Membership& membership = voters(3)) {
    LoneServer server(short_timeouts(), membership, terms, HardState{Term(term - 1), kNobody});
    server.time_out();
    for (const ServerId id : {kS2, kS3}) server.hear(id, VoteGranted{Term(term), CampaignKind::PreVote});
    server.persist();
    for (const ServerId id : {kS2, kS3}) server.hear(id, VoteGranted{Term(term), CampaignKind::Election});
    EXPECT_EQ(server.raft().role(), RoleName::Leader);
    return server;
}

TEST(Thesis, Section3_5_AnEntryOnAMajorityIsCommittedAndAppliedEverywhere) {
    EngineStory story(voters(3));
    story.elect(kS1);
    story.propose(kS1, "x=1");
    story.propose(kS1, "y=2");
    story.settle();
    for (const ServerId id : {kS1, kS2, kS3})
        EXPECT_EQ(story.committed_words(id), (Words{"-", "-", "x=1", "y=2"}));
}

TEST(Thesis, Section3_5_NothingIsCommittedWithoutAMajority) {
    EngineStory story(voters(5));
    story.elect(kS1);
    for (const ServerId id : {kS3, kS4, kS5}) story.isolate(id);
    story.propose(kS1, "x=1");
    story.settle();
    EXPECT_EQ(story.raft(kS2).log().last_index(), LogIndex(3));
    EXPECT_EQ(story.raft(kS1).commit_index(), LogIndex(2));
    story.rejoin(kS3);
    story.tick(kS1, 3);  // S3's answer shows what it missed
    story.settle();
    EXPECT_EQ(story.raft(kS1).commit_index(), LogIndex(3));
}

// If the follower does not find an entry in its log with the same index and term, then it refuses the new
// entries.
TEST(Thesis, Section3_5_EntriesBehindAGapAreRefused) {
    LoneServer follower(short_timeouts(), voters(3), {1, 1});
    follower.hear(kS2, AppendEntries{Term(2), {LogIndex(4), Term(2)}, 1, {}}, commands({2}));
    EXPECT_TRUE(follower.noted(NoteKind::AppendRefusedLogShort));
    EXPECT_EQ(follower.sent<AppendRefused>(kS2).size(), 1U);
    follower.hear(kS2, AppendEntries{Term(2), {LogIndex(2), Term(2)}, 1, {}}, commands({2}));
    EXPECT_TRUE(follower.noted(NoteKind::AppendRefusedTermConflict));
    EXPECT_EQ(follower.raft().log().last_index(), LogIndex(2));
}

// "If an existing entry conflicts with a new one (same index but different terms), delete the existing entry
// and all that follow it."
TEST(Thesis, Section3_5_AConflictingSuffixIsReplaced) {
    LoneServer follower(short_timeouts(), voters(3), {1, 1, 2, 2, 2}, HardState{Term(3), kNobody});
    follower.hear(kS2, AppendEntries{Term(3), {LogIndex(2), Term(1)}, 2, {}}, commands({3, 3}));
    EXPECT_TRUE(follower.noted(NoteKind::SuffixTruncated));
    EXPECT_EQ(follower.raft().log().last_entry(), (EntryId{LogIndex(4), Term(3)}));
    const auto writes = follower.actions<PersistLog>();
    ASSERT_EQ(writes.size(), 1U);  // the cut and what replaces it are one write
    EXPECT_EQ(writes.front().truncate_from, LogIndex(3));
    EXPECT_EQ(writes.front().first, LogIndex(3));
    EXPECT_EQ(writes.front().last, LogIndex(4));
}

// A late, short append holds nothing against what came after it.
TEST(Thesis, Section3_5_EntriesThatAgreeAreNeverCut) {
    LoneServer follower(short_timeouts(), voters(3), {1});
    follower.hear(kS2, AppendEntries{Term(2), {LogIndex(1), Term(1)}, 3, {}}, commands({2, 2, 2}));
    follower.hear(kS2, AppendEntries{Term(2), {LogIndex(1), Term(1)}, 1, {}}, commands({2}));
    EXPECT_TRUE(follower.noted(NoteKind::EntriesAlreadyHeld));
    follower.hear(kS2, AppendEntries{Term(2), {LogIndex(1), Term(1)}, 0, {}});
    EXPECT_EQ(follower.raft().log().last_index(), LogIndex(4));
}

// A follower's log may go on with what this leader never had: the leader's commit_index says nothing about
// that.
TEST(Thesis, Section3_5_AFollowerCommitsOnlyWhatMatchesItsLeader) {
    LoneServer follower(short_timeouts(), voters(3), {1, 1, 2, 2}, HardState{Term(3), kNobody});
    follower.hear(kS2, AppendEntries{Term(3), {LogIndex(2), Term(1)}, 0, LogIndex(4)});
    EXPECT_EQ(follower.raft().commit_index(), LogIndex(2));
    follower.hear(kS2, AppendEntries{Term(3), {LogIndex(2), Term(1)}, 1, LogIndex(4)}, commands({3}));
    EXPECT_EQ(follower.raft().commit_index(), LogIndex(3));
}

// Figure 3.6: whatever a follower is missing or has too much, the leader's log overwrites it.
TEST(Thesis, Section3_5_ALeaderBringsEveryFollowerToItsOwnLog) {
    const std::vector<std::vector<std::uint64_t>> followers{
        {1, 1, 1, 4, 4, 5, 5, 6, 6},           // (a) one short
        {1, 1, 1, 4},                          // (b) much short
        {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6},     // (c) one too many
        {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7},  // (d) two of a later term
        {1, 1, 1, 4, 4, 4, 4},                 // (e) both
        {1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3},     // (f) two whole terms that nobody else has
    };
    EngineStory story(voters(7));
    story.give_log(kS1, {1, 1, 1, 4, 4, 5, 5, 6, 6, 6}, 7);
    std::uint64_t id = 2;
    for (const auto& terms : followers) story.give_log(ServerId(id++), terms, 7);
    story.isolate(ServerId(5));  // (d) would not vote for it
    story.elect(kS1);
    story.rejoin(ServerId(5));
    for (int i = 0; i < 6; ++i) {
        story.tick(kS1);
        story.settle();
    }
    for (std::uint64_t i = 2; i <= 7; ++i)
        EXPECT_EQ(story.committed_words(ServerId(i)), story.committed_words(kS1)) << i;
    EXPECT_EQ(story.raft(kS1).commit_index(), LogIndex(11));
}

// With this optimization, one AppendEntries RPC will be required for each term with conflicting entries,
// rather than one RPC per entry.
TEST(Thesis, Section3_5_AHintSkipsAWholeTerm) {
    EngineStory story(voters(3));
    story.give_log(kS1, {1, 1, 5, 5, 5, 5, 5, 5, 5, 5}, 5);
    story.give_log(kS3, {1, 1, 5, 5, 5, 5, 5, 5, 5, 5}, 5);
    story.give_log(kS2, {1, 1, 2, 2, 2, 2, 3, 3, 3, 3}, 5);
    story.isolate(kS2);
    story.elect(kS1);
    story.rejoin(kS2);
    story.forget();
    for (int i = 0; i < 6; ++i) {
        story.tick(kS1);
        story.settle();
    }
    EXPECT_EQ(story.raft(kS2).log(), story.raft(kS1).log());
    EXPECT_LE(story.times_noted(kS1, NoteKind::NextBackedOff), 2U);  // eight entries of two terms conflict
}

TEST(Thesis, Section3_5_AHintNamesTheWholeConflictingRun) {
    LoneServer follower(short_timeouts(), voters(3), {1, 1, 2, 2, 2}, HardState{Term(4), kNobody});
    follower.hear(kS2, AppendEntries{Term(4), {LogIndex(5), Term(3)}, 0, {}});
    EXPECT_EQ(
        follower.sent<AppendRefused>(kS2),
        (std::vector<AppendRefused>{{Term(4), {LogIndex(5), Term(3)}, {LogIndex(3), Term(2)}, LogIndex(5)}}));
    LoneServer leader = leader_with({1, 1, 3, 3, 3}, 5);
    leader.hear(kS2, AppendRefused{Term(5), {LogIndex(5), Term(3)}, {LogIndex(3), Term(2)}, LogIndex(5)});
    EXPECT_EQ(leader.sent<AppendEntries>(kS2).at(0).previous, (EntryId{LogIndex(2), Term(1)}));
}

// The follower has term 3 from index 3 on, where this leader has term 2: they cannot agree inside that run.
TEST(Thesis, Section3_5_AHintSkipsAConflictingRunOfALaterTerm) {
    LoneServer leader = leader_with({1, 1, 2, 2, 2, 2, 4}, 5);
    leader.hear(kS2, AppendRefused{Term(5), {LogIndex(7), Term(4)}, {LogIndex(3), Term(3)}, LogIndex(9)});
    EXPECT_EQ(leader.sent<AppendEntries>(kS2).at(0).previous, (EntryId{LogIndex(2), Term(1)}));
}

// Figure 3.7. S1 wrote index 2 in term 2 and reached S2; S5 wrote its own in term 3. S1 leads again in term 4
// and copies its old entry to S3, one entry at a time: a majority has it, and it is not committed, for S5
// still can overwrite it.
TEST(Thesis, Section3_6_2_OnlyEntriesOfTheOwnTermCommitByCounting) {
    Config config = short_timeouts();
    config.append_entries_max = 1;
    EngineStory story(voters(5), config);
    for (const ServerId id : {kS1, kS2}) story.give_log(id, {1, 2}, 3);
    for (const ServerId id : {kS3, kS4}) story.give_log(id, {1}, 3);
    story.give_log(kS5, {1, 3}, 3);
    for (const ServerId id : {kS4, kS5}) story.isolate(id);
    const auto ask = [&](ServerId id) {
        story.deliver(kS1, id);
        story.persist(id);
        story.deliver(id, kS1);
    };
    story.time_out(kS1);
    for (const ServerId id : {kS2, kS3}) ask(id);  // the pre-vote
    story.persist(kS1);
    for (const ServerId id : {kS2, kS3}) ask(id);  // the vote
    ASSERT_EQ(story.raft(kS1).role(), RoleName::Leader);
    ASSERT_EQ(story.raft(kS1).current_term(), Term(4));
    story.persist(kS1);  // the no-op at index 3
    ask(kS2);            // takes it
    ask(kS3);            // has a gap
    ask(kS3);            // takes index 2
    EXPECT_TRUE(story.noted(kS1, NoteKind::CommitHeldOldTerm));
    EXPECT_EQ(story.raft(kS1).commit_index(), LogIndex(0));

    story.cluster().crash(kS1);
    for (const ServerId id : {kS2, kS3, kS4, kS5}) {
        story.lose(kS1, id);
        story.rejoin(id);
    }
    story.end_lease(kS3);
    story.time_out(kS5);
    story.settle();  // S5 learns that term 4 is over
    story.elect(kS5);
    EXPECT_EQ(story.committed_words(kS3), (Words{"-", "2@3", "-"}));
}

// Once an entry from the current term has been committed in this way, then all prior entries are committed
// indirectly.
TEST(Thesis, Section3_6_2_TheNoOpCommitsWhatEarlierTermsLeft) {
    LoneServer leader = leader_with({1, 2, 2}, 4);
    EXPECT_EQ(leader.raft().log().last_entry(), (EntryId{LogIndex(4), Term(4)}));
    leader.persist();
    leader.hear(kS2, AppendAccepted{Term(4), LogIndex(3)});
    EXPECT_TRUE(leader.actions<CommitEntries>().empty());
    leader.hear(kS2, AppendAccepted{Term(4), LogIndex(4)});
    EXPECT_EQ(leader.actions<CommitEntries>(), (std::vector<CommitEntries>{{LogIndex(1), LogIndex(4)}}));
}

// Raft RPCs have the same effect if repeated.
TEST(Thesis, Section3_7_AnAppendThatArrivesTwiceChangesNothingAndIsAnsweredAlike) {
    LoneServer follower(short_timeouts(), voters(3), {1});
    const AppendEntries append{Term(2), {LogIndex(1), Term(1)}, 1, {}};
    follower.hear(kS2, append, commands({2}));
    follower.persist();
    const auto answers = follower.sent<AppendAccepted>(kS2);
    ASSERT_EQ(answers.size(), 1U);
    const LogShape log = follower.raft().log();
    follower.hear(kS2, append, commands({2}));
    EXPECT_EQ(follower.sent<AppendAccepted>(kS2), answers);
    EXPECT_EQ(follower.raft().log(), log);
    EXPECT_TRUE(follower.actions<PersistLog>().empty());
}

TEST(Thesis, Section3_7_AVoteRequestThatArrivesTwiceIsAnsweredAlike) {
    LoneServer voter{short_timeouts()};
    const RequestVote request{Term(2), CampaignKind::Election, {LogIndex(1), Term(1)}};
    voter.hear(kS2, request);
    voter.persist();
    const auto answers = voter.sent<VoteGranted>(kS2);
    ASSERT_EQ(answers.size(), 1U);
    voter.hear(kS2, request);
    EXPECT_EQ(voter.sent<VoteGranted>(kS2), answers);
    EXPECT_TRUE(voter.actions<PersistLog>().empty());
}

TEST(Thesis, Section3_7_AnAnswerThatArrivesTwiceCountsOnce) {
    LoneServer leader = leader_with({1}, 2, voters(5));
    leader.persist();
    leader.hear(kS2, AppendAccepted{Term(2), LogIndex(2)});
    leader.hear(kS2, AppendAccepted{Term(2), LogIndex(2)});
    EXPECT_EQ(leader.raft().commit_index(), LogIndex(0));
    leader.hear(kS3, AppendAccepted{Term(2), LogIndex(2)});
    EXPECT_EQ(leader.raft().commit_index(), LogIndex(2));
}

TEST(Thesis, Section3_7_ACrashedFollowerIsRetriedUntilItIsBack) {
    EngineStory story(voters(3));
    story.elect(kS1);
    story.cluster().crash(kS3);
    for (const char* word : {"a", "b", "c"}) story.propose(kS1, word);
    story.settle();
    story.cluster().restart(kS3);
    story.tick(kS1, 6);
    story.settle();
    EXPECT_EQ(story.committed_words(kS3), (Words{"-", "-", "a", "b", "c"}));
}

TEST(Thesis, Section3_7_ALostAppendIsSentAgain) {
    EngineStory story(voters(3));
    story.elect(kS1);
    story.propose(kS1, "x=1");
    story.lose(kS1, kS3);
    story.deliver(kS1, kS2);
    story.persist(kS1);
    story.persist(kS2);
    story.deliver(kS2, kS1);
    story.lose(kS1, kS3);  // the news of the commit, which S3 would have refused
    story.settle();
    ASSERT_EQ(story.raft(kS3).log().last_index(), LogIndex(2));
    story.tick(kS1, 3);  // the heartbeat's answer shows it
    story.settle();
    EXPECT_TRUE(story.noted(kS1, NoteKind::AppendLostResent));
    EXPECT_EQ(story.committed_words(kS3), (Words{"-", "-", "x=1"}));
}

}  // namespace

}  // namespace quorate::engine::test
