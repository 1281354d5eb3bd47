#pragma once

// Small files that are kept twice, `NAME-a` and `NAME-b`: any one copy may be lost.

#include <array>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "wal/disk.h"
#include "wal/refusal.h"

namespace quorate::wal {

inline constexpr std::string_view kIdentityName = "identity";
inline constexpr std::string_view kVoteName = "vote";

enum class Copy : std::uint8_t { A, B };
inline constexpr std::array<Copy, 2> kCopies = {Copy::A, Copy::B};

/// Whether a copy of the identity or of the vote is called so.
[[nodiscard]] bool is_small_file(std::string_view name);

/// A block, and zeros.
inline constexpr std::uint64_t kCopyFileBytes = 4096;

[[nodiscard]] std::string copy_name(std::string_view name, Copy copy);

/// The block of one copy; empty where the file is absent or too short.
[[nodiscard]] std::expected<std::string, DiskFailure> read_copy(DiskReader& disk,
                                                                std::span<const FileStatus> files,
                                                                std::string_view name, Copy copy);
/// The block of each.
[[nodiscard]] std::expected<std::array<std::string, 2>, Refusal> read_copies(
    DiskReader& disk, std::span<const FileStatus> files, std::string_view name);

/// Writes and syncs one copy, then the other, so that a crash tears at most one of them. Both exist.
void write_copies(std::string_view name, const std::string& block, std::vector<DiskOperation>& operations,
                  Copy first = Copy::A);
/// The same for copies that may not exist.
void create_copies(std::string_view name, const std::string& block, std::vector<DiskOperation>& operations,
                   Copy first = Copy::A);
/// Creates one copy, empty: for write_copies() to fill.
void create_copy(std::string_view name, Copy copy, std::vector<DiskOperation>& operations);

}  // namespace quorate::wal
