#include "tests/support/engine_cluster.h"

#include <algorithm>

#include "engine/check.h"
#include "engine/overloaded.h"

namespace quorate::scenario {

using namespace engine;  // NOLINT(google-build-using-namespace): every other word here is the engine's

namespace {

std::string number(std::uint64_t value) { return std::to_string(value); }

/// The tail of a log as the engine takes it.
struct Shapes {
    std::vector<EntryShape> entries;
    std::vector<MembershipAt> memberships;

    Shapes(LogIndex first, const std::vector<StoredEntry>& stored) {
        for (const StoredEntry& entry : stored) {
            if (entry.membership) memberships.push_back({first.plus(entries.size()), *entry.membership});
            entries.push_back(entry.shape);
        }
    }
};

}  // namespace

void StoredLog::truncate_from(LogIndex i) {
    if (i <= last_index()) entries.resize(i.past(base.index) - 1);
}

void StoredLog::compact_through(EntryId through) {
    entries.erase(entries.begin(),
                  entries.begin() + static_cast<std::ptrdiff_t>(through.index.past(base.index)));
    base = through;
}

void Disk::apply(const DiskWrite& write) {
    if (write.restart_behind) log = StoredLog{*write.restart_behind, {}};
    if (write.hard_state) hard_state = *write.hard_state;
    if (write.truncate_from > LogIndex{}) log.truncate_from(write.truncate_from);
    log.entries.insert(log.entries.end(), write.entries.begin(), write.entries.end());
}

void Disk::recover() {
    if (snapshot.last_entry.index <= log.base.index) return;
    if (log.holds(snapshot.last_entry))
        log.compact_through(snapshot.last_entry);
    else
        log = StoredLog{snapshot.last_entry, {}};
}

MembershipAt Server::membership_at(LogIndex index) const {
    for (LogIndex i = index; i > log.base.index; i = i.previous()) {
        if (log.at(i).membership) return {i, *log.at(i).membership};
    }
    return base_membership;
}

EngineCluster::EngineCluster(const Membership& membership, const Config& config, Observer observer)
    : config_(config), first_membership_(membership), observer_(std::move(observer)) {
    for (const ServerId id : membership.everyone()) add_server(id);
}

void EngineCluster::add_server(ServerId id) {
    servers_[id].id = id;
    reset(id, {Term(1), kNobody}, {{{Term(1), EntryKind::Membership, 0}, "", first_membership_}});
}

const Server* EngineCluster::find(ServerId id) const {
    const auto found = servers_.find(id);
    return found == servers_.end() ? nullptr : &found->second;
}

std::size_t EngineCluster::under_way(Link link) const {
    const auto found = network_.find(link);
    return found == network_.end() ? 0 : found->second.size();
}

bool EngineCluster::is_quiet() const {
    return busy_links().empty() &&
           std::ranges::all_of(servers_, [](const auto& s) { return s.second.writes.empty(); });
}

void EngineCluster::reset(ServerId id, HardState hard_state, std::vector<StoredEntry> entries) {
    Server& server = at(id);
    server.disk = {hard_state, {}, {{}, std::move(entries)}};
    start(server);
}

void EngineCluster::start(Server& server, bool may_have_heard_leader) {
    Config config = config_;
    config.self = server.id;
    config.seed = config_.seed * 1'000'003 + server.id.value * 1'009 + server.lives++;
    server.disk.recover();
    server.log = server.disk.log;
    server.base_membership = server.disk.snapshot.membership;
    server.writes.clear();
    const Shapes shapes(server.log.base.index.next(), server.log.entries);
    InitialState initial{.hard_state = server.disk.hard_state,
                         .snapshot = server.disk.snapshot.last_entry,
                         .snapshot_membership = {},
                         .entries = shapes.entries,
                         .memberships = shapes.memberships};
    if (initial.snapshot.index > LogIndex{}) initial.snapshot_membership = server.base_membership;
    initial.missing = server.missing;
    initial.may_have_heard_leader = may_have_heard_leader;
    server.raft.emplace(config, initial);
}

void EngineCluster::lose(ServerId id) {
    at(id).missing = engine::Missing::Entries;
    reset(id, at(id).disk.hard_state, {{{Term(1), EntryKind::Membership, 0}, "", first_membership_}});
}

void EngineCluster::tear(ServerId id, LogIndex from) {
    at(id).missing = engine::Missing::LastBatch;
    at(id).disk.log.truncate_from(from);
    start(at(id));
}

void EngineCluster::step(ServerId id, const Event& event) { run(at(id), event, {}); }

void EngineCluster::propose(ServerId id, const std::vector<std::string>& words, std::uint32_t bytes_each) {
    std::vector<ProposedEntry> proposed;
    std::vector<StoredEntry> offered;
    for (const std::string& word : words) {
        const auto bytes = bytes_each > 0 ? bytes_each : static_cast<std::uint32_t>(word.size());
        proposed.push_back({EntryKind::Command, bytes});
        offered.push_back({{at(id).raft->current_term(), EntryKind::Command, bytes}, word, {}});
    }
    run(at(id), EntriesProposed{proposed}, offered);
}

void EngineCluster::change_membership(ServerId id, const Membership& membership) {
    const StoredEntry entry{{at(id).raft->current_term(), EntryKind::Membership, 0}, "", membership};
    run(at(id), MembershipProposed{membership, 0}, {entry});
}

void EngineCluster::take_snapshot(ServerId id, LogIndex last, LogIndex compact_through) {
    Server& server = at(id);
    server.disk.snapshot = {{last, server.log.term_at(last)}, server.membership_at(last)};
    if (compact_through > server.log.base.index) {
        server.base_membership = server.membership_at(compact_through);
        const EntryId base{compact_through, server.log.term_at(compact_through)};
        server.log.compact_through(base);
        if (server.disk.log.holds(base)) server.disk.log.compact_through(base);
    }
    step(id, SnapshotCompleted{server.disk.snapshot.last_entry, compact_through});
}

void EngineCluster::crash(ServerId id) {
    at(id).raft.reset();
    at(id).writes.clear();
}

void EngineCluster::restart(ServerId id) { start(at(id), true); }

void EngineCluster::persist(ServerId id, std::size_t writes_max) {
    Server& server = at(id);
    if (server.writes.empty()) return;
    PersistTicket ticket;
    const auto ends_now = [&] {  // the log goes on behind a snapshot as soon as what came before has ended
        return !server.writes.empty() && (writes_max > 0 || server.writes.front().restart_behind);
    };
    while (ends_now()) {
        if (!server.writes.front().restart_behind) {
            ticket = server.writes.front().ticket;
            --writes_max;
        }
        server.disk.apply(server.writes.front());
        server.writes.pop_front();
    }
    step(id, PersistCompleted{ticket});
}

void EngineCluster::deliver(Link link) {
    auto& queue = network_.at(link);
    const Packet packet = std::move(queue.front());
    queue.pop_front();
    receive(link, packet);
}

void EngineCluster::receive(Link link, const Packet& packet) {
    const auto [from, to] = link;
    if (!at(to).raft || isolated_.contains(from) || isolated_.contains(to)) return;
    LogIndex first;
    if (const auto* append = std::get_if<AppendEntries>(&packet.message))
        first = append->previous.index.next();
    Shapes shapes(first, packet.entries);
    if (packet.snapshot_membership) shapes.memberships.push_back(*packet.snapshot_membership);
    arriving_ = &packet;
    run(at(to), MessageReceived{from, packet.message, shapes.entries, shapes.memberships}, packet.entries);
    arriving_ = nullptr;
}

void EngineCluster::drop(Link link) { network_.at(link).pop_front(); }

void EngineCluster::duplicate(Link link) {
    auto& queue = network_.at(link);
    Packet copy = queue.front();
    queue.push_back(std::move(copy));
}

void EngineCluster::reorder(Link link) {
    auto& queue = network_.at(link);
    queue.push_back(std::move(queue.front()));
    queue.pop_front();
}

void EngineCluster::set_isolated(ServerId id, bool isolated) {
    if (isolated)
        isolated_.insert(id);
    else
        isolated_.erase(id);
}

bool EngineCluster::install_snapshot(Link link) {
    const auto asked = snapshots_asked_.find(link);
    if (asked == snapshots_asked_.end()) return false;
    const Snapshot& snapshot = at(link.first).disk.snapshot;
    receive(link, {InstallSnapshot{asked->second, snapshot.last_entry}, {}, snapshot.membership});
    return true;
}

std::vector<EngineCluster::Link> EngineCluster::busy_links() const {
    std::vector<Link> links;
    for (const auto& [link, queue] : network_) {
        if (!queue.empty()) links.push_back(link);
    }
    return links;
}

void EngineCluster::run(Server& server, const Event& event, const std::vector<StoredEntry>& offered) {
    // The entries that the event offers stand in the log from here on, should the engine take them.
    LogIndex offered_first = server.log.last_index().next();
    if (const auto* received = std::get_if<MessageReceived>(&event)) {
        if (const auto* append = std::get_if<AppendEntries>(&received->message))
            offered_first = append->previous.index.next();
    }
    Output output;
    server.raft->step(event, output);
    server.missing = server.raft->missing();
    for (const Action& action : output.actions) perform(server, action, offered_first, offered);
    ENGINE_CHECK(server.log.last_index() == server.raft->log().last_index());
    ENGINE_CHECK(server.log.base == server.raft->log().base());
    observer_(server, output);
    if (server.raft->role() == RoleName::Leader) check_leader(server);
    check_log_matching();
}

void EngineCluster::perform(Server& server, const Action& action, LogIndex offered_first,
                            const std::vector<StoredEntry>& offered) {
    std::visit(Overloaded{
                   [&](const SendMessage& send) { perform_send(server, send); },
                   [&](const PersistLog& p) { perform_persist(server, p, offered_first, offered); },
                   [&](const CommitEntries& commit) { perform_commit(server, commit); },
                   [&](const SendSnapshot& send) { snapshots_asked_[{server.id, send.to}] = send.term; },
                   [&](const InstallReceivedSnapshot& install) { perform_install(server, install); },
                   [&](const auto&) {},  // answers to clients: the observer's
               },
               action);
}

void EngineCluster::perform_persist(Server& server, const PersistLog& persist, LogIndex offered_first,
                                    const std::vector<StoredEntry>& offered) {
    DiskWrite write{persist.ticket, persist.hard_state, persist.truncate_from, {}, {}};
    for (LogIndex i = persist.first; i > LogIndex{} && i <= persist.last; i = i.next()) {
        const bool is_offered = i >= offered_first && i < offered_first.plus(offered.size());
        const StoredEntry no_op{{server.raft->current_term(), EntryKind::NoOp, 0}, "", {}};
        write.entries.push_back(is_offered ? offered[i.past(offered_first)] : no_op);
    }
    if (write.truncate_from > LogIndex{}) server.log.truncate_from(write.truncate_from);
    server.log.entries.insert(server.log.entries.end(), write.entries.begin(), write.entries.end());
    server.writes.push_back(std::move(write));
}

void EngineCluster::perform_send(Server& server, const SendMessage& send) {
    Packet packet{.message = send.message};
    if (const auto* append = std::get_if<AppendEntries>(&send.message)) {
        for (std::uint32_t i = 1; i <= append->entry_count; ++i)
            packet.entries.push_back(server.log.at(append->previous.index.plus(i)));
    }
    // One that sends to a server it only believes to exist sends into nothing.
    if (servers_.contains(send.to)) network_[{server.id, send.to}].push_back(std::move(packet));
}

void EngineCluster::perform_commit(const Server& server, const CommitEntries& commit) {
    for (LogIndex i = commit.first; i <= commit.last; i = i.next()) {
        const StoredEntry& entry = server.log.at(i);
        const auto [known, is_new] = committed_.try_emplace(i, Committed{entry, server.raft->current_term()});
        if (!is_new && known->second.entry != entry) {
            throw SafetyViolation("State Machine Safety: server " + number(server.id.value) +
                                  " commits another entry at index " + number(i.value) +
                                  " than was committed");
        }
    }
}

void EngineCluster::perform_install(Server& server, const InstallReceivedSnapshot& install) {
    server.disk.snapshot = {install.last_entry, *arriving_->snapshot_membership};
    server.base_membership = server.disk.snapshot.membership;
    if (install.log == LogAfterInstall::KeepSuffix) return server.log.compact_through(install.last_entry);
    server.log = StoredLog{install.last_entry, {}};
    const DiskWrite restart{{}, {}, {}, {}, install.last_entry};
    if (server.writes.empty())
        server.disk.apply(restart);
    else
        server.writes.push_back(restart);
}

void EngineCluster::check_leader(const Server& server) {
    const Term term = server.raft->current_term();
    const auto [known, is_new] = leader_of_term_.try_emplace(term, server.id);
    if (known->second != server.id) {
        throw SafetyViolation("Election Safety: term " + number(term.value) + " has two leaders, " +
                              number(known->second.value) + " and " + number(server.id.value));
    }
    if (!is_new) return;
    for (const auto& [index, committed] : committed_) {
        if (committed.in_term >= term || index <= server.log.base.index) continue;
        if (server.log.has(index) && server.log.at(index) == committed.entry) continue;
        throw SafetyViolation("Leader Completeness: server " + number(server.id.value) + " leads term " +
                              number(term.value) + " without the committed entry at index " +
                              number(index.value));
    }
}

void EngineCluster::check_log_matching() const {
    for (auto a = servers_.begin(); a != servers_.end(); ++a) {
        for (auto b = std::next(a); b != servers_.end(); ++b) {
            const StoredLog& left = a->second.log;
            const StoredLog& right = b->second.log;
            bool is_same = false;  // above here, in both
            const LogIndex bottom = std::max(left.base.index, right.base.index);
            for (LogIndex i = std::min(left.last_index(), right.last_index()); i > bottom; i = i.previous()) {
                is_same = is_same || left.at(i).shape.term == right.at(i).shape.term;
                if (!is_same || left.at(i) == right.at(i)) continue;
                throw SafetyViolation("Log Matching: servers " + number(a->first.value) + " and " +
                                      number(b->first.value) + " agree above index " + number(i.value) +
                                      " and differ there");
            }
        }
    }
}

}  // namespace quorate::scenario
