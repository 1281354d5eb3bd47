#pragma once

// Reads segments in order and rebuilds the log from their records.

#include <algorithm>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <span>
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
    /// What the log goes on behind: zero, or what a snapshot covers. Its term is zero where no segment that
    /// is left tells it.
    engine::EntryId base;
    std::vector<engine::EntryShape> entries;    ///< from base.index + 1
    std::vector<engine::LogIndex> memberships;  ///< of the Membership entries among them
    EntryIndex index;
    Segments segments;
    std::uint64_t first_live = 1;  ///< segment: what the ones before it hold is no part of the log
    bool begins_anew = false;      ///< with that segment, for a snapshot replaced what was before

    /// Of the entry at `index`, from the base's through the last one's.
    [[nodiscard]] engine::Term term_at(engine::LogIndex at) const;
    [[nodiscard]] engine::EntryId last() const;
    [[nodiscard]] bool holds(engine::EntryId entry) const;
    /// What is wrong with the one before the newest of the directory's `snapshots`, the oldest first: entries
    /// between it and the base are missing, which the newest covers. A node forgets them only when it has two
    /// newer ones, or begins anew.
    [[nodiscard]] std::optional<Flaw> cut_off(std::span<const SnapshotMeta> snapshots) const;
};

/// A record of the chain, and the tail before it. The record's bytes are valid until the visit ends.
using RecordVisitor = std::function<void(const RecordView& record, const Tail& before)>;

class LogScan {
 public:
    /// `mark` and `term` are those of the vote record: the log must reach the one and not pass the other.
    /// Without a mark it may end anywhere. Who visits sees each record of the log once, in order, those that
    /// a later one replaces too.
    LogScan(Identity identity, const std::optional<Mark>& mark, engine::Term term,
            RecordVisitor visitor = {});

    /// The next segment, or the first that is left: its header fits what came before, and its records are
    /// followed to the first that is not valid. `bytes` is the whole file; or what is left of a file that had
    /// `file_bytes`, for who has told that.
    [[nodiscard]] std::expected<void, Flaw> add_segment(std::uint64_t sequence, std::string_view bytes,
                                                        std::uint64_t file_bytes);
    /// The last segment has been read once more, and may go on behind the tail.
    [[nodiscard]] std::expected<void, Flaw> follow(std::string_view bytes);
    /// The vote record has been read once more.
    void raise_term(engine::Term term) { term_ = std::max(term_, term); }

    /// Whether the last segment's end is where a crash tore the last write, or clean; damage otherwise.
    [[nodiscard]] std::expected<void, Flaw> check_end(std::string_view last_segment) const;

    /// The end of the records. `durable`: what is known from the records and the mark; the rest may be
    /// unsynced.
    [[nodiscard]] const Tail& tail() const { return tail_; }
    [[nodiscard]] bool has_met_mark() const { return has_met_mark_; }
    [[nodiscard]] const ScannedLog& log() const { return log_; }
    [[nodiscard]] ScannedLog take_log() { return std::move(log_); }

 private:
    [[nodiscard]] std::expected<void, Flaw> add_record(const RecordView& record);
    [[nodiscard]] Flaw flaw(std::string file, std::uint64_t offset, std::string what) const;
    void pass_mark();

    Identity identity_;
    Mark mark_;
    engine::Term term_;
    RecordVisitor visitor_;
    ScannedLog log_;
    Tail tail_;  ///< sequence zero: no segment yet
    bool has_met_mark_;
};

}  // namespace quorate::wal
