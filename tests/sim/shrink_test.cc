// Shrinking, with a stand-in for the run: which lines a failure needs is then known.

#include "sim/shrink.h"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

#include "sim/storm.h"

namespace quorate::sim {
namespace {

bool has_kind(const Plan& plan, FaultKind kind) {
    return std::ranges::find(plan.faults, kind, &FaultLine::kind) != plan.faults.end();
}

TEST(Shrink, KeepsWhatTheFailureNeedsAndNothingElse) {
    Plan plan = make_fair_weather(5, 10, 1);
    for (std::size_t i = 0; i < 200; ++i) {
        const auto kind = static_cast<FaultKind>(i % kFaultKindCount);
        plan.faults.push_back({i * 1000, kind, i % 5, (i + 1) % 5, 5000, 7});
    }
    const Trial trial = [](const Plan& p) -> std::string {
        const bool fails =
            has_kind(p, FaultKind::Kill) && has_kind(p, FaultKind::Clog) && p.operations.size() >= 3;
        return fails ? "Broken" : "";
    };
    const Shrunk shrunk = shrink(plan, "Broken", trial, 100'000);
    EXPECT_EQ(trial(shrunk.plan), "Broken");
    EXPECT_EQ(shrunk.plan.faults.size(), 2U);
    EXPECT_EQ(shrunk.plan.operations.size(), 3U);
    EXPECT_EQ(shrunk.plan.shape.nodes, 1U);
}

TEST(Shrink, DoesNotTakeAnotherFailureForTheOneItWasGiven) {
    Plan plan = make_fair_weather(3, 5, 1);
    plan.faults.push_back({1000, FaultKind::Kill, 0, 0, 0, 0});
    const Trial trial = [](const Plan& p) -> std::string {
        return p.operations.empty() ? "Other" : "Broken";
    };
    const Shrunk shrunk = shrink(plan, "Broken", trial, 10'000);
    EXPECT_EQ(shrunk.plan.operations.size(), 1U);
    EXPECT_TRUE(shrunk.plan.faults.empty());
}

// Of two numbers that bound each other one alone cannot go back to its usual value.
TEST(Shrink, TriesOnlyWorldsThatCanBe) {
    Plan plan = make_fair_weather(3, 5, 1);
    plan.shape.election_min_ms = 150;
    plan.shape.election_max_ms = 300;
    plan.shape.heartbeat_ms = 50;
    std::size_t impossible = 0;
    const Trial trial = [&](const Plan& p) -> std::string {
        impossible += out_of_bounds(p) ? 1U : 0U;
        return "Broken";
    };
    const Shrunk shrunk = shrink(plan, "Broken", trial, 10'000);
    EXPECT_EQ(impossible, 0U);
    EXPECT_EQ(plan_from_json(to_json(shrunk.plan)), shrunk.plan);
}

TEST(Shrink, StopsWhenItsRunsAreSpent) {
    const Plan plan = make_fair_weather(3, 100, 1);
    const Trial trial = [](const Plan&) -> std::string { return "Broken"; };
    EXPECT_LE(shrink(plan, "Broken", trial, 10).trials, 10U);
}

}  // namespace
}  // namespace quorate::sim
