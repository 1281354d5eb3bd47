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
    if (has_recovered()) return end_recovery();
    if (lost_.request == 0) {
        // One number for all of them: an answer to it was given in this life.
        lost_.request = next_request_++;
        lost_.told_ms = now_ms_;
        // A doubt mostly ends before anybody has read of it.
        if (lost_.what != Lost::LastBatch) tell_what_is_lost();
    } else if (now_ms_ - lost_.asked_ms < kAskAgainMs) {
        return;
    }
    if (now_ms_ - lost_.told_ms >= kTellAgainMs) {
        lost_.told_ms = now_ms_;
        tell_what_is_lost();
    }
    lost_.asked_ms = now_ms_;
    ask_others(lost_.request);
}

void Node::ask_others(std::uint64_t request) {
    for (const ServerId id : others()) environment_.send_frame(id, encode_frame(HealthRequest{request}));
}

// A leader has filled its log; or its log is as up to date as all others'; or, where one write is in doubt,
// a majority of others has elected it with the log that it has.
bool Node::has_recovered() const {
    if (lost_.what == Lost::TermAndEntries) return false;
    if (raft_.current_term() == lost_.leader_term && raft_.received_index() >= lost_.leader_last &&
        raft_.durable_index() >= lost_.leader_last)
        return true;
    if (raft_.missing() == engine::Missing::Nothing) return true;
    const LogIndex durable = raft_.durable_index();
    // In a later term itself, so that what it promises from now on is new.
    return lost_.floor && raft_.current_term() > lost_.own_term &&
           engine::at_least_as_up_to_date({durable, raft_.log().term_at(durable)}, *lost_.floor);
}

void Node::end_recovery() {
    environment_.met(Situation::RecoveredFromPeers);
    const std::uint64_t last = raft_.durable_index().value;
    environment_.log(
        LogLevel::Warning,
        lost_.what == Lost::LastBatch
            ? fmt::format("the last write is in doubt no more, at entry {}: this node votes again", last)
            : fmt::format("recovered from the other nodes through entry {}: this node votes again", last));
    set_lost(Lost::Nothing);
    snapshots_.remove(std::exchange(lost_.damaged, {}));
    if (raft_.missing() != engine::Missing::Nothing) step(engine::RecoveryCompleted{});
}

void Node::hear_of_membership(engine::Membership membership) {
    constexpr std::size_t kMembershipsMax = 64;
    auto& all = lost_.memberships;
    if (!is_recovering() || all.size() >= kMembershipsMax || std::ranges::find(all, membership) != all.end())
        return;
    all.push_back(std::move(membership));
    lost_.floor.reset();  // not all have been heard
}

// All that may hold what this node has lost: the voters of its own configuration, which may be an old one,
// and of those that the others know. What was committed with its help was so by a majority of one of them,
// and whoever put a newer one in force did so by a majority of the one before: somebody there knows of it.
// Where the vote is lost, learners too: an entry that made one of them a voter may be lost with it.
std::vector<ServerId> Node::others() const {
    std::vector<ServerId> all;
    const auto add = [&](const engine::Membership& membership) {
        for (const ServerId id : membership.everyone()) {
            if (membership.is_voter(id) || lost_.what == Lost::TermAndEntries) all.push_back(id);
        }
    };
    add(members_.membership());
    std::ranges::for_each(lost_.memberships, add);
    std::ranges::sort(all);
    const auto repeated = std::ranges::unique(all);
    all.erase(repeated.begin(), repeated.end());
    // Whoever a committed configuration has removed, in a log that holds it, can have nothing to tell: what
    // is behind that entry was committed without it, and what is before is in this log.
    std::erase_if(all, [this](ServerId id) { return id == config_.self.id || has_removed(id); });
    return all;
}

std::string Node::others_that(const std::function<bool(ServerId)>& wanted) const {
    std::string names;
    for (const ServerId id : others()) {
        const Member* known = member(id);
        if (wanted(id))
            names += (names.empty() ? "" : ", ") + (known != nullptr ? known->name : "one that was removed");
    }
    return names;
}

void Node::tell_what_is_lost() {
    const auto is_silent = [&](ServerId id) { return !lost_.last_entries.contains(id); };
    const auto has_no_term = [&](ServerId id) {
        const auto heard = lost_.terms.find(id);
        return heard == lost_.terms.end() || heard->second == engine::Term{};
    };
    std::string text;
    switch (lost_.what) {
        case Lost::Nothing: return;
        case Lost::LastBatch:
            text = fmt::format(
                "the last write was cut off, and may have been acknowledged: this node votes freely again "
                "when a "
                "leader has filled its log, or when it has heard all others in a term after {}; ",
                lost_.own_term.value);
            text +=
                lost_.floor
                    ? fmt::format("all are heard, and it votes for a log that reaches entry {} of term {}",
                                  lost_.floor->index.value, lost_.floor->term.value)
                    : fmt::format(
                          "not heard, or recovering themselves: {}. If that lasts, and a crash explains the "
                          "cut, start all that "
                          "wait with --accept-torn-tail; if the disk is damaged, that can lose an "
                          "acknowledged "
                          "write: see docs/operations.md, A node in doubt",
                          others_that(is_silent));
            break;
        case Lost::TermAndEntries:
            text = fmt::format(
                "recovering from the other nodes: this node has lost its term and vote, and keeps silent "
                "until it has asked all of them; not heard, or lost it too: {}",
                others_that(has_no_term));
            break;
        case Lost::Entries:
            text = fmt::format(
                "recovering from the other nodes: this node has lost entries, and does not vote until "
                "it has them from a leader ({})",
                lost_.leader_last == LogIndex{}
                    ? std::string(others().size() > 1
                                      ? "none is heard yet"
                                      : "none is heard yet; the one other voter can not be elected without "
                                        "this one: unless it leads already, go on as docs/operations.md says "
                                        "in When the majority is lost")
                    : fmt::format("entry {} of {}", raft_.durable_index().value, lost_.leader_last.value));
            break;
    }
    environment_.log(LogLevel::Warning, text);
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
    const auto knows = [this](ServerId id) {
        const auto heard = lost_.terms.find(id);
        return heard != lost_.terms.end() && heard->second > engine::Term{};
    };
    const auto is_of_who_know = [&](const engine::Membership& m) { return engine::has_quorum(m, knows); };
    if (!std::ranges::all_of(others(), [this](ServerId id) { return lost_.terms.contains(id); }) ||
        !is_of_who_know(members_.membership()) || !std::ranges::all_of(lost_.memberships, is_of_who_know))
        return;
    environment_.met(Situation::TermLearned);
    const auto [peer, highest] =
        *std::ranges::max_element(lost_.terms, {}, [](const auto& heard) { return heard.second; });
    set_lost(Lost::Entries);
    lost_.own_term = highest;
    step(engine::MessageReceived{peer, engine::StaleTerm{highest}});
}

// What this node lacks, and is committed or will be, is on the disk of somebody who took it in a term that
// this node had seen. In a later one nobody takes it any more, so what they all hold then is all that there
// will be. All of them, and not as many as meet every majority: some may have lost the same. Who recovers is
// not heard: what its log holds now says nothing of what it held.
void Node::learn_floor(ServerId from, const NodeHealth& health) {
    if (health.state == NodeState::Recovering) return;
    if (engine::Term(health.durable_term) <= lost_.own_term || health.durable_index > engine::kReachMax ||
        health.durable_entry_term > health.durable_term)
        return;
    lost_.last_entries[from] = {LogIndex(health.durable_index), engine::Term(health.durable_entry_term)};
    engine::EntryId floor;
    for (const ServerId id : others()) {
        const auto heard = lost_.last_entries.find(id);
        if (heard == lost_.last_entries.end()) return;
        if (!engine::at_least_as_up_to_date(floor, heard->second)) floor = heard->second;
    }
    if (lost_.floor == floor) return;
    lost_.floor = floor;
    environment_.met(Situation::VoteFloorLearned);
    if (raft_.missing() == engine::Missing::LastBatch) step(engine::VoteFloorLearned{floor});
}

void Node::on_recovery_answer(ServerId from, const NodeHealth& health) {
    if (health.term > engine::kReachMax) return;  // nobody's
    if (lost_.what == Lost::TermAndEntries) {
        // Who recovers its entries knows its term, and may not know any more who else can vote; it will.
        if (health.state == NodeState::Recovering && health.term != 0) return;
        return learn_term(from, engine::Term(health.term));
    }
    learn_floor(from, health);
    // It leads now, and what it leads with has all that matters.
    const bool leads = health.role == engine::RoleName::Leader && from == raft_.leader() &&
                       engine::Term(health.term) == raft_.current_term();
    if (!leads || lost_.leader_term == raft_.current_term()) return;
    lost_.leader_term = raft_.current_term();
    lost_.leader_last = LogIndex(health.last_index);
}

// Of all that the engine notes, what an operator must hear of.
void Node::report(const engine::Note& note) {
    const bool is_lost = note.kind == engine::NoteKind::FollowerLostEntries;
    if (!is_lost && note.kind != engine::NoteKind::AppendConflictsWithCommitted) return;
    const Member* peer = member(note.peer);
    const std::string name = peer != nullptr ? peer->name : "of another configuration";
    if (is_lost) {
        environment_.log(
            LogLevel::Error,
            fmt::format(
                "member {} lost acknowledged entries: it does not hold entry {} any more; sending it the "
                "log again (see docs/operations.md, When a node refuses its directory)",
                name, note.index.value));
    } else if (told_of_other_history_.is_due(now_ms_, name)) {
        environment_.log(
            LogLevel::Error,
            fmt::format("member {} leads with other entries at {} or behind it than this node knows to be "
                        "committed: acknowledged writes were lost, and this node does not follow (see "
                        "docs/operations.md, When acknowledged writes were lost)",
                        name, note.index.value));
    }
}

// A refused vote does not say why. Who has stood in vain asks, since nothing else in its log would tell that
// the fault is with another node.
void Node::follow_campaign(const engine::AnnounceRole& action) {
    const bool stands = action.role == engine::RoleName::Candidate;
    const engine::Term stood_in = std::exchange(stands_in_, stands ? action.term : engine::Term{});
    if (stood_in == engine::Term{} || stands || action.leader != engine::kNobody || is_recovering()) return;
    election_term_ = stood_in;
    election_question_ = next_request_++;
    ask_others(election_question_);
}

void Node::tell_who_cannot_vote(ServerId from, const NodeHealth& health) {
    const Member* voter = members_.find(from);
    const bool is_in_doubt = health.state == NodeState::Doubting;
    if (voter == nullptr || (!is_in_doubt && health.state != NodeState::Recovering)) return;
    if (!told_who_cannot_vote_.is_due(now_ms_, voter->name)) return;
    environment_.log(
        LogLevel::Warning,
        fmt::format("the election of term {} was not won, and {} {}", election_term_.value, voter->name,
                    is_in_doubt ? "is in doubt about its last write: it votes freely when it has heard all "
                                  "other voters, so start those that are away; see docs/operations.md, A "
                                  "node in doubt"
                                : "recovers what it has lost, and votes for nobody until it has it; see "
                                  "docs/operations.md, A node of a cluster"));
}

}  // namespace quorate::server
