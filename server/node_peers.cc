// What other nodes say, and how they are known.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/overloaded.h"
#include "server/decimal.h"
#include "server/http_answers.h"
#include "server/members_change.h"
#include "server/node.h"
#include "server/percent.h"

namespace quorate::server {

using engine::LogIndex;
using engine::ServerId;

namespace {

constexpr std::string_view kClusterHeader = "Quorate-Cluster";
constexpr std::string_view kFromHeader = "Quorate-From";
constexpr std::string_view kToHeader = "Quorate-To";
constexpr std::string_view kFirstMembersHeader = "Quorate-First-Members";
constexpr std::string_view kSilenceHeader = "Quorate-Silence-Ms";

std::string_view value_or_empty(const HttpRequest& request, std::string_view name) {
    const std::string* value = request.header(name);
    return value != nullptr ? std::string_view(*value) : std::string_view();
}

}  // namespace

const Member* Node::member(ServerId id) const {
    if (const Member* found = members_.find(id)) return found;
    const auto found = std::ranges::find(contacts_, id, &Member::id);
    return found == contacts_.end() ? nullptr : &*found;
}

void Node::frame_received(ServerId from, PeerFrame&& frame) {
    if (has_failed_) return;
    if (!lost_peers_.empty()) lost_peers_.erase(from);
    // A removed member may still hold its link: its word counts no more, unless it leads until somebody takes
    // over. Who is in no configuration that we know may be in a newer one.
    if (has_removed(from) && from != raft_.leader() && !is_leaving(from)) return;
    std::visit([&](auto&& f) { on_frame(from, std::forward<decltype(f)>(f)); }, std::move(frame));
}

void Node::on_frame(ServerId from, RaftFrame&& frame) {
    if (lost_.what == wal::Lost::TermAndEntries) return;
    if (const auto* install = std::get_if<engine::InstallSnapshot>(&frame.message))
        return on_install(from, *install);
    // Without room for the log, or about to stop, we could lead no better than who wants to hand over to us.
    if (std::holds_alternative<engine::TimeoutNow>(frame.message) && (log_->out_of_space() || is_stopping_)) {
        environment_.met(Situation::LeadershipDeclined);
        return environment_.log(
            LogLevel::Debug, is_stopping_ ? "about to stop: not taking the leadership that is offered"
                                          : "no room for the log: not taking the leadership that is offered");
    }
    std::vector<engine::EntryShape> shapes;
    std::vector<engine::MembershipAt> memberships;
    Payloads payloads;
    if (const auto* append = std::get_if<engine::AppendEntries>(&frame.message)) {
        payloads = {append->previous.index.next(), frame.entries, {}};
        shapes.reserve(frame.entries.size());
        for (const wal::LogEntry& entry : frame.entries) {
            shapes.push_back(entry.shape());
            if (entry.kind != engine::EntryKind::Membership) continue;
            const auto members = decode_members(entry.payload);
            if (!members) {
                return environment_.log(
                    LogLevel::Error,
                    "an append holds a list of members that this version cannot read: ignored");
            }
            memberships.push_back({payloads.first.plus(shapes.size() - 1), members->membership()});
        }
    }
    step(engine::MessageReceived{from, frame.message, shapes, memberships}, payloads);
}

void Node::on_frame(ServerId from, ForwardWrite&& frame) {
    const auto refuse = [&](const WriteOutcome& outcome) {
        environment_.met(Situation::ForwardedWriteRefused);
        environment_.send_frame(from, encode_frame(ForwardWriteReply{frame.request, outcome}));
    };
    if (raft_.role() != engine::RoleName::Leader || frame.term != raft_.current_term())
        return refuse(WriteNotLeader{});
    if (log_->out_of_space()) return refuse(WriteDiskFull{});
    if (is_stopping_) return refuse(WriteNotLeader{});
    if (is_overloaded()) return refuse(WriteOverloaded{});
    // What gets into the log must be readable by everyone: a peer's mistake ends here.
    const auto command = decode_command(frame.command);
    if (!command || command->operations.empty()) return refuse(WriteNotApplied{});
    if (has_no_room_for(*command)) return refuse(WriteAnswersFull{});
    environment_.met(Situation::ForwardedWriteTaken);
    queue_write(operations_.add(PeerWrite{from, frame.request}, now_ms_), std::move(frame.command));
}

// Only of a write that was handed to this peer: numbers are easily guessed.
void Node::on_frame(ServerId from, ForwardWriteReply&& frame) {
    const Pending* operation = operations_.find(frame.request);
    const auto* client = operation != nullptr ? std::get_if<ClientCall>(operation) : nullptr;
    if (client != nullptr && client->forwarded_to == from) decide_write(frame.request, frame.outcome);
}

void Node::on_frame(ServerId from, HealthRequest&& frame) {
    // Who has lost what it promised must ask all that may belong to the cluster.
    if (introduce_to(from)) environment_.send_frame(from, encode_frame(HealthReply{frame.request, health()}));
}

void Node::on_frame(ServerId from, HealthReply&& frame) {
    // The same number may be a query's: then it is an answer to both.
    if (is_recovering() && lost_.request != 0 && frame.request == lost_.request)
        on_recovery_answer(from, frame.health);
    if (election_question_ != 0 && frame.request == election_question_)
        tell_who_cannot_vote(from, frame.health);
    NodesQuery* query = nodes_queries_.find(frame.request);
    if (query == nullptr) return;
    for (NodeHealth& node : query->nodes) {
        if (server_id_of(node.node_id) != from || node.up) continue;
        node = std::move(frame.health);
        node.up = true;
        --query->awaited;
    }
    finish_nodes_query(frame.request);
}

// The newest entries are in memory; a follower that is far behind gets the rest from the disk.
bool Node::attach_entries(const engine::AppendEntries& append, Attached& attached) {
    attached.entries.reserve(append.entry_count);
    const LogIndex end = append.previous.index.plus(append.entry_count).next();
    for (LogIndex next = append.previous.index.next(); next < end;) {
        if (cache_.holds(next)) {
            attached.entries.push_back(&cache_.at(next));
            next = next.next();
            continue;
        }
        environment_.met(Situation::EntriesReadForPeer);
        auto read =
            log_->read(next, std::min(end, cache_.first_index()).previous(), config_.raft.append_bytes_max);
        if (!read) {
            fail(read.error());
            return false;
        }
        next = next.plus(read->size());
        for (const wal::LogEntry& entry : attached.read.emplace_back(std::move(*read)))
            attached.entries.push_back(&entry);
    }
    return true;
}

std::vector<HttpHeader> Node::greeting_to(std::string_view to) const {
    return {{std::string(kClusterHeader), config_.cluster_id},
            {std::string(kFromHeader), config_.self.name},
            {std::string(kToHeader), std::string(to)},
            {std::string(kFirstMembersHeader), fmt::format("{:016x}", first_members().digest())},
            {std::string(kSilenceHeader), std::to_string(silence_ms(config_.raft, config_.tick_ms))}};
}

// As whoever joins today is told them.
ClusterMembers Node::first_members() const {
    ClusterMembers first = known_members_.first;
    first.lineage = known_members_.lineage();
    return first;
}

std::expected<ServerId, GreetingRefusal> Node::check_greeting(const HttpRequest& request) const {
    const auto refuse = [](std::string_view code, std::string detail) {
        return std::unexpected(GreetingRefusal{code, std::move(detail)});
    };
    const std::string_view cluster = value_or_empty(request, kClusterHeader);
    const std::string_view from = value_or_empty(request, kFromHeader);
    const std::string_view to = value_or_empty(request, kToHeader);
    if (cluster != config_.cluster_id) {
        return refuse("wrong_cluster", fmt::format("this node belongs to cluster '{}'; check --cluster-id",
                                                   config_.cluster_id));
    }
    if (to != config_.self.name) {
        return refuse("wrong_node", fmt::format("this node is '{}'; check --peers", config_.self.name));
    }
    const ServerId id = server_id_of(from);
    if (has_removed(id)) {
        return refuse("removed_member", fmt::format("'{}' was removed from the cluster: stop it. {}",
                                                    percent_encode_shortened(from), kToAddAgain));
    }
    // Before membership: who was first started with another list is often in none of ours, and would look for
    // the mistake in its name.
    if (value_or_empty(request, kFirstMembersHeader) != fmt::format("{:016x}", first_members().digest())) {
        return refuse("other_first_members",
                      fmt::format("'{}' and '{}' were first started with different --peers or different "
                                  "backups, or one of them has gone on alone with --force-new-cluster: they "
                                  "cannot form one cluster",
                                  config_.self.name, percent_encode_shortened(from)));
    }
    // In no configuration that we know it may be in a newer one.
    if ((!is_name(from) && !is_address(from)) || id == config_.self.id) {
        return refuse("not_a_member", fmt::format("'{}' is no other member than '{}'; check --node-id",
                                                  percent_encode_shortened(from), config_.self.name));
    }
    // Its silence would not last as long as a lease that counts on it.
    const std::optional<std::uint64_t> silence = parse_decimal(value_or_empty(request, kSilenceHeader));
    if (config_.clock_drift_ppm != 0 && (!silence || *silence < silence_ms(config_.raft, config_.tick_ms))) {
        return refuse("other_timing",
                      fmt::format("'{}' runs with --clock-drift-ppm, and '{}' with a shorter "
                                  "--election-min-ms, a longer --heartbeat-ms, or another version: they "
                                  "must be the same",
                                  config_.self.name, percent_encode_shortened(from)));
    }
    return id;
}

NodeHealth Node::health() const {
    NodeHealth health;
    health.up = true;
    health.node_id = config_.self.name;
    health.addr = config_.self.address;
    health.role = raft_.role();
    health.term = raft_.current_term().value;
    if (const Member* leader = member(raft_.leader())) {
        health.leader_id = leader->name;
        health.leader_addr = leader->address;
    }
    health.commit_index = raft_.commit_index().value;
    health.last_index = raft_.log().last_index().value;
    health.durable_index = raft_.durable_index().value;
    health.durable_entry_term = raft_.log().term_at(raft_.durable_index()).value;
    health.durable_term = log_->durable_term().value;
    health.applied_index = applied_index_.value;
    health.snapshot_index = snapshots_.newest_index().value;
    health.first_index = raft_.log().first_index().value;
    health.revision = store_.revision();
    health.oldest_revision = store_.oldest_revision();
    health.keys = store_.size();
    health.storage = log_->out_of_space() ? StorageState::Full : StorageState::Ok;
    health.bytes = store_.bytes();
    health.version = QUORATE_VERSION;
    if (lost_.what == wal::Lost::TermAndEntries) health.term = health.durable_term = 0;  // unknown
    if (is_removed()) {
        health.state = NodeState::Removed;
    } else if (is_recovering()) {
        health.state = lost_.what == wal::Lost::LastBatch ? NodeState::Doubting : NodeState::Recovering;
        health.progress =
            lost_.leader_last == LogIndex{}
                ? 0
                : static_cast<std::uint32_t>(100 * std::min(raft_.durable_index(), lost_.leader_last).value /
                                             lost_.leader_last.value);
    } else if (loading_) {
        health.state = NodeState::Loading;
        health.progress =
            static_cast<std::uint32_t>(100 * loading_->chunks_loaded() / loading_->meta().chunks);
    } else if (applied_index_ < replay_through_) {
        health.state = NodeState::Replaying;
        health.progress = static_cast<std::uint32_t>(100 * applied_index_.value / replay_through_.value);
    }
    return health;
}

LeaderView Node::leader_view() const {
    LeaderView view;
    view.cluster_id = config_.cluster_id;
    view.term = raft_.current_term().value;
    if (const Member* leader = member(raft_.leader())) {
        view.leader_id = leader->name;
        view.leader_addr = leader->address;
    }
    view.source = config_.self.name;
    return view;
}

}  // namespace quorate::server
