// Scenario files: written, read back, and refused when they are wrong.

#include "sim/plan.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/storm.h"

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

// As a page of a range must hold all that a plan writes, and as they are costly.
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

INSTANTIATE_TEST_SUITE_P(
    Texts, WrongScenario,
    testing::Values(Wrong{"", "not JSON"}, Wrong{"{}", "no scenario of version 1"},
                    Wrong{R"({"scenario":2})", "no scenario of version 1"},
                    Wrong{R"({"scenario":1,"seed":-1})", "seed: not an unsigned number"},
                    Wrong{R"({"scenario":1,"more":1})", "no field 'more'"},
                    Wrong{R"({"scenario":1,"shape":[]})", "shape: not an object"},
                    Wrong{R"({"scenario":1,"shape":{"nodes":10}})", "shape.nodes"},
                    Wrong{R"({"scenario":1,"shape":{"nodes":"3"}})", "nodes: not an unsigned number"},
                    Wrong{R"({"scenario":1,"shape":{"heartbeat_ms":600}})", "heartbeat < election_min"},
                    Wrong{R"({"scenario":1,"shape":{"sizes":1}})", "no field 'sizes'"},
                    Wrong{R"({"scenario":1,"faults":{}})", "faults: not a list"},
                    Wrong{R"({"scenario":1,"faults":[{"at_us":1}]})", "faults[0]: no kind"},
                    Wrong{R"({"scenario":1,"faults":[{"kind":"Flood"}]})", "no kind 'Flood'"},
                    Wrong{R"({"scenario":1,"faults":[{"kind":"Kill","node":3}]})", "faults: node or peer"},
                    Wrong{R"({"scenario":1,"operations":[{"kind":"Put","client":4}]})",
                          "operations: client"}));

}  // namespace
}  // namespace quorate::sim
