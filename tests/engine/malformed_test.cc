// What no correct server says. It is noted and changes nothing, and it stops nobody.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <gtest/gtest.h>

#include "tests/engine/event_source.h"
#include "tests/support/lone_server.h"

namespace quorate::engine::test {

namespace {

struct Malformed {
    const char* what;
    Message message;
    std::vector<EntryShape> entries{};
    std::vector<MembershipAt> memberships{};
    ServerId from = kS2;
};

void expect_ignored(LoneServer server, const Malformed& one) {
    const Raft before = server.raft();
    server.hear(one.from, one.message, one.entries, one.memberships);
    EXPECT_TRUE(server.output().actions.empty()) << one.what;
    EXPECT_TRUE(server.noted(NoteKind::MessageMalformed)) << one.what;
    EXPECT_EQ(server.raft(), before) << one.what;
}

EntryShape command(std::uint64_t term) { return {Term(term), EntryKind::Command, 1}; }
EntryShape configuration(std::uint64_t term) { return {Term(term), EntryKind::Membership, 0}; }

TEST(Malformed, AFollowerIgnoresWhatNoLeaderWouldSend) {
    LoneServer follower(short_timeouts(), voters(3), {1, 1, 3});
    follower.hear(kS2, Heartbeat{Term(3), Round(1)});
    const EntryId last{LogIndex(3), Term(3)};
    const Membership unsorted{{kS2, kS1}, {}, {}};
    const Malformed cases[] = {
        {"fewer entries than it counts", AppendEntries{Term(3), last, 1, {}}, {}},
        {"more entries than it counts", AppendEntries{Term(3), last, 0, {}}, {command(3)}},
        {"goes on behind a future term", AppendEntries{Term(3), {LogIndex(3), Term(4)}, 0, {}}},
        {"an entry of a future term", AppendEntries{Term(3), last, 1, {}}, {command(4)}},
        {"an entry older than the one before", AppendEntries{Term(3), last, 1, {}}, {command(2)}},
        {"falling terms", AppendEntries{Term(3), {LogIndex(2), Term(1)}, 2, {}}, {command(3), command(2)}},
        {"an entry of no term", AppendEntries{Term(3), {}, 1, {}}, {command(0)}},
        {"a configuration that is missing", AppendEntries{Term(3), last, 1, {}}, {configuration(3)}},
        {"a configuration for a command",
         AppendEntries{Term(3), last, 1, {}},
         {command(3)},
         {{LogIndex(4), voters(3)}}},
        {"a configuration for another entry",
         AppendEntries{Term(3), last, 1, {}},
         {configuration(3)},
         {{LogIndex(5), voters(3)}}},
        {"an ill-formed configuration",
         AppendEntries{Term(3), last, 1, {}},
         {configuration(3)},
         {{LogIndex(4), unsorted}}},
        {"an append of a second leader", AppendEntries{Term(3), last, 0, {}}, {}, {}, kS3},
        {"a heartbeat of a second leader", Heartbeat{Term(3), Round(1)}, {}, {}, kS3},
        {"a snapshot of a second leader",
         InstallSnapshot{Term(3), {LogIndex(9), Term(3)}},
         {},
         {{LogIndex(1), voters(3)}},
         kS3},
        {"a snapshot without a configuration", InstallSnapshot{Term(3), {LogIndex(9), Term(3)}}},
        {"a snapshot with two",
         InstallSnapshot{Term(3), {LogIndex(9), Term(3)}},
         {},
         {{LogIndex(1), voters(3)}, {LogIndex(2), voters(3)}}},
        {"a snapshot of a future term",
         InstallSnapshot{Term(3), {LogIndex(9), Term(4)}},
         {},
         {{LogIndex(1), voters(3)}}},
        {"a snapshot with a later configuration",
         InstallSnapshot{Term(3), {LogIndex(9), Term(3)}},
         {},
         {{LogIndex(10), voters(3)}}},
        {"a snapshot with an ill-formed configuration",
         InstallSnapshot{Term(3), {LogIndex(9), Term(3)}},
         {},
         {{LogIndex(1), unsorted}}},
    };
    for (const Malformed& one : cases) expect_ignored(follower, one);
}

LoneServer leader_of_term_2() {
    LoneServer server(short_timeouts());
    server.time_out();
    server.hear(kS2, VoteGranted{Term(2), CampaignKind::PreVote});
    server.persist();
    server.hear(kS2, VoteGranted{Term(2), CampaignKind::Election});
    EXPECT_EQ(server.raft().role(), RoleName::Leader);
    return server;
}

TEST(Malformed, ALeaderIgnoresWhatNoFollowerWouldAnswer) {
    const LoneServer leader = leader_of_term_2();
    const Malformed cases[] = {
        {"a match beyond its log", AppendAccepted{Term(2), LogIndex(3)}},
        {"an answer to a round that was not sent", HeartbeatReply{Term(2), Round(1), {}, {}, {}}},
        {"a second leader of its term", Heartbeat{Term(2), Round(1)}},
        {"a second leader's entries", AppendEntries{Term(2), {LogIndex(1), Term(1)}, 0, {}}},
    };
    for (const Malformed& one : cases) expect_ignored(leader, one);
}

TEST(Malformed, AnAnswerOfNoMemberCountsForNothing) {
    LoneServer leader = leader_of_term_2();
    const Raft before = leader.raft();
    leader.hear(kS5, AppendAccepted{Term(2), LogIndex(2)});
    leader.hear(kS5, AppendRefused{Term(2), {LogIndex(1), Term(1)}, {}, {}});
    leader.hear(kS5, HeartbeatReply{Term(2), Round(0), {}, {}, {}});
    EXPECT_EQ(leader.raft(), before);
}

TEST(Malformed, CommittedEntriesAreNotReplacedWhateverALeaderSays) {
    LoneServer follower(short_timeouts(), voters(3), {1, 1, 1});
    follower.hear(kS2, AppendEntries{Term(2), {LogIndex(3), Term(1)}, 0, LogIndex(3)});
    ASSERT_EQ(follower.raft().commit_index(), LogIndex(3));
    follower.persist();

    follower.hear(kS2, AppendEntries{Term(2), {LogIndex(1), Term(1)}, 1, LogIndex(3)}, commands({2}));
    EXPECT_TRUE(follower.noted(NoteKind::AppendConflictsWithCommitted));
    EXPECT_TRUE(follower.output().actions.empty());
    follower.hear(kS2, AppendEntries{Term(2), {LogIndex(3), Term(2)}, 0, LogIndex(3)});
    EXPECT_TRUE(follower.noted(NoteKind::AppendConflictsWithCommitted));
    EXPECT_EQ(follower.raft().log().last_entry(), (EntryId{LogIndex(3), Term(1)}));
}

// Leader Append-Only, thesis Fig. 3.2: what a leader has sent it never changes, so one that does is broken.
TEST(Malformed, ALeaderThatContradictsItselfIsNotBelieved) {
    LoneServer follower(short_timeouts(), voters(3), {1});
    follower.hear(kS2, AppendEntries{Term(3), {LogIndex(1), Term(1)}, 2, {}}, commands({3, 3}));
    const Malformed cases[] = {
        {"another entry", AppendEntries{Term(3), {LogIndex(1), Term(1)}, 1, {}}, commands({2})},
        {"another entry before", AppendEntries{Term(3), {LogIndex(2), Term(2)}, 1, {}}, commands({3})},
        {"a snapshot with another entry",
         InstallSnapshot{Term(3), {LogIndex(2), Term(2)}},
         {},
         {{LogIndex(1), voters(3)}}},
    };
    for (const Malformed& one : cases) {
        follower.hear(kS2, one.message, one.entries, one.memberships);
        EXPECT_TRUE(follower.noted(NoteKind::MessageMalformed)) << one.what;
        EXPECT_TRUE(follower.output().actions.empty()) << one.what;
        EXPECT_EQ(follower.raft().log().last_entry(), (EntryId{LogIndex(3), Term(3)})) << one.what;
        EXPECT_EQ(follower.raft().log().term_at(LogIndex(2)), Term(3)) << one.what;
    }
}

// Prints each seed, so that the last line of a server that was stopped tells which one did it.
void hear_anything() {
    for (std::uint64_t seed = 1; seed <= 400; ++seed) {
        std::fprintf(stderr, "seed %llu\n", static_cast<unsigned long long>(seed));
        LoneServer server(short_timeouts(), voters(1 + seed % 4), {1, 1, 2});
        EventSource events(seed);
        for (int i = 0; i < 400; ++i) {
            server.step(events.next(server.raft()));
            events.saw(server.output());
        }
    }
    std::exit(0);
}

TEST(MalformedDeathTest, NothingThatPeersSayStopsAServer) {
    EXPECT_EXIT(hear_anything(), testing::ExitedWithCode(0), "");
}

}  // namespace

}  // namespace quorate::engine::test
