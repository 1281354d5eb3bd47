// Where snapshots meet the log: thesis §5.1 and §5.3.

#include <gtest/gtest.h>

#include "tests/support/engine_story.h"

namespace quorate::engine::test {

namespace {

using Words = std::vector<std::string>;

LoneServer follower_of_s2() {
    LoneServer follower(short_timeouts(), voters(3), {1, 1, 1, 2}, HardState{Term(3), kNobody});
    follower.hear(kS2, Heartbeat{Term(3), Round(1)});
    return follower;
}

const MembershipAt kThree{LogIndex(1), voters(3)};

// Once a server completes writing a snapshot, it may delete all log entries up through the last included
// index.
TEST(Thesis, Section5_1_ASnapshotReplacesTheEntriesThatItCovers) {
    EngineStory story(voters(3));
    story.elect(kS1);
    for (const char* word : {"a", "b", "c"}) story.propose(kS1, word);
    story.settle();
    story.cluster().take_snapshot(kS1, LogIndex(4), LogIndex(4));
    EXPECT_TRUE(story.noted(kS1, NoteKind::LogCompacted));
    EXPECT_EQ(story.raft(kS1).log().base(), (EntryId{LogIndex(4), Term(2)}));
    EXPECT_EQ(story.raft(kS1).membership(), voters(3));  // the configuration stays known
    story.propose(kS1, "d");
    story.settle();
    EXPECT_EQ(story.committed_words(kS2), (Words{"-", "-", "a", "b", "c", "d"}));
}

// A restart begins at the snapshot: what it covers is committed.
TEST(Thesis, Section5_1_ARestartedServerGoesOnBehindItsSnapshot) {
    EngineStory story(voters(3));
    story.elect(kS1);
    story.propose(kS1, "a");
    story.propose(kS1, "b");
    story.settle();
    story.cluster().take_snapshot(kS1, LogIndex(3), LogIndex(3));
    story.cluster().crash(kS1);
    story.cluster().restart(kS1);
    EXPECT_EQ(story.raft(kS1).commit_index(), LogIndex(3));
    EXPECT_EQ(story.raft(kS1).log().last_index(), LogIndex(4));
    EXPECT_EQ(story.raft(kS1).membership(), voters(3));
}

// The leader must occasionally send snapshots to followers that lag behind.
TEST(Thesis, Section5_3_AFollowerThatNeedsForgottenEntriesGetsASnapshot) {
    EngineStory story(voters(3));
    story.elect(kS1);
    story.isolate(kS3);
    for (const char* word : {"a", "b", "c"}) story.propose(kS1, word);
    story.settle();
    story.cluster().take_snapshot(kS1, LogIndex(4), LogIndex(4));
    story.rejoin(kS3);
    story.tick(kS1, 6);
    story.settle();
    EXPECT_EQ(story.actions<SendSnapshot>(kS1), (std::vector<SendSnapshot>{{kS3, Term(2)}}));
    ASSERT_TRUE(story.cluster().install_snapshot({kS1, kS3}));
    story.settle();
    EXPECT_TRUE(story.noted(kS3, NoteKind::SnapshotAccepted));
    EXPECT_EQ(story.raft(kS3).commit_index(), LogIndex(5));
    EXPECT_EQ(story.committed_words(kS3), (Words{"c"}));  // the rest came as entries
}

// If it contains entries that are not in the log, the follower discards its entire log.
TEST(Thesis, Section5_3_ASnapshotThatTheLogDoesNotReachReplacesAllOfIt) {
    LoneServer follower = follower_of_s2();
    follower.hear(kS2, InstallSnapshot{Term(3), {LogIndex(9), Term(3)}}, {}, {&kThree, 1});
    EXPECT_EQ(follower.actions<InstallReceivedSnapshot>(),
              (std::vector<InstallReceivedSnapshot>{{{LogIndex(9), Term(3)}, LogAfterInstall::DiscardAll}}));
    EXPECT_EQ(follower.raft().log(), LogShape({LogIndex(9), Term(3)}));
    EXPECT_EQ(follower.raft().commit_index(), LogIndex(9));
}

TEST(Thesis, Section5_3_ASnapshotThatContradictsTheLogReplacesAllOfIt) {
    LoneServer follower = follower_of_s2();
    follower.hear(kS2, InstallSnapshot{Term(3), {LogIndex(3), Term(2)}}, {}, {&kThree, 1});
    EXPECT_EQ(follower.raft().log(), LogShape({LogIndex(3), Term(2)}));
}

// If the follower receives a snapshot that describes a prefix of its log, then entries following the
// snapshot are still valid and must be retained.
TEST(Thesis, Section5_3_WhatFollowsASnapshotInTheLogStays) {
    LoneServer follower = follower_of_s2();
    follower.hear(kS2, InstallSnapshot{Term(3), {LogIndex(3), Term(1)}}, {}, {&kThree, 1});
    EXPECT_EQ(follower.actions<InstallReceivedSnapshot>(),
              (std::vector<InstallReceivedSnapshot>{{{LogIndex(3), Term(1)}, LogAfterInstall::KeepSuffix}}));
    EXPECT_EQ(follower.raft().log().base(), (EntryId{LogIndex(3), Term(1)}));
    EXPECT_EQ(follower.raft().log().last_entry(), (EntryId{LogIndex(4), Term(2)}));
}

TEST(Thesis, Section5_3_AnOlderSnapshotUndoesNothing) {
    LoneServer follower = follower_of_s2();
    follower.hear(kS2, AppendEntries{Term(3), {LogIndex(4), Term(2)}, 0, LogIndex(4)});
    ASSERT_EQ(follower.raft().commit_index(), LogIndex(4));
    follower.hear(kS2, InstallSnapshot{Term(3), {LogIndex(3), Term(1)}}, {}, {&kThree, 1});
    EXPECT_TRUE(follower.noted(NoteKind::SnapshotIgnoredOlder));
    EXPECT_TRUE(follower.actions<InstallReceivedSnapshot>().empty());
    EXPECT_EQ(follower.raft().log().last_index(), LogIndex(4));
    EXPECT_EQ(follower.raft().commit_index(), LogIndex(4));
}

TEST(Thesis, Section5_3_ASnapshotBringsItsConfiguration) {
    LoneServer follower = follower_of_s2();
    const MembershipAt five{LogIndex(7), voters(5)};
    follower.hear(kS2, InstallSnapshot{Term(3), {LogIndex(9), Term(3)}}, {}, {&five, 1});
    EXPECT_EQ(follower.raft().membership(), voters(5));
    EXPECT_EQ(follower.raft().membership_index(), LogIndex(7));
}

TEST(Thesis, Section5_3_ASnapshotThatDidNotArriveIsTriedAgain) {
    EngineStory story(voters(3));
    story.elect(kS1);
    story.isolate(kS3);
    for (const char* word : {"a", "b", "c"}) story.propose(kS1, word);
    story.settle();
    story.cluster().take_snapshot(kS1, LogIndex(4), LogIndex(4));
    story.rejoin(kS3);
    story.tick(kS1, 6);
    story.settle();
    story.cluster().step(kS1, SnapshotSendFailed{kS3});
    story.tick(kS1, 3);
    story.settle();
    EXPECT_EQ(story.actions<SendSnapshot>(kS1).size(), 2U);
}

}  // namespace

}  // namespace quorate::engine::test
