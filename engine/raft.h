#pragma once

// The pure Raft core: events in, actions out. Ongaro, "Consensus: Bridging Theory and Practice", 2014
// ("thesis").

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "engine/action.h"
#include "engine/check.h"
#include "engine/config.h"
#include "engine/event.h"
#include "engine/log_shape.h"
#include "engine/membership.h"
#include "engine/progress.h"
#include "engine/random.h"

namespace quorate::engine {

/// What this server may lack of what it acknowledged. Its term is at least every one that it took part in.
/// Alagappan et al., Protocol-Aware Recovery for Consensus-Based Storage, FAST 2018.
enum class Missing : std::uint8_t {
    Nothing,
    /// Entries, how many is not known. It gives no vote and stands for none until RecoveryCompleted: a log
    /// that lacks them must not help anybody to lead, or lead.
    Entries,
    /// What one write held, which most likely was never acknowledged, as after each crash in the middle of a
    /// write; a cluster that lost its power has nobody else. Its pre-votes, which promise nothing, count. A
    /// vote it gives only to logs that reach the floor (VoteFloorLearned), and none to itself: who is elected
    /// by a majority of others has what was committed with its help. Then, or with RecoveryCompleted, nothing
    /// is missing any more. Not for a server that is the only voter.
    LastBatch,
};

/// What recovery found on disk; all of it is durable. `snapshot` is what the log goes on behind: the newest
/// one, or an older one, so that the log still has what a slow follower needs. It may be of a later term than
/// the hard state, the entries may not.
struct InitialState {
    HardState hard_state;
    EntryId snapshot;  ///< zero: no snapshot
    std::optional<MembershipAt>
        snapshot_membership;  ///< in force at `snapshot`, not behind it; absent exactly when there is none
    std::span<const EntryShape> entries{};        ///< from snapshot.index + 1 on
    std::span<const MembershipAt> memberships{};  ///< of the Membership entries among them, ascending
    /// Known to be committed, since a later snapshot covers it or it was when this was written down; at most
    /// the last entry. Below `snapshot`: no more than that is known.
    LogIndex commit_index{};
    Missing missing = Missing::Nothing;
    /// It has run before, and may have heard a leader just before it ended: for an election timeout from its
    /// start it leaves that one alone.
    bool may_have_heard_leader = false;
};

struct Follower {
    ServerId leader{};  ///< of current_term, as far as known
    std::uint32_t ticks_since_leader = 0;
    std::uint32_t election_ticks_left = 0;
    /// Highest index known to equal the leader's log in this term; zero until its first accepted append.
    LogIndex received_index{};
    /// The highest commit index that this term's leader has told.
    LogIndex leader_commit{};

    bool operator==(const Follower&) const = default;
};

/// Asks whether an election could be won, without changing its term. Thesis §9.6.
struct PreCandidate {
    std::vector<ServerId> granted;  ///< sorted; includes this server
    std::vector<ServerId> refused;
    std::uint32_t election_ticks_left = 0;

    bool operator==(const PreCandidate&) const = default;
};

/// Thesis §3.4.
struct Candidate {
    CampaignKind kind = CampaignKind::Election;
    /// This server's own vote counts, and its requests leave, only when this is durable; zero once it is.
    PersistTicket own_vote;
    std::vector<ServerId> granted;
    std::vector<ServerId> refused;
    std::uint32_t election_ticks_left = 0;

    bool operator==(const Candidate&) const = default;
};

/// Reads that wait for the heartbeats of one round, thesis §6.4.
struct ReadBatch {
    struct Waiting {
        ServerId origin;  ///< who asked: this server, or the follower that gets the index
        RequestId request;
        bool operator==(const Waiting&) const = default;
    };
    Round round;  ///< zero while no round has been started for it
    LogIndex read_index;
    std::vector<Waiting> waiting;

    bool operator==(const ReadBatch&) const = default;
};

struct Transfer {
    RequestId request;
    ServerId target;
    std::uint32_t ticks_left = 0;

    bool operator==(const Transfer&) const = default;
};

struct Leader {
    /// Everyone else in the membership, and who leaves it; sorted by id.
    std::vector<Progress> progress;
    LogIndex term_start;  ///< the no-op of this term, thesis §6.4 step 1
    std::uint32_t heartbeat_ticks_left = 0;
    std::uint32_t ticks_since_persisted =
        0;                 ///< since the disk last finished something while it had something to do
    Round round;           ///< of the last heartbeat sent
    ReadBatch confirming;  ///< its round is on the way
    ReadBatch gathering;   ///< waits for the next round
    std::optional<Transfer> transfer;
    /// An order to take over has left in this term, and may arrive as long as the term lasts. Who obeys it is
    /// heard by everybody at once: nobody's silence protects this leader any more.
    bool has_ordered_transfer = false;
    std::uint64_t uncommitted_bytes = 0;
    std::uint64_t committed_bytes = 0;         ///< since the last tick,
    std::uint64_t committed_bytes_before = 0;  ///< and between the two before it

    bool operator==(const Leader&) const = default;
};

/// One server's Raft state: a regular value. Copies are independent, equal values behave alike for ever, and
/// digest() is the same on every platform. Not thread-safe, never blocks, throws nothing but bad_alloc.
class Raft {
 public:
    /// Requires config.is_valid(), well-formed memberships and at least one of them.
    Raft(const Config& config, const InitialState& initial);

    /// The one door. `output` gets this step's actions and notes appended.
    void step(const Event& event, Output& output);

    bool operator==(const Raft&) const = default;
    /// Equal for equal states; stable across compilers, platforms and releases of the same state layout.
    [[nodiscard]] std::uint64_t digest() const;

    [[nodiscard]] const Config& config() const { return config_; }
    [[nodiscard]] RoleName role() const { return static_cast<RoleName>(role_.index()); }
    [[nodiscard]] Term current_term() const { return hard_state_.current_term; }
    [[nodiscard]] const HardState& hard_state() const { return hard_state_; }
    /// The leader of the current term as far as this server knows; itself when it leads.
    [[nodiscard]] ServerId leader() const;
    /// Highest index known to be committed. Never falls while the process runs; restarts at what
    /// InitialState knows. Thesis §3.5.
    [[nodiscard]] LogIndex commit_index() const { return commit_index_; }
    /// Through here the log is on this server's own disk.
    [[nodiscard]] LogIndex durable_index() const { return durable_index_; }
    [[nodiscard]] const LogShape& log() const { return log_; }
    /// The newest configuration in the log: the one in force.
    [[nodiscard]] const Membership& membership() const { return memberships_.back().membership; }
    [[nodiscard]] LogIndex membership_index() const { return memberships_.back().index; }
    /// See InitialState.
    [[nodiscard]] Missing missing() const { return missing_; }
    /// What a log must reach to get this server's vote while its own may lack its last batch; absent: none
    /// gets it.
    [[nodiscard]] const std::optional<EntryId>& vote_floor() const { return vote_floor_; }
    /// Through here the log is known to be that of the leader of this term, who has sent it or has all that
    /// is committed; zero unless this server follows one.
    [[nodiscard]] LogIndex received_index() const;
    /// Null unless this server leads.
    [[nodiscard]] const Leader* as_leader() const { return std::get_if<Leader>(&role_); }
    /// Ticks since the leader was last heard; when this server leads, since a majority last was; the largest
    /// number when no leader is known.
    [[nodiscard]] std::uint32_t ticks_since_leader() const;
    /// Through here the log was committed when the leader was last heard. Zero: not known. A leader tells too
    /// little until it has committed an entry of its own term (thesis §6.4, step 1), and so it counts only
    /// from then on.
    [[nodiscard]] LogIndex leader_commit() const;
    /// The newest heartbeat round that a majority has answered, this server's own voice counting for each.
    /// From the moment in which that round began, none of them helps anybody to a later term until its
    /// clock has ticked election_timeout_ticks_min times: so long commit_index() is all that is committed.
    /// Zero when nothing of that is sure. Thesis §6.4.1.
    [[nodiscard]] Round lease_round() const;

 private:
    using Role = std::variant<Follower, PreCandidate, Candidate, Leader>;

    // A message that may leave only when a ticket is complete.
    struct Held {
        PersistTicket ticket;
        ServerId to;
        Message message;
        bool operator==(const Held&) const = default;
    };
    // A PersistLog on its way to the disk, and the log's end that it makes durable.
    struct Persisting {
        PersistTicket ticket;
        LogIndex last_index;
        bool operator==(const Persisting&) const = default;
    };

    [[nodiscard]] Leader& leading() { return std::get<Leader>(role_); }
    [[nodiscard]] Follower& following() { return std::get<Follower>(role_); }

    // raft.cc: dispatch, the term rule, persistence
    void dispatch(const Event& event, Output& output);
    void on_tick(Output& output);
    void on_message(const MessageReceived& received, Output& output);
    void on_persisted(PersistTicket ticket, Output& output);
    [[nodiscard]] bool passes_term_rule(const MessageReceived& received, Output& output);
    void answer_old_term(const MessageReceived& received, Output& output);
    void truncate_log(LogIndex from, Output& output);
    void become_follower(Term term, ServerId leader, NoteKind reason, Output& output);
    PersistTicket persist(std::optional<HardState> hard_state, LogIndex truncate_from, LogIndex first,
                          LogIndex last, Output& output);
    // Of one kind or any: it is made in the action, not copied there.
    template <class Sent>
    void send(ServerId to, const Sent& message, Output& output) {
        ENGINE_CHECK(to != config_.self && to != kNobody);
        output.actions.emplace_back(std::in_place_type<SendMessage>, to, message);
    }
    void send_when_durable(ServerId to, const Message& message, Output& output);
    static void note(NoteKind kind, ServerId peer, Term term, LogIndex index, Output& output);
    void announce(NoteKind reason, Output& output) const;
    void advance_commit(LogIndex to, Output& output);

    // election.cc: thesis §3.4, §3.6.1, §4.2.3, §9.6
    void on_request_vote(ServerId from, const RequestVote& request, Output& output);
    void on_vote_floor_learned(EntryId floor, Output& output);
    void on_recovered(Output& output);
    void on_vote_granted(ServerId from, const VoteGranted& granted, Output& output);
    void on_vote_refused(ServerId from, const VoteRefused& refused, Output& output);
    [[nodiscard]] bool may_be_needed_to_lead() const;
    void on_follower_tick(Output& output);
    void on_campaign_tick(std::uint32_t& ticks_left, Output& output);
    void pre_vote(NoteKind reason, Output& output);
    void stand_for_election(CampaignKind kind, NoteKind reason, Output& output);
    void decide_campaign(Output& output);
    void on_own_vote_durable(Output& output);
    void become_leader(Output& output);
    [[nodiscard]] bool leader_other_than_is_alive(ServerId asking) const;
    [[nodiscard]] bool has_ever_belonged() const;
    [[nodiscard]] bool leaves_leader_alone(const MessageReceived& received) const;
    [[nodiscard]] std::uint32_t draw_election_timeout();

    // replication.cc, a follower's part: thesis §3.5
    void on_append_entries(const MessageReceived& received, const AppendEntries& append, Output& output);
    [[nodiscard]] std::optional<NoteKind> find_contradiction(const MessageReceived& received,
                                                             const AppendEntries& append) const;
    void store_entries(const MessageReceived& received, const AppendEntries& append, Output& output);
    void refuse_append(ServerId from, const AppendEntries& append, Output& output);
    [[nodiscard]] bool follow_leader(ServerId from, Output& output);
    void on_heartbeat(ServerId from, const Heartbeat& heartbeat, Output& output);

    // leader.cc, a leader's part: thesis §3.5, §3.6.2, §10.2.1
    void on_append_accepted(ServerId from, const AppendAccepted& accepted, Output& output);
    void on_append_refused(ServerId from, const AppendRefused& refused, Output& output);
    void on_heartbeat_reply(ServerId from, const HeartbeatReply& reply, Output& output);
    void on_proposed(std::span<const ProposedEntry> entries, Output& output);
    void append_proposed(EntryKind kind, std::uint32_t bytes);
    void replicate_proposed(LogIndex first, Output& output);
    void on_peer_unreachable(ServerId peer, Output& output);
    void on_leader_tick(Output& output);
    void broadcast_heartbeat(Output& output);
    void replicate_to_all(Output& output);
    void replicate_to(Progress& progress, Output& output);
    [[nodiscard]] bool has_to_wait_for_tick(const Progress& progress) const;
    [[nodiscard]] std::uint64_t catch_up_bytes_per_tick() const;
    void on_catch_up_tick(Output& output);
    void send_append(Progress& progress, Output& output);
    void maybe_commit(Output& output);
    void probe(Progress& progress, Output& output);
    void resume_after_match(Progress& progress, Output& output);
    [[nodiscard]] Progress* progress_of(ServerId id);
    [[nodiscard]] const Progress* progress_of(ServerId id) const;
    [[nodiscard]] NoteKind why_ignored() const;

    // reads.cc: thesis §6.4
    void on_read_requested(RequestId request, Output& output);
    void on_read_index_request(ServerId from, const ReadIndexRequest& request, Output& output);
    void gather_read(ServerId origin, RequestId request, Output& output);
    void start_read_round(Output& output);
    void confirm_reads(Output& output);
    void answer_read(const ReadBatch::Waiting& waiting, LogIndex read_index, Output& output);
    void refuse_read(const ReadBatch::Waiting& waiting, RefusalReason reason, Output& output);
    void refuse_all_reads(Output& output);

    // transfer.cc: thesis §3.10
    void on_transfer_requested(const TransferRequested& request, Output& output);
    void on_timeout_now(ServerId from, Output& output);
    void on_transfer_tick(Output& output);
    void continue_transfer(Output& output);
    void end_transfer(TransferOutcome outcome, Output& output);

    // change.cc: thesis §4.2.2, §4.3
    void on_membership_proposed(const MembershipProposed& proposed, Output& output);
    void follow_membership();
    [[nodiscard]] bool is_removed() const;
    void resign_when_removed(Output& output);
    void on_removal_tick(Output& output);

    // snapshot.cc: thesis §5
    void on_snapshot_completed(const SnapshotCompleted& completed, Output& output);
    void on_install_snapshot(const MessageReceived& received, const InstallSnapshot& install, Output& output);
    void on_snapshot_send_failed(ServerId peer, Output& output);

    // invariants.cc: what holds after every step, and what may change in one
    struct Before {
        HardState hard_state;
        LogIndex commit_index;
        RoleName role = RoleName::Follower;
        ServerId leader;
    };
    void check_state() const;
    void check_delta(const Before& before) const;

    Config config_;
    Random random_;
    HardState hard_state_;
    Missing missing_;
    std::optional<EntryId> vote_floor_;
    std::uint32_t ticks_until_heard_nobody_ = 0;  ///< InitialState::may_have_heard_leader
    LogShape log_;
    std::vector<MembershipAt> memberships_;  ///< ascending; the first is in force at or below the log's base
    LogIndex commit_index_;
    LogIndex durable_index_;
    PersistTicket last_ticket_;
    PersistTicket completed_ticket_;
    std::vector<Persisting> persisting_;
    std::vector<Held> held_;
    Role role_;
};

}  // namespace quorate::engine
