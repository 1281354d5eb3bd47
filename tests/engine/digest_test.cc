// digest() tells different states apart, and is the same number on every platform.

#include "engine/digest.h"

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "tests/engine/event_source.h"
#include "tests/support/lone_server.h"

namespace quorate::engine::test {

namespace {

TEST(Digest, OrderMattersAndNumbersDo) {
    EXPECT_EQ(Digest().add(1).add(2).value(), Digest().add(1).add(2).value());
    EXPECT_NE(Digest().add(1).add(2).value(), Digest().add(2).add(1).value());
    EXPECT_NE(Digest().add(0).value(), Digest().value());
    EXPECT_NE(Digest().add(1).value(), Digest().add(1ULL << 63U).value());
}

// These change only with the layout of the state, or with what the engine does: recorded traces do then, too.
TEST(RaftDigest, ItIsTheSameEverywhere) {
    EXPECT_EQ(LoneServer(short_timeouts()).raft().digest(), 10792758158751956248U);
    Digest run;
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        LoneServer server(short_timeouts(), voters(1 + seed % 4), {1, 1, 2});
        EventSource events(seed);
        for (int i = 0; i < 300; ++i) {
            server.step(events.next(server.raft()));
            events.saw(server.output());
            run.add(server.raft().digest());
        }
    }
    EXPECT_EQ(run.value(), 10808035163433428156U);
}

TEST(RaftDigest, EachNumberOfTheConfigChangesIt) {
    const std::function<void(Config&)> changes[] = {
        [](Config&) {},
        [](Config& c) { c.self = kS2; },
        [](Config& c) { c.seed += 1; },
        [](Config& c) { c.election_timeout_ticks_min += 1; },
        [](Config& c) { c.election_timeout_ticks_max += 1; },
        [](Config& c) { c.heartbeat_ticks += 1; },
        [](Config& c) { c.append_entries_max += 1; },
        [](Config& c) { c.append_bytes_max += 1; },
        [](Config& c) { c.inflight_appends_max += 1; },
        [](Config& c) { c.inflight_bytes_max += 1; },
        [](Config& c) { c.catch_up_bytes_per_tick_max += 1; },
        [](Config& c) { c.uncommitted_bytes_max += 1; },
        [](Config& c) { c.persist_stall_ticks_max += 1; },
        [](Config& c) { c.pending_reads_max += 1; },
    };
    std::set<std::uint64_t> digests;
    for (const auto& change : changes) {
        Config config = short_timeouts();
        change(config);
        digests.insert(LoneServer(config).raft().digest());
    }
    EXPECT_EQ(digests.size(), std::size(changes));
}

TEST(RaftDigest, EachPartOfWhatWasOnDiskChangesIt) {
    const Config config = short_timeouts();
    const Membership three = voters(3);
    const Membership learner{three.voters, {}, {kS4}};
    const Membership joint{three.voters, {kS4}, {}};
    const LoneServer servers[] = {
        LoneServer(config),
        LoneServer(config, voters(4)),
        LoneServer(config, learner),
        LoneServer(config, joint),
        LoneServer(config, three, {1, 1}),
        LoneServer(config, three, {1}, HardState{Term(2), kNobody}),
        LoneServer(config, three, {1}, HardState{Term(2), kS1}),
        LoneServer(config, three, {1}, HardState{Term(2), kS2}),
        LoneServer(config, three, {2}),
    };
    std::set<std::uint64_t> digests;
    for (const LoneServer& server : servers) digests.insert(server.raft().digest());
    EXPECT_EQ(digests.size(), std::size(servers));
}

using Move = std::function<void(LoneServer&)>;

/// Every state that is reached from `start` by up to `depth` of these moves. Short histories that differ in
/// one move, or only in their order, end in states that differ in a single field.
void explore(const LoneServer& start, const std::vector<Move>& moves, int depth,
             std::vector<LoneServer>& found) {
    found.push_back(start);
    if (depth == 0) return;
    for (const Move& move : moves) {
        LoneServer next = start;
        move(next);
        explore(next, moves, depth - 1, found);
    }
}

void expect_digests_tell_states_apart(const LoneServer& start, const std::vector<Move>& moves, int depth) {
    std::vector<LoneServer> found;
    explore(start, moves, depth, found);
    std::map<std::uint64_t, const Raft*> by_digest;
    std::size_t collisions = 0;
    for (const LoneServer& server : found) {
        const auto [known, is_new] = by_digest.try_emplace(server.raft().digest(), &server.raft());
        if (!is_new && *known->second != server.raft()) ++collisions;
    }
    EXPECT_EQ(collisions, 0U) << "of " << found.size() << " states";
    EXPECT_GT(by_digest.size(), 100U);
}

Move hears(ServerId from, const Message& message) {
    return [=](LoneServer& server) { server.hear(from, message); };
}
Move told(const Event& event) {
    return [=](LoneServer& server) { server.step(event); };
}
Move proposes(std::uint32_t bytes) {
    return [=](LoneServer& server) {
        const ProposedEntry entry{EntryKind::Command, bytes};
        server.step(EntriesProposed{{&entry, 1}});
    };
}
Move persists() {
    return [](LoneServer& server) { server.persist(); };
}

TEST(RaftDigest, StatesOfALeaderAreToldApart) {
    Config config = short_timeouts();
    config.inflight_appends_max = 2;
    LoneServer leader(config, voters(3), {1, 1});
    leader.time_out();
    leader.hear(kS2, VoteGranted{Term(2), CampaignKind::PreVote});
    leader.persist();
    leader.hear(kS3, VoteGranted{Term(2), CampaignKind::Election});
    ASSERT_EQ(leader.raft().role(), RoleName::Leader);
    std::vector<Move> moves{
        told(TickElapsed{}),
        persists(),
        proposes(1),
        proposes(2),
        told(ReadRequested{RequestId(1)}),
        told(ReadRequested{RequestId(2)}),
        hears(kS2, ReadIndexRequest{Term(2), RequestId(1)}),
        told(TransferRequested{RequestId(1), kS2}),
        told(TransferRequested{RequestId(2), kS2}),
        told(TransferRequested{RequestId(1), kS3}),
        told(PeerUnreachable{kS2}),
        hears(kS2, AppendAccepted{Term(2), LogIndex(1)}),
        hears(kS2, AppendAccepted{Term(2), LogIndex(2)}),
        hears(kS2, AppendAccepted{Term(2), LogIndex(3)}),
        hears(kS2, AppendRefused{Term(2), {LogIndex(2), Term(1)}, {LogIndex(1), Term(1)}, LogIndex(1)}),
        hears(kS2, HeartbeatReply{Term(2), Round(0), {}, {}, {}}),
        hears(kS2, HeartbeatReply{Term(2), Round(1), LogIndex(3), LogIndex(3), LogIndex(1)}),
        hears(kS2, HeartbeatReply{Term(2), Round(1), LogIndex(3), LogIndex(3), LogIndex(3)}),
    };
    expect_digests_tell_states_apart(leader, moves, 3);

    // Reads need a commit first, snapshots a log that has forgotten something.
    leader.persist();
    leader.hear(kS2, AppendAccepted{Term(2), LogIndex(3)});
    ASSERT_EQ(leader.raft().commit_index(), LogIndex(3));
    expect_digests_tell_states_apart(leader, moves, 3);
    moves.push_back(told(SnapshotCompleted{{LogIndex(3), Term(2)}, LogIndex(2)}));
    moves.push_back(told(SnapshotCompleted{{LogIndex(3), Term(2)}, LogIndex(3)}));
    moves.push_back(hears(kS3, AppendRefused{Term(2), {LogIndex(2), Term(1)}, {}, {}}));
    expect_digests_tell_states_apart(leader, moves, 3);
}

TEST(RaftDigest, StatesOfAFollowerAndACandidateAreToldApart) {
    const LoneServer server(short_timeouts(), voters(5), {1, 1, 2});
    const auto appends = [](std::uint64_t previous, std::uint32_t bytes) -> Move {
        return [=](LoneServer& follower) {
            const EntryShape entry{Term(3), EntryKind::Command, bytes};
            follower.hear(
                kS2,
                AppendEntries{Term(3), {LogIndex(previous), Term(previous == 3 ? 2 : 1)}, 1, LogIndex(2)},
                {&entry, 1});
        };
    };
    const std::vector<Move> moves{
        told(TickElapsed{}),
        [](LoneServer& s) {
            if (s.raft().role() != RoleName::Leader) s.time_out();
        },
        persists(),
        hears(kS2, Heartbeat{Term(3), Round(1)}),
        hears(kS3, Heartbeat{Term(3), Round(1)}),
        hears(kS2, AppendEntries{Term(3), {LogIndex(2), Term(1)}, 0, {}}),
        hears(kS2, AppendEntries{Term(3), {LogIndex(2), Term(1)}, 0, LogIndex(1)}),
        hears(kS2, AppendEntries{Term(3), {LogIndex(3), Term(2)}, 0, {}}),
        appends(2, 1),
        appends(3, 1),
        appends(3, 2),
        hears(kS2, RequestVote{Term(3), CampaignKind::Election, {LogIndex(3), Term(2)}}),
        hears(kS3, RequestVote{Term(3), CampaignKind::Election, {LogIndex(3), Term(2)}}),
        hears(kS2, VoteGranted{Term(3), CampaignKind::PreVote}),
        hears(kS3, VoteGranted{Term(3), CampaignKind::PreVote}),
        hears(kS2, VoteRefused{Term(2), CampaignKind::PreVote, Term(3)}),
        hears(kS2, VoteRefused{Term(3), CampaignKind::Election, Term(3)}),
        hears(kS2, TimeoutNow{Term(2)}),
        hears(kS2, TimeoutNow{Term(3)}),
    };
    expect_digests_tell_states_apart(server, moves, 4);
}

}  // namespace

}  // namespace quorate::engine::test
