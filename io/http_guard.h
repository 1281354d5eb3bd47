#pragma once

// The guard in front of the HTTP parser: refuses every message about whose end two parsers could disagree,
// and every one that is too large, before the parser sees it. Pure, and indifferent to where the bytes are
// split. RFC 9112 with the strict reading everywhere.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace quorate::io {

struct HttpLimits {
    /// Room for three percent-encoded keys of 4,096 bytes: the start, the end and the page of a range.
    std::size_t request_line_bytes_max = std::size_t{3} * 3 * 4096 + 1024;
    std::size_t head_bytes_max = request_line_bytes_max + 16384;  ///< the request line included
    std::size_t fields_max = 100;
    std::size_t body_bytes_max = std::size_t{4} << 20;
    std::size_t chunk_line_bytes_max = 256;
    std::size_t chunk_extension_bytes_max = 16384;
    std::size_t trailer_bytes_max = 8192;
    std::size_t trailer_fields_max = 32;

    std::size_t connections_max = 1024;
    /// Of one address (of IPv6: of 64 bits of it, which one host has to itself), so that one client that
    /// holds all it can leaves others a quarter. Generous, since a proxy is one address for all of its
    /// clients.
    std::size_t connections_per_address_max = 768;
    std::size_t reserve_max = 64;  ///< further ones, of which only the head is read: for peers
    std::size_t pipelined_max =
        64;  ///< requests of one connection that are not answered yet; then it is not read
    /// The same of all connections together; then one has two. More would not be answered sooner, and is
    /// done in vain for clients that have lost patience.
    std::size_t requests_total_max = 1024;
    /// Answers of one connection that it has not taken yet: beyond it nothing more is asked for it. One
    /// answer may be larger: it has its turn when all before it are gone.
    std::size_t output_bytes_max = std::size_t{1} << 20;
    /// The same for all connections together; then only answers below small_output_bytes are made. Half of it
    /// is for answers whose turn it is: they can leave.
    std::size_t output_bytes_total_max = std::size_t{256} << 20;
    /// Made in one turn of the loop: what copies of large values may cost everyone else.
    std::size_t output_bytes_turn_max = std::size_t{4} << 20;
    /// What every connection may owe its client in any case.
    std::size_t small_output_bytes = 65536;
    std::uint64_t room_ms_max = 5000;    ///< an answer waits so long for the others' room; then it is a 503
    std::uint64_t head_ms_max = 10'000;  ///< from a request's first byte to the end of its head
    /// A body or an answer must move at this rate: what it is behind is borne for so long (io/pace.h).
    std::uint64_t slow_after_ms = 10'000;
    std::uint64_t bytes_per_second_min = 1024;
    /// The rate of answers while half of output_bytes_total_max is taken.
    std::uint64_t crowded_bytes_per_second_min = std::uint64_t{256} << 10;
    std::uint64_t idle_ms_max = 60'000;  ///< between requests
    std::uint64_t scan_ms = 500;         ///< between two looks at who has run out of time
};

/// An error that ends the connection, once answered.
struct HttpFault {
    int status = 400;
    std::string_view code;
    std::string detail;

    bool operator==(const HttpFault&) const = default;
};

class HttpGuard {
 public:
    explicit HttpGuard(const HttpLimits& limits) : limits_(limits) {}

    struct Progress {
        std::size_t accepted = 0;    ///< bytes at the front that may go to the parser
        bool head_ended = false;     ///< they end with a request's head
        bool message_ended = false;  ///< they end with the whole request
        std::optional<HttpFault> fault;
    };
    /// Looks at bytes that follow what was accepted before, through the next end of a head or a message at
    /// most. What is not accepted yet must be offered again with what follows it: it is at most one line of a
    /// head, or nothing.
    [[nodiscard]] Progress feed(std::string_view bytes);

    /// Of the head that just ended.
    [[nodiscard]] std::uint64_t content_length() const { return content_length_.value_or(0); }
    [[nodiscard]] bool expects_continue() const { return expects_continue_; }
    /// Nothing of a request has been seen since the last one ended.
    [[nodiscard]] bool is_between_messages() const {
        return state_ == State::RequestLine && head_bytes_ == 0;
    }
    [[nodiscard]] bool is_in_request_line() const { return state_ == State::RequestLine; }
    [[nodiscard]] bool is_in_head() const { return state_ == State::RequestLine || state_ == State::Fields; }

 private:
    enum class State : std::uint8_t { RequestLine, Fields, Body, ChunkSize, ChunkData, ChunkEnd, Trailers };

    [[nodiscard]] std::optional<HttpFault> take_request_line(std::string_view line);
    [[nodiscard]] std::optional<HttpFault> take_field(std::string_view line);
    [[nodiscard]] std::optional<HttpFault> take_framing_field(std::string_view name, std::string_view value);
    [[nodiscard]] std::optional<HttpFault> end_head();
    [[nodiscard]] std::optional<HttpFault> take_chunk_size(std::string_view line);
    [[nodiscard]] std::optional<HttpFault> take_trailer(std::string_view line);
    [[nodiscard]] std::optional<HttpFault> take_line(std::string_view line);
    [[nodiscard]] std::optional<HttpFault> line_too_long(std::size_t bytes) const;
    [[nodiscard]] HttpFault body_too_large() const;
    void begin_message();

    HttpLimits limits_;
    State state_ = State::RequestLine;
    std::size_t head_bytes_ = 0;
    std::size_t fields_ = 0;
    bool is_http_1_0_ = false;
    bool needs_length_ = false;
    std::size_t hosts_ = 0;
    std::optional<std::uint64_t> content_length_;
    bool has_empty_line_ = false;  ///< in front of the request line
    bool has_transfer_encoding_ = false;
    bool is_chunked_ = false;
    bool expects_continue_ = false;
    std::uint64_t body_left_ = 0;
    std::uint64_t body_bytes_ = 0;
    std::size_t extension_bytes_ = 0;
    std::size_t trailer_bytes_ = 0;
    std::size_t trailer_fields_ = 0;
};

}  // namespace quorate::io
