#pragma once

// One HTTP request after another, each waited for: for programs that have nothing else to do meanwhile.

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/http_message.h"

namespace quorate::io {

class HttpClient {
 public:
    struct Limits {
        std::uint32_t connect_ms = 2000;
        std::uint32_t request_ms = 10'000;
        std::size_t body_bytes_max = std::size_t{64} << 20;
    };

    explicit HttpClient(const Limits& limits);
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;
    ~HttpClient();

    /// `address` is HOST:PORT, `request.target` a path that is encoded already. An error is libcurl's word
    /// for it: there is no answer then, and a write may have happened.
    [[nodiscard]] std::expected<server::HttpResponse, std::string> request(
        std::string_view address, const server::HttpRequest& request);

 private:
    struct Handle;
    Limits limits_;
    std::unique_ptr<Handle> handle_;
};

}  // namespace quorate::io
