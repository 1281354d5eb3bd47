#pragma once

// Why the log cannot be used, in words for a person.

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/entry.h"
#include "wal/disk.h"

namespace quorate::wal {

/// Why a data directory cannot be used, or a process must stop. The numbers are the process's exit codes.
enum class RefusalCode : std::uint8_t {
    Damage = 10,          ///< bytes that may have been acknowledged have changed
    MetaUnreadable = 11,  ///< neither copy of the vote and term, or of the identity, is readable
    WrongIdentity = 12,   ///< the directory belongs to another cluster or node
    Locked = 13,          ///< another process uses it
    UnknownFormat = 14,   ///< written by a version that this one does not know
    IoFailed = 15,        ///< a read, write or sync failed
    NoSpace = 16,         ///< no room to start
    Configuration = 17,   ///< nothing is wrong with what is stored: the process was told what cannot be done
};

/// One line: what, which file and offset, which entries, what to do next.
struct Refusal {
    RefusalCode code = RefusalCode::IoFailed;
    std::string message;
};

/// What is wrong with what is stored, and where.
struct Flaw {
    /// Or WrongIdentity, UnknownFormat; IoFailed and Configuration: it was not read.
    RefusalCode code = RefusalCode::Damage;
    std::string file;
    std::uint64_t offset = 0;
    std::string what;        ///< expected and seen
    engine::EntryId behind;  ///< the last entry of the log before that place
};

/// The pieces joined; numbers in decimal.
template <class... Pieces>
[[nodiscard]] std::string text(const Pieces&... pieces) {
    std::string joined;
    const auto add = [&](const auto& piece) {
        if constexpr (std::integral<std::remove_cvref_t<decltype(piece)>>) {
            joined += std::to_string(piece);
        } else {
            joined += piece;
        }
    };
    (add(pieces), ...);
    return joined;
}

/// What a read that failed tells of the file.
[[nodiscard]] RefusalCode code_of_read(const DiskFailure& failure);
/// The file was not read: what is in it may be whole.
[[nodiscard]] bool is_unread(const Flaw& flaw);
/// What a flaw means for who wants to use the log.
[[nodiscard]] Refusal refusal(const Flaw& flaw);
/// Bytes at `file`:`offset` are not what was acknowledged; `entries` says which entries that concerns.
[[nodiscard]] Refusal damage(std::string_view file, std::uint64_t offset, std::string_view expected_and_seen,
                             std::string_view entries);
/// What the failure of a write or sync means for the process.
[[nodiscard]] Refusal disk_refusal(const DiskFailure& failure);
/// The same of a read or a list of the files.
[[nodiscard]] Refusal read_refusal(const DiskFailure& failure);
/// Before anything was read or written: the directory is none, or not ours to write.
[[nodiscard]] Refusal directory_refusal(const DiskFailure& failure);

/// What an operator does about a directory that must not be used any more.
inline constexpr std::string_view kLostDirectoryAdvice =
    "keep this directory as it is; a node of a cluster whose others are well is started with "
    "--recover-from-peers. See docs/operations.md, When a node refuses its directory";

}  // namespace quorate::wal
