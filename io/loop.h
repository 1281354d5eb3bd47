#pragma once

// The event loop: one thread, one libuv loop.

#include <cstdint>
#include <functional>

#include <uv.h>

#include "io/handle.h"

namespace quorate::io {

class Loop {
 public:
    Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;
    /// Closes what is left open and waits for it.
    ~Loop();

    [[nodiscard]] uv_loop_t* uv() { return &loop_; }
    /// Until stop().
    void run();
    void stop() { uv_stop(&loop_); }

    /// Milliseconds that never go back; of the moment the current turn began.
    [[nodiscard]] std::uint64_t now_ms() const { return uv_now(&loop_); }

    /// Milliseconds that never go back and go on while the process or the machine stands still; of this very
    /// moment.
    [[nodiscard]] static std::uint64_t clock_ms();

    /// Time spent outside the wait for events so far, in microseconds: what it grows by from one turn's end
    /// to the next is how long everybody else waited for that turn.
    [[nodiscard]] std::uint64_t busy_us();

    /// Called once behind all the callbacks of each turn of the loop.
    void on_turn_end(std::function<void()> callback);
    /// Makes the next turn come without waiting for an event.
    void request_turn();
    /// SIGTERM, SIGINT and SIGHUP; the last one stays ignored where it was (nohup). SIGPIPE and SIGXFSZ are
    /// ignored.
    void on_termination(std::function<void()> callback);

 private:
    uv_loop_t loop_{};
    Handle<uv_check_t> check_;
    Handle<uv_idle_t> idle_;
    Handle<uv_signal_t> terminate_;
    Handle<uv_signal_t> interrupt_;
    Handle<uv_signal_t> hang_up_;
    std::function<void()> turn_end_;
    std::function<void()> termination_;
};

}  // namespace quorate::io
