// Linearizable reads without a log write: ReadIndex, thesis §6.4, and what a lease rests on, §6.4.1.

#include <utility>

#include "engine/check.h"
#include "engine/quorum.h"
#include "engine/raft.h"

namespace quorate::engine {

void Raft::on_read_requested(RequestId request, Output& output) {
    if (std::holds_alternative<Leader>(role_)) return gather_read(config_.self, request, output);
    if (leader() == kNobody) {
        note(NoteKind::ReadRefused, kNobody, hard_state_.current_term, {}, output);
        output.actions.emplace_back(RefuseRead{request, RefusalReason::NotLeader, kNobody});
        return;
    }
    note(NoteKind::ReadForwarded, leader(), hard_state_.current_term, {}, output);
    send(leader(), ReadIndexRequest{hard_state_.current_term, request}, output);
}

void Raft::on_read_index_request(ServerId from, const ReadIndexRequest& request, Output& output) {
    if (std::holds_alternative<Leader>(role_)) return gather_read(from, request.request, output);
    refuse_read({from, request.request}, RefusalReason::NotLeader, output);
}

void Raft::gather_read(ServerId origin, RequestId request, Output& output) {
    Leader& leader = leading();
    if (leader.gathering.waiting.size() >= config_.pending_reads_max) {
        return refuse_read({origin, request}, RefusalReason::Overloaded, output);
    }
    leader.gathering.waiting.push_back({origin, request});
    // Until its no-op is committed, a leader's commit_index may lie behind what its predecessor had
    // acknowledged.
    if (commit_index_ < leader.term_start) {
        return note(NoteKind::ReadWaitsForOwnTermCommit, origin, hard_state_.current_term, leader.term_start,
                    output);
    }
    if (leader.confirming.waiting.empty()) start_read_round(output);
}

// One round confirms every read that was waiting when it began. Answers to an earlier round prove nothing for
// them: another leader may have been elected, and have committed, since.
void Raft::start_read_round(Output& output) {
    Leader& leader = leading();
    ENGINE_CHECK(commit_index_ >= leader.term_start);
    ENGINE_CHECK(leader.confirming.waiting.empty() && !leader.gathering.waiting.empty());
    std::swap(leader.confirming, leader.gathering);
    broadcast_heartbeat(output);
    leader.confirming.round = leader.round;
    leader.confirming.read_index = commit_index_;
    note(NoteKind::ReadRoundStarted, kNobody, hard_state_.current_term, commit_index_, output);
    confirm_reads(output);
}

void Raft::confirm_reads(Output& output) {
    Leader& leader = leading();
    if (leader.confirming.waiting.empty()) return;
    const bool is_confirmed = has_quorum(membership(), [this](ServerId id) {
        if (id == config_.self) return true;
        const Progress* progress = progress_of(id);
        return progress != nullptr && progress->acknowledged_round >= leading().confirming.round;
    });
    if (!is_confirmed) return;
    note(NoteKind::ReadConfirmed, kNobody, hard_state_.current_term, leader.confirming.read_index, output);
    for (const ReadBatch::Waiting& waiting : leader.confirming.waiting) {
        answer_read(waiting, leader.confirming.read_index, output);
    }
    leader.confirming.waiting.clear();
    if (!leader.gathering.waiting.empty()) start_read_round(output);
}

// A leader that its own configuration leaves out is about to go, and who stays may be alone and ask nobody.
// An order to take over that has left once is never called back: it may be late, or come twice (raft-rs
// #234).
Round Raft::lease_round() const {
    const Leader* leader = as_leader();
    const bool is_sure = leader != nullptr && !leader->has_ordered_transfer &&
                         commit_index_ >= leader->term_start && membership().is_voter(config_.self);
    if (!is_sure) return {};
    return reached_by_quorum<Round>(membership(), [&](ServerId id) {
        if (id == config_.self) return leader->round;
        const Progress* progress = progress_of(id);
        return progress != nullptr ? progress->acknowledged_round : Round{};
    });
}

void Raft::answer_read(const ReadBatch::Waiting& waiting, LogIndex read_index, Output& output) {
    if (waiting.origin == config_.self) {
        output.actions.emplace_back(AnswerRead{waiting.request, read_index});
    } else {
        send(waiting.origin, ReadIndexReply{hard_state_.current_term, waiting.request, read_index}, output);
    }
}

void Raft::refuse_read(const ReadBatch::Waiting& waiting, RefusalReason reason, Output& output) {
    note(NoteKind::ReadRefused, waiting.origin, hard_state_.current_term, {}, output);
    if (waiting.origin == config_.self) {
        // A leader that refuses for want of leadership is stepping down: it knows no other one yet.
        const ServerId known =
            reason == RefusalReason::NotLeader && leader() == config_.self ? kNobody : leader();
        output.actions.emplace_back(RefuseRead{waiting.request, reason, known});
    } else {
        send(waiting.origin, ReadIndexRefused{hard_state_.current_term, waiting.request}, output);
    }
}

void Raft::refuse_all_reads(Output& output) {
    Leader& leader = leading();
    for (ReadBatch* batch : {&leader.confirming, &leader.gathering}) {
        for (const ReadBatch::Waiting& waiting : batch->waiting)
            refuse_read(waiting, RefusalReason::NotLeader, output);
        batch->waiting.clear();
    }
}

}  // namespace quorate::engine
