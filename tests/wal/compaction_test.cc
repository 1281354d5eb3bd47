// The log's first part is removed when a snapshot covers it, and all of it when a leader's snapshot replaces
// it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/wal/log_user.h"
#include "wal/snapshot_file.h"
#include "wal/survey.h"

namespace quorate::test {
namespace {

using engine::EntryId;
using engine::LogIndex;
using engine::Term;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

void run(VirtualDisk& disk, const std::vector<wal::DiskOperation>& operations) {
    ASSERT_TRUE(disk.run(operations));
}

void write_snapshot(VirtualDisk& disk, EntryId last) {
    wal::SnapshotWriter writer("making", last, kTestIdentity);
    run(disk, writer.begin());
    run(disk, writer.add("the store"));
    run(disk, writer.finish());
}

std::vector<std::uint64_t> segments(const VirtualDisk& disk) {
    std::vector<std::uint64_t> found;
    for (const auto& [name, bytes] : disk.written()) {
        if (const auto sequence = wal::parse_segment_name(name)) found.push_back(*sequence);
    }
    return found;
}

std::vector<std::string> damaged_files(const VirtualDisk::Image& image) {
    VirtualDisk disk(image);
    const auto survey = wal::survey(disk, [](engine::EntryKind, std::string_view) { return true; });
    EXPECT_TRUE(survey);
    std::vector<std::string> files;
    for (const wal::Finding& finding : survey->findings)
        if (finding.kind == wal::FindingKind::Damage) files.push_back(finding.file);
    return files;
}

// Forty entries of term 2 in five segments or more.
class Compaction : public testing::Test {
 protected:
    Compaction() {
        EXPECT_TRUE(user_.open());
        user_.vote(2, 1);
        for (int i = 0; i < 40; ++i) {
            user_.append(1, 700);
            EXPECT_TRUE(user_.settle());
        }
        EXPECT_GE(segments(disk_).size(), 5U);
    }
    [[nodiscard]] LogContent all() { return user_.history().all(); }

    VirtualDisk disk_;
    LogUser user_{disk_};
};

// What a process finds that starts on it: the entries from `base` on are those of `content`.
void expect_log_from(const VirtualDisk::Image& image, const LogContent& content, LogIndex newest_snapshot) {
    VirtualDisk disk(image);
    LogUser user(disk);
    const auto found = user.open();
    ASSERT_TRUE(found) << found.error().message;
    const LogIndex base = user.recovered().base.index;
    ASSERT_LE(base, newest_snapshot);
    EXPECT_GE(user.recovered().commit_index, newest_snapshot);
    EXPECT_EQ(found->entries,
              std::vector<wal::LogEntry>(content.entries.begin() + static_cast<std::ptrdiff_t>(base.value),
                                         content.entries.end()));
    EXPECT_EQ(found->hard_state, content.hard_state);
    // And it goes on.
    user.append(30, 700);
    ASSERT_TRUE(user.settle());
    EXPECT_EQ(user.log().last_index(), LogIndex(content.entries.size() + 30));
    VirtualDisk next_disk(disk.written());
    LogUser next(next_disk);
    EXPECT_TRUE(next.open());
}

TEST_F(Compaction, RemovesTheSegmentsBelow) {
    const std::size_t before = segments(disk_).size();
    write_snapshot(disk_, {LogIndex(25), Term(2)});
    user_.log().compact(LogIndex(25));
    ASSERT_TRUE(user_.settle());
    EXPECT_LT(segments(disk_).size(), before);
    EXPECT_GT(segments(disk_).front(), 1U);
    const auto kept = user_.log().read(LogIndex(26), LogIndex(40), 1U << 20);
    ASSERT_TRUE(kept);
    EXPECT_EQ(kept->front(), all().entries[25]);
    user_.append(20, 700);
    ASSERT_TRUE(user_.settle());
    expect_log_from(disk_.written(), all(), LogIndex(25));
}

TEST_F(Compaction, KeepsTheLastSegmentWhateverIsCovered) {
    write_snapshot(disk_, {LogIndex(40), Term(2)});
    user_.log().compact(LogIndex(40));
    ASSERT_TRUE(user_.settle());
    EXPECT_EQ(segments(disk_).size(), 1U);
    expect_log_from(disk_.written(), all(), LogIndex(40));
}

TEST_F(Compaction, WhateverACrashLeavesOfItIsALog) {
    write_snapshot(disk_, {LogIndex(30), Term(2)});
    const VirtualDisk::Image image = disk_.written();
    for (std::uint64_t operations = 0; operations < 12; ++operations) {
        for (const bool keeps : {false, true}) {
            VirtualDisk disk(image);
            LogUser user(disk);
            ASSERT_TRUE(user.open());
            user.log().compact(LogIndex(30));
            disk.cut_power_after(operations);
            (void)user.settle();
            expect_log_from(disk.after_crash([&] { return keeps; }, [&] { return keeps; }), all(),
                            LogIndex(30));
        }
    }
}

// Behind the base of the first segment that is left stands the record that replaced an entry before it.
TEST_F(Compaction, AReplacementMayReachBehindWhatIsLeft) {
    user_.vote(3, 1);
    user_.replace(12, 1, 700);
    for (int i = 0; i < 10; ++i) user_.append(1, 700);
    ASSERT_TRUE(user_.settle());
    const LogContent content = all();
    ASSERT_EQ(content.entries.size(), 38U);
    write_snapshot(disk_, {LogIndex(38), content.entries.back().term});
    user_.log().compact(LogIndex(38));
    ASSERT_TRUE(user_.settle());
    expect_log_from(disk_.written(), content, LogIndex(38));
}

TEST_F(Compaction, WithoutItsSnapshotTheLogIsDamaged) {
    write_snapshot(disk_, {LogIndex(30), Term(2)});
    user_.log().compact(LogIndex(30));
    ASSERT_TRUE(user_.settle());
    VirtualDisk::Image image = disk_.written();
    const auto snapshot = image.extract(wal::snapshot_name(LogIndex(30)));
    {
        VirtualDisk disk(image);
        const auto refused = LogUser(disk).open();
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, wal::RefusalCode::Damage);
        EXPECT_THAT(refused.error().message, HasSubstr("log-0000000000000001"));
    }
    // One that ends too early is none either.
    VirtualDisk disk(image);
    write_snapshot(disk, {LogIndex(2), Term(2)});
    const auto refused = LogUser(disk).open();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, wal::RefusalCode::Damage);
}

// Nothing that is needed is lost, and whoever could mend what loses files wants to know.
TEST_F(Compaction, ASnapshotThatTheLogDoesNotGoOnBehindIsTold) {
    write_snapshot(disk_, {LogIndex(12), Term(2)});
    write_snapshot(disk_, {LogIndex(30), Term(2)});
    user_.log().compact(LogIndex(12));
    ASSERT_TRUE(user_.settle());
    VirtualDisk::Image image = disk_.written();
    const auto warnings_in = [](const VirtualDisk::Image& found) {
        VirtualDisk disk(found);
        LogUser user(disk);
        EXPECT_TRUE(user.open());
        return user.recovered().warnings;
    };
    EXPECT_THAT(warnings_in(image), IsEmpty());
    EXPECT_THAT(damaged_files(image), IsEmpty());
    ASSERT_EQ(image.erase(wal::segment_name(segments(disk_).front())), 1U);
    const std::string older = wal::snapshot_name(LogIndex(12));
    EXPECT_THAT(warnings_in(image), ElementsAre(AllOf(StartsWith(older + ": not used: "),
                                                      HasSubstr(wal::segment_name(segments(disk_).front())),
                                                      HasSubstr(wal::snapshot_name(LogIndex(30))))));
    EXPECT_THAT(damaged_files(image), ElementsAre(older));
    // A crash may leave a third one, for the log no longer goes back to it.
    VirtualDisk disk(image);
    write_snapshot(disk, {LogIndex(35), Term(2)});
    EXPECT_THAT(warnings_in(disk.written()), IsEmpty());
    EXPECT_THAT(damaged_files(disk.written()), IsEmpty());
}

TEST_F(Compaction, ALogThatALeadersSnapshotReplacedLacksNothing) {
    write_snapshot(disk_, {LogIndex(12), Term(2)});
    write_snapshot(disk_, {LogIndex(100), Term(2)});
    user_.log().begin_anew({LogIndex(100), Term(2)});
    user_.append(3, 100);
    ASSERT_TRUE(user_.settle());
    EXPECT_THAT(damaged_files(disk_.written()), IsEmpty());
    VirtualDisk disk(disk_.written());
    LogUser next(disk);
    ASSERT_TRUE(next.open());
    EXPECT_THAT(next.recovered().warnings, IsEmpty());
}

TEST_F(Compaction, ALeadersSnapshotReplacesTheLog) {
    const EntryId last{LogIndex(100), Term(2)};
    write_snapshot(disk_, last);
    user_.log().begin_anew(last);
    EXPECT_EQ(user_.log().last_index(), last.index);
    user_.append(3, 100);
    ASSERT_TRUE(user_.settle());
    EXPECT_EQ(segments(disk_).size(), 1U) << "nothing is kept of the old log";
    const auto entries = user_.log().read(LogIndex(101), LogIndex(103), 1U << 20);
    ASSERT_TRUE(entries);
    VirtualDisk disk(disk_.written());
    LogUser next(disk);
    const auto found = next.open();
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(next.recovered().base, last);
    EXPECT_EQ(found->entries, *entries);
}

TEST_F(Compaction, WhoLooksMissesTheSnapshotThatTheLogGoesOnBehind) {
    const EntryId last{LogIndex(100), Term(2)};
    write_snapshot(disk_, last);
    const VirtualDisk::Image before = disk_.written();
    user_.log().begin_anew(last);
    ASSERT_TRUE(user_.settle());
    VirtualDisk::Image image = disk_.written();
    EXPECT_THAT(damaged_files(image), IsEmpty());
    ASSERT_EQ(image.erase(wal::snapshot_name(last.index)), 1U);
    EXPECT_THAT(damaged_files(image), ElementsAre("log-0000000000000001"));
    // A crash before what the old log has left is removed.
    for (const auto& [name, bytes] : before)
        if (name.starts_with("log-")) image.try_emplace(name, bytes);
    EXPECT_THAT(damaged_files(image), ElementsAre(wal::snapshot_name(last.index)));
}

TEST_F(Compaction, WhoLooksIsToldOfARestoreOrAJoinThatDidNotEnd) {
    for (const char* notice : {"restoring", "joining"}) {
        VirtualDisk::Image image = disk_.written();
        image[notice];
        VirtualDisk disk(image);
        const auto survey = wal::survey(disk, [](engine::EntryKind, std::string_view) { return true; });
        ASSERT_TRUE(survey);
        ASSERT_EQ(survey->findings.size(), 1U);
        EXPECT_EQ(survey->findings.front().file, notice);
    }
}

// Durable is the snapshot first. What a crash leaves of the rest is done at the start.
TEST_F(Compaction, ALeadersSnapshotReplacesTheLogWhereverACrashComes) {
    for (const EntryId last : {EntryId{LogIndex(100), Term(2)}, EntryId{LogIndex(20), Term(1)}}) {
        VirtualDisk prepared(disk_.written());
        write_snapshot(prepared, last);
        const VirtualDisk::Image image = prepared.written();
        for (std::uint64_t operations = 0; operations < 30; ++operations) {
            for (const bool keeps : {false, true}) {
                VirtualDisk disk(disk_.written());
                LogUser user(disk);
                ASSERT_TRUE(user.open());
                write_snapshot(disk, last);
                user.log().begin_anew(last);
                user.log().compact(last.index);
                disk.cut_power_after(operations);
                (void)user.settle();
                VirtualDisk after(disk.after_crash([&] { return keeps; }, [&] { return keeps; }));
                LogUser next(after);
                const auto found = next.open();
                ASSERT_TRUE(found) << found.error().message;
                EXPECT_EQ(next.recovered().base, last);
                EXPECT_THAT(found->entries, IsEmpty());
                next.append(2, 100);
                ASSERT_TRUE(next.settle());
                EXPECT_EQ(next.log().last_index(), last.index.plus(2));
                VirtualDisk third_disk(after.written());
                LogUser third(third_disk);
                const auto again = third.open();
                ASSERT_TRUE(again) << again.error().message;
                EXPECT_EQ(again->entries.size(), 2U);
            }
        }
    }
}

// A log that goes on behind the entry that the snapshot covers last keeps what it has.
TEST_F(Compaction, ASnapshotOfWhatTheLogHoldsReplacesNothing) {
    write_snapshot(disk_, {LogIndex(20), Term(2)});
    expect_log_from(disk_.written(), all(), LogIndex(0));
}

}  // namespace
}  // namespace quorate::test
