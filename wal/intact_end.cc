#include "wal/intact_end.h"

#include <algorithm>
#include <string>

#include "wal/log_scan.h"

namespace quorate::wal {

std::optional<ScannedLog> read_intact_end(DiskReader& disk, const Survey& survey) {
    const Identity identity = survey.copies.identity.value_or(Identity{});
    const auto begin = [&] { return LogScan(identity, std::nullopt, engine::Term(UINT64_MAX)); };
    LogScan scan = begin();
    std::string bytes;
    const auto add = [&](const SegmentSummary& segment) {
        return scan.add_segment(segment.sequence, bytes, bytes.size()).has_value();
    };
    for (const SegmentSummary& segment : survey.segments) {
        bytes.resize(std::min(segment.file_bytes, kSegmentFileBytesMax));
        const bool is_read = disk.read(segment_name(segment.sequence), 0, bytes).has_value();
        const std::uint64_t before = scan.tail().sequence;
        if (is_read && before != 0 && before + 1 == segment.sequence && add(segment)) continue;
        // It follows on nothing that is whole: perhaps the next ones follow on it.
        scan = begin();
        if (!is_read || !add(segment)) scan = begin();
    }
    if (scan.tail().sequence == 0) return std::nullopt;
    return scan.take_log();
}

}  // namespace quorate::wal
