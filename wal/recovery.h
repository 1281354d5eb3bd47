#pragma once

// From the files of a data directory to a log that may be appended to, or to the reason why not.

#include <cstdint>
#include <expected>
#include <vector>

#include "wal/batch.h"
#include "wal/disk.h"
#include "wal/entry_index.h"
#include "wal/format.h"
#include "wal/log.h"
#include "wal/refusal.h"

namespace quorate::wal {

struct RecoveredLog {
    Recovered recovered;
    VoteRecord vote;
    Tail tail;  ///< everything before it is durable, everything behind it zero
    engine::EntryId last;
    EntryIndex index;
    Segments segments;
    std::uint64_t first_live = 1;  ///< segment: what the ones before it hold is no part of the log
};

/// See Log::open().
[[nodiscard]] std::expected<RecoveredLog, Refusal> recover(Disk& disk, const LogOptions& options);

}  // namespace quorate::wal
