// The disk of a real node, on a real directory.

#include "io/disk_worker.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

namespace quorate::io {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using wal::CreateZeroed;
using wal::DiskError;
using wal::DiskLane;
using wal::FileStatus;
using wal::RemoveFile;
using wal::RenameFile;
using wal::SyncDirectory;
using wal::SyncFile;
using wal::WriteAt;

class Disk : public testing::Test {
 protected:
    Disk() {
        std::string name = testing::TempDir() + "disk-XXXXXX";
        EXPECT_NE(::mkdtemp(name.data()), nullptr);
        root_ = name;
        directory_ = root_ + "/data/n1";
        disk_ = make();
    }
    void TearDown() override {
        disk_.reset();
        std::filesystem::remove_all(root_);
    }

    std::unique_ptr<DiskWorker> make() {
        return std::make_unique<DiskWorker>(
            loop_, directory_, [this](const wal::DiskCompletion& done) { completions_.push_back(done); });
    }
    void run(const std::vector<wal::DiskOperation>& operations) {
        const auto done = disk_->run(operations);
        ASSERT_TRUE(done) << done.error().file << ": " << done.error().detail;
    }
    DiskError error_of(const wal::DiskOperation& operation) {
        const auto done = disk_->run({&operation, 1});
        EXPECT_FALSE(done);
        return done ? DiskError::Failed : done.error().error;
    }
    std::string content(const std::string& file, std::size_t bytes, std::uint64_t offset = 0) {
        std::string out(bytes, '?');
        const auto done = disk_->read(file, offset, out);
        EXPECT_TRUE(done) << done.error().detail;
        return out;
    }
    void wait_for(std::size_t completions) {
        while (completions_.size() < completions) uv_run(loop_.uv(), UV_RUN_ONCE);
    }
    [[nodiscard]] mode_t mode(const std::string& path) const {
        struct stat status{};
        EXPECT_EQ(::stat((root_ + path).c_str(), &status), 0);
        return status.st_mode & 0777U;
    }

    Loop loop_;
    std::string root_;
    std::string directory_;
    std::vector<wal::DiskCompletion> completions_;
    std::unique_ptr<DiskWorker> disk_;
};

TEST_F(Disk, MakesTheDirectoryForItsOwnerAlone) {
    const mode_t before = ::umask(0);
    ASSERT_TRUE(disk_->lock());
    run({CreateZeroed{"a", 10}});
    ::umask(before);
    EXPECT_EQ(mode("/data"), 0700U);
    EXPECT_EQ(mode("/data/n1"), 0700U);
    EXPECT_EQ(mode("/data/n1/a"), 0600U);
    EXPECT_EQ(mode("/data/n1/LOCK"), 0600U);
}

TEST_F(Disk, IsTakenByOneOnly) {
    ASSERT_TRUE(disk_->lock());
    auto second = make();
    const auto refused = second->lock();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().error, DiskError::Locked);
    disk_.reset();
    EXPECT_TRUE(second->lock()) << "free again once its owner has gone";
}

TEST_F(Disk, IsTakenByOneOnlyAlsoWithoutItsLockFile) {
    ASSERT_TRUE(disk_->lock());
    ASSERT_TRUE(std::filesystem::remove(directory_ + "/LOCK"));
    const auto refused = make()->lock();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().error, DiskError::Locked);
}

// Nothing that a disk has broken: somebody has put something else there.
TEST_F(Disk, WhatIsNoFileIsNotOursToWrite) {
    ASSERT_TRUE(disk_->lock());
    std::filesystem::create_directory(directory_ + "/file");
    EXPECT_EQ(error_of(CreateZeroed{"file", 10}), DiskError::NotAFile);
    ASSERT_EQ(::mkfifo((directory_ + "/pipe").c_str(), 0600), 0);
    EXPECT_EQ(error_of(CreateZeroed{"pipe", 10}), DiskError::NotAFile);
}

TEST_F(Disk, CannotBeWhereAFileIs) {
    directory_ = root_ + "/file/n1";
    std::fclose(std::fopen((root_ + "/file").c_str(), "w"));
    disk_ = make();
    const auto refused = disk_->lock();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().error, DiskError::Failed);
    EXPECT_THAT(refused.error().detail, HasSubstr("Not a directory"));
}

TEST_F(Disk, ListsWhatIsThereSortedWithoutTheLock) {
    ASSERT_TRUE(disk_->lock());
    const auto empty = disk_->list();
    ASSERT_TRUE(empty);
    EXPECT_THAT(*empty, IsEmpty());
    run({CreateZeroed{"c", 3}, CreateZeroed{"a", 0}, CreateZeroed{"b", 2}, SyncDirectory{}});
    std::filesystem::create_directory(directory_ + "/directory");
    std::filesystem::create_directory(directory_ + "/lost+found");
    std::filesystem::create_symlink("a", directory_ + "/link");
    const auto files = disk_->list();
    ASSERT_TRUE(files);
    EXPECT_THAT(*files, ElementsAre(FileStatus{"a", 0}, FileStatus{"b", 2}, FileStatus{"c", 3},
                                    FileStatus{"directory/", 0}, FileStatus{"link/", 0}));
}

TEST_F(Disk, WritesAndReads) {
    ASSERT_TRUE(disk_->lock());
    // More than one piece of zeros, and no whole number of them.
    constexpr std::uint64_t kBytes = (2U << 20) + 5;
    run({CreateZeroed{"a", kBytes}, WriteAt{"a", 3, "xyz"}, WriteAt{"a", kBytes - 1, "!?"},
         WriteAt{"a", 0, ""}, SyncFile{"a"}});
    EXPECT_EQ(content("a", 8), std::string("\0\0\0xyz\0\0", 8));
    EXPECT_EQ(content("a", 3, kBytes - 2), std::string("\0!?", 3));
    std::string zeros = content("a", kBytes - 7, 6);
    EXPECT_EQ(zeros, std::string(zeros.size(), '\0'));
    EXPECT_THAT(*disk_->list(), ElementsAre(FileStatus{"a", kBytes + 1}));
    // A new file of the name has nothing of the old one.
    run({CreateZeroed{"a", 4}});
    EXPECT_EQ(content("a", 4), std::string(4, '\0'));
}

TEST_F(Disk, SaysWhatIsNotThere) {
    ASSERT_TRUE(disk_->lock());
    EXPECT_EQ(error_of(WriteAt{"a", 0, "x"}), DiskError::NotFound);
    EXPECT_EQ(error_of(SyncFile{"a"}), DiskError::NotFound);
    EXPECT_EQ(error_of(RenameFile{"a", "b"}), DiskError::NotFound);
    run({RemoveFile{"a"}, CreateZeroed{"b", 4}});
    char bytes[5];
    for (const auto& done :
         {disk_->read("a", 0, bytes), disk_->read("b", 0, bytes), disk_->read("b", 9, bytes)}) {
        ASSERT_FALSE(done);
        EXPECT_EQ(done.error().error, DiskError::NotFound);
    }
    EXPECT_THAT(*disk_->list(), ElementsAre(FileStatus{"b", 4})) << "nothing was made by asking";
}

TEST_F(Disk, RenamesAndRemovesWhatIsOpenToo) {
    ASSERT_TRUE(disk_->lock());
    run({CreateZeroed{"a", 4}, CreateZeroed{"b", 4}, WriteAt{"a", 0, "aaaa"}, WriteAt{"b", 0, "bbbb"},
         RenameFile{"a", "b"}, SyncDirectory{}, WriteAt{"b", 1, "c"}, SyncFile{"b"}});
    EXPECT_EQ(content("b", 4), "acaa");
    EXPECT_EQ(error_of(WriteAt{"a", 0, "x"}), DiskError::NotFound);
    run({CreateZeroed{"a", 4}, WriteAt{"a", 0, "new!"}});
    EXPECT_EQ(content("b", 4), "acaa");
    run({RemoveFile{"b"}, SyncDirectory{}});
    EXPECT_EQ(error_of(WriteAt{"b", 0, "x"}), DiskError::NotFound);
    EXPECT_THAT(*disk_->list(), ElementsAre(FileStatus{"a", 4}));
    disk_ = make();
    ASSERT_TRUE(disk_->lock());
    EXPECT_EQ(content("a", 4), "new!");
}

// Piece by piece, so that nothing is left to be freed at once when the last descriptor goes.
TEST_F(Disk, ARemovedFileHasGivenBackItsRoom) {
    ASSERT_TRUE(disk_->lock());
    run({CreateZeroed{"large", 9 << 20}});
    const Descriptor held(::open((directory_ + "/large").c_str(), O_RDONLY | O_CLOEXEC));
    run({RemoveFile{"large"}});
    struct stat status{};
    ASSERT_EQ(::fstat(held.fd(), &status), 0);
    EXPECT_EQ(status.st_nlink, 0U);
    EXPECT_EQ(status.st_size, 0);
}

// A limit of the system on a file's size stands in for a disk that is full.
TEST_F(Disk, WithoutRoomSaysSoAndLeavesNoFile) {
    ASSERT_TRUE(disk_->lock());
    run({CreateZeroed{"small", 10}});
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    rlimit tight = before;
    tight.rlim_cur = 3U << 19;
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
    EXPECT_EQ(error_of(CreateZeroed{"large", 4U << 20}), DiskError::NoSpace);
    EXPECT_EQ(error_of(WriteAt{"small", 3U << 19, "x"}), DiskError::NoSpace);
    ::setrlimit(RLIMIT_FSIZE, &before);
    EXPECT_THAT(*disk_->list(), ElementsAre(FileStatus{"small", 10}));
    run({CreateZeroed{"large", 4U << 20}});
}

std::vector<int> open_descriptors() {
    std::vector<int> descriptors;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
        descriptors.push_back(std::stoi(entry.path().filename()));
    return descriptors;
}

// The process can open nothing more while this lives.
class NoDescriptors {
 public:
    NoDescriptors() {
        EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
        const rlimit none{static_cast<rlim_t>(std::ranges::max(open_descriptors())) + 1, before_.rlim_max};
        EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
        for (int fd = ::dup(0); fd >= 0; fd = ::dup(0)) taken_.push_back(fd);
    }
    NoDescriptors(const NoDescriptors&) = delete;
    NoDescriptors& operator=(const NoDescriptors&) = delete;
    ~NoDescriptors() {
        for (const int fd : taken_) ::close(fd);
        ::setrlimit(RLIMIT_NOFILE, &before_);
    }

 private:
    rlimit before_{};
    std::vector<int> taken_;
};

TEST_F(Disk, AFileThatNoDescriptorIsLeftForCanBeMadeLater) {
    ASSERT_TRUE(disk_->lock());
    run({CreateZeroed{"old", 10}});
    disk_.reset();
    disk_ = make();
    ASSERT_TRUE(disk_->lock());
    {
        const NoDescriptors none;
        EXPECT_EQ(error_of(CreateZeroed{"new", 10}), DiskError::NoSpace);
        EXPECT_EQ(error_of(CreateZeroed{"old", 10}), DiskError::NoSpace);
    }
    EXPECT_THAT(*disk_->list(), IsEmpty()) << "a failure leaves no file of that name";
    run({CreateZeroed{"new", 10}});
}

// The log's life with many segments: each is prepared, renamed and filled, with votes in between.
TEST_F(Disk, ManyFilesCostADozenDescriptors) {
    ASSERT_TRUE(disk_->lock());
    for (const auto* file : {"identity-a", "identity-b", "vote-a", "vote-b"}) run({CreateZeroed{file, 16}});
    const auto log = [](int number) { return "log-" + std::to_string(number); };
    constexpr int kFiles = 100;
    const std::size_t before = open_descriptors().size();
    std::size_t most = before;
    for (int i = 0; i < kFiles; ++i) {
        run({CreateZeroed{"spare", 16}, RenameFile{"spare", log(i)}, WriteAt{"vote-a", 0, "a"},
             WriteAt{"vote-b", 0, "b"}, WriteAt{log(i), 0, log(i)}, SyncFile{log(i)}});
        EXPECT_EQ(content(log(i / 2), log(i / 2).size()), log(i / 2));
        most = std::max(most, open_descriptors().size());
    }
    for (int i = 0; i < kFiles; ++i) EXPECT_EQ(content(log(i), log(i).size()), log(i));
    most = std::max(most, open_descriptors().size());
    EXPECT_LE(most - before, 8U);
}

// Nothing that the log writes in the segments that it has may wait for a descriptor, nor what is read for a
// peer.
TEST_F(Disk, WithoutDescriptorsTheLogAndTheVoteAreWrittenAndTheLogIsRead) {
    ASSERT_TRUE(disk_->lock());
    for (int i = 0; i < 100; ++i) run({CreateZeroed{"log-" + std::to_string(i), 16}});
    for (const auto* file : {"identity-a", "identity-b", "vote-a", "vote-b", "spare"})
        run({CreateZeroed{file, 16}});
    disk_.reset();
    disk_ = make();
    // A start: everything is read, and what recovery mends is written.
    ASSERT_TRUE(disk_->lock());
    const auto files = disk_->list();
    ASSERT_TRUE(files);
    for (const auto& file : *files) (void)content(file.name, 16);
    run({WriteAt{"log-99", 0, "x"}, SyncFile{"log-99"}, SyncDirectory{}, SyncFile{"vote-b"},
         WriteAt{"vote-a", 0, "x"}, SyncFile{"vote-a"}, WriteAt{"vote-b", 0, "x"},
         CreateZeroed{"spare", 16}});
    // A peer catches up.
    for (int i = 0; i < 50; ++i) (void)content("log-" + std::to_string(i), 16);
    const NoDescriptors none;
    run({WriteAt{"log-99", 1, "y"}, SyncFile{"log-99"}, WriteAt{"spare", 0, "z"}, SyncFile{"spare"},
         RenameFile{"spare", "log-100"}, SyncDirectory{}, WriteAt{"vote-a", 0, "y"}, SyncFile{"vote-a"},
         WriteAt{"vote-b", 0, "y"}, SyncFile{"vote-b"}, WriteAt{"log-100", 1, "z"}});
    for (int i = 50; i < 99; ++i) (void)content("log-" + std::to_string(i), 16);
    EXPECT_EQ(content("log-99", 2), "xy");
    EXPECT_EQ(content("log-100", 2), "zz");
}

// As when a node that has just become the leader reads, for a peer that is behind, what nobody has read here.
TEST_F(Disk, ThereIsADescriptorForTheFirstFileThatIsRead) {
    ASSERT_TRUE(disk_->lock());
    for (int round = 0; round < 2; ++round) {
        for (const auto* file : {"log-1", "log-2", "log-3"})
            run({CreateZeroed{file, 16}, WriteAt{file, 0, file}});
        disk_.reset();
        disk_ = make();
        ASSERT_TRUE(disk_->lock());
        const NoDescriptors none;
        EXPECT_EQ(content("log-1", 5), "log-1");
        EXPECT_EQ(content("log-2", 5), "log-2");
        run({RemoveFile{"log-2"}});
        EXPECT_EQ(content("log-3", 5), "log-3");
        EXPECT_EQ(error_of(CreateZeroed{"log-2", 16}), DiskError::NoSpace);
        EXPECT_EQ(content("log-1", 5), "log-1") << "a new file can wait, what is read cannot";
    }
}

TEST_F(Disk, JobsOfALaneEndInTheirOrder) {
    ASSERT_TRUE(disk_->lock());
    run({CreateZeroed{"log", 1000}, CreateZeroed{"spare", 1000}});
    constexpr std::uint64_t kJobs = 200;
    for (std::uint64_t id = 0; id < kJobs; ++id) {
        const bool is_log = id % 2 == 0;
        disk_->submit(
            {id,
             is_log ? DiskLane::Log : DiskLane::Background,
             {WriteAt{is_log ? "log" : "spare", id, std::string(1, static_cast<char>('a' + id % 26))},
              WriteAt{is_log ? "log" : "spare", 999, std::to_string(id % 10)}}});
    }
    EXPECT_THAT(completions_, IsEmpty()) << "never from within submit()";
    wait_for(kJobs);
    std::vector<std::uint64_t> lanes[2];
    for (const auto& done : completions_) {
        EXPECT_TRUE(done.result);
        lanes[done.id % 2].push_back(done.id);
    }
    for (const auto& lane : lanes) {
        EXPECT_EQ(lane.size(), kJobs / 2);
        EXPECT_TRUE(std::ranges::is_sorted(lane));
    }
    EXPECT_EQ(content("log", 1, 26), "a");
    EXPECT_EQ(content("log", 1, 999), "8") << "the last job was the last to write";
    EXPECT_EQ(content("spare", 1, 999), "9");
}

TEST_F(Disk, AJobEndsAtItsFirstFailureAndTheNextOneIsTried) {
    ASSERT_TRUE(disk_->lock());
    disk_->submit({1, DiskLane::Log, {CreateZeroed{"a", 1}, SyncFile{"missing"}, CreateZeroed{"b", 1}}});
    disk_->submit({2, DiskLane::Log, {CreateZeroed{"c", 1}}});
    wait_for(2);
    EXPECT_EQ(completions_[0].id, 1U);
    ASSERT_FALSE(completions_[0].result);
    EXPECT_EQ(completions_[0].result.error().error, DiskError::NotFound);
    EXPECT_EQ(completions_[0].result.error().file, "missing");
    EXPECT_EQ(completions_[1].id, 2U);
    EXPECT_TRUE(completions_[1].result);
    EXPECT_THAT(*disk_->list(), ElementsAre(FileStatus{"a", 1}, FileStatus{"c", 1}));
}

TEST_F(Disk, FinishesWhatWasSubmittedBeforeItGoes) {
    ASSERT_TRUE(disk_->lock());
    for (std::uint64_t id = 0; id < 50; ++id)
        disk_->submit({id,
                       id % 2 == 0 ? DiskLane::Log : DiskLane::Background,
                       {CreateZeroed{"f" + std::to_string(id), 1}, SyncDirectory{}}});
    disk_.reset();
    uv_run(loop_.uv(), UV_RUN_NOWAIT);
    EXPECT_THAT(completions_, IsEmpty());
    disk_ = make();
    ASSERT_TRUE(disk_->lock());
    EXPECT_EQ(disk_->list()->size(), 50U);
}

}  // namespace
}  // namespace quorate::io
