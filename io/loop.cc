#include "io/loop.h"

#include <csignal>
#include <ctime>
#include <utility>

#include "engine/check.h"

namespace quorate::io {

Loop::Loop() {
    ENGINE_CHECK(uv_loop_init(&loop_) == 0);
    ENGINE_CHECK(uv_loop_configure(&loop_, UV_METRICS_IDLE_TIME) == 0);
    loop_.data = this;
    uv_check_init(&loop_, check_.get());
    check_.opened();
    uv_idle_init(&loop_, idle_.get());
    idle_.opened();
    uv_signal_init(&loop_, terminate_.get());
    terminate_.opened();
    uv_signal_init(&loop_, interrupt_.get());
    interrupt_.opened();
    uv_signal_init(&loop_, hang_up_.get());
    hang_up_.opened();
    // Both come back as errors of the call, which says what to do: EPIPE, and EFBIG for no room (a limit on
    // file sizes).
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);
}

Loop::~Loop() {
    for (auto close : {+[](Loop& l) { l.check_.close(); }, +[](Loop& l) { l.idle_.close(); },
                       +[](Loop& l) { l.terminate_.close(); }, +[](Loop& l) { l.interrupt_.close(); },
                       +[](Loop& l) { l.hang_up_.close(); }}) {
        close(*this);
    }
    while (uv_run(&loop_, UV_RUN_DEFAULT) != 0) {
    }  // a stop() that no run has seen yet ends the first at once
    ENGINE_CHECK(uv_loop_close(&loop_) == 0);  // every handle has an owner, and the owners are gone
}

void Loop::run() { uv_run(&loop_, UV_RUN_DEFAULT); }

std::uint64_t Loop::clock_ms() {
    timespec now{};
    ENGINE_CHECK(clock_gettime(CLOCK_BOOTTIME, &now) == 0);
    return static_cast<std::uint64_t>(now.tv_sec) * 1000 +
           static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000;
}

std::uint64_t Loop::busy_us() {
    constexpr std::uint64_t kNsPerUs = 1000;
    return (uv_hrtime() - uv_metrics_idle_time(&loop_)) / kNsPerUs;
}

void Loop::on_turn_end(std::function<void()> callback) {
    turn_end_ = std::move(callback);
    check_.get()->data = this;
    uv_check_start(check_.get(), [](uv_check_t* handle) {
        auto* loop = static_cast<Loop*>(handle->data);
        if (loop == nullptr) return;
        uv_idle_stop(loop->idle_.get());
        loop->turn_end_();
    });
}

void Loop::request_turn() {
    uv_idle_start(idle_.get(), [](uv_idle_t*) {});
}

void Loop::on_termination(std::function<void()> callback) {
    termination_ = std::move(callback);
    const auto watch = [this](Handle<uv_signal_t>& signal, int number) {
        signal.get()->data = this;
        uv_signal_start(
            signal.get(),
            [](uv_signal_t* handle, int) {
                if (auto* loop = static_cast<Loop*>(handle->data)) loop->termination_();
            },
            number);
    };
    watch(terminate_, SIGTERM);
    watch(interrupt_, SIGINT);
    // Who starts a process by nohup wants it to outlive the terminal.
    struct sigaction inherited{};
    if (::sigaction(SIGHUP, nullptr, &inherited) == 0 && inherited.sa_handler != SIG_IGN)
        watch(hang_up_, SIGHUP);
}

}  // namespace quorate::io
