// Events to steps, actions to deeds.

#include "server/node.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/check.h"
#include "engine/format.h"
#include "engine/overloaded.h"
#include "server/command.h"
#include "server/http_answers.h"
#include "server/refusal_text.h"

namespace quorate::server {

using engine::LogIndex;
using engine::ServerId;

namespace {

// Between two offers of leadership for want of room. The second comes soon, since another node may be able to
// serve writes at once; where none can, offers help nobody.
constexpr std::uint64_t kYieldPauseMsMin = 1000;
constexpr std::uint64_t kYieldPauseMsMax = 60'000;

template <class Value>
std::vector<Value> take_first(std::vector<Value>& values, std::size_t count) {
    if (count == values.size()) return std::exchange(values, {});
    const auto end = values.begin() + static_cast<std::ptrdiff_t>(count);
    std::vector<Value> first(std::move_iterator(values.begin()), std::move_iterator(end));
    values.erase(values.begin(), end);
    return first;
}

}  // namespace

void Node::tick(std::uint64_t now_ms) {
    if (has_failed_) return;
    // A pause of the process is one tick to the engine.
    if (now_ms > now_ms_ + 2 * std::uint64_t{config_.tick_ms}) {
        pause_ms_ = now_ms - now_ms_;
        pause_end_ms_ = now_ms;
    }
    previous_tick_ms_ = std::exchange(now_ms_, now_ms);
    // Who does not know its term keeps silent.
    if (lost_.what != wal::Lost::TermAndEntries) step(engine::TickElapsed{});
    recover_from_peers();
    expire_operations();
    hand_over_to_stop();
    yield_for_space();
    forget();
    note_replay();
    care_for_snapshots();
    forget_contacts();
    tell_of_silence();
    promote_joiners();
    // A quiet moment proves the last batch durable in the log itself, so that damage to it cannot later be
    // taken for a torn write; and tells the next start what is committed.
    if (!idle_told_ && log_->idle() && now_ms_ - last_change_ms_ >= 50) {
        idle_told_ = true;
        log_->on_idle();
    }
}

void Node::peer_lost(ServerId peer) {
    if (has_failed_) return;
    lost_peers_.insert(peer);
    step(engine::PeerUnreachable{peer});
    for (const Pending& lost : operations_.take_if([&](const Pending& pending) {
             const auto* client = std::get_if<ClientCall>(&pending);
             return client != nullptr && client->forwarded_to == peer;
         })) {
        environment_.met(Situation::LeaderOfWriteLost);
        environment_.respond(std::get<ClientCall>(lost).exchange, outcome_unknown());
    }
    if (peer == raft_.leader()) retry_unconfirmed_reads();
}

void Node::disk_completed(const wal::DiskCompletion& completion) {
    if (has_failed_) return;
    if (completion.id >= kSnapshotJobs) return snapshot_job_completed(completion);
    const auto ticket = log_->on_completed(completion);
    if (!ticket) return fail(ticket.error());
    if (*ticket > engine::PersistTicket{}) step(engine::PersistCompleted{*ticket});
}

void Node::turn_ended(std::uint64_t clock_ms) {
    if (has_failed_) return;
    clock_ms_ = std::max(clock_ms_, clock_ms);
    go_on_with_members();
    propose_queued();
    if (!queued_reads_.empty()) request_queued_reads();
    log_->note_commit(raft_.commit_index());
    if (!has_failed_) log_->flush();
    apply_committed();
    keep_snapshots();
    if (snapshots_.received() != nullptr) want_chunk();
    if (!backups_.empty()) go_on_with_backups();
}

void Node::begin_stop() {
    if (is_stopping_ || has_failed_) return;
    is_stopping_ = true;
    answer_snapshot_calls(LogIndex(UINT64_MAX), shutting_down());
    break_off_backups("this node is about to stop");
    hand_over_to_stop();
}

bool Node::owes_hand_over() const {
    return is_stopping_ && raft_.role() == engine::RoleName::Leader && stop_term_ != raft_.current_term();
}

// Also of a leadership that comes while the last answers are given.
void Node::hand_over_to_stop() {
    if (!owes_hand_over()) return;
    stop_term_ = raft_.current_term();
    environment_.met(Situation::StopHandsOver);
    stop_transfer_ = engine::RequestId(next_request_++);
    step(engine::TransferRequested{*stop_transfer_, engine::kNobody});
}

bool Node::is_quiet() const {
    return has_failed_ || (operations_.empty() && nodes_queries_.empty() && !stop_transfer_ &&
                           !owes_hand_over() && log_->idle());
}

void Node::step(const engine::Event& event, Payloads payloads) {
    // An action may lead to another step (a refused proposal answers, a transfer ends): each has its own
    // output.
    engine::Output output = std::exchange(output_, {});
    output.clear();
    raft_.step(event, output);
    if (const engine::Leader* leader = raft_.as_leader())
        lease_.note_round(raft_.current_term(), leader->round, clock_ms_);
    for (const engine::Note& note : output.notes) report(note);
    environment_.engine_stepped(output);
    for (const engine::Action& action : output.actions) {
        if (has_failed_) break;
        std::visit([&](const auto& a) { perform(a, payloads); }, action);
    }
    output_ = std::move(output);
}

void Node::perform(const engine::SendMessage& action, Payloads&) {
    Attached attached;
    const auto* append = std::get_if<engine::AppendEntries>(&action.message);
    if (append != nullptr && !attach_entries(*append, attached)) return;
    if (wants_introduction(action)) introduce_to(action.to);
    const bool is_sent = environment_.send_frame(action.to, encode_frame(action.message, attached.entries));
    // Nobody will answer a read index that could not be asked for: better to say so now than when the time is
    // over.
    const auto* read = std::get_if<engine::ReadIndexRequest>(&action.message);
    if (read == nullptr || is_sent) return;
    environment_.met(Situation::ReadLeaderUnreachable);
    refuse_reads(read->request, leader_unreachable());
}

void Node::perform(const engine::PersistLog& action, Payloads& payloads) {
    if (action.truncate_from > LogIndex{}) {
        cache_.truncate_from(action.truncate_from);
        auto& known = known_members_.at;
        known.erase(known.lower_bound(action.truncate_from), known.end());
        replay_through_ = std::min(replay_through_, action.truncate_from.previous());
    }
    wal::LogEntry no_op{raft_.current_term(), engine::EntryKind::NoOp, {}};
    std::span<wal::LogEntry> entries;
    if (action.first > LogIndex{} && action.first <= action.last) {
        entries = payloads.entries.empty() ? std::span(&no_op, 1)
                                           : payloads.entries.subspan(action.first.past(payloads.first));
        ENGINE_CHECK(entries.size() == action.last.past(action.first) + 1);
        ENGINE_CHECK(action.first == cache_.end_index());
    }
    log_->persist(action.ticket, action.hard_state, action.truncate_from, action.first, entries);
    bool may_be_others = action.truncate_from > LogIndex{};
    for (wal::LogEntry& entry : entries) {
        if (entry.kind == engine::EntryKind::Membership) {
            may_be_others = true;
            auto members = decode_members(entry.payload);
            ENGINE_CHECK(members);  // on_frame() lets no other in
            known_members_.at[cache_.end_index()] = std::move(*members);
        }
        cache_.append(std::move(entry));
    }
    // A snapshot's members come with its install, which is the next action.
    if (may_be_others && known_members_.at.contains(raft_.membership_index())) adopt_members();
    last_change_ms_ = now_ms_;
    idle_told_ = false;
}

void Node::perform(const engine::AcceptProposal& action, Payloads& payloads) {
    payloads.first = action.first;
    for (std::size_t i = 0; i < payloads.entries.size(); ++i) {
        payloads.entries[i].term = action.term;
        const LogIndex index = action.first.plus(i);
        // A write of an earlier term that stood here was cut from our log: it may live on in another's.
        if (const auto old = undecided_.extract(index)) {
            environment_.met(Situation::WriteCutFromLog);
            decide_write(old.mapped().operation, WriteUnknown{});
        }
        if (!payloads.proposers.empty()) undecided_[index] = {action.term, payloads.proposers[i]};
    }
}

void Node::perform(const engine::RefuseProposal& action, Payloads& payloads) {
    for (const OperationId id : payloads.proposers) {
        switch (action.reason) {
            case engine::RefusalReason::NotLeader:
            case engine::RefusalReason::ChangeInProgress:  // of a configuration, which nobody's call waits
                                                           // for
            case engine::RefusalReason::Transferring: decide_write(id, WriteNotLeader{}); break;
            case engine::RefusalReason::Overloaded: decide_write(id, WriteOverloaded{}); break;
        }
    }
}

void Node::perform(const engine::CommitEntries& action, Payloads&) {
    commit_index_ = action.last;
    last_change_ms_ = now_ms_;
    idle_told_ = false;
}

void Node::perform(const engine::AnswerRead& action, Payloads&) {
    const auto confirmed = unconfirmed_reads_.extract(action.request);
    if (confirmed.empty()) return;
    if (action.read_index > raft_.log().last_index() && log_->is_stuck()) {
        environment_.met(Situation::ReadRefusedBehind);
        for (const OperationId id : confirmed.mapped()) refuse_read(id, store_behind());
        return;
    }
    if (action.read_index > applied_index_) environment_.met(Situation::ReadWaitedForApply);
    for (const OperationId id : confirmed.mapped()) unapplied_reads_.emplace(action.read_index, id);
}

void Node::perform(const engine::RefuseRead& action, Payloads&) {
    environment_.met(Situation::ReadRefused);
    const bool is_overload = action.reason == engine::RefusalReason::Overloaded;
    refuse_reads(action.request, is_overload ? overloaded() : no_leader());
}

void Node::perform(const engine::AnswerTransfer& action, Payloads&) {
    // The transfer that another one replaces ends first: it is not the one that a stop waits for.
    if (stop_transfer_ == action.request) stop_transfer_.reset();
    const auto asked = client_transfers_.extract(action.request);
    if (!asked.empty()) end_transfer(asked.mapped(), action.outcome);
    environment_.log(LogLevel::Info,
                     fmt::format("leadership transfer: {}", engine::to_string(action.outcome)));
}

void Node::perform(const engine::AnnounceRole& action, Payloads&) {
    retry_unconfirmed_reads();
    follow_campaign(action);
    const Member* leader = member(action.leader);
    environment_.log(LogLevel::Info,
                     fmt::format("role={} term={} leader={} reason={} last_index={} commit_index={}",
                                 engine::to_string(action.role), action.term.value,
                                 leader != nullptr ? leader->name : "none", engine::to_string(action.reason),
                                 raft_.log().last_index().value, raft_.commit_index().value));
}

// A leader whose own log waits for room cannot say any more that there is none, and alone it commits nothing:
// the log is asked before, not after. Others may commit without it, so that it makes them wait for a moment
// only: a disk that is full says so at once, one that is slow does not.
bool Node::holds_writes_back() {
    constexpr std::uint64_t kHoldMsMax = 1000;
    if (!log_->awaits_room() || raft_.role() != engine::RoleName::Leader) {
        room_awaited_since_ms_.reset();
        return false;
    }
    if (!room_awaited_since_ms_) room_awaited_since_ms_ = now_ms_;
    const engine::Membership& members = raft_.membership();
    const bool is_alone = !members.is_joint() && members.voters.size() == 1;
    if (queued_writes_.empty() || (!is_alone && now_ms_ - *room_awaited_since_ms_ >= kHoldMsMax))
        return false;
    environment_.met(Situation::WritesAwaitRoom);
    return true;
}

// A part of a segment at a time, each with a ticket of its own: what waits for the next segment is not held
// up by what needs the one after it.
void Node::propose_queued() {
    while (!holds_writes_back() && !queued_writes_.empty() && !has_failed_) propose_some();
}

void Node::propose_some() {
    constexpr std::uint64_t kPartsOfSegment = 8;
    std::uint64_t bytes = 0;
    std::size_t count = 0;
    do {
        bytes += queued_entries_[count++].payload.size();
    } while (count < queued_entries_.size() && bytes < config_.segment_bytes / kPartsOfSegment);
    queued_bytes_ -= bytes;
    std::vector<OperationId> proposers = take_first(queued_writes_, count);
    std::vector<wal::LogEntry> entries = take_first(queued_entries_, count);
    if (log_->out_of_space() && raft_.role() == engine::RoleName::Leader) {
        for (const OperationId id : proposers) decide_write(id, WriteDiskFull{});
        return;
    }
    if (entries.size() > 1) environment_.met(Situation::WritesBatched);
    std::vector<engine::ProposedEntry> proposals;
    proposals.reserve(entries.size());
    for (const wal::LogEntry& entry : entries) {
        proposals.push_back({engine::EntryKind::Command, entry.shape().bytes});
    }
    step(engine::EntriesProposed{proposals}, {{}, entries, proposers});
}

void Node::request_queued_reads() {
    take_reads_under_lease();
    if (queued_reads_.empty()) return;
    const engine::RequestId request(next_request_++);
    unconfirmed_reads_[request] = std::exchange(queued_reads_, {});
    step(engine::ReadRequested{request});
}

void Node::apply_committed() {
    if (loading_) {
        cache_.shrink(config_.cache_bytes_max, raft_.durable_index());
        return load_snapshot();
    }
    std::uint64_t bytes = 0;
    while (!has_failed_ && applied_index_ < commit_index_ && bytes < config_.apply_bytes_max) {
        const LogIndex next = applied_index_.next();
        if (cache_.holds(next)) {
            bytes += cache_.at(next).payload.size() + 1;
            if (!apply(next, cache_.at(next))) return;
            continue;
        }
        environment_.met(Situation::EntriesReadToApply);
        const LogIndex last = std::min(commit_index_, cache_.first_index().previous());
        const auto entries = log_->read(next, last, config_.apply_bytes_max);
        if (!entries) return fail(entries.error());
        for (const wal::LogEntry& entry : *entries) {
            bytes += entry.payload.size() + 1;
            if (!apply(applied_index_.next(), entry)) return;
        }
    }
    if (has_failed_) return;
    if (applied_index_ < commit_index_) {
        environment_.met(Situation::ApplyPutOff);
        environment_.request_turn();
    }
    cache_.shrink(config_.cache_bytes_max, std::min(applied_index_, raft_.durable_index()));
    note_currency();
    while (!unapplied_reads_.empty() && unapplied_reads_.begin()->first <= applied_index_) {
        const OperationId id = unapplied_reads_.extract(unapplied_reads_.begin()).mapped();
        if (const auto operation = operations_.take(id)) serve_read(std::get<ClientCall>(*operation));
    }
}

// What the store lacks is at most what was committed since the leader told how far that was.
void Node::note_currency() {
    if (current_ms_ && *current_ms_ >= previous_tick_ms_) return;  // no more can be said before the next tick
    const LogIndex commit = raft_.leader_commit();
    if (commit == LogIndex{} || applied_index_ < commit) return;
    // What is read now may have lain in the socket since the tick before, and a pause hides in the ticks.
    std::uint64_t ago_ms = std::uint64_t{raft_.ticks_since_leader()} * config_.tick_ms;
    if (previous_tick_ms_ <= pause_end_ms_ + ago_ms) ago_ms += pause_ms_;
    if (ago_ms <= previous_tick_ms_)
        current_ms_ = std::max(current_ms_.value_or(0), previous_tick_ms_ - ago_ms);
}

// False: this version cannot read the entry, and going on without it would make this store differ from the
// others.
bool Node::apply(LogIndex index, const wal::LogEntry& entry) {
    std::optional<ApplyResult> result;
    if (entry.kind == engine::EntryKind::Command) {
        const auto command = decode_command(entry.payload);
        if (!command) {
            fail(unreadable_entry(index, "command"));
            return false;
        }
        if (command->forget_through > 0) environment_.met(Situation::HistoryForgotten);
        if (command->forget_answers_through > 0) environment_.met(Situation::AnswersForgotten);
        result = store_.apply(*command);
        if (result->standing == ApplyResult::Standing::Repeated) environment_.met(Situation::WriteRepeated);
        if (result->standing == ApplyResult::Standing::SessionExpired)
            environment_.met(Situation::SessionExpired);
        if (result->condition_failed) environment_.met(Situation::ConditionFailed);
    }
    applied_index_ = index;
    bytes_since_snapshot_ += entry.payload.size();
    environment_.entry_applied(index, entry);
    const auto undecided = undecided_.find(index);
    if (undecided == undecided_.end()) return true;
    // Another term's entry has taken the place of the write that waits here: that write can never commit.
    const bool is_ours = undecided->second.term == entry.term && result;
    const OperationId operation = undecided->second.operation;
    undecided_.erase(undecided);
    if (is_ours) {
        decide_write(operation, WriteApplied{*result});
    } else {
        environment_.met(Situation::WriteLostItsPlace);
        decide_write(operation, WriteNotApplied{});
    }
    return true;
}

// A node that starts says how far it is, so that nobody takes it for one that hangs.
void Node::note_replay() {
    constexpr std::uint64_t kPauseMs = 1000;
    const bool is_told = now_ms_ - replay_told_ms_ < kPauseMs;
    if (loading_) {
        if (is_told) return;
        environment_.log(LogLevel::Info, fmt::format("loading the snapshot through entry {}: {} of {} chunks",
                                                     loading_->meta().last.index.value,
                                                     loading_->chunks_loaded(), loading_->meta().chunks));
    } else if (replay_through_ > LogIndex{} && applied_index_ >= replay_through_) {
        environment_.log(
            LogLevel::Info,
            fmt::format("the log is applied through entry {}, its last at the start", replay_through_.value));
        replay_through_ = LogIndex{};
    } else if (applied_index_ < std::min(commit_index_, replay_through_)) {
        if (is_told) return;
        environment_.log(LogLevel::Info, fmt::format("applying the log: entry {} of {}", applied_index_.value,
                                                     replay_through_.value));
    } else {
        return;
    }
    replay_told_ms_ = now_ms_;
}

// One of the members decides what all of them forget, and says so in the log. Should that entry be lost, with
// a change of leaders, it says so again.
void Node::forget() {
    history_window_.note_time(now_ms_, store_.revision());
    answers_window_.note_time(now_ms_, store_.answers().last());
    if (raft_.role() != engine::RoleName::Leader || is_stopping_ || log_->out_of_space()) return;
    const std::uint64_t past = std::min(history_window_.forget_through(store_.history()), store_.revision());
    ask_to_forget(past_asked_, past, store_.oldest_revision(), {.forget_through = past});
    const std::uint64_t answers = answers_window_.forget_through(store_.answers());
    ask_to_forget(answers_asked_, answers, store_.answers().forgotten(), {.forget_answers_through = answers});
}

void Node::ask_to_forget(ForgetAsked& asked, std::uint64_t through, std::uint64_t forgotten,
                         const Command& command) {
    constexpr std::uint64_t kAskAgainMs = 1000;
    const bool is_asked = through <= asked.through && now_ms_ - asked.at_ms < kAskAgainMs;
    if (through <= forgotten || is_asked || is_overloaded()) return;
    asked = {through, now_ms_};
    queue_write(kNobodysOperation, encode_command(command));
}

// A leader without room for the log cannot lead: another one may have room. Each of the others is asked in
// turn; one without room does not take over (on_frame). Should nobody, we lead on, for the sake of reads, and
// ask ever less often.
void Node::yield_for_space() {
    const wal::DiskFailure* lacking = log_->out_of_space();
    if (lacking == nullptr || raft_.role() != engine::RoleName::Leader) {
        yield_pause_ms_ = kYieldPauseMsMin;
        return;
    }
    if (stop_transfer_ || now_ms_ - last_yield_ms_ < yield_pause_ms_) return;
    last_yield_ms_ = now_ms_;
    yield_pause_ms_ = std::min(2 * yield_pause_ms_, kYieldPauseMsMax);
    const Member* next = next_to_lead();
    if (next == nullptr) return;
    environment_.log(LogLevel::Warning, fmt::format("{}: {}: no room for the log: offering leadership to {}",
                                                    lacking->file, lacking->detail, next->name));
    environment_.met(Situation::LeadershipOffered);
    last_yield_to_ = next->id;
    step(engine::TransferRequested{engine::RequestId(next_request_++), next->id});
}

// The voter after the one that was asked last, in the order of ids and in a circle; of those that are heard.
const Member* Node::next_to_lead() const {
    const Member* first = nullptr;
    for (const engine::Progress& progress : raft_.as_leader()->progress) {
        const Member* candidate = member(progress.id);
        if (candidate == nullptr || !is_heard(progress.id) || candidate->role == MemberRole::OutgoingVoter ||
            !raft_.membership().is_voter(progress.id))
            continue;
        if (progress.id > last_yield_to_) return candidate;
        if (first == nullptr) first = candidate;
    }
    return first;
}

void Node::fail(const wal::Refusal& refusal) {
    has_failed_ = true;
    environment_.fail(static_cast<int>(refusal.code), refusal.message);
}

}  // namespace quorate::server
