// Log replication, the follower's side: thesis §3.5.

#include <algorithm>

#include "engine/check.h"
#include "engine/raft.h"

namespace quorate::engine {

namespace {

// A correct leader never sends anything else; a broken or hostile one must not be able to stop this server.
bool is_well_formed(const MessageReceived& received, const AppendEntries& append) {
    if (append.entry_count != received.entries.size() || append.previous.term > append.term) return false;
    Term term = append.previous.term;
    std::size_t memberships = 0;
    LogIndex index = append.previous.index;
    for (const EntryShape& entry : received.entries) {
        index = index.next();
        if (entry.term < term || entry.term > append.term || entry.term == Term{}) return false;
        term = entry.term;
        if (entry.kind != EntryKind::Membership) continue;
        if (memberships == received.memberships.size()) return false;
        const MembershipAt& at = received.memberships[memberships++];
        if (at.index != index || !at.membership.is_well_formed()) return false;
    }
    return memberships == received.memberships.size();
}

}  // namespace

// Makes the sender, who speaks for the current term, our leader. False: this term has another one, so the
// sender is not to be believed.
bool Raft::follow_leader(ServerId from, Output& output) {
    if (leader() != kNobody && leader() != from) {
        note(NoteKind::MessageMalformed, from, hard_state_.current_term, {}, output);
        return false;
    }
    if (!std::holds_alternative<Follower>(role_)) {
        become_follower(hard_state_.current_term, from, NoteKind::CandidateFoundLeaderOfItsTerm, output);
    } else if (following().leader == kNobody) {
        following().leader = from;
        announce(NoteKind::LeaderOfTermFound, output);
    }
    following().ticks_since_leader = 0;
    following().election_ticks_left = draw_election_timeout();
    return true;
}

void Raft::on_append_entries(const MessageReceived& received, const AppendEntries& append, Output& output) {
    if (!is_well_formed(received, append)) {
        return note(NoteKind::MessageMalformed, received.from, append.term, append.previous.index, output);
    }
    if (!follow_leader(received.from, output)) return;
    following().leader_commit = std::max(following().leader_commit, append.leader_commit);
    if (const auto contradiction = find_contradiction(received, append))
        return note(*contradiction, received.from, append.term, append.previous.index, output);
    // Whatever stands at or below commit_index is the leader's too (Leader Completeness, §3.6.3), also where
    // our log has forgotten it.
    const bool previous_is_held = append.previous.index <= commit_index_ || log_.holds(append.previous);
    if (!previous_is_held) return refuse_append(received.from, append, output);

    store_entries(received, append, output);
    const LogIndex covered = append.previous.index.plus(append.entry_count);
    following().received_index = std::max(following().received_index, covered);
    // Only what this term's leader is known to share may be committed on its word: our log may go on with
    // entries that it never had.
    const LogIndex commit = std::min(append.leader_commit, following().received_index);
    if (commit > commit_index_) advance_commit(commit, output);
    send_when_durable(received.from, AppendAccepted{append.term, covered}, output);
}

// What is committed stays (State Machine Safety), and so does what this term's leader has sent already: a
// leader never overwrites or deletes entries of its own log (Leader Append-Only, thesis Fig. 3.2).
std::optional<NoteKind> Raft::find_contradiction(const MessageReceived& received,
                                                 const AppendEntries& append) const {
    const LogIndex fixed = std::max(commit_index_, std::get<Follower>(role_).received_index);
    const auto differs = [&](EntryId entry) {
        return entry.index <= fixed && log_.knows_term(entry.index) &&
               log_.term_at(entry.index) != entry.term;
    };
    const auto reason = [this](LogIndex index) {
        return index <= commit_index_ ? NoteKind::AppendConflictsWithCommitted : NoteKind::MessageMalformed;
    };
    LogIndex index = append.previous.index;
    if (differs(append.previous)) return reason(index);
    for (const EntryShape& entry : received.entries) {
        index = index.next();
        if (differs({index, entry.term})) return reason(index);
    }
    return std::nullopt;
}

// "If an existing entry conflicts with a new one (same index but different terms), delete the existing entry
// and all that follow it; append any new entries not already in the log." Thesis Fig. 3.1. Entries that agree
// stay: a late, short append must not cut off what was acknowledged since.
void Raft::store_entries(const MessageReceived& received, const AppendEntries& append, Output& output) {
    std::size_t held = 0;
    LogIndex index = append.previous.index.next();
    while (held < received.entries.size() &&
           (index <= log_.base().index || log_.holds({index, received.entries[held].term}))) {
        index = index.next();
        ++held;
    }
    if (held == received.entries.size()) {
        if (held > 0)
            note(NoteKind::EntriesAlreadyHeld, received.from, append.term, index.previous(), output);
        return;
    }
    const LogIndex truncate_from = index <= log_.last_index() ? index : LogIndex{};
    if (truncate_from > LogIndex{}) truncate_log(truncate_from, output);
    for (const EntryShape& entry : received.entries.subspan(held)) log_.append(entry);
    for (const MembershipAt& at : received.memberships) {
        if (at.index < index) continue;
        memberships_.push_back(at);
        note(NoteKind::MembershipAdopted, received.from, append.term, at.index, output);
    }
    note(NoteKind::EntriesAppended, received.from, append.term, log_.last_index(), output);
    // One action cuts and appends, so that a crash cannot leave the cut without what replaces it.
    persist(std::nullopt, truncate_from, index, log_.last_index(), output);
}

// The hint lets the leader skip a whole term at a time, thesis §3.5 (end). What is committed is no part of a
// conflict.
void Raft::refuse_append(ServerId from, const AppendEntries& append, Output& output) {
    const bool is_short = append.previous.index > log_.last_index();
    const LogIndex at = std::min(append.previous.index, log_.last_index());
    const LogIndex run_start = at > log_.base().index ? log_.first_index_of_run(at) : at;
    const LogIndex conflict = std::min(at, std::max(run_start, commit_index_.next()));
    note(is_short ? NoteKind::AppendRefusedLogShort : NoteKind::AppendRefusedTermConflict, from,
         log_.term_at(at), at, output);
    send(from, AppendRefused{append.term, append.previous, {conflict, log_.term_at(at)}, log_.last_index()},
         output);
}

void Raft::on_heartbeat(ServerId from, const Heartbeat& heartbeat, Output& output) {
    if (!follow_leader(from, output)) return;
    following().leader_commit = std::max(following().leader_commit, heartbeat.commit_index);
    // What we know to be committed the leader has, whether or not an append of its term has told us so: a
    // leader that waits for us to take a snapshot would otherwise wait for ever, should our only
    // acknowledgement be lost.
    const LogIndex received = received_index();
    const LogIndex match = std::min(received, durable_index_);
    send(from, HeartbeatReply{heartbeat.term, heartbeat.round, received, match, commit_index_}, output);
}

}  // namespace quorate::engine
