#pragma once

// The real disk behind wal::Disk: one directory, plain system calls, one thread for each lane.

#include <array>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "io/handle.h"
#include "io/loop.h"
#include "io/open_files.h"
#include "wal/disk.h"

namespace quorate::io {

class DiskWorker : public wal::Disk {
 public:
    /// Completions arrive through `loop`, on its thread, one by one.
    DiskWorker(Loop& loop, std::string directory,
               std::function<void(const wal::DiskCompletion&)> on_completed);
    DiskWorker(const DiskWorker&) = delete;
    DiskWorker& operator=(const DiskWorker&) = delete;
    /// Finishes what was submitted; nothing is reported any more.
    ~DiskWorker() override;

    std::expected<void, wal::DiskFailure> lock() override;
    std::expected<std::vector<wal::FileStatus>, wal::DiskFailure> list() override;
    std::expected<void, wal::DiskFailure> read(std::string_view file, std::uint64_t offset,
                                               std::span<char> out) override;
    std::expected<void, wal::DiskFailure> run(std::span<const wal::DiskOperation> operations) override;
    void submit(wal::DiskJob job) override;
    void met(wal::Situation) override {}

 private:
    struct Lane {
        std::deque<wal::DiskJob> jobs;
        std::condition_variable wake;
        std::thread thread;
    };

    using Result = std::expected<void, wal::DiskFailure>;
    void work(Lane& lane);
    void report();
    Result perform(const wal::WriteAt& operation);
    Result perform(const wal::SyncFile& operation);
    Result perform(const wal::CreateZeroed& operation);
    Result perform(const wal::RenameFile& operation);
    Result perform(const wal::RemoveFile& operation);
    Result perform(const wal::SyncDirectory& operation);
    static Result write_zeros(int fd, const std::string& file, std::uint64_t size);
    static Result write_all(int fd, const std::string& file, std::string_view bytes, std::uint64_t offset);

    std::string directory_;
    int directory_fd_ = -1;
    int lock_fd_ = -1;
    std::function<void(const wal::DiskCompletion&)> on_completed_;
    Handle<uv_async_t> async_;

    OpenFiles files_;

    std::mutex mutex_;
    std::array<Lane, 2> lanes_;
    std::vector<wal::DiskCompletion> completions_;
    bool is_ending_ = false;
};

}  // namespace quorate::io
