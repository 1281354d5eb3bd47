// What the engine costs: entries from their proposal to their commit on three servers, and single steps.
//
//   build/release/bin/engine_bench --benchmark_min_time=1

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include <benchmark/benchmark.h>

#include "engine/check.h"
#include "engine/raft.h"
#include "tests/support/allocations.h"

namespace quorate::engine {
namespace {

using test::allocations;

constexpr std::uint32_t kEntryBytes = 256;
constexpr std::size_t kBatch = 64;
constexpr Term kTerm(2);
constexpr std::uint64_t kLogEntriesMax = std::uint64_t{1} << 18;  // 64 MiB of entries

// As many as one append may carry.
const auto kCommands = [] {
    std::array<EntryShape, Config{}.append_entries_max> shapes;
    shapes.fill({kTerm, EntryKind::Command, kEntryBytes});
    return shapes;
}();
const auto kProposals = [] {
    std::array<ProposedEntry, kBatch> proposals;
    proposals.fill({EntryKind::Command, kEntryBytes});
    return proposals;
}();
constexpr EntryShape kNoOp{kTerm, EntryKind::NoOp, 0};

/// One of the servers 1, 2 and 3, whose logs begin with their membership.
class Server {
 public:
    explicit Server(ServerId id) : raft_(made(id)) {}

    [[nodiscard]] const Raft& raft() const { return raft_; }

    template <class Send>
    void step(const Event& event, Send send) {
        output_.clear();
        raft_.step(event, output_);
        for (const Action& action : output_.actions) {
            if (const auto* message = std::get_if<SendMessage>(&action)) send(*message);
            if (const auto* persist = std::get_if<PersistLog>(&action)) persisting_ = persist->ticket;
        }
    }
    void step(const Event& event) {
        step(event, [](const SendMessage&) {});
    }
    void propose(std::size_t entries, auto send) {
        step(EntriesProposed{std::span(kProposals).first(entries)}, send);
    }
    /// One completion for all that was given to the disk. False: it was nothing.
    bool persist(auto send) {
        const PersistTicket ticket = std::exchange(persisting_, {});
        if (ticket == PersistTicket{}) return false;
        step(PersistCompleted{ticket}, send);
        return true;
    }
    /// As after a snapshot, once the log has grown long. From the first time on no vector grows any more.
    void compact() {
        if (raft_.log().last_index().past(raft_.log().base().index) < kLogEntriesMax) return;
        const LogIndex last = std::min(raft_.commit_index(), raft_.durable_index());
        step(SnapshotCompleted{{last, raft_.log().term_at(last)}, last});
    }
    [[nodiscard]] bool has_compacted() const { return raft_.log().base().index > LogIndex{}; }

 private:
    static Raft made(ServerId id) {
        const EntryShape first{Term(1), EntryKind::Membership, 0};
        const MembershipAt members{LogIndex(1), {{ServerId(1), ServerId(2), ServerId(3)}, {}, {}}};
        return {{.self = id, .seed = id.value},
                {.hard_state = {Term(1), kNobody},
                 .snapshot = {},
                 .snapshot_membership = {},
                 .entries = {&first, 1},
                 .memberships = {&members, 1}}};
    }

    Raft raft_;
    Output output_;
    PersistTicket persisting_;  ///< the last one that is not durable
};

// The entries that an append names.
std::span<const EntryShape> entries_of(const Message& message) {
    const auto* append = std::get_if<AppendEntries>(&message);
    if (append == nullptr) return {};
    if (append->previous.index == LogIndex(1)) return {&kNoOp, append->entry_count};
    return std::span(kCommands).first(append->entry_count);
}

/// Under way, as the event that it will be: it is copied once.
struct Packet {
    Packet(ServerId from, const SendMessage& sent)
        : to(sent.to),
          arrival(std::in_place_type<MessageReceived>, from, sent.message, entries_of(sent.message)) {}

    ServerId to;
    Event arrival;
};

struct Sender {
    std::vector<Packet>* network;
    ServerId from;
    void operator()(const SendMessage& message) const { network->emplace_back(from, message); }
};

/// Drives servers as server::Node does: each action is performed at once, and what a turn has given to the
/// disk is durable at its end.
class Cluster {
 public:
    Cluster() {
        while (leader().raft().role() != RoleName::Leader) {
            leader().step(TickElapsed{}, sender(ServerId(1)));
            run();
        }
        ENGINE_CHECK(leader().raft().current_term() == kTerm);
        while (!leader().has_compacted()) {
            propose(kBatch);
            run();
        }
        steps_ = 0;
    }

    [[nodiscard]] Server& leader() { return servers_[0]; }
    [[nodiscard]] std::uint64_t steps() const { return steps_; }

    void propose(std::size_t entries) {
        ++steps_;
        leader().propose(entries, sender(ServerId(1)));
    }

    /// Until nothing is under way: then all is committed everywhere.
    void run() {
        for (bool is_quiet = false; !is_quiet;) {
            std::swap(sent_, arriving_);
            for (const Packet& packet : arriving_)
                servers_[packet.to.value - 1].step(packet.arrival, sender(packet.to));
            steps_ += arriving_.size();
            is_quiet = arriving_.empty();
            arriving_.clear();
            for (std::size_t i = 0; i < servers_.size(); ++i) {
                if (!servers_[i].persist(sender(ServerId(i + 1)))) continue;
                ++steps_;
                is_quiet = false;
            }
        }
        for (Server& server : servers_) {
            ENGINE_CHECK(server.raft().commit_index() == leader().raft().commit_index());
            server.compact();
        }
    }

 private:
    Sender sender(ServerId from) { return {&sent_, from}; }

    std::array<Server, 3> servers_{Server(ServerId(1)), Server(ServerId(2)), Server(ServerId(3))};
    std::vector<Packet> sent_;
    std::vector<Packet> arriving_;
    std::uint64_t steps_ = 0;
};

// So many entries in each proposal, and so many proposals before anything else happens.
void proposal_to_commit(benchmark::State& state) {
    const auto entries = static_cast<std::size_t>(state.range(0));
    const std::int64_t proposals = state.range(1);
    Cluster cluster;
    const LogIndex before = cluster.leader().raft().commit_index();
    const std::size_t allocations_before = allocations();
    for (auto _ : state) {
        for (std::int64_t i = 0; i < proposals; ++i) cluster.propose(entries);
        cluster.run();
    }
    const auto committed = static_cast<std::int64_t>(cluster.leader().raft().commit_index().past(before));
    ENGINE_CHECK(committed == state.iterations() * proposals * state.range(0));
    state.SetItemsProcessed(committed);
    const auto steps = static_cast<double>(cluster.steps());
    state.counters["steps_per_entry"] = steps / static_cast<double>(committed);
    state.counters["allocations_per_step"] = static_cast<double>(allocations() - allocations_before) / steps;
}
BENCHMARK(proposal_to_commit)->ArgNames({"entries", "proposals"})->Args({64, 1})->Args({1, 1})->Args({1, 32});

// So many steps follow one another that reading the clock costs little beside them.
constexpr std::size_t kSteps = 64;

// Times and counts kSteps steps of one kind alone. `rest` is what has to happen between them.
template <class Steps, class Rest>
void measure_steps(benchmark::State& state, const Server& server, Steps steps, Rest rest) {
    while (!server.has_compacted()) {
        steps();
        rest();
    }
    std::size_t allocated = 0;
    for (auto _ : state) {
        const std::size_t allocations_before = allocations();
        const auto start = std::chrono::steady_clock::now();
        steps();
        const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
        allocated += allocations() - allocations_before;
        state.SetIterationTime(time.count());
        rest();
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kSteps));
    state.counters["allocations_per_step"] =
        static_cast<double>(allocated) / static_cast<double>(state.items_processed());
}

void follower_gets_64_entries(benchmark::State& state) {
    Server follower(ServerId(2));
    EntryId last{LogIndex(1), Term(1)};
    const auto get = [&](std::span<const EntryShape> entries) {
        const AppendEntries append{kTerm, last, static_cast<std::uint32_t>(entries.size()), last.index};
        follower.step(MessageReceived{ServerId(1), append, entries});
        last = {last.index.plus(entries.size()), kTerm};
    };
    const auto rest = [&] {
        (void)follower.persist([](const SendMessage&) {});
        follower.compact();
    };
    get({&kNoOp, 1});
    const auto steps = [&] {
        for (std::size_t i = 0; i < kSteps; ++i) get(std::span(kCommands).first(kBatch));
    };
    measure_steps(state, follower, steps, rest);
}
BENCHMARK(follower_gets_64_entries)->UseManualTime();

/// Server 1 in kTerm, elected by what server 2 is said to have answered.
Server elected() {
    Server leader(ServerId(1));
    const auto no_send = [](const SendMessage&) {};
    while (leader.raft().role() == RoleName::Follower) leader.step(TickElapsed{});
    for (const CampaignKind kind : {CampaignKind::PreVote, CampaignKind::Election}) {
        leader.step(MessageReceived{ServerId(2), VoteGranted{kTerm, kind}});
        (void)leader.persist(no_send);
    }
    ENGINE_CHECK(leader.raft().role() == RoleName::Leader && leader.raft().current_term() == kTerm);
    return leader;
}

// Every second answer commits 64 entries.
void leader_gets_append_accepted(benchmark::State& state) {
    Server leader = elected();
    LogIndex match(2);
    const auto accept = [&] {
        for (const ServerId from : {ServerId(2), ServerId(3)})
            leader.step(MessageReceived{from, AppendAccepted{kTerm, match}});
    };
    const auto steps = [&] {
        for (std::size_t i = 0; i < kSteps / 2; ++i) {
            match = match.plus(kBatch);
            accept();
        }
    };
    const auto rest = [&] {
        (void)leader.persist([](const SendMessage&) {});
        leader.compact();
        for (std::size_t i = 0; i < kSteps / 2; ++i) leader.propose(kBatch, [](const SendMessage&) {});
    };
    accept();
    rest();
    measure_steps(state, leader, steps, rest);
    ENGINE_CHECK(leader.raft().commit_index() == match);
}
BENCHMARK(leader_gets_append_accepted)->UseManualTime();

}  // namespace
}  // namespace quorate::engine
