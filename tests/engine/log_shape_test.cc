#include "engine/log_shape.h"

#include <cstdint>
#include <initializer_list>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "tests/support/lone_server.h"

namespace quorate::engine::test {

namespace {

LogShape log_of(std::initializer_list<std::uint64_t> terms, EntryId base = {}) {
    LogShape log(base);
    for (const EntryShape& entry : commands(terms)) log.append(entry);
    return log;
}

TEST(LogShape, AnEmptyLogEndsAtItsBase) {
    const LogShape empty;
    EXPECT_EQ(empty.first_index(), LogIndex(1));
    EXPECT_EQ(empty.last_entry(), EntryId{});
    EXPECT_TRUE(empty.holds({}));
    EXPECT_FALSE(empty.knows_term(LogIndex(1)));

    const LogShape behind_snapshot({LogIndex(7), Term(3)});
    EXPECT_EQ(behind_snapshot.first_index(), LogIndex(8));
    EXPECT_EQ(behind_snapshot.last_entry(), (EntryId{LogIndex(7), Term(3)}));
    EXPECT_TRUE(behind_snapshot.holds({LogIndex(7), Term(3)}));
    EXPECT_FALSE(behind_snapshot.holds({LogIndex(7), Term(2)}));
    EXPECT_FALSE(behind_snapshot.knows_term(LogIndex(6)));
}

TEST(LogShape, RunsAreFoundByIndexAndByTerm) {
    const LogShape log = log_of({1, 1, 3, 3, 3, 6});
    const std::uint64_t run_starts[] = {1, 1, 3, 3, 3, 6};
    for (std::uint64_t i = 1; i <= 6; ++i)
        EXPECT_EQ(log.first_index_of_run(LogIndex(i)), LogIndex(run_starts[i - 1])) << i;
    const std::uint64_t last_at_most[] = {0, 2, 2, 5, 5, 5, 6, 6};
    for (std::uint64_t term = 0; term <= 7; ++term)
        EXPECT_EQ(log.last_index_with_term_at_most(Term(term)), LogIndex(last_at_most[term])) << term;
}

TEST(LogShape, ARunThatTheBaseCutsBeginsBehindIt) {
    LogShape log = log_of({1, 1, 3, 3, 3, 6});
    log.compact_through(LogIndex(4));
    EXPECT_EQ(log.base(), (EntryId{LogIndex(4), Term(3)}));
    EXPECT_EQ(log.first_index_of_run(LogIndex(5)), LogIndex(5));
    EXPECT_EQ(log.last_index_with_term_at_most(Term(2)), LogIndex(4));  // none: the base
    EXPECT_EQ(log.last_index_with_term_at_most(Term(3)), LogIndex(5));
    EXPECT_EQ(log, log_of({3, 6}, {LogIndex(4), Term(3)}));  // however it came about
    log.compact_through(LogIndex(6));
    EXPECT_EQ(log, LogShape({LogIndex(6), Term(6)}));
}

TEST(LogShape, TruncationForgetsTheRestAndNothingElse) {
    LogShape log = log_of({1, 1, 3, 3});
    log.truncate_from(LogIndex(5));  // nothing there
    EXPECT_EQ(log, log_of({1, 1, 3, 3}));
    log.truncate_from(LogIndex(4));
    EXPECT_EQ(log, log_of({1, 1, 3}));
    log.truncate_from(LogIndex(3));
    EXPECT_EQ(log, log_of({1, 1}));
    log.append({Term(2), EntryKind::Command, 1});
    EXPECT_EQ(log, log_of({1, 1, 2}));
    log.truncate_from(LogIndex(1));
    EXPECT_EQ(log, LogShape());
}

TEST(LogShape, TheDigestTellsLogsApart) {
    const LogShape logs[] = {
        LogShape(),
        LogShape({LogIndex(1), Term(1)}),
        LogShape({LogIndex(1), Term(2)}),
        log_of({1}),
        log_of({2}),
        log_of({1, 1}),
        log_of({1, 2}),
        log_of({1}, {LogIndex(1), Term(1)}),
    };
    for (const LogShape& a : logs) {
        for (const LogShape& b : logs) EXPECT_EQ(a.digest() == b.digest(), a == b);
    }
    LogShape larger;
    larger.append({Term(1), EntryKind::Command, 2});
    EXPECT_NE(larger.digest(), log_of({1}).digest());
}

TEST(LogShapeDeathTest, WhatItDoesNotHoldMayNotBeAsked) {
    LogShape log = log_of({1, 2}, {LogIndex(3), Term(1)});
    EXPECT_DEATH((void)log.term_at(LogIndex(2)), "knows_term");
    EXPECT_DEATH((void)log.term_at(LogIndex(6)), "knows_term");
    EXPECT_DEATH((void)log.bytes_at(LogIndex(3)), "index > base_.index");
    EXPECT_DEATH((void)log.bytes_at(LogIndex(6)), "index <= last_index");
    EXPECT_DEATH((void)log.first_index_of_run(LogIndex(3)), "index > base_.index");
    EXPECT_DEATH(log.append({Term(1), EntryKind::Command, 1}), "entry.term >= last_term");
    EXPECT_DEATH(log.truncate_from(LogIndex(3)), "index > base_.index");
    EXPECT_DEATH(log.compact_through(LogIndex(6)), "knows_term");
}

/// The log as anyone would write it first: an entry for each index.
struct NaiveLog {
    EntryId base;
    std::vector<EntryShape> entries;

    [[nodiscard]] std::uint64_t last() const { return base.index.value + entries.size(); }
    [[nodiscard]] Term term(std::uint64_t index) const {
        return index == base.index.value ? base.term : entries.at(index - base.index.value - 1).term;
    }
};

void require_alike(const LogShape& log, const NaiveLog& naive) {
    RC_ASSERT(log.base() == naive.base);
    RC_ASSERT(log.last_index() == LogIndex(naive.last()));
    RC_ASSERT(log.last_term() == naive.term(naive.last()));
    std::uint64_t run = naive.base.index.value + 1;
    for (std::uint64_t i = naive.base.index.value; i <= naive.last(); ++i) {
        RC_ASSERT(log.term_at(LogIndex(i)) == naive.term(i));
        RC_ASSERT(log.holds({LogIndex(i), naive.term(i)}));
        RC_ASSERT(!log.holds({LogIndex(i), naive.term(i).next()}));
        if (i == naive.base.index.value) continue;
        if (i > run && naive.term(i) != naive.term(i - 1)) run = i;
        RC_ASSERT(log.first_index_of_run(LogIndex(i)) == LogIndex(run));
        RC_ASSERT(log.bytes_at(LogIndex(i)) == naive.entries[i - naive.base.index.value - 1].bytes);
    }
    for (std::uint64_t term = 0; term <= naive.term(naive.last()).value + 1; ++term) {
        std::uint64_t last = naive.base.index.value;
        for (std::uint64_t i = last + 1; i <= naive.last(); ++i) {
            if (naive.term(i) <= Term(term)) last = i;
        }
        RC_ASSERT(log.last_index_with_term_at_most(Term(term)) == LogIndex(last));
    }
}

RC_GTEST_PROP(LogShape, ItIsWhatANaiveLogIs, ()) {
    LogShape log;
    NaiveLog naive;
    for (int i = *rc::gen::inRange(0, 40); i > 0; --i) {
        switch (*rc::gen::weightedElement<int>({{6, 0}, {2, 1}, {1, 2}})) {
            case 0: {
                const EntryShape entry{Term(log.last_term().value + *rc::gen::inRange<std::uint64_t>(0, 2)),
                                       EntryKind::Command, *rc::gen::inRange<std::uint32_t>(0, 9)};
                log.append(entry);
                naive.entries.push_back(entry);
                break;
            }
            case 1: {
                const auto from =
                    *rc::gen::inRange<std::uint64_t>(naive.base.index.value + 1, naive.last() + 3);
                log.truncate_from(LogIndex(from));
                while (naive.last() >= from && !naive.entries.empty()) naive.entries.pop_back();
                break;
            }
            default: {
                const auto through =
                    *rc::gen::inRange<std::uint64_t>(naive.base.index.value, naive.last() + 1);
                log.compact_through(LogIndex(through));
                const Term term = naive.term(through);
                naive.entries.erase(
                    naive.entries.begin(),
                    naive.entries.begin() + static_cast<std::ptrdiff_t>(through - naive.base.index.value));
                naive.base = {LogIndex(through), term};
            }
        }
        require_alike(log, naive);
    }
    // The same log, built at once: equal, and equal in digest.
    LogShape rebuilt(naive.base);
    for (const EntryShape& entry : naive.entries) rebuilt.append(entry);
    RC_ASSERT(log == rebuilt);
    RC_ASSERT(log.digest() == rebuilt.digest());
}

}  // namespace

}  // namespace quorate::engine::test
