#include "server/state_machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/server/generators.h"

namespace quorate::server::test {
namespace {

using testing::ElementsAre;

Operation put(std::string key, std::string value) {
    return {Operation::Kind::Put, std::move(key), std::move(value)};
}
Operation del(std::string key) { return {Operation::Kind::Delete, std::move(key), {}}; }

ApplyResult apply(StateMachine& store, std::vector<Operation> operations, Condition condition = {}) {
    return store.apply({std::move(operations), std::move(condition)});
}

std::vector<std::string> keys_of(const RangePage& page) {
    std::vector<std::string> keys;
    keys.reserve(page.entries.size());
    for (const RangeEntry& entry : page.entries) keys.emplace_back(entry.key);
    return keys;
}

TEST(StateMachine, CountsRevisionsAndVersions) {
    StateMachine store;
    EXPECT_EQ(apply(store, {put("k", "one")}), (ApplyResult{1, 0, false, 1}));
    EXPECT_EQ(*store.get("k"), (Record{"one", 1, 1, 1}));
    EXPECT_EQ(apply(store, {put("k", "two")}), (ApplyResult{2, 0, false, 2}));
    EXPECT_EQ(*store.get("k"), (Record{"two", 1, 2, 2}));
    EXPECT_EQ(apply(store, {del("k")}), (ApplyResult{3, 1, false, 0}));
    EXPECT_EQ(store.get("k"), nullptr);
    EXPECT_EQ(apply(store, {put("k", "again")}), (ApplyResult{4, 0, false, 4}));
    EXPECT_EQ(*store.get("k"), (Record{"again", 4, 4, 1})) << "a key that was deleted begins anew";
}

TEST(StateMachine, ADeleteOfNothingTakesNoRevision) {
    StateMachine store;
    apply(store, {put("k", "v")});
    const StateMachine before = store;
    EXPECT_EQ(apply(store, {del("none")}), (ApplyResult{1, 0, false, 0}));
    EXPECT_EQ(store, before);
    EXPECT_EQ(store.digest(), before.digest());
}

TEST(StateMachine, ABatchIsOneRevisionInOrder) {
    StateMachine store;
    EXPECT_EQ(apply(store, {put("a", "1"), put("a", "2"), put("b", "3"), del("b"), del("c")}),
              (ApplyResult{1, 1, false, 0}));
    EXPECT_EQ(*store.get("a"), (Record{"2", 1, 1, 2}));
    EXPECT_EQ(store.get("b"), nullptr);
    EXPECT_EQ(store.size(), 1U);
    EXPECT_EQ(store.bytes(), 2U);
}

TEST(StateMachine, ConditionsHoldOrNothingHappens) {
    using enum Condition::Kind;
    struct Row {
        const char* key;
        Condition condition;
        bool holds;
    };
    // "old" was last written at revision 1, "none" never.
    const std::vector<Row> rows{
        {"old", {Exists, {}}, true},          {"none", {Exists, {}}, false},
        {"old", {Absent, {}}, false},         {"none", {Absent, {}}, true},
        {"old", {RevisionIn, {1}}, true},     {"old", {RevisionIn, {2}}, false},
        {"old", {RevisionIn, {5, 1}}, true},  {"old", {RevisionIn, {}}, false},
        {"none", {RevisionIn, {0}}, false},   {"none", {RevisionIn, {1}}, false},
        {"old", {RevisionNotIn, {1}}, false}, {"old", {RevisionNotIn, {2}}, true},
        {"old", {RevisionNotIn, {}}, true},   {"none", {RevisionNotIn, {1}}, true},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(std::string(row.key) + " condition " +
                     std::to_string(static_cast<int>(row.condition.kind)));
        StateMachine store;
        apply(store, {put("old", "v")});
        const StateMachine before = store;
        const ApplyResult result = apply(store, {put(row.key, "new")}, row.condition);
        EXPECT_EQ(result.condition_failed, !row.holds);
        if (row.holds) {
            EXPECT_EQ(store.get(row.key)->value, "new");
            EXPECT_EQ(result.mod_revision, 2U);
        } else {
            EXPECT_EQ(store, before);
            EXPECT_EQ(result.revision, 1U);
            EXPECT_EQ(result.mod_revision, row.key == std::string("old") ? 1U : 0U)
                << "the tag to try again with";
        }
    }
}

TEST(StateMachine, ADeleteMayHaveACondition) {
    StateMachine store;
    apply(store, {put("k", "v")});
    EXPECT_TRUE(apply(store, {del("k")}, {Condition::Kind::RevisionIn, {9}}).condition_failed);
    EXPECT_EQ(apply(store, {del("k")}, {Condition::Kind::RevisionIn, {1}}).deleted, 1U);
    EXPECT_TRUE(apply(store, {del("k")}, {Condition::Kind::Exists, {}}).condition_failed);
}

class Range : public testing::Test {
 protected:
    Range() {
        for (const char* key : {"d", "b", "a", "c", "\xff"}) apply(store_, {put(key, "12345")});
        apply(store_, {put(std::string("\0", 1), "12345")});
    }
    [[nodiscard]] RangePage range(std::optional<std::string> start, std::optional<std::string> end,
                                  std::optional<std::string> after = std::nullopt, std::size_t limit = 100,
                                  std::size_t bytes_max = 1000) const {
        return store_.range({std::move(start), std::move(end), std::move(after), limit, bytes_max});
    }

    StateMachine store_;
};

TEST_F(Range, IsInByteOrderAndInclusive) {
    EXPECT_THAT(keys_of(range({}, {})), ElementsAre(std::string("\0", 1), "a", "b", "c", "d", "\xff"));
    EXPECT_THAT(keys_of(range("b", "c")), ElementsAre("b", "c"));
    EXPECT_THAT(keys_of(range("aa", "bb")), ElementsAre("b"));
    EXPECT_THAT(keys_of(range("c", {})), ElementsAre("c", "d", "\xff"));
    EXPECT_THAT(keys_of(range({}, "a")), ElementsAre(std::string("\0", 1), "a"));
    EXPECT_THAT(keys_of(range("c", "b")), ElementsAre());
}

TEST_F(Range, AfterIsExclusiveAndNeverGoesBackBehindStart) {
    EXPECT_THAT(keys_of(range({}, "d", "b")), ElementsAre("c", "d"));
    EXPECT_THAT(keys_of(range("b", "d", "b")), ElementsAre("c", "d"));
    EXPECT_THAT(keys_of(range("c", "d", "a")), ElementsAre("c", "d"));
    EXPECT_THAT(keys_of(range("a", "d", "bb")), ElementsAre("c", "d"));
    EXPECT_THAT(keys_of(range({}, "b", "c")), ElementsAre());
}

TEST_F(Range, SaysWhetherThereIsMore) {
    EXPECT_TRUE(range("a", "d", {}, 3).more);
    EXPECT_FALSE(range("a", "d", {}, 4).more) << "nothing of the range is left, though the store goes on";
    EXPECT_FALSE(range("a", "d", {}, 5).more);
}

TEST_F(Range, EndsAtTheBoundOfBytesButNeverEmpty) {
    EXPECT_THAT(keys_of(range("a", "d", {}, 100, 12)), ElementsAre("a", "b")) << "six bytes each";
    EXPECT_TRUE(range("a", "d", {}, 100, 12).more);
    EXPECT_THAT(keys_of(range("a", "d", {}, 100, 11)), ElementsAre("a"));
    EXPECT_THAT(keys_of(range("a", "d", {}, 100, 1)), ElementsAre("a"));
    EXPECT_FALSE(range("d", "d", {}, 100, 1).more);
}

// Against a plain model; and page by page a range is the whole range.
RC_GTEST_PROP(StateMachine, AgreesWithAModel, ()) {
    StateMachine store;
    std::map<std::string, std::string> model;
    const std::size_t steps = number_up_to(20);
    for (std::size_t i = 0; i < steps; ++i) {
        const Command command = any_plain_command();
        const std::uint64_t revision_before = store.revision();
        const auto model_before = model;
        std::uint32_t deleted = 0;
        bool wrote = false;
        const ApplyResult result = store.apply(command);
        if (!result.condition_failed) {
            for (const Operation& operation : command.operations) {
                if (operation.kind == Operation::Kind::Put) {
                    model[operation.key] = operation.value;
                    wrote = true;
                } else {
                    deleted += static_cast<std::uint32_t>(model.erase(operation.key));
                }
            }
        }
        RC_ASSERT(result.deleted == deleted);
        RC_ASSERT(result.revision == store.revision());
        RC_ASSERT(store.revision() == revision_before + (wrote || deleted > 0 ? 1 : 0));
    }
    std::uint64_t bytes = 0;
    std::vector<std::string> keys;
    for (const auto& [key, value] : model) {
        keys.push_back(key);
        bytes += key.size() + value.size();
        RC_ASSERT(store.get(key) != nullptr);
        RC_ASSERT(store.get(key)->value == value);
    }
    RC_ASSERT(store.size() == model.size());
    RC_ASSERT(store.bytes() == bytes);

    std::vector<std::string> paged;
    RangeQuery query{
        .start = {}, .end = {}, .after = {}, .limit = 1 + number_up_to(3), .bytes_max = number_up_to(20)};
    for (bool more = true; more;) {
        const RangePage page = store.range(query);
        for (const std::string& key : keys_of(page)) paged.push_back(key);
        more = page.more;
        if (more) query.after = paged.back();
    }
    RC_ASSERT(paged == keys);
}

RC_GTEST_PROP(StateMachine, EqualLogsGiveEqualStores, ()) {
    StateMachine one;
    StateMachine other;
    for (std::size_t i = number_up_to(20); i > 0; --i) {
        const Command command = any_command();
        RC_ASSERT(one.apply(command) == other.apply(command));
    }
    RC_ASSERT(one == other);
    RC_ASSERT(one.digest() == other.digest());
    const StateMachine before = one;
    one.apply({{put("a", any_bytes())}, {}});
    RC_ASSERT(one.digest() != before.digest());
}

// What walk() gives, as key=value lines, so many keys at a time.
std::string told(const StateMachine& store, const Pin& pin, std::size_t keys_max = 1) {
    std::string lines;
    std::optional<std::string> after;
    const auto take = [&lines](const KeyState& state) {
        lines += std::string(state.key) + "=";
        lines += state.record != nullptr ? state.record->value.view() : "none";
        lines += " changes=" + std::to_string(state.changes.size()) + "\n";
        return true;
    };
    while (!store.walk(pin, after, keys_max, take)) {
    }
    return lines;
}

TEST(StateMachine, EachOfSeveralPinsKeepsWhatWasThere) {
    StateMachine store;
    apply(store, {put("a", "1"), put("b", "1")});
    apply(store, {put("a", "2")});
    const Pin early = store.pin();
    const Pin present = store.pin_present();
    apply(store, {put("a", "3"), put("c", "3")});
    const Pin late = store.pin();
    store.apply({{}, {}, 3});
    apply(store, {{Operation::Kind::Delete, "a", {}}});
    store.apply({{}, {}, 4});
    const auto free_all = [&] {
        for (int i = 0; i < 3; ++i) store.free_some();
    };
    free_all();
    EXPECT_EQ(told(store, early), "a=2 changes=2\nb=1 changes=1\n");
    EXPECT_EQ(told(store, present), "a=2 changes=0\nb=1 changes=0\n");
    for (std::size_t keys_max = 1; keys_max <= 5; ++keys_max)
        EXPECT_EQ(told(store, late, keys_max), "a=3 changes=3\nb=1 changes=1\nc=3 changes=1\n");
    EXPECT_GT(store.history().forgotten_bytes(), 0U);
    store.unpin(early);
    free_all();
    EXPECT_EQ(told(store, present), "a=2 changes=0\nb=1 changes=0\n");
    store.unpin(late);
    store.unpin(present);
    free_all();
    EXPECT_EQ(store.history().forgotten_bytes(), 0U);
}

TEST(StateMachine, AWalkLooksAtNoMoreKeysThanItMayAndGoesOnWithTheOneThatIsRefused) {
    StateMachine store;
    apply(store, {put("m", "1"), put("x", "1")});
    const Pin pin = store.pin_present();
    for (int i = 0; i < 5; ++i) apply(store, {put("n" + std::to_string(i), "since")});
    std::optional<std::string> after;
    std::string seen;
    const auto take = [&seen](const KeyState& state) { return seen += state.key, state.key != "x"; };
    EXPECT_FALSE(store.walk(pin, after, 4, take));
    EXPECT_EQ(seen, "m");
    EXPECT_EQ(after, "n2");
    EXPECT_FALSE(store.walk(pin, after, 4, take));
    EXPECT_EQ(seen, "mx");
    EXPECT_EQ(after, "n4") << "x was refused";
    EXPECT_FALSE(store.walk(pin, after, 1, [](const KeyState&) { return true; }));
    EXPECT_EQ(after, "x");
    EXPECT_TRUE(store.walk(pin, after, 1, take));
    EXPECT_EQ(seen, "mx");
}

TEST(StateMachine, DigestIsTheSameForEver) {
    StateMachine store;
    apply(store, {put("a", "1"), put("b", "2")});
    apply(store, {put("a", "3")});
    EXPECT_EQ(store.digest(), 1544580351417854824U)
        << "a change of this number means that members of different versions disagree";
}

TEST(StateMachine, IsDiscardedALittleAtATime) {
    StateMachine store;
    for (int i = 0; i < 3000; ++i)
        store.apply({{{Operation::Kind::Put, "k" + std::to_string(i % 2000), "v"}}, {}});
    int steps = 1;
    for (std::size_t before = store.size(); store.discard_some(); ++steps) {
        EXPECT_LE(before - store.size(), 1024U);
        before = store.size();
    }
    EXPECT_EQ(steps, 2);
    EXPECT_EQ(store.size(), 0U);
    EXPECT_EQ(store.history().forgotten_bytes(), 0U);
}

}  // namespace
}  // namespace quorate::server::test
