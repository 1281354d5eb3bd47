#include "io/whole_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace quorate::io {

namespace {

std::unexpected<std::string> failed(std::string_view path, std::string_view call) {
    return std::unexpected(fmt::format("{}: {}: {}", path, call, std::strerror(errno)));
}

std::string directory_of(const std::string& name) {
    const std::size_t slash = name.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : name.substr(0, slash);
}

// Between open and lock, the process that had it may have given it its name: then it is no longer ours to
// write, and nobody finds it here any more.
bool is_still_at(int descriptor, const std::string& path) {
    struct stat held{};
    struct stat found{};
    return ::fstat(descriptor, &held) == 0 && ::stat(path.c_str(), &found) == 0 &&
           held.st_dev == found.st_dev && held.st_ino == found.st_ino;
}

}  // namespace

std::expected<std::unique_ptr<WholeFile>, std::string> WholeFile::create(const std::string& name) {
    struct stat present{};
    if (::stat(name.c_str(), &present) == 0 && !S_ISREG(present.st_mode))
        return std::unexpected(name + ": it is there, and no regular file");
    const std::string temporary = name + ".tmp";
    // Not emptied yet: it may be another process's.
    const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (descriptor < 0) return failed(temporary, "open");
    if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0 || !is_still_at(descriptor, temporary)) {
        ::close(descriptor);
        return std::unexpected(temporary + ": another process is writing it");
    }
    std::unique_ptr<WholeFile> file(new WholeFile(name, descriptor));
    if (::ftruncate(descriptor, 0) != 0) return failed(temporary, "ftruncate");
    return file;
}

WholeFile::WholeFile(std::string name, int descriptor)
    : name_(std::move(name)), temporary_(name_ + ".tmp"), descriptor_(descriptor) {}

WholeFile::~WholeFile() {
    if (!is_finished_) ::unlink(temporary_.c_str());
    ::close(descriptor_);  // and with it the lock, at last
}

std::expected<void, std::string> WholeFile::write(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return failed(temporary_, "write");
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

std::expected<void, std::string> WholeFile::finish() {
    if (::fsync(descriptor_) != 0) return failed(temporary_, "fsync");
    if (std::rename(temporary_.c_str(), name_.c_str()) != 0) return failed(name_, "rename");
    is_finished_ = true;
    const std::string directory = directory_of(name_);
    const int opened = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (opened < 0) return failed(directory, "open");
    const int synced = ::fsync(opened);
    auto outcome = synced == 0 ? std::expected<void, std::string>() : failed(directory, "fsync");
    ::close(opened);
    return outcome;
}

}  // namespace quorate::io
