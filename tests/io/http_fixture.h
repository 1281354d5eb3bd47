#pragma once

// A real server on a real loop, and clients that are plain sockets, all in one thread.

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/http_server.h"
#include "io/timer.h"

namespace quorate::io {

/// A request; `fields` end with CRLF each.
inline std::string get_of(const std::string& target, const std::string& fields = "",
                          const std::string& version = "1.1") {
    return "GET " + target + " HTTP/" + version + "\r\nHost: h\r\n" + fields + "\r\n";
}

class TestClient {
 public:
    /// From the loopback address `from`, 127.0.0.1 unless given.
    explicit TestClient(std::uint16_t port, int receive_buffer_bytes = 0,
                        std::uint32_t from = INADDR_LOOPBACK)
        : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
        if (receive_buffer_bytes > 0)
            ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof(receive_buffer_bytes));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(from);
        EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
        connect(port);
    }
    TestClient(const TestClient&) = delete;
    TestClient& operator=(const TestClient&) = delete;
    ~TestClient() { close(); }

    /// Takes as much as the system does; the rest goes out in pump().
    void send(std::string_view bytes) {
        unsent_ += bytes;
        pump();
    }
    /// Sends and receives what is possible now.
    void pump() {
        if (fd_ < 0) return;
        const ssize_t sent = ::send(fd_, unsent_.data() + sent_bytes_, unsent_bytes(), MSG_NOSIGNAL);
        if (sent > 0) sent_bytes_ += static_cast<std::size_t>(sent);
        char buffer[65536];
        while (is_reading && !is_ended) {
            const ssize_t count = ::recv(fd_, buffer, sizeof(buffer), 0);
            if (count > 0) received.append(buffer, static_cast<std::size_t>(count));
            if (count > 0) take_dates_out();
            if (count == 0) is_ended = true;
            if (count < 0) {
                if (errno == ECONNRESET) is_ended = was_reset = true;
                break;
            }
        }
    }
    void end_sending() const { ::shutdown(fd_, SHUT_WR); }
    /// Gone without a word, as a client that crashed.
    void reset() {
        const linger at_once{1, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        close();
    }
    void close() {
        if (const int fd = std::exchange(fd_, -1); fd >= 0) ::close(fd);
    }
    [[nodiscard]] std::size_t unsent_bytes() const { return unsent_.size() - sent_bytes_; }
    [[nodiscard]] std::size_t answers() const {
        std::size_t count = 0;
        for (auto at = received.find("HTTP/1.1 "); at != std::string::npos;
             at = received.find("HTTP/1.1 ", at + 1))
            ++count;
        return count;
    }

    std::string received;            ///< without its Dates, which no test can foretell
    std::vector<std::string> dates;  ///< of the answers
    bool is_reading = true;
    bool is_ended = false;
    bool was_reset = false;

 private:
    void take_dates_out() {
        constexpr std::string_view kName = "\r\nDate: ";
        constexpr std::size_t kDateBytes = std::string_view("Sun, 06 Nov 1994 08:49:37 GMT").size();
        for (auto at = received.find(kName, dates_sought_until_); at != std::string::npos;
             at = received.find(kName, at)) {
            if (received.size() < at + kName.size() + kDateBytes) return;
            dates.push_back(received.substr(at + kName.size(), kDateBytes));
            received.erase(at, kName.size() + kDateBytes);
            dates_sought_until_ = at;
        }
        if (received.size() > kName.size())
            dates_sought_until_ = std::max(dates_sought_until_, received.size() - kName.size());
    }
    void connect(std::uint16_t port) const {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const int result = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address));
        EXPECT_TRUE(result == 0 || errno == EINPROGRESS) << errno;
    }

    int fd_;
    std::string unsent_;  ///< from sent_bytes_ on
    std::size_t sent_bytes_ = 0;
    std::size_t dates_sought_until_ = 0;
};

/// Keeps what the server says; answers as told.
class TestHandler : public HttpHandler {
 public:
    struct Request {
        server::HttpExchange exchange;
        server::HttpRequest request;
    };

    void on_request(server::HttpExchange exchange, const server::HttpRequest& request) override {
        requests.push_back({exchange, request});
        if (answer) answer(requests.back());
    }
    std::optional<server::HttpResponse> on_upgrade(PeerConnection connection,
                                                   const server::HttpRequest& request) override {
        upgrades.push_back({connection, request});
        return refusal;
    }
    void on_peer_bytes(PeerConnection connection, std::string_view bytes) override {
        peer_bytes += bytes;
        if (on_bytes) on_bytes(connection);
    }
    void on_peer_closed(PeerConnection connection) override { peers_closed.push_back(connection); }
    void on_trouble(std::string_view line) override { troubles.emplace_back(line); }

    std::vector<Request> requests;
    std::vector<Request> upgrades;
    std::string peer_bytes;
    std::vector<PeerConnection> peers_closed;
    std::vector<std::string> troubles;
    std::function<void(const Request&)> answer;
    std::function<void(PeerConnection)> on_bytes;
    std::optional<server::HttpResponse> refusal;
};

class HttpFixture : public testing::Test {
 protected:
    explicit HttpFixture(const HttpLimits& limits = {}) : limits_(limits) { start(); }

    /// A server that has the limits of now.
    void start(std::uint16_t port = 0) {
        server_ = std::make_unique<HttpServer>(loop_, limits_, handler_);
        const auto listening = server_->listen("127.0.0.1", port);
        ASSERT_TRUE(listening) << listening.error();
        port_ = *listening;
        loop_.on_turn_end([this] {
            for (const auto& turn : at_turn_end_) turn();
            if (server_) server_->flush();
        });
    }

    /// Another server, with other limits.
    void restart(const HttpLimits& limits) {
        server_.reset();
        limits_ = limits;
        start();
    }

    TestClient& connect(int receive_buffer_bytes = 0) {
        clients_.push_back(std::make_unique<TestClient>(port_, receive_buffer_bytes));
        return *clients_.back();
    }

    TestClient& connect_from(std::uint32_t address) {
        clients_.push_back(std::make_unique<TestClient>(port_, 0, address));
        return *clients_.back();
    }

    /// Turns the loop until `done`; gives up, failing, after a time that nothing here should need.
    void run_until(const std::function<bool()>& done) {
        Timer wake(loop_);
        wake.start(1, 1, [] {});
        const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
        for (;;) {
            for (const auto& client : clients_) client->pump();
            if (done()) return;
            ASSERT_LT(std::chrono::steady_clock::now(), give_up) << "waited in vain";
            uv_run(loop_.uv(), UV_RUN_ONCE);
        }
    }
    /// Enough turns for everything that is under way on this machine to arrive.
    void run_some_turns() {
        int turns = 0;
        run_until([&] { return ++turns > 50; });
    }

    void answer_each_with_its_target() {
        handler_.answer = [this](const TestHandler::Request& request) {
            server_->respond(request.exchange, {200, {}, request.request.target});
        };
    }

    Loop loop_;
    HttpLimits limits_;
    TestHandler handler_;
    std::vector<std::function<void()>> at_turn_end_;
    std::unique_ptr<HttpServer> server_;
    std::uint16_t port_ = 0;
    std::vector<std::unique_ptr<TestClient>> clients_;
};

}  // namespace quorate::io
