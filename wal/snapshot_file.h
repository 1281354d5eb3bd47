#pragma once

// Snapshots of the store beside the log: `snapshot-INDEX`, the index of the last entry that it covers in 16
// hexadecimal digits. Thesis chapter 5. What its chunks hold is the caller's business; equal stores must give
// equal chunks on every node, so that one node can go on with what another has begun to send.

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "engine/entry.h"
#include "wal/disk.h"
#include "wal/format.h"
#include "wal/refusal.h"

namespace quorate::wal {

/// What a snapshot in the making is called: of the node's own store, or as another node sends it.
inline constexpr std::string_view kTakenName = "snapshot.taken";
inline constexpr std::string_view kReceivedName = "snapshot.received";

/// Makes a snapshot's file: as `file` first, under its own name when it is whole and durable. Each function
/// returns operations to perform before the next ones.
class SnapshotWriter {
 public:
    SnapshotWriter(std::string_view file, engine::EntryId last, Identity identity);

    [[nodiscard]] std::vector<DiskOperation> begin() const;
    /// At most kChunkBytesMax bytes. Synced with each chunk: a large sync at the end would hold up the log's.
    [[nodiscard]] std::vector<DiskOperation> add(std::string_view payload);
    [[nodiscard]] std::vector<DiskOperation> finish() const;
    /// Of the chunks that have been added.
    [[nodiscard]] const SnapshotMeta& meta() const { return meta_; }

 private:
    std::string file_;
    Identity identity_;
    SnapshotMeta meta_;
};

/// Reads a finished snapshot, chunk by chunk.
class SnapshotReader {
 public:
    SnapshotReader(DiskReader& disk, const SnapshotMeta& meta) : disk_(&disk), meta_(meta) {}

    [[nodiscard]] const SnapshotMeta& meta() const { return meta_; }
    /// Of the chunk that comes next; meta().chunks at the end.
    [[nodiscard]] std::uint64_t number() const { return number_; }
    /// The next chunk, checked. Not at the end.
    [[nodiscard]] std::expected<std::string, Flaw> next();
    /// Goes to chunk `number`, not behind the end.
    [[nodiscard]] std::expected<void, Flaw> seek(std::uint64_t number);

 private:
    [[nodiscard]] std::expected<std::string, Flaw> read_head();
    [[nodiscard]] std::expected<void, Flaw> read(std::uint64_t offset, std::string& bytes);
    [[nodiscard]] Flaw flaw(std::string what) const;

    DiskReader* disk_;
    SnapshotMeta meta_;
    std::uint64_t number_ = 0;
    std::uint64_t offset_ = kChunksOffset;
    std::uint64_t hash_ = 0;  ///< of the chunks read,
    bool reads_all_ = true;   ///< if none was left out
};

/// What the file `snapshot-…` says that it holds; its chunks are not looked at. Damage: it is no whole
/// snapshot, and what it held is in another one or in the log, or lost.
[[nodiscard]] std::expected<SnapshotMeta, Flaw> read_snapshot_meta(DiskReader& disk, const FileStatus& file,
                                                                   const Identity& identity);

/// Reads every chunk: what is wrong with the first that is not as it was written.
[[nodiscard]] std::expected<void, Flaw> check_chunks(DiskReader& disk, const SnapshotMeta& snapshot);

}  // namespace quorate::wal
