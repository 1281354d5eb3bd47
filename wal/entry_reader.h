#pragma once

// Entries read back from where the index says that they lie.

#include <cstdint>
#include <expected>
#include <vector>

#include "wal/disk.h"
#include "wal/entry.h"
#include "wal/entry_index.h"
#include "wal/refusal.h"

namespace quorate::wal {

/// See Log::read().
[[nodiscard]] std::expected<std::vector<LogEntry>, Refusal> read_entries(
    DiskReader& disk, const EntryIndex& index, const Segments& segments, engine::LogIndex first,
    engine::LogIndex last, std::uint64_t bytes_max);

}  // namespace quorate::wal
