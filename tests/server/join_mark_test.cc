// The mark of a directory whose node has a place in a cluster, and no log yet.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "server/join.h"
#include "sim/virtual_disk.h"
#include "wal/log.h"

namespace quorate::server::test {
namespace {

std::vector<std::string> names_in(sim::VirtualDisk& disk) {
    std::vector<std::string> names;
    const auto files = disk.list();
    for (const wal::FileStatus& file : *files) names.push_back(file.name);
    return names;
}

TEST(JoinMark, StandsUntilTheLogIsThereAndWhatWasBegunBesideItGoes) {
    sim::VirtualDisk disk;
    ASSERT_TRUE(begin_joining(disk));
    const auto nothing = [] { return false; };
    sim::VirtualDisk crashed(disk.after_crash(nothing, nothing));
    EXPECT_TRUE(is_joining(*crashed.list()));
    const std::vector<wal::DiskOperation> begun{wal::CreateZeroed{"spare-0000000000000001", 4096},
                                                wal::SyncDirectory{}};
    ASSERT_TRUE(crashed.run(begun));
    ASSERT_TRUE(begin_joining(crashed));
    EXPECT_EQ(names_in(crashed), std::vector<std::string>{"joining"});
    ASSERT_TRUE(end_joining(crashed));
    EXPECT_FALSE(is_joining(*crashed.list()));
}

// A log begins beside the mark as on an empty directory.
TEST(JoinMark, IsNoForeignFile) {
    sim::VirtualDisk disk;
    ASSERT_TRUE(begin_joining(disk));
    sim::VirtualDisk next(disk.written());
    const auto opened = wal::Log::open(next, {{"c", "n"}, std::uint64_t{256} << 10, 7});
    EXPECT_TRUE(opened) << opened.error().message;
}

}  // namespace
}  // namespace quorate::server::test
