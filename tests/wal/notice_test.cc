// What stands in a data directory until its log is there.

#include "wal/notice.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "sim/virtual_disk.h"
#include "wal/log.h"

namespace quorate::wal::test {
namespace {

std::vector<std::string> names_in(sim::VirtualDisk& disk) {
    std::vector<std::string> names;
    const auto files = disk.list();
    for (const FileStatus& file : *files) names.push_back(file.name);
    return names;
}

TEST(Notice, StandsUntilTheLogIsThereAndWhatWasBegunBesideItGoes) {
    for (const std::string_view notice : {kJoiningName, kRestoringName}) {
        sim::VirtualDisk disk;
        ASSERT_TRUE(put_notice(disk, notice));
        const auto nothing = [] { return false; };
        sim::VirtualDisk crashed(disk.after_crash(nothing, nothing));
        EXPECT_TRUE(has_notice(*crashed.list(), notice));
        const std::vector<DiskOperation> begun{CreateZeroed{"spare-0000000000000001", 4096}, SyncDirectory{}};
        ASSERT_TRUE(crashed.run(begun));
        ASSERT_TRUE(put_notice(crashed, notice));
        EXPECT_EQ(names_in(crashed), std::vector<std::string>{std::string(notice)});
        ASSERT_TRUE(remove_notice(crashed, notice));
        EXPECT_FALSE(has_notice(*crashed.list(), notice));
    }
}

TEST(Notice, IsNotPutBesideWhatSomebodyElseHasBegun) {
    for (const std::string_view other : {std::string_view("vote-a"), kRestoringName}) {
        sim::VirtualDisk disk(sim::VirtualDisk::Image{{std::string(other), "x"}});
        const auto put = put_notice(disk, kJoiningName);
        ASSERT_FALSE(put);
        EXPECT_EQ(put.error().code, RefusalCode::Configuration);
        EXPECT_EQ(names_in(disk), std::vector<std::string>{std::string(other)});
    }
}

// A log begins beside it as on an empty directory.
TEST(Notice, OfWhoJoinsIsNoForeignFile) {
    sim::VirtualDisk disk;
    ASSERT_TRUE(put_notice(disk, kJoiningName));
    sim::VirtualDisk next(disk.written());
    const auto opened = Log::open(next, {{"c", "n"}, std::uint64_t{256} << 10, 7});
    EXPECT_TRUE(opened) << opened.error().message;
}

}  // namespace
}  // namespace quorate::wal::test
