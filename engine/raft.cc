#include "engine/raft.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "engine/check.h"
#include "engine/overloaded.h"
#include "engine/quorum.h"

namespace quorate::engine {

Raft::Raft(const Config& config, const InitialState& initial)
    : config_(config),
      random_(config.seed),
      hard_state_(initial.hard_state),
      missing_(initial.missing),
      ticks_until_heard_nobody_(initial.may_have_heard_leader ? config.election_timeout_ticks_min : 0),
      log_(initial.snapshot) {
    ENGINE_CHECK(config.is_valid());
    ENGINE_CHECK(initial.snapshot_membership.has_value() == (initial.snapshot.index > LogIndex{}));
    ENGINE_CHECK(!initial.snapshot_membership ||
                 initial.snapshot_membership->index <= initial.snapshot.index);
    // A received snapshot is durable before the term that it came in. It proves that its own term was
    // reached, and that we voted in none so late.
    if (initial.snapshot.term > hard_state_.current_term) hard_state_ = {initial.snapshot.term, kNobody};
    for (const EntryShape& entry : initial.entries) log_.append(entry);
    ENGINE_CHECK(log_.last_term() <= hard_state_.current_term);

    memberships_.push_back(initial.snapshot_membership.value_or(MembershipAt{}));
    for (const MembershipAt& at : initial.memberships) {
        ENGINE_CHECK(at.index > memberships_.back().index && at.index > log_.base().index &&
                     at.index <= log_.last_index());
        memberships_.push_back(at);
    }
    commit_index_ = std::max(initial.snapshot.index, initial.commit_index);
    durable_index_ = log_.last_index();
    role_ = Follower{.election_ticks_left = draw_election_timeout()};
    check_state();
}

void Raft::step(const Event& event, Output& output) {
    const Before before{hard_state_, commit_index_, role(), leader()};
    dispatch(event, output);
    check_delta(before);
    check_state();
}

void Raft::dispatch(const Event& event, Output& output) {
    std::visit(Overloaded{
                   [&](const TickElapsed&) { on_tick(output); },
                   [&](const MessageReceived& received) { on_message(received, output); },
                   [&](const EntriesProposed& proposed) { on_proposed(proposed.entries, output); },
                   [&](const MembershipProposed& proposed) { on_membership_proposed(proposed, output); },
                   [&](const ReadRequested& read) { on_read_requested(read.request, output); },
                   [&](const TransferRequested& request) { on_transfer_requested(request, output); },
                   [&](const PersistCompleted& completed) { on_persisted(completed.ticket, output); },
                   [&](const PeerUnreachable& unreachable) { on_peer_unreachable(unreachable.peer, output); },
                   [&](const SnapshotCompleted& completed) { on_snapshot_completed(completed, output); },
                   [&](const SnapshotSendFailed& failed) { on_snapshot_send_failed(failed.peer, output); },
                   [&](const VoteFloorLearned& learned) { on_vote_floor_learned(learned.floor, output); },
                   [&](const RecoveryCompleted&) { on_recovered(output); },
               },
               event);
}

void Raft::on_tick(Output& output) {
    if (ticks_until_heard_nobody_ > 0) --ticks_until_heard_nobody_;
    std::visit(Overloaded{
                   [&](Follower&) { on_follower_tick(output); },
                   [&](PreCandidate& candidate) { on_campaign_tick(candidate.election_ticks_left, output); },
                   [&](Candidate& candidate) { on_campaign_tick(candidate.election_ticks_left, output); },
                   [&](Leader&) { on_leader_tick(output); },
               },
               role_);
}

namespace {

/// Only these prove that what a leader sends arrives. A pre-vote or a forwarded read proves the other
/// direction alone, and a leader whose words reach nobody must not go on because of it.
bool is_answer(const Message& message) {
    return std::holds_alternative<AppendAccepted>(message) ||
           std::holds_alternative<AppendRefused>(message) || std::holds_alternative<HeartbeatReply>(message);
}

}  // namespace

void Raft::on_message(const MessageReceived& received, Output& output) {
    ENGINE_CHECK(received.from != config_.self);
    if (!passes_term_rule(received, output)) return;
    if (Progress* progress = progress_of(received.from); progress != nullptr && is_answer(received.message))
        progress->ticks_since_heard = 0;

    const ServerId from = received.from;
    std::visit(Overloaded{
                   [&](const RequestVote& m) { on_request_vote(from, m, output); },
                   [&](const VoteGranted& m) { on_vote_granted(from, m, output); },
                   [&](const VoteRefused& m) { on_vote_refused(from, m, output); },
                   [&](const AppendEntries& m) { on_append_entries(received, m, output); },
                   [&](const AppendAccepted& m) { on_append_accepted(from, m, output); },
                   [&](const AppendRefused& m) { on_append_refused(from, m, output); },
                   [&](const Heartbeat& m) { on_heartbeat(from, m, output); },
                   [&](const HeartbeatReply& m) { on_heartbeat_reply(from, m, output); },
                   [&](const StaleTerm&) {},  // the term rule did all there is to do
                   [&](const TimeoutNow&) { on_timeout_now(from, output); },
                   [&](const ReadIndexRequest& m) { on_read_index_request(from, m, output); },
                   [&](const ReadIndexReply& m) {
                       output.actions.emplace_back(AnswerRead{m.request, m.read_index});
                   },
                   [&](const ReadIndexRefused& m) {
                       output.actions.emplace_back(RefuseRead{m.request, RefusalReason::NotLeader, leader()});
                   },
                   [&](const InstallSnapshot& m) { on_install_snapshot(received, m, output); },
               },
               received.message);
}

namespace {

/// Only the leader of its term sends these.
bool comes_from_leader(const Message& message) {
    return std::holds_alternative<AppendEntries>(message) || std::holds_alternative<Heartbeat>(message) ||
           std::holds_alternative<InstallSnapshot>(message) || std::holds_alternative<TimeoutNow>(message) ||
           std::holds_alternative<ReadIndexReply>(message);
}

/// Whether there is a next term after the message's, and a next index after what it would put into the log.
bool is_within_reach(const Message& message) {
    if (std::visit([](const auto& m) { return m.term; }, message) > Term(kReachMax)) return false;
    const LogIndex index_max(kReachMax);
    if (const auto* append = std::get_if<AppendEntries>(&message)) return append->previous.index <= index_max;
    if (const auto* install = std::get_if<InstallSnapshot>(&message))
        return install->last_entry.index <= index_max;
    return true;
}

/// A pre-vote and its grant speak of a term that nobody is in yet. Thesis §9.6.
bool speaks_of_future_term(const Message& message) {
    if (const auto* request = std::get_if<RequestVote>(&message))
        return request->kind == CampaignKind::PreVote;
    if (const auto* granted = std::get_if<VoteGranted>(&message))
        return granted->kind == CampaignKind::PreVote;
    return false;
}

}  // namespace

// A server that hears its leader does not let another one raise its term, thesis §4.2.3: a removed server or
// one back from a partition would depose a working leader. A leader of that term may, and who campaigns by
// the leader's own order (Transfer). Nobody else, whatever it says: S2 has asked S3 for a pre-vote and
// follows S1 since, when the refusal of S3, which has begun the next term by then, comes late. In that term
// S2 would hear no leader and could vote for S3 at once, while S1 counts on its silence.
bool Raft::leaves_leader_alone(const MessageReceived& received) const {
    if (comes_from_leader(received.message)) return false;
    const auto* request = std::get_if<RequestVote>(&received.message);
    if (request != nullptr && request->kind == CampaignKind::Transfer) return false;
    // A leader steps down for any later term, but not for the wish to begin one.
    if (request == nullptr && std::holds_alternative<Leader>(role_)) return false;
    return leader_other_than_is_alive(received.from);
}

// "If one server's current term is smaller than the other's, then it updates its current term to the larger
// value. If a candidate or leader discovers that its term is out of date, it immediately reverts to follower
// state." Thesis §3.3. False: nothing is left to do.
bool Raft::passes_term_rule(const MessageReceived& received, Output& output) {
    const Term term = std::visit([](const auto& m) { return m.term; }, received.message);
    if (!is_within_reach(received.message)) {
        note(NoteKind::MessageMalformed, received.from, term, {}, output);
        return false;
    }
    if (speaks_of_future_term(received.message)) return true;

    if (term > hard_state_.current_term) {
        if (leaves_leader_alone(received)) {
            const auto* request = std::get_if<RequestVote>(&received.message);
            if (request == nullptr) {
                note(NoteKind::TermIgnoredLeaderIsAlive, received.from, term, {}, output);
                return false;
            }
            note(NoteKind::VoteRefusedLeaderIsAlive, received.from, term, request->last_entry.index, output);
            send(received.from, VoteRefused{hard_state_.current_term, request->kind, term}, output);
            return false;
        }
        const ServerId leader = comes_from_leader(received.message) ? received.from : kNobody;
        become_follower(term, leader, NoteKind::HigherTermSeen, output);
        return true;
    }
    if (term < hard_state_.current_term) {
        answer_old_term(received, output);
        return false;
    }
    return true;
}

// A leader or candidate of an old term must hear of the new one even from a server that will do nothing else
// for it: silence here lets a rejoined server with a higher term stall its whole cluster.
void Raft::answer_old_term(const MessageReceived& received, Output& output) {
    const Term term = hard_state_.current_term;
    if (const auto* request = std::get_if<RequestVote>(&received.message)) {
        note(NoteKind::VoteRefusedTermOver, received.from, request->term, request->last_entry.index, output);
        send(received.from, VoteRefused{term, request->kind, request->term}, output);
    } else if (const auto* read = std::get_if<ReadIndexRequest>(&received.message)) {
        send(received.from, ReadIndexRefused{term, read->request}, output);
    } else if (const auto* reply = std::get_if<ReadIndexReply>(&received.message)) {
        // An index that was confirmed after the read began stays good for it, whoever leads since.
        output.actions.emplace_back(AnswerRead{reply->request, reply->read_index});
    } else if (comes_from_leader(received.message)) {
        note(NoteKind::LeaderMessageOfOldTerm, received.from, term, {}, output);
        send(received.from, StaleTerm{term}, output);
    } else {
        note(NoteKind::AnswerOfOldTermIgnored, received.from, term, {}, output);
    }
}

void Raft::become_follower(Term term, ServerId leader, NoteKind reason, Output& output) {
    ENGINE_CHECK(term >= hard_state_.current_term);
    ENGINE_CHECK(leader != config_.self);
    if (std::holds_alternative<Leader>(role_)) {
        refuse_all_reads(output);
        // Without another's term nobody has taken over: this leader gave up.
        const bool is_deposed = term > hard_state_.current_term;
        end_transfer(is_deposed ? TransferOutcome::Done : TransferOutcome::SteppedDown, output);
    }
    // The timer goes on: a server whose log is behind must not keep an electable one waiting by raising its
    // term again and again.
    const std::uint32_t ticks_left =
        std::visit(Overloaded{
                       [](const Follower& r) { return r.election_ticks_left; },
                       [](const PreCandidate& r) { return r.election_ticks_left; },
                       [](const Candidate& r) { return r.election_ticks_left; },
                       [](const Leader&) { return 0U; },
                   },
                   role_);
    role_ = Follower{.leader = leader,
                     .election_ticks_left = ticks_left > 0 ? ticks_left : draw_election_timeout()};
    if (term > hard_state_.current_term) {
        // The vote belongs to its term: only a new term clears it.
        hard_state_ = {term, kNobody};
        if (!held_.empty()) {
            // What an earlier term owed is void: an acknowledgement sent now could count entries that this
            // term replaces.
            note(NoteKind::AcknowledgementDroppedTermChanged, kNobody, term, {}, output);
            held_.clear();
        }
        persist(hard_state_, {}, {}, {}, output);
    }
    announce(reason, output);
}

PersistTicket Raft::persist(std::optional<HardState> hard_state, LogIndex truncate_from, LogIndex first,
                            LogIndex last, Output& output) {
    last_ticket_ = last_ticket_.next();
    persisting_.emplace_back(last_ticket_, log_.last_index());
    output.actions.emplace_back(std::in_place_type<PersistLog>, last_ticket_, hard_state, truncate_from,
                                first, last);
    return last_ticket_;
}

void Raft::on_persisted(PersistTicket ticket, Output& output) {
    ENGINE_CHECK(ticket > completed_ticket_ &&
                 ticket <= last_ticket_);  // tickets complete in order, each once
    completed_ticket_ = ticket;
    const auto pending =
        std::ranges::find_if(persisting_, [&](const Persisting& p) { return p.ticket > ticket; });
    for (auto done = persisting_.begin(); done != pending; ++done) {
        durable_index_ = std::max(durable_index_, done->last_index);
    }
    persisting_.erase(persisting_.begin(), pending);

    const auto still_held =
        std::ranges::find_if(held_, [&](const Held& held) { return held.ticket > ticket; });
    for (auto held = held_.begin(); held != still_held; ++held) send(held->to, held->message, output);
    held_.erase(held_.begin(), still_held);

    if (auto* candidate = std::get_if<Candidate>(&role_);
        candidate != nullptr && candidate->own_vote > PersistTicket{} && candidate->own_vote <= ticket) {
        on_own_vote_durable(output);
    } else if (auto* leader = std::get_if<Leader>(&role_)) {
        leader->ticks_since_persisted = 0;
        maybe_commit(output);  // which may end our leading
    }
}

// An old write's completion must not make the entries that replaced its own look durable: every claim on the
// cut-off part ends here.
void Raft::truncate_log(LogIndex from, Output& output) {
    ENGINE_CHECK(from > commit_index_);
    note(NoteKind::SuffixTruncated, kNobody, log_.term_at(from), from, output);
    log_.truncate_from(from);
    durable_index_ = std::min(durable_index_, from.previous());
    for (Persisting& p : persisting_) p.last_index = std::min(p.last_index, from.previous());
    while (memberships_.size() > 1 && memberships_.back().index >= from) {
        note(NoteKind::MembershipRolledBack, kNobody, {}, memberships_.back().index, output);
        memberships_.pop_back();
    }
}

void Raft::send_when_durable(ServerId to, const Message& message, Output& output) {
    if (completed_ticket_ == last_ticket_) return send(to, message, output);
    // One acknowledgement for all that one write makes durable: the last says all that the earlier ones say.
    if (auto* accepted = std::get_if<AppendAccepted>(&message)) {
        for (Held& held : held_) {
            auto* earlier = std::get_if<AppendAccepted>(&held.message);
            if (held.ticket == last_ticket_ && held.to == to && earlier != nullptr) {
                earlier->match_index = std::max(earlier->match_index, accepted->match_index);
                return;
            }
        }
    }
    held_.emplace_back(last_ticket_, to, message);
}

void Raft::advance_commit(LogIndex to, Output& output) {
    ENGINE_CHECK(to > commit_index_ && to <= log_.last_index());
    ENGINE_MAYBE(to > durable_index_);  // committed by others' disks before our own: legal
    note(NoteKind::CommitAdvanced, kNobody, hard_state_.current_term, to, output);
    output.actions.emplace_back(std::in_place_type<CommitEntries>, commit_index_.next(), to);
    commit_index_ = to;
}

void Raft::note(NoteKind kind, ServerId peer, Term term, LogIndex index, Output& output) {
    output.notes.emplace_back(kind, peer, term, index);
}

void Raft::announce(NoteKind reason, Output& output) const {
    note(reason, leader(), hard_state_.current_term, {}, output);
    output.actions.emplace_back(AnnounceRole{role(), hard_state_.current_term, leader(), reason});
}

ServerId Raft::leader() const {
    if (const auto* follower = std::get_if<Follower>(&role_)) return follower->leader;
    return std::holds_alternative<Leader>(role_) ? config_.self : kNobody;
}

std::uint32_t Raft::ticks_since_leader() const {
    if (std::holds_alternative<Leader>(role_)) {
        // The lowest number that a majority has not passed: turned round, the highest that it has reached.
        constexpr std::uint32_t kMax = std::numeric_limits<std::uint32_t>::max();
        const auto heard = [&](ServerId id) {
            if (id == config_.self) return kMax;
            const Progress* progress = progress_of(id);
            return progress != nullptr ? kMax - progress->ticks_since_heard : 0U;
        };
        return kMax - reached_by_quorum<std::uint32_t>(membership(), heard);
    }
    const auto* follower = std::get_if<Follower>(&role_);
    return follower != nullptr && follower->leader != kNobody ? follower->ticks_since_leader
                                                              : std::numeric_limits<std::uint32_t>::max();
}

LogIndex Raft::received_index() const {
    const auto* follower = std::get_if<Follower>(&role_);
    return follower != nullptr && follower->leader != kNobody
               ? std::max(follower->received_index, commit_index_)
               : LogIndex{};
}

LogIndex Raft::leader_commit() const {
    const auto* follower = std::get_if<Follower>(&role_);
    LogIndex commit;
    if (follower != nullptr) commit = follower->leader_commit;
    if (std::holds_alternative<Leader>(role_)) commit = commit_index_;
    const bool is_of_term = commit > LogIndex{} && commit <= log_.last_index() && log_.knows_term(commit) &&
                            log_.term_at(commit) == hard_state_.current_term;
    return is_of_term ? commit : LogIndex{};
}

}  // namespace quorate::engine
