// Who may lead: thesis §3.4 (elections), §3.6.1 (the log must be up to date), §4.2.3 (a live leader is left
// alone), §9.6 (PreVote).

#include <algorithm>
#include <utility>

#include "engine/check.h"
#include "engine/quorum.h"
#include "engine/raft.h"

namespace quorate::engine {

namespace {

void insert_once(std::vector<ServerId>& ids, ServerId id) {
    const auto place = std::ranges::lower_bound(ids, id);
    if (place == ids.end() || *place != id) ids.insert(place, id);
}

}  // namespace

// A server that was its leader and asks for votes does not lead any more, so it alone is heard while its
// lease runs. Whom an earlier life has heard a server does not know; one that gives no vote at all may learn
// its term at once.
bool Raft::leader_other_than_is_alive(ServerId asking) const {
    if (ticks_until_heard_nobody_ > 0 && missing_ != Missing::Entries) return true;
    if (std::holds_alternative<Leader>(role_))
        return true;  // on_leader_tick() has it step down when it loses its quorum
    const auto* follower = std::get_if<Follower>(&role_);
    return follower != nullptr && follower->leader != kNobody && follower->leader != asking &&
           follower->ticks_since_leader < config_.election_timeout_ticks_min;
}

// The term rule ran: an Election or Transfer request is of our term. A PreVote names the term after its
// sender's.
void Raft::on_request_vote(ServerId from, const RequestVote& request, Output& output) {
    const bool is_pre_vote = request.kind == CampaignKind::PreVote;
    const auto refuse = [&](NoteKind why) {
        note(why, from, request.term, request.last_entry.index, output);
        send(from, VoteRefused{hard_state_.current_term, request.kind, request.term}, output);
    };
    const bool reaches_floor = vote_floor_ && at_least_as_up_to_date(request.last_entry, *vote_floor_);
    if (missing_ == Missing::Entries || (missing_ == Missing::LastBatch && !is_pre_vote && !reaches_floor))
        return refuse(NoteKind::VoteRefusedRecovering);
    if (!has_ever_belonged()) return refuse(NoteKind::VoteRefusedNeverAMember);
    if (is_pre_vote && request.term <= hard_state_.current_term) return refuse(NoteKind::VoteRefusedTermOver);
    if (is_pre_vote && leader_other_than_is_alive(from)) return refuse(NoteKind::VoteRefusedLeaderIsAlive);
    if (!is_pre_vote && hard_state_.voted_for != from) {
        if (hard_state_.voted_for != kNobody) return refuse(NoteKind::VoteRefusedAlreadyVoted);
        if (leader() != kNobody)
            return refuse(NoteKind::VoteRefusedLeaderIsAlive);  // this term has its leader
    }
    if (!at_least_as_up_to_date(request.last_entry, log_.last_entry()))
        return refuse(NoteKind::VoteRefusedLogBehind);

    if (is_pre_vote) {
        // No state changes and no timer restarts: servers that answer each other's pre-votes must not put off
        // their own.
        note(NoteKind::PreVoteGiven, from, request.term, request.last_entry.index, output);
        return send(from, VoteGranted{request.term, request.kind}, output);
    }
    note(NoteKind::VoteGiven, from, request.term, request.last_entry.index, output);
    if (hard_state_.voted_for != from) {
        hard_state_.voted_for = from;
        persist(hard_state_, {}, {}, {}, output);
    }
    if (auto* follower = std::get_if<Follower>(&role_))
        follower->election_ticks_left = draw_election_timeout();
    send_when_durable(from, VoteGranted{request.term, request.kind}, output);
}

// A server becomes a voter when it has the log, and so the entry that made it a learner. In whose log there
// is no configuration with itself, that log is not the one which it was promoted for: another data directory
// has been started under its name, and may have acknowledged what this one has never seen.
bool Raft::has_ever_belonged() const {
    return std::ranges::any_of(
        memberships_, [this](const MembershipAt& known) { return known.membership.contains(config_.self); });
}

void Raft::on_vote_floor_learned(EntryId floor, Output& output) {
    ENGINE_CHECK(missing_ == Missing::LastBatch);
    vote_floor_ = floor;
    note(NoteKind::VoteFloorLearned, kNobody, floor.term, floor.index, output);
}

void Raft::on_recovered(Output& output) {
    const Missing missed = std::exchange(missing_, Missing::Nothing);
    ENGINE_CHECK(missed != Missing::Nothing);
    vote_floor_.reset();
    note(NoteKind::Recovered, leader(), hard_state_.current_term, log_.last_index(), output);
    if (missed == Missing::LastBatch || hard_state_.voted_for != kNobody) return;
    // Whom it voted for in this term it may have forgotten: it votes for nobody else in it.
    hard_state_.voted_for = config_.self;
    persist(hard_state_, {}, {}, {}, output);
}

void Raft::on_vote_granted(ServerId from, const VoteGranted& granted, Output& output) {
    std::vector<ServerId>* votes = nullptr;
    if (auto* pre = std::get_if<PreCandidate>(&role_); pre != nullptr &&
                                                       granted.kind == CampaignKind::PreVote &&
                                                       granted.term == hard_state_.current_term.next()) {
        votes = &pre->granted;
    } else if (auto* candidate = std::get_if<Candidate>(&role_); candidate != nullptr &&
                                                                 granted.kind != CampaignKind::PreVote &&
                                                                 granted.term == hard_state_.current_term) {
        votes = &candidate->granted;
    }
    if (votes == nullptr) return note(NoteKind::VoteIgnoredOtherCampaign, from, granted.term, {}, output);
    if (!membership().is_voter(from))
        return note(NoteKind::MessageOfStrangerIgnored, from, granted.term, {}, output);
    note(NoteKind::VoteCounted, from, granted.term, {}, output);
    insert_once(*votes, from);
    decide_campaign(output);
}

void Raft::on_vote_refused(ServerId from, const VoteRefused& refused, Output& output) {
    std::vector<ServerId>* votes = nullptr;
    if (auto* pre = std::get_if<PreCandidate>(&role_);
        pre != nullptr && refused.kind == CampaignKind::PreVote &&
        refused.request_term == hard_state_.current_term.next()) {
        votes = &pre->refused;
    } else if (auto* candidate = std::get_if<Candidate>(&role_);
               candidate != nullptr && refused.kind != CampaignKind::PreVote &&
               refused.request_term == hard_state_.current_term) {
        votes = &candidate->refused;
    }
    if (votes == nullptr)
        return note(NoteKind::VoteIgnoredOtherCampaign, from, refused.request_term, {}, output);
    insert_once(*votes, from);
    decide_campaign(output);
}

// Also who is left out by a configuration that may not be committed: the others may lack that entry, and
// cannot lead without the vote of this server, whose log is longer. Its own vote counts for nothing in the
// new set. Thesis §4.2.2.
bool Raft::may_be_needed_to_lead() const {
    if (membership().is_voter(config_.self)) return true;
    return membership_index() > commit_index_ && memberships_.size() > 1 &&
           memberships_[memberships_.size() - 2].membership.is_voter(config_.self);
}

void Raft::on_follower_tick(Output& output) {
    Follower& follower = following();
    ++follower.ticks_since_leader;
    const bool is_voter = may_be_needed_to_lead();
    // A cluster of one has nobody to wait for.
    const bool is_alone = follower.leader == kNobody &&
                          has_quorum(membership(), [this](ServerId id) { return id == config_.self; });
    if (--follower.election_ticks_left > 0 && !is_alone) return;
    if (!is_voter || missing_ == Missing::Entries) {
        follower.election_ticks_left = draw_election_timeout();
        const NoteKind why =
            is_voter ? NoteKind::CampaignRefusedRecovering : NoteKind::CampaignRefusedNotVoter;
        if (follower.leader == kNobody) return note(why, kNobody, hard_state_.current_term, {}, output);
        // It may stand no more, and nobody tells who does not belong to the cluster any more: whoever asks
        // here is better told at once that no leader is known.
        follower.leader = kNobody;
        return announce(why, output);
    }
    pre_vote(NoteKind::ElectionTimeoutElapsed, output);
}

// A campaign without outcome starts over with the question whether it could be won: a higher term alone helps
// nobody. While our own vote is not even on disk, a slow disk is the reason, and another vote to write would
// make it slower.
void Raft::on_campaign_tick(std::uint32_t& ticks_left, Output& output) {
    if (--ticks_left > 0) return;
    const auto* candidate = std::get_if<Candidate>(&role_);
    if (candidate != nullptr && candidate->own_vote > PersistTicket{}) {
        ticks_left = draw_election_timeout();
        return note(NoteKind::CampaignWaitsForDisk, kNobody, hard_state_.current_term, {}, output);
    }
    pre_vote(NoteKind::ElectionTimedOut, output);
}

void Raft::pre_vote(NoteKind reason, Output& output) {
    role_ = PreCandidate{
        .granted = {config_.self}, .refused = {}, .election_ticks_left = draw_election_timeout()};
    announce(reason, output);
    const RequestVote request{hard_state_.current_term.next(), CampaignKind::PreVote, log_.last_entry()};
    for (const ServerId id : membership().everyone()) {
        if (id != config_.self && membership().is_voter(id)) send(id, request, output);
    }
    decide_campaign(output);
}

// The requests leave with our own vote on disk, and with it, since tickets complete in order, every entry
// that they boast of.
void Raft::stand_for_election(CampaignKind kind, NoteKind reason, Output& output) {
    ENGINE_CHECK(kind != CampaignKind::PreVote);
    hard_state_ = {hard_state_.current_term.next(), config_.self};
    held_.clear();
    const PersistTicket own_vote = persist(hard_state_, {}, {}, {}, output);
    role_ = Candidate{.kind = kind,
                      .own_vote = own_vote,
                      .granted = {},
                      .refused = {},
                      .election_ticks_left = draw_election_timeout()};
    announce(reason, output);
    const RequestVote request{hard_state_.current_term, kind, log_.last_entry()};
    for (const ServerId id : membership().everyone()) {
        if (id != config_.self && membership().is_voter(id)) send_when_durable(id, request, output);
    }
}

void Raft::on_own_vote_durable(Output& output) {
    auto& candidate = std::get<Candidate>(role_);
    candidate.own_vote = {};
    insert_once(missing_ == Missing::Nothing ? candidate.granted : candidate.refused, config_.self);
    decide_campaign(output);
}

void Raft::decide_campaign(Output& output) {
    if (const auto* pre = std::get_if<PreCandidate>(&role_)) {
        switch (count_votes(membership(), pre->granted, pre->refused)) {
            case Verdict::Pending: return;
            case Verdict::Won:
                return stand_for_election(CampaignKind::Election, NoteKind::PreVoteWon, output);
            case Verdict::Lost:
                return become_follower(hard_state_.current_term, kNobody, NoteKind::PreVoteLost, output);
        }
    }
    const auto& candidate = std::get<Candidate>(role_);
    switch (count_votes(membership(), candidate.granted, candidate.refused)) {
        case Verdict::Pending: return;
        case Verdict::Won: return become_leader(output);
        case Verdict::Lost:
            return become_follower(hard_state_.current_term, kNobody, NoteKind::ElectionLost, output);
    }
}

// The no-op commits what earlier terms left behind (thesis §3.6.2) and opens the term for reads (§6.4).
void Raft::become_leader(Output& output) {
    Leader leader;
    leader.term_start = log_.last_index().next();
    leader.heartbeat_ticks_left = config_.heartbeat_ticks;
    for (LogIndex i = commit_index_.next(); i <= log_.last_index(); i = i.next())
        leader.uncommitted_bytes += log_.bytes_at(i);
    role_ = std::move(leader);
    follow_membership();
    if (missing_ != Missing::Nothing) on_recovered(output);
    announce(NoteKind::ElectionWon, output);

    log_.append({hard_state_.current_term, EntryKind::NoOp, 0});
    persist(std::nullopt, {}, log_.last_index(), log_.last_index(), output);
    replicate_to_all(output);
}

std::uint32_t Raft::draw_election_timeout() {
    return random_.between(config_.election_timeout_ticks_min, config_.election_timeout_ticks_max);
}

}  // namespace quorate::engine
