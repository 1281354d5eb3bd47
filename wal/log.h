#pragma once

// The replicated log, the vote and the term on disk. docs/log-format.md tells what the files hold and how a
// torn write is told from damage.

#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/entry.h"
#include "engine/types.h"
#include "wal/batch.h"
#include "wal/disk.h"
#include "wal/entry.h"
#include "wal/entry_index.h"
#include "wal/format.h"
#include "wal/identity.h"
#include "wal/refusal.h"

namespace quorate::wal {

struct LogOptions {
    Identity identity;
    /// kSegmentBytesMin to kSegmentBytesMax. A segment is larger when one entry needs it.
    std::uint64_t segment_bytes = 64U << 20;
    /// Drawn at random for each life of the process: from it come the salts of the segments that it makes,
    /// which tell their records from what a client makes look like one.
    std::uint64_t salt = 0;
    /// A directory that is damaged, new, or has lost its vote, is begun anew: Recovered::lost tells what its
    /// node has to learn from the others. What was there stays, as damaged-NAME, until forget_damaged().
    bool recovers_from_peers = false;
    /// A directory without a log is refused, and nothing is put into it: somebody has mistyped its name.
    bool expects_log = false;
    /// A backup is being restored into the directory (kRestoringName), which nobody else may open, and is
    /// locked already.
    bool is_restoring = false;
    /// With recovers_from_peers: asked before a directory is begun anew. A refusal leaves all as it was.
    std::function<std::expected<void, Refusal>()> may_begin_anew = nullptr;
};

/// What recovery found; everything in it has been made durable again.
struct Recovered {
    engine::HardState hard_state;
    std::vector<SnapshotMeta> snapshots;  ///< whole, by their headers; the oldest first
    std::vector<std::string> useless;     ///< files of snapshots that are damaged, or were never finished
    /// What the log goes on behind: zero, or what a snapshot covers. Its term is zero where no segment that
    /// is left tells it. The log holds the last entry of the newest snapshot, or goes on behind it.
    engine::EntryId base;
    std::vector<engine::EntryShape> entries;    ///< from base.index + 1
    std::vector<engine::LogIndex> memberships;  ///< of the Membership entries among them, ascending
    engine::LogIndex commit_index{};    ///< as recorded, or covered by a snapshot; at most the last entry
    std::vector<std::string> warnings;  ///< what was mended: a torn tail, a copy of the vote
    bool fresh = false;                 ///< the directory was new, or is begun anew
    Lost lost = Lost::Nothing;
    std::vector<std::string>
        damaged;  ///< files of a directory that was begun anew: useless once nothing is lost
};

struct Opened;
struct RecoveredLog;

/// Nothing here blocks but open(), bootstrap() and read(). The disk outlives it. After a refusal it starts
/// nothing any more: the process must stop, and recovery is the only retry.
class Log {
 public:
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;
    ~Log() = default;

    /// Takes the directory, checks whose it is, recovers it (or fills a fresh one), and makes everything that
    /// it read durable again.
    [[nodiscard]] static std::expected<Opened, Refusal> open(Disk& disk, const LogOptions& options);

    /// The first hard state and the first entry, durable on return. For an empty log, before the first
    /// persist().
    [[nodiscard]] std::expected<void, Refusal> bootstrap(const engine::HardState& hard_state,
                                                         const LogEntry& entry);

    /// Queues one PersistLog action: the hard state, then the entries at first, first + 1, … Never does I/O.
    /// `truncate_from` is zero or equals `first`, with at least one entry: a cut and what takes its place are
    /// one, on disk too. After a crash a prefix of what was queued is there, cut between entries. The caller
    /// bounds the queue (the engine's in-flight and backlog bounds do).
    void persist(engine::PersistTicket ticket, const std::optional<engine::HardState>& hard_state,
                 engine::LogIndex truncate_from, engine::LogIndex first, std::span<const LogEntry> entries);
    /// Queues this: the log is replaced by a snapshot, durable already, and goes on behind its last entry.
    void begin_anew(engine::EntryId base);
    /// The entries through `index` are known to be committed, be they durable or not. As far as they are, the
    /// next change of the vote files says so, and a start need not wait for a leader to apply them.
    void note_commit(engine::LogIndex index) { commit_index_ = std::max(commit_index_, index); }
    /// From the next flush() on the segments go that hold nothing behind `index`, through which a snapshot is
    /// durable; those that a begin_anew() has left go without it. One after the other, in the background,
    /// oldest first.
    void compact(engine::LogIndex index);
    /// What the next job records beside the vote.
    void set_lost(Lost lost) { lost_ = lost; }
    /// The current term that is on the disk.
    [[nodiscard]] engine::Term durable_term() const { return vote_.hard_state.current_term; }
    /// Starts one job with what is queued, unless one is running: what arrives during a sync shares the next.
    /// Call it at the end of each loop turn, ticks included: it also prepares the next segment, and removes
    /// what is not needed.
    void flush();
    /// After about 50 ms without writes: records beside the vote how far the log is durable, so that later
    /// damage to the last batch cannot be taken for a torn write.
    void on_idle();
    /// The highest ticket that is now durable (zero: none that was not before), or why the process must stop;
    /// once it must, every later call says so again.
    [[nodiscard]] std::expected<engine::PersistTicket, Refusal> on_completed(
        const DiskCompletion& completion);

    /// Entries first, first + 1, … up to `last`, read from the disk and verified; at least one, otherwise as
    /// many as lie together within `bytes_max` bytes, so fewer than asked at the end of a segment. All of
    /// them have been written: their persist() has completed, or open() has returned them.
    [[nodiscard]] std::expected<std::vector<LogEntry>, Refusal> read(engine::LogIndex first,
                                                                     engine::LogIndex last,
                                                                     std::uint64_t bytes_max) const;

    /// Nothing is queued and nobody's write is running.
    [[nodiscard]] bool idle() const { return queue_.empty() && !log_job_; }
    /// Why the next segment cannot be prepared: it lacks room (or what a new file needs besides), and this
    /// one is nearly or quite full. Entries that still fit are written, the others stay queued until there is
    /// room. Null: there is room, or nobody knows yet.
    [[nodiscard]] const DiskFailure* out_of_space() const;
    /// What is queued nearly fills this segment, and the next one unless that is still being prepared: what
    /// is given now may wait for another one, and nobody knows yet whether there is room.
    [[nodiscard]] bool awaits_room() const;
    /// Entries that were given wait for a segment for which there is no room.
    [[nodiscard]] bool is_stuck() const { return room_lacking_ && is_blocked_; }
    /// Of all entries that were ever given and not cut, written or not.
    [[nodiscard]] engine::LogIndex last_index() const { return queue_last_; }

 private:
    struct Pending {
        engine::PersistTicket ticket;
        std::optional<engine::HardState> hard_state;
        engine::LogIndex first;
        std::vector<LogEntry> entries;
        std::size_t placed = 0;  ///< so many of the entries are written or being written
        std::optional<engine::EntryId> begins_behind{};  ///< the log begins anew, and there are no entries
    };
    struct Placed {
        engine::LogIndex index;
        std::uint64_t sequence = 0;
        std::uint64_t offset = 0;
        std::uint64_t end = 0;
    };
    // A job in the making or running, and what is true once it is done.
    struct LogJob {
        DiskJobId id = 0;
        std::vector<DiskOperation> operations;
        engine::PersistTicket ticket;
        std::vector<Placed> placed;
        Batch batch;            ///< into the last segment of the job
        std::size_t bytes = 0;  ///< of records
        engine::EntryId last;   ///< of the log
        VoteRecord vote;
        std::optional<std::pair<std::uint64_t, SegmentInfo>> begun;  ///< the segment that it begins
        bool begins_anew = false;
    };

    Log(Disk& disk, const LogOptions& options, RecoveredLog recovered);

    /// With this room beside what is left of the segment.
    [[nodiscard]] bool is_nearly_full(std::uint64_t more_bytes) const;
    [[nodiscard]] LogJob new_job() const;
    [[nodiscard]] engine::LogIndex durable_commit_index() const;
    [[nodiscard]] LogJob plan_job();
    [[nodiscard]] bool place_entries(Pending& pending, LogJob& job);
    [[nodiscard]] bool roll(std::size_t payload_bytes, LogJob& job, bool begins_anew);
    static void add_vote(LogJob& job);
    static void add_batch(LogJob& job);
    void start(LogJob job);
    void adopt(const LogJob& job);
    void prepare_spare();
    void remove_oldest();
    [[nodiscard]] std::unexpected<Refusal> fail(const DiskFailure& failure);
    [[nodiscard]] std::expected<engine::PersistTicket, Refusal> spare_completed(
        const DiskCompletion& completion);

    Disk& disk_;
    LogOptions options_;
    // What is on disk, and durable.
    VoteRecord vote_;
    Tail tail_;
    engine::EntryId last_;
    EntryIndex index_;
    Segments segments_;
    std::uint64_t first_live_ = 1;  ///< segment: what the ones before it hold is no part of the log

    std::deque<Pending> queue_;
    std::uint64_t queued_bytes_ = 0;  ///< of the records of its entries that are not placed
    engine::LogIndex queue_last_;     ///< of the log, once everything queued is written
    std::optional<LogJob> log_job_;
    DiskJobId next_job_ = 1;
    std::optional<Refusal> failure_;

    Lost lost_;                      ///< as it shall be recorded
    engine::LogIndex commit_index_;  ///< as far as is known
    engine::LogIndex compact_through_;
    std::optional<DiskJobId> removal_job_;

    // The next segment, prepared ahead.
    std::optional<DiskJobId> spare_job_;
    std::uint64_t spare_bytes_wanted_;         ///< as configured, or more for the entry that waits
    std::uint64_t spare_bytes_asked_ = 0;      ///< of the one in preparation
    std::uint64_t spare_bytes_ = 0;            ///< of the one that is ready; zero: none
    std::uint32_t flushes_to_retry_ = 0;       ///< until room for a spare is looked for again
    std::optional<DiskFailure> room_lacking_;  ///< preparing it failed for that
    bool is_blocked_ = false;                  ///< the first queued entry needs it
};

struct Opened {
    std::unique_ptr<Log> log;
    Recovered recovered;
};

}  // namespace quorate::wal
