// Log replication, the leader's side: thesis §3.5, §3.6.2 (what counts as committed), §10.2.1 (pipelining).

#include <algorithm>
#include <utility>

#include "engine/check.h"
#include "engine/quorum.h"
#include "engine/raft.h"

namespace quorate::engine {

namespace {

// Null: nobody leads here, or the leader does not follow that server.
auto* found_progress(auto* leader, ServerId id) {
    using Found = decltype(&leader->progress.front());
    if (leader == nullptr) return Found{};
    const auto found = std::ranges::find(leader->progress, id, &Progress::id);
    return found != leader->progress.end() ? &*found : Found{};
}

}  // namespace

Progress* Raft::progress_of(ServerId id) { return found_progress(std::get_if<Leader>(&role_), id); }

const Progress* Raft::progress_of(ServerId id) const {
    return found_progress(std::get_if<Leader>(&role_), id);
}

// Of an answer from somebody whose progress we do not follow.
NoteKind Raft::why_ignored() const {
    return std::holds_alternative<Leader>(role_) ? NoteKind::MessageOfStrangerIgnored
                                                 : NoteKind::AnswerIgnoredNotLeader;
}

void Raft::on_proposed(std::span<const ProposedEntry> entries, Output& output) {
    const auto refuse = [&](RefusalReason reason) {
        note(NoteKind::ProposalRefused, leader(), hard_state_.current_term, {}, output);
        output.actions.emplace_back(RefuseProposal{reason, leader()});
    };
    auto* leader = std::get_if<Leader>(&role_);
    if (leader == nullptr) return refuse(RefusalReason::NotLeader);
    if (leader->transfer) return refuse(RefusalReason::Transferring);
    std::uint64_t bytes = 0;
    for (const ProposedEntry& entry : entries) bytes += entry.bytes;
    if (leader->uncommitted_bytes > 0 && leader->uncommitted_bytes + bytes > config_.uncommitted_bytes_max) {
        return refuse(RefusalReason::Overloaded);
    }
    if (entries.empty()) return;

    const LogIndex first = log_.last_index().next();
    for (const ProposedEntry& entry : entries) {
        ENGINE_CHECK(entry.kind == EntryKind::Command);
        append_proposed(entry.kind, entry.bytes);
    }
    replicate_proposed(first, output);
}

void Raft::append_proposed(EntryKind kind, std::uint32_t bytes) {
    leading().uncommitted_bytes += bytes;
    log_.append({hard_state_.current_term, kind, bytes});
}

void Raft::replicate_proposed(LogIndex first, Output& output) {
    output.actions.emplace_back(std::in_place_type<AcceptProposal>, first, log_.last_index(),
                                hard_state_.current_term);
    persist(std::nullopt, {}, first, log_.last_index(), output);
    replicate_to_all(output);
}

void Raft::replicate_to_all(Output& output) {
    for (Progress& progress : leading().progress) replicate_to(progress, output);
}

void Raft::replicate_to(Progress& progress, Output& output) {
    switch (progress.state) {
        case ProgressState::Snapshot: return;
        case ProgressState::Probe:
            if (progress.inflight.empty()) send_append(progress, output);
            return;
        case ProgressState::Replicate: break;
    }
    while (progress.state == ProgressState::Replicate && progress.next_index <= log_.last_index()) {
        if (progress.inflight.size() >= config_.inflight_appends_max ||
            progress.inflight_bytes >= config_.inflight_bytes_max) {
            return note(NoteKind::WindowFull, progress.id, hard_state_.current_term, progress.next_index,
                        output);
        }
        if (has_to_wait_for_tick(progress)) {
            return note(NoteKind::CatchUpPaced, progress.id, hard_state_.current_term, progress.next_index,
                        output);
        }
        send_append(progress, output);
    }
    // Nothing to send but the news that something committed.
    const LogIndex commit_there = std::min(commit_index_, progress.next_index.previous());
    if (progress.state == ProgressState::Replicate && progress.sent_commit < commit_there)
        send_append(progress, output);
}

// Only as long as the others suffice without it, and nobody waits for it to take over.
bool Raft::has_to_wait_for_tick(const Progress& progress) const {
    const Leader& leader = std::get<Leader>(role_);
    if (progress.next_index > commit_index_ || progress.catch_up_bytes < catch_up_bytes_per_tick() ||
        (leader.transfer && leader.transfer->target == progress.id))
        return false;
    return has_quorum(membership(), [&](ServerId id) {
        if (id == config_.self) return true;
        const Progress* other = progress_of(id);
        return other != nullptr && other->match_index >= commit_index_ &&
               other->ticks_since_heard < config_.election_timeout_ticks_min;
    });
}

std::uint64_t Raft::catch_up_bytes_per_tick() const {
    return std::max(config_.catch_up_bytes_per_tick_max, 2 * std::get<Leader>(role_).committed_bytes_before);
}

// What was sent beyond the bound, for an append is sent as a whole, is taken from the next ticks.
void Raft::on_catch_up_tick(Output& output) {
    Leader& leader = leading();
    const std::uint64_t paid_off = catch_up_bytes_per_tick();
    for (Progress& progress : leader.progress) {
        if (progress.catch_up_bytes == 0) continue;
        progress.catch_up_bytes -= std::min(progress.catch_up_bytes, paid_off);
        if (progress.state == ProgressState::Replicate && progress.next_index <= commit_index_)
            replicate_to(progress, output);
    }
    leader.committed_bytes_before = std::exchange(leader.committed_bytes, 0);
}

void Raft::send_append(Progress& progress, Output& output) {
    const LogIndex previous = progress.next_index.previous();
    if (!log_.knows_term(previous)) {
        progress.state = ProgressState::Snapshot;
        progress.snapshot_index = log_.base().index;
        progress.inflight.clear();
        progress.inflight_bytes = 0;
        note(NoteKind::PeerNeedsSnapshot, progress.id, hard_state_.current_term, previous, output);
        output.actions.emplace_back(SendSnapshot{progress.id, hard_state_.current_term});
        return;
    }
    std::uint64_t bytes = 0;
    LogIndex last = previous;
    while (last < log_.last_index() && last.past(previous) < config_.append_entries_max) {
        const std::uint32_t entry_bytes = log_.bytes_at(last.next());
        if (last > previous && bytes + entry_bytes > config_.append_bytes_max) break;
        bytes += entry_bytes;
        last = last.next();
    }
    if (previous < commit_index_) progress.catch_up_bytes += bytes;
    const bool is_probe = progress.state == ProgressState::Probe;
    if (last > previous || is_probe) {
        progress.inflight.emplace_back(last, leading().round, bytes);
        progress.inflight_bytes += bytes;
    }
    if (!is_probe) progress.next_index = last.next();
    progress.sent_commit = std::max(progress.sent_commit, std::min(commit_index_, last));
    send(progress.id,
         AppendEntries{hard_state_.current_term,
                       {previous, log_.term_at(previous)},
                       static_cast<std::uint32_t>(last.past(previous)),
                       commit_index_},
         output);
}

void Raft::on_append_accepted(ServerId from, const AppendAccepted& accepted, Output& output) {
    Progress* progress = progress_of(from);
    if (progress == nullptr) return note(why_ignored(), from, accepted.term, accepted.match_index, output);
    if (accepted.match_index > log_.last_index()) {
        return note(NoteKind::MessageMalformed, from, accepted.term, accepted.match_index, output);
    }
    const bool advanced = accepted.match_index > progress->match_index;
    note(advanced ? NoteKind::MatchAdvanced : NoteKind::MatchNotAdvanced, from, accepted.term,
         accepted.match_index, output);
    if (advanced) {
        progress->match_index = accepted.match_index;
        progress->next_index = std::max(progress->next_index, progress->match_index.next());
        const auto waiting = std::ranges::find_if(progress->inflight, [&](const InflightAppend& append) {
            return append.last_index > progress->match_index;
        });
        for (auto done = progress->inflight.begin(); done != waiting; ++done)
            progress->inflight_bytes -= done->bytes;
        progress->inflight.erase(progress->inflight.begin(), waiting);
    }
    resume_after_match(*progress, output);
    if (advanced) maybe_commit(output);
    if (!std::holds_alternative<Leader>(role_)) return;  // what was committed has removed us
    replicate_to(*progress, output);
    continue_transfer(output);
}

// The follower agrees with us through match_index: pipeline from there. After a snapshot any match that our
// log reaches back to will do: waiting for exactly the snapshot's index would wait for ever when it took a
// newer one.
void Raft::resume_after_match(Progress& progress, Output& output) {
    if (progress.state == ProgressState::Replicate) return;
    if (progress.state == ProgressState::Snapshot && progress.match_index < log_.base().index) {
        // It took the snapshot, but our log has been compacted beyond it meanwhile: it needs a newer one.
        if (progress.match_index < progress.snapshot_index) return;
        progress.next_index = progress.match_index.next();
        return probe(progress, output);
    }
    progress.state = ProgressState::Replicate;
    progress.next_index = progress.match_index.next();
    progress.snapshot_index = {};
    progress.inflight.clear();
    progress.inflight_bytes = 0;
    note(NoteKind::PeerReplicating, progress.id, hard_state_.current_term, progress.match_index, output);
}

// Whatever was on its way counts as lost; what the follower has acknowledged stays acknowledged.
void Raft::probe(Progress& progress, Output& output) {
    progress.state = ProgressState::Probe;
    progress.inflight.clear();
    progress.inflight_bytes = 0;
    progress.sent_commit = {};
    note(NoteKind::PeerProbed, progress.id, hard_state_.current_term, progress.next_index, output);
}

void Raft::on_append_refused(ServerId from, const AppendRefused& refused, Output& output) {
    Progress* progress = progress_of(from);
    if (progress == nullptr) return note(why_ignored(), from, refused.term, refused.rejected.index, output);
    // It refuses the very entry that it has acknowledged last. That may be a late refusal from before, so ask
    // again. When the probe of that entry is refused too, the server has come back without it (its directory
    // was replaced) and would wait for ever for what we believe to be there. What is committed stays so.
    // Should that refusal be a late one as well, the next answer corrects us.
    if (refused.rejected.index == progress->match_index && progress->match_index > LogIndex{}) {
        if (progress->state == ProgressState::Replicate) {
            progress->next_index = progress->match_index.next();
            probe(*progress, output);
            return replicate_to(*progress, output);
        }
        if (progress->state == ProgressState::Probe && !progress->inflight.empty() &&
            progress->next_index.previous() == progress->match_index) {
            note(NoteKind::FollowerLostEntries, from, refused.term, progress->match_index, output);
            progress->match_index = {};
        }
    }
    // A refusal of what has been accepted since, or of another probe than the last, says nothing new.
    const bool is_stale = refused.rejected.index <= progress->match_index ||
                          progress->state == ProgressState::Snapshot ||
                          (progress->state == ProgressState::Probe &&
                           refused.rejected.index != progress->next_index.previous()) ||
                          refused.rejected.index > log_.last_index();
    if (is_stale) return note(NoteKind::RefusalStale, from, refused.term, refused.rejected.index, output);

    // The logs may agree at most where our terms are not newer than the follower's there. Where we have
    // another term than its whole run has, they cannot agree inside that run.
    const LogIndex highest = std::min(refused.rejected.index.previous(), refused.last_index);
    LogIndex agree = std::min(highest, log_.last_index_with_term_at_most(refused.conflict.term));
    if (agree >= refused.conflict.index && log_.knows_term(agree) &&
        log_.term_at(agree) != refused.conflict.term) {
        agree = refused.conflict.index.previous();
    }
    progress->next_index = std::max(agree, progress->match_index).next();
    note(NoteKind::NextBackedOff, from, refused.term, progress->next_index, output);
    probe(*progress, output);
    replicate_to(*progress, output);
}

void Raft::on_heartbeat_reply(ServerId from, const HeartbeatReply& reply, Output& output) {
    Progress* progress = progress_of(from);
    if (progress == nullptr) return note(why_ignored(), from, reply.term, reply.received_index, output);
    if (reply.round > leading().round) return note(NoteKind::MessageMalformed, from, reply.term, {}, output);
    progress->acknowledged_round = std::max(progress->acknowledged_round, reply.round);
    // News of a commit that no entry carries may be lost unnoticed: what the follower does not know is told
    // again.
    if (progress->inflight.empty() || progress->inflight.back().last_index <= reply.match_index)
        progress->sent_commit = std::min(progress->sent_commit, reply.commit_index);
    // The reply repeats the follower's last acknowledgement, should that one have been lost.
    const bool ends_probe = progress->state == ProgressState::Probe && !progress->inflight.empty() &&
                            reply.match_index >= progress->inflight.front().last_index;
    if (reply.match_index > progress->match_index || ends_probe) {
        on_append_accepted(from, {reply.term, reply.match_index}, output);
        if (!std::holds_alternative<Leader>(role_)) return;
    }
    // An append that was sent before the heartbeat and has not arrived with it is lost. (Should the network
    // have swapped them, it is sent twice, which harms nobody.)
    const bool is_lost = !progress->inflight.empty() && progress->inflight.front().round < reply.round &&
                         reply.received_index < progress->inflight.front().last_index;
    if (is_lost) {
        note(NoteKind::AppendLostResent, from, reply.term, progress->inflight.front().last_index, output);
        if (progress->state == ProgressState::Replicate) progress->next_index = progress->match_index.next();
        probe(*progress, output);
    }
    replicate_to(*progress, output);
    continue_transfer(output);
    confirm_reads(output);
}

// Raft commits an entry of its own term by counting, and the older ones with it. Counting copies is not
// enough for an older term: S1 writes index 2 in term 2 and reaches only S2; S5 wins term 3 and writes its
// own index 2; S1 wins term 4 and copies the old entry to S3. Three of five hold it, yet S5 can win term 5
// and overwrite it. Thesis §3.6.2, Fig. 3.7. We count ourselves only for what our own disk holds (§10.2.1).
void Raft::maybe_commit(Output& output) {
    const LogIndex candidate = reached_by_quorum<LogIndex>(membership(), [this](ServerId id) {
        if (id == config_.self) return durable_index_;
        const Progress* progress = progress_of(id);
        return progress != nullptr ? progress->match_index : LogIndex{};
    });
    if (candidate <= commit_index_) return;
    if (log_.term_at(candidate) != hard_state_.current_term) {
        return note(NoteKind::CommitHeldOldTerm, kNobody, log_.term_at(candidate), candidate, output);
    }
    Leader& leader = leading();
    for (LogIndex i = commit_index_.next(); i <= candidate; i = i.next()) {
        leader.uncommitted_bytes -= log_.bytes_at(i);
        leader.committed_bytes += log_.bytes_at(i);
    }
    advance_commit(candidate, output);
    confirm_reads(output);  // a round that waits for who has left: nobody may be left to answer it
    if (leader.confirming.waiting.empty() && !leader.gathering.waiting.empty()) start_read_round(output);
    replicate_to_all(output);
    resign_when_removed(output);
}

void Raft::on_leader_tick(Output& output) {
    Leader& leader = leading();
    for (Progress& progress : leader.progress) ++progress.ticks_since_heard;
    // A leader that cannot reach a quorum would answer nobody while keeping its followers from finding a
    // better one. Thesis §6.2.
    const bool has_contact = has_quorum(membership(), [this](ServerId id) {
        if (id == config_.self) return true;
        const Progress* progress = progress_of(id);
        return progress != nullptr && progress->ticks_since_heard < config_.election_timeout_ticks_max;
    });
    if (!has_contact) return become_follower(hard_state_.current_term, kNobody, NoteKind::QuorumLost, output);
    leader.ticks_since_persisted = persisting_.empty() ? 0 : leader.ticks_since_persisted + 1;
    if (leader.ticks_since_persisted >= config_.persist_stall_ticks_max) {
        return become_follower(hard_state_.current_term, kNobody, NoteKind::DiskStalled, output);
    }
    on_catch_up_tick(output);
    if (--leader.heartbeat_ticks_left == 0) broadcast_heartbeat(output);
    on_transfer_tick(output);
    on_removal_tick(output);
}

void Raft::broadcast_heartbeat(Output& output) {
    Leader& leader = leading();
    leader.round = leader.round.next();
    leader.heartbeat_ticks_left = config_.heartbeat_ticks;
    for (const Progress& progress : leader.progress)
        send(progress.id, Heartbeat{hard_state_.current_term, leader.round, commit_index_}, output);
}

// Nothing is sent until the peer is heard again: the next heartbeat's answer starts the probe.
void Raft::on_peer_unreachable(ServerId peer, Output& output) {
    Progress* progress = progress_of(peer);
    if (progress == nullptr || progress->state == ProgressState::Snapshot) return;
    progress->next_index = progress->match_index.next();
    probe(*progress, output);
}

}  // namespace quorate::engine
