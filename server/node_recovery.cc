// A node that has lost what it promised learns it again from the others, and helps nobody to lead before it
// has: Alagappan et al., Protocol-Aware Recovery for Consensus-Based Storage, FAST 2018. A majority of the
// others holds every entry that was committed with this node's help, or can still be, so who leads without
// its vote has them all.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/quorum.h"
#include "server/node.h"

namespace quorate::server {

using engine::LogIndex;
using engine::ServerId;
using wal::Lost;

namespace {

constexpr std::uint64_t kAskAgainMs = 500;
constexpr std::uint64_t kTellAgainMs = 10'000;

}  // namespace

// Each tick.
void Node::recover_from_peers() {
    if (lost_.what == Lost::Nothing) return;
    if (has_recovered()) {
        environment_.met(Situation::RecoveredFromPeers);
        set_lost(Lost::Nothing);
        environment_.log(LogLevel::Warning,
                         fmt::format("recovered from the other nodes through entry {}: this node votes again",
                                     raft_.durable_index().value));
        snapshots_.remove(std::exchange(lost_.damaged, {}));
        if (raft_.missing() != engine::Missing::Nothing) step(engine::RecoveryCompleted{});
        return;
    }
    if (lost_.request != 0 && now_ms_ - lost_.asked_ms < kAskAgainMs) return;
    // One number for all of them: an answer to it was given in this life.
    if (lost_.request == 0) lost_.request = next_request_++;
    if (lost_.asked_ms / kTellAgainMs != now_ms_ / kTellAgainMs) tell_what_is_lost();
    lost_.asked_ms = now_ms_;
    for (const Member& m : members_.members) {
        if (m.id != config_.self.id)
            environment_.send_frame(m.id, encode_frame(HealthRequest{lost_.request}));
    }
}

// A leader has filled its log; or, where one write is in doubt, others have elected it with the log that it
// has, or its log is as up to date as all of theirs.
bool Node::has_recovered() const {
    if (lost_.what == Lost::TermAndEntries) return false;
    if (raft_.current_term() == lost_.leader_term && raft_.received_index() >= lost_.leader_last &&
        raft_.durable_index() >= lost_.leader_last)
        return true;
    if (raft_.missing() == engine::Missing::Nothing) return true;
    const LogIndex durable = raft_.durable_index();
    return raft_.vote_floor() &&
           engine::at_least_as_up_to_date({durable, raft_.log().term_at(durable)}, *raft_.vote_floor());
}

void Node::tell_what_is_lost() {
    std::string awaited;
    for (const Member& m : members_.members) {
        const auto heard = lost_.terms.find(m.id);
        const bool is_known = (heard != lost_.terms.end() && heard->second > engine::Term{}) ||
                              lost_.last_entries.contains(m.id);
        if (m.id != config_.self.id && m.role != MemberRole::Learner && !is_known)
            awaited += (awaited.empty() ? "" : ", ") + m.name;
    }
    if (lost_.what == Lost::LastBatch) {
        return environment_.log(
            LogLevel::Warning,
            fmt::format("the last write was cut off, and may have been acknowledged: this node votes when a "
                        "leader has "
                        "filled its log, or all others have told how far theirs go; not heard: {}. If a "
                        "crash explains "
                        "the cut, and they will not come back, start this node with --accept-torn-tail",
                        awaited));
    }
    environment_.log(
        LogLevel::Warning,
        lost_.what == Lost::TermAndEntries
            ? fmt::format(
                  "recovering from the other nodes: this node has lost its term and vote, and keeps silent "
                  "until it has asked all of them; not heard, or lost it too: {}",
                  awaited)
            : fmt::format(
                  "recovering from the other nodes: this node has lost entries, and does not vote until "
                  "it has them from a leader ({})",
                  lost_.leader_last == LogIndex{}
                      ? std::string("none is heard yet")
                      : fmt::format("entry {} of {}", raft_.durable_index().value, lost_.leader_last.value)));
}

void Node::set_lost(Lost lost) {
    lost_.what = lost;
    log_->set_lost(lost);
}

// Whoever this node has voted for was in that term itself. All voters are asked: each knows its term, or has
// lost it as well, and with it what it stood for. Who led with this node's help was elected by a majority,
// and one of those that know their term is among them, if they are a majority too.
void Node::learn_term(ServerId from, engine::Term term) {
    lost_.terms[from] = term;
    std::size_t voters = 0;
    std::size_t who_know = 0;
    for (const Member& m : members_.members) {
        if (m.role == MemberRole::Learner) continue;
        ++voters;
        const auto heard = lost_.terms.find(m.id);
        if (m.id == config_.self.id) continue;
        if (heard == lost_.terms.end()) return;
        if (heard->second > engine::Term{}) ++who_know;
    }
    if (who_know < engine::majority_of(voters)) return;
    environment_.met(Situation::TermLearned);
    const auto [peer, highest] =
        *std::ranges::max_element(lost_.terms, {}, [](const auto& heard) { return heard.second; });
    set_lost(Lost::Entries);
    step(engine::MessageReceived{peer, engine::StaleTerm{highest}});
}

// What this node lacks, and is committed or will be, is in the log of somebody who took it in a term that
// this node had seen. In a later one nobody takes it any more, so what they all hold then is all that there
// will be. All of them, and not as many as meet every majority: some may have lost the same.
void Node::learn_vote_floor(ServerId from, const NodeHealth& health) {
    if (engine::Term(health.durable_term) <= lost_.own_term || health.last_index > engine::kReachMax ||
        health.last_term > health.term)
        return;
    lost_.last_entries[from] = {LogIndex(health.last_index), engine::Term(health.last_term)};
    engine::EntryId floor;
    for (const Member& m : members_.members) {
        if (m.id == config_.self.id || m.role == MemberRole::Learner) continue;
        const auto heard = lost_.last_entries.find(m.id);
        if (heard == lost_.last_entries.end()) return;
        if (!engine::at_least_as_up_to_date(floor, heard->second)) floor = heard->second;
    }
    if (raft_.vote_floor() == floor || raft_.missing() != engine::Missing::LastBatch) return;
    environment_.met(Situation::VoteFloorLearned);
    step(engine::VoteFloorLearned{floor});
}

void Node::on_recovery_answer(ServerId from, const NodeHealth& health) {
    if (health.term > engine::kReachMax) return;  // nobody's
    if (lost_.what == Lost::TermAndEntries) return learn_term(from, engine::Term(health.term));
    if (lost_.what == Lost::LastBatch) learn_vote_floor(from, health);
    // It leads now, and what it leads with has all that matters.
    const bool leads = health.role == engine::RoleName::Leader && from == raft_.leader() &&
                       engine::Term(health.term) == raft_.current_term();
    if (!leads || lost_.leader_term == raft_.current_term()) return;
    lost_.leader_term = raft_.current_term();
    lost_.leader_last = LogIndex(health.last_index);
}

}  // namespace quorate::server
