#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "server/history_window.h"
#include "server/key_history.h"
#include "server/state_machine.h"
#include "tests/server/generators.h"

namespace quorate::server::test {
namespace {

using testing::ElementsAre;
using testing::Pair;

Command putting(std::string key, std::string value) {
    return {{{Operation::Kind::Put, std::move(key), std::move(value)}}, {}};
}
Command deleting(std::string key) { return {{{Operation::Kind::Delete, std::move(key), {}}}, {}}; }
Command forgetting(std::uint64_t through) { return {{}, {}, through}; }

std::vector<std::pair<std::string, std::string>> range_at(const StateMachine& store, std::uint64_t revision,
                                                          RangeQuery query = {}) {
    query.revision = revision;
    std::vector<std::pair<std::string, std::string>> entries;
    for (const RangeEntry& entry : store.range(query).entries)
        entries.emplace_back(entry.key, entry.record->value);
    return entries;
}

TEST(History, TellsWhatWasThere) {
    StateMachine store;
    store.apply(putting("b", "1"));
    store.apply(putting("a", "2"));
    store.apply(putting("b", "3"));
    store.apply(deleting("b"));
    EXPECT_EQ(store.get_at("b", 0), nullptr);
    EXPECT_EQ(*store.get_at("b", 1), (Record{"1", 1, 1, 1}));
    EXPECT_EQ(*store.get_at("b", 2), (Record{"1", 1, 1, 1}));
    EXPECT_EQ(*store.get_at("b", 3), (Record{"3", 1, 3, 2}));
    EXPECT_EQ(store.get_at("b", 4), nullptr);
    EXPECT_THAT(range_at(store, 0), ElementsAre());
    EXPECT_THAT(range_at(store, 2), ElementsAre(Pair("a", "2"), Pair("b", "1")));
    EXPECT_THAT(range_at(store, 3), ElementsAre(Pair("a", "2"), Pair("b", "3")));
    EXPECT_THAT(range_at(store, 4), ElementsAre(Pair("a", "2")));
}

TEST(History, OfOneRevisionOnlyTheWholeIsSeen) {
    StateMachine store;
    store.apply(putting("a", "before"));
    store.apply({{{Operation::Kind::Put, "a", "half"},
                  {Operation::Kind::Delete, "a", {}},
                  {Operation::Kind::Put, "a", "whole"}},
                 {}});
    EXPECT_EQ(store.get_at("a", 1)->value, "before");
    EXPECT_EQ(store.get_at("a", 2)->value, "whole");
    EXPECT_EQ(store.history().changes().size(), 2U) << "one for each revision";
    store.apply({{{Operation::Kind::Put, "b", "half"},
                  {Operation::Kind::Delete, "b", {}},
                  {Operation::Kind::Put, "c", "new"},
                  {Operation::Kind::Put, "b", "whole"},
                  {Operation::Kind::Delete, "a", {}}},
                 {}});
    EXPECT_EQ(store.get_at("b", 2), nullptr);
    EXPECT_EQ(store.history().changes().size(), 5U) << "one for each revision of a key";
}

TEST(History, IsForgottenThroughARevision) {
    StateMachine store;
    for (int i = 1; i <= 4; ++i) store.apply(putting("a", std::to_string(i)));
    store.apply(forgetting(3));
    EXPECT_EQ(store.revision(), 4U) << "to forget is no change";
    EXPECT_EQ(store.oldest_revision(), 3U);
    EXPECT_EQ(store.get_at("a", 3)->value, "3");
    EXPECT_EQ(store.history().changes().size(), 1U);
    EXPECT_EQ(store.history().bytes(), 2U);
    store.apply(forgetting(2));
    EXPECT_EQ(store.oldest_revision(), 3U) << "what is forgotten stays so";
    store.apply(forgetting(100));
    EXPECT_EQ(store.oldest_revision(), 4U) << "the present is never forgotten";
    EXPECT_TRUE(store.history().changes().empty());
    EXPECT_EQ(store.history().bytes(), 0U);
    EXPECT_EQ(store.get_at("a", 4)->value, "4");
}

// Against copies of the store as it was; and page by page.
RC_GTEST_PROP(History, IsWhatTheStoreWas, ()) {
    StateMachine store;
    std::map<std::uint64_t, StateMachine> past{{0, store}};
    for (std::size_t i = number_up_to(30); i > 0; --i) {
        store.apply(number_up_to(9) == 0 ? forgetting(1 + number_up_to(20)) : any_command());
        past.insert_or_assign(store.revision(), store);
    }
    for (const auto& [revision, then] : past) {
        if (revision < store.oldest_revision()) continue;
        RangeQuery query;
        if (number_up_to(1) == 0) query.start = some_key();
        if (number_up_to(1) == 0) query.end = some_key();
        if (number_up_to(1) == 0) query.after = some_key();
        query.limit = 1 + number_up_to(5);
        query.bytes_max = number_up_to(30);
        const RangePage expected = then.range(query);
        query.revision = revision;
        const RangePage page = store.range(query);
        RC_ASSERT(page.more == expected.more);
        RC_ASSERT(page.entries.size() == expected.entries.size());
        for (std::size_t i = 0; i < page.entries.size(); ++i) {
            RC_ASSERT(page.entries[i].key == expected.entries[i].key);
            RC_ASSERT(*page.entries[i].record == *expected.entries[i].record);
        }
        const std::string key = some_key();
        const Record* record = store.get_at(key, revision);
        const Record* known = then.get(key);
        RC_ASSERT((record == nullptr) == (known == nullptr));
        if (known != nullptr) RC_ASSERT(*record == *known);
    }
}

KeyHistory history_of(std::uint64_t revisions, std::size_t value_bytes = 1) {
    KeyHistory history;
    KeyHistory::Place place;
    for (std::uint64_t r = 1; r <= revisions; ++r)
        history.add(r, "k", Record{std::string(value_bytes, 'v'), 1, r, r}, place);
    return history;
}

TEST(HistoryWindow, ForgetsWhatIsTooManyOrTooLarge) {
    const HistoryWindow count({.changes_max = 8, .bytes_max = 1000, .age_ms_max = 1000});
    EXPECT_EQ(count.forget_through(history_of(0)), 0U);
    EXPECT_EQ(count.forget_through(history_of(9)), 0U) << "an eighth over is allowed";
    EXPECT_EQ(count.forget_through(history_of(10)), 2U);
    const HistoryWindow bytes({.changes_max = 1000, .bytes_max = 80, .age_ms_max = 1000});
    EXPECT_EQ(bytes.forget_through(history_of(9, 9)), 0U);
    EXPECT_EQ(bytes.forget_through(history_of(10, 9)), 2U);
    EXPECT_EQ(bytes.forget_through(history_of(1, 900)), 1U);
    const HistoryWindow nothing({.changes_max = 0, .bytes_max = 0, .age_ms_max = 1000});
    EXPECT_EQ(nothing.forget_through(history_of(3)), 3U);
}

TEST(HistoryWindow, ForgetsWhatIsTooOld) {
    HistoryWindow window({.changes_max = 1000, .bytes_max = 1000, .age_ms_max = 1600});
    const KeyHistory history = history_of(20);
    window.note_time(0, 0);
    for (std::uint64_t r = 1; r <= 20; ++r) window.note_time(r * 100, r);
    EXPECT_EQ(window.forget_through(history), 4U) << "at 2,000 ms what was there at 400 ms";
    window.note_time(100'000, 20);
    EXPECT_EQ(window.forget_through(history), 20U);
    EXPECT_EQ(window.forget_through(KeyHistory()), 0U);
}

}  // namespace
}  // namespace quorate::server::test
