#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include <uv.h>

#include "io/handle.h"
#include "io/loop.h"

namespace quorate::io {

/// Calls back every `period_ms`, or once when it is zero, after `delay_ms`, until stopped or destroyed.
class Timer {
 public:
    explicit Timer(Loop& loop) {
        uv_timer_init(loop.uv(), handle_.get());
        handle_.opened();
    }

    void start(std::uint64_t delay_ms, std::uint64_t period_ms, std::function<void()> callback) {
        callback_ = std::move(callback);
        handle_.get()->data = this;
        uv_timer_start(
            handle_.get(),
            [](uv_timer_t* handle) {
                auto* timer = static_cast<Timer*>(handle->data);
                if (timer == nullptr) return;
                const auto call = timer->callback_;  // a copy: it may destroy the timer
                call();
            },
            delay_ms, period_ms);
    }
    void stop() { uv_timer_stop(handle_.get()); }

 private:
    Handle<uv_timer_t> handle_;
    std::function<void()> callback_;
};

}  // namespace quorate::io
