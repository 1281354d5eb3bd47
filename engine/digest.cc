// The digest of a whole state: every field that operator== compares.

#include "engine/digest.h"

#include <type_traits>

#include "engine/overloaded.h"
#include "engine/raft.h"

namespace quorate::engine {

namespace {

/// Feeds values into a Digest; one overload for each kind of thing that a state is made of.
class StateDigest {
 public:
    template <class T>
        requires(std::is_integral_v<T> || std::is_enum_v<T>)
    void add(T number) {
        digest_.add(static_cast<std::uint64_t>(number));
    }
    template <class Tag>
    void add(Ordinal<Tag> ordinal) {
        add(ordinal.value);
    }
    template <class T>
    void add(const std::vector<T>& items) {
        add(items.size());
        for (const T& item : items) add(item);
    }
    template <class T>
    void add(const std::optional<T>& item) {
        add(item.has_value());
        if (item) add(*item);
    }
    template <class... Alternatives>
    void add(const std::variant<Alternatives...>& choice) {
        add(choice.index());
        std::visit([this](const auto& value) { this->add(value); }, choice);
    }
    template <class... Fields>
    void all(const Fields&... fields) {
        (add(fields), ...);
    }

    void add(const HardState& s) { all(s.current_term, s.voted_for); }
    void add(const EntryId& e) { all(e.index, e.term); }
    void add(const Membership& m) { all(m.voters, m.voters_outgoing, m.learners); }
    void add(const MembershipAt& m) { all(m.index, m.membership); }
    void add(const InflightAppend& a) { all(a.last_index, a.round, a.bytes); }
    void add(const Progress& p) {
        all(p.id, p.is_leaving, p.state, p.match_index, p.next_index, p.sent_commit, p.snapshot_index,
            p.acknowledged_round, p.ticks_since_heard, p.inflight, p.inflight_bytes, p.catch_up_bytes);
    }
    void add(const ReadBatch::Waiting& w) { all(w.origin, w.request); }
    void add(const ReadBatch& b) { all(b.round, b.read_index, b.waiting); }
    void add(const Transfer& t) { all(t.request, t.target, t.ticks_left); }
    void add(const Follower& r) {
        all(r.leader, r.ticks_since_leader, r.election_ticks_left, r.received_index, r.leader_commit);
    }
    void add(const PreCandidate& r) { all(r.granted, r.refused, r.election_ticks_left); }
    void add(const Candidate& r) { all(r.kind, r.own_vote, r.granted, r.refused, r.election_ticks_left); }
    void add(const Leader& r) {
        all(r.progress, r.term_start, r.heartbeat_ticks_left, r.ticks_since_persisted, r.round, r.confirming,
            r.gathering, r.transfer, r.has_ordered_transfer, r.uncommitted_bytes, r.committed_bytes,
            r.committed_bytes_before);
    }
    void add(const RequestVote& m) { all(m.term, m.kind, m.last_entry); }
    void add(const VoteGranted& m) { all(m.term, m.kind); }
    void add(const VoteRefused& m) { all(m.term, m.kind, m.request_term); }
    void add(const AppendEntries& m) { all(m.term, m.previous, m.entry_count, m.leader_commit); }
    void add(const AppendAccepted& m) { all(m.term, m.match_index); }
    void add(const AppendRefused& m) { all(m.term, m.rejected, m.conflict, m.last_index); }
    void add(const Heartbeat& m) { all(m.term, m.round, m.commit_index); }
    void add(const HeartbeatReply& m) {
        all(m.term, m.round, m.received_index, m.match_index, m.commit_index);
    }
    void add(const StaleTerm& m) { add(m.term); }
    void add(const TimeoutNow& m) { add(m.term); }
    void add(const ReadIndexRequest& m) { all(m.term, m.request); }
    void add(const ReadIndexReply& m) { all(m.term, m.request, m.read_index); }
    void add(const ReadIndexRefused& m) { all(m.term, m.request); }
    void add(const InstallSnapshot& m) { all(m.term, m.last_entry); }

    [[nodiscard]] std::uint64_t value() const { return digest_.value(); }

 private:
    Digest digest_;
};

}  // namespace

std::uint64_t Raft::digest() const {
    StateDigest digest;
    digest.all(config_.self, config_.seed, config_.election_timeout_ticks_min,
               config_.election_timeout_ticks_max, config_.heartbeat_ticks, config_.append_entries_max,
               config_.append_bytes_max, config_.inflight_appends_max, config_.inflight_bytes_max,
               config_.catch_up_bytes_per_tick_max, config_.uncommitted_bytes_max,
               config_.persist_stall_ticks_max, config_.pending_reads_max);
    digest.all(random_.state(), hard_state_, missing_, vote_floor_, ticks_until_heard_nobody_, log_.digest(),
               memberships_, commit_index_, durable_index_, last_ticket_, completed_ticket_);
    digest.add(persisting_.size());
    for (const Persisting& p : persisting_) digest.all(p.ticket, p.last_index);
    digest.add(held_.size());
    for (const Held& held : held_) digest.all(held.ticket, held.to, held.message);
    digest.add(role_);
    return digest.value();
}

}  // namespace quorate::engine
