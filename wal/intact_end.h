#pragma once

// What of a damaged log can still be used behind a snapshot that is newer than the damage.

#include <optional>

#include "wal/disk.h"
#include "wal/survey.h"

namespace quorate::wal {

/// The log as the last segments tell it, from the first one behind which all follow each other whole; of the
/// last one what is intact from its beginning. Nothing: not even that has a header that can be used.
[[nodiscard]] std::optional<ScannedLog> read_intact_end(DiskReader& disk, const Survey& survey);

}  // namespace quorate::wal
