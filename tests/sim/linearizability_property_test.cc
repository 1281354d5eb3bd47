// The checker against one that tries every order, and against histories that are linearizable because they
// were made so.

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "sim/history_shrink.h"
#include "sim/linearizability.h"
#include "sim/register_model.h"
#include "sim/register_search.h"
#include "tests/sim/history_generator.h"

namespace quorate::sim {
namespace {

// Tries every order of every choice of the open operations, knowing nothing of the checker's parts.
class EveryOrder {
 public:
    explicit EveryOrder(const std::vector<Operation>& history) {
        for (const Operation& each : history) {
            if (each.outcome != Outcome::NotApplied) history_.push_back(each);
        }
        done_.resize(history_.size());
    }

    bool exists() {
        bool all = true;
        for (std::size_t i = 0; i < history_.size(); ++i) {
            if (done_[i] || !history_[i].ret) continue;
            all = false;
        }
        if (all) return true;
        for (std::size_t i = 0; i < history_.size(); ++i) {
            if (done_[i] || !may_be_next(i)) continue;
            const State before = state_;
            done_[i] = true;
            if (perform(history_[i]) && exists()) return true;
            done_[i] = false;
            state_ = before;
        }
        return false;
    }

 private:
    struct State {
        std::optional<std::string> value;
        std::uint64_t at_least = 0;
        bool exactly = false;
    };

    [[nodiscard]] bool may_be_next(std::size_t i) const {
        for (std::size_t j = 0; j < history_.size(); ++j) {
            if (!done_[j] && history_[j].ret && *history_[j].ret < history_[i].call) return false;
        }
        return true;
    }

    bool perform(const Operation& operation) {
        const bool ok = operation.outcome == Outcome::Ok;
        switch (operation.kind) {
            case OperationKind::Get:
                if (!ok) return true;
                return state_.value == operation.value && read_revision(operation.revision);
            case OperationKind::Put:
            case OperationKind::Delete: return set(operation.value, operation.revision);
            case OperationKind::Cas:
                if (operation.outcome == Outcome::ConditionFailed) return state_.value != operation.expected;
                if (state_.value != operation.expected) return !ok;
                return set(operation.value, operation.revision);
        }
        return false;
    }

    bool set(const std::optional<std::string>& value, const std::optional<std::uint64_t>& revision) {
        if (revision && (value ? *revision <= state_.at_least : *revision < state_.at_least)) return false;
        state_ = {value, revision.value_or(state_.at_least), revision.has_value() && value.has_value()};
        return true;
    }

    bool read_revision(const std::optional<std::uint64_t>& revision) {
        if (!revision) return true;
        if (!state_.value) {
            if (*revision < state_.at_least) return false;
        } else if (state_.exactly ? *revision != state_.at_least : *revision <= state_.at_least) {
            return false;
        }
        state_.at_least = *revision;
        state_.exactly = state_.value.has_value();
        return true;
    }

    std::vector<Operation> history_;
    std::vector<bool> done_;
    State state_;
};

Operation any_operation(std::uint32_t values, bool with_revisions, std::uint64_t now) {
    const auto below = [](int bound) { return *rc::gen::inRange(0, bound); };
    const auto value = [&]() -> std::string {
        return {static_cast<char>('a' + below(static_cast<int>(values)))};
    };
    const auto maybe = [&]() -> std::optional<std::string> {
        return below(4) == 0 ? std::nullopt : std::optional(value());
    };
    Operation operation;
    operation.client = static_cast<std::uint64_t>(below(4));
    operation.key = "k";
    operation.kind = std::array{OperationKind::Put, OperationKind::Put,    OperationKind::Get,
                                OperationKind::Get, OperationKind::Delete, OperationKind::Cas,
                                OperationKind::Cas}[static_cast<std::size_t>(below(7))];
    operation.call = now + static_cast<std::uint64_t>(below(3));
    if (below(4) != 0) operation.ret = operation.call + static_cast<std::uint64_t>(below(6));
    operation.outcome = operation.ret ? Outcome::Ok : Outcome::Unknown;
    if (operation.ret && below(12) == 0) operation.outcome = Outcome::NotApplied;
    const bool ok = operation.outcome == Outcome::Ok;
    if (operation.kind == OperationKind::Put) operation.value = value();
    if (operation.kind == OperationKind::Get && ok) operation.value = maybe();
    if (operation.kind == OperationKind::Cas) {
        operation.expected = maybe();
        operation.value = value();
        if (ok && below(2) == 0) operation.outcome = Outcome::ConditionFailed;
    }
    if (with_revisions && operation.outcome == Outcome::Ok && below(3) != 0) {
        operation.revision = 1 + static_cast<std::uint64_t>(below(4)) + now / 4;
    }
    return operation;
}

std::vector<Operation> any_history() {
    const auto size = *rc::gen::inRange(1, 9);
    const auto values = static_cast<std::uint32_t>(*rc::gen::inRange(1, 7));
    const auto pace = *rc::gen::inRange(0, 4);
    const bool with_revisions = *rc::gen::inRange(0, 4) == 0;
    std::vector<Operation> history;
    std::uint64_t now = 0;
    for (int i = 0; i < size; ++i) {
        now += static_cast<std::uint64_t>(*rc::gen::inRange(0, pace + 1));
        history.push_back(any_operation(values, with_revisions, now));
    }
    return history;
}

// What makes a small history likely to be linearizable: it was, before one or two answers were changed.
std::vector<Operation> bent_history(int size_max, int bends_min) {
    const HistoryShape shape{.operations = static_cast<std::size_t>(*rc::gen::inRange(2, size_max)),
                             .clients = static_cast<std::uint32_t>(*rc::gen::inRange(1, 6)),
                             .keys = 1,
                             .latency_max = 10,
                             .pause_max = 4,
                             .values = static_cast<std::uint32_t>(*rc::gen::inRange(0, 5)),
                             .reads_percent = 40,
                             .deletes_percent = 10,
                             .cas_percent = 25,
                             .unknown_permille = static_cast<std::uint32_t>(*rc::gen::inRange(0, 400)),
                             .with_revisions = *rc::gen::inRange(0, 3) == 0};
    std::vector<Operation> history = linearizable_history(shape, *rc::gen::arbitrary<std::uint64_t>());
    const int bends = bends_min + *rc::gen::inRange(0, 3);
    for (int i = 0; i < bends; ++i) {
        Operation& at = history[*rc::gen::inRange<std::size_t>(0, history.size())];
        const Operation& other = history[*rc::gen::inRange<std::size_t>(0, history.size())];
        if (at.outcome == Outcome::Unknown) continue;
        if (at.kind == OperationKind::Get) {
            at.value = other.value;
            if (at.revision == 0) at.revision.reset();
        } else if (at.kind == OperationKind::Cas) {
            at.outcome = at.outcome == Outcome::Ok ? Outcome::ConditionFailed : Outcome::Ok;
            at.revision.reset();
        } else {
            at.call = std::min(other.call, at.call);
        }
    }
    return history;
}

struct Tally {
    int linearizable = 0;
    int not_linearizable = 0;

    [[nodiscard]] int histories() const { return linearizable + not_linearizable; }
};

std::string told(const std::vector<Operation>& history) {
    std::string text;
    for (const Operation& each : history) {
        text += std::to_string(each.call) + ".." + (each.ret ? std::to_string(*each.ret) : "") + " " +
                display(each) + "\n";
    }
    return text;
}

void agrees_with_every_order(const std::vector<Operation>& history, Tally& tally) {
    for (const Operation& each : history) {
        const auto fault = fault_of(each);
        if (fault) RC_FAIL(*fault);
    }
    RC_LOG() << told(history);
    const Judgement judgement = judge_linearizability(history);
    if (EveryOrder(history).exists()) {
        ++tally.linearizable;
        RC_ASSERT(judgement.verdict == Verdict::Linearizable);
        return;
    }
    ++tally.not_linearizable;
    RC_ASSERT(judgement.verdict == Verdict::NotLinearizable);
    // What is left is a fault by itself, and small enough.
    const Counterexample& counterexample = *judgement.counterexample;
    RC_LOG() << report(judgement);
    RC_ASSERT(counterexample.smallest);
    RC_ASSERT(!EveryOrder(counterexample.operations).exists());
    RC_ASSERT(counterexample.operations.size() <= history.size());
    RC_ASSERT(!counterexample.stuck.empty());
}

// RapidCheck runs a property a hundred times, or as often as RC_PARAMS says: that is few, so each run draws
// many histories.
constexpr int kHistoriesARun = 200;
constexpr std::size_t kWorkMax = 4'000'000;
constexpr SearchLimits kPlain{.configurations_max = 1'000'000, .bytes_max = std::size_t{256} << 20U};

TEST(LinearizabilityProperty, AgreesWithEveryOrderOfAnyHistory) {
    Tally tally;
    EXPECT_TRUE(rc::check("any history", [&tally] {
        for (int i = 0; i < kHistoriesARun; ++i) agrees_with_every_order(any_history(), tally);
    }));
    RecordProperty("linearizable", tally.linearizable);
    RecordProperty("not_linearizable", tally.not_linearizable);
    EXPECT_GE(tally.linearizable, tally.histories() / 20);
    EXPECT_GE(tally.not_linearizable, tally.histories() / 40);
}

TEST(LinearizabilityProperty, AgreesWithEveryOrderOfHistoriesThatAreNearlyRight) {
    Tally tally;
    EXPECT_TRUE(rc::check("bent history", [&tally] {
        for (int i = 0; i < kHistoriesARun; ++i) agrees_with_every_order(bent_history(10, 0), tally);
    }));
    RecordProperty("linearizable", tally.linearizable);
    RecordProperty("not_linearizable", tally.not_linearizable);
    EXPECT_GE(tally.linearizable, tally.histories() / 20);
    EXPECT_GE(tally.not_linearizable, tally.histories() / 40);
}

std::vector<Step> steps_of_all(const std::vector<Operation>& history) {
    std::vector<const Operation*> operations;
    operations.reserve(history.size());
    for (const Operation& each : history) operations.push_back(&each);
    std::vector<std::optional<std::string>> values;
    return steps_of(operations, values);
}

// Longer than can be tried in every order: against the search without its shortcuts.
TEST(LinearizabilityProperty, AgreesWithTheSearchWithoutShortcuts) {
    Tally tally;
    EXPECT_TRUE(rc::check("bent history", [&tally] {
        for (int i = 0; i < 20; ++i) {
            const std::vector<Operation> history = bent_history(40, 2);
            RC_LOG() << told(history);
            const std::vector<Step> steps = steps_of_all(history);
            const std::vector<std::size_t> longest = longest_order(steps, kPlain);
            const auto returned = [](const Step& step) { return !step.open; };
            const auto placed =
                std::ranges::count_if(longest, [&](std::size_t at) { return returned(steps[at]); });
            const bool linearizable = placed == std::ranges::count_if(steps, returned);
            ++(linearizable ? tally.linearizable : tally.not_linearizable);
            if (find_fault_nearby(steps, kPlain, kWorkMax)) RC_ASSERT(!linearizable);
            const SearchResult result = search_order(steps, kPlain);
            RC_ASSERT(result.verdict == (linearizable ? SearchVerdict::Found : SearchVerdict::None));
        }
    }));
    RecordProperty("linearizable", tally.linearizable);
    RecordProperty("not_linearizable", tally.not_linearizable);
    EXPECT_GE(tally.linearizable, tally.histories() / 10);
    EXPECT_GE(tally.not_linearizable, tally.histories() / 10);
}

struct LongRow {
    const char* name = "";
    HistoryShape shape;
    std::size_t configurations_max = 0;
};

// Ten thousand operations of sixteen clients. The bounds are about twice what was measured.
const std::array kLongRows{
    LongRow{"four keys", {.operations = 10'000, .unknown_permille = 20}, 25'000},
    LongRow{"one key", {.operations = 10'000, .keys = 1}, 35'000},
    LongRow{"one key, much cas",
            {.operations = 10'000, .keys = 1, .reads_percent = 30, .cas_percent = 50},
            35'000},
    LongRow{"three values", {.operations = 10'000, .keys = 1, .values = 3}, 60'000},
    LongRow{"four keys, five values", {.operations = 10'000, .values = 5, .unknown_permille = 20}, 40'000},
    LongRow{"revisions",
            {.operations = 10'000, .keys = 1, .unknown_permille = 20, .with_revisions = true},
            25'000},
    LongRow{"revisions, three values",
            {.operations = 10'000, .keys = 1, .values = 3, .unknown_permille = 20, .with_revisions = true},
            25'000},
};

TEST(LongHistory, OfARegisterIsLinearizableAndCheapToJudge) {
    for (const LongRow& row : kLongRows) {
        for (std::uint64_t seed = 1; seed <= 3; ++seed) {
            SCOPED_TRACE(std::string(row.name) + ", seed " + std::to_string(seed));
            const Judgement judgement = judge_linearizability(linearizable_history(row.shape, seed));
            EXPECT_EQ(judgement.verdict, Verdict::Linearizable) << report(judgement);
            EXPECT_LE(judgement.configurations, row.configurations_max);
        }
    }
}

// A read gets the answer of one that had returned, with all that saw or wrote its value, long before. As each
// write has a value of its own, nothing explains that unless nothing else was written in between.
TEST(LongHistory, WithOneStaleReadIsNot) {
    for (const HistoryShape& shape :
         {HistoryShape{.operations = 10'000, .keys = 1, .deletes_percent = 0},
          HistoryShape{.operations = 10'000, .deletes_percent = 0, .unknown_permille = 20},
          HistoryShape{.operations = 10'000, .keys = 2, .with_revisions = true}}) {
        for (std::uint64_t seed = 1; seed <= 3; ++seed) {
            std::vector<Operation> history = linearizable_history(shape, seed);
            Operation* late = nullptr;
            const Operation* early = nullptr;
            for (Operation& each : history) {
                if (each.key != "k1" || each.kind != OperationKind::Get || !each.value) continue;
                if (early == nullptr && each.call > 1000) early = &each;
                if (early != nullptr && each.call > *early->ret + 1000) late = &each;
            }
            ASSERT_TRUE(early != nullptr && late != nullptr);
            ASSERT_NE(late->value, early->value);
            late->value = early->value;
            late->revision = early->revision;
            const Judgement judgement = judge_linearizability(history);
            EXPECT_EQ(judgement.verdict, Verdict::NotLinearizable) << "seed " << seed;
            EXPECT_EQ(judgement.key, "k1");
            ASSERT_TRUE(judgement.counterexample);
            EXPECT_LE(judgement.counterexample->operations.size(), 6U) << report(judgement);
            EXPECT_TRUE(judgement.counterexample->smallest);
            EXPECT_EQ(judge_linearizability(judgement.counterexample->operations).verdict,
                      Verdict::NotLinearizable);
        }
    }
}

// The shape of faults that no two values give away.
std::vector<Operation> with_fault_at_the_end(const HistoryShape& shape, std::uint64_t seed,
                                             OperationKind kind) {
    std::vector<Operation> history = linearizable_history(shape, seed);
    std::uint64_t end = 0;
    for (const Operation& each : history) end = std::max(end, each.ret.value_or(0));
    Operation put;
    put.kind = OperationKind::Put;
    put.key = "k1";
    put.value = "v1";
    put.call = end + 1;
    put.ret = end + 2;
    put.outcome = Outcome::Ok;
    Operation last = put;
    last.kind = kind;
    last.call = end + 3;
    last.ret = end + 4;
    if (kind == OperationKind::Get) last.value = "v2";
    if (kind == OperationKind::Cas) {
        last.expected = "v1";
        last.outcome = Outcome::ConditionFailed;
    }
    history.push_back(put);
    history.push_back(last);
    return history;
}

TEST(LongHistory, OfFewValuesWithAFaultIsRefusedAndTheFaultIsSmall) {
    const HistoryShape few{.operations = 3'000, .values = 5};
    const HistoryShape much_cas{.operations = 3'000, .keys = 1, .reads_percent = 30, .cas_percent = 50};
    for (std::uint64_t seed = 1; seed <= 2; ++seed) {
        for (const auto& history : {with_fault_at_the_end(few, seed, OperationKind::Get),
                                    with_fault_at_the_end(few, seed, OperationKind::Cas),
                                    with_fault_at_the_end(much_cas, seed, OperationKind::Cas)}) {
            const Judgement judgement = judge_linearizability(history);
            EXPECT_EQ(judgement.verdict, Verdict::NotLinearizable);
            ASSERT_TRUE(judgement.counterexample);
            EXPECT_LE(judgement.counterexample->operations.size(), 4U) << report(judgement);
        }
    }
}

// All orders of thousands of operations with three values are too many; those near the fault are
// not.
TEST(LongHistory, ThatTakesTooLongIsRefusedWhereTheFaultIsNearby) {
    const HistoryShape shape{.operations = 3'000, .keys = 1, .values = 3};
    for (std::uint64_t seed = 1; seed <= 2; ++seed) {
        const Judgement judgement = judge_linearizability(
            with_fault_at_the_end(shape, seed, OperationKind::Cas), {.configurations_max = 20'000});
        EXPECT_EQ(judgement.verdict, Verdict::NotLinearizable);
        EXPECT_EQ(judgement.configurations, 20'000U);
        ASSERT_TRUE(judgement.counterexample);
        EXPECT_LE(judgement.counterexample->operations.size(), 4U) << report(judgement);
    }
}

TEST(LongHistory, OfARegisterHasNoFaultNearby) {
    for (const LongRow& row : kLongRows) {
        HistoryShape shape = row.shape;
        shape.operations = 1'000;
        shape.keys = 1;
        const auto history = linearizable_history(shape, 11);
        EXPECT_FALSE(find_fault_nearby(steps_of_all(history), kPlain, kWorkMax)) << row.name;
    }
}

TEST(LongHistory, IsJudgedTheSameTwice) {
    const auto history = linearizable_history({.operations = 2'000, .values = 4, .unknown_permille = 50}, 7);
    EXPECT_EQ(judge_linearizability(history), judge_linearizability(history));
}

TEST(LongHistory, BeyondTheLimitIsUnknownAndNamesTheKey) {
    const auto history = linearizable_history({.operations = 1'000, .keys = 2, .values = 3}, 1);
    const Judgement judgement = judge_linearizability(history, {.configurations_max = 100});
    EXPECT_EQ(judgement.verdict, Verdict::Unknown);
    EXPECT_EQ(judgement.key, "k1");
    EXPECT_LE(judgement.configurations, 200U);
    EXPECT_EQ(judge_linearizability(history, {.bytes_max = 1000}).verdict, Verdict::Unknown);
}

}  // namespace
}  // namespace quorate::sim
