#include "io/peer_link.h"

#include <array>
#include <utility>

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "engine/check.h"
#include "io/http_server.h"

namespace quorate::io {

namespace {

constexpr std::uint32_t kBackoffMsMin = 50;
constexpr std::uint32_t kBackoffMsMax = 1000;
constexpr std::uint64_t kDialMsMax = 3000;
constexpr std::uint64_t kRefusalEveryMs = 60'000;
constexpr std::string_view kAccepted = "HTTP/1.1 101 ";
constexpr std::size_t kAnswerBytesMax = 16384;
constexpr std::size_t kRefusalBytesMax = 1024;  ///< of it in the log
/// Frames that are not acknowledged for so long are lost: dialling anew reaches a peer that is back sooner
/// than the system's ever rarer retransmissions.
constexpr unsigned kUnacknowledgedMsMax = 5000;

/// Whatever the other side said, as a piece of a log line.
std::string one_line(std::string_view text) {
    const std::size_t end = text.find_last_not_of(" \r\n");
    text = text.substr(0, end == std::string_view::npos ? 0 : end + 1);
    std::string line;
    for (const char c : text.substr(0, kRefusalBytesMax)) {
        const auto byte = static_cast<unsigned char>(c);
        byte >= 0x20 && byte < 0x7f ? line.push_back(c) : void(line += fmt::format("\\x{:02x}", byte));
    }
    if (text.size() > kRefusalBytesMax) line += "...";
    return line;
}

/// HOST:PORT, the host without the brackets of an IPv6 address.
std::pair<std::string, std::string> split_address(const std::string& address) {
    const std::size_t colon = address.rfind(':');
    std::string host = address.substr(0, colon);
    if (host.size() >= 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
    return {std::move(host), address.substr(colon + 1)};
}

}  // namespace

// Requests outlive the link when it goes first: their `link` is cleared then.
struct PeerLink::Resolve {
    uv_getaddrinfo_t request{};
    PeerLink* link = nullptr;
};
struct PeerLink::Connect {
    uv_connect_t request{};
};
struct PeerLink::Write {
    uv_write_t request{};
    std::string bytes;
};

PeerLink::PeerLink(Loop& loop, std::string address, std::vector<server::HttpHeader> greeting,
                   std::uint64_t seed, Callbacks callbacks)
    : loop_(loop),
      address_(std::move(address)),
      greeting_(std::move(greeting)),
      random_(seed),
      callbacks_(std::move(callbacks)),
      timer_(loop) {
    dial();
}

PeerLink::~PeerLink() {
    if (resolving_ != nullptr) resolving_->link = nullptr;
}

void PeerLink::dial() {
    state_ = State::Resolving;
    timer_.start(kDialMsMax, 0, [this] { lost(); });
    const auto [host, port] = split_address(address_);
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    resolving_ = new Resolve{{}, this};
    const int error = uv_getaddrinfo(
        loop_.uv(), &resolving_->request,
        [](uv_getaddrinfo_t* request, int status, addrinfo* addresses) {
            const std::unique_ptr<Resolve> done(reinterpret_cast<Resolve*>(request));
            if (done->link != nullptr) {
                done->link->resolving_ = nullptr;
                done->link->resolved(status, addresses);
            }
            uv_freeaddrinfo(addresses);
        },
        host.c_str(), port.c_str(), &hints);
    if (error != 0) {
        delete std::exchange(resolving_, nullptr);
        lost();
    }
}

// Each try takes the next address of a name that has several: localhost may be ::1 and 127.0.0.1.
const sockaddr* PeerLink::pick(const addrinfo* addresses) {
    std::size_t count = 0;
    for (const addrinfo* at = addresses; at != nullptr; at = at->ai_next) ++count;
    const addrinfo* picked = addresses;
    for (std::size_t left = tries_++ % count; left > 0; --left) picked = picked->ai_next;
    return picked->ai_addr;
}

void PeerLink::resolved(int status, const addrinfo* addresses) {
    if (state_ != State::Resolving) return;
    if (status != 0) return lost();
    state_ = State::Connecting;
    const sockaddr* address = pick(addresses);
    tcp_ = std::make_unique<Handle<uv_tcp_t>>();
    uv_tcp_init(loop_.uv(), tcp_->get());
    tcp_->opened();
    tcp_->get()->data = this;
    uv_tcp_nodelay(tcp_->get(), 1);
    uv_tcp_keepalive(tcp_->get(), 1, 10);
    auto* connect = new Connect;
    const int error = uv_tcp_connect(
        &connect->request, tcp_->get(), address, [](uv_connect_t* request, int connected_status) {
            const std::unique_ptr<Connect> done(reinterpret_cast<Connect*>(request));
            if (auto* link = static_cast<PeerLink*>(request->handle->data)) link->connected(connected_status);
        });
    if (error != 0) {
        delete connect;
        lost();
    }
}

void PeerLink::connected(int status) {
    if (status != 0) return lost();
    state_ = State::Greeting;
    head_.clear();
    if (uv_os_fd_t fd = -1; uv_fileno(tcp_->as<uv_handle_t>(), &fd) == 0)
        ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &kUnacknowledgedMsMax, sizeof(kUnacknowledgedMsMax));
    std::string request = "GET " + std::string(kPeerPath) + " HTTP/1.1\r\nHost: " + address_ +
                          "\r\nConnection: Upgrade\r\nUpgrade: " + std::string(kPeerProtocol) + "\r\n";
    for (const server::HttpHeader& header : greeting_) request += header.name + ": " + header.value + "\r\n";
    output_ = request + "\r\n";
    flush();
    if (!tcp_) return;
    uv_read_start(
        tcp_->as<uv_stream_t>(),
        [](uv_handle_t*, std::size_t, uv_buf_t* buffer) {
            static std::array<char, 4096> shared;
            *buffer = uv_buf_init(shared.data(), shared.size());
        },
        [](uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) {
            auto* link = static_cast<PeerLink*>(stream->data);
            if (link == nullptr || count == 0) return;
            if (count < 0) return link->lost();
            link->received({buffer->base, static_cast<std::size_t>(count)});
        });
}

// The other side says something only once: whether it takes us. What it says when it does not ends with the
// connection.
void PeerLink::received(std::string_view bytes) {
    if (state_ != State::Greeting) return;
    head_.append(bytes);
    if (head_.size() > kAnswerBytesMax) return lost();
    if (head_.find("\r\n\r\n") == std::string::npos || !head_.starts_with(kAccepted)) return;
    state_ = State::Up;
    tries_ -= 1;  // this address is the one
    backoff_ms_ = kBackoffMsMin;
    timer_.stop();
    callbacks_.on_up();
}

void PeerLink::tell_refusal() {
    const std::size_t end = head_.find("\r\n\r\n");
    if (end == std::string::npos || head_.starts_with(kAccepted)) return;
    backoff_ms_ = kBackoffMsMax;
    const std::uint64_t now_ms = loop_.now_ms();
    if (refusal_told_ms_ != 0 && now_ms - refusal_told_ms_ < kRefusalEveryMs) return;
    refusal_told_ms_ = now_ms;
    callbacks_.on_refused(one_line(head_.substr(0, head_.find("\r\n")) + " " + head_.substr(end + 4)));
}

bool PeerLink::send(std::string_view frame) {
    if (state_ != State::Up || output_.size() + writing_bytes_ + frame.size() > kQueueBytesMax) return false;
    output_ += frame;
    loop_.request_turn();
    return true;
}

void PeerLink::flush() {
    if (!tcp_ || output_.empty() || writing_bytes_ > 0) return;
    auto* write = new Write{{}, std::exchange(output_, {})};
    writing_bytes_ = write->bytes.size();
    uv_buf_t buffer = uv_buf_init(write->bytes.data(), static_cast<unsigned>(write->bytes.size()));
    uv_write(&write->request, tcp_->as<uv_stream_t>(), &buffer, 1, [](uv_write_t* request, int status) {
        const std::unique_ptr<Write> done(reinterpret_cast<Write*>(request));
        auto* link = static_cast<PeerLink*>(request->handle->data);
        if (link == nullptr) return;
        link->writing_bytes_ = 0;
        status == 0 ? link->flush() : link->lost();
    });
}

void PeerLink::lost() {
    const bool was_up = state_ == State::Up;
    const bool was_greeting = state_ == State::Greeting;
    state_ = State::Waiting;
    tcp_.reset();
    if (resolving_ != nullptr) std::exchange(resolving_, nullptr)->link = nullptr;
    output_.clear();
    writing_bytes_ = 0;
    if (was_greeting) tell_refusal();
    timer_.start(random_.between(backoff_ms_ / 2, backoff_ms_), 0, [this] { dial(); });
    backoff_ms_ = std::min(backoff_ms_ * 2, kBackoffMsMax);
    if (was_up) callbacks_.on_down();
}

}  // namespace quorate::io
