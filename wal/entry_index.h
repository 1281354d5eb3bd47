#pragma once

// Where each entry of the log lies on disk: four bytes an entry.

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "engine/types.h"

namespace quorate::wal {

/// A segment that holds a part of the log.
struct SegmentInfo {
    std::uint64_t salt = 0;
    engine::LogIndex
        base;  ///< of the last entry before it; of the snapshot's last, where the log begins anew
};
/// By sequence, without gaps.
using Segments = std::map<std::uint64_t, SegmentInfo>;

/// A part of the log that lies in one segment and can be had with one read.
struct EntryRange {
    std::uint64_t sequence = 0;              ///< the segment
    std::span<const std::uint32_t> offsets;  ///< of each entry's record
    std::uint64_t end = 0;  ///< the last record ends here, or less than a head's length before
};

class EntryIndex {
 public:
    /// Forgets everything: the log goes on behind `base`.
    void begin_behind(engine::LogIndex base);
    /// Forgets what lies in the segments before this one, which goes on behind `base`.
    void forget_before(std::uint64_t sequence, engine::LogIndex base);

    /// The entry `index` lies in segment `sequence` from `offset` to `end`. It is the next entry, or it
    /// replaces an earlier one and everything behind that, even if that has been forgotten. Positions ascend
    /// from call to call.
    void place(engine::LogIndex index, std::uint64_t sequence, std::uint64_t offset, std::uint64_t end);

    /// Of the entries first..last, all held: those that lie one behind the other from the first on and span
    /// at most `bytes_max` bytes, at least one. A range ends with its segment, and where a replacement cut
    /// the log. Valid until the next place().
    [[nodiscard]] EntryRange range(engine::LogIndex first, engine::LogIndex last,
                                   std::uint64_t bytes_max) const;

    /// Of the last entry, or what the log goes on behind.
    [[nodiscard]] engine::LogIndex last_index() const;

 private:
    struct Run {
        engine::LogIndex first;
        std::uint64_t sequence = 0;
        std::vector<std::uint32_t> offsets;
        std::uint64_t end = 0;
    };

    void cut(engine::LogIndex from);

    engine::LogIndex base_;  ///< while there is no run
    std::vector<Run> runs_;  ///< none is empty; one for each segment and each replacement
};

}  // namespace quorate::wal
