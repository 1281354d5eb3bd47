// The log in use: what goes in comes back, and what costs a sync.

#include "wal/log.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/wal/log_user.h"

namespace quorate::test {
namespace {

using engine::LogIndex;
using engine::PersistTicket;
using testing::ElementsAre;
using testing::HasSubstr;
using wal::DiskError;
using wal::DiskLane;
using wal::RefusalCode;

class LogTest : public testing::Test {
 protected:
    LogTest() { EXPECT_TRUE(user_.open()); }

    // What a process finds that starts when this one is gone.
    [[nodiscard]] static LogContent reopen(const VirtualDisk::Image& image) {
        VirtualDisk disk(image);
        LogUser user(disk);
        auto content = user.open();
        EXPECT_TRUE(content) << content.error().message;
        EXPECT_THAT(user.recovered().warnings, testing::IsEmpty());
        return content.value_or(LogContent{});
    }
    [[nodiscard]] std::size_t segments() const {
        std::size_t count = 0;
        for (const auto& [name, bytes] : disk_.written()) count += wal::parse_segment_name(name).has_value();
        return count;
    }

    VirtualDisk disk_;
    LogUser user_{disk_};
};

TEST_F(LogTest, AFreshDirectoryIsEmpty) {
    EXPECT_TRUE(user_.recovered().fresh);
    EXPECT_EQ(user_.recovered().hard_state, engine::HardState{});
    EXPECT_THAT(user_.recovered().entries, testing::IsEmpty());
    EXPECT_EQ(user_.log().last_index(), LogIndex(0));
    EXPECT_TRUE(user_.log().idle());
}

TEST_F(LogTest, WhatGoesInComesBack) {
    user_.vote(2, 1);
    user_.append(3, 100);
    ASSERT_TRUE(user_.settle());
    user_.vote(3, 2);
    user_.replace(1, 2, 40);
    user_.append(1, 0);
    ASSERT_TRUE(user_.settle());
    EXPECT_EQ(user_.acknowledged(), PersistTicket(5));

    const LogContent content = reopen(disk_.written());
    EXPECT_EQ(content, user_.history().all());
    EXPECT_EQ(content, user_.history().acknowledged());
    EXPECT_EQ(content.hard_state, (engine::HardState{engine::Term(3), engine::ServerId(2)}));
    EXPECT_EQ(content.entries.size(), 4U);
}

TEST_F(LogTest, TheShapesSayWhereConfigurationsAre) {
    user_.vote(1, 1);
    user_.append(8, 10);
    user_.replace(3, 1, 10);
    ASSERT_TRUE(user_.settle());
    VirtualDisk disk(disk_.written());
    LogUser next(disk);
    const auto content = next.open();
    ASSERT_TRUE(content);
    std::vector<LogIndex> memberships;
    for (std::size_t i = 0; i < content->entries.size(); ++i) {
        EXPECT_EQ(next.recovered().entries[i], content->entries[i].shape());
        if (content->entries[i].kind == engine::EntryKind::Membership) memberships.emplace_back(i + 1);
    }
    EXPECT_EQ(next.recovered().memberships, memberships);
    EXPECT_FALSE(memberships.empty());
}

TEST_F(LogTest, ManyLives) {
    VirtualDisk::Image image = disk_.written();
    LogContent expected;
    for (std::uint64_t life = 1; life <= 60; ++life) {
        VirtualDisk disk(image);
        LogUser user(disk);
        const auto content = user.open();
        ASSERT_TRUE(content) << content.error().message;
        ASSERT_EQ(*content, expected);
        user.history().resume_with(*content);
        user.vote(life, 1);
        user.append(life % 5, 17 * life);
        if (life % 7 == 0) user.replace(life % 3, 2, 90);
        ASSERT_TRUE(user.settle());
        expected = user.history().all();
        image = disk.written();
    }
    EXPECT_GT(image.size(), 6U) << "more than one segment";
}

TEST_F(LogTest, BootstrapIsDurableOnReturn) {
    const engine::HardState hard_state{engine::Term(1), engine::kNobody};
    const wal::LogEntry entry{engine::Term(1), engine::EntryKind::Membership, "who we are"};
    ASSERT_TRUE(user_.log().bootstrap(hard_state, entry));
    const auto none = [] { return false; };
    EXPECT_EQ(reopen(disk_.after_crash(none, none)), (LogContent{hard_state, {entry}}));
    user_.vote(2, 1);
    user_.append(1, 5);
    ASSERT_TRUE(user_.settle());
    EXPECT_EQ(reopen(disk_.written()).entries.size(), 2U);
}

TEST_F(LogTest, WhatArrivesDuringASyncSharesTheNext) {
    user_.vote(1, 1);
    ASSERT_TRUE(user_.settle());
    user_.append(1, 10);
    user_.log().flush();
    const std::uint64_t syncs = disk_.syncs_done();
    for (int i = 0; i < 20; ++i) {
        user_.append(2, 10);
        user_.log().flush();
    }
    EXPECT_EQ(disk_.waiting(DiskLane::Log).size(), 1U) << "one job at a time";
    ASSERT_TRUE(user_.complete_next(DiskLane::Log));
    EXPECT_EQ(user_.acknowledged(), PersistTicket(2));
    user_.log().flush();
    ASSERT_TRUE(user_.complete_next(DiskLane::Log));
    EXPECT_EQ(user_.acknowledged(), PersistTicket(22));
    EXPECT_EQ(disk_.syncs_done() - syncs, 2U);
    EXPECT_TRUE(user_.log().idle());
}

TEST_F(LogTest, NothingIsAcknowledgedBeforeItsSync) {
    user_.vote(1, 1);
    user_.append(2, 10);
    user_.log().flush();
    EXPECT_EQ(user_.acknowledged(), PersistTicket(0));
    EXPECT_FALSE(user_.log().idle());
    ASSERT_FALSE(disk_.waiting(DiskLane::Log).empty());
    const auto& operations = disk_.waiting(DiskLane::Log).front().operations;
    EXPECT_TRUE(std::holds_alternative<wal::SyncFile>(operations.back()));
}

TEST_F(LogTest, BothCopiesOfTheVoteAreSyncedBeforeTheEntries) {
    user_.vote(1, 1);
    user_.append(1, 10);
    user_.log().flush();
    std::vector<std::string> touched;
    for (const auto& operation : disk_.waiting(DiskLane::Log).front().operations) {
        if (const auto* write = std::get_if<wal::WriteAt>(&operation))
            touched.push_back("write " + write->file);
        if (const auto* sync = std::get_if<wal::SyncFile>(&operation))
            touched.push_back("sync " + sync->file);
    }
    EXPECT_THAT(touched, ElementsAre("write vote-a", "sync vote-a", "write vote-b", "sync vote-b",
                                     "write log-0000000000000001", "sync log-0000000000000001"));
}

TEST_F(LogTest, RollsThroughManySegments) {
    user_.vote(1, 1);
    for (int i = 0; i < 40; ++i) user_.append(3, 700);
    ASSERT_TRUE(user_.settle());
    EXPECT_GT(segments(), 15U);
    EXPECT_EQ(reopen(disk_.written()), user_.history().all());
}

TEST_F(LogTest, AnEntryLargerThanASegmentGetsOneOfItsOwnSize) {
    user_.vote(1, 1);
    user_.append(1, 3 << 20);
    user_.append(2, 100);
    user_.append(1, wal::kPayloadBytesMax);
    ASSERT_TRUE(user_.settle());
    EXPECT_FALSE(user_.log().awaits_room())
        << "this segment is full, and the next one smaller, but it is there";
    user_.append(1, 0);
    ASSERT_TRUE(user_.settle());
    EXPECT_EQ(reopen(disk_.written()), user_.history().all());
}

TEST_F(LogTest, AReplacementMayReachBackIntoEarlierSegments) {
    user_.vote(1, 1);
    user_.append(20, 700);
    user_.vote(2, 1);
    user_.replace(19, 2, 700);
    ASSERT_TRUE(user_.settle());
    user_.append(5, 700);
    ASSERT_TRUE(user_.settle());
    const LogContent content = reopen(disk_.written());
    EXPECT_EQ(content, user_.history().all());
    EXPECT_EQ(content.entries.size(), 7U);
}

TEST_F(LogTest, ReadsGiveWhatFits) {
    user_.vote(1, 1);
    user_.append(30, 200);
    ASSERT_TRUE(user_.settle());
    const auto all = user_.history().all().entries;
    for (std::uint64_t first = 1; first <= 30; ++first) {
        const auto one = user_.log().read(LogIndex(first), LogIndex(30), 1);
        ASSERT_TRUE(one);
        EXPECT_THAT(*one, ElementsAre(all[first - 1])) << "at least one";
        const auto some = user_.log().read(LogIndex(first),
                                           LogIndex(first + std::min<std::uint64_t>(2, 30 - first)), 10000);
        ASSERT_TRUE(some);
        ASSERT_LE(some->size(), 3U);
        for (std::size_t i = 0; i < some->size(); ++i) EXPECT_EQ((*some)[i], all[first - 1 + i]);
    }
    EXPECT_EQ(user_.log().read(LogIndex(1), LogIndex(30), 600)->size(), 2U);
}

// Each life of a process draws another salt; what an earlier one has written stays readable, and is gone on
// with.
TEST_F(LogTest, EverySegmentHasASaltOfItsOwn) {
    VirtualDisk::Image image;
    LogContent content;
    for (std::uint64_t life = 1; life <= 4; ++life) {
        VirtualDisk disk(image);
        LogUser user(disk, wal::kSegmentBytesMin, kTestIdentity, 1000 + life / 2);
        const auto found = user.open();
        ASSERT_TRUE(found) << found.error().message;
        EXPECT_EQ(*found, content);
        user.history().resume_with(*found);
        user.vote(life, 1);
        user.append(14, 700);
        ASSERT_TRUE(user.settle());
        content = user.history().all();
        EXPECT_EQ(user.log().read(LogIndex(1), LogIndex(1), 1)->front(), content.entries.front());
        EXPECT_EQ(user.log().read(user.log().last_index(), user.log().last_index(), 1)->front(),
                  content.entries.back());
        image = disk.written();
    }
    std::set<std::uint64_t> salts;
    std::size_t segments = 0;
    for (const auto& [name, bytes] : image) {
        if (!wal::parse_segment_name(name)) continue;
        ++segments;
        salts.insert(wal::decode_header(bytes.substr(0, wal::kBlockBytes)).value().salt);
    }
    EXPECT_GT(segments, 8U);
    EXPECT_EQ(salts.size(), segments);
}

TEST_F(LogTest, AReadOfDamagedBytesRefuses) {
    user_.vote(1, 1);
    user_.append(3, 200);
    ASSERT_TRUE(user_.settle());
    const wal::DiskOperation rot = wal::WriteAt{"log-0000000000000001", 4096 + 250 + 60, "X"};
    ASSERT_TRUE(disk_.run({&rot, 1}));
    EXPECT_TRUE(user_.log().read(LogIndex(1), LogIndex(1), 1));
    const auto read = user_.log().read(LogIndex(1), LogIndex(3), 10000);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, RefusalCode::Damage);
    EXPECT_THAT(read.error().message, HasSubstr("log-0000000000000001: offset "));
    EXPECT_THAT(read.error().message, HasSubstr("entry 2"));
}

TEST_F(LogTest, AFailedReadRefuses) {
    user_.vote(1, 1);
    user_.append(3, 200);
    ASSERT_TRUE(user_.settle());
    disk_.fail_reads_of("log-0000000000000001");
    EXPECT_EQ(user_.log().read(LogIndex(1), LogIndex(3), 10000).error().code, RefusalCode::IoFailed);
}

TEST_F(LogTest, IdlenessIsRecordedOnce) {
    user_.vote(1, 1);
    user_.append(3, 200);
    ASSERT_TRUE(user_.settle());
    const std::uint64_t before = disk_.operations_done();
    user_.log().on_idle();
    ASSERT_TRUE(user_.settle());
    const std::uint64_t after = disk_.operations_done();
    EXPECT_GT(after, before);
    user_.log().on_idle();
    ASSERT_TRUE(user_.settle());
    EXPECT_EQ(disk_.operations_done(), after);
    EXPECT_EQ(reopen(disk_.written()), user_.history().all());
}

TEST_F(LogTest, WritesDuringTheIdleMarkFollowIt) {
    user_.vote(1, 1);
    user_.append(3, 200);
    ASSERT_TRUE(user_.settle());
    user_.log().on_idle();
    user_.vote(2, 2);
    user_.append(1, 20);
    ASSERT_TRUE(user_.settle());
    EXPECT_EQ(user_.acknowledged(), PersistTicket(4));
    EXPECT_EQ(reopen(disk_.written()), user_.history().all());
}

TEST_F(LogTest, WhatIsCommittedIsKnownAtTheNextStartAsFarAsItWasDurable) {
    user_.vote(1, 1);
    user_.append(3, 200);
    ASSERT_TRUE(user_.settle());
    const auto found = [&] {
        VirtualDisk disk(disk_.written());
        LogUser next(disk);
        EXPECT_TRUE(next.open());
        return next.recovered().commit_index;
    };
    EXPECT_EQ(found(), LogIndex(0));
    user_.log().note_commit(LogIndex(9));
    EXPECT_EQ(found(), LogIndex(0)) << "that costs no write of its own";
    user_.log().on_idle();
    ASSERT_TRUE(user_.settle());
    EXPECT_EQ(found(), LogIndex(3));
    user_.append(1, 20);
    ASSERT_TRUE(user_.settle());
    user_.log().on_idle();
    ASSERT_TRUE(user_.settle());
    EXPECT_EQ(found(), LogIndex(4));
    const std::uint64_t operations = disk_.operations_done();
    user_.log().note_commit(LogIndex(10));
    user_.log().on_idle();
    EXPECT_TRUE(user_.log().idle()) << "nothing new is durable";
    EXPECT_EQ(disk_.operations_done(), operations);
    user_.vote(2, 2);
    ASSERT_TRUE(user_.settle());
    EXPECT_EQ(found(), LogIndex(4)) << "nothing takes it back";
}

// What is committed may still have to replace what is on the disk, and the vote files are written before.
TEST_F(LogTest, AnEntryThatIsToBeReplacedIsNeverTakenForCommitted) {
    user_.vote(1, 1);
    user_.append(5, 200);
    ASSERT_TRUE(user_.settle());
    LogIndex most;
    for (std::uint64_t operations = 0; operations < 12; ++operations) {
        for (const bool keeps : {false, true}) {
            VirtualDisk disk(disk_.written());
            LogUser user(disk);
            const auto content = user.open();
            ASSERT_TRUE(content);
            user.history().resume_with(*content);
            user.vote(2, 2);
            user.replace(1, 3, 40);
            user.log().note_commit(LogIndex(6));
            disk.cut_power_after(operations);
            if (user.settle()) user.log().on_idle();
            (void)user.settle();
            VirtualDisk after(disk.after_crash([&] { return keeps; }, [&] { return keeps; }));
            LogUser next(after);
            const auto recovered = next.open();
            ASSERT_TRUE(recovered);
            const LogIndex through = next.recovered().commit_index;
            ASSERT_LE(through.value, recovered->entries.size());
            for (std::size_t i = 0; i < through.value; ++i)
                ASSERT_EQ(recovered->entries[i], user.history().all().entries[i]) << operations;
            most = std::max(most, through);
        }
    }
    EXPECT_EQ(most, LogIndex(6));
}

TEST_F(LogTest, AfterAnyFailedOperationNothingIsAcknowledged) {
    // The same story with each of its operations failing once: the log stops there, for good.
    std::size_t stopped = 0;
    for (std::uint64_t n = 0;; ++n) {
        VirtualDisk disk;
        LogUser user(disk);
        ASSERT_TRUE(user.open());
        disk.fail_operation(n, DiskError::Failed);
        bool goes_on = true;
        for (int i = 0; i < 12 && goes_on; ++i) {
            user.vote(1 + static_cast<std::uint64_t>(i), 1);
            user.append(2, 700);
            goes_on = user.settle();
        }
        if (goes_on) break;
        ++stopped;
        ASSERT_TRUE(user.refusal());
        EXPECT_EQ(user.refusal()->code, RefusalCode::IoFailed);
        EXPECT_THAT(user.refusal()->message, HasSubstr("some-file: input/output error"));
        // It starts nothing any more.
        const PersistTicket acknowledged = user.acknowledged();
        const std::size_t submitted = disk.waiting(DiskLane::Log).size();
        user.append(1, 10);
        user.log().flush();
        user.log().on_idle();
        EXPECT_EQ(disk.waiting(DiskLane::Log).size(), submitted);
        // A job that ran beside the one that failed changes nothing.
        EXPECT_FALSE(user.complete_next(DiskLane::Log));
        EXPECT_EQ(user.acknowledged(), acknowledged);
        // What the next life reads may be in the kernel's cache alone; it must make it durable.
        VirtualDisk after(disk.written());
        LogUser next(after);
        const auto content = next.open();
        ASSERT_TRUE(content) << content.error().message;
        EXPECT_TRUE(user.history().allows(*content));
    }
    EXPECT_GT(stopped, 80U);
}

TEST_F(LogTest, AFailedWriteForWantOfRoomIsNoLessFinal) {
    user_.vote(1, 1);
    user_.append(1, 10);
    user_.log().flush();
    disk_.fail_operation(0, DiskError::NoSpace);
    EXPECT_FALSE(user_.complete_next(DiskLane::Log));
    EXPECT_EQ(user_.refusal()->code, RefusalCode::IoFailed);
}

TEST_F(LogTest, AFullDiskStopsWritesUntilThereIsRoom) {
    user_.vote(1, 1);
    ASSERT_TRUE(user_.settle());
    disk_.set_capacity(1);
    EXPECT_FALSE(user_.log().out_of_space());
    // The spare that is there already is used up, then the segment.
    int written = 0;
    for (; !user_.log().out_of_space(); ++written) {
        ASSERT_LT(written, 100);
        user_.append(1, 500);
        ASSERT_TRUE(user_.settle());
    }
    EXPECT_GT(written, 5);
    const PersistTicket acknowledged = user_.acknowledged();
    user_.append(10, 500);
    EXPECT_FALSE(user_.settle()) << "it waits";
    EXPECT_FALSE(user_.refusal()) << "and lives";
    EXPECT_TRUE(user_.log().out_of_space());
    EXPECT_EQ(user_.log().read(LogIndex(1), LogIndex(1), 1)->size(), 1U) << "reads go on";
    EXPECT_LE(user_.acknowledged(), acknowledged.next());

    for (int i = 0; i < 2000; ++i) EXPECT_FALSE(user_.settle()) << "still no room";
    disk_.set_capacity(UINT64_MAX);
    for (int i = 0; i < 2000 && !user_.log().idle(); ++i) user_.settle();
    EXPECT_TRUE(user_.log().idle());
    EXPECT_FALSE(user_.log().out_of_space());
    EXPECT_EQ(reopen(disk_.written()), user_.history().acknowledged());
    EXPECT_EQ(reopen(disk_.written()), user_.history().all());
}

TEST_F(LogTest, AVoteNeedsNoRoom) {
    user_.vote(1, 1);
    ASSERT_TRUE(user_.settle());
    disk_.set_capacity(1);
    user_.append(40, 500);
    EXPECT_FALSE(user_.settle());
    user_.vote(2, 2);
    user_.log().flush();
    while (!disk_.waiting(DiskLane::Log).empty()) ASSERT_TRUE(user_.complete_next(DiskLane::Log));
    const LogContent content = reopen(disk_.written());
    EXPECT_EQ(content.hard_state.current_term, engine::Term(2));
    EXPECT_TRUE(user_.history().allows(content));
}

}  // namespace
}  // namespace quorate::test
