#include "io/directory_reader.h"

#include <cerrno>
#include <utility>

#include <fcntl.h>

#include "io/directory.h"

namespace quorate::io {

DirectoryReader::DirectoryReader(int directory_fd, std::string path)
    : directory_(directory_fd), path_(std::move(path)) {}

std::expected<std::unique_ptr<DirectoryReader>, wal::DiskFailure> DirectoryReader::open(
    const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return failure(errno, "open", path);
    return std::unique_ptr<DirectoryReader>(new DirectoryReader(fd, path));
}

std::expected<std::vector<wal::FileStatus>, wal::DiskFailure> DirectoryReader::list() {
    return list_files(directory_.fd(), path_);
}

// Opened by name each time: a name may have passed to another file since.
std::expected<void, wal::DiskFailure> DirectoryReader::read(std::string_view file, std::uint64_t offset,
                                                            std::span<char> out) {
    const std::string name(file);
    const int fd = ::openat(directory_.fd(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return failure(errno, "open", name);
    const Descriptor opened(fd);
    return read_all(opened.fd(), file, offset, out);
}

}  // namespace quorate::io
