#pragma once

// One server of the cluster: joins the engine, the log on disk and the key-value store, and answers clients
// and peers.

#include <array>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/raft.h"
#include "server/answers_window.h"
#include "server/backup.h"
#include "server/entry_cache.h"
#include "server/environment.h"
#include "server/history_window.h"
#include "server/http_api.h"
#include "server/http_message.h"
#include "server/lease.h"
#include "server/members_json.h"
#include "server/operations.h"
#include "server/peer_codec.h"
#include "server/seldom.h"
#include "server/snapshot_keeper.h"
#include "server/state_machine.h"
#include "wal/disk.h"
#include "wal/log.h"

namespace quorate::server {

struct NodeConfig {
    std::string cluster_id;
    Member self;  ///< this node's id, name and advertised address
    ClusterMembers
        members;  ///< the cluster at its first start, this node included; alone: whatever the log says
    engine::Config raft;  ///< `self` and the durations in ticks of tick_ms
    std::uint32_t tick_ms = 10;
    std::uint32_t operation_timeout_ms = 5000;  ///< a client's request is answered within it
    std::uint32_t health_timeout_ms = 500;      ///< how long /cluster/nodes waits for other members
    ApiLimits limits;
    HistoryLimits history;
    AnswersLimits answers;
    SnapshotLimits snapshots;
    /// Of the past that nobody can read any more, and that backups under way need: beyond it the oldest one
    /// is broken off.
    std::uint64_t backup_held_bytes_max = std::uint64_t{256} << 20;
    std::uint64_t segment_bytes = 64U << 20;
    /// Unique among all lives of this node: where its request numbers begin, so that no late answer to an
    /// earlier life is taken for one to this.
    std::uint64_t incarnation = 1;
    /// Drawn at random for each life of this node: wal::LogOptions::salt.
    std::uint64_t log_salt = 1;
    /// wal::LogOptions::recovers_from_peers: 1 if so.
    std::uint32_t recovers_from_peers = 0;
    /// 1: a write that was cut off at the log's end was torn by a crash, and never acknowledged: so says who
    /// starts the node. 0: nobody can tell, and it asks the others.
    std::uint32_t takes_tail_for_torn = 0;
    /// 1: it has joined a cluster, which its directory knows and `members` does not name. A directory without
    /// a log is refused, for it would begin a cluster of its own.
    std::uint32_t has_joined = 0;
    /// Names of all other members, with commas between: they are lost for good, and this node goes on alone
    /// (forced_members.h). Empty: nobody is.
    std::string gives_up;
    /// By so many millionths at most the clocks of all nodes run too fast or too slow, this one's too; less
    /// than a million. 0: nobody says so, and no read is answered on the strength of a clock.
    std::uint32_t clock_drift_ppm = 0;

    std::uint32_t operations_max = 16384;  ///< client operations at one time; beyond it 503
    std::uint64_t cache_bytes_max =
        16U << 20;  ///< newest log entries in memory, beside those not yet written or applied
    std::uint64_t apply_bytes_max =
        1U << 20;  ///< applied in one turn, so that a long replay does not delay heartbeats
};

/// A queue or a buffer: what it holds, and may hold at most.
struct QueueUse {
    std::string_view name;
    std::uint64_t held = 0;
    std::uint64_t held_max = 0;
};

/// Both sides log it: the words are meant for either.
struct GreetingRefusal {
    std::string_view code;
    std::string detail;
};

/// Event-driven like the engine, and as pure: everything comes in through these functions and goes out
/// through the two ports. Not thread-safe: one thread owns it. After Environment::fail() it ignores
/// everything.
class Node {
 public:
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;
    ~Node() = default;

    /// Recovers the log (blocking) and starts as a follower; a fresh directory gets NodeConfig::members as
    /// its first configuration. Refuses a directory that was first started with other members, when
    /// NodeConfig::members names more than this node.
    [[nodiscard]] static std::expected<std::unique_ptr<Node>, wal::Refusal> open(const NodeConfig& config,
                                                                                 wal::Disk& disk,
                                                                                 Environment& environment);

    void tick(std::uint64_t now_ms);
    void request_received(HttpExchange exchange, const HttpRequest& request);
    void frame_received(engine::ServerId from, PeerFrame&& frame);
    void peer_lost(engine::ServerId peer);
    void disk_completed(const wal::DiskCompletion& completion);
    /// Everything that arrived since the last call is proposed, written and applied together. Call it at the
    /// end of every loop turn. `clock_ms` is read for this call, behind all that arrived, from a clock that
    /// never goes back and counts the time in which the process or its machine stood still.
    void turn_ended(std::uint64_t clock_ms);

    /// Hands leadership over and refuses new requests. is_quiet() turns true when every accepted one is
    /// answered and the log is idle.
    void begin_stop();
    [[nodiscard]] bool is_quiet() const;
    /// Whether its store is loaded: what it answers by itself holds all that it knew to be committed at its
    /// start, and something. Until then, that a key is absent would be a guess.
    [[nodiscard]] bool is_ready() const { return !loading_ && applied_index_ >= serves_from_; }

    /// The headers of the HTTP Upgrade by which this node opens its link to the member `to`.
    [[nodiscard]] std::vector<HttpHeader> greeting_to(std::string_view to) const;
    /// Who greets, or why it is refused (421): another cluster, another first configuration, a stranger.
    [[nodiscard]] std::expected<engine::ServerId, GreetingRefusal> check_greeting(
        const HttpRequest& request) const;

    [[nodiscard]] const engine::Raft& raft() const { return raft_; }
    [[nodiscard]] const StateMachine& store() const { return store_; }
    /// Why the log cannot go on behind this segment: as a leader it refuses writes. Null: it can.
    [[nodiscard]] const wal::DiskFailure* room_lacking() const { return log_->out_of_space(); }
    /// Of the configuration in force.
    [[nodiscard]] const ClusterMembers& members() const { return members_; }
    /// From the cluster, as far as this node knows: it takes part in nothing any more.
    [[nodiscard]] bool is_removed() const;
    [[nodiscard]] engine::LogIndex applied_index() const { return applied_index_; }
    /// What the node holds for others, each with its bound: for who watches it.
    [[nodiscard]] std::array<QueueUse, 6> queues() const;
    /// The same of the entries in memory that are on disk and applied, at the end of a turn.
    [[nodiscard]] QueueUse cached() const;
    /// It has forgotten promises, and neither votes nor serves until it has them again.
    [[nodiscard]] bool is_recovering() const { return lost_.what != wal::Lost::Nothing; }
    [[nodiscard]] wal::Lost lost() const { return lost_.what; }
    /// Whether it may answer a read at this moment of turn_ended()'s clock without asking anybody.
    [[nodiscard]] bool holds_lease(std::uint64_t clock_ms) const;
    /// Confirmed reads whose index is not applied yet.
    [[nodiscard]] std::size_t reads_waiting() const { return unapplied_reads_.size(); }

 private:
    // What a client waits for, or another node on its client's behalf. How it is answered depends on the call
    // alone.
    struct ClientCall {
        HttpExchange exchange = 0;
        ApiCall call;
        engine::ServerId forwarded_to{};  ///< of a write that another node leads to its end
        bool is_under_lease = false;      ///< of a read: nobody was asked for it
    };
    struct PeerWrite {
        engine::ServerId from;
        std::uint64_t request = 0;
    };
    using Pending = std::variant<ClientCall, PeerWrite>;

    struct NodesQuery {
        HttpExchange exchange = 0;
        std::vector<NodeHealth> nodes;  ///< in the order of the members
        std::size_t awaited = 0;
    };
    // What this node has forgotten of its promises, and what it has heard about it.
    struct LostPromises {
        wal::Lost what = wal::Lost::Nothing;
        std::vector<std::string> damaged{};  ///< files that are not needed when nothing is lost any more
        std::uint64_t request = 0;           ///< its question to the others; 0: not asked yet
        std::uint64_t asked_ms = 0;
        std::uint64_t told_ms = 0;  ///< in the log, what is awaited
        /// Configurations that others know: what it has lost may have been acknowledged under one of them.
        std::vector<engine::Membership> memberships{};
        std::map<engine::ServerId, engine::Term>
            terms{};              ///< of the others; zero: it does not know it either
        engine::Term own_term{};  ///< the last in which it may have promised what it has lost
        std::map<engine::ServerId, engine::EntryId> last_entries{};  ///< durable, of those in a later term
        std::optional<engine::EntryId> floor{};  ///< the highest of them, when all have told
        engine::Term leader_term{};              ///< of a leader that has answered,
        engine::LogIndex leader_last{};          ///< and where its log ended
    };
    // A snapshot on its way to a follower, which asks for one chunk after another.
    struct OutgoingSnapshot {
        wal::SnapshotReader reader;
        std::uint64_t offered_ms = 0;
        std::uint64_t heard_ms = 0;  ///< that it wants something
    };
    // What the links to others depend on.
    struct PeersBasis {
        engine::LogIndex members;
        engine::LogIndex contacts;
        engine::ServerId leader;
        std::size_t followed = 0;  ///< of a leader: whom it sends the log to

        bool operator==(const PeersBasis&) const = default;
    };
    // The last number through which this node wanted to forget, and when.
    struct ForgetAsked {
        std::uint64_t through = 0;
        std::uint64_t at_ms = 0;
    };
    // A client waits for its end.
    struct MembersChangeUnderWay {
        OperationId operation = 0;
        engine::Term term;
        engine::LogIndex index;  ///< of its first entry
    };
    // A write that stands in the log, undecided.
    struct Undecided {
        engine::Term term;
        OperationId operation = 0;
    };
    // The payloads that belong to the event being stepped: an append's or a proposal's, with the index of the
    // first.
    struct Payloads {
        engine::LogIndex first;
        std::span<wal::LogEntry> entries;
        std::span<const OperationId> proposers;
    };

    // What an append carries: of the cache, and what had to be read from the log.
    struct Attached {
        std::vector<const wal::LogEntry*> entries;
        std::vector<std::vector<wal::LogEntry>> read;
    };

    // The configurations of the cluster that the log, or the snapshot before it, tells.
    struct KnownMembers {
        ClusterMembers first;
        std::map<engine::LogIndex, ClusterMembers> at;  ///< by the entries that put them in force

        // Of all of them the newest, which is the highest. A newcomer is told of it before its log tells it:
        // on the way it meets configurations of the time before.
        [[nodiscard]] std::uint64_t lineage() const;
    };

    Node(const NodeConfig& config, wal::Disk& disk, Environment& environment, wal::Opened opened,
         const engine::InitialState& initial, KnownMembers known_members);

    // node.cc
    void step(const engine::Event& event, Payloads payloads = {});
    void perform(const engine::SendMessage& action, Payloads& payloads);
    void perform(const engine::PersistLog& action, Payloads& payloads);
    void perform(const engine::AcceptProposal& action, Payloads& payloads);
    void perform(const engine::RefuseProposal& action, Payloads& payloads);
    void perform(const engine::CommitEntries& action, Payloads& payloads);
    void perform(const engine::AnswerRead& action, Payloads& payloads);
    void perform(const engine::RefuseRead& action, Payloads& payloads);
    void perform(const engine::AnswerTransfer& action, Payloads& payloads);
    void perform(const engine::AnnounceRole& action, Payloads& payloads);
    void perform(const engine::SendSnapshot& action, Payloads& payloads);
    void perform(const engine::InstallReceivedSnapshot& action, Payloads& payloads);
    [[nodiscard]] bool holds_writes_back();
    void propose_queued();
    void propose_some();
    void request_queued_reads();
    void apply_committed();
    [[nodiscard]] bool apply(engine::LogIndex index, const wal::LogEntry& entry);
    void forget();
    void ask_to_forget(ForgetAsked& asked, std::uint64_t through, std::uint64_t forgotten,
                       const Command& command);
    void note_currency();
    void note_replay();
    void hand_over_to_stop();
    [[nodiscard]] bool owes_hand_over() const;
    void yield_for_space();
    [[nodiscard]] const Member* next_to_lead() const;
    void report(const engine::Note& note);
    void fail(const wal::Refusal& refusal);

    // node_clients.cc
    void start_write(HttpExchange exchange, ApiCall&& call);
    void start_read(HttpExchange exchange, ApiCall&& call);
    void start_transfer(HttpExchange exchange, ApiCall&& call);
    void end_transfer(OperationId id, engine::TransferOutcome outcome);
    void start_nodes_query(HttpExchange exchange);
    void finish_nodes_query(OperationId id);
    void take_reads_under_lease();
    void serve_read(const ClientCall& read);
    void start_snapshot(HttpExchange exchange);
    void decide_write(OperationId id, const WriteOutcome& outcome);
    [[nodiscard]] bool has_no_room_for(const Command& command) const;
    void queue_write(OperationId id, std::string payload);
    void retry_unconfirmed_reads();
    void refuse_reads(engine::RequestId request, const HttpResponse& answer);
    void refuse_read(OperationId id, const HttpResponse& answer);
    void expire_operations();
    [[nodiscard]] bool is_overloaded() const;
    [[nodiscard]] std::optional<HttpResponse> admission_refusal() const;

    // node_snapshots.cc
    [[nodiscard]] static std::expected<void, wal::Refusal> read_base(
        wal::Disk& disk, wal::Recovered& recovered, engine::ServerId self, Environment& environment,
        engine::EntryId& base, KnownMembers& known);
    [[nodiscard]] static std::expected<void, wal::Refusal> force(
        const NodeConfig& config, wal::Opened& opened, engine::InitialState& initial,
        std::vector<engine::MembershipAt>& memberships, KnownMembers& known, Environment& environment);
    void load_snapshot();
    [[nodiscard]] bool has_older_snapshot() const;
    void give_up_loading(const wal::Flaw& flaw);
    void keep_snapshots();
    [[nodiscard]] bool wants_snapshot() const;
    [[nodiscard]] SnapshotHead snapshot_head() const;
    void snapshot_job_completed(const wal::DiskCompletion& completion);
    void snapshot_kept();
    void forget_log();
    void answer_snapshot_calls(engine::LogIndex through, const HttpResponse& answer);

    // node_backups.cc
    void start_backup(HttpExchange exchange);
    void go_on_with_backups();
    void break_off_backups(std::string_view why);
    void break_off_backup(HttpExchange exchange, std::string_view why);
    void bound_what_backups_hold();

    // node_snapshot_transfer.cc
    void on_frame(engine::ServerId from, SnapshotOffer&& frame);
    void on_frame(engine::ServerId from, SnapshotWanted&& frame);
    void on_frame(engine::ServerId from, SnapshotChunk&& frame);
    void on_install(engine::ServerId from, const engine::InstallSnapshot& install);
    void install(ReceivedSnapshot received, engine::LogAfterInstall after);
    void want_chunk();
    void care_for_snapshots();
    void offer_snapshot(engine::ServerId to);

    // node_recovery.cc
    void recover_from_peers();
    void ask_others(std::uint64_t request);
    void set_lost(wal::Lost lost);
    [[nodiscard]] bool has_recovered() const;
    void end_recovery();
    void hear_of_membership(engine::Membership membership);
    [[nodiscard]] std::vector<engine::ServerId> others() const;
    [[nodiscard]] std::string others_that(const std::function<bool(engine::ServerId)>& wanted) const;
    void learn_floor(engine::ServerId from, const NodeHealth& health);
    void tell_what_is_lost();
    void learn_term(engine::ServerId from, engine::Term term);
    void on_recovery_answer(engine::ServerId from, const NodeHealth& health);
    void follow_campaign(const engine::AnnounceRole& action);
    void tell_who_cannot_vote(engine::ServerId from, const NodeHealth& health);

    // node_members.cc
    void adopt_members();
    void set_peers();
    [[nodiscard]] PeersBasis peers_basis() const;
    [[nodiscard]] const engine::Progress* progress_of(engine::ServerId id) const;
    [[nodiscard]] bool is_leaving(engine::ServerId id) const;
    bool introduce_to(engine::ServerId to);
    void tell_of_silence();
    void add_contact(engine::ServerId speaker, const ClusterMembers& known_to_it);
    [[nodiscard]] ClusterMembers first_members() const;
    [[nodiscard]] bool wants_introduction(const engine::SendMessage& action) const;
    void on_frame(engine::ServerId from, Introduction&& frame);
    [[nodiscard]] bool has_removed(engine::ServerId id) const;
    [[nodiscard]] MembersView members_view() const;
    [[nodiscard]] bool is_heard(engine::ServerId id) const;
    [[nodiscard]] bool moves_voters(const ClusterMembers& target) const;
    [[nodiscard]] bool has_caught_up(engine::ServerId id) const;
    [[nodiscard]] bool can_change_members() const;
    [[nodiscard]] std::optional<ChangeRefusal> danger_of(const ClusterMembers& target) const;
    void start_members_change(HttpExchange exchange, ApiCall&& call);
    void propose_members(const ClusterMembers& members);
    void go_on_with_members();
    void settle_members_call();
    void forget_contacts();
    void promote_joiners();

    // node_peers.cc
    void on_frame(engine::ServerId from, RaftFrame&& frame);
    void on_frame(engine::ServerId from, ForwardWrite&& frame);
    void on_frame(engine::ServerId from, ForwardWriteReply&& frame);
    void on_frame(engine::ServerId from, HealthRequest&& frame);
    void on_frame(engine::ServerId from, HealthReply&& frame);
    [[nodiscard]] bool attach_entries(const engine::AppendEntries& append, Attached& attached);
    [[nodiscard]] NodeHealth health() const;
    [[nodiscard]] const Member* member(engine::ServerId id) const;
    [[nodiscard]] LeaderView leader_view() const;

    NodeConfig config_;
    Environment& environment_;
    std::unique_ptr<wal::Log> log_;
    engine::Raft raft_;
    engine::Output output_;
    EntryCache cache_;
    StateMachine store_;
    std::optional<StateMachine> old_store_;  ///< that a snapshot has replaced: freed a little in each turn
    KnownMembers known_members_;
    ClusterMembers members_;          ///< of the configuration in force
    engine::LogIndex members_index_;  ///< where it stands
    engine::LogIndex members_told_;   ///< the last one that was told of in the log of the process
    /// Of a newer configuration, which another node has told and our log does not have yet.
    std::vector<Member> contacts_;
    engine::LogIndex contacts_index_;
    std::uint64_t contacts_told_ms_ = 0;
    PeersBasis peers_basis_;
    std::set<engine::ServerId> lost_peers_;  ///< whose connection has ended, and who was not heard since
    std::optional<MembersChangeUnderWay> members_call_;
    engine::LogIndex caught_up_index_;   ///< what a learner must have to be promoted,
    engine::LogIndex committed_before_;  ///< and will have to, a heartbeat later
    std::uint64_t caught_up_told_ms_ = 0;
    std::uint64_t led_ms_ = 0;  ///< when a leader was last known here, or need not be

    std::uint64_t now_ms_ = 0;
    std::uint64_t previous_tick_ms_ = 0;
    std::uint64_t pause_ms_ = 0;      ///< the last time that ticks stayed out: how long,
    std::uint64_t pause_end_ms_ = 0;  ///< and until when
    std::uint64_t clock_ms_ = 0;      ///< of turn_ended(): all that happens now is later
    Lease lease_;
    LostPromises lost_;
    SnapshotKeeper snapshots_;
    wal::Disk& disk_;
    std::optional<SnapshotLoader> loading_;  ///< until it has done, the store is empty
    std::uint64_t receive_wait_until_ms_ =
        0;  ///< after a snapshot for which there was no room, to receive one,
    std::uint64_t snapshot_wait_until_ms_ = 0;  ///< and to take one
    std::uint64_t snapshot_pause_ms_ = 0;       ///< how long that was; zero: there was none
    std::uint64_t bytes_since_snapshot_ = 0;    ///< of the payloads that were applied
    std::uint64_t bytes_in_snapshot_ = 0;       ///< of those that the one in the making takes off them
    std::map<engine::ServerId, OutgoingSnapshot> outgoing_snapshots_;
    engine::ServerId snapshot_from_;            ///< who sends the one that is being received,
    std::uint64_t snapshot_heard_ms_ = 0;       ///< when it last did,
    std::optional<std::uint64_t> chunk_asked_;  ///< and what it was asked for last
    std::map<HttpExchange, BackupEncoder> backups_;
    std::multimap<engine::LogIndex, HttpExchange> snapshot_calls_;  ///< by the entry that it has to cover
    engine::Term stands_in_;                                        ///< for election; zero: it does not
    engine::Term election_term_;                                    ///< of which the next one asks
    std::uint64_t election_question_ = 0;  ///< to the others, when that was in vain; 0: it never was
    Seldom told_who_cannot_vote_{10'000, 16};
    Seldom told_of_other_history_{10'000, 16};
    engine::LogIndex applied_index_;
    engine::LogIndex commit_index_;
    engine::LogIndex replay_through_;  ///< what the log held at the start
    engine::LogIndex serves_from_;     ///< known to be committed at the start, or the first: see is_ready()
    std::uint64_t replay_told_ms_ = 0;
    Operations<Pending> operations_;
    Operations<NodesQuery> nodes_queries_;
    bool has_to_forget_ = true;  ///< what the log holds before the snapshots: it has not been looked for
    bool has_put_off_forgetting_ = false;  ///< until another snapshot was kept
    std::optional<std::uint64_t> room_awaited_since_ms_;
    std::vector<OperationId> queued_writes_;
    std::uint64_t queued_bytes_ = 0;
    std::vector<wal::LogEntry> queued_entries_;  ///< one for each queued write
    std::vector<OperationId> queued_reads_;
    std::map<engine::RequestId, std::vector<OperationId>> unconfirmed_reads_;  ///< by the engine's request
    std::multimap<engine::LogIndex, OperationId> unapplied_reads_;             ///< by the index to wait for
    std::map<engine::LogIndex, Undecided> undecided_;
    std::uint64_t next_request_;
    HistoryWindow history_window_;
    AnswersWindow answers_window_;
    ForgetAsked past_asked_;
    ForgetAsked answers_asked_;
    std::optional<std::uint64_t> current_ms_;  ///< when the store last held all that was committed
    std::uint64_t last_change_ms_ = 0;         ///< a write to the log, or a commit
    std::uint64_t last_yield_ms_ = 0;
    std::uint64_t yield_pause_ms_ = 0;  ///< until the next attempt to hand leadership over for want of room
    engine::ServerId last_yield_to_;
    bool idle_told_ = false;
    bool is_stopping_ = false;
    std::optional<engine::RequestId> stop_transfer_;  ///< of a stop, which is under way
    engine::Term stop_term_;  ///< in which a stop has handed leadership over, or tried to
    std::map<engine::RequestId, OperationId> client_transfers_;
    bool has_failed_ = false;
};

}  // namespace quorate::server
