#pragma once

// HTTP/1.1 over TCP: one port for clients and for peers, who upgrade their connection.

#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <uv.h>

#include "io/handle.h"
#include "io/http_date.h"
#include "io/http_guard.h"
#include "io/loop.h"
#include "io/running_time.h"
#include "io/timer.h"
#include "server/http_message.h"

namespace quorate::io {

class HttpConnection;

/// Names an upgraded connection; never reused.
using PeerConnection = std::uint64_t;

/// What the server tells its owner, between turns; on_request() and on_upgrade() from within flush() too, and
/// on_peer_closed() from within close_peer().
class HttpHandler {
 public:
    HttpHandler() = default;
    HttpHandler(const HttpHandler&) = delete;
    HttpHandler& operator=(const HttpHandler&) = delete;
    virtual ~HttpHandler() = default;

    /// To be answered once, with HttpServer::respond(), now or later. A request whose answer was not wanted
    /// (HttpServer::wants_answer()) comes again, under the same name, when there is room for it.
    virtual void on_request(server::HttpExchange exchange, const server::HttpRequest& request) = 0;
    /// A request to upgrade to kPeerProtocol. Nothing: it is accepted. Else the answer that refuses it.
    virtual std::optional<server::HttpResponse> on_upgrade(PeerConnection connection,
                                                           const server::HttpRequest& request) = 0;
    virtual void on_peer_bytes(PeerConnection connection, std::string_view bytes) = 0;
    virtual void on_peer_closed(PeerConnection connection) = 0;
    /// Something that an operator should know, said at most once a second.
    virtual void on_trouble(std::string_view line) = 0;
};

inline constexpr std::string_view kPeerProtocol = "quorate-peer/3";
inline constexpr std::string_view kPeerPath = "/raft/peer";

class HttpServer {
 public:
    HttpServer(Loop& loop, const HttpLimits& limits, HttpHandler& handler);
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;
    ~HttpServer();

    /// Port 0 takes a free one. The port that it listens on, or what went wrong.
    [[nodiscard]] std::expected<std::uint16_t, std::string> listen(const std::string& host,
                                                                   std::uint16_t port);

    /// In any order; the answers of a connection leave in the order of its requests. Ignored when the client
    /// has gone.
    void respond(server::HttpExchange exchange, server::HttpResponse response);
    /// Whether an answer of about so many bytes to a request that changes nothing (GET, HEAD) may be made
    /// now. False: forget the request. Its client has gone, or has not taken earlier answers yet: then it
    /// comes again.
    [[nodiscard]] bool wants_answer(server::HttpExchange exchange, std::size_t bytes);
    /// Instead of respond(): an answer whose body comes in parts, in chunks or, to HTTP/1.0, until it closes.
    void begin_parts(server::HttpExchange exchange, const server::HttpResponse& response);
    /// Whether about `bytes` of it may be given now: it is the connection's turn, and what was given before
    /// is nearly gone. There is another turn of the loop when it has. Also true when nobody is there any
    /// more.
    [[nodiscard]] bool wants_part(server::HttpExchange exchange, std::size_t bytes);
    /// Of an answer that wants it; what breaks off may be given at any time, and closes the connection.
    /// False: nobody is there any more.
    [[nodiscard]] bool send_part(server::HttpExchange exchange, std::string bytes, server::AnswerPart part);
    void close_peer(PeerConnection connection);
    /// Of its other end, without the port; of IPv6 what names its network.
    [[nodiscard]] std::string address_of(PeerConnection connection);
    /// Writes what gathered in this turn, one write for each connection. Call it at the end of every turn.
    void flush();

    /// No new connections; the open ones end with the answer to what they have asked.
    void stop();
    /// Behind stop(): every answer has been taken.
    [[nodiscard]] bool is_drained() const;

 private:
    friend class HttpConnection;
    void accept();
    void make_room_in_reserve();
    void pause_accepting(int error);
    void check_deadlines();
    [[nodiscard]] std::uint64_t running_ms() const { return running_time_.at(loop_.now_ms()); }
    void tell_of_too_many(const HttpConnection& connection);
    [[nodiscard]] HttpConnection* find(std::uint64_t exchange);
    [[nodiscard]] bool has_room(std::size_t bytes, bool is_first) const;
    void resume_waiting();
    void trouble(const std::string& line);

    Loop& loop_;
    HttpLimits limits_;
    HttpHandler& handler_;
    Handle<uv_tcp_t> listener_;
    Timer deadline_timer_;
    RunningTime running_time_;
    Timer accept_timer_;
    std::map<std::uint32_t, std::unique_ptr<HttpConnection>> connections_;
    std::map<std::string, std::size_t> connections_by_address_;  ///< how many, of each that has any
    std::vector<std::uint32_t> touched_;  ///< connections that may have something to write or to close
    std::deque<std::uint32_t> waiting_;   ///< connections that need others' room, each once
    std::size_t requests_ = 0;            ///< of clients, not answered yet
    std::size_t unwritten_bytes_ = 0;     ///< answers that no client has taken yet
    std::size_t turn_bytes_ = 0;          ///< of the answers made in this turn
    std::uint32_t next_connection_ = 1;
    std::uint64_t trouble_told_ms_ = 0;
    HttpDate date_;
    bool is_stopping_ = false;
};

}  // namespace quorate::io
