#pragma once

// A listener on a free port of 127.0.0.1 that gives each request the same bytes for an answer, or those that
// a test makes of it.

#include <atomic>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace quorate::test {

class FakeNode {
 public:
    enum class After : std::uint8_t {
        Close,      ///< the connection ends behind the answer
        CloseNext,  ///< it is kept, and ends when the next request comes
        Hang,       ///< it stays, and nothing more comes
    };

    /// On a thread of its own.
    using Answer = std::function<std::string(const std::string& request)>;

    explicit FakeNode(std::string answer, After after = After::Close)
        : FakeNode([answer = std::move(answer)](const std::string&) { return answer; }, after) {}
    explicit FakeNode(Answer answer, After after = After::Close)
        : answer_(std::move(answer)),
          after_(after),
          listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
          stop_(::eventfd(0, EFD_CLOEXEC)) {
        sockaddr_in where{};
        where.sin_family = AF_INET;
        where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t bytes = sizeof where;
        if (::bind(listener_, reinterpret_cast<const sockaddr*>(&where), bytes) != 0 ||
            ::getsockname(listener_, reinterpret_cast<sockaddr*>(&where), &bytes) != 0 ||
            ::listen(listener_, 8) != 0)
            throw std::runtime_error("cannot listen");
        port_ = ntohs(where.sin_port);
        thread_ = std::thread([this] { serve(); });
    }
    FakeNode(const FakeNode&) = delete;
    FakeNode& operator=(const FakeNode&) = delete;
    ~FakeNode() {
        ::eventfd_write(stop_, 1);
        thread_.join();
        ::close(stop_);
        ::close(listener_);
    }

    [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
    /// That have come, answered or not.
    [[nodiscard]] int requests() const { return requests_; }

 private:
    // False: it stops. None: for that alone.
    static constexpr int kNone = -1;
    [[nodiscard]] bool wait_for(int descriptor) const {
        pollfd waiting[] = {{descriptor, POLLIN, 0}, {stop_, POLLIN, 0}};
        return ::poll(waiting, 2, -1) > 0 && waiting[1].revents == 0;
    }
    // The requests of these tests are small: one piece each.
    std::string take_request(int connection) {
        char buffer[4096];
        const ssize_t bytes = wait_for(connection) ? ::recv(connection, buffer, sizeof buffer, 0) : 0;
        if (bytes <= 0) return {};
        ++requests_;
        return {buffer, static_cast<std::size_t>(bytes)};
    }
    void serve() {
        while (wait_for(listener_)) {
            const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            const std::string answer = answer_(take_request(connection));
            (void)::send(connection, answer.data(), answer.size(), MSG_NOSIGNAL);
            if (after_ == After::CloseNext) (void)take_request(connection);
            if (after_ == After::Hang) (void)wait_for(kNone);
            ::close(connection);
        }
    }

    Answer answer_;
    After after_;
    int listener_;
    int stop_;
    std::uint16_t port_ = 0;
    std::atomic<int> requests_ = 0;
    std::thread thread_;
};

}  // namespace quorate::test
