#include "sim/promises.h"

#include <algorithm>
#include <utility>
#include <variant>

#include <fmt/format.h>

namespace quorate::sim {

using engine::EntryId;
using engine::LogIndex;
using engine::Raft;
using engine::ServerId;
using engine::Term;

namespace {

template <class... Texts>
Breach breach(std::string_view property, fmt::format_string<Texts...> text, Texts&&... values) {
    return {std::string(property), fmt::format(text, std::forward<Texts>(values)...)};
}

Term term_of(const Raft& raft, LogIndex index) {
    return index == LogIndex{} ? Term{} : raft.log().term_at(index);
}

bool is_voter(const engine::Membership& membership, ServerId id) {
    return std::ranges::find(membership.voters, id) != membership.voters.end() ||
           std::ranges::find(membership.voters_outgoing, id) != membership.voters_outgoing.end();
}

/// Not the engine's own comparison, which may be what is wrong.
bool would_vote_for(EntryId theirs, EntryId ours) {
    return theirs.term != ours.term ? theirs.term > ours.term : theirs.index >= ours.index;
}

}  // namespace

void Promises::begun_anew(std::size_t node) { gone_[nodes_[node].id] = std::exchange(nodes_[node], {}); }

const Promises::Promised* Promises::of(ServerId id) const {
    const auto found = std::ranges::find(nodes_, id, &Promised::id);
    if (found != nodes_.end()) return &*found;
    const auto gone = gone_.find(id);
    return gone != gone_.end() ? &gone->second : nullptr;
}

std::optional<Breach> Promises::stepped(std::size_t node, const engine::Output& output,
                                        const Engines& engines) {
    const Raft& raft = *engines[node];
    nodes_[node].id = raft.config().self;
    std::optional<Breach> found = raised(node, output, raft);
    for (const engine::Note& note : output.notes) {
        if (note.kind == engine::NoteKind::Recovered && !found) found = recovered(node, raft);
    }
    for (const engine::Action& action : output.actions) {
        if (found) break;
        if (const auto* persist = std::get_if<engine::PersistLog>(&action)) {
            found = stored(node, *persist, raft);
            if (!found && persist->hard_state && std::exchange(nodes_[node].has_to_learn, false))
                found = learned(node, persist->hard_state->current_term);
        } else if (const auto* install = std::get_if<engine::InstallReceivedSnapshot>(&action)) {
            if (install->log == engine::LogAfterInstall::DiscardAll)
                installed(node, install->last_entry.index, raft);
        } else if (const auto* role = std::get_if<engine::AnnounceRole>(&action)) {
            if (role->role == engine::RoleName::Leader) found = elected(node, raft);
        } else if (const auto* commit = std::get_if<engine::CommitEntries>(&action)) {
            if (raft.role() == engine::RoleName::Leader) found = committed(node, commit->last, engines);
        } else if (const auto* send = std::get_if<engine::SendMessage>(&action)) {
            if (const auto* granted = std::get_if<engine::VoteGranted>(&send->message)) {
                found = granted->kind != engine::CampaignKind::PreVote
                            ? voted(node, granted->term, send->to)
                            : helped(node, granted->term, send->to, raft);
            } else if (const auto* request = std::get_if<engine::RequestVote>(&send->message)) {
                if (request->kind != engine::CampaignKind::PreVote)
                    found = voted(node, request->term, raft.config().self);
            } else if (const auto* accepted = std::get_if<engine::AppendAccepted>(&send->message)) {
                nodes_[node].term = std::max(nodes_[node].term, accepted->term);
                nodes_[node].followed = std::max(nodes_[node].followed, accepted->term);
                found = acknowledged(node, accepted->term, accepted->match_index, engines);
            } else if (const auto* reply = std::get_if<engine::HeartbeatReply>(&send->message)) {
                // It may leave before its term is on disk: its entries are older than that.
                found = acknowledged(node, reply->term, reply->match_index, engines);
            }
        }
    }
    return found;
}

// "Each server will vote for at most one candidate in a given term." Thesis §3.4.
std::optional<Breach> Promises::voted(std::size_t node, Term term, ServerId candidate) {
    Promised& promised = nodes_[node];
    promised.term = std::max(promised.term, term);
    const auto [known, is_new] = promised.votes.try_emplace(term, candidate);
    // Where both have lost their term, the vote went with what it was for.
    const Promised* const before = of(known->second);
    if (before != nullptr && term <= std::min(promised.votes_lost, before->votes_lost))
        known->second = candidate;
    if (known->second == candidate) return std::nullopt;
    return breach("One Vote", "node {} has voted for node {} and for node {} in term {}", node + 1,
                  known->second.value, candidate.value, term.value);
}

// A term begins with somebody who stands for election, having asked whether it could win (thesis §9.6) or on
// its leader's order (§3.10): otherwise each server that comes back from a partition deposes a leader.
std::optional<Breach> Promises::raised(std::size_t node, const engine::Output& output, const Raft& raft) {
    Term stands_in{};
    Term stores{};
    bool is_ordered = false;
    for (const engine::Note& note : output.notes)
        is_ordered = is_ordered || note.kind == engine::NoteKind::TransferOrderObeyed;
    for (const engine::Action& action : output.actions) {
        if (const auto* role = std::get_if<engine::AnnounceRole>(&action)) {
            if (role->role == engine::RoleName::Candidate) stands_in = role->term;
        } else if (const auto* persist = std::get_if<engine::PersistLog>(&action)) {
            if (persist->hard_state) stores = persist->hard_state->current_term;
        }
    }
    if (stands_in > Term{}) {
        begun_.insert(stands_in);
        const ServerId self = raft.config().self;
        // Who is left out by what is not committed may be needed to lead.
        if (!is_voter(raft.membership(), self) && raft.membership_index() <= raft.commit_index())
            return breach("Membership", "node {} stands for election, and is no voter", node + 1);
        const std::set<ServerId>& helpers = pre_votes_[{stands_in, self}];
        if (!is_ordered &&
            !is_decided(raft.membership(), [&](ServerId id) { return id == self || helpers.contains(id); })) {
            return breach("Disruption", "node {} begins term {}, and {} others would have it", node + 1,
                          stands_in.value, helpers.size());
        }
    }
    if (stores > Term{} && !begun_.contains(stores))
        return breach("Disruption", "node {} is in term {}, in which nobody stands", node + 1, stores.value);
    return std::nullopt;
}

// Who hears its leader helps nobody else to power. Thesis §4.2.3.
std::optional<Breach> Promises::helped(std::size_t node, Term term, ServerId candidate, const Raft& raft) {
    pre_votes_[{term, candidate}].insert(raft.config().self);
    if (raft.leader() == engine::kNobody || raft.leader() == candidate ||
        (raft.role() != engine::RoleName::Leader &&
         raft.ticks_since_leader() >= raft.config().election_timeout_ticks_min))
        return std::nullopt;
    return breach("Disruption", "node {} hears the leader of term {}, and helps node {} to term {}", node + 1,
                  raft.current_term().value, candidate.value, term.value);
}

// "A candidate wins an election if it receives votes from a majority of the servers in the full cluster for
// the same term." Thesis §3.4. Each of them has been seen to leave.
std::optional<Breach> Promises::elected(std::size_t node, const Raft& raft) const {
    const Term term = raft.current_term();
    const ServerId self = raft.config().self;
    const engine::Membership& members = raft.membership();
    const auto has_voted = [&](ServerId id) {
        // Who is alone asks nobody.
        if (id == self && members.voters.size() == 1 && members.voters_outgoing.size() <= 1) return true;
        const Promised* promised = of(id);
        if (promised == nullptr) return false;
        const auto vote = promised->votes.find(term);
        return vote != promised->votes.end() && vote->second == self;
    };
    if (is_decided(members, has_voted)) return std::nullopt;
    return breach("Election", "node {} leads term {} without the votes of a majority", node + 1, term.value);
}

// It says: my log equals yours through `match`, and my disk holds it.
std::optional<Breach> Promises::acknowledged(std::size_t node, Term term, LogIndex match,
                                             const Engines& engines) {
    const Raft& raft = *engines[node];
    if (match == LogIndex{}) return std::nullopt;
    if (match > raft.log().last_index()) {
        return breach("Acknowledgement", "node {} acknowledges entry {}, and has {}", node + 1, match.value,
                      raft.log().last_index().value);
    }
    promise(node, match, raft);
    for (const Raft* leader : engines) {
        if (leader == nullptr || leader->role() != engine::RoleName::Leader ||
            leader->current_term() != term || !leader->log().knows_term(match) ||
            !raft.log().knows_term(match))
            continue;
        if (!leader->log().holds({match, raft.log().term_at(match)})) {
            return breach(
                "Acknowledgement",
                "node {} acknowledges entry {} of term {} to the leader of term {}, which has another",
                node + 1, match.value, raft.log().term_at(match).value, term.value);
        }
    }
    return std::nullopt;
}

// Nothing is committed that a majority has not promised to keep, and nobody could be elected without it from
// now on: "if a log entry is committed in a given term, then that entry will be present in the logs of the
// leaders for all higher-numbered terms". Thesis §3.6.2, Fig. 3.2. Where the others are no majority, the
// leader counts itself, and promises by that.
std::optional<Breach> Promises::committed(std::size_t node, LogIndex last, const Engines& engines) {
    const Raft& leader = *engines[node];
    const EntryId entry{last, leader.log().term_at(last)};
    while (committed_.size() < last.value)
        committed_.push_back(leader.log().term_at(LogIndex(committed_.size() + 1)));
    const ServerId self = leader.config().self;
    const auto holds = [&](ServerId id) {
        const Promised* promised = of(id);
        return promised != nullptr && promised->entries.size() >= last.value &&
               promised->entries[last.value - 1] == entry.term;
    };
    if (!is_decided(leader.membership(), [&](ServerId id) { return id == self || holds(id); })) {
        return breach("Commitment", "node {} commits entry {} of term {}, which no majority has acknowledged",
                      node + 1, last.value, entry.term.value);
    }
    const auto holds_elsewhere = [&](ServerId id) { return id != self && holds(id); };
    if (is_voter(leader.membership(), self) && !is_decided(leader.membership(), holds_elsewhere))
        promise(node, last, leader);
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        if (!could_lead_without(i, entry, engines)) continue;
        return breach("Commitment",
                      "node {} commits entry {} of term {}, and node {} can be elected without it", node + 1,
                      last.value, entry.term.value, i + 1);
    }
    return std::nullopt;
}

// What stood behind it was never committed, but where nothing stood because it had been lost.
void Promises::installed(std::size_t node, LogIndex last, const Raft& raft) {
    auto& entries = nodes_[node].entries;
    if (raft.missing() == engine::Missing::Nothing) return entries.clear();
    const std::size_t covered = std::min<std::size_t>(entries.size(), last.value);
    std::copy_n(committed_.begin(), covered, entries.begin());
}

// Who has lost its term can be no earlier than the leaders that it has followed: each had the votes of a
// majority. Nor than whom it has voted for, if that one still knows.
std::optional<Breach> Promises::learned(std::size_t node, Term term) {
    const Promised& promised = nodes_[node];
    Term least = promised.followed;
    for (const auto& [vote, candidate] : promised.votes) {
        const Promised* const other = of(candidate);
        if (other == nullptr || (other != &promised && other->votes_lost < vote))
            least = std::max(least, vote);
    }
    if (term >= least) return std::nullopt;
    return breach("Durability", "node {} learns that its term is {}, and has taken part in term {}", node + 1,
                  term.value, least.value);
}

// What was committed with its help it holds again, and on its disk. What else it had promised and does not
// hold now can never be committed.
std::optional<Breach> Promises::recovered(std::size_t node, const Raft& raft) {
    auto& entries = nodes_[node].entries;
    LogIndex last(std::min(entries.size(), committed_.size()));
    while (last > LogIndex{} && entries[last.value - 1] != committed_[last.value - 1]) last = last.previous();
    if (last > raft.log().base().index &&
        (last > raft.durable_index() || !raft.log().holds({last, entries[last.value - 1]}))) {
        return breach("Durability", "node {} has acknowledged entry {} of term {}, and recovers without it",
                      node + 1, last.value, entries[last.value - 1].value);
    }
    entries.resize(std::min<std::size_t>(entries.size(), raft.log().last_index().value));
    for (LogIndex index(entries.size()); index > raft.log().base().index; index = index.previous())
        entries[index.value - 1] = raft.log().term_at(index);
    return std::nullopt;
}

// What its snapshot covers was committed.
void Promises::promise(std::size_t node, LogIndex through, const Raft& raft) {
    auto& entries = nodes_[node].entries;
    while (entries.size() < through.value) {
        const LogIndex next(entries.size() + 1);
        entries.push_back(next <= raft.log().base().index ? committed_.at(next.value - 1)
                                                          : raft.log().term_at(next));
    }
}

bool Promises::could_lead_without(std::size_t node, EntryId entry, const Engines& engines) const {
    const Raft* candidate = engines[node];
    if (candidate == nullptr || candidate->missing() == engine::Missing::Entries ||
        candidate->log().base().index >= entry.index || candidate->log().holds(entry))
        return false;
    const EntryId last = candidate->log().last_entry();
    const auto would_vote = [&](ServerId id) {
        const auto found = std::ranges::find_if(
            engines, [&](const Raft* raft) { return raft != nullptr && raft->config().self == id; });
        if (found == engines.end() || !would_vote_for(last, (*found)->log().last_entry())) return false;
        const Raft& voter = **found;
        if (voter.missing() == engine::Missing::LastBatch)
            return &voter != candidate && voter.vote_floor() && would_vote_for(last, *voter.vote_floor());
        return voter.missing() == engine::Missing::Nothing;
    };
    return is_voter(candidate->membership(), candidate->config().self) &&
           is_decided(candidate->membership(), would_vote);
}

// "If two entries in different logs have the same index and term, then they store the same command, and the
// logs are identical in all preceding entries." Thesis §3.5. What is cut from a log is promised no more.
std::optional<Breach> Promises::stored(std::size_t node, const engine::PersistLog& persist,
                                       const Raft& raft) {
    auto& promised = nodes_[node].entries;
    if (persist.truncate_from > LogIndex{} && promised.size() >= persist.truncate_from.value)
        promised.resize(persist.truncate_from.value - 1);
    if (persist.first == LogIndex{}) return std::nullopt;
    for (LogIndex index = persist.first; index <= persist.last; index = index.next()) {
        // Who has lost entries stores them anew, or others that took their place.
        if (index.value <= promised.size()) promised[index.value - 1] = raft.log().term_at(index);
        const std::pair stands{term_of(raft, index.previous()), raft.log().bytes_at(index)};
        const Term term = raft.log().term_at(index);
        const auto [known, is_new] = entries_.try_emplace({index, term}, stands);
        if (known->second != stands) {
            return breach("Log Matching",
                          "node {} has an entry {} of term {} that differs from another node's", node + 1,
                          index.value, term.value);
        }
    }
    return std::nullopt;
}

std::optional<Breach> Promises::started(std::size_t node, const Raft& raft, wal::Lost lost, bool is_damaged) {
    Promised& promised = nodes_[node];
    promised.id = raft.config().self;
    // It has to learn what it promised, and takes part in nothing before.
    promised.has_to_learn = lost == wal::Lost::TermAndEntries;
    if (promised.has_to_learn) {
        if (!promised.votes.empty()) promised.votes_lost = promised.votes.rbegin()->first;
        // What it stood for is void: nobody's answer to that can reach it any more.
        promised.term = Term{};
        std::erase_if(promised.votes, [&](const auto& vote) { return vote.second == raft.config().self; });
        return std::nullopt;
    }
    // The end of an install, which the log at its start stands for: see above.
    const EntryId base = raft.log().base();
    if (promised.entries.size() >= base.index.value && base.index > LogIndex{} &&
        promised.entries[base.index.value - 1] != base.term &&
        committed_.at(base.index.value - 1) == base.term)
        promised.entries.clear();
    if (raft.current_term() < promised.term) {
        return breach("Durability", "node {} starts in term {}, and has taken part in term {}", node + 1,
                      raft.current_term().value, promised.term.value);
    }
    const auto vote = promised.votes.find(raft.current_term());
    if (vote != promised.votes.end() && vote->first > promised.votes_lost &&
        raft.hard_state().voted_for != vote->second) {
        return breach("Durability", "node {} has forgotten its vote of term {}", node + 1,
                      raft.current_term().value);
    }
    const LogIndex commit = raft.commit_index();
    const bool is_known = raft.log().knows_term(commit) && commit > LogIndex{};
    if (commit.value > committed_.size() ||
        (is_known && raft.log().term_at(commit) != committed_.at(commit.value - 1))) {
        return breach("Durability", "node {} starts and takes entry {} for committed, which is not", node + 1,
                      commit.value);
    }
    // What a crash has torn was never promised.
    if (lost == wal::Lost::Entries || (lost == wal::Lost::LastBatch && is_damaged)) return std::nullopt;
    const LogIndex last(promised.entries.size());
    if (last > raft.log().base().index && !raft.log().holds({last, promised.entries.back()})) {
        return breach("Durability", "node {} has acknowledged entry {} of term {}, and starts without it",
                      node + 1, last.value, promised.entries.back().value);
    }
    return std::nullopt;
}

}  // namespace quorate::sim
