#pragma once

// Whether a backup that passes by, in pieces, is complete.

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "server/backup.h"
#include "server/hash.h"

namespace quorate::server {

/// Holds its first and its last line alone. What stands in the lines between is BackupReader's to read: here
/// they are as the last line says that they were made.
class BackupCheck {
 public:
    void add(std::string_view bytes);
    /// At the end: what the backup is of, or what is wrong with it.
    [[nodiscard]] std::expected<BackupHead, std::string> finish() const;

 private:
    void pass(std::string_view bytes);

    std::string first_;        ///< until its LF
    std::string last_;         ///< the line that is coming, or has come: an LF stands only at its end
    RunningHash64 hash_;       ///< of all before it
    std::uint64_t lines_ = 0;  ///< before it
};

}  // namespace quorate::server
