#include "sim/world.h"

#include <utility>

#include <fmt/format.h>
#include <xxhash.h>

#include "engine/check.h"
#include "engine/format.h"
#include "sim/linearizability.h"
#include "sim/patience.h"
#include "sim/world_state.h"

namespace quorate::sim {

RunResult World::run() {
    for (std::size_t i = 0; i < hosts_.size(); ++i)
        queue_.push(dice_.between(0, 50 * kMs),
                    {EventKind::NodeStarts, static_cast<std::uint32_t>(i), 0, 0, {}});
    for (std::size_t i = 0; i < clients_.size(); ++i) client_waits(i, dice_.between(0, 500 * kMs));
    for (std::size_t i = 0; i < plan_.faults.size(); ++i)
        queue_.push(plan_.faults[i].at_us, {EventKind::FaultBegins, 0, 0, i, {}});
    queue_.push(plan_.shape.storm_us, {EventKind::PhaseEnds, 0, 0, 0, {}});
    const std::uint64_t most = events_max(plan_);

    while (phase_ != Phase::Over && !referee_.violation() && result_.events < options_.events_max) {
        ENGINE_CHECK(!queue_.empty());
        now_us_ = queue_.next_us();
        const Event event = queue_.pop();
        if (is_deferred(event)) continue;
        moment_ = {++result_.events, now_us_, 0};
        hash(now_us_ ^ (std::uint64_t{event.a} << 48U) ^ (std::uint64_t{event.b} << 56U));
        hash(static_cast<std::uint64_t>(event.kind) + (event.c << 8U));
        if (options_.trace) trace(event);
        handle(event);
        if (result_.events == most) referee_.violate("Endless", fmt::format("{} events, and no end", most));
    }
    take_history();
    if (!referee_.violation()) judge_history();
    result_.violation = referee_.violation();
    if (result_.violation) result_.violation->at = moment_;
    result_.trace_hash = hash_;
    result_.virtual_us = now_us_;
    result_.committed = referee_.committed();
    return std::move(result_);
}

// Of a broken run too: there it is wanted most.
void World::take_history() {
    for (std::size_t i = 0; i < clients_.size(); ++i) {
        const Client& c = clients_[i];
        const auto& open = c.attempt ? c.attempt : c.again;
        if (open) witness_.saw(i, open->attempt, Fate::Unknown, c.called_us, now_us_, nullptr);
    }
    if (options_.history) options_.history(witness_.history());
}

void World::judge_history() {
    moment_.node = 0;
    const Judgement judgement = judge_linearizability(witness_.history());
    if (judgement.verdict == Verdict::NotLinearizable)
        referee_.violate("Linearizability (black box)",
                         fmt::format("key {}: {}", judgement.key, report(judgement)));
}

void World::trace(const Event& event) {
    static constexpr std::string_view kNames[] = {
        "Tick",     "TurnEnd",    "DiskDone",   "FrameArrives", "LinkDials", "LinkLost", "Request",
        "Response", "ClientActs", "NodeStarts", "FaultBegins",  "FaultEnds", "PhaseEnds"};
    std::string line =
        fmt::format(R"({{"event":{},"us":{},"kind":"{}","a":{},"b":{},"c":{})", result_.events, now_us_,
                    kNames[static_cast<std::size_t>(event.kind)], event.a + 1, event.b + 1, event.c);
    if (event.kind == EventKind::FaultBegins || event.kind == EventKind::FaultEnds)
        line += fmt::format(R"(,"fault":"{}")", to_string(faults_[event.c].kind));
    line += R"(,"nodes":[)";
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
        if (i > 0) line += ',';
        if (!hosts_[i]->is_up()) {
            line += R"({"up":false})";
            continue;
        }
        const engine::Raft& raft = hosts_[i]->node().raft();
        line += fmt::format(
            R"({{"role":"{}","term":{},"leader":{},"last":{},"durable":{},"commit":{},"applied":{}}})",
            engine::to_string(raft.role()), raft.current_term().value, raft.leader().value,
            raft.log().last_index().value, raft.durable_index().value, raft.commit_index().value,
            hosts_[i]->node().applied_index().value);
    }
    options_.trace(line + "]}");
}

// A process that stands still misses nothing: all of it waits. A dead life's events are void.
bool World::is_deferred(const Event& event) {
    const bool belongs_to_life = event.kind == EventKind::Tick || event.kind == EventKind::TurnEnd ||
                                 event.kind == EventKind::DiskDone || event.kind == EventKind::LinkLost;
    const bool arrives = event.kind == EventKind::Request || event.kind == EventKind::FrameArrives;
    if (!belongs_to_life && !arrives) return false;
    const Host& host = *hosts_[event.kind == EventKind::FrameArrives ? event.b : event.a];
    if (belongs_to_life && (!host.is_up() || host.life() != event.c)) return true;
    if (!host.is_up() || host.paused_until_us <= now_us_) return false;
    result_.effects.add(FaultKind::Pause);
    queue_.push(host.paused_until_us, event);
    return true;
}

void World::handle(const Event& event) {
    switch (event.kind) {
        case EventKind::Tick: return handle_tick(event.a, event.c);
        case EventKind::TurnEnd: return handle_turn_end(event.a);
        case EventKind::DiskDone: return handle_disk_done(event.a, static_cast<wal::DiskLane>(event.b));
        case EventKind::FrameArrives:
            return handle_frame(event.a, event.b, event.c, queue_.take_frame(event));
        case EventKind::LinkDials: return dial(event.a, event.b);
        case EventKind::LinkLost:
            asked(event.a).driver().peer_lost(hosts_[event.b]->member().id);
            return touched(event.a);
        case EventKind::Request: return deliver_request(event.a, event.b, event.c);
        case EventKind::Response: {
            const auto arrived = arriving_.extract(event.c);
            return deliver_response(arrived.mapped());
        }
        case EventKind::ClientActs:
            if (clients_[event.a].token == event.c) client_acts(event.a);
            return;
        case EventKind::NodeStarts:
            // Who is not of the core comes back when the core has served.
            if (hosts_[event.a]->state() == HostState::Down && hosts_[event.a]->life() == event.c &&
                (phase_ != Phase::Core || is_core(event.a)))
                start_node(event.a);
            return;
        case EventKind::FaultBegins: return begin_fault(event.c, event.b == 1);
        case EventKind::FaultEnds: return end_fault(faults_[event.c]);
        case EventKind::PhaseEnds: return phase_ends(event.c);
    }
}

void World::stepped(std::size_t node, const engine::Output& output) {
    if (output.actions.empty() && output.notes.empty()) return;
    engines_.clear();
    for (const auto& host : hosts_) engines_.push_back(host->is_up() ? &host->node().raft() : nullptr);
    if (const auto breach = promises_.stepped(node, output, engines_))
        referee_.violate(breach->property, breach->text);
    for (const engine::Note& note : output.notes) {
        reached(mark_of(note.kind));
        if (note.kind == engine::NoteKind::ElectionWon) {
            ++result_.leaders;
            check_leases();
        }
        if (phase_ == Phase::Quiet && is_member(node) &&
            (note.kind == engine::NoteKind::ElectionTimeoutElapsed ||
             note.kind == engine::NoteKind::ElectionTimedOut)) {
            referee_.violate("Stability",
                             fmt::format("node {} stands for election, and all is well", node + 1));
        }
        hash(static_cast<std::uint64_t>(note.kind) ^ (note.index.value << 16U) ^ (note.term.value << 40U));
    }
}

// Who holds a lease takes nobody for the leader of a later term, and nobody is.
void World::check_leases() {
    if (!leases_hold_) return;
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
        const Host& holder = *hosts_[i];
        if (!holder.is_up() || !holder.node().holds_lease(holder.local_ms(now_us_))) continue;
        const engine::Term term = holder.node().raft().current_term();
        for (std::size_t other = 0; other < hosts_.size(); ++other) {
            if (!hosts_[other]->is_up()) continue;
            const engine::Raft& raft = hosts_[other]->node().raft();
            if (raft.role() == engine::RoleName::Leader && raft.current_term() > term)
                referee_.violate("Lease",
                                 fmt::format("node {} holds the lease of term {}, and node {} leads term {}",
                                             i + 1, term.value, other + 1, raft.current_term().value));
        }
    }
}

void World::applied(std::size_t node, engine::LogIndex index, const wal::LogEntry& entry) {
    hash(index.value ^ (entry.term.value << 32U));
    const server::Node& applier = hosts_[node]->node();
    referee_.entry_applied(node, applier.raft(), index, entry, applier.store());
}

void World::store_replaced(std::size_t node, engine::LogIndex index, const server::StateMachine& store) {
    hash(~index.value);
    referee_.store_replaced(node, index, store);
}

void World::log_line(std::size_t node, server::LogLevel, std::string_view line) {
    if (options_.log)
        options_.log(node + 1, fmt::format("{}.{:06} {}", now_us_ / kSecond, now_us_ % kSecond, line));
}

void World::recorded(std::size_t node, std::uint64_t life, std::string_view bytes) {
    options_.record(node + 1, life, bytes);
}

RunResult run(const Plan& plan, const RunOptions& options) { return World(plan, options).run(); }

}  // namespace quorate::sim
