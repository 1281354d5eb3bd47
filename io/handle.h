#pragma once

// One owner for each libuv handle. Its memory goes only in libuv's close callback, whoever lets go first.

#include <memory>
#include <utility>

#include <uv.h>

namespace quorate::io {

/// Owns a handle of type `Uv` (uv_tcp_t, uv_timer_t, …). Initialise get() with libuv before anything else,
/// then call opened(). Until then destruction just frees. The handle's `data` is the user's; it is cleared
/// when the owner goes, so that a late callback finds null.
template <class Uv>
class Handle {
 public:
    Handle() : uv_(std::make_unique<Uv>()) { uv_->data = nullptr; }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    ~Handle() { close(); }

    [[nodiscard]] Uv* get() { return uv_.get(); }
    template <class Base>
    [[nodiscard]] Base* as() {
        return reinterpret_cast<Base*>(uv_.get());
    }
    void opened() { is_open_ = true; }
    [[nodiscard]] bool is_open() const { return is_open_; }

    /// May be called more than once, and from within the handle's own callbacks.
    void close() {
        if (!uv_ || !is_open_) return;
        is_open_ = false;
        uv_->data = nullptr;
        uv_close(reinterpret_cast<uv_handle_t*>(uv_.release()),
                 [](uv_handle_t* handle) { delete reinterpret_cast<Uv*>(handle); });
    }

 private:
    std::unique_ptr<Uv> uv_;
    bool is_open_ = false;
};

}  // namespace quorate::io
