// Looking at a directory while it is written to, or as a crash left it: nothing of that looks like damage.

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/wal/damage_subject.h"
#include "wal/survey.h"

namespace quorate::test {
namespace {

using wal::FindingKind;

void expect_no_damage(wal::DiskReader& disk, const std::string& where) {
    const auto survey = wal::survey(disk, kAnything);
    // Before the first file there is nothing to look at.
    if (!survey) return;
    ASSERT_FALSE(survey->has(FindingKind::Damage)) << where << "\n" << text_of(*survey);
}

// A directory that somebody writes to between any two of our calls, in the middle of a long read, and in the
// middle of every other read of a block.
class BusyDisk final : public wal::DiskReader {
 public:
    BusyDisk(VirtualDisk& disk, std::function<void()> write) : disk_(&disk), write_(std::move(write)) {}

    std::expected<std::vector<wal::FileStatus>, wal::DiskFailure> list() override {
        write_();
        return disk_->list();
    }
    std::expected<void, wal::DiskFailure> read(std::string_view file, std::uint64_t offset,
                                               std::span<char> out) override {
        const bool is_torn = out.size() == wal::kBlockBytes && ++block_reads_ % 2 == 0;
        const std::size_t piece_bytes = is_torn ? kFieldsBytes : kPieceBytes;
        for (std::size_t done = 0; done < out.size(); done += piece_bytes) {
            write_();
            const auto piece = out.subspan(done, std::min(piece_bytes, out.size() - done));
            if (auto read = disk_->read(file, offset + done, piece); !read) return read;
        }
        return {};
    }

 private:
    static constexpr std::size_t kPieceBytes = 1024;
    static constexpr std::size_t kFieldsBytes = 32;
    VirtualDisk* disk_;
    std::function<void()> write_;
    std::uint64_t block_reads_ = 0;
};

TEST(SurveyLive, WhatIsWrittenMeanwhileNeverLooksLikeDamage) {
    std::uint64_t entries_met = 0;
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
        Dice dice(seed);
        VirtualDisk disk;
        // Small ones are full soon, large ones are written to while they are read.
        LogUser user(disk, dice.flip() ? wal::kSegmentBytesMin : 64U << 10);
        ASSERT_TRUE(user.open());
        user.vote(1, 1);
        user.append(1 + dice.below(20), 100);
        ASSERT_TRUE(user.settle());
        std::uint64_t term = 1;
        const auto write_one = [&] {
            if (dice.below(3) == 0) user.vote(++term, 1);
            if (dice.below(8) == 0 && user.log().last_index() > engine::LogIndex(3)) {
                user.replace(dice.below(3), 1 + dice.below(3), dice.below(300));
            } else {
                user.append(1 + dice.below(3), dice.below(300));
            }
            // All of it is done now, or some of it is under way.
            if (dice.flip()) {
                ASSERT_TRUE(user.settle());
            } else {
                user.log().flush();
                if (dice.flip()) (void)user.complete_next(wal::DiskLane::Background);
                if (dice.flip()) (void)user.complete_next(wal::DiskLane::Log);
            }
        };
        // Several, so that a later one may prove an earlier one durable that the same read has missed.
        const auto write = [&] {
            if (dice.below(3) != 0) return;
            for (std::uint64_t n = dice.below(12); n > 0; --n) write_one();
        };
        BusyDisk busy(disk, write);
        const engine::LogIndex acknowledged(user.history().acknowledged().entries.size());
        const auto survey = wal::survey(busy, kAnything);
        ASSERT_TRUE(survey);
        ASSERT_FALSE(survey->has(FindingKind::Damage)) << "seed " << seed << "\n" << text_of(*survey);
        entries_met += survey->log.last().index.past(acknowledged);
        ASSERT_GE(survey->log.last().index.plus(3), acknowledged) << "all but what was replaced since";
    }
    EXPECT_GT(entries_met, 0U) << "some of what was written meanwhile is seen";
}

// The same with the power cut: sectors of the last write land in any order.
TEST(SurveyLive, ACrashIsNoDamage) {
    std::uint64_t torn = 0;
    for (std::uint64_t seed = 0; seed < 1500; ++seed) {
        Dice dice(seed);
        VirtualDisk disk;
        disk.cut_power_after(1 + dice.below(60));
        LogUser user(disk);
        if (user.open()) {
            for (std::uint64_t term = 1; !disk.power_is_off(); ++term) {
                if (dice.flip()) user.vote(term, 1);
                user.append(1 + dice.below(4), dice.below(700));
                if (!user.settle()) break;
            }
        }
        VirtualDisk left(disk.after_crash([&] { return dice.flip(); }, [&] { return dice.below(4) != 0; }));
        expect_no_damage(left, "seed " + std::to_string(seed));
        ASSERT_FALSE(testing::Test::HasFatalFailure());
        const auto survey = wal::survey(left, kAnything);
        if (survey && survey->has(FindingKind::Unfinished)) ++torn;
    }
    EXPECT_GT(torn, 100U);
}

// After each operation of a directory's first start: it is being made, and nothing of it is damaged.
TEST(SurveyLive, ADirectoryInTheMaking) {
    for (std::uint64_t operations = 1; operations < 40; ++operations) {
        VirtualDisk disk;
        disk.cut_power_after(operations);
        LogUser user(disk);
        EXPECT_TRUE(user.open().has_value() || disk.power_is_off());
        VirtualDisk seen(disk.written());
        expect_no_damage(seen, "after " + std::to_string(operations) + " operations");
    }
}

}  // namespace
}  // namespace quorate::test
