// Where snapshots meet the log: thesis §5. Their bytes are the caller's business.

#include <algorithm>

#include "engine/check.h"
#include "engine/raft.h"

namespace quorate::engine {

void Raft::on_snapshot_completed(const SnapshotCompleted& completed, Output& output) {
    ENGINE_CHECK(completed.last_entry.index <= commit_index_ && log_.holds(completed.last_entry));
    ENGINE_CHECK(completed.compact_through <= completed.last_entry.index);
    if (completed.compact_through <= log_.base().index) return;
    // Entries that our own disk does not hold yet must stay until it does.
    ENGINE_CHECK(completed.compact_through <= durable_index_);
    log_.compact_through(completed.compact_through);
    while (memberships_.size() > 1 && memberships_[1].index <= completed.compact_through) {
        memberships_.erase(memberships_.begin());
    }
    note(NoteKind::LogCompacted, kNobody, log_.base().term, log_.base().index, output);
}

void Raft::on_install_snapshot(const MessageReceived& received, const InstallSnapshot& install,
                               Output& output) {
    const bool is_well_formed = received.memberships.size() == 1 && install.last_entry.term <= install.term &&
                                received.memberships.front().index <= install.last_entry.index &&
                                received.memberships.front().membership.is_well_formed();
    if (!is_well_formed) {
        return note(NoteKind::MessageMalformed, received.from, install.term, install.last_entry.index,
                    output);
    }
    if (!follow_leader(received.from, output)) return;
    const EntryId last = install.last_entry;
    if (last.index <= commit_index_) {
        // We have all of it, and more may follow: going back would undo what was applied.
        note(NoteKind::SnapshotIgnoredOlder, received.from, install.term, last.index, output);
        return send_when_durable(received.from, AppendAccepted{install.term, last.index}, output);
    }
    if (last.index <= following().received_index && !log_.holds(last)) {
        // This leader's log, of which we hold as much, has another entry there.
        return note(NoteKind::MessageMalformed, received.from, install.term, last.index, output);
    }
    const LogAfterInstall after =
        log_.holds(last) ? LogAfterInstall::KeepSuffix : LogAfterInstall::DiscardAll;
    if (after == LogAfterInstall::KeepSuffix) {
        log_.compact_through(last.index);
        std::erase_if(memberships_, [&](const MembershipAt& at) { return at.index <= last.index; });
        memberships_.insert(memberships_.begin(), received.memberships.front());
        durable_index_ = std::max(durable_index_, last.index);
    } else {
        log_ = LogShape(last);
        memberships_.assign(1, received.memberships.front());
        durable_index_ = last.index;
        for (Persisting& p : persisting_) p.last_index = last.index;
    }
    commit_index_ = last.index;
    following().received_index = std::max(following().received_index, last.index);
    note(NoteKind::SnapshotAccepted, received.from, last.term, last.index, output);
    output.actions.emplace_back(InstallReceivedSnapshot{last, after});
    send_when_durable(received.from, AppendAccepted{install.term, last.index}, output);
}

void Raft::on_snapshot_send_failed(ServerId peer, Output& output) {
    Progress* progress = progress_of(peer);
    if (progress == nullptr || progress->state != ProgressState::Snapshot) return;
    progress->next_index = progress->match_index.next();
    probe(*progress, output);
}

}  // namespace quorate::engine
