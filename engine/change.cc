// Changing who belongs to the cluster, the leader's part: joint consensus, thesis §4.3. A configuration is in
// force as soon as it is in the log (§4.1).

#include <algorithm>

#include "engine/check.h"
#include "engine/raft.h"

namespace quorate::engine {

// One change at a time: the next may begin when the last one is committed. And only a leader that has
// committed an entry of its own term knows that the configuration it goes by is: otherwise two leaders in
// turn may each change another one, and end with majorities that do not meet (Ongaro, raft-dev, 10 July
// 2015).
void Raft::on_membership_proposed(const MembershipProposed& proposed, Output& output) {
    const auto refuse = [&](RefusalReason reason) {
        note(NoteKind::MembershipProposalRefused, leader(), hard_state_.current_term, membership_index(),
             output);
        output.actions.emplace_back(RefuseProposal{reason, leader()});
    };
    const auto* leader = as_leader();
    if (leader == nullptr) return refuse(RefusalReason::NotLeader);
    if (leader->transfer) return refuse(RefusalReason::Transferring);
    if (membership_index() > commit_index_ || commit_index_ < leader->term_start)
        return refuse(RefusalReason::ChangeInProgress);
    ENGINE_CHECK(membership().may_become(proposed.membership));

    const LogIndex index = log_.last_index().next();
    memberships_.push_back({index, proposed.membership});
    note(NoteKind::MembershipAdopted, config_.self, hard_state_.current_term, index, output);
    follow_membership();
    append_proposed(EntryKind::Membership, proposed.bytes);
    replicate_proposed(index, output);
}

// Before the entry that adds somebody, or the first of our term, is appended: that is what it is probed with.
void Raft::follow_membership() {
    auto& all = leading().progress;
    for (Progress& progress : all) progress.is_leaving = !membership().contains(progress.id);
    for (const ServerId id : membership().everyone()) {
        const auto place = std::ranges::lower_bound(all, id, {}, &Progress::id);
        if (id == config_.self || (place != all.end() && place->id == id)) continue;
        all.insert(place, {.id = id, .next_index = log_.last_index().next(), .inflight = {}});
    }
}

bool Raft::is_removed() const {
    return membership_index() <= commit_index_ && !membership().is_voter(config_.self);
}

// A leader that the committed configuration leaves out steps down (thesis §4.2.2), to who has its whole log,
// so that nobody waits for an election timeout.
void Raft::resign_when_removed(Output& output) {
    if (!is_removed() || leading().transfer) return;
    on_transfer_requested({RequestId{}, kNobody}, output);
    if (!leading().transfer)
        become_follower(hard_state_.current_term, kNobody, NoteKind::LeaderRemoved, output);
}

void Raft::on_removal_tick(Output& output) {
    std::erase_if(leading().progress, [&](const Progress& progress) {
        const bool is_told =
            progress.match_index >= membership_index() && progress.sent_commit >= membership_index();
        const bool is_lost = progress.ticks_since_heard >= config_.election_timeout_ticks_max;
        if (!progress.is_leaving || (!is_told && !is_lost)) return false;
        note(is_told ? NoteKind::RemovedPeerTold : NoteKind::RemovedPeerLost, progress.id,
             hard_state_.current_term, membership_index(), output);
        return true;
    });
    if (!is_removed()) return;
    // Who has been ordered to lead, as who holds all of our log has been, does not tell a server that is no
    // member. What is still to be committed, or told to others that leave, only we can: within the offer's
    // time.
    const auto has_done_all = [this](const Transfer& transfer) {
        const Progress* target = progress_of(transfer.target);
        return transfer.request == RequestId{} && commit_index_ == log_.last_index() && target != nullptr &&
               target->match_index == log_.last_index() &&
               std::ranges::none_of(leading().progress, &Progress::is_leaving);
    };
    const auto& transfer = leading().transfer;
    if (!transfer || has_done_all(*transfer))
        become_follower(hard_state_.current_term, kNobody, NoteKind::LeaderRemoved, output);
}

}  // namespace quorate::engine
