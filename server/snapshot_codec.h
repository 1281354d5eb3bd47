#pragma once

// A store and what belongs to it as the chunks of a snapshot (wal/snapshot_file.h). Equal stores give equal
// chunks, on every node.
//
// The first chunk, little-endian:
//   u8 version = 2 | u64 revision | u64 oldest_revision | u64 members_index | u32 bytes | members (members.h)
//   | u32 bytes | first members | u64 answers forgotten
// Every other chunk, until it has what NodeConfig asks for, what there is of the keys in their order: of each
// its past changes, the oldest first, and then its record, if any:
//   u8 1, a past change | u32 key bytes | key | u64 revision | u8 0, it was absent; or u8 1 and a record
//   u8 2                | u32 key bytes | key | a record
// and then of each answer that is known (answered_writes.h), by its number:
//   u8 3 | u32 key bytes | Idempotency-Key | u64 fingerprint | u8 has a session | u64 revision | u32 deleted
//   | u8 condition failed | u64 mod revision
// A record: u64 create revision | u64 mod revision | u64 version | u32 bytes | value

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/types.h"
#include "server/members.h"
#include "server/pinned_walk.h"
#include "server/state_machine.h"

namespace quorate::server {

/// What a snapshot says before its keys.
struct SnapshotHead {
    std::uint64_t revision = 0;
    std::uint64_t oldest_revision = 0;
    engine::LogIndex members_index;  ///< of the entry that put `members` in force
    ClusterMembers members;
    ClusterMembers first_members;  ///< the cluster's first configuration
    std::uint64_t answers_forgotten = 0;

    bool operator==(const SnapshotHead&) const = default;
};

[[nodiscard]] std::string encode_snapshot_head(const SnapshotHead& head);
/// Total: nothing when the bytes are none, or one of a version that this program cannot read.
[[nodiscard]] std::optional<SnapshotHead> decode_snapshot_head(std::string_view chunk);

/// Appends what a key without a past has to a chunk behind the first.
void append_snapshot_key(std::string& chunk, std::string_view key, const Record& record);

/// Makes the chunks behind the first of a store that is pinned, and goes on changing meanwhile.
class SnapshotEncoder {
 public:
    /// A chunk ends as soon as it has so many bytes.
    SnapshotEncoder(const Pin& pin, std::uint64_t chunk_bytes, std::size_t keys_at_once = kKeysAtOnce)
        : walk_(pin, keys_at_once), chunk_bytes_(chunk_bytes) {}

    [[nodiscard]] const Pin& pin() const { return walk_.pin(); }

    /// The next chunk; nothing: the keys that could be looked at at once do not fill it, and the next call
    /// goes on, or it is complete.
    [[nodiscard]] std::optional<std::string> next_chunk(const StateMachine& store);
    /// All chunks were given.
    [[nodiscard]] bool is_complete() const { return is_complete_; }

 private:
    [[nodiscard]] bool is_full() const { return chunk_.size() >= chunk_bytes_; }
    [[nodiscard]] bool write(const KeyState& state);

    PinnedWalk walk_;
    std::uint64_t chunk_bytes_;
    std::string chunk_;             ///< what there is of the next one
    std::size_t changes_done_ = 0;  ///< of the key that is next
    std::uint64_t answers_done_ = 0;
    bool has_all_keys_ = false;
    bool is_complete_ = false;
};

/// Of a chunk behind the first; nothing: it is none, or of a version that this program cannot read.
[[nodiscard]] std::optional<std::uint64_t> count_snapshot_keys(std::string_view chunk);

/// Reads the chunks of one snapshot, in order, into a new store.
class SnapshotDecoder {
 public:
    /// False: this is no chunk of a snapshot, or of a version that this program cannot read.
    [[nodiscard]] bool add(std::string_view chunk);
    /// Once the first chunk has been added.
    [[nodiscard]] const SnapshotHead& head() const { return head_; }
    /// When all chunks have been added.
    [[nodiscard]] StateMachine take_store();

 private:
    SnapshotHead head_;
    bool has_head_ = false;
    bool has_answers_ = false;  ///< no key comes behind them
    StateMachine store_;
    std::vector<PastRecord> changes_;
    std::string last_key_;             ///< of the last item
    std::uint64_t last_revision_ = 0;  ///< of its change; the largest number when it was a record
};

}  // namespace quorate::server
