#pragma once

// The bytes on disk, drawn once; everything that writes or reads them includes this file. Integers are
// little-endian. docs/log-format.md tells the story.
//
// Block: 512 bytes, the form of a segment's header and of the small files (identity, vote).
//
//     0  magic          8   what the block is
//     8  version        4   kFormatVersion; its place and the checksum's are the same in every version
//    12  crc            4   CRC32C of all 512 bytes, with zeros in the place of this one
//    16  body         496   unused bytes are zero
//
// Segment `log-SEQUENCE`: a header block, zeros up to 4,096, then records. Body of the header:
//
//    16  sequence       8   from 1, the next segment has the next
//    24  file_bytes     8   size of the file
//    32  base_index     8   last entry of the log before this segment
//    40  base_term      8   its term
//    48  previous_end   8   where the records of the previous segment end; 0 in the first
//    56  previous_crc   4   of its last record (of its header, if it has none)
//    60  begins_anew    4  1: the log was replaced by a snapshot, whose last entry is the base; else 0
//    64  salt           8   segment_salt(): stands in each of its records, and nowhere where a client sees it
//    72  cluster id         length (1 byte) and text (64), node id likewise: 130 bytes
//
// Record: a head of 48 bytes and the payload. Starts at a multiple of 8, and where the head does not cross a
// multiple of 512 (next_head), so that no tear goes through a head.
//
//     0  crc            4   CRC32C of the head from byte 4 and the payload
//     4  payload_bytes  4
//     8  type           1   RecordType
//     9  kind           1   engine::EntryKind
//    10  zero           2
//    12  previous_crc   4   of the record before, of the header for a segment's first
//    16  index          8
//    24  term           8
//    32  salt           8   of the segment, so that what another one holds is none of its
//    40  durable        8   offset in this segment: what is before was durable when this was written
//    48  payload
//
// Snapshot `snapshot-INDEX`: a header block, which is written last, zeros up to 4,096, then chunks, one
// behind the other. Body of the header:
//
//    16  index          8   of the last entry that it covers, as in the name
//    24  term           8   of that entry
//    32  chunks         8
//    40  bytes          8   of their payloads
//    48  hash           8   of their checksums, in order: hash_of_chunks()
//    72  cluster id         and node id, as in a segment's header
//
// Chunk:
//
//     0  crc            4   CRC32C of the head from byte 4 and the payload
//     4  payload_bytes  4
//     8  number         8   from 0
//    16  index          8   of the snapshot
//    24  payload
//
// Identity `identity-a`, `identity-b`: cluster id and node id at 16, as in a header.
//
// Vote `vote-a`, `vote-b`:
//
//    16  sequence       8   counts the changes; the newest readable copy is in force
//    24  owner          8   XXH64 of the identity block's body
//    32  current_term   8
//    40  voted_for      8
//    48  mark.sequence  8   the log is durable up to this place: segment,
//    56  mark.offset    8   end of its last durable record,
//    64  mark.crc       4   and that record's checksum (the header's, if none)
//    68  lost           4   a Lost
//    72  commit_index   8   entries through here were durable and known to be committed; 0: none are known

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "engine/entry.h"
#include "wal/entry.h"
#include "wal/identity.h"

namespace quorate::wal {

inline constexpr std::uint32_t kFormatVersion = 1;
inline constexpr std::size_t kBlockBytes = 512;
/// Where a segment's records begin: the header has a physical sector of its own.
inline constexpr std::uint64_t kRecordsOffset = 4096;
inline constexpr std::uint64_t kHeadBytes = 48;
inline constexpr std::uint64_t kSectorBytes = 512;
/// Sizes of segments are multiples of it.
inline constexpr std::uint64_t kSegmentGranule = 4096;
/// Bounds of LogOptions::segment_bytes: a segment is read into memory as a whole at start, and offsets in the
/// index have 32 bits.
inline constexpr std::uint64_t kSegmentBytesMin = 2 * kSegmentGranule;
inline constexpr std::uint64_t kSegmentBytesMax = 1U << 30;

/// A segment of its own for one large entry is larger than configured by no more than this.
inline constexpr std::uint64_t kSegmentFileBytesMax = kSegmentBytesMax + 2 * kPayloadBytesMax;

enum class BlockKind : std::uint8_t { Segment, Identity, Vote, Snapshot };

enum class BlockProblem : std::uint8_t {
    Unreadable,      ///< too short, another magic, or a checksum that does not fit
    UnknownVersion,  ///< intact, but written by a version that this one does not know
};

/// A place in the log up to which everything is durable.
struct Mark {
    std::uint64_t sequence = 0;
    std::uint64_t offset = 0;
    std::uint32_t crc = 0;
    auto operator<=>(const Mark&) const = default;
};

/// What a node has lost of what it promised, and has to learn from the others before it votes again. Numbers
/// are part of the format: never renumber.
enum class Lost : std::uint8_t {
    Nothing = 0,
    Entries = 1,         ///< entries that it acknowledged
    TermAndEntries = 2,  ///< its term and vote as well
    LastBatch = 3,       ///< what its last write held, unless that was torn and never acknowledged
};

struct VoteRecord {
    std::uint64_t sequence = 0;
    std::uint64_t owner = 0;  ///< owner_of() the directory
    engine::HardState hard_state;
    Mark mark;
    Lost lost = Lost::Nothing;
    /// Entries through here were durable, and known to be committed, when this was written: at least so much
    /// is, whatever has become of this node.
    engine::LogIndex commit_index{};
    bool operator==(const VoteRecord&) const = default;
};

struct SegmentHeader {
    std::uint64_t sequence = 0;
    std::uint64_t file_bytes = 0;
    engine::EntryId base;
    std::uint64_t previous_end = 0;
    std::uint32_t previous_crc = 0;
    std::uint64_t salt = 0;
    Identity identity;
    bool begins_anew = false;  ///< what the segments before hold is no part of the log any more
    bool operator==(const SegmentHeader&) const = default;
};

inline constexpr std::uint64_t kChunksOffset = 4096;
inline constexpr std::uint64_t kChunkHeadBytes = 24;
inline constexpr std::size_t kChunkBytesMax = std::size_t{16} << 20;

/// Which snapshot, and how much of it there is: two with equal ones are the same to the byte.
struct SnapshotMeta {
    engine::EntryId last;
    std::uint64_t chunks = 0;
    std::uint64_t bytes = 0;  ///< of the chunks' payloads
    std::uint64_t hash = 0;   ///< of the chunks' checksums

    bool operator==(const SnapshotMeta&) const = default;
};

struct SnapshotHeader {
    SnapshotMeta meta;
    Identity identity;

    bool operator==(const SnapshotHeader&) const = default;
};

struct ChunkHead {
    std::uint32_t crc = 0;
    std::uint32_t payload_bytes = 0;
    std::uint64_t number = 0;
    engine::LogIndex index;

    bool operator==(const ChunkHead&) const = default;
};

/// Numbers are part of the format: never renumber.
enum class RecordType : std::uint8_t {
    Entry = 1,        ///< the entry after the last one
    Replacement = 2,  ///< forget the entries from `index` on: this one stands there now
};

struct RecordHead {
    RecordType type = RecordType::Entry;
    engine::EntryKind kind = engine::EntryKind::NoOp;
    std::uint32_t payload_bytes = 0;
    std::uint32_t previous_crc = 0;
    engine::LogIndex index;
    engine::Term term;
    std::uint64_t salt = 0;
    std::uint64_t durable = 0;
    bool operator==(const RecordHead&) const = default;
};

/// A record as it lies in a segment.
struct RecordView {
    RecordHead head;
    std::uint32_t crc = 0;
    std::string_view payload;
    std::uint64_t end = 0;  ///< offset behind the payload
};

/// The first offset from `end` on where a head may stand.
[[nodiscard]] constexpr std::uint64_t next_head(std::uint64_t end) {
    const std::uint64_t aligned = (end + 7) / 8 * 8;
    const std::uint64_t room = kSectorBytes - aligned % kSectorBytes;
    return room < kHeadBytes ? aligned + room : aligned;
}

[[nodiscard]] std::string encode_identity(const Identity& identity);
[[nodiscard]] std::expected<Identity, BlockProblem> decode_identity(std::string_view block);
[[nodiscard]] std::uint64_t owner_of(const Identity& identity);
[[nodiscard]] std::string encode_vote(const VoteRecord& vote);
[[nodiscard]] std::expected<VoteRecord, BlockProblem> decode_vote(std::string_view block);
[[nodiscard]] std::string encode_header(const SegmentHeader& header);
[[nodiscard]] std::expected<SegmentHeader, BlockProblem> decode_header(std::string_view block);
/// The salt of a segment that is made under `salt`, which is random and different in each life of the
/// process. No other segment has the same, and nobody who does not read the disk can tell it.
[[nodiscard]] std::uint64_t segment_salt(std::uint64_t salt, std::uint64_t sequence);
/// The checksum within an encoded block.
[[nodiscard]] std::uint32_t block_crc(std::string_view block);

/// Appends the record to `out` and returns its checksum.
std::uint32_t encode_record(const RecordHead& head, std::string_view payload, std::string& out);
/// The record at `offset` of the segment, when one that is valid by itself stands there: all its bytes are in
/// the segment, its fields are possible, it carries the segment's salt, and its checksum fits. `base` is the
/// offset of bytes' first byte.
[[nodiscard]] std::optional<RecordView> decode_record(std::string_view bytes, std::uint64_t offset,
                                                      std::uint64_t salt, std::uint64_t base = 0);

/// The salt that the first record of a segment carries, when one stands there that is valid by itself: for a
/// segment whose header is lost.
[[nodiscard]] std::optional<std::uint64_t> salt_of_first_record(std::string_view segment);

[[nodiscard]] std::string encode_snapshot_header(const SnapshotHeader& header);
[[nodiscard]] std::expected<SnapshotHeader, BlockProblem> decode_snapshot_header(std::string_view block);
/// Appends the chunk to `out` and returns its checksum.
std::uint32_t encode_chunk(std::uint64_t number, engine::LogIndex index, std::string_view payload,
                           std::string& out);
/// Of kChunkHeadBytes bytes; its fields may be anything.
[[nodiscard]] ChunkHead decode_chunk_head(std::string_view bytes);
[[nodiscard]] std::uint32_t crc_of_chunk(std::string_view head, std::string_view payload);
/// `hash` of the chunks before, zero before the first, and the next one's checksum.
[[nodiscard]] std::uint64_t hash_of_chunks(std::uint64_t hash, std::uint32_t crc);

/// `log-` and the sequence in 16 hexadecimal digits.
[[nodiscard]] std::string segment_name(std::uint64_t sequence);
/// `spare-` and the sequence of the segment that it is to become.
[[nodiscard]] std::string spare_name(std::uint64_t sequence);
[[nodiscard]] std::optional<std::uint64_t> parse_segment_name(std::string_view file);
[[nodiscard]] std::optional<std::uint64_t> parse_spare_name(std::string_view file);
/// `snapshot-` and the index in 16 hexadecimal digits.
[[nodiscard]] std::string snapshot_name(engine::LogIndex last);
[[nodiscard]] std::optional<engine::LogIndex> parse_snapshot_name(std::string_view file);

}  // namespace quorate::wal
