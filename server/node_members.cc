// Who belongs to the cluster: changes of it, and what they mean to this node.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/quorum.h"
#include "server/http_answers.h"
#include "server/members_json.h"
#include "server/node.h"
#include "server/problem.h"

namespace quorate::server {

using engine::LogIndex;
using engine::ServerId;

// A configuration is in force as soon as it is in the log, thesis §4.1, and out of force when it is cut off
// again.
void Node::adopt_members() {
    const ClusterMembers& newest = known_members_.at.at(raft_.membership_index());
    // Another leader's may stand at the same index.
    if (members_index_ == raft_.membership_index() && members_ == newest) return;
    members_index_ = raft_.membership_index();
    members_ = newest;
    members_told_ = {};
    if (contacts_index_ <= members_index_) contacts_.clear();
    set_peers();
}

std::uint64_t Node::KnownMembers::lineage() const {
    std::uint64_t newest = first.lineage;
    for (const auto& [index, members] : at) newest = std::max(newest, members.lineage);
    return newest;
}

// The members, and who has said that it is one by a newer configuration than ours.
void Node::set_peers() {
    std::vector<PeerAddress> peers;
    const auto add = [&](const Member& m) {
        const bool is_known = std::ranges::find(peers, m.id, &PeerAddress::id) != peers.end();
        if (m.id != config_.self.id && !is_known) peers.push_back({m.id, m.name, m.address});
    };
    std::ranges::for_each(contacts_, add);
    std::ranges::for_each(members_.members, add);
    // A leader that leaves leads until that is committed, and tells who leaves with it.
    if (const auto before = known_members_.at.lower_bound(members_index_);
        before != known_members_.at.begin()) {
        for (const Member& m : std::prev(before)->second.members) {
            if (m.id == raft_.leader() || is_leaving(m.id)) add(m);
        }
    }
    environment_.set_peers(peers);
    peers_basis_ = peers_basis();
}

Node::PeersBasis Node::peers_basis() const {
    const auto* leader = raft_.as_leader();
    return {members_index_, contacts_index_, raft_.leader(), leader != nullptr ? leader->progress.size() : 0};
}

// Of another server, while this one leads.
const engine::Progress* Node::progress_of(ServerId id) const {
    const auto* leader = raft_.as_leader();
    if (leader == nullptr) return nullptr;
    const auto found = std::ranges::find(leader->progress, id, &engine::Progress::id);
    return found != leader->progress.end() ? &*found : nullptr;
}

bool Node::is_leaving(ServerId id) const {
    const auto* progress = progress_of(id);
    return progress != nullptr && progress->is_leaving;
}

void Node::on_frame(ServerId from, Introduction&& frame) {
    if (frame.index > LogIndex(engine::kReachMax)) return;  // nobody's
    hear_of_membership(frame.members.membership());
    const bool is_newer = frame.index > members_index_ && frame.index >= contacts_index_;
    if (!is_newer) return add_contact(from, frame.members);
    contacts_told_ms_ = now_ms_;
    if (frame.index == contacts_index_) return;
    environment_.met(Situation::Introduced);
    contacts_index_ = frame.index;
    contacts_ = std::move(frame.members.members);
    set_peers();
}

// A configuration that is not committed may never be, whatever its index: ours, or that of our contacts. Who
// is in an older one, and in none of these, may have to lead, and our vote must reach it.
void Node::add_contact(ServerId speaker, const ClusterMembers& known_to_it) {
    const Member* found = known_to_it.find(speaker);
    if (found == nullptr || speaker == config_.self.id || member(speaker) != nullptr) return;
    if (members_index_ <= raft_.commit_index() && contacts_.empty()) return;
    if (contacts_.size() >= 2 * kMembersLimit) return;  // forget_contacts() makes room
    environment_.met(Situation::IntroducedByOlder);
    contacts_told_ms_ = now_ms_;
    contacts_.push_back(*found);
    set_peers();
}

// To who may not know where to reach those who speak to it.
bool Node::introduce_to(ServerId to) {
    return environment_.send_frame(to, encode_frame(Introduction{members_index_, members_}));
}

// Whoever asks for a vote may be in no configuration that is known there; and a member that lags behind our
// configuration, a new one, or one that has lost it, knows neither us nor where its answers go.
bool Node::wants_introduction(const engine::SendMessage& action) const {
    if (std::holds_alternative<engine::RequestVote>(action.message)) return true;
    if (!std::holds_alternative<engine::Heartbeat>(action.message)) return false;
    const auto* progress = progress_of(action.to);
    return progress != nullptr && (progress->match_index < members_index_ ||
                                   progress->ticks_since_heard >= config_.raft.election_timeout_ticks_min);
}

// As long as it is not committed, what removed it may be cut off again.
bool Node::has_removed(ServerId id) const {
    return members_.has_removed(id) && members_index_ <= raft_.commit_index();
}

bool Node::is_removed() const { return has_removed(config_.self.id); }

MembersView Node::members_view() const {
    MembersView view{.cluster_id = config_.cluster_id,
                     .index = members_index_,
                     .is_committed = members_index_ <= raft_.commit_index(),
                     .members = members_,
                     .first = first_members(),
                     .leader_name = leader_view().leader_id,
                     .source = config_.self.name};
    const auto* leader = raft_.as_leader();
    if (leader == nullptr) return view;
    view.last_index = raft_.log().last_index();
    for (const engine::Progress& progress : leader->progress) view.match[progress.id] = progress.match_index;
    return view;
}

bool Node::is_heard(ServerId id) const {
    if (id == config_.self.id) return true;
    const auto* progress = progress_of(id);
    return progress != nullptr && !lost_peers_.contains(id) &&
           progress->ticks_since_heard < config_.raft.election_timeout_ticks_min;
}

// It has what was committed a heartbeat or two ago: promoted, it holds nothing up. And it has the entry by
// which it belongs, without which it would give no vote (Raft::has_ever_belonged()).
bool Node::has_caught_up(ServerId id) const {
    const auto* progress = progress_of(id);
    return progress != nullptr && is_heard(id) &&
           progress->match_index >= std::max(caught_up_index_, members_index_) &&
           caught_up_index_ >= raft_.as_leader()->term_start;
}

// Whether the leader may begin another change now.
bool Node::can_change_members() const {
    const auto* leader = raft_.as_leader();
    return leader != nullptr && !leader->transfer && members_index_ <= raft_.commit_index() &&
           raft_.commit_index() >= leader->term_start && !is_stopping_ && !log_->out_of_space();
}

std::optional<ChangeRefusal> Node::danger_of(const ClusterMembers& target) const {
    const engine::Membership now = members_.membership();
    const engine::Membership then = target.membership();
    if (now.voters == then.voters && !moves_voters(target)) return std::nullopt;
    for (const ServerId id : then.voters) {
        if (now.is_voter(id) || has_caught_up(id)) continue;
        return ChangeRefusal{
            409, "not_caught_up",
            fmt::format("'{}' does not have the log yet, or is not heard: wait until GET "
                        "/cluster/members on the leader shows it hardly behind, or force it, though "
                        "it gives no vote before it has the entry by which it belongs",
                        target.find(id)->name)};
    }
    // Whether a member is at its new address nobody knows yet.
    const auto stays_heard = [&](ServerId id) {
        const Member* before = members_.find(id);
        return is_heard(id) && (before == nullptr || before->address == target.find(id)->address);
    };
    if (engine::has_quorum(then, stays_heard)) return std::nullopt;
    return ChangeRefusal{409, "no_live_quorum",
                         "too few of the voters that would be left are heard now at the addresses that they "
                         "would have: the cluster could decide nothing any more, not even the change. Start "
                         "them first, move one at a time, or force it"};
}

bool Node::moves_voters(const ClusterMembers& target) const {
    return std::ranges::any_of(target.members, [&](const Member& then) {
        const Member* now = members_.find(then.id);
        return then.role == MemberRole::Voter && now != nullptr && now->address != then.address;
    });
}

void Node::start_members_change(HttpExchange exchange, ApiCall&& call) {
    const auto refuse = [&](HttpResponse answer) { environment_.respond(exchange, std::move(answer)); };
    if (auto refusal = admission_refusal()) return refuse(std::move(*refusal));
    if (raft_.role() != engine::RoleName::Leader) return refuse(not_leader(leader_view()));
    if (log_->out_of_space()) return refuse(disk_full());
    if (raft_.membership().is_joint() || members_call_ || !can_change_members())
        return refuse(change_in_progress());
    const MembersChange& change = std::get<MembersChangeCall>(call.call).change;
    auto target = changed(members_, change);
    if (!target) return refuse(problem(target.error().status, target.error().code, target.error().detail));
    if (*target == members_) return refuse(cluster_members(members_view()));
    if (const auto danger = change.is_forced ? std::nullopt : danger_of(*target))
        return refuse(problem(danger->status, danger->code, danger->detail));
    propose_members(on_the_way(members_, *target));
    if (members_index_ <= raft_.commit_index()) return refuse(change_in_progress());
    members_call_ = MembersChangeUnderWay{operations_.add(ClientCall{exchange, std::move(call)}, now_ms_),
                                          raft_.current_term(), members_index_};
}

void Node::propose_members(const ClusterMembers& members) {
    wal::LogEntry entry{{}, engine::EntryKind::Membership, encode_members(members)};
    const std::uint32_t bytes = entry.shape().bytes;
    environment_.log(LogLevel::Info, fmt::format("changing the members: {}", summary_of(members)));
    step(engine::MembershipProposed{members.membership(), bytes}, {{}, std::span(&entry, 1), {}});
}

// What follows from what is committed. At the end of each turn.
void Node::go_on_with_members() {
    if (peers_basis_ != peers_basis()) set_peers();
    if (members_told_ != members_index_ && members_index_ <= raft_.commit_index()) {
        members_told_ = members_index_;
        environment_.log(LogLevel::Info, fmt::format("members since entry {}: {}", members_index_.value,
                                                     summary_of(members_)));
        if (is_removed()) {
            environment_.met(Situation::RemovedFromCluster);
            environment_.log(
                LogLevel::Warning,
                fmt::format("this node was removed from the cluster by entry {}: it takes part in "
                            "nothing any more; stop it. {}",
                            members_index_.value, kToAddAgain));
        }
    }
    if (raft_.membership().is_joint() && can_change_members()) {
        environment_.met(Situation::JointConfigurationLeft);
        propose_members(end_of_joint(members_));
    }
    settle_members_call();
}

void Node::settle_members_call() {
    if (!members_call_) return;
    const auto [operation_id, term, index] = *members_call_;
    const bool is_lost = raft_.role() != engine::RoleName::Leader || raft_.current_term() != term;
    // Only another leader cuts what this one has appended.
    const bool is_ours = !is_lost || (raft_.log().knows_term(index) && raft_.log().term_at(index) == term);
    const bool is_there = is_ours && members_index_ >= index && members_index_ <= raft_.commit_index() &&
                          !raft_.membership().is_joint();
    if (!is_there && !is_lost) return;
    const auto operation = operations_.take(operation_id);
    members_call_.reset();
    if (!operation) return;  // its time ran out
    environment_.respond(std::get<ClientCall>(*operation).exchange,
                         is_there ? cluster_members(members_view()) : outcome_unknown());
}

// What nobody says any more may never have been committed. Each tick.
void Node::forget_contacts() {
    constexpr std::uint64_t kTimeouts = 4;
    const std::uint64_t patience_ms = kTimeouts * config_.raft.election_timeout_ticks_max * config_.tick_ms;
    if (contacts_.empty() || now_ms_ - contacts_told_ms_ < patience_ms) return;
    contacts_.clear();
    contacts_index_ = {};
    set_peers();
}

// A learner does not stand for election, and so nothing else shows that no leader reaches it. Each tick.
void Node::tell_of_silence() {
    constexpr std::uint64_t kPatienceMs = 10'000;
    const bool may_lead = raft_.membership().is_voter(config_.self.id);
    if (raft_.leader() != engine::kNobody || may_lead || is_removed() || led_ms_ == 0) led_ms_ = now_ms_;
    if (now_ms_ - led_ms_ < kPatienceMs) return;
    led_ms_ = now_ms_;
    environment_.log(LogLevel::Warning,
                     fmt::format("no leader has spoken to this node for {} s: it must be a member, and the "
                                 "others must reach it at {}, its --advertise-addr",
                                 kPatienceMs / 1000, config_.self.address));
}

// Learners that join become voters as soon as they have the log. Each tick of a leader.
void Node::promote_joiners() {
    if (raft_.role() != engine::RoleName::Leader) {
        caught_up_index_ = committed_before_ = LogIndex(UINT64_MAX);
        return;
    }
    if (now_ms_ - caught_up_told_ms_ >= std::uint64_t{config_.raft.heartbeat_ticks} * config_.tick_ms) {
        caught_up_told_ms_ = now_ms_;
        caught_up_index_ = std::exchange(committed_before_, raft_.commit_index());
    }
    if (!can_change_members() || raft_.membership().is_joint()) return;
    for (const Member& m : members_.members) {
        if (m.role != MemberRole::JoiningLearner || !has_caught_up(m.id)) continue;
        const auto target = changed(members_, {.promote = {m.name}});
        if (!target || danger_of(*target)) continue;
        environment_.met(Situation::LearnerPromoted);
        return propose_members(on_the_way(members_, *target));
    }
}

}  // namespace quorate::server
