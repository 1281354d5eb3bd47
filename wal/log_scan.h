#pragma once

// Reads segments in order and rebuilds the log from their records.

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wal/batch.h"
#include "wal/entry_index.h"
#include "wal/format.h"
#include "wal/refusal.h"

namespace quorate::wal {

/// The log as its records tell it.
struct ScannedLog {
    std::vector<engine::EntryShape> entries;    ///< from index 1
    std::vector<engine::LogIndex> memberships;  ///< of the Membership entries among them
    EntryIndex index;
    std::vector<std::uint64_t> salts;  ///< of the segments, from the first

    [[nodiscard]] engine::EntryId last() const;
};

class LogScan {
 public:
    /// `mark` and `term` are those of the vote record: the log must reach the one and not pass the other.
    LogScan(Identity identity, const Mark& mark, engine::Term term)
        : identity_(std::move(identity)), mark_(mark), term_(term) {}

    /// The next segment: its header fits what came before, and its records are followed to the first that is
    /// not valid. `bytes` is the whole file.
    [[nodiscard]] std::expected<void, Refusal> add_segment(std::uint64_t sequence, std::string_view bytes);

    /// Whether the last segment's end is where a crash tore the last write, or clean; damage otherwise.
    [[nodiscard]] std::expected<void, Refusal> check_end(std::string_view last_segment) const;

    /// The end of the records. `durable`: what is known from the records and the mark; the rest may be
    /// unsynced.
    [[nodiscard]] const Tail& tail() const { return tail_; }
    [[nodiscard]] const ScannedLog& log() const { return log_; }
    [[nodiscard]] ScannedLog take_log() { return std::move(log_); }

 private:
    [[nodiscard]] std::expected<void, Refusal> check_header(const SegmentHeader& header,
                                                            std::uint64_t sequence,
                                                            std::uint64_t file_bytes) const;
    [[nodiscard]] std::expected<void, Refusal> add_record(const RecordView& record, std::uint64_t offset);
    [[nodiscard]] std::string entries_from_here() const;
    void pass_mark();

    Identity identity_;
    Mark mark_;
    engine::Term term_;
    ScannedLog log_;
    Tail tail_;  ///< sequence zero: no segment yet
    bool has_met_mark_ = false;
};

}  // namespace quorate::wal
