#pragma once

// The steps through a directory and one segment's bytes that a recovery and whoever looks for damage have in
// common.

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/entry.h"
#include "wal/batch.h"
#include "wal/disk.h"
#include "wal/format.h"
#include "wal/refusal.h"

namespace quorate::wal {

/// The sequences of the segments among the files, in order.
[[nodiscard]] std::vector<std::uint64_t> segments_of(std::span<const FileStatus> files);

/// For a person: node '…' of cluster '…'.
[[nodiscard]] std::string name_of(const Identity& identity);
/// Why `self` must not use a data directory that is another's.
[[nodiscard]] std::string belongs_to_another(const Identity& owner, const Identity& self);
[[nodiscard]] Flaw unknown_format(std::string file, engine::EntryId behind = {});

/// Where the record begins.
[[nodiscard]] inline std::uint64_t offset_of(const RecordView& record) {
    return record.end - kHeadBytes - record.payload.size();
}

/// The record that follows the tail: valid by itself and the next of the chain. Nothing at the end of the
/// records, whatever the reason for it.
[[nodiscard]] std::optional<RecordView> next_record(std::string_view segment, const Tail& tail);
/// Moves the tail behind the record.
void pass(const RecordView& record, Tail& tail);

/// The first record behind `end` that is valid by itself and was written when the log was known to be durable
/// beyond `durable_beyond`: with `end`, the evidence that what stood at `end` had been durable; with zero,
/// any.
[[nodiscard]] std::optional<RecordView> find_record(std::string_view segment, std::uint64_t end,
                                                    std::uint64_t salt, std::uint64_t durable_beyond);

/// Offset behind the last byte that is not zero.
[[nodiscard]] std::uint64_t used_bytes(std::string_view segment);

/// What is known of the log before a segment. Nothing of a thing: it is not known, and not checked.
struct Before {
    std::optional<Tail> tail;             ///< of the segment before; of sequence zero before the first
    std::optional<engine::EntryId> last;  ///< entry of the log
};

/// The header of the segment, when it is one that this version knows.
[[nodiscard]] std::expected<SegmentHeader, Flaw> read_header(std::uint64_t sequence, std::string_view segment,
                                                             engine::EntryId behind);
/// Whether a file of `file_bytes` has the size that its header says.
[[nodiscard]] std::expected<void, Flaw> check_size(const SegmentHeader& header, std::uint64_t sequence,
                                                   std::uint64_t file_bytes, engine::EntryId behind);
/// Whether it is the header of this segment, of this directory, and fits its file and what comes before.
[[nodiscard]] std::expected<void, Flaw> check_header(const SegmentHeader& header, std::uint64_t sequence,
                                                     std::uint64_t file_bytes, const Identity& identity,
                                                     const Before& before);
/// The segment's tail before its first record.
[[nodiscard]] Tail first_tail(const SegmentHeader& header, std::string_view segment);

}  // namespace quorate::wal
