// The disk forgets what a real one may forget, and nothing else.

#include "sim/virtual_disk.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace quorate::sim {
namespace {

using wal::CreateZeroed;
using wal::DiskOperation;
using wal::RenameFile;
using wal::SyncDirectory;
using wal::SyncFile;
using wal::WriteAt;

constexpr std::size_t kSector = VirtualDisk::kSectorBytes;

bool always() { return true; }
bool never() { return false; }

void perform(VirtualDisk& disk, const std::vector<DiskOperation>& operations) {
    EXPECT_TRUE(disk.run(operations));
}

// A file of two sectors, durable with its name.
VirtualDisk::Image two_sectors() { return {{"file", std::string(2 * kSector, 'a')}}; }

TEST(VirtualDisk, WhatWasSyncedStays) {
    VirtualDisk disk(two_sectors());
    perform(disk, {WriteAt{"file", kSector, "new"}, SyncFile{"file"}});
    EXPECT_EQ(disk.after_crash(never, never), disk.written());
}

TEST(VirtualDisk, WhatWasNotSyncedMayBeLostSectorBySector) {
    VirtualDisk disk(two_sectors());
    perform(disk, {WriteAt{"file", 0, std::string(2 * kSector, 'b')}});
    EXPECT_EQ(disk.after_crash(never, always), two_sectors());
    EXPECT_EQ(disk.after_crash(always, always), disk.written());
    bool is_first = true;
    const auto second_only = [&] { return !std::exchange(is_first, false); };
    EXPECT_EQ(disk.after_crash(second_only, always).at("file"),
              std::string(kSector, 'a') + std::string(kSector, 'b'));
}

TEST(VirtualDisk, ASectorMayBeTorn) {
    VirtualDisk disk(two_sectors());
    perform(disk, {WriteAt{"file", 0, std::string(kSector, 'b')}});
    EXPECT_EQ(disk.after_crash(never, always, [] { return std::size_t{100}; }).at("file"),
              std::string(100, 'b') + std::string(2 * kSector - 100, 'a'));
}

TEST(VirtualDisk, AFileWhoseNameWasNotSyncedMayBeGone) {
    VirtualDisk disk;
    perform(disk, {CreateZeroed{"new", kSector}});
    EXPECT_TRUE(disk.after_crash(always, never).empty());
    EXPECT_TRUE(disk.after_crash(never, always).contains("new"));
    perform(disk, {SyncDirectory{}});
    EXPECT_TRUE(disk.after_crash(never, never).contains("new"));
}

TEST(VirtualDisk, ChangesOfNamesAreKeptInTheirOrder) {
    VirtualDisk disk(two_sectors());
    perform(disk, {RenameFile{"file", "second"}, RenameFile{"second", "third"}});
    int kept = 0;
    const auto one = [&] { return kept++ < 1; };
    EXPECT_TRUE(disk.after_crash(always, one).contains("second"));
    EXPECT_TRUE(disk.after_crash(always, never).contains("file"));
    EXPECT_TRUE(disk.after_crash(always, always).contains("third"));
}

TEST(VirtualDisk, AFailedSyncDropsWhatItShouldHaveWritten) {
    VirtualDisk disk(two_sectors());
    disk.fail_operation(1, wal::DiskError::Failed);
    EXPECT_FALSE(disk.run(std::vector<DiskOperation>{WriteAt{"file", 0, "new"}, SyncFile{"file"}}));
    perform(disk, {SyncFile{"file"}});
    EXPECT_TRUE(disk.written().at("file").starts_with("new")) << "it is still read";
    EXPECT_EQ(disk.after_crash(always, always), two_sectors()) << "and no later sync writes it";
}

TEST(VirtualDisk, RotIsInWhatIsReadAndInWhatIsDurable) {
    VirtualDisk disk(two_sectors());
    ASSERT_TRUE(disk.rot("file", 5, 0));
    EXPECT_FALSE(disk.rot("file", 2 * kSector, 0));
    std::string expected(2 * kSector, 'a');
    expected[5] = '`';
    EXPECT_EQ(disk.written().at("file"), expected);
    EXPECT_EQ(disk.after_crash(never, never).at("file"), expected);
}

}  // namespace
}  // namespace quorate::sim
