// Where entries lie, and how much has to be read for them.

#include "wal/entry_index.h"

#include <gtest/gtest.h>

namespace quorate::wal {
namespace {

using engine::LogIndex;

constexpr std::uint64_t kRecordBytes = 64;

// The entries first..last as records one behind the other; returns where the last one ends.
std::uint64_t place(EntryIndex& index, std::uint64_t first, std::uint64_t last, std::uint64_t sequence,
                    std::uint64_t offset) {
    for (std::uint64_t entry = first; entry <= last; ++entry, offset += kRecordBytes)
        index.place(LogIndex(entry), sequence, offset, offset + kRecordBytes);
    return offset;
}

// Bytes that must be read for this one entry.
std::uint64_t bytes_of(const EntryIndex& index, std::uint64_t entry) {
    const EntryRange range = index.range(LogIndex(entry), LogIndex(entry), kRecordBytes);
    EXPECT_EQ(range.offsets.size(), 1U);
    return range.end - range.offsets.front();
}

TEST(EntryIndex, ARangeIsOneReadOfASegment) {
    EntryIndex index;
    place(index, 1, 10, 1, 4096);
    place(index, 11, 20, 2, 4096);
    const EntryRange some = index.range(LogIndex(3), LogIndex(20), 4 * kRecordBytes);
    EXPECT_EQ(some.sequence, 1U);
    EXPECT_EQ(some.offsets.size(), 4U);
    EXPECT_EQ(some.offsets.front(), 4096 + 2 * kRecordBytes);
    EXPECT_EQ(some.end, 4096 + 6 * kRecordBytes);
    EXPECT_EQ(index.range(LogIndex(3), LogIndex(20), 1U << 20).offsets.size(), 8U) << "to the segment's end";
    EXPECT_EQ(index.range(LogIndex(3), LogIndex(5), 1U << 20).offsets.size(), 3U);
    EXPECT_EQ(index.range(LogIndex(11), LogIndex(20), 1U << 20).sequence, 2U);
}

// A loop waits for the read: what was cut lies behind the last entry that was kept, and is not read with it.
TEST(EntryIndex, WhatWasCutIsNotReadInALaterSegment) {
    EntryIndex index;
    place(index, 1, 100, 1, 4096);
    place(index, 11, 12, 2, 4096);
    for (const std::uint64_t entry : {1U, 10U, 11U, 12U})
        EXPECT_EQ(bytes_of(index, entry), kRecordBytes) << entry;
    EXPECT_EQ(index.range(LogIndex(8), LogIndex(12), 1U << 20).end, 4096 + 10 * kRecordBytes);
    EXPECT_EQ(index.last_index(), LogIndex(12));
}

TEST(EntryIndex, WhatWasCutIsNotReadInTheSameSegment) {
    EntryIndex index;
    std::uint64_t end = place(index, 1, 100, 1, 4096);
    end = place(index, 11, 100, 1, end);
    end = place(index, 11, 20, 1, end);
    for (const std::uint64_t entry : {1U, 10U, 11U, 20U})
        EXPECT_EQ(bytes_of(index, entry), kRecordBytes) << entry;
    EXPECT_EQ(index.range(LogIndex(8), LogIndex(20), 1U << 20).offsets.size(), 3U) << "up to the cut";
    // All of it.
    place(index, 1, 1, 1, end);
    EXPECT_EQ(bytes_of(index, 1), kRecordBytes);
    EXPECT_EQ(index.last_index(), LogIndex(1));
}

}  // namespace
}  // namespace quorate::wal
