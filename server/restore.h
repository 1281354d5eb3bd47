#pragma once

// A new cluster from a backup: makes the data directory of one of its nodes, which every one of them does
// from the same backup. docs/operations.md, Backup and restore.

#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <string_view>

#include "server/backup.h"
#include "server/node.h"
#include "wal/disk.h"
#include "wal/refusal.h"

namespace quorate::server {

/// From its beginning: it is read twice, since nothing is touched before all of it is known to be whole.
using BackupOpener = std::function<std::expected<BackupReader::Source, std::string>()>;

struct Restored {
    BackupHead backup;
    bool was_there = false;  ///< the directory had been made from this very backup before: nothing was done
};

/// Fills an empty directory, or one in which an earlier restore was interrupted, with the log of a new
/// cluster of config.members and a snapshot that holds the backup: the node starts on it as on any other
/// (Node::open()). config.members.origin: of the backup that it must be; 0: any will do. A crash leaves a
/// directory that no node starts on, and that can be restored again. Refuses a backup that is not whole and
/// any other directory, and changes nothing then. `file` is the backup's name, for the refusal. Locks the
/// directory, so that the node needs another wal::Disk of it.
[[nodiscard]] std::expected<Restored, wal::Refusal> restore(const NodeConfig& config, wal::Disk& disk,
                                                            std::string_view file, const BackupOpener& open);

}  // namespace quorate::server
