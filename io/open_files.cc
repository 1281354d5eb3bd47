#include "io/open_files.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace quorate::io {

namespace {

/// The copies of the vote, the segment in use and the next one are never among the oldest of so many, for
/// only the four and the copies of the identity are written to, again and again. So none of them is closed
/// between a write and its sync, or has to be opened for a write.
constexpr std::size_t kWrittenMax = 8;
/// Whoever catches up from our log reads one segment at a time.
constexpr std::size_t kReadMax = 4;

}  // namespace

Descriptor::~Descriptor() { ::close(fd_); }

OpenFiles::~OpenFiles() {
    if (spare_fd_ >= 0) ::close(spare_fd_);
}

void OpenFiles::set_directory(int directory_fd) {
    const std::scoped_lock guard(mutex_);
    directory_fd_ = directory_fd;
    keep_spare();
}

OpenFiles::Opened OpenFiles::to_read(std::string_view file) {
    const std::scoped_lock guard(mutex_);
    if (const auto found = std::ranges::find(written_, file, &File::name); found != written_.end())
        return found->descriptor;
    Opened opened = take(read_, file);
    if (*opened == nullptr) opened = open_at_any_price(file);
    if (opened) keep_read(file, *opened);
    return opened;
}

OpenFiles::Opened OpenFiles::to_write(std::string_view file) {
    const std::scoped_lock guard(mutex_);
    Opened opened = take(written_, file);
    if (*opened == nullptr) opened = take(read_, file);
    if (*opened == nullptr) opened = open_at_any_price(file);
    if (opened) keep_written(file, *opened);
    return opened;
}

OpenFiles::Opened OpenFiles::create(std::string_view file) {
    close(file);
    Opened opened = [&] {
        const std::scoped_lock guard(mutex_);
        // Without a spare, a file that was read is what a later read relies on: this one can wait for room.
        return open(file, O_RDWR | O_CREAT | O_CLOEXEC, spare_fd_ < 0 ? 1U : 0U);
    }();
    if (!opened) return opened;
    // To give back the blocks of an old one takes tens of milliseconds, which nobody who reads waits for.
    // What is no file has no length: the first write tells.
    if (::ftruncate((*opened)->fd(), 0) != 0 && errno != EINVAL) return std::unexpected(errno);
    const std::scoped_lock guard(mutex_);
    keep_written(file, *opened);
    return opened;
}

void OpenFiles::renamed(std::string_view from, std::string_view to) {
    close(to);
    const std::scoped_lock guard(mutex_);
    for (Files* files : {&written_, &read_}) {
        if (const auto found = std::ranges::find(*files, from, &File::name); found != files->end())
            found->name = to;
    }
}

// With the last descriptor of a removed file go its blocks: not while somebody waits.
void OpenFiles::close(std::string_view file) {
    for (Files* files : {&written_, &read_}) {
        std::unique_lock guard(mutex_);
        Held taken = take(*files, file);
        guard.unlock();
        taken.reset();
    }
    const std::scoped_lock guard(mutex_);
    keep_spare();
}

OpenFiles::Held OpenFiles::take(Files& files, std::string_view name) {
    const auto found = std::ranges::find(files, name, &File::name);
    if (found == files.end()) return nullptr;
    Held taken = std::move(found->descriptor);
    files.erase(found);
    return taken;
}

// When there is no descriptor left, the file that was read longest ago gives up its own, while more than
// `kept` of them are there.
OpenFiles::Opened OpenFiles::open(std::string_view file, int flags, std::size_t kept) {
    const std::string name(file);
    for (;;) {
        const int fd = ::openat(directory_fd_, name.c_str(), flags, 0600);
        if (fd >= 0) {
            keep_spare();
            return std::make_shared<const Descriptor>(fd);
        }
        const int error = errno;
        if ((error != EMFILE && error != ENFILE) || read_.size() <= kept) return std::unexpected(error);
        read_.erase(read_.begin());
    }
}

// A failure here would end the process, over a lack that passes.
OpenFiles::Opened OpenFiles::open_at_any_price(std::string_view file) {
    Opened opened = open(file, O_RDWR | O_CLOEXEC, 0);
    if (opened || (opened.error() != EMFILE && opened.error() != ENFILE) || spare_fd_ < 0) return opened;
    ::close(std::exchange(spare_fd_, -1));
    return open(file, O_RDWR | O_CLOEXEC, 0);
}

// A file of the system's own, since a duplicate would be of no use when it is the system that has none left.
void OpenFiles::keep_spare() {
    if (spare_fd_ < 0) spare_fd_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void OpenFiles::keep_written(std::string_view file, const Held& descriptor) {
    written_.push_back({std::string(file), descriptor});
    if (written_.size() <= kWrittenMax) return;
    const File oldest = std::move(written_.front());
    written_.erase(written_.begin());
    keep_read(oldest.name, oldest.descriptor);
}

void OpenFiles::keep_read(std::string_view file, const Held& descriptor) {
    read_.push_back({std::string(file), descriptor});
    if (read_.size() > kReadMax) read_.erase(read_.begin());
}

}  // namespace quorate::io
