// Scenario files: written, read back, and refused when they are wrong.

#include "sim/plan.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/patience.h"
#include "sim/storm.h"
#include "sim/world.h"

namespace quorate::sim {
namespace {

using testing::HasSubstr;

TEST(Plan, ReadsBackWhatItWrote) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        const Plan plan = make_plan(seed);
        const auto read = plan_from_json(to_json(plan));
        ASSERT_TRUE(read) << "seed " << seed << ": " << read.error();
        EXPECT_EQ(*read, plan) << "seed " << seed;
    }
}

// As they are costly.
TEST(Plan, FewSeedsWriteAFewLargeValues) {
    int plans = 0;
    for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
        std::uint64_t large = 0;
        for (const OperationLine& line : make_plan(seed).operations) {
            if (line.bytes < (64U << 10)) continue;
            EXPECT_TRUE(line.kind == RequestKind::Put || line.kind == RequestKind::PutIf) << seed;
            EXPECT_LE(line.bytes, 1U << 20) << seed;
            ++large;
        }
        EXPECT_LE(large, 4U) << seed;
        if (large > 0) ++plans;
    }
    EXPECT_GT(plans, 5);
    EXPECT_LT(plans, 60);
}

TEST(Plan, EveryKindHasAName) {
    for (std::size_t i = 0; i < kFaultKindCount; ++i)
        EXPECT_FALSE(to_string(static_cast<FaultKind>(i)).empty());
}

struct Wrong {
    std::string text;
    std::string complaint;
};

class WrongScenario : public testing::TestWithParam<Wrong> {};

TEST_P(WrongScenario, IsRefusedWithTheReason) {
    const auto plan = plan_from_json(GetParam().text);
    ASSERT_FALSE(plan);
    EXPECT_THAT(plan.error(), HasSubstr(GetParam().complaint));
}

Wrong shape(const std::string& fields, const std::string& complaint) {
    return {R"({"scenario":1,"shape":{)" + fields + "}}", "shape: " + complaint};
}
Wrong fault(const std::string& fields, const std::string& complaint) {
    return {R"({"scenario":1,"faults":[{)" + fields + "}]}", "faults[0], " + complaint};
}
Wrong operation(const std::string& fields, const std::string& complaint) {
    return {R"({"scenario":1,"shape":{"keys":1024},"operations":[{)" + fields + "}]}",
            "operations[0], " + complaint};
}

INSTANTIATE_TEST_SUITE_P(
    Texts, WrongScenario,
    testing::Values(
        Wrong{"", "not JSON at byte 1"},
        Wrong{R"({"scenario":1,"faults":[{"kind":"Ki)", "not JSON at byte 36"},
        Wrong{R"({"scenario":1}})", "not JSON at byte 15"}, Wrong{"{}", "no scenario of version 1"},
        Wrong{R"({"scenario":2})", "no scenario of version 1"},
        Wrong{R"({"scenario":1,"seed":-1})", "seed: -1: not an unsigned number of 64 bits"},
        Wrong{R"({"scenario":1,"seed":18446744073709551616})", "not an unsigned number of 64 bits"},
        Wrong{R"({"scenario":1,"more":1})", "no field 'more'"},
        Wrong{R"({"scenario":1,"seed":1,"seed":2})", "field 'seed' stands twice in one object"},
        Wrong{R"({"scenario":1,"shape":{"nodes":1,"keys":1,"nodes":2}})", "field 'nodes' stands twice"},
        Wrong{R"({"scenario":1,"faults":[{"kind":"Kill","kind":"Stop"}]})", "field 'kind' stands twice"},
        Wrong{R"({"scenario":1,"shape":[]})", "shape: not an object"},
        Wrong{R"({"scenario":1,"shape":{"kind":"Kill"}})", "shape: no field 'kind'"},
        Wrong{R"({"scenario":1,"shape":{"sizes":1}})", "shape: no field 'sizes'"},
        Wrong{R"({"scenario":1,"shape":{"nodes":"3"}})", R"(nodes: "3": not an unsigned number)"},
        Wrong{R"({"scenario":1,"faults":{}})", "faults: not a list"},
        Wrong{R"({"scenario":1,"faults":[{"at_us":1}]})", "faults[0]: no kind"},
        Wrong{R"({"scenario":1,"faults":[{"kind":"Flood"}]})", "no kind 'Flood'"},
        Wrong{R"({"scenario":1,"operations":[{"kind":"Put","value":4}]})",
              "operations[0]: no field 'value'"}));

INSTANTIATE_TEST_SUITE_P(
    Shapes, WrongScenario,
    testing::Values(
        shape(R"("nodes":10)", "nodes 10: from 1 to 9"),
        shape(R"("storm_us":18446744073709551615)", "storm_us 18446744073709551615: from 0 to 600000000"),
        shape(R"("client_timeout_ms":18446744073709551615)",
              "client_timeout_ms 18446744073709551615: from 100 to 30000"),
        shape(R"("operation_timeout_ms":199)", "operation_timeout_ms 199: from 200 to 30000"),
        shape(R"("sync_us_max":1000000,"operation_timeout_ms":1093)",
              "operation_timeout_ms 1093, client_timeout_ms 6000: from 1094 and 1096, for "),
        // The least that it takes.
        shape(R"("latency_us_min":80000,"latency_us_max":80000,"operation_timeout_ms":319)",
              "operation_timeout_ms 319, client_timeout_ms 6000: from 321 and 481, for "),
        shape(
            R"("heartbeat_ms":1000,"election_min_ms":10000,"election_max_ms":20000,"operation_timeout_ms":30000,"latency_us_min":2000000,"latency_us_max":2000000)",
            "operation_timeout_ms 30000, client_timeout_ms 6000: from 8001 and 12001, for "),
        shape(R"("apply_bytes_max":0)", "apply_bytes_max 0: from 1 to "),
        shape(R"("append_entries_max":4294967296)", "append_entries_max 4294967296: from 1 to 4294967295"),
        shape(R"("append_bytes_max":20000000)", "inflight_bytes_max 16777216: from 20000000 to "),
        shape(R"("core_mask":8)", "core_mask 8: from 0 to 7"),
        shape(R"("cold_start":2)", "cold_start 2: from 0 to 1"),
        shape(R"("outsiders":4)", "outsiders 4: from 0 to 3"),
        shape(R"("latency_us_max":100)", "latency_us_max 100: from 200 to 250000"),
        shape(R"("sync_us_min":374801,"sync_us_max":374801)", "sync_us_min 374801: from 0 to 374800"),
        shape(R"("sync_us_min":9,"sync_us_max":8)", "sync_us_max 8: from 9 to "),
        shape(R"("sync_us_max":1347501)",
              "latency_us_min 200, latency_us_max 1000, sync_us_min 100, sync_us_max 1347501: the former two "
              "doubled and the latter at most 1350000 together, for an election_min_ms of 500"),
        shape(R"("heartbeat_ms":600)",
              "tick_ms 10, heartbeat_ms 600, election_min_ms 500, election_max_ms 1000: "),
        shape(R"("heartbeat_ms":5)", "tick_ms 10, heartbeat_ms 5, "),
        // In ticks these are 1, 2 and 2.
        shape(R"("tick_ms":15000,"heartbeat_ms":15000,"election_min_ms":15001,"election_max_ms":15002)",
              "tick_ms 15000, heartbeat_ms 15000, election_min_ms 15001, election_max_ms 15002: "),
        shape(R"("tick_ms":59000,"heartbeat_ms":59000)", "tick_ms 59000: from 1 to 20000")));

INSTANTIATE_TEST_SUITE_P(
    Lines, WrongScenario,
    testing::Values(
        fault(R"("kind":"Kill","node":3)", "Kill: node 3: from 0 to 2"),
        fault(R"("kind":"Rot","node":255)", "Rot: node 255: from 0 to 2"),
        fault(R"("kind":"Slow","peer":3)", "Slow: peer 3: from 0 to 2"),
        fault(R"("kind":"Pause","duration_us":18446744073709551615)",
              "Pause: duration_us 18446744073709551615: from 0 to "),
        fault(R"("kind":"Reorder","amount":18446744073709551615)",
              "Reorder: amount 18446744073709551615: from 0 to 10000000"),
        fault(R"("kind":"Partition","amount":8)", "Partition: amount 8: from 0 to 7"),
        fault(R"("kind":"PowerCutAtDisk","amount":18446744073709551615)",
              "PowerCutAtDisk: amount 18446744073709551615: "),
        fault(R"("kind":"DiskSlow","amount":1000001)", "DiskSlow: amount 1000001: from 0 to 1000000"),
        Wrong{R"({"scenario":1,"shape":{"first":2},"faults":[{"kind":"DiskLost"}]})",
              "faults[0], DiskLost: not where members change"},
        Wrong{R"({"scenario":1,"faults":[{"kind":"Rot"}],"operations":[{"kind":"Leave"}]})",
              "faults[0], Rot: not where members change"},
        operation(R"("kind":"Put","once":1)", "Put: once 1: only with answers_age_ms_max 4294967295"),
        operation(R"("kind":"Put","client":4)", "Put: client 4: from 0 to 3"),
        operation(R"("kind":"Get","key":1024)", "Get: key 1024: from 0 to 1023"),
        operation(R"("kind":"Put","bytes":1048577)", "Put: bytes 1048577: from 0 to 1048576"),
        operation(R"("kind":"Get","pause_us":18446744073709551615)", "Get: pause_us 18446744073709551615: "),
        operation(R"("kind":"Batch","last_key":1023,"bytes":1048576)",
                  "Batch: bytes 1048576, for 1024 keys: at most 4194304 ")));

// Many that are right by themselves may be too much together.
TEST(Plan, SumsAreBounded) {
    Plan plan = make_fair_weather(3, 1, 1);
    for (OperationLine& line : plan.operations) line.bytes = 1 << 20;
    while (plan.operations.size() > 64) plan.operations.pop_back();
    while (plan.operations.size() < 64) plan.operations.push_back(plan.operations.front());
    EXPECT_EQ(out_of_bounds(plan), std::nullopt);
    plan.operations.push_back(plan.operations.front());
    EXPECT_EQ(out_of_bounds(plan), "operations: bytes 68157440 in all: at most 67108864");

    plan = make_fair_weather(3, 1, 1);
    plan.faults.resize(400, {0, FaultKind::Reorder, 0, 0, 1, 10'000'000});
    EXPECT_EQ(out_of_bounds(plan), std::nullopt);
    plan.faults.push_back(plan.faults.front());
    EXPECT_EQ(out_of_bounds(plan), "faults: Reorder: amount 4010000000 in all: at most 4000000000");
}

// Or a cluster that is well would be said not to agree: the limits themselves hold.
TEST(Plan, WhatIsAskedOfAClientIsOverInTheCalm) {
    Plan plan;
    const std::uint64_t storm_us = plan.shape.storm_us;
    plan.operations = {{.kind = RequestKind::Put, .pause_us = storm_us - 10'000},
                       {.kind = RequestKind::Put, .pause_us = 85'000'000}};
    EXPECT_EQ(out_of_bounds(plan), std::nullopt);
    EXPECT_FALSE(run(plan).violation);
    plan.operations[0].pause_us = storm_us + 85'500'001;
    EXPECT_EQ(out_of_bounds(plan), "operations[0], Put: pause_us 95500001: from 0 to 95500000");
    plan.operations[0].pause_us = 0;
    plan.operations[1].pause_us = 100'000'000;
    EXPECT_EQ(out_of_bounds(plan), "operations[1], Put: pause_us 100000000: from 0 to 85500000");
    plan.operations[1].pause_us = 85'500'000;
    EXPECT_EQ(
        out_of_bounds(plan),
        "operations[1], Put: client 0: at most 1 operations, for they and a pause_us of 85500000 have to "
        "be over in 85500000 us");

    plan = {};
    plan.shape.storm_us = 0;
    plan.shape.latency_us_min = plan.shape.latency_us_max = 20'000;
    plan.operations.assign(706, {.kind = RequestKind::Put});
    EXPECT_EQ(out_of_bounds(plan), std::nullopt);
    EXPECT_FALSE(run(plan).violation);
    plan.operations.push_back(plan.operations.front());
    EXPECT_EQ(
        out_of_bounds(plan),
        "operations[706], Put: client 0: at most 706 operations, for they and a pause_us of 0 have to be "
        "over in 85500000 us");
    for (std::size_t i = 0; i < plan.operations.size(); ++i) plan.operations[i].client = i % 2;
    EXPECT_EQ(out_of_bounds(plan), std::nullopt);
}

TEST(Plan, TimeoutsAreNoShorterThanAWriteTakes) {
    Plan plan;
    plan.shape.sync_us_max = 1'000'000;
    plan.shape.operation_timeout_ms = 1094;
    EXPECT_EQ(out_of_bounds(plan), std::nullopt);
    EXPECT_FALSE(run(plan).violation);
}

// Seed 18496: what all clients write together stands in one log.
TEST(Plan, TheCalmHasTimeForALogThatTakesFewEntriesARound) {
    Plan plan;
    plan.shape.append_bytes_max = plan.shape.inflight_bytes_max = 1;
    plan.shape.latency_us_min = plan.shape.latency_us_max = 1000;
    plan.shape.sync_us_min = 90'000;
    plan.shape.sync_us_max = 106'000;
    const std::uint64_t calm_us = patience_us(plan);
    EXPECT_EQ(calm_us, patience_us(plan.shape));
    plan.operations = {
        {.kind = RequestKind::Get}, {.kind = RequestKind::Range}, {.kind = RequestKind::Transfer}};
    EXPECT_EQ(patience_us(plan), calm_us);
    plan.operations.assign(100, {.kind = RequestKind::Put});
    EXPECT_EQ(patience_us(plan), calm_us + 40'000'000);

    plan.shape.inflight_bytes_max = kBoundless;
    plan.shape.inflight_appends_max = 20;
    EXPECT_EQ(patience_us(plan), calm_us + 4'000'000);
    plan.shape.append_bytes_max = 1000;
    plan.shape.append_entries_max = 2;
    EXPECT_EQ(patience_us(plan), calm_us + 2'000'000);
    for (OperationLine& line : plan.operations) line.bytes = 1000;
    EXPECT_EQ(patience_us(plan), calm_us + 4'000'000);
}

// An entry of 64 bytes and one behind it, each twice.
TEST(Plan, TheCalmHasTimeForWhoeverCatchesUp) {
    Plan plan;
    plan.shape.sync_us_min = plan.shape.sync_us_max = plan.shape.latency_us_min = plan.shape.latency_us_max =
        0;
    plan.operations.assign(100, {.kind = RequestKind::Put});
    const std::uint64_t calm_us = patience_us(plan);
    plan.shape.catch_up_bytes_per_tick_max = 640;
    EXPECT_EQ(patience_us(plan), calm_us + 40 * plan.shape.tick_ms * 1000);
}

// Its history holds nothing but the present: behind each of its 546 writes stands that the one before is
// forgotten.
TEST(Plan, TheCalmHasTimeForForgettingToo) { EXPECT_FALSE(run(make_plan(1971074095)).violation); }

TEST(Plan, WhatIsDrawnIsInBounds) {
    for (std::uint64_t seed = 1; seed <= 2000; ++seed)
        EXPECT_EQ(out_of_bounds(make_plan(seed)), std::nullopt) << "seed " << seed;
}

}  // namespace
}  // namespace quorate::sim
