#pragma once

// The way out to one other node: dials it, upgrades the HTTP connection, and streams frames; dials again when
// that ends.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <uv.h>

#include "engine/random.h"
#include "io/handle.h"
#include "io/loop.h"
#include "io/timer.h"
#include "server/http_message.h"

namespace quorate::io {

class PeerLink {
 public:
    /// None may destroy the link.
    struct Callbacks {
        std::function<void()> on_up;
        /// The link was up and is not any more: frames on their way may be lost.
        std::function<void()> on_down;
        /// The other side answered, and refused; at most once a minute.
        std::function<void(const std::string& why)> on_refused;
    };

    /// Keeps trying from now on. `greeting` are the headers of the upgrade; `seed` spreads the tries of
    /// several nodes.
    PeerLink(Loop& loop, std::string address, std::vector<server::HttpHeader> greeting, std::uint64_t seed,
             Callbacks callbacks);
    PeerLink(const PeerLink&) = delete;
    PeerLink& operator=(const PeerLink&) = delete;
    ~PeerLink();

    [[nodiscard]] bool is_up() const { return state_ == State::Up; }
    /// False: dropped, since the link is down or kQueueBytesMax wait already.
    bool send(std::string_view frame);
    /// Writes what was sent in this turn, in one write.
    void flush();

    static constexpr std::size_t kQueueBytesMax = 32U << 20;

 private:
    enum class State : std::uint8_t { Waiting, Resolving, Connecting, Greeting, Up };

    struct Resolve;
    struct Connect;
    struct Write;
    void dial();
    void resolved(int status, const addrinfo* addresses);
    void connected(int status);
    void greet();
    [[nodiscard]] const sockaddr* pick(const addrinfo* addresses);
    void received(std::string_view bytes);
    void tell_refusal();
    void lost();

    Loop& loop_;
    std::string address_;
    std::vector<server::HttpHeader> greeting_;
    engine::Random random_;
    Callbacks callbacks_;
    State state_ = State::Waiting;
    std::unique_ptr<Handle<uv_tcp_t>> tcp_;
    std::size_t tries_ = 0;
    Resolve* resolving_ = nullptr;
    Timer timer_;
    std::string head_;  ///< of the answer to the greeting
    std::string output_;
    std::size_t writing_bytes_ = 0;
    std::uint32_t backoff_ms_ = 50;
    std::uint64_t refusal_told_ms_ = 0;
};

}  // namespace quorate::io
