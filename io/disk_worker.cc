#include "io/disk_worker.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/directory.h"

namespace quorate::io {

using wal::DiskError;
using wal::DiskFailure;

namespace {

/// New files are synced after so many bytes, and removed ones give back so many at a time: while the disk or
/// the file system is busy with more at once, the log's syncs wait.
constexpr std::size_t kStepBytes = 1U << 20;

/// Of a file that was to be made: nothing has been written, so a lack of descriptors or of memory is as good
/// as one of room, and passes likewise.
std::unexpected<DiskFailure> creation_failure(int error, std::string file) {
    auto failed = failure(error, "open", std::move(file));
    if (error == EMFILE || error == ENFILE || error == ENOMEM) failed.error().error = DiskError::NoSpace;
    return failed;
}

/// Of a file that has no name any more. What cannot be freed so goes when it is closed.
void free_in_steps(int fd) {
    struct stat status{};
    if (::fstat(fd, &status) != 0) return;
    for (off_t end = status.st_size; end > 0;) {
        end = std::max<off_t>(0, end - static_cast<off_t>(kStepBytes));
        if (::ftruncate(fd, end) != 0) return;
    }
}

/// A directory's name is durable once the directory above it is synced.
std::expected<void, DiskFailure> sync_parent(const std::string& path) {
    const int fd = ::open((path + "/..").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return failure(errno, "open", path + "/..");
    const int error = ::fsync(fd) == 0 ? 0 : errno;
    ::close(fd);
    if (error != 0) return failure(error, "fsync", path + "/..");
    return {};
}

/// Every directory of the path that is missing, for the owner alone.
std::expected<void, DiskFailure> make_directories(const std::string& path) {
    for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
        const std::string part = path.substr(0, end);
        if (::mkdir(part.c_str(), 0700) == 0) {
            if (auto synced = sync_parent(part); !synced) return synced;
        } else if (errno != EEXIST) {
            return failure(errno, "mkdir", part);
        }
        if (end == std::string::npos) return {};
    }
}

}  // namespace

DiskWorker::DiskWorker(Loop& loop, std::string directory,
                       std::function<void(const wal::DiskCompletion&)> on_completed)
    : directory_(std::move(directory)), on_completed_(std::move(on_completed)) {
    uv_async_init(loop.uv(), async_.get(), [](uv_async_t* handle) {
        if (auto* worker = static_cast<DiskWorker*>(handle->data)) worker->report();
    });
    async_.get()->data = this;
    async_.opened();
    for (Lane& lane : lanes_) lane.thread = std::thread([this, &lane] { work(lane); });
}

DiskWorker::~DiskWorker() {
    {
        const std::scoped_lock guard(mutex_);
        is_ending_ = true;
        for (Lane& lane : lanes_) lane.wake.notify_one();
    }
    for (Lane& lane : lanes_) lane.thread.join();
    if (lock_fd_ >= 0) ::close(lock_fd_);
    if (directory_fd_ >= 0) ::close(directory_fd_);
}

std::expected<void, DiskFailure> DiskWorker::lock() {
    if (auto made = make_directories(directory_); !made) return made;
    directory_fd_ = ::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory_fd_ < 0) return failure(errno, "open", directory_);
    files_.set_directory(directory_fd_);
    // The directory itself too: its file of that name may have been removed by somebody who thinks it stale.
    if (::flock(directory_fd_, LOCK_EX | LOCK_NB) != 0) return failure(errno, "flock", directory_);
    const std::string name(kLockFile);
    const std::string path = directory_ + "/" + name;
    lock_fd_ = ::openat(directory_fd_, name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock_fd_ < 0) return failure(errno, "open", path);
    if (::flock(lock_fd_, LOCK_EX | LOCK_NB) != 0) return failure(errno, "flock", path);
    return {};
}

std::expected<std::vector<wal::FileStatus>, DiskFailure> DiskWorker::list() {
    return list_files(directory_fd_, directory_);
}

std::expected<void, DiskFailure> DiskWorker::read(std::string_view file, std::uint64_t offset,
                                                  std::span<char> out) {
    const auto opened = files_.to_read(file);
    if (!opened) return failure(opened.error(), "open", std::string(file));
    return read_all((*opened)->fd(), file, offset, out);
}

DiskWorker::Result DiskWorker::write_all(int fd, const std::string& file, std::string_view bytes,
                                         std::uint64_t offset) {
    while (!bytes.empty()) {
        const ssize_t count = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return failure(errno, "pwrite", file);
        bytes.remove_prefix(static_cast<std::size_t>(count));
        offset += static_cast<std::uint64_t>(count);
    }
    return {};
}

DiskWorker::Result DiskWorker::perform(const wal::WriteAt& operation) {
    const auto opened = files_.to_write(operation.file);
    if (!opened) return failure(opened.error(), "open", operation.file);
    return write_all((*opened)->fd(), operation.file, operation.bytes, operation.offset);
}

DiskWorker::Result DiskWorker::perform(const wal::SyncFile& operation) {
    const auto opened = files_.to_write(operation.file);
    if (!opened) return failure(opened.error(), "open", operation.file);
    return ::fdatasync((*opened)->fd()) == 0 ? Result{} : failure(errno, "fdatasync", operation.file);
}

DiskWorker::Result DiskWorker::perform(const wal::CreateZeroed& operation) {
    Result made;
    if (const auto opened = files_.create(operation.file)) {
        made = write_zeros((*opened)->fd(), operation.file, operation.size);
    } else {
        made = creation_failure(opened.error(), operation.file);
    }
    if (made) return made;
    files_.close(operation.file);
    ::unlinkat(directory_fd_, operation.file.c_str(), 0);
    return made;
}

DiskWorker::Result DiskWorker::write_zeros(int fd, const std::string& file, std::uint64_t size) {
    const std::string zeros(std::min<std::uint64_t>(kStepBytes, size), '\0');
    for (std::uint64_t offset = 0; offset < size; offset += zeros.size()) {
        const auto piece =
            std::string_view(zeros).substr(0, std::min<std::uint64_t>(zeros.size(), size - offset));
        if (auto written = write_all(fd, file, piece, offset); !written) return written;
        if (::fdatasync(fd) != 0) return failure(errno, "fdatasync", file);
    }
    return ::fsync(fd) == 0 ? Result{} : failure(errno, "fsync", file);
}

DiskWorker::Result DiskWorker::perform(const wal::RenameFile& operation) {
    if (::renameat(directory_fd_, operation.from.c_str(), directory_fd_, operation.to.c_str()) != 0) {
        return failure(errno, "rename", operation.from);
    }
    files_.renamed(operation.from, operation.to);
    return {};
}

DiskWorker::Result DiskWorker::perform(const wal::RemoveFile& operation) {
    files_.close(operation.file);
    // Where there is no descriptor left it goes all at once.
    const Descriptor opened(::openat(directory_fd_, operation.file.c_str(), O_WRONLY | O_CLOEXEC));
    if (::unlinkat(directory_fd_, operation.file.c_str(), 0) != 0)
        return errno == ENOENT ? Result{} : failure(errno, "unlink", operation.file);
    if (opened.fd() >= 0) free_in_steps(opened.fd());
    return {};
}

DiskWorker::Result DiskWorker::perform(const wal::SyncDirectory&) {
    return ::fsync(directory_fd_) == 0 ? Result{} : failure(errno, "fsync", directory_);
}

std::expected<void, DiskFailure> DiskWorker::run(std::span<const wal::DiskOperation> operations) {
    for (const wal::DiskOperation& operation : operations) {
        if (auto done = std::visit([this](const auto& o) { return perform(o); }, operation); !done)
            return done;
    }
    return {};
}

void DiskWorker::submit(wal::DiskJob job) {
    Lane& lane = lanes_[job.lane == wal::DiskLane::Log ? 0 : 1];
    const std::scoped_lock guard(mutex_);
    lane.jobs.push_back(std::move(job));
    lane.wake.notify_one();
}

void DiskWorker::work(Lane& lane) {
    std::unique_lock guard(mutex_);
    for (;;) {
        lane.wake.wait(guard, [&] { return is_ending_ || !lane.jobs.empty(); });
        if (lane.jobs.empty()) return;
        const wal::DiskJob job = std::move(lane.jobs.front());
        lane.jobs.pop_front();
        guard.unlock();
        auto result = run(job.operations);
        guard.lock();
        completions_.push_back({job.id, std::move(result)});
        uv_async_send(async_.get());
    }
}

void DiskWorker::report() {
    std::vector<wal::DiskCompletion> completions;
    {
        const std::scoped_lock guard(mutex_);
        completions.swap(completions_);
    }
    for (const wal::DiskCompletion& completion : completions) on_completed_(completion);
}

}  // namespace quorate::io
