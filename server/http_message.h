#pragma once

// A parsed HTTP request and a response to write, without any I/O: what the routes see, and what the transport
// carries.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace quorate::server {

struct HttpHeader {
    std::string name;
    std::string value;

    /// Whether `other` names this header; names have no case.
    [[nodiscard]] bool is(std::string_view other) const;

    bool operator==(const HttpHeader&) const = default;
};

struct HttpRequest {
    std::string method;  ///< as sent: "GET"
    std::string target;  ///< as sent, not decoded: "/kv/a%2Fb?limit=1"
    std::vector<HttpHeader> headers;
    std::string body;

    bool operator==(const HttpRequest&) const = default;

    /// Value of the first header of that name (case-insensitive), or null.
    [[nodiscard]] const std::string* header(std::string_view name) const;
};

struct HttpResponse {
    int status = 200;
    std::vector<HttpHeader>
        headers;       ///< without Content-Length, Date and Connection, which the transport adds
    std::string body;  ///< for HEAD: the body that GET would have; the transport sends only its length

    bool operator==(const HttpResponse&) const = default;

    /// As HttpRequest::header().
    [[nodiscard]] const std::string* header(std::string_view name) const;
};

/// Why a request has no answer.
struct HttpFailure {
    enum class Sent : std::uint8_t {
        Never,  ///< nobody has got a byte of it
        Maybe,  ///< it may have been carried out
    };
    Sent sent = Sent::Maybe;
    std::string text;  ///< who was asked, and what happened
};

/// Where a part stands in an answer that is given in parts.
enum class AnswerPart : std::uint8_t {
    More,       ///< another one follows
    Last,       ///< the answer is complete with it
    BrokenOff,  ///< there will be no more: the client must not take it for complete
};

/// Names one request of one connection to the transport; never reused in a process.
using HttpExchange = std::uint64_t;

}  // namespace quorate::server
