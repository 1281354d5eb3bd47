#pragma once

// What quorate-wal does with a data directory, and says about it. docs/quorate-wal.md.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "server/log_line.h"
#include "wal/disk.h"

namespace quorate::server {

/// Exit codes.
enum class WalToolExit : std::uint8_t {
    Sound = 0,
    Damaged = 1,
    Usage = 2,
    Unreadable = 3,  ///< no such directory, no permission, an unknown format; or nobody takes the output
};

struct WalToolOutput {
    /// False when it cannot be written: what asked for it ends.
    std::function<bool(std::string_view)> print;
    /// A line beside the output, without LF.
    std::function<void(std::string_view)> remark;
};

struct DumpOptions {
    engine::LogIndex from{1};
    engine::LogIndex to{UINT64_MAX};
    Values values = Values::Left;
};

/// Whose directory it is, its vote, and a line for each snapshot and each segment.
[[nodiscard]] WalToolExit inspect_log(wal::DiskReader& disk, const WalToolOutput& output);
/// A line for each entry of the log: those that were replaced are not among them.
[[nodiscard]] WalToolExit dump_log(wal::DiskReader& disk, const DumpOptions& options,
                                   const WalToolOutput& output);
/// A line for each thing that is wrong, and one with the verdict.
[[nodiscard]] WalToolExit verify_log(wal::DiskReader& disk, const WalToolOutput& output);
/// The key space after entry `to`, or after the last one before it, as a backup (backup.h).
[[nodiscard]] WalToolExit export_keys(wal::DiskReader& disk, engine::LogIndex to,
                                      const WalToolOutput& output);

}  // namespace quorate::server
