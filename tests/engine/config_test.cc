#include "engine/config.h"

#include <cstdint>
#include <limits>

#include <gtest/gtest.h>

#include "tests/support/lone_server.h"

namespace quorate::engine::test {

namespace {

struct Case {
    const char* what;
    void (*change)(Config&);
    bool is_valid;
};

TEST(Config, TheDefaultsNeedOnlyAName) {
    EXPECT_FALSE(Config{}.is_valid());
    Config config;
    config.self = kS1;
    EXPECT_TRUE(config.is_valid());
}

// Both sides of each bound.
TEST(Config, EachBoundHolds) {
    constexpr auto kMax32 = std::numeric_limits<std::uint32_t>::max();
    const Case cases[] = {
        {"no name", [](Config& c) { c.self = kNobody; }, false},
        {"any seed", [](Config& c) { c.seed = 0; }, true},
        {"no heartbeat", [](Config& c) { c.heartbeat_ticks = 0; }, false},
        {"a heartbeat each tick", [](Config& c) { c.heartbeat_ticks = 1; }, true},
        {"heartbeat below min", [](Config& c) { c.heartbeat_ticks = c.election_timeout_ticks_min - 1; },
         true},
        {"heartbeat at min", [](Config& c) { c.heartbeat_ticks = c.election_timeout_ticks_min; }, false},
        {"the shortest timeouts",
         [](Config& c) {
             c.heartbeat_ticks = 1;
             c.election_timeout_ticks_min = 2;
             c.election_timeout_ticks_max = 3;
         },
         true},
        {"timeouts that are all alike", [](Config& c) { c.election_timeout_ticks_max = 50; }, false},
        {"the smallest range", [](Config& c) { c.election_timeout_ticks_max = 51; }, true},
        {"max below min", [](Config& c) { c.election_timeout_ticks_max = 49; }, false},
        {"the longest timeout", [](Config& c) { c.election_timeout_ticks_max = kMax32; }, true},
        {"no entries", [](Config& c) { c.append_entries_max = 0; }, false},
        {"one entry", [](Config& c) { c.append_entries_max = 1; }, true},
        {"no bytes", [](Config& c) { c.append_bytes_max = 0; }, false},
        {"one byte", [](Config& c) { c.append_bytes_max = 1; }, true},
        {"no appends", [](Config& c) { c.inflight_appends_max = 0; }, false},
        {"one append", [](Config& c) { c.inflight_appends_max = 1; }, true},
        {"window as large as an append", [](Config& c) { c.inflight_bytes_max = c.append_bytes_max; }, true},
        {"window below an append", [](Config& c) { c.inflight_bytes_max = c.append_bytes_max - 1; }, false},
        {"nothing to catch up", [](Config& c) { c.catch_up_bytes_per_tick_max = 0; }, false},
        {"a byte to catch up", [](Config& c) { c.catch_up_bytes_per_tick_max = 1; }, true},
        {"no backlog", [](Config& c) { c.uncommitted_bytes_max = 0; }, false},
        {"a backlog of one byte", [](Config& c) { c.uncommitted_bytes_max = 1; }, true},
        {"no patience with the disk", [](Config& c) { c.persist_stall_ticks_max = 0; }, false},
        {"a tick for the disk", [](Config& c) { c.persist_stall_ticks_max = 1; }, true},
        {"no reads", [](Config& c) { c.pending_reads_max = 0; }, false},
        {"one read", [](Config& c) { c.pending_reads_max = 1; }, true},
    };
    for (const Case& one : cases) {
        Config config;
        config.self = kS1;
        one.change(config);
        EXPECT_EQ(config.is_valid(), one.is_valid) << one.what;
    }
}

TEST(ConfigDeathTest, AnEngineDoesNotStartWithAnInvalidOne) {
    EXPECT_DEATH(LoneServer{Config{}}, "config.is_valid\\(\\)");
}

}  // namespace

}  // namespace quorate::engine::test
