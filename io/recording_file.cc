#include "io/recording_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <deque>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace quorate::io {

namespace {

std::unexpected<std::string> failure(std::string_view path, std::string_view call, int error) {
    return std::unexpected(fmt::format("{}: {}: {}", path, call, std::strerror(error)));
}

std::string kept_name(const std::string& path, int number) {
    return number == 0 ? path : fmt::format("{}.{}", path, number);
}

// A recording that is to make room, locked so that nobody writes it; nothing when no file has that name.
class Earlier {
 public:
    explicit Earlier(int fd) : fd_(fd) {}
    Earlier(const Earlier&) = delete;
    Earlier& operator=(const Earlier&) = delete;
    ~Earlier() {
        if (fd_ >= 0) ::close(fd_);
    }

    // Whether it may be put aside, or be overwritten by one that is: it is empty, or a recording that nobody
    // writes any more.
    [[nodiscard]] std::expected<void, std::string> check(const std::string& path,
                                                         std::string_view magic) const {
        if (fd_ < 0) return {};
        struct stat status{};
        if (::fstat(fd_, &status) != 0) return failure(path, "fstat", errno);
        if (!S_ISREG(status.st_mode)) return std::unexpected(path + ": is there, and is no regular file");
        if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
            if (errno == EWOULDBLOCK) return std::unexpected(path + ": another process records into it");
            return failure(path, "flock", errno);
        }
        std::string begin(magic.size(), '\0');
        const ssize_t read = ::pread(fd_, begin.data(), begin.size(), 0);
        if (read < 0) return failure(path, "pread", errno);
        if (read != 0 && begin != magic)
            return std::unexpected(path + ": is there, and is no recording: it is left as it is");
        return {};
    }

 private:
    int fd_;
};

std::expected<void, std::string> put_aside(const std::string& path, std::string_view magic) {
    std::deque<Earlier> all;  // locked until the last has its new name
    for (int number = 0; number <= kRecordingsKept; ++number) {
        const std::string name = kept_name(path, number);
        const int fd = ::open(name.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0 && errno != ENOENT) return failure(name, "open", errno);
        if (fd < 0 && number == 0) return {};
        if (auto checked = all.emplace_back(fd).check(name, magic); !checked) return checked;
    }
    for (int number = kRecordingsKept; number > 0; --number) {
        const std::string from = kept_name(path, number - 1);
        if (::rename(from.c_str(), kept_name(path, number).c_str()) != 0 && errno != ENOENT)
            return failure(from, "rename", errno);
    }
    return {};
}

}  // namespace

RecordingFile::~RecordingFile() { ::close(fd_); }

std::expected<std::unique_ptr<RecordingFile>, std::string> RecordingFile::create(const std::string& path,
                                                                                 std::string_view magic) {
    if (auto done = put_aside(path, magic); !done) return std::unexpected(std::move(done.error()));
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return failure(path, "open", errno);
    std::unique_ptr<RecordingFile> file(new RecordingFile(path, fd));
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) return failure(path, "flock", errno);
    return file;
}

std::expected<void, std::string> RecordingFile::write(std::string_view bytes) {
    const auto done = put(bytes);
    if (!done) return failure(path_, done.error().call, done.error().error);
    return {};
}

std::expected<void, RecordingFile::Failure> RecordingFile::put(std::string_view bytes) {
    std::uint64_t offset = size_;
    while (!bytes.empty()) {
        const ssize_t count = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) {
            const int error = errno;
            // Half a block would be taken for one that a crash cut off.
            if (::ftruncate(fd_, static_cast<off_t>(size_)) != 0)
                return std::unexpected(Failure{"ftruncate", errno});
            return std::unexpected(Failure{"pwrite", error});
        }
        bytes.remove_prefix(static_cast<std::size_t>(count));
        offset += static_cast<std::uint64_t>(count);
    }
    size_ = offset;
    return {};
}

}  // namespace quorate::io
