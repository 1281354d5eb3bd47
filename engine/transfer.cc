// Moving leadership on purpose: thesis §3.10.

#include <algorithm>

#include "engine/check.h"
#include "engine/raft.h"

namespace quorate::engine {

void Raft::on_transfer_requested(const TransferRequested& request, Output& output) {
    auto* leader = std::get_if<Leader>(&role_);
    const auto choose = [&]() -> const Progress* {
        const Progress* best = nullptr;
        for (const Progress& progress : leader->progress) {
            if (!std::ranges::binary_search(membership().voters, progress.id)) continue;
            if (request.target != kNobody && progress.id != request.target) continue;
            // Nothing is proposed during a transfer: one to a server that is down would only stop the writes.
            if (progress.ticks_since_heard >= config_.election_timeout_ticks_min) continue;
            if (best == nullptr || progress.match_index > best->match_index) best = &progress;
        }
        return best;
    };
    const Progress* target = leader != nullptr ? choose() : nullptr;
    if (target == nullptr) {
        output.actions.emplace_back(AnswerTransfer{request.request, TransferOutcome::NoTarget});
        return;
    }
    end_transfer(TransferOutcome::Replaced, output);
    note(NoteKind::TransferStarted, target->id, hard_state_.current_term, target->match_index, output);
    leader->transfer = Transfer{request.request, target->id, config_.election_timeout_ticks_min};
    continue_transfer(output);
}

// The target must hold our whole log, or it could not win. An order that is lost is given again with the next
// answer that we hear; one that comes twice finds its target in a later term and does nothing.
void Raft::continue_transfer(Output& output) {
    const auto& transfer = leading().transfer;
    if (!transfer) return;
    const Progress* target = progress_of(transfer->target);
    if (target == nullptr || target->match_index != log_.last_index()) return;
    note(NoteKind::TransferOrderSent, target->id, hard_state_.current_term, target->match_index, output);
    leading().has_ordered_transfer = true;
    send(target->id, TimeoutNow{hard_state_.current_term}, output);
}

void Raft::on_transfer_tick(Output& output) {
    auto& transfer = leading().transfer;
    if (!transfer || --transfer->ticks_left > 0) return;
    note(NoteKind::TransferAborted, transfer->target, hard_state_.current_term, {}, output);
    end_transfer(TransferOutcome::TimedOut, output);
}

void Raft::end_transfer(TransferOutcome outcome, Output& output) {
    auto& transfer = leading().transfer;
    if (!transfer) return;
    output.actions.emplace_back(AnswerTransfer{transfer->request, outcome});
    transfer.reset();
}

// Obeyed only from the leader that we follow: a late or repeated order must not start an election that no
// lease stops.
void Raft::on_timeout_now(ServerId from, Output& output) {
    if (!std::holds_alternative<Follower>(role_) || leader() != from || missing_ != Missing::Nothing ||
        !membership().is_voter(config_.self)) {
        return note(NoteKind::TransferOrderIgnored, from, hard_state_.current_term, {}, output);
    }
    stand_for_election(CampaignKind::Transfer, NoteKind::TransferOrderObeyed, output);
}

}  // namespace quorate::engine
