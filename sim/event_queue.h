#pragma once

// What is to happen, in order of virtual time; what is due at the same time happens in the order in which it
// was scheduled.

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/check.h"

namespace quorate::sim {

enum class EventKind : std::uint8_t {
    Tick,          ///< of node `a` in its life `c`
    TurnEnd,       ///< of node `a` in its life `c`
    DiskDone,      ///< lane `b` of node `a` in its life `c`
    FrameArrives,  ///< from `a` to `b` over their connection number `c`
    LinkDials,     ///< from `a` to `b`
    LinkLost,      ///< node `a` in its life `c` hears that its connection to `b` broke
    Request,       ///< of client `b`, attempt `c`, at node `a`
    Response,      ///< to client `a`, attempt `c`
    ClientActs,    ///< client `a` goes on, if `c` is what it waits for
    NodeStarts,    ///< `a`, if `c` is still its life
    FaultBegins,   ///< line `c` of the plan; it has waited for its moment if `b` is 1
    FaultEnds,     ///< line `c` of the plan
    PhaseEnds,     ///< the world's phase `c`
};

struct Event {
    EventKind kind = EventKind::Tick;
    std::uint32_t a = 0;
    std::uint32_t b = 0;
    std::uint64_t c = 0;
    std::string bytes;  ///< of FrameArrives
};

/// Two heaps: most of what is scheduled is due within a tick, and need not find its way through the many
/// timeouts of those who have long been answered.
class EventQueue {
 public:
    [[nodiscard]] bool empty() const { return near_.empty(); }
    [[nodiscard]] std::uint64_t next_us() const { return near_.front().at_us; }

    void push(std::uint64_t at_us, Event event) {
        std::uint32_t slot = 0;
        if (free_.empty()) {
            slot = static_cast<std::uint32_t>(events_.size());
            events_.push_back(std::move(event));
        } else {
            slot = free_.back();
            free_.pop_back();
            events_[slot] = std::move(event);
        }
        push_due(at_us < near_end_us_ ? near_ : far_, {at_us, ++order_, slot});
        if (near_.empty()) approach();
    }

    Event pop() {
        ENGINE_CHECK(!near_.empty());
        const std::uint32_t slot = pop_due(near_).slot;
        if (near_.empty() && !far_.empty()) approach();
        free_.push_back(slot);
        return std::move(events_[slot]);
    }

 private:
    static constexpr std::uint64_t kNearUs = 20'000;

    struct Due {
        std::uint64_t at_us;
        std::uint64_t order;
        std::uint32_t slot;
    };
    using Heap = std::vector<Due>;
    // An object, unlike a function, is inlined into the heap's loops.
    struct Later {
        bool operator()(const Due& x, const Due& y) const {
            return x.at_us != y.at_us ? x.at_us > y.at_us : x.order > y.order;
        }
    };

    static void push_due(Heap& heap, const Due& due) {
        heap.push_back(due);
        std::ranges::push_heap(heap, Later{});
    }
    static Due pop_due(Heap& heap) {
        std::ranges::pop_heap(heap, Later{});
        const Due due = heap.back();
        heap.pop_back();
        return due;
    }
    void approach() {
        const std::uint64_t at_us = far_.front().at_us;
        near_end_us_ = at_us + std::min(kNearUs, UINT64_MAX - at_us);
        // The first even at the end of time.
        do {
            push_due(near_, pop_due(far_));
        } while (!far_.empty() && far_.front().at_us < near_end_us_);
    }

    Heap near_;  ///< not empty unless both are
    Heap far_;   ///< due at near_end_us_ or later
    std::uint64_t near_end_us_ = 0;
    std::vector<Event> events_;
    std::vector<std::uint32_t> free_;
    std::uint64_t order_ = 0;
};

}  // namespace quorate::sim
