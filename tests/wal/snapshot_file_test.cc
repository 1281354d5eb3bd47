#include "wal/snapshot_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/virtual_disk.h"
#include "wal/identity.h"

namespace quorate::test {
namespace {

using engine::EntryId;
using engine::LogIndex;
using engine::Term;
using sim::VirtualDisk;
using testing::ElementsAre;

const wal::Identity kIdentity{"cluster", "n1"};
constexpr EntryId kLast{LogIndex(77), Term(3)};
const std::vector<std::string> kChunks{"one", "", std::string(5000, 'x')};

wal::SnapshotMeta write(VirtualDisk& disk) {
    wal::SnapshotWriter writer("making", kLast, kIdentity);
    EXPECT_TRUE(disk.run(writer.begin()));
    for (const std::string& chunk : kChunks) EXPECT_TRUE(disk.run(writer.add(chunk)));
    EXPECT_TRUE(disk.run(writer.finish()));
    return writer.meta();
}

std::expected<wal::SnapshotMeta, wal::Flaw> meta_of(VirtualDisk& disk,
                                                    const wal::Identity& identity = kIdentity) {
    const std::string name = wal::snapshot_name(kLast.index);
    return wal::read_snapshot_meta(disk, {name, disk.written().at(name).size()}, identity);
}

std::expected<std::vector<std::string>, wal::Flaw> chunks_of(VirtualDisk& disk,
                                                             const wal::SnapshotMeta& meta) {
    wal::SnapshotReader reader(disk, meta);
    std::vector<std::string> chunks;
    while (reader.number() < meta.chunks) {
        auto chunk = reader.next();
        if (!chunk) return std::unexpected(chunk.error());
        chunks.push_back(std::move(*chunk));
    }
    return chunks;
}

TEST(SnapshotFile, WhatGoesInComesBack) {
    VirtualDisk disk;
    const wal::SnapshotMeta written = write(disk);
    EXPECT_EQ(written.last, kLast);
    EXPECT_EQ(written.chunks, 3U);
    const auto meta = meta_of(disk);
    ASSERT_TRUE(meta) << meta.error().what;
    EXPECT_EQ(*meta, written);
    EXPECT_EQ(chunks_of(disk, *meta), kChunks);
    EXPECT_EQ(disk.written().size(), 1U) << "under its own name, and no other";
    wal::SnapshotReader reader(disk, *meta);
    ASSERT_TRUE(reader.seek(2));
    EXPECT_EQ(reader.next(), kChunks[2]);
    ASSERT_TRUE(reader.seek(1));
    EXPECT_EQ(reader.next(), kChunks[1]);
}

TEST(SnapshotFile, BelongsToItsDirectory) {
    VirtualDisk disk;
    (void)write(disk);
    const auto meta = meta_of(disk, {"cluster", "n2"});
    ASSERT_FALSE(meta);
    EXPECT_EQ(meta.error().code, wal::RefusalCode::WrongIdentity);
}

// No bit of it can change unnoticed, but those that pad the header.
TEST(SnapshotFile, EveryFlippedBitIsSeen) {
    VirtualDisk disk;
    const wal::SnapshotMeta written = write(disk);
    const std::string name = wal::snapshot_name(kLast.index);
    const std::size_t size = disk.written().at(name).size();
    for (std::size_t at = 0; at < size; ++at) {
        if (at >= wal::kBlockBytes && at < wal::kChunksOffset) continue;
        for (unsigned bit = 0; bit < 8; ++bit) {
            ASSERT_TRUE(disk.rot(name, at, bit));
            const auto meta = meta_of(disk);
            EXPECT_FALSE(meta && chunks_of(disk, *meta)) << "byte " << at << " bit " << bit;
            ASSERT_TRUE(disk.rot(name, at, bit));
        }
    }
    EXPECT_EQ(meta_of(disk), written);
}

TEST(SnapshotFile, ACrashLeavesAWholeOneOrNone) {
    for (std::uint64_t operations = 0; operations < 12; ++operations) {
        for (const bool keeps : {false, true}) {
            VirtualDisk disk;
            disk.cut_power_after(operations);
            wal::SnapshotWriter writer("making", kLast, kIdentity);
            bool is_done = disk.run(writer.begin()).has_value();
            for (const std::string& chunk : kChunks) is_done = is_done && disk.run(writer.add(chunk));
            is_done = is_done && disk.run(writer.finish());
            VirtualDisk after(disk.after_crash([&] { return keeps; }, [&] { return keeps; }));
            const bool is_there = after.written().contains(wal::snapshot_name(kLast.index));
            if (is_there) {
                const auto meta = meta_of(after);
                ASSERT_TRUE(meta);
                EXPECT_EQ(chunks_of(after, *meta), kChunks);
            }
            EXPECT_TRUE(is_there || !is_done) << operations;
        }
    }
}

}  // namespace
}  // namespace quorate::test
