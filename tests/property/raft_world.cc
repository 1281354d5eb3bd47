#include "tests/property/raft_world.h"

#include <algorithm>

#include "engine/overloaded.h"

namespace quorate::engine::test {

namespace {

constexpr std::uint32_t kPayloadBytes = 10;
constexpr std::size_t kUnderWayMax = 2000;
constexpr std::uint32_t kRecoveryTicksMax = 600;

// The first entry of every log, as a bootstrap writes it.
const StoredEntry kBootstrap{{Term(1), EntryKind::Membership, 0}, 0};

std::vector<EntryShape> shapes_of(const std::vector<StoredEntry>& entries) {
    std::vector<EntryShape> shapes;
    shapes.reserve(entries.size());
    for (const StoredEntry& entry : entries) shapes.push_back(entry.shape);
    return shapes;
}

}  // namespace

WorldShape draw_shape(std::uint64_t seed) {
    Random random(seed);
    const auto below = [&](std::uint32_t bound) { return random.between(0, bound - 1); };
    constexpr std::array<std::uint32_t, 9> kServers{1, 2, 3, 3, 3, 4, 5, 5, 7};
    WorldShape shape;
    shape.seed = seed;
    shape.servers = kServers[below(kServers.size())];
    const bool has_learner = shape.servers >= 3 && below(4) == 0;
    const bool is_joint = shape.servers >= 3 && below(4) == 0;
    const std::uint32_t voters = shape.servers - (has_learner ? 1 : 0);
    for (std::uint32_t id = 1; id <= voters; ++id) {
        // A joint configuration hands over from the first to the last: they share some of the middle.
        if (!is_joint || id > voters / 3) shape.membership.voters.emplace_back(id);
        if (is_joint && id <= voters - voters / 3) shape.membership.voters_outgoing.emplace_back(id);
    }
    if (has_learner) shape.membership.learners.emplace_back(shape.servers);

    Config& config = shape.config;
    config.election_timeout_ticks_min = 10;
    config.election_timeout_ticks_max = 20;
    config.heartbeat_ticks = 3;
    config.append_entries_max = 1 + below(8);
    config.append_bytes_max = 1 + below(200);
    config.inflight_appends_max = 1 + below(6);
    config.inflight_bytes_max = config.append_bytes_max + below(300);
    config.catch_up_bytes_per_tick_max = 1 + below(200);
    config.uncommitted_bytes_max = 100 + below(2000);
    config.pending_reads_max = 1 + below(20);
    return shape;
}

RaftWorld::RaftWorld(const WorldShape& shape) : shape_(shape), oracle_(shape.membership, {kBootstrap}) {
    for (std::uint32_t id = 1; id <= shape.servers; ++id) {
        ServerState& server = servers_.emplace_back(ServerState{.id = ServerId(id)});
        server.disk.hard_state = {Term(1), kNobody};
        server.disk.log.append(kBootstrap);
    }
    for (ServerState& server : servers_) restart(server);
}

void RaftWorld::apply(const Step& step) {
    if (!violation().empty()) return;
    while (network_.size() > kUnderWayMax) take(0, true, false);
    ServerState& server = servers_[step.server % servers_.size()];
    const ServerId peer = servers_[step.peer % servers_.size()].id;
    const auto on_server = [&](const Event& event) {
        if (server.raft) this->step(server, event);
    };
    switch (step.kind) {
        case StepKind::Tick: return tick(server, step.amount % 25);
        case StepKind::Deliver: return take(step.amount, false, false);
        case StepKind::Duplicate: return take(step.amount, false, true);
        case StepKind::Lose: return take(step.amount, true, false);
        case StepKind::Persist: return persist_next(server);
        case StepKind::Settle: return settle();
        case StepKind::Propose: return propose(server, 1 + step.amount % 3);
        case StepKind::Read: return read(server);
        case StepKind::Transfer:
            return on_server(
                TransferRequested{RequestId(++requests_), step.amount % 2 == 1 ? kNobody : peer});
        case StepKind::Unreachable: return on_server(PeerUnreachable{peer});
        case StepKind::SnapshotFails: return on_server(SnapshotSendFailed{peer});
        case StepKind::Compact: return compact(server, step.amount % 8);
        case StepKind::Crash: return crash(server, step.amount);
        case StepKind::Restart: return restart(server);
        case StepKind::Partition: sides_ = step.amount; return;
        case StepKind::Heal: sides_ = 0; return;
    }
}

void RaftWorld::tick(ServerState& server, std::uint32_t ticks) {
    for (std::uint32_t i = 0; i < ticks && server.raft; ++i) step(server, TickElapsed{});
}

void RaftWorld::propose(ServerState& server, std::uint32_t count) {
    if (!server.raft) return;
    std::vector<ProposedEntry> proposed(count, {EntryKind::Command, kPayloadBytes});
    std::vector<StoredEntry> offered;
    offered.reserve(count);
    for (std::uint32_t i = 0; i < count; ++i)
        offered.push_back({{{}, EntryKind::Command, kPayloadBytes}, ++payloads_});
    step(server, EntriesProposed{proposed}, std::move(offered));
}

void RaftWorld::read(ServerState& server) {
    if (!server.raft) return;
    const RequestId request(++requests_);
    oracle_.read_begins(request);
    step(server, ReadRequested{request});
}

void RaftWorld::compact(ServerState& server, std::uint32_t kept) {
    if (!server.raft || server.applied <= server.log.base().index) return;
    const EntryId last{server.applied, server.log.at(server.applied).shape.term};
    const LogIndex limit = std::min(server.raft->durable_index(), last.index);
    const LogIndex through(limit.value > kept ? limit.value - kept : 0);
    server.disk.snapshot = last;
    if (through > server.log.base().index) {
        const EntryId base{through, server.log.at(through).shape.term};
        server.log.compact_through(base);
        if (server.disk.log.base().index < through && server.disk.log.holds(base))
            server.disk.log.compact_through(base);
    }
    step(server, SnapshotCompleted{last, through});
}

void RaftWorld::crash(ServerState& server, std::size_t landing) {
    if (!server.raft) return;
    server.raft.reset();
    const std::size_t landed = landing % (server.writes.size() + 1);
    for (std::size_t i = 0; i < landed; ++i) server.disk.apply(server.writes[i]);
    server.writes.clear();
}

void RaftWorld::restart(ServerState& server) {
    if (server.raft) return;
    server.disk.recover();
    server.log = server.disk.log;
    server.applied = server.disk.snapshot.index;
    server.asked_hard_state = server.disk.hard_state;
    ++server.lives;

    Config config = shape_.config;
    config.self = server.id;
    config.seed = shape_.seed * 1000 + server.lives * 10 + server.id.value;
    const std::vector<EntryShape> entries = shapes_of(server.log.entries());
    std::vector<MembershipAt> memberships;
    InitialState initial{
        .hard_state = server.disk.hard_state, .snapshot = server.disk.snapshot, .snapshot_membership = {}};
    if (initial.snapshot.index > LogIndex{})
        initial.snapshot_membership = engine::MembershipAt{server.disk.snapshot.index, shape_.membership};
    else
        memberships.push_back({LogIndex(1), shape_.membership});
    initial.entries = entries;
    initial.memberships = memberships;
    initial.may_have_heard_leader = server.lives > 1;
    server.raft.emplace(config, initial);

    // Whoever was sending a snapshot to its last life sees the connection break.
    for (ServerState& other : servers_) {
        if (other.raft && other.id != server.id) step(other, SnapshotSendFailed{server.id});
    }
}

void RaftWorld::persist_next(ServerState& server) {
    if (!server.raft || server.writes.empty()) return;
    const DiskWrite write = std::move(server.writes.front());
    server.writes.pop_front();
    server.disk.apply(write);
    if (write.ticket > PersistTicket{}) step(server, PersistCompleted{write.ticket});
}

void RaftWorld::take(std::size_t position, bool is_lost, bool stays) {
    if (network_.empty()) return;
    const auto at = network_.begin() + static_cast<std::ptrdiff_t>(position % network_.size());
    const Envelope envelope = stays ? *at : std::move(*at);
    if (!stays) network_.erase(at);
    const auto side_of = [this](ServerId id) { return (sides_ >> (id.value - 1)) & 1U; };
    ServerState& sender = servers_[envelope.from.value - 1];
    if (!is_lost && servers_[envelope.to.value - 1].raft && side_of(envelope.from) == side_of(envelope.to)) {
        deliver(envelope);
    } else if (std::holds_alternative<InstallSnapshot>(envelope.message) && sender.raft) {
        step(sender, SnapshotSendFailed{envelope.to});
    }
}

void RaftWorld::deliver(const Envelope& envelope) {
    const std::vector<EntryShape> shapes = shapes_of(envelope.entries);
    std::vector<MembershipAt> memberships;
    LogIndex first;
    if (const auto* append = std::get_if<AppendEntries>(&envelope.message)) {
        first = append->previous.index.next();
        // Only the first entry of all is a configuration.
        if (first == LogIndex(1) && !shapes.empty()) memberships.push_back({first, shape_.membership});
    } else if (std::holds_alternative<InstallSnapshot>(envelope.message)) {
        memberships.push_back({LogIndex(1), shape_.membership});
    }
    step(servers_[envelope.to.value - 1],
         MessageReceived{envelope.from, envelope.message, shapes, memberships}, envelope.entries, first);
}

void RaftWorld::settle() {
    for (std::size_t left = network_.size(); left > 0 && !network_.empty(); --left) take(0, false, false);
    for (ServerState& server : servers_) {
        for (std::size_t left = server.writes.size(); left > 0; --left) persist_next(server);
    }
}

void RaftWorld::step(ServerState& server, const Event& event, std::vector<StoredEntry> offered,
                     LogIndex offered_first) {
    if (!violation().empty()) return;
    offered_ = std::move(offered);
    offered_first_ = offered_first;
    const RoleName role_before = server.raft->role();
    Raft copy = *server.raft;
    Output output;
    server.raft->step(event, output);
    if (++steps_ % 8 == 0) {
        Output again;
        copy.step(event, again);
        if (copy != *server.raft || copy.digest() != server.raft->digest() ||
            again.actions != output.actions || again.notes != output.notes)
            oracle_.fail("copies behave alike", server.id);
    }
    for (const Action& action : output.actions) obey(server, action, role_before);
}

void RaftWorld::obey(ServerState& server, const Action& action, RoleName role_before) {
    std::visit(Overloaded{
                   [&](const AcceptProposal& accepted) {
                       offered_first_ = accepted.first;
                       for (StoredEntry& entry : offered_) entry.shape.term = accepted.term;
                   },
                   [&](const PersistLog& persist) { obey_persist(server, persist, role_before); },
                   [&](const SendMessage& send) { obey_send(server, send); },
                   [&](const AnnounceRole& announced) {
                       oracle_.check_role(server, announced.role);
                       if (announced.role != RoleName::Leader) return;
                       oracle_.check_election_safety(server, announced.term);
                       oracle_.check_leader_completeness(server);
                   },
                   [&](const CommitEntries& commit) {
                       oracle_.check_state_machine_safety(server, commit, servers_);
                       server.applied = commit.last;
                   },
                   [&](const AnswerRead& answer) { oracle_.check_read(answer); },
                   [&](const SendSnapshot& send) {
                       if (server.disk.snapshot.index < server.raft->log().base().index)
                           return oracle_.fail("what the log has forgotten is in the snapshot", server.id);
                       obey_send(server, {send.to, InstallSnapshot{send.term, server.disk.snapshot}});
                   },
                   [&](const InstallReceivedSnapshot& install) { obey_install(server, install); },
                   [](const RefuseProposal&) {},
                   [](const RefuseRead&) {},
                   [](const AnswerTransfer&) {},
               },
               action);
}

void RaftWorld::obey_persist(ServerState& server, const PersistLog& persist, RoleName role_before) {
    if (role_before == RoleName::Leader && server.raft->role() == RoleName::Leader)
        oracle_.check_leader_append_only(server, persist);
    if (persist.hard_state) {
        oracle_.check_hard_state(server, *persist.hard_state);
        server.asked_hard_state = *persist.hard_state;
    }
    DiskWrite write{persist.ticket, persist.hard_state, persist.truncate_from, {}, {}};
    if (persist.truncate_from > LogIndex{}) {
        if (persist.truncate_from <= server.applied)
            oracle_.fail("what is applied stays", server.id, persist.truncate_from);
        server.log.truncate_from(persist.truncate_from);
    }
    for (LogIndex i = persist.first; i > LogIndex{} && i <= persist.last; i = i.next()) {
        if (i != server.log.last_index().next()) return oracle_.fail("the log has no gap", server.id, i);
        const StoredEntry no_op{{server.raft->current_term(), EntryKind::NoOp, 0}, 0};
        const StoredEntry& entry = offered_.empty() ? no_op : offered_.at(i.past(offered_first_));
        server.log.append(entry);
        write.entries.push_back(entry);
    }
    server.writes.push_back(std::move(write));
}

void RaftWorld::obey_send(ServerState& server, const SendMessage& send) {
    oracle_.check_promise(server, send, servers_);
    Envelope envelope{server.id, send.to, send.message, {}};
    if (const auto* append = std::get_if<AppendEntries>(&send.message)) {
        for (LogIndex i = append->previous.index.next();
             i <= append->previous.index.plus(append->entry_count); i = i.next())
            envelope.entries.push_back(server.log.at(i));
    }
    network_.push_back(std::move(envelope));
}

void RaftWorld::obey_install(ServerState& server, const InstallReceivedSnapshot& install) {
    oracle_.check_install(server, install);
    server.disk.snapshot = install.last_entry;
    server.applied = install.last_entry.index;
    if (install.log == LogAfterInstall::KeepSuffix) return server.log.compact_through(install.last_entry);
    server.log = StoredLog(install.last_entry);
    server.writes.push_back({{}, {}, {}, {}, install.last_entry});
}

void RaftWorld::require_recovery() {
    sides_ = 0;
    for (ServerState& server : servers_) restart(server);
    const LogIndex committed_before = oracle_.committed();
    const auto has_recovered = [&] {
        return oracle_.committed() > committed_before.plus(3) &&
               std::ranges::all_of(servers_, [&](const ServerState& server) {
                   return server.applied.plus(2) >= oracle_.committed();
               });
    };
    for (std::uint32_t ticks = 0; ticks < kRecoveryTicksMax && !has_recovered(); ++ticks) {
        for (ServerState& server : servers_) tick(server, 1);
        for (int trip = 0; trip < 3; ++trip) settle();
        for (ServerState& server : servers_) {
            if (server.raft->role() == RoleName::Leader && ticks % 5 == 0) propose(server, 1);
        }
        if (!violation().empty()) return;
    }
    if (!has_recovered()) oracle_.fail("a healed cluster makes progress", kNobody, oracle_.committed());
}

void RaftWorld::require_log_matching() { oracle_.check_log_matching(servers_); }

}  // namespace quorate::engine::test
