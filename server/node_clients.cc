// Clients' operations: from a request to its one answer.

#include <algorithm>
#include <utility>

#include "engine/overloaded.h"
#include "server/command.h"
#include "server/http_answers.h"
#include "server/node.h"
#include "server/problem.h"

namespace quorate::server {

using engine::RoleName;

namespace {

/// Questions about the members that await answers at one time; beyond it 503.
constexpr std::size_t kNodesQueriesMax = 64;

/// Orders of a snapshot that await it at one time; beyond it 503.
constexpr std::size_t kSnapshotCallsMax = 64;

bool is_read(const ApiCall& call) {
    return std::holds_alternative<GetCall>(call.call) || std::holds_alternative<RangeCall>(call.call) ||
           std::holds_alternative<SessionCall>(call.call) || std::holds_alternative<BackupCall>(call.call);
}

HttpResponse answer_changed(const ApiCall& call, const ApplyResult& result) {
    const auto answer = [&](const Command& command, HttpResponse (*ok)(const ApplyResult&)) {
        return result.condition_failed ? condition_failed(result, command.condition.kind) : ok(result);
    };
    if (const auto* put = std::get_if<PutCall>(&call.call)) return answer(put->command, put_ok);
    if (const auto* remove = std::get_if<DeleteCall>(&call.call)) return answer(remove->command, delete_ok);
    return answer(std::get<BatchCall>(call.call).command, batch_ok);
}

HttpResponse answer_applied(const ApiCall& call, const ApplyResult& result) {
    switch (result.standing) {
        case ApplyResult::Standing::Applied:
            return result.session == 0 ? answer_changed(call, result)
                                       : with_session(answer_changed(call, result), result);
        case ApplyResult::Standing::Repeated: return with_session(answer_changed(call, result), result);
        case ApplyResult::Standing::KeyReused: return with_session(idempotency_key_reused(), result);
        case ApplyResult::Standing::SessionExpired: return with_session(session_expired(), result);
    }
    std::unreachable();
}

}  // namespace

void Node::request_received(HttpExchange exchange, const HttpRequest& request) {
    if (has_failed_) return;
    auto call = parse_call(request, config_.limits);
    if (!call) return environment_.respond(exchange, std::move(call.error()));
    // Of the cluster a removed node knows what was, and nobody tells it more.
    const auto respond_as_member = [&](HttpResponse answer) {
        environment_.respond(exchange, is_removed() ? node_removed() : std::move(answer));
    };
    std::visit(engine::Overloaded{
                   [&](const WhoisCall&) { environment_.respond(exchange, whois(health())); },
                   [&](const HealthCall&) { environment_.respond(exchange, render_health(health())); },
                   [&](const ClusterLeaderCall&) { respond_as_member(cluster_leader(leader_view())); },
                   [&](const ClusterNodesCall&) { start_nodes_query(exchange); },
                   [&](const MembersCall&) { respond_as_member(cluster_members(members_view())); },
                   [&](const MembersChangeCall&) { start_members_change(exchange, std::move(*call)); },
                   [&](const TransferCall&) { start_transfer(exchange, std::move(*call)); },
                   [&](const SnapshotCall&) { start_snapshot(exchange); },
                   [&](const BackupCall&) {
                       // It would be old by the time that it begins.
                       loading_ ? environment_.respond(exchange, store_loading())
                                : start_read(exchange, std::move(*call));
                   },
                   [&](const GetCall&) { start_read(exchange, std::move(*call)); },
                   [&](const RangeCall&) { start_read(exchange, std::move(*call)); },
                   [&](const SessionCall&) { start_read(exchange, std::move(*call)); },
                   [&](const auto&) { start_write(exchange, std::move(*call)); },
               },
               call->call);
}

bool Node::is_overloaded() const {
    return operations_.size() >= config_.operations_max ||
           queued_bytes_ >= config_.raft.uncommitted_bytes_max;
}

std::array<QueueUse, 6> Node::queues() const {
    std::uint64_t reads = queued_reads_.size() + unapplied_reads_.size();
    for (const auto& [request, batch] : unconfirmed_reads_) reads += batch.size();
    // The write that passes the bound is the last one taken.
    const std::uint64_t last = queued_entries_.empty() ? 0 : queued_entries_.back().payload.size();
    return {{{"operations", operations_.size(), config_.operations_max},
             {"bytes of writes to be proposed", queued_bytes_ - last, config_.raft.uncommitted_bytes_max},
             // Those whose time is over go with the last of their batch.
             {"reads to be confirmed or applied", reads, 2 * std::uint64_t{config_.operations_max}},
             {"questions about the members", nodes_queries_.size(), kNodesQueriesMax},
             {"orders of a snapshot", snapshot_calls_.size(), kSnapshotCallsMax},
             {"backups", backups_.size(), kBackupsMax}}};
}

QueueUse Node::cached() const {
    const bool is_needed = cache_.first_index() > std::min(applied_index_, raft_.durable_index());
    return {"bytes of entries that nobody waits for", is_needed ? 0 : cache_.bytes(),
            config_.cache_bytes_max};
}

// Why no new operation is taken at all, if so.
std::optional<HttpResponse> Node::admission_refusal() const {
    if (is_stopping_) {
        environment_.met(Situation::RefusedStopping);
        return shutting_down();
    }
    if (is_removed()) return node_removed();
    if (is_overloaded()) {
        environment_.met(Situation::RefusedOverloaded);
        return overloaded();
    }
    return std::nullopt;
}

void Node::start_write(HttpExchange exchange, ApiCall&& call) {
    if (auto refusal = admission_refusal()) return environment_.respond(exchange, std::move(*refusal));
    const engine::ServerId leader = raft_.leader();
    const bool leads = raft_.role() == RoleName::Leader;
    if (leads && log_->out_of_space()) {
        environment_.met(Situation::RefusedDiskFull);
        return environment_.respond(exchange, disk_full());
    }
    if (!leads && !call.forward) return environment_.respond(exchange, not_leader(leader_view()));
    if (leader == engine::kNobody) return environment_.respond(exchange, no_leader());

    const Command command = take_command(call);
    if (leads && has_no_room_for(command)) return environment_.respond(exchange, idempotency_keys_full());
    std::string payload = encode_command(command);
    const OperationId id =
        operations_.add(ClientCall{exchange, std::move(call), leads ? engine::kNobody : leader}, now_ms_);
    if (leads) {
        queue_write(id, std::move(payload));
    } else if (!environment_.send_frame(
                   leader, encode_frame(ForwardWrite{id, raft_.current_term(), std::move(payload)}))) {
        (void)operations_.take(id);
        environment_.respond(exchange, leader_unreachable());
    } else {
        environment_.met(Situation::WriteForwarded);
    }
}

// One more answer would be too many to know.
bool Node::has_no_room_for(const Command& command) const {
    if (!command.once || !answers_window_.is_full(store_.answers()) ||
        store_.answers().find(command.once->key) != nullptr)
        return false;
    environment_.met(Situation::RefusedAnswersFull);
    return true;
}

void Node::queue_write(OperationId id, std::string payload) {
    queued_bytes_ += payload.size();
    queued_writes_.push_back(id);
    queued_entries_.push_back({{}, engine::EntryKind::Command, std::move(payload)});
}

void Node::start_read(HttpExchange exchange, ApiCall&& call) {
    if (call.consistency == Consistency::Stale) {
        if (is_removed()) return environment_.respond(exchange, node_removed());
        if (!is_ready() || (is_recovering() && lost_.what != wal::Lost::LastBatch))
            return environment_.respond(exchange, store_loading());
        return serve_read({exchange, std::move(call)});
    }
    if (call.consistency == Consistency::Lease && config_.clock_drift_ppm == 0)
        return environment_.respond(exchange, lease_not_configured());
    if (auto refusal = admission_refusal()) return environment_.respond(exchange, std::move(*refusal));
    if (raft_.role() != RoleName::Leader && !call.forward)
        return environment_.respond(exchange, not_leader(leader_view()));
    queued_reads_.push_back(operations_.add(ClientCall{exchange, std::move(call)}, now_ms_));
}

void Node::start_snapshot(HttpExchange exchange) {
    if (is_stopping_) return environment_.respond(exchange, shutting_down());
    if (!is_ready()) return environment_.respond(exchange, store_loading());
    if (applied_index_ <= snapshots_.newest_index())
        return environment_.respond(exchange, snapshot_taken(snapshots_.kept().back()));
    snapshot_wait_until_ms_ = receive_wait_until_ms_ = 0;  // who asks may have made room
    if (snapshot_calls_.size() >= kSnapshotCallsMax) return environment_.respond(exchange, overloaded());
    snapshot_calls_.emplace(applied_index_, exchange);
}

bool Node::holds_lease(std::uint64_t clock_ms) const {
    return !is_stopping_ && !is_recovering() &&
           lease_.lasts(raft_.current_term(), raft_.lease_round(), clock_ms);
}

// All of them began before the clock was read, and what was committed by then is what they must see. The
// others ask a majority, as linearizable reads do: that is always right.
void Node::take_reads_under_lease() {
    const bool holds = holds_lease(clock_ms_);
    std::erase_if(queued_reads_, [&](OperationId id) {
        Pending* operation = operations_.find(id);
        if (operation == nullptr) return false;  // its time is over
        auto& read = std::get<ClientCall>(*operation);
        if (read.call.consistency != Consistency::Lease) return false;
        environment_.met(holds ? Situation::LeaseReadTaken : Situation::LeaseNotHeld);
        if (!holds) return false;
        read.is_under_lease = true;
        unapplied_reads_.emplace(raft_.commit_index(), id);
        return true;
    });
}

void Node::serve_read(const ClientCall& read) {
    if (std::holds_alternative<BackupCall>(read.call.call)) return start_backup(read.exchange);
    if (std::holds_alternative<SessionCall>(read.call.call))
        return environment_.respond(
            read.exchange, session_begun(store_.answers().last(), config_.answers, store_.revision()));
    HttpResponse response;
    const auto* get = std::get_if<GetCall>(&read.call.call);
    const std::uint64_t revision =
        (get != nullptr ? get->revision : std::get<RangeCall>(read.call.call).range.revision)
            .value_or(store_.revision());
    if (revision > store_.revision())
        return environment_.respond(read.exchange, revision_not_reached(revision, store_.revision()));
    if (revision < store_.oldest_revision()) {
        environment_.met(Situation::PastForgotten);
        return environment_.respond(read.exchange, revision_compacted(revision, store_.oldest_revision()));
    }
    if (revision < store_.revision()) environment_.met(Situation::PastRead);
    if (get != nullptr) {
        const auto* found = store_.get_at(get->key, revision);
        if (!environment_.wants_answer(read.exchange, found != nullptr ? found->value.size() : 0)) return;
        response = found != nullptr ? get_found(*found, store_.revision())
                                    : key_not_found(get->key, store_.revision());
    } else {
        const RangeQuery& range = std::get<RangeCall>(read.call.call).range;
        const RangePage page = store_.range(range);
        if (!environment_.wants_answer(read.exchange, page.bytes)) return;
        response = render_range(page, store_.revision());
    }
    if (read.call.consistency == Consistency::Stale) {
        environment_.met(Situation::StaleReadServed);
        response.headers.push_back(
            {"Quorate-Staleness-Ms", current_ms_ ? std::to_string(now_ms_ - *current_ms_) : "unknown"});
    }
    if (read.call.consistency == Consistency::Lease)
        response.headers.push_back({"Quorate-Lease", read.is_under_lease ? "held" : "not-held"});
    environment_.respond(read.exchange, std::move(response));
}

void Node::decide_write(OperationId id, const WriteOutcome& outcome) {
    if (id == kNobodysOperation) return;
    const auto operation = operations_.take(id);
    if (!operation) return environment_.met(Situation::WriteDecidedLate);  // it was answered: outcome_unknown
    if (const auto* peer = std::get_if<PeerWrite>(&*operation)) {
        environment_.send_frame(peer->from, encode_frame(ForwardWriteReply{peer->request, outcome}));
        return;
    }
    const auto& client = std::get<ClientCall>(*operation);
    environment_.respond(client.exchange,
                         std::visit(engine::Overloaded{
                                        [&](const WriteApplied& applied) {
                                            return answer_applied(client.call, applied.result);
                                        },
                                        [](const WriteNotLeader&) { return no_leader(); },
                                        [](const WriteOverloaded&) { return overloaded(); },
                                        [](const WriteNotApplied&) { return not_applied(); },
                                        [](const WriteAnswersFull&) { return idempotency_keys_full(); },
                                        [](const WriteUnknown&) { return outcome_unknown(); },
                                        [](const WriteDiskFull&) { return disk_full(); },
                                    },
                                    outcome));
}

// A question that a former leader may never answer is put to the next one; asking twice harms nobody. The
// reads of a batch stay in the order of their beginning: expire_operations() goes by its last.
void Node::retry_unconfirmed_reads() {
    std::vector<OperationId> retried;
    for (const auto& [request, reads] : std::exchange(unconfirmed_reads_, {})) {
        retried.insert(retried.end(), reads.begin(), reads.end());
    }
    if (!retried.empty()) environment_.met(Situation::ReadAskedAgain);
    queued_reads_.insert(queued_reads_.begin(), retried.begin(), retried.end());
}

void Node::refuse_reads(engine::RequestId request, const HttpResponse& answer) {
    const auto refused = unconfirmed_reads_.extract(request);
    if (refused.empty()) return;
    for (const OperationId id : refused.mapped()) refuse_read(id, answer);
}

// Unless its time is over.
void Node::refuse_read(OperationId id, const HttpResponse& answer) {
    if (const auto operation = operations_.take(id))
        environment_.respond(std::get<ClientCall>(*operation).exchange, answer);
}

// Nobody waits for ever: not for a majority that is gone, nor for a leader that does not answer.
void Node::expire_operations() {
    for (const Pending& operation : operations_.take_expired(now_ms_)) {
        // A peer's write is answered to its client there, by the same clock.
        const auto* client = std::get_if<ClientCall>(&operation);
        if (client == nullptr) continue;
        if (std::holds_alternative<TransferCall>(client->call.call)) {
            environment_.respond(client->exchange, transfer_timed_out());
            continue;
        }
        environment_.met(is_read(client->call) ? Situation::ReadTimedOut : Situation::WriteTimedOut);
        environment_.respond(client->exchange, is_read(client->call) ? read_timed_out() : outcome_unknown());
    }
    for (const NodesQuery& query : nodes_queries_.take_expired(now_ms_)) {
        environment_.respond(query.exchange, cluster_nodes(config_.cluster_id, query.nodes));
    }
    // The index that a read waits for may never come.
    if (unapplied_reads_.size() > operations_.size()) {
        std::erase_if(unapplied_reads_,
                      [this](const auto& read) { return operations_.find(read.second) == nullptr; });
    }
    // The engine may never answer a read whose question was lost. The last of a batch is the last to expire.
    std::erase_if(unconfirmed_reads_,
                  [this](const auto& batch) { return operations_.find(batch.second.back()) == nullptr; });
}

void Node::start_transfer(HttpExchange exchange, ApiCall&& call) {
    if (auto refusal = admission_refusal()) return environment_.respond(exchange, std::move(*refusal));
    if (raft_.role() != RoleName::Leader) return environment_.respond(exchange, not_leader(leader_view()));
    const std::string& to = std::get<TransferCall>(call.call).to;
    const Member* target = members_.find(to);
    if (!to.empty() && target == nullptr) return environment_.respond(exchange, no_such_target(to));
    const engine::ServerId target_id = to.empty() ? engine::kNobody : target->id;
    const engine::RequestId request(next_request_++);
    client_transfers_[request] = operations_.add(ClientCall{exchange, std::move(call)}, now_ms_);
    step(engine::TransferRequested{request, target_id});
}

void Node::end_transfer(OperationId id, engine::TransferOutcome outcome) {
    const auto operation = operations_.take(id);
    if (!operation) return;  // its time ran out
    const auto& client = std::get<ClientCall>(*operation);
    const auto answer = [&] {
        switch (outcome) {
            case engine::TransferOutcome::Done: return transfer_done(config_.self.name);
            case engine::TransferOutcome::NoTarget:
                return no_such_target(std::get<TransferCall>(client.call.call).to);
            case engine::TransferOutcome::SteppedDown: return no_leader();
            case engine::TransferOutcome::TimedOut: return transfer_timed_out();
            case engine::TransferOutcome::Replaced: return transfer_replaced();
        }
        std::unreachable();
    };
    environment_.respond(client.exchange, answer());
}

void Node::start_nodes_query(HttpExchange exchange) {
    if (is_removed()) return environment_.respond(exchange, node_removed());
    if (nodes_queries_.size() >= kNodesQueriesMax) return environment_.respond(exchange, overloaded());
    NodesQuery query{exchange, {}, 0};
    for (const Member& m : members_.members) {
        query.nodes.push_back(m.id == config_.self.id ? health() : NodeHealth::down(m.name, m.address));
        if (m.id != config_.self.id) ++query.awaited;
    }
    if (query.awaited == 0)
        return environment_.respond(exchange, cluster_nodes(config_.cluster_id, query.nodes));
    const OperationId id = nodes_queries_.add(std::move(query), now_ms_);
    for (const Member& m : members_.members) {
        if (m.id == config_.self.id || environment_.send_frame(m.id, encode_frame(HealthRequest{id})))
            continue;
        --nodes_queries_.find(id)->awaited;
    }
    finish_nodes_query(id);
}

void Node::finish_nodes_query(OperationId id) {
    if (nodes_queries_.find(id)->awaited > 0) return;
    if (const auto query = nodes_queries_.take(id))
        environment_.respond(query->exchange, cluster_nodes(config_.cluster_id, query->nodes));
}

}  // namespace quorate::server
