#include "io/http_server.h"

#include <algorithm>
#include <array>
#include <utility>

#include "engine/check.h"
#include "io/http_connection.h"

namespace quorate::io {

namespace {

constexpr std::uint64_t kAcceptPauseMs = 100;

std::uint32_t connection_number(std::uint64_t id) { return static_cast<std::uint32_t>(id >> 32); }

}  // namespace

HttpServer::HttpServer(Loop& loop, const HttpLimits& limits, HttpHandler& handler)
    : loop_(loop),
      limits_(limits),
      handler_(handler),
      deadline_timer_(loop),
      running_time_(loop.now_ms(), limits.scan_ms),
      accept_timer_(loop) {
    deadline_timer_.start(limits.scan_ms, limits.scan_ms, [this] { check_deadlines(); });
}

HttpServer::~HttpServer() = default;

std::expected<std::uint16_t, std::string> HttpServer::listen(const std::string& host, std::uint16_t port) {
    const auto failed = [&](const char* call, int error) {
        return std::unexpected(host + ":" + std::to_string(port) + ": " + call + ": " + uv_strerror(error));
    };
    // Once, at the start, so it may wait.
    uv_getaddrinfo_t lookup{};
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE;
    if (const int error = uv_getaddrinfo(loop_.uv(), &lookup, nullptr, host.c_str(),
                                         std::to_string(port).c_str(), &hints)) {
        return failed("resolve", error);
    }
    uv_tcp_init(loop_.uv(), listener_.get());
    listener_.opened();
    listener_.get()->data = this;
    int error = uv_tcp_bind(listener_.get(), lookup.addrinfo->ai_addr, 0);
    uv_freeaddrinfo(lookup.addrinfo);
    if (error != 0) return failed("bind", error);
    error = uv_listen(listener_.as<uv_stream_t>(), 511, [](uv_stream_t* stream, int status) {
        auto* server = static_cast<HttpServer*>(stream->data);
        if (server == nullptr) return;
        status == 0 ? server->accept() : server->pause_accepting(status);
    });
    if (error != 0) return failed("listen", error);
    sockaddr_storage name{};
    int size = sizeof(name);
    uv_tcp_getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&name), &size);
    const bool is_ipv6 = name.ss_family == AF_INET6;
    return ntohs(is_ipv6 ? reinterpret_cast<sockaddr_in6*>(&name)->sin6_port
                         : reinterpret_cast<sockaddr_in*>(&name)->sin_port);
}

void HttpServer::accept() {
    const std::uint32_t number = next_connection_++;
    auto connection = std::make_unique<HttpConnection>(*this, number);
    if (!connection->accept(listener_.as<uv_stream_t>())) return;
    HttpConnection& accepted = *connections_.emplace(number, std::move(connection)).first->second;
    const std::size_t of_address = ++connections_by_address_[accepted.address()];
    if (connections_.size() > limits_.connections_max) {
        accepted.enter_reserve(TooMany::InAll);
    } else if (of_address > limits_.connections_per_address_max) {
        accepted.enter_reserve(TooMany::OfOneAddress);
    }
    if (accepted.is_client_in_reserve()) make_room_in_reserve();
    accepted.start_reading();
}

// The oldest gives way: a peer sends its greeting at once, so it has been read by the time that so many
// others have come, whereas clients could keep the reserve from it for as long as they may take for a head,
// or for taking their refusal. When peers fill the reserve, the oldest is the one that has just come.
void HttpServer::make_room_in_reserve() {
    // Those of one address in reserve may not take what is left for others.
    const auto in_reserve = std::ranges::count_if(
        connections_, [](const auto& item) { return item.second->is_client_in_reserve(); });
    if (static_cast<std::size_t>(in_reserve) <= limits_.reserve_max &&
        connections_.size() <= limits_.connections_max + limits_.reserve_max)
        return;
    for (const auto& [number, connection] : connections_) {
        if (!connection->is_client_in_reserve()) continue;
        tell_of_too_many(*connection);
        return connection->close();
    }
}

void HttpServer::tell_of_too_many(const HttpConnection& connection) {
    switch (connection.too_many()) {
        case TooMany::InAll:
            return trouble("more connections than " + std::to_string(limits_.connections_max) + ": refused");
        case TooMany::OfOneAddress:
            return trouble("more connections from " + connection.address() + " than " +
                           std::to_string(limits_.connections_per_address_max) + ": refused");
    }
}

// Out of descriptors: what waits to be accepted would wake the loop for ever.
void HttpServer::pause_accepting(int error) {
    trouble(std::string("cannot accept connections: ") + uv_strerror(error));
    accept_timer_.start(kAcceptPauseMs, 0, [this] {
        if (listener_.is_open()) accept();
    });
}

void HttpServer::trouble(const std::string& line) {
    if (trouble_told_ms_ != 0 && loop_.now_ms() - trouble_told_ms_ < 1000) return;
    trouble_told_ms_ = loop_.now_ms();
    handler_.on_trouble(line);
}

HttpConnection* HttpServer::find(std::uint64_t exchange) {
    const auto found = connections_.find(connection_number(exchange));
    return found == connections_.end() ? nullptr : found->second.get();
}

void HttpServer::respond(server::HttpExchange exchange, server::HttpResponse response) {
    if (HttpConnection* connection = find(exchange)) connection->respond(exchange, std::move(response));
}

bool HttpServer::wants_answer(server::HttpExchange exchange, std::size_t bytes) {
    HttpConnection* connection = find(exchange);
    return connection != nullptr && connection->wants_answer(exchange, bytes);
}

void HttpServer::begin_parts(server::HttpExchange exchange, const server::HttpResponse& response) {
    if (HttpConnection* connection = find(exchange)) connection->begin_parts(exchange, response);
}

bool HttpServer::wants_part(server::HttpExchange exchange, std::size_t bytes) {
    const HttpConnection* connection = find(exchange);
    return connection == nullptr || connection->wants_part(exchange, bytes);
}

bool HttpServer::send_part(server::HttpExchange exchange, std::string bytes, server::AnswerPart part) {
    HttpConnection* connection = find(exchange);
    return connection != nullptr && connection->send_part(exchange, std::move(bytes), part);
}

// The first answer of a connection leaves as soon as it is there; one behind it may wait for long, and shall
// not take the room that the first ones need.
bool HttpServer::has_room(std::size_t bytes, bool is_first) const {
    const std::size_t max = limits_.output_bytes_total_max / (is_first ? 1 : 2);
    const bool fits_total = unwritten_bytes_ == 0 || unwritten_bytes_ + bytes <= max;
    const bool fits_turn = turn_bytes_ == 0 || turn_bytes_ + bytes <= limits_.output_bytes_turn_max;
    return fits_total && fits_turn;
}

// In the order in which they came to wait, so that each has its turn.
void HttpServer::resume_waiting() {
    std::size_t asked_bytes = 0;
    while (!waiting_.empty()) {
        HttpConnection* connection = nullptr;
        if (const auto found = connections_.find(waiting_.front()); found != connections_.end())
            connection = found->second.get();
        const std::size_t bytes = connection != nullptr ? connection->bytes_to_wait_for() : 0;
        const bool is_turn_over = asked_bytes + turn_bytes_ > 0 &&
                                  asked_bytes + turn_bytes_ + bytes > limits_.output_bytes_turn_max;
        if (bytes > 0 && is_turn_over) return loop_.request_turn();
        if (bytes > 0 && !connection->has_server_room()) return;  // until something has been written
        waiting_.pop_front();
        if (connection != nullptr) connection->resume();
        asked_bytes += bytes;
    }
}

void HttpServer::close_peer(PeerConnection connection) {
    if (HttpConnection* found = find(connection)) found->close();
}

std::string HttpServer::address_of(PeerConnection connection) {
    const HttpConnection* found = find(connection);
    return found != nullptr ? found->address() : std::string();
}

void HttpServer::flush() {
    turn_bytes_ = 0;
    // Flushing may let a connection go on with requests that waited, and so touch it again: those wait for
    // the next turn.
    for (const std::uint32_t number : std::exchange(touched_, {})) {
        const auto found = connections_.find(number);
        if (found == connections_.end() || !found->second->flush()) continue;
        const auto of_address = connections_by_address_.find(found->second->address());
        if (--of_address->second == 0) connections_by_address_.erase(of_address);
        connections_.erase(found);
    }
    resume_waiting();
}

void HttpServer::check_deadlines() {
    running_time_.look(loop_.now_ms());
    for (const auto& [number, connection] : connections_) connection->check_deadlines(running_ms());
}

void HttpServer::stop() {
    is_stopping_ = true;
    listener_.close();
    for (const auto& [number, connection] : connections_) {
        if (!connection->is_peer()) connection->stop();
    }
}

bool HttpServer::is_drained() const {
    for (const auto& [number, connection] : connections_) {
        if (!connection->is_peer() && !connection->is_over()) return false;
    }
    return true;
}

}  // namespace quorate::io
