// Power cuts of real file systems: what was not synced is gone, and what was synced is there.

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/support/mounted_disk.h"
#include "tests/support/process_cluster.h"
#include "tests/support/process_load.h"

namespace quorate::test {
namespace {

// ext4 keeps these to itself: the file system takes nothing any more, and what is in its journal's memory is
// lost.
constexpr unsigned long kExt4Shutdown = _IOR('X', 125, std::uint32_t);
constexpr std::uint32_t kWithoutLog = 2;

class PowerCut : public testing::Test {
 protected:
    PowerCut() : cluster_(3, {"--snapshot-entries", "200", "--snapshot-mb", "4"}) {
        for (std::size_t node = 0; node < cluster_.size(); ++node) cluster_.kill(node);
        for (std::size_t node = 0; node < cluster_.size() && failure_.empty(); ++node) {
            const std::filesystem::path image = directory_.path() / cluster_.name(node);
            const Outcome made = run_program("/sbin/mkfs.ext4", {"-q", "-F", image.string(), "512M"});
            if (made.ending != Ending{0, 0}) {
                failure_ = "mkfs.ext4: " + made.output;
                return;
            }
            create_directories(cluster_.data_directory(node));
            disks_.push_back(std::make_unique<MountedDisk>(
                cluster_.data_directory(node), std::vector<std::string>{"-o", "loop", image.string()}));
            failure_ = disks_.back()->failure();
        }
    }
    void TearDown() override {
        for (std::size_t node = 0; node < cluster_.size(); ++node) cluster_.kill(node);
        disks_.clear();  // before the directories that they are on
    }

    void cut(std::size_t node) {
        const int fd = ::open(cluster_.data_directory(node).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ASSERT_GE(fd, 0);
        EXPECT_EQ(::ioctl(fd, kExt4Shutdown, &kWithoutLog), 0);
        ::close(fd);
    }
    void start_after_cut(std::size_t node) {
        cluster_.kill(node);
        ASSERT_TRUE(disks_[node]->mount_again()) << disks_[node]->failure();
        cluster_.start(node);
    }

    TemporaryDirectory directory_;
    std::string failure_;  ///< why there are no disks; empty: there are
    std::vector<std::unique_ptr<MountedDisk>> disks_;
    Cluster cluster_;
    std::mt19937_64 dice_{std::random_device{}()};
};

TEST_F(PowerCut, EveryAcknowledgedWriteIsThereAfterCutsOfOneAndOfAll) {
    if (!failure_.empty()) GTEST_SKIP() << "this process may not mount: " << failure_;
    const char* text = std::getenv("QUORATE_KILL_ROUNDS");
    const int rounds = text != nullptr ? std::stoi(text) : 6;
    for (std::size_t node = 0; node < cluster_.size(); ++node) cluster_.start(node);
    (void)cluster_.wait_for_leader();
    Load load(cluster_, 4, 256);
    for (int round = 0; round < rounds && !HasFailure(); ++round) {
        SCOPED_TRACE(round);
        ASSERT_TRUE(load.wait_for(1 + dice_() % 300));
        if (round % 2 == 0) {
            const std::size_t node = dice_() % cluster_.size();
            cut(node);
            start_after_cut(node);
        } else {
            for (std::size_t node = 0; node < cluster_.size(); ++node) cut(node);
            for (std::size_t node = 0; node < cluster_.size(); ++node) start_after_cut(node);
        }
    }
    ASSERT_TRUE(load.wait_for(100)) << "and writes go on";
    load.stop();
    for (std::size_t node = 0; node < cluster_.size(); ++node)
        ASSERT_TRUE(cluster_.wait_until_caught_up(node));
    expect_exactly_the_attempts(cluster_, load.attempts());
}

}  // namespace
}  // namespace quorate::test
