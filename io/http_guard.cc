#include "io/http_guard.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

namespace quorate::io {

namespace {

constexpr std::string_view kMalformed = "malformed_request";

HttpFault bad(std::string_view detail) { return {400, kMalformed, std::string(detail)}; }

bool is_token_byte(char c) {
    const auto u = static_cast<unsigned char>(c);
    return (u >= '0' && u <= '9') || (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_token(std::string_view text) { return !text.empty() && std::ranges::all_of(text, is_token_byte); }

bool is_digits(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// Visible characters, spaces, tabs and bytes above 127: what a value may hold. RFC 9110, 5.5.
bool is_value_byte(char c) {
    const auto u = static_cast<unsigned char>(c);
    return c == '\t' || (u >= 0x20 && u != 0x7f);
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return std::ranges::equal(a, b, {}, lower, lower);
}

std::string_view trimmed(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

bool is_host(std::string_view text) {
    return std::ranges::all_of(text, [](char c) {
        const auto u = static_cast<unsigned char>(c);
        return (u >= '0' && u <= '9') || (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') ||
               std::string_view("-._~%!$&'()*+,;=:[]").find(c) != std::string_view::npos;
    });
}

}  // namespace

HttpGuard::Progress HttpGuard::feed(std::string_view bytes) {
    Progress progress;
    while (progress.accepted < bytes.size()) {
        const std::string_view rest = bytes.substr(progress.accepted);
        if (state_ == State::Body || state_ == State::ChunkData) {
            const std::size_t count =
                static_cast<std::size_t>(std::min<std::uint64_t>(body_left_, rest.size()));
            body_left_ -= count;
            progress.accepted += count;
            if (body_left_ > 0) break;
            if (state_ == State::Body) {
                begin_message();
                progress.message_ended = true;
                break;
            }
            state_ = State::ChunkEnd;
            continue;
        }
        const std::size_t line_end = rest.find('\n');
        if (progress.fault = line_too_long(line_end == std::string_view::npos ? rest.size() : line_end + 1);
            progress.fault)
            break;
        if (line_end == std::string_view::npos) break;
        if (line_end == 0 || rest[line_end - 1] != '\r' ||
            rest.substr(0, line_end - 1).find('\r') != std::string_view::npos) {
            progress.fault = bad("a line must end in CR LF, and neither may stand alone");
            break;
        }
        const State before = state_;
        if (progress.fault = take_line(rest.substr(0, line_end - 1)); progress.fault) break;
        progress.accepted += line_end + 1;
        if (before == State::Fields && state_ != State::Fields) progress.head_ended = true;
        if (before != State::RequestLine && state_ == State::RequestLine) progress.message_ended = true;
        if (progress.head_ended || progress.message_ended) break;
    }
    return progress;
}

std::optional<HttpFault> HttpGuard::line_too_long(std::size_t bytes) const {
    switch (state_) {
        case State::RequestLine:
            if (bytes > limits_.request_line_bytes_max)
                return HttpFault{
                    414, "target_too_long",
                    fmt::format("the request line has more than {} bytes", limits_.request_line_bytes_max)};
            return std::nullopt;
        case State::Fields:
            if (head_bytes_ + bytes > limits_.head_bytes_max)
                return HttpFault{431, "headers_too_large",
                                 fmt::format("the headers have more than {} bytes with the request line",
                                             limits_.head_bytes_max)};
            return std::nullopt;
        case State::ChunkSize:
            if (bytes > limits_.chunk_line_bytes_max) return bad("the line of a chunk's size is too long");
            return std::nullopt;
        case State::ChunkEnd:
            return bytes > 2 ? std::optional(bad("a chunk is longer than its size says")) : std::nullopt;
        case State::Trailers:
            if (trailer_bytes_ + bytes > limits_.trailer_bytes_max)
                return HttpFault{
                    431, "trailers_too_large",
                    fmt::format("the trailers have more than {} bytes", limits_.trailer_bytes_max)};
            return std::nullopt;
        case State::Body:
        case State::ChunkData: return std::nullopt;
    }
    return std::nullopt;
}

HttpFault HttpGuard::body_too_large() const {
    return {413, "body_too_large",
            fmt::format("the body has more than {} bytes, the most that a value or a batch may have",
                        limits_.body_bytes_max)};
}

std::optional<HttpFault> HttpGuard::take_line(std::string_view line) {
    switch (state_) {
        case State::RequestLine:
            // One is left behind a body by old clients: RFC 9112, 2.2.
            if (line.empty() && !std::exchange(has_empty_line_, true)) return std::nullopt;
            return take_request_line(line);
        case State::Fields:
            head_bytes_ += line.size() + 2;
            return line.empty() ? end_head() : take_field(line);
        case State::ChunkSize: return take_chunk_size(line);
        case State::ChunkEnd:
            if (!line.empty()) return bad("a chunk is longer than its size says");
            state_ = State::ChunkSize;
            return std::nullopt;
        case State::Trailers:
            trailer_bytes_ += line.size() + 2;
            if (!line.empty()) return take_trailer(line);
            begin_message();
            return std::nullopt;
        case State::Body:
        case State::ChunkData: break;
    }
    return std::nullopt;
}

void HttpGuard::begin_message() {
    const HttpLimits limits = limits_;
    const std::optional<std::uint64_t> length = content_length_;
    const bool expects = expects_continue_;
    *this = HttpGuard(limits);
    content_length_ =
        length;  // content_length() and expects_continue() speak of the last head until the next one begins
    expects_continue_ = expects;
}

std::optional<HttpFault> HttpGuard::take_request_line(std::string_view line) {
    content_length_.reset();
    expects_continue_ = false;
    head_bytes_ = line.size() + 2;
    const std::size_t method_end = line.find(' ');
    const std::size_t target_end = line.rfind(' ');
    if (method_end == std::string_view::npos || target_end == method_end)
        return bad("the request line is not 'METHOD target HTTP/1.1'");
    const std::string_view method = line.substr(0, method_end);
    const std::string_view target = line.substr(method_end + 1, target_end - method_end - 1);
    const std::string_view version = line.substr(target_end + 1);
    if (!is_token(method)) return bad("the method is not a token");
    if (target.empty() || !std::ranges::all_of(target, [](char c) { return c > 0x20 && c < 0x7f; })) {
        return bad("the target has a byte outside 0x21..0x7E: percent-encode it");
    }
    if (version != "HTTP/1.1" && version != "HTTP/1.0")
        return bad("the version is neither HTTP/1.1 nor HTTP/1.0");
    is_http_1_0_ = version == "HTTP/1.0";
    // Without a length there is no body (RFC 9112 section 6.3); but a value that was lost on its way must not
    // be taken for an empty one. An empty POST is an order without particulars, or is refused by its route.
    needs_length_ = method == "PUT" || method == "PATCH";
    state_ = State::Fields;
    return std::nullopt;
}

std::optional<HttpFault> HttpGuard::take_field(std::string_view line) {
    if (++fields_ > limits_.fields_max)
        return HttpFault{431, "headers_too_large",
                         fmt::format("there are more than {} headers", limits_.fields_max)};
    if (line.front() == ' ' || line.front() == '\t')
        return bad("a header line begins with white space (obsolete folding)");
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon)))
        return bad("a header's name is empty or no token");
    const std::string_view value = trimmed(line.substr(colon + 1));
    if (!std::ranges::all_of(value, is_value_byte)) return bad("a header's value has a control character");
    return take_framing_field(line.substr(0, colon), value);
}

std::optional<HttpFault> HttpGuard::take_framing_field(std::string_view name, std::string_view value) {
    if (equals_ignoring_case(name, "Host")) {
        if (++hosts_ > 1) return bad("there is more than one Host");
        if (!is_host(value)) return bad("the Host is not host:port");
    } else if (equals_ignoring_case(name, "Content-Length")) {
        if (content_length_) return bad("there is more than one Content-Length");
        if (value.empty() || value.size() > 19 || !is_digits(value))
            return bad("the Content-Length is not a number of 1 to 19 digits");
        std::uint64_t length = 0;
        std::from_chars(value.data(), value.data() + value.size(), length);
        content_length_ = length;
    } else if (equals_ignoring_case(name, "Transfer-Encoding")) {
        if (std::exchange(has_transfer_encoding_, true))
            return bad("there is more than one Transfer-Encoding");
        if (is_http_1_0_) return bad("HTTP/1.0 has no Transfer-Encoding");
        is_chunked_ = equals_ignoring_case(value, "chunked");
    } else if (equals_ignoring_case(name, "Expect")) {
        if (!equals_ignoring_case(value, "100-continue"))
            return HttpFault{501, "unknown_expectation", "the only expectation here is 100-continue"};
        expects_continue_ = !is_http_1_0_;
    }
    return std::nullopt;
}

std::optional<HttpFault> HttpGuard::end_head() {
    if (hosts_ == 0 && !is_http_1_0_) return bad("there is no Host");
    if (has_transfer_encoding_ && content_length_)
        return bad("there is a Content-Length beside a Transfer-Encoding");
    // Only now: the next line might have been a folded one, and no coding at all.
    if (has_transfer_encoding_ && !is_chunked_)
        return HttpFault{501, "unknown_transfer_coding", "the only Transfer-Encoding here is chunked"};
    if (needs_length_ && !is_chunked_ && !content_length_)
        return HttpFault{411, "length_required", "a request with a body needs its Content-Length"};
    const std::uint64_t length = content_length_.value_or(0);
    if (length > limits_.body_bytes_max) return body_too_large();
    if (is_chunked_) {
        state_ = State::ChunkSize;
    } else if (length > 0) {
        state_ = State::Body;
        body_left_ = length;
    } else {
        begin_message();
    }
    return std::nullopt;
}

std::optional<HttpFault> HttpGuard::take_chunk_size(std::string_view line) {
    const std::size_t size_end = std::min(line.find(';'), line.size());
    const std::string_view digits = line.substr(0, size_end);
    std::uint64_t size = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), size, 16);
    if (digits.empty() || digits.size() > 16 || error != std::errc{} ||
        end != digits.data() + digits.size()) {
        return bad("a chunk's size is not 1 to 16 hex digits");
    }
    extension_bytes_ += line.size() - size_end;
    if (extension_bytes_ > limits_.chunk_extension_bytes_max ||
        !std::ranges::all_of(line.substr(size_end), is_value_byte)) {
        return bad("the chunk extensions are too long or have control characters");
    }
    if (size > limits_.body_bytes_max - body_bytes_) return body_too_large();
    body_bytes_ += size;
    body_left_ = size;
    state_ = size > 0 ? State::ChunkData : State::Trailers;
    return std::nullopt;
}

std::optional<HttpFault> HttpGuard::take_trailer(std::string_view line) {
    const std::size_t colon = line.find(':');
    if (++trailer_fields_ > limits_.trailer_fields_max || colon == std::string_view::npos ||
        !is_token(line.substr(0, colon)) || !std::ranges::all_of(line.substr(colon + 1), is_value_byte)) {
        return bad("a trailer is malformed, or there are too many");
    }
    return std::nullopt;
}

}  // namespace quorate::io
