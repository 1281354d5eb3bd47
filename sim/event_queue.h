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

class EventQueue {
 public:
    [[nodiscard]] bool empty() const { return heap_.empty(); }
    [[nodiscard]] std::uint64_t next_us() const { return heap_.front().at_us; }

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
        heap_.push_back({at_us, ++order_, slot});
        std::ranges::push_heap(heap_, later);
    }

    Event pop() {
        ENGINE_CHECK(!heap_.empty());
        std::ranges::pop_heap(heap_, later);
        const std::uint32_t slot = heap_.back().slot;
        heap_.pop_back();
        free_.push_back(slot);
        return std::move(events_[slot]);
    }

 private:
    struct Due {
        std::uint64_t at_us;
        std::uint64_t order;
        std::uint32_t slot;
    };
    static bool later(const Due& x, const Due& y) {
        return x.at_us != y.at_us ? x.at_us > y.at_us : x.order > y.order;
    }

    std::vector<Due> heap_;
    std::vector<Event> events_;
    std::vector<std::uint32_t> free_;
    std::uint64_t order_ = 0;
};

}  // namespace quorate::sim
