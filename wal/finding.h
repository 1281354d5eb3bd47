#pragma once

// What somebody who only looks finds wrong with a data directory.

#include <cstdint>
#include <optional>
#include <string>

#include "engine/entry.h"

namespace quorate::wal {

enum class FindingKind : std::uint8_t {
    Damage,         ///< bytes that were written have changed, or are missing
    Unfinished,     ///< being written, or cut off by a crash: no loss, and the next start mends it
    UnknownFormat,  ///< intact, but of a version that this one does not know
    Unreadable,     ///< the system does not let us read it
};

struct Finding {
    FindingKind kind = FindingKind::Damage;
    std::string file;  ///< empty: the directory itself
    std::uint64_t offset = 0;
    std::string what;  ///< for a person, on one line
    /// The last intact entry of the log before that place. Nothing when the place is not in the log.
    std::optional<engine::EntryId> behind;
};

}  // namespace quorate::wal
