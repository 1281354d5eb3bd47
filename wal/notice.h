#pragma once

// Notices in a directory that is being filled for a node, which must not be taken for one that holds its log.

#include <expected>
#include <string_view>
#include <vector>

#include "wal/disk.h"
#include "wal/refusal.h"

namespace quorate::wal {

/// Stands in a directory while a backup is restored into it: no node may begin with what is there.
inline constexpr std::string_view kRestoringName = "restoring";

/// In the directory of a node that has a place in a cluster, and no log yet. Log::open() passes it over: the
/// log of who has asked for that place begins beside it.
inline constexpr std::string_view kJoiningName = "joining";

/// Whether a directory with these files holds it.
[[nodiscard]] bool has_notice(const std::vector<FileStatus>& files, std::string_view notice);

/// Puts it into an empty directory, or one that holds it: what an interrupted beginning has left goes. The
/// directory is locked.
[[nodiscard]] std::expected<void, Refusal> put_notice(Disk& disk, std::string_view notice);

/// What was begun is whole, and durable.
[[nodiscard]] std::expected<void, Refusal> remove_notice(Disk& disk, std::string_view notice);

}  // namespace quorate::wal
