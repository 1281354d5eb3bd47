// What is known of runs whose process dies.

#include "sim/apart.h"

#include <csignal>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/check.h"
#include "sim/campaign.h"
#include "sim/plan_replay.h"

namespace quorate::sim {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;
using testing::UnorderedElementsAre;

// A world that no file can ask for: a check of the dice fails as soon as a node asks its disk for a job.
Plan broken_world() {
    Plan plan = make_fair_weather(3, 1, 1);
    plan.shape.sync_us_min = 2;
    plan.shape.sync_us_max = 1;
    return plan;
}

// Of broken_world(), and nothing else.
constexpr const char* kCrashReport =
    "^BROKEN  Crash\n"
    "        .*dice.h:[0-9]+: check failed: min <= max .*\n"
    "        at event [0-9]+, 0.[0-9]+ s, node [123]; replay: quorate-sim replay 17\n$";

TEST(Apart, WorkThatIsDoneHasItsCodeAndItsWords) {
    LastWords words;
    EXPECT_EQ(words.wait(words.start([&] {
        words.say("well");
        words.moment().event = 7;
        return 5;
    })),
              5);
    EXPECT_EQ(words.said(), "well");
    EXPECT_EQ(words.moment().event, 7U);
}

TEST(Apart, ACrashIsTheCheckOrTheSignalAndItsMoment) {
    LastWords words;
    const auto die = [&](const std::function<void()>& last_deed) {
        EXPECT_FALSE(words.wait(words.start([&] {
            words.moment() = {3, 14, 1};
            last_deed();
            return 0;
        })));
        EXPECT_EQ(words.crash().property, kCrash);
        EXPECT_EQ(words.crash().at, (Moment{3, 14, 1}));
        return words.crash().text;
    };
    EXPECT_THAT(die([] { ENGINE_CHECK(1 + 1 == 3); }),
                ContainsRegex("apart_test.cc:[0-9]+: check failed: 1 \\+ 1 == 3$"));
    EXPECT_THAT(die([] { ::raise(SIGKILL); }), StartsWith("the process was ended by signal 9 ("));
    EXPECT_THAT(die([] { ::raise(SIGABRT); }), StartsWith("the process was ended by signal 6 ("));
    EXPECT_EQ(die([] { std::_Exit(0); }), "the process ended with exit code 0");
}

TEST(Apart, ReplayTellsOfACrash) {
    testing::internal::CaptureStdout();
    EXPECT_EQ(replay_plan("17", broken_world(), {}), Broken);
    EXPECT_THAT(testing::internal::GetCapturedStdout(), ContainsRegex(kCrashReport));
}

struct Printed {
    std::string out;
    std::string err;
};

Printed printed_trace(const Plan& plan, Exit code) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    EXPECT_EQ(replay_plan("17", plan, {.trace = true, .verbose = 1}), code);
    std::string out = testing::internal::GetCapturedStdout();
    return {std::move(out), testing::internal::GetCapturedStderr()};
}

// Who reads the lines need not look for the verdict among them, nor for a log.
TEST(Apart, ATraceIsLinesOfJsonAndItsVerdictStandsBesideIt) {
    const auto each_is_an_event = [](const std::string& out) {
        std::istringstream lines(out);
        std::size_t count = 0;
        for (std::string line; std::getline(lines, line);) {
            EXPECT_THAT(line, StartsWith(fmt::format(R"({{"event":{},)", ++count)));
            EXPECT_THAT(line, EndsWith("]}"));
        }
        EXPECT_GT(count, 0U);
    };
    const Printed holds = printed_trace(make_fair_weather(1, 1, 1), Passed);
    each_is_an_event(holds.out);
    EXPECT_THAT(holds.err, ContainsRegex("^node 1 "));
    EXPECT_THAT(holds.err, ContainsRegex("\n17: [0-9]+ events, .* trace [0-9a-f]{16}: holds\n$"));

    const Printed broken = printed_trace(broken_world(), Broken);
    each_is_an_event(broken.out);
    EXPECT_THAT(broken.err, ContainsRegex(kCrashReport));
}

TEST(Apart, ReplayTellsOfWhatHolds) {
    testing::internal::CaptureStdout();
    EXPECT_EQ(replay_plan("17", make_fair_weather(1, 1, 1), {}), Passed);
    EXPECT_THAT(testing::internal::GetCapturedStdout(), AllOf(StartsWith("17: "), EndsWith(": holds\n")));
}

// Else a plan is made smaller by changing from one crash to another.
TEST(Apart, OneCrashIsNotAnother) {
    Plan other = make_fair_weather(3, 1, 1);
    other.shape.heartbeat_ms = other.shape.election_min_ms;
    const std::string failure = failure_of(broken_world());
    EXPECT_THAT(failure, ContainsRegex("^Crash: .*dice.h:[0-9]+: check failed: min <= max "));
    EXPECT_THAT(failure_of(other), ContainsRegex("^Crash: .*: check failed: .*is_valid"));
    EXPECT_EQ(failure_of(make_fair_weather(3, 1, 1)), "");

    Plan smaller = broken_world();
    smaller.shape.sync_us_max = 0;
    EXPECT_EQ(failure_of(smaller), failure);
}

TEST(Apart, ACampaignTellsOfACrashAndGoesOnWithTheNextSeed) {
    Campaign campaign{.first_seed = 1, .last_seed = 9, .jobs = 2};
    campaign.plan_of = [](std::uint64_t seed) {
        return seed % 4 == 0 ? broken_world() : make_fair_weather(1, 1, seed);
    };
    std::map<std::uint64_t, RunResult> results;
    run_campaign(
        campaign,
        [&](std::uint64_t seed, RunResult&& r) { return results.emplace(seed, std::move(r)).second; },
        [] { return true; });
    EXPECT_EQ(results.size(), 9U);
    for (const auto& [seed, result] : results) {
        ASSERT_EQ(result.violation.has_value(), seed % 4 == 0) << seed;
        if (!result.violation) continue;
        EXPECT_EQ(result.violation->property, kCrash);
        EXPECT_THAT(result.violation->text, HasSubstr("check failed: min <= max"));
        EXPECT_GT(result.violation->at.event, 0U);
        EXPECT_GT(result.violation->at.node, 0U);
    }
}

// Each seed of the range once, also when there are more workers than seeds up to the end of all numbers.
TEST(Apart, ACampaignKeepsToTheEndsOfItsRange) {
    for (const unsigned jobs : {1U, 2U, 3U, 7U}) {
        for (const std::uint64_t first : {std::uint64_t{0}, UINT64_MAX - 4}) {
            Campaign campaign{.first_seed = first, .last_seed = first + 4, .jobs = jobs};
            campaign.plan_of = [](std::uint64_t seed) { return make_fair_weather(1, 1, seed); };
            std::vector<std::uint64_t> seeds;
            run_campaign(
                campaign,
                [&](std::uint64_t seed, const RunResult& /*result*/) {
                    seeds.push_back(seed - first);
                    return seeds.size() < 10;
                },
                [] { return true; });
            EXPECT_THAT(seeds, UnorderedElementsAre(0, 1, 2, 3, 4)) << first << ", jobs " << jobs;
        }
    }
}

}  // namespace
}  // namespace quorate::sim
