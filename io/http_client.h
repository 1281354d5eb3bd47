#pragma once

// One HTTP request after another, each waited for: for programs that have nothing else to do meanwhile.

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "server/http_message.h"

namespace quorate::io {

class HttpClient {
 public:
    struct Limits {
        std::uint32_t connect_ms = 2000;
        std::uint32_t request_ms = 10'000;
        std::size_t body_bytes_max = std::size_t{64} << 20;
    };
    /// The next bytes of a body; false: no more of it.
    using TakeBody = std::function<bool(std::string_view bytes)>;
    using Answer = std::expected<server::HttpResponse, server::HttpFailure>;

    explicit HttpClient(const Limits& limits);
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;
    ~HttpClient();

    /// Of the requests from now on.
    void set_limits(const Limits& limits) { limits_ = limits; }

    /// `address` is HOST:PORT, `request.target` a path that is encoded already. Goes out once at the most,
    /// but for a GET, which may be repeated when a connection that was kept turns out to be closed.
    [[nodiscard]] Answer request(std::string_view address, const server::HttpRequest& request);

    /// The same for a body of any length: that of an answer with status 200 and a Quorate-Revision, which no
    /// other server gives, goes to `take` as it comes, and the response has none. Limits::request_ms is then
    /// how long nothing may come, rounded up to seconds.
    [[nodiscard]] Answer request(std::string_view address, const server::HttpRequest& request,
                                 const TakeBody& take);

 private:
    struct Handle;
    Limits limits_;
    std::unique_ptr<Handle> handle_;
};

}  // namespace quorate::io
