// What holds after every step, and what one step may change. Thesis Fig. 3.2 and the definitions around it.

#include <algorithm>

#include "engine/check.h"
#include "engine/raft.h"

namespace quorate::engine {

void Raft::check_state() const {
    ENGINE_CHECK(log_.base().index <= commit_index_ && commit_index_ <= log_.last_index());
    ENGINE_CHECK(durable_index_ <= log_.last_index());
    ENGINE_CHECK(log_.last_term() <= hard_state_.current_term);
    ENGINE_CHECK(completed_ticket_ <= last_ticket_);
    ENGINE_CHECK(persisting_.empty() == (completed_ticket_ == last_ticket_));
    ENGINE_CHECK(!memberships_.empty() && memberships_.back().index <= log_.last_index());
    ENGINE_CHECK(missing_ != Missing::Entries || std::holds_alternative<Follower>(role_));
    ENGINE_CHECK(missing_ == Missing::Nothing || !std::holds_alternative<Leader>(role_));
    ENGINE_CHECK(!vote_floor_ || missing_ == Missing::LastBatch);
    if (const auto* follower = std::get_if<Follower>(&role_)) {
        ENGINE_CHECK(follower->leader != config_.self);
        ENGINE_CHECK(follower->election_ticks_left > 0);
        ENGINE_CHECK(follower->received_index <= log_.last_index());
    } else if (!std::holds_alternative<PreCandidate>(role_)) {
        ENGINE_CHECK(hard_state_.voted_for == config_.self);  // nobody stands or leads without its own vote
    }
    const auto* leader = as_leader();
    if (leader == nullptr) return;
    ENGINE_CHECK(leader->term_start > LogIndex{} && log_.last_term() == hard_state_.current_term);
    for (const Progress& progress : leader->progress) {
        ENGINE_CHECK(progress.match_index < progress.next_index);
        ENGINE_CHECK(progress.next_index <= log_.last_index().next());
        ENGINE_CHECK(progress.state == ProgressState::Replicate || progress.inflight.size() <= 1);
        ENGINE_CHECK(progress.inflight.size() <= config_.inflight_appends_max);
        ENGINE_CHECK(progress.acknowledged_round <= leader->round);
    }
}

void Raft::check_delta(const Before& before) const {
    ENGINE_CHECK(hard_state_.current_term >= before.hard_state.current_term);
    ENGINE_CHECK(commit_index_ >= before.commit_index);
    if (hard_state_.current_term != before.hard_state.current_term) return;
    // Within a term the vote and the leader are set at most once, and a leader that stops leading does not
    // start again.
    ENGINE_CHECK(before.hard_state.voted_for == kNobody ||
                 hard_state_.voted_for == before.hard_state.voted_for);
    ENGINE_CHECK(role() != RoleName::Leader || before.role == RoleName::Leader ||
                 before.role == RoleName::Candidate);
    ENGINE_CHECK(before.leader == kNobody || leader() == kNobody || leader() == before.leader);
}

}  // namespace quorate::engine
