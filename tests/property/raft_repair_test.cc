// What a cluster must get over: each of these histories once kept one from working, for minutes or for good.

#include <algorithm>

#include <gtest/gtest.h>

#include "tests/support/engine_cluster.h"

namespace quorate::engine::test {
namespace {

using scenario::EngineCluster;

/// Servers 1..size, whose messages arrive and whose writes end at every tick.
class World {
 public:
    explicit World(std::uint64_t size, std::uint64_t seed = 1)
        : size_(size), cluster_(members(size), config(seed), [this](const auto&, const Output& output) {
              notes_.insert(notes_.end(), output.notes.begin(), output.notes.end());
          }) {}

    void run(int ticks) {
        for (int i = 0; i < ticks; ++i) {
            for (const ServerId id : up()) cluster_.step(id, TickElapsed{});
            settle();
        }
    }
    void propose(ServerId leader) {
        cluster_.propose(leader, {"x"}, 0);
        settle();
    }
    void hear(ServerId to, ServerId from, const Message& message) {
        cluster_.step(to, MessageReceived{from, message});
        settle();
    }
    void cut(ServerId from, ServerId to) { cut_.emplace_back(from, to); }

    [[nodiscard]] EngineCluster& cluster() { return cluster_; }
    [[nodiscard]] const Raft& raft(ServerId id) const { return *cluster_.find(id)->raft; }
    /// Of the highest term; nobody when none leads.
    [[nodiscard]] ServerId leader() const {
        ServerId best{};
        for (const ServerId id : up()) {
            if (raft(id).role() == RoleName::Leader &&
                (best == kNobody || raft(id).current_term() > raft(best).current_term()))
                best = id;
        }
        return best;
    }
    [[nodiscard]] LogIndex committed() const {
        LogIndex most;
        for (const ServerId id : up()) most = std::max(most, raft(id).commit_index());
        return most;
    }
    [[nodiscard]] std::ptrdiff_t count(NoteKind kind) const {
        return std::ranges::count(notes_, kind, &Note::kind);
    }
    /// The server after `id`, in a circle.
    [[nodiscard]] ServerId after(ServerId id) const { return ServerId(id.value % size_ + 1); }

 private:
    static Membership members(std::uint64_t size) {
        Membership membership;
        for (std::uint64_t id = 1; id <= size; ++id) membership.voters.emplace_back(id);
        return membership;
    }
    static Config config(std::uint64_t seed) {
        Config config;
        config.seed = seed;
        return config;
    }
    [[nodiscard]] std::vector<ServerId> up() const {
        std::vector<ServerId> ids;
        for (const auto& [id, server] : cluster_.servers()) {
            if (server.raft) ids.push_back(id);
        }
        return ids;
    }
    void settle() {
        while (!cluster_.is_quiet()) {
            for (const ServerId id : up()) {
                while (!cluster_.find(id)->writes.empty()) cluster_.persist(id, 1);
            }
            for (const EngineCluster::Link& link : cluster_.busy_links()) {
                if (std::ranges::find(cut_, link) != cut_.end())
                    cluster_.drop(link);
                else
                    cluster_.deliver(link);
            }
        }
    }

    std::uint64_t size_;
    std::vector<EngineCluster::Link> cut_;
    std::vector<Note> notes_;
    EngineCluster cluster_;
};

// Its directory lost, a follower starts again with what a bootstrap writes.
void lose_directory(World& world, ServerId id) {
    const auto bootstrap = world.cluster().find(id)->disk.log.entries.front();
    world.cluster().crash(id);
    world.cluster().reset(id, {Term(1), kNobody}, {bootstrap});
}

TEST(RaftRepair, AFollowerWithoutItsDirectoryCatchesUpUnderTheSameLeader) {
    for (const bool breaks_link : {true, false}) {
        for (const int proposals_after : {0, 1, 5}) {
            SCOPED_TRACE(testing::Message() << breaks_link << ' ' << proposals_after);
            World world(3);
            world.run(500);
            const ServerId leader = world.leader();
            const ServerId follower = world.after(leader);
            for (int i = 0; i < 20; ++i) world.propose(leader);
            world.run(50);
            const Term term = world.raft(leader).current_term();
            lose_directory(world, follower);
            if (breaks_link) world.cluster().step(leader, PeerUnreachable{follower});
            for (int i = 0; i < proposals_after; ++i) world.propose(leader);
            world.run(200);
            EXPECT_EQ(world.leader(), leader);
            EXPECT_EQ(world.raft(leader).current_term(), term);
            EXPECT_EQ(world.raft(follower).durable_index(), world.raft(leader).log().last_index());
            EXPECT_EQ(world.raft(follower).commit_index(), world.raft(leader).commit_index());
            EXPECT_EQ(world.count(NoteKind::FollowerLostEntries), 1);
        }
    }
}

// Nothing but a shorter log than before, as from an older copy of the directory.
TEST(RaftRepair, AFollowerWithAnOlderDirectoryCatchesUpUnderTheSameLeader) {
    World world(3);
    world.run(500);
    const ServerId leader = world.leader();
    const ServerId follower = world.after(leader);
    for (int i = 0; i < 10; ++i) world.propose(leader);
    world.run(50);
    const auto old = world.cluster().find(follower)->disk;
    for (int i = 0; i < 10; ++i) world.propose(leader);
    world.run(50);
    world.cluster().crash(follower);
    world.cluster().reset(follower, old.hard_state, old.log.entries);
    world.cluster().step(leader, PeerUnreachable{follower});
    world.run(200);
    EXPECT_EQ(world.raft(follower).commit_index(), world.raft(leader).commit_index());
    EXPECT_EQ(world.leader(), leader);
}

TEST(RaftRepair, ARefusalThatComesTooLateLosesNothing) {
    World world(3);
    world.run(500);
    const ServerId leader = world.leader();
    const ServerId follower = world.after(leader);
    for (int i = 0; i < 3; ++i) world.propose(leader);
    const Raft& raft = world.raft(leader);
    const EntryId last = raft.log().last_entry();
    const AppendRefused late{raft.current_term(), last, {LogIndex(1), Term(1)}, LogIndex(1)};
    world.hear(leader, follower, late);
    world.cluster().step(leader, PeerUnreachable{follower});
    world.hear(leader, follower, late);
    EXPECT_EQ(raft.commit_index(), last.index);
    world.run(50);
    for (const Progress& progress : raft.as_leader()->progress) EXPECT_EQ(progress.match_index, last.index);
}

// Of five servers two are down, and the link from the leader to one of the others works in one direction
// only. The leader hears that server's pre-votes and reaches one server: it must make way for the one that
// reaches two.
TEST(RaftRepair, ALeaderWhoseWordsReachNoQuorumMakesWay) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        World world(5, seed);
        world.run(500);
        const ServerId leader = world.leader();
        const ServerId deaf = world.after(leader);
        const ServerId good = world.after(deaf);
        world.cluster().crash(world.after(good));
        world.cluster().crash(world.after(world.after(good)));
        world.cut(leader, deaf);
        const LogIndex before = world.committed();
        int ticks = 0;
        for (; ticks < 20000 && world.committed() == before; ++ticks) {
            world.run(1);
            if (ticks % 100 == 0 && world.leader() != kNobody) world.propose(world.leader());
        }
        EXPECT_LE(ticks, 500) << "seed " << seed;
        RecordProperty("ticks" + std::to_string(seed), ticks);
    }
}

}  // namespace
}  // namespace quorate::engine::test
