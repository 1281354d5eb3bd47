#pragma once

// What the files of a data directory are called, and the notices in one that is being filled for a node,
// which must not be taken for one that holds its log.

#include <expected>
#include <string_view>
#include <vector>

#include "wal/disk.h"
#include "wal/refusal.h"

namespace quorate::wal {

/// What a node keeps of a damaged log, to be removed when it has another, has this before its name.
inline constexpr std::string_view kDamagedPrefix = "damaged-";

/// Stands in a directory while a backup is restored into it: no node may begin with what is there.
inline constexpr std::string_view kRestoringName = "restoring";

/// In the directory of a node that has a place in a cluster, and no log yet. Log::open() passes it over: the
/// log of who has asked for that place begins beside it.
inline constexpr std::string_view kJoiningName = "joining";

[[nodiscard]] bool is_notice(std::string_view name);

/// Whether only a node, or who fills its directory, gives a file this name.
[[nodiscard]] bool is_of_a_log(std::string_view name);
/// It is no file, and has the name of one that a node writes to.
[[nodiscard]] bool stands_in_for_ours(const FileStatus& file);
inline constexpr std::string_view kNotAFile =
    "expected a file, seen a directory, a link or a pipe that has its name";

/// Whether a directory with these files holds it.
[[nodiscard]] bool has_notice(const std::vector<FileStatus>& files, std::string_view notice);

/// Puts it into an empty directory, or removes what an interrupted beginning has left beside it; refuses any
/// other directory. That is locked.
[[nodiscard]] std::expected<void, Refusal> put_notice(Disk& disk, std::string_view notice);

/// What was begun is whole, and durable.
[[nodiscard]] std::expected<void, Refusal> remove_notice(Disk& disk, std::string_view notice);

}  // namespace quorate::wal
