#include "tests/property/raft_oracle.h"

#include <algorithm>

#include "engine/overloaded.h"
#include "engine/quorum.h"

namespace quorate::engine::test {

void RaftOracle::fail(std::string_view rule, ServerId server, LogIndex index) {
    if (!violation_.empty()) return;
    violation_ = std::string(rule) + ": server " + std::to_string(server.value);
    if (index > LogIndex{}) violation_ += ", index " + std::to_string(index.value);
}

void RaftOracle::check_election_safety(const ServerState& server, Term term) {
    const auto [known, is_new] = leader_of_term_.try_emplace(term, server.id);
    if (!is_new && known->second != server.id)
        fail("Election Safety: a second leader in one term", server.id);
}

void RaftOracle::check_leader_append_only(const ServerState& leader, const PersistLog& persist) {
    const bool appends = persist.last >= persist.first && persist.first > LogIndex{};
    if (persist.truncate_from > LogIndex{} || (appends && persist.first != leader.log.last_index().next()))
        fail("Leader Append-Only", leader.id, persist.first);
}

void RaftOracle::check_log_matching(const std::vector<ServerState>& servers) {
    for (const ServerState& one : servers) {
        for (const ServerState& other : servers) {
            if (other.id <= one.id) continue;
            bool must_agree = false;
            for (LogIndex i = std::min(one.log.last_index(), other.log.last_index());
                 one.log.has(i) && other.log.has(i); i = i.previous()) {
                must_agree = must_agree || one.log.at(i).shape.term == other.log.at(i).shape.term;
                if (must_agree && one.log.at(i) != other.log.at(i)) fail("Log Matching", other.id, i);
            }
        }
    }
}

void RaftOracle::check_leader_completeness(const ServerState& leader) {
    for (LogIndex i = leader.log.first_index(); i <= committed(); i = i.next()) {
        if (!leader.log.has(i) || leader.log.at(i) != committed_[i.value - 1])
            return fail("Leader Completeness", leader.id, i);
    }
}

void RaftOracle::check_state_machine_safety(const ServerState& server, const CommitEntries& commit,
                                            const std::vector<ServerState>& servers) {
    if (commit.first != server.applied.next())
        return fail("entries are applied in order, each once", server.id, commit.first);
    for (LogIndex i = commit.first; i <= commit.last; i = i.next()) {
        if (!server.log.has(i)) return fail("only entries of the log are applied", server.id, i);
        const StoredEntry& entry = server.log.at(i);
        if (i <= committed()) {
            if (entry != committed_[i.value - 1]) return fail("State Machine Safety", server.id, i);
            continue;
        }
        committed_.push_back(entry);
        if (!is_on_a_quorum_of_disks(i, entry, servers))
            return fail("what is committed is on the disks of a majority", server.id, i);
    }
}

bool RaftOracle::is_on_a_quorum_of_disks(LogIndex index, const StoredEntry& entry,
                                         const std::vector<ServerState>& servers) const {
    // Counted here and not with the engine's own has_quorum(): that is under test.
    const auto is_on_most = [&](const std::vector<ServerId>& voters) {
        const auto count = std::ranges::count_if(
            voters, [&](ServerId id) { return servers[id.value - 1].disk.holds(index, entry); });
        return 2 * static_cast<std::size_t>(count) > voters.size();
    };
    return is_on_most(membership_.voters) &&
           (membership_.voters_outgoing.empty() || is_on_most(membership_.voters_outgoing));
}

void RaftOracle::check_role(const ServerState& server, RoleName role) {
    if (role != RoleName::Follower && membership_.is_learner(server.id))
        fail("learners never campaign or lead", server.id);
}

void RaftOracle::check_hard_state(const ServerState& server, const HardState& next) {
    const HardState& last = server.asked_hard_state;
    const bool is_kept = next.current_term == last.current_term &&
                         (last.voted_for == kNobody || next.voted_for == last.voted_for);
    if (next.current_term <= last.current_term && !is_kept) fail("term and vote never go back", server.id);
}

void RaftOracle::check_promise(const ServerState& sender, const SendMessage& send,
                               const std::vector<ServerState>& servers) {
    const HardState& durable = sender.disk.hard_state;
    const auto vote_is_durable = [&](Term term, ServerId candidate) {
        return durable.current_term > term || durable == HardState{term, candidate};
    };
    std::visit(Overloaded{
                   [&](const VoteGranted& granted) {
                       if (granted.kind == CampaignKind::PreVote) return;
                       if (!vote_is_durable(granted.term, send.to))
                           fail("a vote leaves when it is durable", sender.id);
                       const auto [sent, is_new] = vote_sent_.try_emplace({sender.id, granted.term}, send.to);
                       if (!is_new && sent->second != send.to) fail("one vote in each term", sender.id);
                   },
                   [&](const RequestVote& request) {
                       if (request.kind == CampaignKind::PreVote) return;
                       if (!vote_is_durable(request.term, sender.id))
                           fail("a campaign leaves when its vote is durable", sender.id);
                       const EntryId last = request.last_entry;
                       if (last.index > sender.disk.snapshot.index && !sender.disk.log.holds(last))
                           fail("a campaign boasts of durable entries only", sender.id, last.index);
                   },
                   [&](const AppendAccepted& accepted) { check_match(sender, send.to, accepted, servers); },
                   [&](const HeartbeatReply& reply) {
                       check_match(sender, send.to, {reply.term, reply.match_index}, servers);
                   },
                   [](const auto&) {},
               },
               send.message);
}

void RaftOracle::check_match(const ServerState& sender, ServerId leader, const AppendAccepted& accepted,
                             const std::vector<ServerState>& servers) {
    const ServerState& receiver = servers[leader.value - 1];
    // An acknowledgement to a leader that has fallen counts for nothing.
    const bool still_leads = receiver.raft && receiver.raft->role() == RoleName::Leader &&
                             receiver.raft->current_term() == accepted.term;
    for (LogIndex i = sender.log.first_index(); i <= accepted.match_index; i = i.next()) {
        if (!sender.log.has(i)) return fail("only entries of the log are acknowledged", sender.id, i);
        const StoredEntry& entry = sender.log.at(i);
        if (!sender.disk.holds(i, entry))
            return fail("an acknowledgement leaves when its entries are durable", sender.id, i);
        if (!still_leads || i <= receiver.log.base().index) continue;
        if (!receiver.log.has(i) || receiver.log.at(i) != entry)
            return fail("only entries that the leader has are acknowledged to it", sender.id, i);
    }
}

void RaftOracle::check_install(const ServerState& server, const InstallReceivedSnapshot& install) {
    const LogIndex index = install.last_entry.index;
    if (index <= server.applied) return fail("a snapshot never takes the state back", server.id, index);
    if (index > committed() || committed_[index.value - 1].shape.term != install.last_entry.term)
        fail("a snapshot holds committed entries only", server.id, index);
}

void RaftOracle::check_read(const AnswerRead& answer) {
    ++reads_answered_;
    if (answer.read_index < read_floor_.at(answer.request))
        fail("a read sees what was committed before it", kNobody, answer.read_index);
}

}  // namespace quorate::engine::test
