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
    std::uint32_t frame = 0;  ///< of FrameArrives: see EventQueue::push_frame()
};

/// What is due soon is kept in order, which for so few is cheaper than a heap; all else waits in a heap,
/// where the many timeouts of those who have long been answered are in nobody's way.
class EventQueue {
 public:
    [[nodiscard]] bool empty() const { return near_.empty(); }
    [[nodiscard]] std::uint64_t next_us() const { return near_.back().at_us; }

    void push(std::uint64_t at_us, const Event& event) {
        const Due due{at_us, ++order_, events_.keep(event)};
        if (at_us < near_end_us_) {
            near_.insert(std::ranges::partition_point(near_, [&](const Due& d) { return Later{}(d, due); }),
                         due);
            return;
        }
        far_.push_back(due);
        std::ranges::push_heap(far_, Later{});
        if (near_.empty()) approach();
    }
    /// With what take_frame() gives when it has come. May be pushed again until then.
    void push_frame(std::uint64_t at_us, Event event, std::string frame) {
        event.frame = frames_.keep(std::move(frame));
        push(at_us, event);
    }

    Event pop() {
        ENGINE_CHECK(!near_.empty());
        const std::uint32_t slot = near_.back().slot;
        near_.pop_back();
        if (near_.empty() && !far_.empty()) approach();
        return events_.take(slot);
    }
    /// Of an event that was popped, once.
    std::string take_frame(const Event& event) { return frames_.take(event.frame); }

 private:
    static constexpr std::uint64_t kNearUs = 20'000;

    /// Things in slots that are used again.
    template <class T>
    class Slots {
     public:
        std::uint32_t keep(T thing) {
            if (free_.empty()) {
                things_.push_back(std::move(thing));
                return static_cast<std::uint32_t>(things_.size() - 1);
            }
            const std::uint32_t slot = free_.back();
            free_.pop_back();
            things_[slot] = std::move(thing);
            return slot;
        }
        T take(std::uint32_t slot) {
            free_.push_back(slot);
            return std::move(things_[slot]);
        }

     private:
        std::vector<T> things_;
        std::vector<std::uint32_t> free_;
    };

    struct Due {
        std::uint64_t at_us;
        std::uint64_t order;
        std::uint32_t slot;
    };
    // An object, unlike a function, is inlined into the heap's loops.
    struct Later {
        bool operator()(const Due& x, const Due& y) const {
            return x.at_us != y.at_us ? x.at_us > y.at_us : x.order > y.order;
        }
    };

    void approach() {
        const std::uint64_t at_us = far_.front().at_us;
        near_end_us_ = at_us + std::min(kNearUs, UINT64_MAX - at_us);
        // The first even at the end of time.
        do {
            std::ranges::pop_heap(far_, Later{});
            near_.push_back(far_.back());
            far_.pop_back();
        } while (!far_.empty() && far_.front().at_us < near_end_us_);
        std::ranges::reverse(near_);
    }

    std::vector<Due> near_;  ///< the next one last; not empty unless both are
    std::vector<Due> far_;   ///< a heap: due at near_end_us_ or later
    std::uint64_t near_end_us_ = 0;
    Slots<Event> events_;
    Slots<std::string> frames_;
    std::uint64_t order_ = 0;
};

}  // namespace quorate::sim
