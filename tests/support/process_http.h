#pragma once

// Clients for tests against real processes: libcurl as users have it, and a bare connection for what libcurl
// would not send.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace quorate::test {

struct Reply {
    int status = 0;  ///< 0: no answer came
    std::string body;
    std::vector<std::pair<std::string, std::string>>
        headers;              ///< names in lower case, in the order of the answer
    std::string failure;      ///< why none came, in libcurl's words
    bool never_sent = false;  ///< no connection was made, so no server has seen the request

    /// Value of the first header of that name (lower case), or the empty string.
    [[nodiscard]] std::string header(std::string_view name) const;
};

/// Keeps its connections open between requests; not for two threads at once.
class HttpClient {
 public:
    enum class Connections : std::uint8_t {
        Kept,
        /// A new one for each request: on a kept one libcurl may send a request again by itself when the
        /// server goes away.
        Fresh,
    };

    explicit HttpClient(Connections connections = Connections::Kept,
                        std::chrono::milliseconds timeout = std::chrono::seconds(20));
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;
    ~HttpClient();

    /// `address` is HOST:PORT, `target` goes out as it stands, `headers` are whole lines.
    Reply request(const std::string& method, const std::string& address, const std::string& target,
                  std::optional<std::string_view> body = std::nullopt,
                  const std::vector<std::string>& headers = {});
    Reply get(const std::string& address, const std::string& target) {
        return request("GET", address, target);
    }
    Reply put(const std::string& address, const std::string& target, std::string_view body) {
        return request("PUT", address, target, body);
    }

 private:
    void* curl_;
};

/// A TCP connection that carries exactly the bytes it is given.
class RawConnection {
 public:
    explicit RawConnection(const std::string& address);
    RawConnection(const RawConnection&) = delete;
    RawConnection& operator=(const RawConnection&) = delete;
    ~RawConnection();

    void send(std::string_view bytes) const;
    /// What comes until `enough` occurs in it, the server closes, or nothing more comes for a bounded time.
    [[nodiscard]] std::string receive_until(std::string_view enough) const;
    /// What comes until the server closes; nothing when it does not do so within a bounded time.
    [[nodiscard]] std::optional<std::string> receive_until_closed() const;

 private:
    int socket_;
};

}  // namespace quorate::test
