#pragma once

// The snapshots of a node beside its log: takes them of its own store or receives them from another node, a
// chunk at a time, keeps the last two, and loads one into a new store. Nothing here takes longer than one
// chunk does, and nothing waits.

#include <cstdint>
#include <expected>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/entry.h"
#include "server/snapshot_codec.h"
#include "server/state_machine.h"
#include "wal/disk.h"
#include "wal/identity.h"
#include "wal/refusal.h"
#include "wal/snapshot_file.h"

namespace quorate::server {

/// The jobs of snapshots have ids of their own, from here on; those of the log count from 1.
inline constexpr wal::DiskJobId kSnapshotJobs = wal::DiskJobId{1} << 63;

/// A node takes a snapshot of its store by itself when one of the first two is reached by what was applied
/// since the last one.
struct SnapshotLimits {
    std::uint64_t entries_max = 1'000'000;
    std::uint64_t bytes_max = std::uint64_t{256} << 20;  ///< of their payloads
    /// A chunk ends as soon as it has so many: what a node makes, writes and sends at one time. The same on
    /// all of them, so that one can go on with what another one has begun to send.
    std::uint64_t chunk_bytes = std::uint64_t{256} << 10;

    bool operator==(const SnapshotLimits&) const = default;
};

/// What has become of the snapshot in the making.
enum class SnapshotOutcome : std::uint8_t {
    Pending,          ///< nothing yet, or there is none
    Kept,             ///< it is durable: kept().back()
    Received,         ///< the same, of one that came from another node: received() has its store
    NoRoom,           ///< the disk had no room: it is given up
    NoRoomToReceive,  ///< the same, of one that came from another node
};

/// A snapshot on its way here, as a store.
struct ReceivedSnapshot {
    wal::SnapshotMeta meta;
    SnapshotDecoder decoder;
};

class SnapshotKeeper {
 public:
    /// `found`: what recovery has seen, the oldest first; `useless`: files to be removed. The disk outlives
    /// it.
    SnapshotKeeper(wal::Disk& disk, wal::Identity identity, std::vector<wal::SnapshotMeta> found,
                   std::vector<std::string> useless);

    /// Those that are whole, the oldest first.
    [[nodiscard]] const std::vector<wal::SnapshotMeta>& kept() const { return kept_; }
    /// Of the newest one; zero: none.
    [[nodiscard]] engine::LogIndex newest_index() const {
        return kept_.empty() ? engine::LogIndex{} : kept_.back().last.index;
    }
    /// The newest one is damaged: it is not kept any more.
    void drop_newest();
    /// Lets go of all but the last two, and those that end at one of `in_use`.
    void keep_two(const std::set<engine::LogIndex>& in_use);

    /// Removes these, too, in time.
    void remove(const std::vector<std::string>& files);

    [[nodiscard]] bool is_making() const { return making_.has_value(); }
    /// Begins one of what the store is now: `last` is the entry that was applied last. Pins the store.
    /// Requires !is_making().
    void take(StateMachine& store, engine::EntryId last, const SnapshotHead& head, std::uint64_t chunk_bytes);
    /// Begins to receive this one; what was in the making is given up.
    void receive(StateMachine& store, const wal::SnapshotMeta& meta);
    /// What is being received or, once it is durable, waits to be installed; null: nothing.
    [[nodiscard]] const ReceivedSnapshot* received() const { return received_ ? &*received_ : nullptr; }
    /// The number of the chunk that it wants next, its chunks when it is durable; nothing: it is busy with
    /// one.
    [[nodiscard]] std::optional<std::uint64_t> wanted_chunk() const;
    /// Takes that chunk. False: it is none of this snapshot, which is given up.
    [[nodiscard]] bool add_chunk(std::string_view chunk);
    /// It is to be installed now. Requires that it is durable.
    [[nodiscard]] ReceivedSnapshot take_received();
    /// It is not needed any more. One that is durable stays only when the log holds what it covers
    /// (`is_covered`).
    void forget_received(bool is_covered);

    /// Starts the next job, if none is running. `durable`: through here the log is on the disk; a snapshot of
    /// the own store is finished only when what it covers is. True: call it again soon.
    [[nodiscard]] bool go_on(StateMachine& store, engine::LogIndex durable);
    /// Of a job with one of kSnapshotJobs: what has come of it, or why the process must stop.
    [[nodiscard]] std::expected<SnapshotOutcome, wal::Refusal> on_completed(
        const wal::DiskCompletion& completion, StateMachine& store);

 private:
    struct Making {
        wal::SnapshotWriter writer;
        bool is_own = false;                     ///< of the own store
        std::optional<SnapshotEncoder> encoder;  ///< of that, until it has given all; the store is pinned
        std::optional<std::string> next_chunk;   ///< to be written
        bool has_begun = false;
        bool is_finishing = false;
    };

    [[nodiscard]] bool go_on_making(StateMachine& store, engine::LogIndex durable);
    [[nodiscard]] bool has_all(engine::LogIndex durable);
    void unpin(StateMachine& store);
    void give_up();
    void submit(std::vector<wal::DiskOperation> operations);

    wal::Disk* disk_;
    wal::Identity identity_;
    std::vector<wal::SnapshotMeta> kept_;
    std::vector<std::string> to_remove_;  ///< the oldest first
    std::optional<Making> making_;
    std::optional<ReceivedSnapshot> received_;
    std::optional<wal::DiskJobId> job_;
    bool is_job_vain_ = false;  ///< what it was for is given up
    wal::DiskJobId next_job_ = kSnapshotJobs;
};

/// Reads a snapshot into a new store.
class SnapshotLoader {
 public:
    SnapshotLoader(wal::DiskReader& disk, const wal::SnapshotMeta& meta) : reader_(disk, meta) {}

    [[nodiscard]] const wal::SnapshotMeta& meta() const { return reader_.meta(); }
    [[nodiscard]] std::uint64_t chunks_loaded() const { return reader_.number(); }
    [[nodiscard]] bool has_all() const { return reader_.number() == meta().chunks; }
    /// Once a chunk is loaded.
    [[nodiscard]] const SnapshotHead& head() const { return decoder_.head(); }

    /// Another chunk. Requires !has_all().
    [[nodiscard]] std::expected<void, wal::Flaw> load_chunk();
    /// When has_all().
    [[nodiscard]] StateMachine take_store() { return decoder_.take_store(); }

 private:
    wal::SnapshotReader reader_;
    SnapshotDecoder decoder_;
};

}  // namespace quorate::server
