// In order of time, and of scheduling where times are equal: near and far, and while more is scheduled.

#include "sim/event_queue.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "sim/dice.h"

namespace quorate::sim {
namespace {

TEST(EventQueue, KeepsTheOrderOfTimeAndOfScheduling) {
    Dice dice = Dice::salted(1, 1);
    EventQueue queue;
    std::vector<std::uint64_t> waiting;  // of the event with number i; gone: UINT64_MAX
    std::uint64_t now_us = 0;
    std::size_t left = 0;
    const auto push = [&](std::uint64_t at_us) {
        queue.push(at_us, {EventKind::Tick, 0, 0, waiting.size(), {}});
        waiting.push_back(at_us);
        ++left;
    };
    while (waiting.size() < 3000 || left > 0) {
        if (waiting.size() < 3000 && (left == 0 || dice.chance(510'000))) {
            const std::uint64_t spread_us = dice.flip() ? 100 : 60'000;
            push(now_us + dice.between(0, spread_us));
            continue;
        }
        const auto first = std::ranges::min_element(waiting);
        now_us = *first;
        ASSERT_FALSE(queue.empty());
        ASSERT_EQ(queue.next_us(), now_us);
        ASSERT_EQ(queue.pop().c, static_cast<std::uint64_t>(first - waiting.begin()));
        *first = UINT64_MAX;
        --left;
    }
    EXPECT_TRUE(queue.empty());
}

TEST(EventQueue, KeepsTheFramesOfEventsThatWaitOnceMore) {
    EventQueue queue;
    for (const std::uint64_t number : {1U, 2U, 3U})
        queue.push_frame(number, {EventKind::FrameArrives, 0, 1, number, {}},
                         "frame " + std::to_string(number));
    const Event first = queue.pop();
    queue.push(9, first);
    for (const std::uint64_t number : {2U, 3U, 1U}) {
        const Event event = queue.pop();
        EXPECT_EQ(event.c, number);
        EXPECT_EQ(queue.take_frame(event), "frame " + std::to_string(number));
    }
    queue.push_frame(10, {EventKind::FrameArrives, 0, 1, 4, {}}, "another");
    EXPECT_EQ(queue.take_frame(queue.pop()), "another") << "in a place that is free again";
}

TEST(EventQueue, HoldsTheEndOfTimeToo) {
    EventQueue queue;
    queue.push(UINT64_MAX, {EventKind::Tick, 0, 0, 2, {}});
    queue.push(UINT64_MAX, {EventKind::Tick, 0, 0, 3, {}});
    queue.push(5, {EventKind::Tick, 0, 0, 1, {}});
    for (const std::uint64_t number : {1U, 2U, 3U}) EXPECT_EQ(queue.pop().c, number);
    EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace quorate::sim
