// Random histories of whole clusters: thesis Fig. 3.2 must hold in all of them, and a cluster that is left in
// peace must make progress. RAFT_SEED=n replays one seed, RAFT_SEEDS=n runs that many.

#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>
#include <unistd.h>

#include "tests/property/raft_world.h"
#include "tests/support/environment_number.h"

namespace quorate::engine::test {

namespace {

// How bad a world is: each number is the chance of its step in a thousand, in every round. Some worlds spare
// a fault altogether, since faults of one kind hide those of another.
struct Weather {
    std::uint32_t deliver = 0;  ///< of each message under way; the rest is late
    std::uint32_t lose = 0;
    std::uint32_t duplicate = 0;
    std::uint32_t persist = 0;  ///< of each unfinished write
    std::uint32_t crash = 0;
    std::uint32_t restart = 0;
    std::uint32_t partition = 0;
    std::uint32_t heal = 0;
    std::uint32_t compact = 0;
    std::uint32_t busy_steps_max = 0;
};

Weather draw_weather(Random& random) {
    const auto below = [&](std::uint32_t bound) { return random.between(0, bound - 1); };
    const auto maybe = [&](std::uint32_t bound) { return below(2) == 0 ? 0 : below(bound); };
    return {.deliver = 200 + below(800),
            .lose = maybe(250),
            .duplicate = maybe(150),
            .persist = 200 + below(800),
            .crash = maybe(40),
            .restart = 20 + below(80),
            .partition = maybe(25),
            .heal = 10 + below(30),
            .compact = maybe(60),
            .busy_steps_max = 1 + below(6)};
}

class Storm {
 public:
    explicit Storm(std::uint64_t seed)
        : random_(seed), weather_(draw_weather(random_)), world_(draw_shape(seed)) {}

    [[nodiscard]] const RaftWorld& run(std::uint32_t rounds) {
        for (std::uint32_t i = 0; i < rounds && world_.violation().empty(); ++i) round();
        if (world_.violation().empty()) world_.require_log_matching();
        if (world_.violation().empty()) world_.require_recovery();
        if (world_.violation().empty()) world_.require_log_matching();
        return world_;
    }

 private:
    bool happens(std::uint32_t thousandths) { return random_.between(0, 999) < thousandths; }
    std::uint32_t any() { return random_.between(0, 1U << 20); }
    void step(StepKind kind, std::uint32_t server, std::uint32_t amount) {
        world_.apply({kind, server, any(), amount});
    }

    void round() {
        for (std::uint32_t server = 0; server < world_.servers(); ++server) {
            if (happens(900)) step(StepKind::Tick, server, 1);
        }
        for (std::uint32_t left = random_.between(0, weather_.busy_steps_max); left > 0; --left) clients();
        for (std::uint32_t server = 0; server < world_.servers(); ++server) {
            for (std::size_t left = world_.writes_of(server); left > 0 && happens(weather_.persist); --left)
                step(StepKind::Persist, server, 0);
        }
        network();
        if (happens(weather_.crash)) step(StepKind::Crash, any(), any());
        if (happens(weather_.restart)) step(StepKind::Restart, any(), 0);
        if (happens(weather_.partition)) step(StepKind::Partition, 0, any());
        if (happens(weather_.heal)) step(StepKind::Heal, 0, 0);
        if (happens(weather_.compact)) step(StepKind::Compact, any(), any());
    }

    void clients() {
        const std::uint32_t what = random_.between(0, 99);
        if (what < 50) return step(StepKind::Propose, any(), any());
        if (what < 80) return step(StepKind::Read, any(), 0);
        if (what < 84) return step(StepKind::Transfer, any(), any());
        if (what < 90) return step(StepKind::Unreachable, any(), 0);
        if (what < 92) return step(StepKind::SnapshotFails, any(), 0);
    }

    // Looks at each message under way once; those that are left for later are overtaken by those behind them.
    void network() {
        std::uint32_t position = 0;
        for (std::size_t left = world_.under_way(); left > 0 && position < world_.under_way(); --left) {
            if (!happens(weather_.deliver))
                ++position;
            else if (happens(weather_.lose))
                step(StepKind::Lose, 0, position);
            else if (happens(weather_.duplicate))
                step(StepKind::Duplicate, 0, position++);
            else
                step(StepKind::Deliver, 0, position);
        }
    }

    Random random_;
    Weather weather_;
    RaftWorld world_;
};

// A check of the engine's own stops the process: the seed must be known then, too.
std::array<char, 64> replay_hint{};

void print_replay_hint(int /*signal*/) {
    static_cast<void>(!write(STDERR_FILENO, replay_hint.data(), std::strlen(replay_hint.data())));
}

}  // namespace

// An election, a commit, a snapshot and a read happen often enough over all seeds, or the storms would prove
// nothing.
TEST(RaftProperty, RandomStormsBreakNoRuleAndTheClusterRecovers) {
    const std::uint64_t first = quorate::test::number_from_environment("RAFT_SEED", 1);
    const std::uint64_t seeds =
        std::getenv("RAFT_SEED") != nullptr ? 1 : quorate::test::number_from_environment("RAFT_SEEDS", 1000);
    const auto handler_before = std::signal(SIGABRT, print_replay_hint);
    std::uint64_t commits = 0;
    std::uint64_t elections = 0;
    std::uint64_t reads = 0;
    for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
        const std::string hint = "replay with RAFT_SEED=" + std::to_string(seed) + "\n";
        std::ranges::fill(replay_hint, '\0');
        std::ranges::copy(hint, replay_hint.begin());
        Storm storm(seed);
        const RaftWorld& world = storm.run(800);
        ASSERT_EQ(world.violation(), "") << hint;
        commits += world.oracle().committed().value;
        elections += world.oracle().elections();
        reads += world.oracle().reads_answered();
    }
    static_cast<void>(std::signal(SIGABRT, handler_before));
    RecordProperty("commits", std::to_string(commits));
    if (seeds < 100) return;
    EXPECT_GE(commits, 4 * seeds);
    EXPECT_GE(elections, seeds);
    EXPECT_GE(reads, 10 * seeds);
}

}  // namespace quorate::engine::test

namespace rc {

// Mostly what keeps a cluster going, so that short lists reach far; everything shrinks towards a tick of
// server 1.
template <>
struct Arbitrary<quorate::engine::test::Step> {
    static Gen<quorate::engine::test::Step> arbitrary() {
        using quorate::engine::test::Step;
        using quorate::engine::test::StepKind;
        const auto kind = gen::weightedElement<StepKind>({{8, StepKind::Tick},
                                                          {12, StepKind::Settle},
                                                          {12, StepKind::Deliver},
                                                          {2, StepKind::Duplicate},
                                                          {4, StepKind::Lose},
                                                          {8, StepKind::Persist},
                                                          {6, StepKind::Propose},
                                                          {3, StepKind::Read},
                                                          {1, StepKind::Transfer},
                                                          {1, StepKind::Unreachable},
                                                          {1, StepKind::SnapshotFails},
                                                          {1, StepKind::Compact},
                                                          {2, StepKind::Crash},
                                                          {3, StepKind::Restart},
                                                          {1, StepKind::Partition},
                                                          {2, StepKind::Heal}});
        const auto number = gen::inRange<std::uint32_t>(0, 64);
        return gen::build<Step>(gen::set(&Step::kind, kind), gen::set(&Step::server, number),
                                gen::set(&Step::peer, number), gen::set(&Step::amount, number));
    }
};

}  // namespace rc

namespace quorate::engine::test {

void showValue(const Step& step, std::ostream& out) {
    constexpr std::array<const char*, kStepKinds> kNames{
        "Tick",     "Deliver",     "Duplicate",     "Lose",    "Persist", "Settle",  "Propose",   "Read",
        "Transfer", "Unreachable", "SnapshotFails", "Compact", "Crash",   "Restart", "Partition", "Heal"};
    out << kNames.at(static_cast<std::size_t>(step.kind)) << " server " << step.server << " peer "
        << step.peer << " amount " << step.amount;
}

RC_GTEST_PROP(RaftProperty, GeneratedHistoriesBreakNoRule, ()) {
    RaftWorld world(draw_shape(*rc::gen::inRange<std::uint64_t>(0, 1000)));
    const auto history = *rc::gen::scale(10.0, rc::gen::arbitrary<std::vector<Step>>());
    for (const Step& step : history) world.apply(step);
    world.require_log_matching();
    world.require_recovery();
    RC_ASSERT(world.violation() == "");
}

}  // namespace quorate::engine::test
