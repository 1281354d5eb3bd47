#include "io/directory.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace quorate::io {

using wal::DiskError;
using wal::DiskFailure;

std::unexpected<DiskFailure> failure(int error, std::string_view call, std::string file) {
    DiskError kind = DiskError::Failed;
    if (error == ENOSPC || error == EDQUOT || error == EFBIG) kind = DiskError::NoSpace;
    if (error == ENOENT) kind = DiskError::NotFound;
    if (error == EACCES || error == EPERM) kind = DiskError::Denied;
    if (error == EISDIR || error == ESPIPE) kind = DiskError::NotAFile;
    if (error == EWOULDBLOCK) kind = DiskError::Locked;
    return std::unexpected(
        DiskFailure{kind, std::move(file), std::string(call) + ": " + std::strerror(error)});
}

std::expected<std::vector<wal::FileStatus>, DiskFailure> list_files(int directory_fd,
                                                                    const std::string& path) {
    const int fd = ::openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* directory = fd >= 0 ? ::fdopendir(fd) : nullptr;
    if (directory == nullptr) return failure(errno, "opendir", path);
    std::vector<wal::FileStatus> files;
    int error = 0;
    for (;;) {
        errno = 0;
        const dirent* entry = ::readdir(directory);
        error = errno;
        if (entry == nullptr) break;
        struct stat status{};
        const std::string_view name = entry->d_name;
        if (name == kLockFile || name == kLostAndFound || name == "." || name == "..") continue;
        if (::fstatat(directory_fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
            if (errno == ENOENT) continue;
            error = errno;
            break;
        }
        if (S_ISREG(status.st_mode)) {
            files.push_back({std::string(name), static_cast<std::uint64_t>(status.st_size)});
        } else {
            files.push_back({std::string(name) + '/', 0});
        }
    }
    ::closedir(directory);
    // A list that is short would look like a log that is.
    if (error != 0) return failure(error, "readdir", path);
    std::ranges::sort(files, {}, &wal::FileStatus::name);
    return files;
}

std::expected<void, DiskFailure> read_all(int fd, std::string_view file, std::uint64_t offset,
                                          std::span<char> out) {
    while (!out.empty()) {
        const ssize_t count = ::pread(fd, out.data(), out.size(), static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return failure(errno, "pread", std::string(file));
        if (count == 0)
            return std::unexpected(
                DiskFailure{DiskError::NotFound, std::string(file), "pread: past the end of the file"});
        out = out.subspan(static_cast<std::size_t>(count));
        offset += static_cast<std::uint64_t>(count);
    }
    return {};
}

}  // namespace quorate::io
