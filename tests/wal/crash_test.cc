// Power cuts at every operation, with every kind of remains of what was not synced. Judged by one rule: what
// was acknowledged is there, and of the rest a prefix, entry by entry.

#include <gtest/gtest.h>

#include "tests/wal/log_user.h"

namespace quorate::test {
namespace {

using Story = void (*)(LogUser&);

// Runs `story` with the power going after `operations` operations. Returns whether it went.
struct Crashed {
    bool power_went = false;
    History history;
};
Crashed run(VirtualDisk& disk, const History& before, Story story, std::uint64_t operations) {
    LogUser user(disk);
    user.inherit(before);
    disk.cut_power_after(operations);
    // Nothing else can refuse a sound disk.
    if (const auto content = user.open(); content) {
        EXPECT_TRUE(before.allows(*content));
        user.history().resume_with(*content);
        story(user);
        EXPECT_TRUE(user.settle() || disk.power_is_off());
    }
    EXPECT_FALSE(user.refusal() && !disk.power_is_off());
    return {disk.power_is_off(), user.history()};
}

// Opens what the crash left, and again after a second crash in the middle of that, and judges.
void judge(const VirtualDisk::Image& image, const History& history, Dice& dice) {
    std::optional<LogContent> first;
    for (std::uint64_t operations = 0;; ++operations) {
        VirtualDisk disk(image);
        disk.cut_power_after(operations);
        LogUser user(disk);
        const auto content = user.open();
        if (!disk.power_is_off()) {
            ASSERT_TRUE(content) << content.error().message;
            ASSERT_TRUE(history.allows(*content));
            // What it told us is durable from now on.
            VirtualDisk again(disk.after_crash([] { return false; }, [] { return false; }));
            ASSERT_EQ(LogUser(again).open().value_or(LogContent{}), *content);
            return;
        }
        // Recovery was interrupted: another one finds the same, or what was not acknowledged is gone.
        VirtualDisk torn(disk.after_crash([&] { return dice.flip(); }, [&] { return dice.flip(); }));
        LogUser next(torn);
        const auto later = next.open();
        ASSERT_TRUE(later) << later.error().message;
        ASSERT_TRUE(history.allows(*later));
    }
}

// The story with a crash after each of its operations, and for each crash several remains.
void crash_everywhere(Story story, const VirtualDisk::Image& start, const History& before) {
    std::uint64_t crashes = 0;
    for (std::uint64_t operations = 1;; ++operations) {
        VirtualDisk disk(start);
        const Crashed crashed = run(disk, before, story, operations);
        if (!crashed.power_went) break;
        ++crashes;
        SCOPED_TRACE(testing::Message() << "power cut after operation " << operations);
        Dice dice(operations);
        const auto all = [] { return true; };
        const auto none = [] { return false; };
        judge(disk.after_crash(none, none), crashed.history, dice);
        judge(disk.after_crash(all, all), crashed.history, dice);
        judge(disk.after_crash(all, none), crashed.history, dice);
        judge(disk.after_crash(none, all), crashed.history, dice);
        judge(disk.written(), crashed.history, dice);
        for (int sample = 0; sample < 12; ++sample) {
            judge(disk.after_crash([&] { return dice.flip(); }, [&] { return dice.flip(); }), crashed.history,
                  dice);
            if (testing::Test::HasFatalFailure()) return;
        }
        // All but one sector, and one sector only.
        for (std::uint64_t odd = 0; odd < 8; ++odd) {
            std::uint64_t at = 0;
            judge(disk.after_crash([&] { return at++ != odd; }, all), crashed.history, dice);
            at = 0;
            judge(disk.after_crash([&] { return at++ == odd; }, all), crashed.history, dice);
            if (testing::Test::HasFatalFailure()) return;
        }
    }
    EXPECT_GT(crashes, 5U);
}

constexpr std::uint64_t kSectorsMax = 12;

// Everything that the disk may hold after the crash: each subset of the sectors that were not synced, with
// each prefix of the directory's changes that were not.
template <class Visit>
std::uint64_t visit_every_image(const VirtualDisk& disk, Visit visit) {
    std::uint64_t images = 0;
    for (std::uint64_t changes = 0;; ++changes) {
        std::uint64_t changes_met = 0;
        std::uint64_t sectors = 0;
        for (std::uint64_t kept = 0; kept == 0 || kept < (std::uint64_t{1} << sectors); ++kept) {
            changes_met = 0;
            sectors = 0;
            visit(disk.after_crash([&] { return ((kept >> sectors++) & 1U) != 0; },
                                   [&] { return changes_met++ < changes; }));
            ++images;
            EXPECT_LE(sectors, kSectorsMax) << "a story this wide has too many images";
            if (sectors > kSectorsMax || testing::Test::HasFatalFailure()) return images;
        }
        if (changes_met <= changes) return images;  // there were no more
    }
}

// The story with a crash after each of its operations, and for each crash every legal image, recovered.
std::uint64_t crash_exhaustively(Story story, const VirtualDisk::Image& start, const History& before) {
    std::uint64_t images = 0;
    for (std::uint64_t operations = 1;; ++operations) {
        VirtualDisk disk(start);
        const Crashed crashed = run(disk, before, story, operations);
        if (!crashed.power_went) return images;
        SCOPED_TRACE(testing::Message() << "power cut after operation " << operations);
        Dice dice(operations);
        images += visit_every_image(
            disk, [&](const VirtualDisk::Image& image) { judge(image, crashed.history, dice); });
        if (testing::Test::HasFatalFailure()) return images;
    }
}

struct Start {
    VirtualDisk::Image image;
    History history;
};
Start after(Story story) {
    VirtualDisk disk;
    LogUser user(disk);
    EXPECT_TRUE(user.open());
    story(user);
    EXPECT_TRUE(user.settle());
    return {disk.written(), user.history()};
}

void three_entries(LogUser& user) {
    user.vote(1, 1);
    user.append(3, 300);
}

// Short runs, in all their images: nothing is left to chance.
TEST(CrashImages, OfTheFirstVoteAndEntries) { EXPECT_GT(crash_exhaustively(three_entries, {}, {}), 50U); }

TEST(CrashImages, OfABatchOfManySectors) {
    const Start start = after(three_entries);
    EXPECT_GT(crash_exhaustively([](LogUser& user) { user.append(3, 1200); }, start.image, start.history),
              100U);
}

TEST(CrashImages, OfAReplacementBehindABatch) {
    const Start start = after(three_entries);
    EXPECT_GT(crash_exhaustively(
                  [](LogUser& user) {
                      user.append(2, 400);
                      static_cast<void>(user.settle());
                      user.replace(2, 2, 500);
                  },
                  start.image, start.history),
              50U);
}

TEST(CrashImages, OfANewSegment) {
    const Start start = after([](LogUser& user) { user.append(5, 600); });
    EXPECT_GT(crash_exhaustively([](LogUser& user) { user.append(2, 900); }, start.image, start.history),
              50U);
}

TEST(Crash, WhileTheDirectoryIsCreated) {
    crash_everywhere([](LogUser&) {}, {}, {});
}

TEST(Crash, WhileTheFirstEntriesAreWritten) { crash_everywhere(three_entries, {}, {}); }

TEST(Crash, InABatchOfManySectors) {
    const Start start = after(three_entries);
    crash_everywhere([](LogUser& user) { user.append(5, 600); }, start.image, start.history);
}

TEST(Crash, InBatchAfterBatch) {
    const Start start = after(three_entries);
    crash_everywhere(
        [](LogUser& user) {
            for (std::uint64_t i = 2; i < 6 && user.settle(); ++i) {
                user.vote(i, i);
                user.append(2, 60 * i);
            }
        },
        start.image, start.history);
}

TEST(Crash, WhereASegmentEnds) {
    const Start start = after(three_entries);
    crash_everywhere(
        [](LogUser& user) {
            user.append(2, 500);
            if (!user.settle()) return;
            user.vote(7, 1);
            user.append(9, 700);
        },
        start.image, start.history);
}

// The cut and what takes its place: both or neither.
TEST(Crash, InAReplacement) {
    const Start start = after([](LogUser& user) {
        user.vote(1, 1);
        user.append(8, 200);
    });
    crash_everywhere(
        [](LogUser& user) {
            user.vote(2, 2);
            user.replace(4, 2, 700);
        },
        start.image, start.history);
}

TEST(Crash, InAReplacementThatBeginsASegment) {
    const Start start = after([](LogUser& user) {
        user.vote(1, 1);
        user.append(5, 700);
    });
    crash_everywhere(
        [](LogUser& user) {
            user.vote(2, 2);
            user.replace(4, 3, 800);
            user.append(1, 10);
            user.replace(0, 1, 10);
        },
        start.image, start.history);
}

TEST(Crash, WhileIdlenessIsRecorded) {
    const Start start = after(three_entries);
    crash_everywhere(
        [](LogUser& user) {
            user.append(2, 600);
            if (user.settle()) user.log().on_idle();
            if (user.settle()) user.append(1, 600);
        },
        start.image, start.history);
}

// A process that is killed leaves everything written in the kernel's cache, and the next one must not take
// that for durable, neither bytes nor names: the power may go right after it has acknowledged something
// itself.
void kill_everywhere(Story story, const VirtualDisk::Image& start, const History& before) {
    const auto none = [] { return false; };
    std::uint64_t kills = 0;
    for (std::uint64_t operations = 1;; ++operations) {
        SCOPED_TRACE(testing::Message() << "killed after operation " << operations);
        VirtualDisk disk(start);
        const Crashed killed = run(disk, before, story, operations);
        if (!killed.power_went) break;
        ++kills;
        disk.kill_process();
        LogUser next(disk);
        const auto content = next.open();
        ASSERT_TRUE(content) << content.error().message;
        ASSERT_TRUE(killed.history.allows(*content));
        next.history().resume_with(*content);
        VirtualDisk at_once(disk.after_crash(none, none));
        ASSERT_EQ(LogUser(at_once).open().value_or(LogContent{}), *content);
        next.vote(content->hard_state.current_term.value + 1, 3);
        next.append(2, 100);
        ASSERT_TRUE(next.settle());
        VirtualDisk later(disk.after_crash(none, none));
        ASSERT_EQ(LogUser(later).open().value_or(LogContent{}), next.history().acknowledged());
    }
    EXPECT_GT(kills, 5U);
}

TEST(Crash, APowerCutAfterAKillAtCreation) { kill_everywhere(three_entries, {}, {}); }

// A process lives its `life` on the disk and is killed; the power goes after each operation of the next one's
// recovery, within a sector: of what was written to it, fewer than `torn_bytes` get there. Adds up the cuts.
template <class Life>
void cut_everywhere_in_recovery(const VirtualDisk::Image& start, Life life, std::uint64_t torn_bytes,
                                std::uint64_t seed, std::uint64_t& cuts) {
    for (std::uint64_t recovered = 1;; ++recovered) {
        SCOPED_TRACE(testing::Message() << "cut after " << recovered << " operations of the recovery");
        VirtualDisk disk(start);
        const History history = life(disk);
        disk.kill_process();
        disk.cut_power_after(recovered);
        if (LogUser(disk).open() && !disk.power_is_off()) return;
        ++cuts;
        Dice dice(seed * 1000 + recovered);
        for (int sample = 0; sample < 128; ++sample) {
            VirtualDisk torn(disk.after_crash([&] { return dice.flip(); }, [&] { return dice.flip(); },
                                              [&] { return dice.below(torn_bytes); }));
            const auto content = LogUser(torn).open();
            ASSERT_TRUE(content) << content.error().message;
            ASSERT_TRUE(history.allows(*content));
        }
    }
}

// What the killed process had written lies in the cache; the power goes while the next one recovers, and the
// disk was in the middle of a sector. One readable copy of the vote must be on the disk at every moment.
TEST(Crash, APowerCutWithinTheRecoveryAfterAKill) {
    const Start start = after(three_entries);
    const Story story = [](LogUser& user) {
        user.vote(5, 2);
        user.append(2, 300);
    };
    std::uint64_t cuts = 0;
    bool was_killed = true;
    for (std::uint64_t operations = 1; was_killed && !HasFatalFailure(); ++operations) {
        SCOPED_TRACE(testing::Message() << "killed after operation " << operations);
        const auto life = [&](VirtualDisk& disk) {
            const Crashed killed = run(disk, start.history, story, operations);
            was_killed = killed.power_went;
            return killed.history;
        };
        cut_everywhere_in_recovery(start.image, life, VirtualDisk::kSectorBytes, operations, cuts);
    }
    EXPECT_GT(cuts, 20U);
}

TEST(Crash, APowerCutAfterAKillWhereASegmentEnds) {
    const Start start = after(three_entries);
    kill_everywhere([](LogUser& user) { user.append(7, 900); }, start.image, start.history);
}

// After a failed sync the kernel drops the pages and calls the next sync a success. What the next life reads
// from the cache must be written again before anyone relies on it.
TEST(Crash, AfterAFailedSyncThePagesAreWrittenAgain) {
    const auto none = [] { return false; };
    std::uint64_t failures = 0;
    for (std::uint64_t n = 0;; ++n) {
        VirtualDisk disk;
        LogUser user(disk);
        ASSERT_TRUE(user.open());
        three_entries(user);
        ASSERT_TRUE(user.settle());
        disk.fail_operation(n, wal::DiskError::Failed);
        user.vote(2, 2);
        user.append(3, 600);
        user.replace(1, 2, 300);
        if (user.settle()) break;
        ++failures;
        // The next process, on the same kernel.
        disk.kill_process();
        LogUser next(disk);
        const auto content = next.open();
        ASSERT_TRUE(content) << content.error().message;
        ASSERT_TRUE(user.history().allows(*content));
        VirtualDisk after_cut(disk.after_crash(none, none));
        const auto later = LogUser(after_cut).open();
        ASSERT_TRUE(later) << later.error().message;
        ASSERT_EQ(*later, *content);
    }
    EXPECT_GT(failures, 4U);
}

// The sync of the vote's second copy fails: it is read from the cache, marked clean, and not on the disk. The
// power goes while the next life overwrites the first copy, in the middle of its sector; of what the failed
// sync dropped, a part may have reached the disk all the same.
TEST(Crash, AVoteThatOnlyTheCacheHoldsIsWrittenBeforeTheOtherCopyIsTouched) {
    // A vote written again differs in its checksum and its sequence alone: they lie in the first
    constexpr std::uint64_t kTornBytes = 24;
    std::uint64_t cuts = 0;
    std::uint64_t failures = 0;
    for (std::uint64_t failing = 0; !HasFatalFailure(); ++failing) {
        SCOPED_TRACE(testing::Message() << "operation " << failing << " fails");
        bool has_failed = false;
        const auto life = [&](VirtualDisk& disk) {
            LogUser user(disk);
            EXPECT_TRUE(user.open());
            three_entries(user);
            EXPECT_TRUE(user.settle());
            disk.fail_operation(failing, wal::DiskError::Failed);
            user.vote(2, 2);
            has_failed = !user.settle();
            return user.history();
        };
        VirtualDisk tried;
        life(tried);
        if (!has_failed) break;
        ++failures;
        cut_everywhere_in_recovery({}, life, kTornBytes, failing, cuts);
    }
    EXPECT_GE(failures, 4U);
    EXPECT_GT(cuts, 20U);
}

// A long life of crashes: each one begins with what the last one left.
TEST(Crash, LifeAfterLife) {
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
        SCOPED_TRACE(testing::Message() << "seed " << seed);
        Dice dice(seed);
        VirtualDisk::Image image;
        History history;
        std::uint64_t term = 1;
        for (int life = 0; life < 25; ++life) {
            VirtualDisk disk(image);
            LogUser user(disk);
            disk.cut_power_after(dice.below(150));
            const auto content = user.open();
            if (content) {
                ASSERT_TRUE(history.allows(*content));
                user.history().resume_with(*content);
                for (int i = 0; i < 40 && !disk.power_is_off(); ++i) {
                    const std::size_t bytes = dice.below(dice.below(10) == 0 ? 9000 : 700);
                    const std::uint64_t held = user.log().last_index().value;
                    switch (dice.below(6)) {
                        case 0:
                            user.vote(term = std::max(term, content->hard_state.current_term.value) + 1,
                                      dice.below(4));
                            break;
                        case 1:
                            if (held > 0)
                                user.replace(dice.below(std::min<std::uint64_t>(held, 6)), 1 + dice.below(3),
                                             bytes);
                            break;
                        case 2:
                            if (user.settle()) user.log().on_idle();
                            break;
                        case 3: user.log().flush(); break;
                        default: user.append(1 + dice.below(4), bytes);
                    }
                    if (dice.below(3) == 0) (void)user.settle();
                }
                history = user.history();
            } else {
                ASSERT_TRUE(disk.power_is_off()) << content.error().message;
            }
            ASSERT_FALSE(user.refusal() && !disk.power_is_off());
            image = disk.after_crash([&] { return dice.flip(); }, [&] { return dice.flip(); });
        }
        VirtualDisk disk(image);
        const auto content = LogUser(disk).open();
        ASSERT_TRUE(content) << content.error().message;
        ASSERT_TRUE(history.allows(*content));
    }
}

}  // namespace
}  // namespace quorate::test
