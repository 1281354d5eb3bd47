#pragma once

// The port through which the log reaches a disk: one flat directory of named files. io implements it with
// libuv and the system's files, the simulator with a virtual disk that tears, loses and rots.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "wal/situation.h"

namespace quorate::wal {

enum class DiskError : std::uint8_t {
    NotFound,  ///< no such file, or a read past its end
    NoSpace,   ///< ENOSPC, EDQUOT, EFBIG, or no descriptor or memory to create a file: there may be later
    Denied,    ///< this process may not: EACCES, EPERM
    NotAFile,  ///< a directory, a pipe or the like has its name: EISDIR, ESPIPE
    Locked,    ///< another process holds the directory
    Failed,    ///< anything else: the bytes may or may not be there
};

struct DiskFailure {
    DiskError error = DiskError::Failed;
    std::string file;    ///< empty: the directory itself
    std::string detail;  ///< for a person: the call and the system's words for its error

    bool operator==(const DiskFailure&) const = default;
};

/// Writes all of `bytes` at `offset`; the file exists.
struct WriteAt {
    std::string file;
    std::uint64_t offset = 0;
    std::string bytes;
    bool operator==(const WriteAt&) const = default;
};
/// fdatasync: on completion everything written to the file before is durable.
struct SyncFile {
    std::string file;
    bool operator==(const SyncFile&) const = default;
};
/// A new file of `size` zero bytes, written (not merely allocated) and synced; replaces one of that name. A
/// failure leaves no file of that name, so that its room is free again.
struct CreateZeroed {
    std::string file;
    std::uint64_t size = 0;
    bool operator==(const CreateZeroed&) const = default;
};
/// Atomic; replaces `to`. Durable only after SyncDirectory.
struct RenameFile {
    std::string from;
    std::string to;
    bool operator==(const RenameFile&) const = default;
};
/// Durable only after SyncDirectory. A file that is not there is no error.
struct RemoveFile {
    std::string file;
    bool operator==(const RemoveFile&) const = default;
};
struct SyncDirectory {
    bool operator==(const SyncDirectory&) const = default;
};

using DiskOperation = std::variant<WriteAt, SyncFile, CreateZeroed, RenameFile, RemoveFile, SyncDirectory>;

/// Jobs of one lane run one after another; lanes run side by side and must not touch the same file.
enum class DiskLane : std::uint8_t {
    Log,         ///< what somebody waits for
    Background,  ///< preparing segments
};

using DiskJobId = std::uint64_t;

struct DiskJob {
    DiskJobId id = 0;
    DiskLane lane = DiskLane::Log;
    std::vector<DiskOperation> operations;  ///< in order; the first failure ends the job
};

struct DiskCompletion {
    DiskJobId id = 0;
    std::expected<void, DiskFailure> result;
};

struct FileStatus {
    std::string name;
    std::uint64_t size = 0;
    bool operator==(const FileStatus&) const = default;
    [[nodiscard]] bool is_file() const { return !name.ends_with('/'); }
};

/// The half that changes nothing.
class DiskReader {
 public:
    DiskReader() = default;
    DiskReader(const DiskReader&) = delete;
    DiskReader& operator=(const DiskReader&) = delete;
    virtual ~DiskReader() = default;

    /// Every regular file except the lock, sorted by name. What is no file (a directory, a link) has a /
    /// behind its name, and can only be looked at; the file system's own lost+found is left out.
    [[nodiscard]] virtual std::expected<std::vector<FileStatus>, DiskFailure> list() = 0;
    /// Fills all of `out` from `offset`.
    [[nodiscard]] virtual std::expected<void, DiskFailure> read(std::string_view file, std::uint64_t offset,
                                                                std::span<char> out) = 0;
};

class Disk : public DiskReader {
 public:
    /// Takes the directory for this process until it ends; creates the directory (and its parents) when
    /// absent, mode 0700. Files are 0600.
    [[nodiscard]] virtual std::expected<void, DiskFailure> lock() = 0;
    /// Performs the operations and returns when they are done. For start-up, before the loop runs.
    [[nodiscard]] virtual std::expected<void, DiskFailure> run(std::span<const DiskOperation> operations) = 0;
    /// Starts the job; its completion comes later as an event, never from within this call.
    virtual void submit(DiskJob job) = 0;

    /// For who watches a log. The log does not depend on it. Without a body, so that who stands before
    /// another disk has to pass it on.
    virtual void met(Situation situation) = 0;
};

}  // namespace quorate::wal
