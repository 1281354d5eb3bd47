#pragma once

// Entries read back from where the index says that they lie.

#include <cstdint>
#include <expected>
#include <span>
#include <vector>

#include "wal/disk.h"
#include "wal/entry.h"
#include "wal/entry_index.h"
#include "wal/refusal.h"

namespace quorate::wal {

/// See Log::read(). `salts` are those of the segments, from the first.
[[nodiscard]] std::expected<std::vector<LogEntry>, Refusal> read_entries(
    DiskReader& disk, const EntryIndex& index, std::span<const std::uint64_t> salts, engine::LogIndex first,
    engine::LogIndex last, std::uint64_t bytes_max);

}  // namespace quorate::wal
