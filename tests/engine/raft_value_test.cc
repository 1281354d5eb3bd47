// An engine is a regular value: copies are independent, equal ones behave alike for ever, and nothing but its
// events decides what it does.

#include <algorithm>
#include <concepts>
#include <cstdint>

#include <gtest/gtest.h>

#include "tests/engine/event_source.h"
#include "tests/support/lone_server.h"

namespace quorate::engine::test {

namespace {

static_assert(std::copyable<Raft> && std::equality_comparable<Raft>);

void expect_equal(const LoneServer& a, const LoneServer& b) {
    ASSERT_EQ(a.raft(), b.raft());
    ASSERT_EQ(a.raft().digest(), b.raft().digest());
    ASSERT_EQ(a.output().actions, b.output().actions);
    ASSERT_EQ(a.output().notes, b.output().notes);
}

TEST(RaftValue, ACopyIsEqualAndGoesItsOwnWay) {
    LoneServer original{short_timeouts()};
    const LoneServer copy = original;
    EXPECT_EQ(copy.raft(), original.raft());
    original.step(TickElapsed{});
    EXPECT_NE(copy.raft(), original.raft());
    const LoneServer again = original;
    original = copy;
    EXPECT_EQ(original.raft(), copy.raft());
    EXPECT_NE(original.raft(), again.raft());
}

TEST(RaftValue, ServersOfDifferentSeedsAreDifferent) {
    Config config = short_timeouts();
    const LoneServer one(config);
    config.seed = 2;
    EXPECT_NE(LoneServer(config).raft(), one.raft());
}

TEST(RaftValue, TheSameEventsGiveTheSameStatesAndOutputs) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        LoneServer one(short_timeouts(), voters(1 + seed % 4));
        LoneServer other = one;
        EventSource events(seed);
        for (int i = 0; i < 300; ++i) {
            const Event event = events.next(one.raft());
            one.step(event);
            other.step(event);
            events.saw(one.output());
            expect_equal(one, other);
            if (i % 50 == 0) other = one;  // a copy made later is as good
        }
    }
}

TEST(RaftValue, AnOutputIsAddedTo) {
    LoneServer server{short_timeouts()};
    Raft raft = server.raft();
    Output output;
    raft.step(MessageReceived{kS2, Heartbeat{Term(2), Round(1)}}, output);
    const Output first = output;
    ASSERT_FALSE(first.actions.empty());
    raft.step(MessageReceived{kS2, Heartbeat{Term(2), Round(2)}}, output);
    ASSERT_GT(output.actions.size(), first.actions.size());
    EXPECT_TRUE(std::equal(first.actions.begin(), first.actions.end(), output.actions.begin()));
    output.clear();
    EXPECT_TRUE(output.actions.empty() && output.notes.empty());
}

TEST(RaftValueDeathTest, TheCallerKeepsItsSideOfTheContract) {
    LoneServer server{short_timeouts()};
    EXPECT_DEATH(server.hear(kS1, StaleTerm{Term(1)}), "received.from != config_.self");
    EXPECT_DEATH(server.step(PersistCompleted{PersistTicket(1)}), "ticket <= last_ticket_");
    EXPECT_DEATH(server.step(SnapshotCompleted{{LogIndex(1), Term(1)}, {}}), "commit_index_");
}

}  // namespace

}  // namespace quorate::engine::test
