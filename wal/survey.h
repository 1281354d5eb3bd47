#pragma once

// What a data directory holds, and everything that is wrong with it. Takes no lock and changes nothing, so
// that the directory may be a running node's: what is written meanwhile is there or not, and never looks
// like damage.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "wal/copy_survey.h"
#include "wal/disk.h"
#include "wal/finding.h"
#include "wal/log_scan.h"

namespace quorate::wal {

/// What the records of one segment tell, those that later ones replace among them.
struct SegmentSummary {
    std::uint64_t sequence = 0;
    std::uint64_t file_bytes = 0;
    std::uint64_t end = 0;  ///< of its records; zero when they cannot be told
    std::uint64_t records = 0;
    std::uint64_t replacements = 0;  ///< records that cut the log and stand in for what was there
    engine::LogIndex index_min;
    engine::LogIndex index_max;
    engine::Term term_min;
    engine::Term term_max;
};

struct Survey {
    CopySurvey copies;
    std::vector<SegmentSummary> segments;
    std::vector<SnapshotMeta> snapshots;  ///< by their headers, the oldest first
    std::vector<FileStatus> others;       ///< spare segments, and what is not ours
    std::vector<Finding> findings;        ///< in the order of the files, kFindingsMax at most
    std::size_t findings_omitted = 0;
    ScannedLog log;  ///< to its end, or to the first damage in it

    [[nodiscard]] bool has(FindingKind kind) const;
};

/// An operator reads them; a disk full of noise must not take the memory.
inline constexpr std::size_t kFindingsMax = 1000;

/// Whether this version can use an entry's payload.
using PayloadCheck = std::function<bool(engine::EntryKind, std::string_view)>;

/// Holds one segment in memory at a time, and some 20 bytes for each entry of the log. Goes on behind damage
/// wherever the next intact record can be told. An error: there is no data directory to be seen.
[[nodiscard]] std::expected<Survey, Finding> survey(DiskReader& disk, const PayloadCheck& is_known);

}  // namespace quorate::wal
