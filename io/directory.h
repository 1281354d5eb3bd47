#pragma once

// A data directory by plain system calls: what reading it needs, whoever reads.

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "wal/disk.h"

namespace quorate::io {

inline constexpr std::string_view kLockFile = "LOCK";
/// Stands in the root of every ext file system.
inline constexpr std::string_view kLostAndFound = "lost+found";

/// What a failed call's errno means. `file`: as the failure names it.
[[nodiscard]] std::unexpected<wal::DiskFailure> failure(int error, std::string_view call, std::string file);

/// As wal::DiskReader::list(). One that vanishes or gets another name meanwhile may
/// be missing.
[[nodiscard]] std::expected<std::vector<wal::FileStatus>, wal::DiskFailure> list_files(
    int directory_fd, const std::string& path);

/// Fills all of `out` from `offset` of the open file.
[[nodiscard]] std::expected<void, wal::DiskFailure> read_all(int fd, std::string_view file,
                                                             std::uint64_t offset, std::span<char> out);

}  // namespace quorate::io
