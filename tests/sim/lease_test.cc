// Reads that rely on clocks: right as long as the clocks are, and the only ones that are wrong when they are
// not.

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include <gtest/gtest.h>

#include "sim/history.h"
#include "sim/marks.h"
#include "sim/plan.h"
#include "sim/world.h"

namespace quorate::sim {
namespace {

constexpr std::uint64_t kDriftPpm = 400'000;

/// Three nodes and busy clients. The clock of whoever leads runs slow, those of the others fast, and at three
/// seconds the leader is cut off: the clients reach all of them.
Plan plan_of(std::uint64_t seed, RequestKind read, std::uint64_t told_ppm) {
    constexpr std::uint64_t kSecond = 1'000'000;
    Plan plan;
    plan.seed = seed;
    plan.shape.clients = 12;
    plan.shape.keys = 2;
    plan.shape.storm_us = 5 * kSecond;
    plan.shape.client_timeout_ms = 100;
    plan.shape.clock_drift_ppm = told_ppm;
    for (std::uint64_t node = 0; node < plan.shape.nodes; ++node)
        plan.faults.push_back({0, FaultKind::ClockDrift, node, 0, plan.shape.storm_us, kSecond + kDriftPpm});
    plan.faults.push_back(
        {2 * kSecond, FaultKind::ClockDrift, kTheLeader, 0, 3 * kSecond, kSecond - kDriftPpm});
    plan.faults.push_back({3 * kSecond, FaultKind::Partition, kTheLeader, 0, 2 * kSecond, 0});
    for (std::uint64_t i = 0; i < 6000; ++i) {
        OperationLine line;
        line.client = i % plan.shape.clients;
        line.kind = line.client % 2 == 0 ? RequestKind::Put : read;
        line.key = i % plan.shape.keys;
        line.node = i / plan.shape.clients % plan.shape.nodes;
        line.pause_us = 5'000;
        plan.operations.push_back(line);
    }
    return plan;
}

TEST(Leases, BreakWhenClocksDriftBeyondTheirBoundAndNothingElseDoes) {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        ASSERT_FALSE(out_of_bounds(plan_of(seed, RequestKind::LeaseGet, 1000)));
        const RunResult trusting = run(plan_of(seed, RequestKind::LeaseGet, 1000));
        ASSERT_TRUE(trusting.violation) << "seed " << seed;
        EXPECT_EQ(trusting.violation->property, "Linearizability") << "seed " << seed;

        const RunResult wary = run(plan_of(seed, RequestKind::Get, 1000));
        EXPECT_FALSE(wary.violation) << "seed " << seed << ": " << wary.violation->text;

        const RunResult told = run(plan_of(seed, RequestKind::LeaseGet, kDriftPpm));
        EXPECT_FALSE(told.violation) << "seed " << seed << ": " << told.violation->text;
        EXPECT_TRUE(told.marks[mark_of(server::Situation::LeaseReadTaken)]);
        EXPECT_TRUE(told.marks[mark_of(server::Situation::LeaseNotHeld)]);
    }
}

TEST(Leases, ABoundIsKeptOrNot) {
    Plan plan = plan_of(1, RequestKind::LeaseGet, kDriftPpm);
    EXPECT_TRUE(plan.keeps_clock_bound());
    plan.shape.clock_drift_ppm -= 1;
    EXPECT_FALSE(plan.keeps_clock_bound());
    plan.shape.clock_drift_ppm = 0;
    EXPECT_EQ(out_of_bounds(plan),
              "operations[1], LeaseGet: clock_drift_ppm 0: from 1, for nodes refuse it else");
}

// The history of a run that breaks is the one that is wanted: what was open then may yet happen.
TEST(Leases, TheHistoryOfARunThatBreaksIsTakenToo) {
    std::vector<Operation> history;
    RunOptions options;
    options.history = [&](std::span<const Operation> told) { history.assign(told.begin(), told.end()); };
    const Plan plan = plan_of(1, RequestKind::LeaseGet, 1000);
    const auto violation = run(plan, options).violation;
    ASSERT_TRUE(violation);
    EXPECT_TRUE(std::ranges::any_of(
        history, [](const Operation& operation) { return operation.outcome == Outcome::Ok; }));
    // None of these clients has lost patience yet.
    EXPECT_TRUE(std::ranges::any_of(history, [&](const Operation& operation) {
        return operation.outcome == Outcome::Unknown &&
               operation.call + plan.shape.client_timeout_ms * 1000 > violation->at.us;
    }));
}

}  // namespace
}  // namespace quorate::sim
