#pragma once

// A log entry with its payload, as the log stores it and peers send it.

#include <string>

#include "engine/entry.h"

namespace quorate::wal {

struct LogEntry {
    engine::Term term;
    engine::EntryKind kind = engine::EntryKind::NoOp;
    std::string payload;

    bool operator==(const LogEntry&) const = default;

    [[nodiscard]] engine::EntryShape shape() const {
        return {term, kind, static_cast<std::uint32_t>(payload.size())};
    }
};

/// Bound of one payload, in bytes: the largest command (a 4 MiB value or batch, with its frame) and some
/// room.
inline constexpr std::size_t kPayloadBytesMax = 6U << 20;

}  // namespace quorate::wal
