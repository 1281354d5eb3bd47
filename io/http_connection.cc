#include "io/http_connection.h"

#include <algorithm>
#include <array>
#include <utility>

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "server/problem.h"

namespace quorate::io {

namespace {

constexpr std::uint64_t kLingerMsMax = 1000;
constexpr int kRetryAfterS = 1;
constexpr unsigned kPeerKeepaliveS = 10;

bool equals_ignoring_case(std::string_view a, std::string_view b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return std::ranges::equal(a, b, {}, lower, lower);
}

bool is_safe(std::string_view method) { return method == "GET" || method == "HEAD" || method == "OPTIONS"; }

/// How a client knows where a body ends: RFC 9112, 6.3.
enum class BodyEnd : std::uint8_t { Length, LastChunk, Close };

std::string serialize_head(const server::HttpResponse& response, BodyEnd end, bool keeps_alive,
                           const std::string& date) {
    std::string out = "HTTP/1.1 " + std::to_string(response.status) + ' ';
    out += server::reason_phrase(response.status);
    out += "\r\nDate: " + date + "\r\n";
    switch (end) {
        case BodyEnd::Length:
            out += "Content-Length: " + std::to_string(response.body.size()) + "\r\n";
            break;
        case BodyEnd::LastChunk: out += "Transfer-Encoding: chunked\r\n"; break;
        case BodyEnd::Close: break;
    }
    for (const server::HttpHeader& header : response.headers) {
        out += header.name;
        out += ": ";
        out += header.value;
        out += "\r\n";
    }
    out += keeps_alive ? "\r\n" : "Connection: close\r\n\r\n";
    return out;
}

std::string address_at_other_end(const uv_tcp_t& tcp) {
    sockaddr_storage storage{};
    int size = sizeof(storage);
    // It may have gone already.
    if (uv_tcp_getpeername(&tcp, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return "nowhere";
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (storage.ss_family == AF_INET) {
        uv_ip4_name(reinterpret_cast<const sockaddr_in*>(&storage), text.data(), text.size());
        return text.data();
    }
    auto& address = reinterpret_cast<sockaddr_in6&>(storage).sin6_addr;
    const bool is_mapped = IN6_IS_ADDR_V4MAPPED(&address) != 0;
    if (!is_mapped) std::fill(std::begin(address.s6_addr) + 8, std::end(address.s6_addr), std::uint8_t{0});
    uv_inet_ntop(AF_INET6, &address, text.data(), text.size());
    return text.data() + std::string(is_mapped ? "" : "/64");
}

HttpConnection* connection_of(llhttp_t* parser) { return static_cast<HttpConnection*>(parser->data); }

}  // namespace

HttpConnection::HttpConnection(HttpServer& server, std::uint32_t number)
    : server_(server), number_(number), guard_(server.limits_) {
    llhttp_settings_init(&settings_);
    settings_.on_url = on_url;
    settings_.on_header_field = on_field;
    settings_.on_header_value = on_value;
    settings_.on_headers_complete = on_headers_complete;
    settings_.on_body = on_body;
    settings_.on_message_complete = on_message_complete;
    begin_request();
}

// The parser is made anew for each request, also behind an upgrade that we do not take (RFC 9110, 7.8: it may
// be ignored).
void HttpConnection::begin_request() {
    llhttp_init(&parser_, HTTP_REQUEST, &settings_);
    parser_.data = this;
    last_was_value_ = false;
    are_headers_complete_ = false;
    has_parser_ended_ = false;
    owes_continue_ = false;
    phase_began_ms_ = server_.running_ms();
    phase_bytes_ = 0;
}

bool HttpConnection::accept(uv_stream_t* listener) {
    uv_tcp_init(server_.loop_.uv(), tcp_.get());
    tcp_.opened();
    tcp_.get()->data = this;
    if (uv_accept(listener, tcp_.as<uv_stream_t>()) != 0) return false;
    uv_tcp_nodelay(tcp_.get(), 1);
    address_ = address_at_other_end(*tcp_.get());
    return true;
}

void HttpConnection::start_reading() {
    if (is_reading_ || is_closed_ || has_input_ended_) return;
    is_reading_ = true;
    uv_read_start(
        tcp_.as<uv_stream_t>(),
        [](uv_handle_t*, std::size_t, uv_buf_t* buffer) {
            static std::array<char, 65536>
                shared;  // one loop, one thread: each read is copied before the next begins
            *buffer = uv_buf_init(shared.data(), shared.size());
        },
        on_read);
}

void HttpConnection::on_read(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) {
    auto* connection = static_cast<HttpConnection*>(stream->data);
    if (connection == nullptr || count == 0) return;
    if (count < 0) return connection->input_ended(static_cast<int>(count));
    connection->received({buffer->base, static_cast<std::size_t>(count)});
}

// A client may close its half once it has asked everything: what it asked is still answered.
void HttpConnection::input_ended(int error) {
    stop_reading();
    has_input_ended_ = true;
    if (error != UV_EOF || is_peer_ || (slots_.empty() && outgoing_bytes() == 0)) return close();
    finish();
}

void HttpConnection::received(std::string_view bytes) {
    phase_bytes_ += bytes.size();
    if (is_peer_) return server_.handler_.on_peer_bytes((std::uint64_t{number_} << 32), bytes);
    if (is_finishing_) return;
    if (unread().empty() && guard_.is_between_messages() && !is_in_reserve_)
        phase_began_ms_ = server_.running_ms();
    input_.erase(0, std::exchange(input_begin_, 0));
    input_.append(bytes);
    process();
}

// Everything that is whole so far, until the client has enough requests waiting.
void HttpConnection::process() {
    while (!unread().empty() && !is_finishing_ && !is_closed_ && !is_peer_ && has_room()) {
        const auto progress = guard_.feed(unread());
        const std::string_view accepted = unread().substr(0, progress.accepted);
        if (!accepted.empty() && !parse(accepted, progress.message_ended)) break;
        input_begin_ += progress.accepted;
        if (progress.head_ended && is_client_in_reserve() && !is_finishing_) {
            refuse_one_too_many();
            break;
        }
        if (progress.head_ended && !progress.message_ended) {
            phase_began_ms_ = server_.running_ms();
            body_pace_.begin(phase_began_ms_);
            phase_bytes_ = 0;
            // The length has been found good already: the body may come, once it is its turn.
            owes_continue_ = guard_.expects_continue();
            touch();
        }
        if (progress.fault) {
            refuse(*progress.fault);
            break;
        }
        if (progress.accepted == 0) break;
    }
    if (is_peer_ && !unread().empty())
        server_.handler_.on_peer_bytes((std::uint64_t{number_} << 32), unread());
    if (is_peer_ || unread().empty()) {
        input_.clear();
        input_begin_ = 0;
    }
    adjust_reading();
}

bool HttpConnection::parse(std::string_view bytes, bool message_ended) {
    const llhttp_errno_t error = llhttp_execute(&parser_, bytes.data(), bytes.size());
    const bool wants_upgrade = error == HPE_PAUSED_UPGRADE;
    if (error == HPE_INVALID_METHOD) {
        refuse({501, "unknown_method", "this server knows no such method"});
        return false;
    }
    if (error != HPE_OK && !wants_upgrade) {
        refuse({400, "malformed_request", llhttp_get_error_reason(&parser_)});
        return false;
    }
    // The guard has checked the framing, so both see the same end; a request on which they differ (CONNECT
    // with a body) is none to guess about.
    if (has_parser_ended_ != message_ended) {
        refuse({400, "malformed_request", "this method takes no body"});
        return false;
    }
    if (message_ended) dispatch(wants_upgrade);
    return true;
}

int HttpConnection::on_url(llhttp_t* parser, const char* at, std::size_t length) {
    connection_of(parser)->request_.target.append(at, length);
    return 0;
}

int HttpConnection::on_field(llhttp_t* parser, const char* at, std::size_t length) {
    auto* self = connection_of(parser);
    if (self->are_headers_complete_) return 0;  // a trailer must not pass for a header: RFC 9110, 6.5.1
    if (self->request_.headers.empty() || self->last_was_value_) self->request_.headers.emplace_back();
    self->last_was_value_ = false;
    self->request_.headers.back().name.append(at, length);
    return 0;
}

int HttpConnection::on_value(llhttp_t* parser, const char* at, std::size_t length) {
    auto* self = connection_of(parser);
    if (self->are_headers_complete_) return 0;
    self->last_was_value_ = true;
    self->request_.headers.back().value.append(at, length);
    return 0;
}

int HttpConnection::on_headers_complete(llhttp_t* parser) {
    connection_of(parser)->are_headers_complete_ = true;
    return 0;
}

int HttpConnection::on_body(llhttp_t* parser, const char* at, std::size_t length) {
    connection_of(parser)->request_.body.append(at, length);
    return 0;
}

// The parser forgets what the connection shall become as soon as this returns. A client of HTTP/1.0 is not
// kept: it would need to be told so in words that 1.1 has no use for.
int HttpConnection::on_message_complete(llhttp_t* parser) {
    connection_of(parser)->has_parser_ended_ = true;
    connection_of(parser)->is_http_1_0_ = parser->http_minor == 0;
    connection_of(parser)->keeps_alive_ = llhttp_should_keep_alive(parser) != 0 && parser->http_minor == 1;
    return 0;
}

server::HttpExchange HttpConnection::next_exchange() {
    return (std::uint64_t{number_} << 32) | next_request_++;
}

void HttpConnection::dispatch(bool wants_upgrade) {
    request_.method = llhttp_method_name(static_cast<llhttp_method_t>(llhttp_get_method(&parser_)));
    const bool is_peer_upgrade = wants_upgrade && request_.method == "GET" && request_.target == kPeerPath &&
                                 request_.header("Upgrade") != nullptr;
    begin_request();
    if (is_peer_upgrade && slots_.empty()) return upgrade();
    if (is_in_reserve_) return;
    Slot& slot = slots_.emplace_back();
    slot.exchange = next_exchange();
    slot.request = std::exchange(request_, {});
    slot.is_head = slot.request.method == "HEAD";
    slot.is_safe = is_safe(slot.request.method);
    slot.is_http_1_0 = is_http_1_0_;
    if (slot.is_safe) std::string().swap(slot.request.body);  // it means nothing, and would be kept
    if (!keeps_alive_) is_finishing_ = true;
    account();
    ask();
}

void HttpConnection::upgrade() {
    const server::HttpRequest request = std::exchange(request_, {});
    std::optional<server::HttpResponse> refusal;
    if (!equals_ignoring_case(*request.header("Upgrade"), kPeerProtocol)) {
        refusal =
            server::problem(426, "peer_protocol", "this node speaks another version of the peer protocol");
        refusal->headers.push_back({"Upgrade", std::string(kPeerProtocol)});
    } else {
        refusal = server_.handler_.on_upgrade(std::uint64_t{number_} << 32, request);
    }
    if (refusal) {
        output_.append(serialize_head(*refusal, BodyEnd::Length, false, server_.date_.text()));
        output_.append(std::move(refusal->body));
        is_finishing_ = true;
    } else {
        output_.append("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " +
                       std::string(kPeerProtocol) + "\r\n\r\n");
        is_peer_ = true;
        // Peers say nothing for long, and go without a word when their machine does.
        uv_tcp_keepalive(tcp_.get(), 1, kPeerKeepaliveS);
    }
    touch();
}

void HttpConnection::respond(server::HttpExchange exchange, server::HttpResponse&& response) {
    const auto slot = std::ranges::find(slots_, exchange, &Slot::exchange);
    if (slot == slots_.end() || slot->state > SlotState::Asked) return;
    const bool is_last = is_finishing_ && std::next(slot) == slots_.end();
    answer(*slot, std::move(response), !is_last);
}

void HttpConnection::begin_parts(server::HttpExchange exchange, const server::HttpResponse& response) {
    const auto slot = std::ranges::find(slots_, exchange, &Slot::exchange);
    if (slot == slots_.end() || slot->state > SlotState::Asked) return;
    const bool is_last = is_finishing_ && std::next(slot) == slots_.end();
    slot->state = SlotState::Streaming;
    slot->head = serialize_head(response, slot->is_http_1_0 ? BodyEnd::Close : BodyEnd::LastChunk, !is_last,
                                server_.date_.text());
    answer_bytes_ += slot->head.size();
    account();
    touch();
}

void HttpConnection::answer(Slot& slot, server::HttpResponse&& response, bool keeps_alive) {
    slot.state = SlotState::Answered;
    slot.head = serialize_head(response, BodyEnd::Length, keeps_alive, server_.date_.text());
    server_.turn_bytes_ += response.body.size();
    if (!slot.is_head) slot.body = std::move(response.body);
    answer_bytes_ += slot.head.size() + slot.body.size();
    account();
    touch();
}

void HttpConnection::refuse(const HttpFault& fault) {
    is_finishing_ = true;
    Slot& slot = slots_.emplace_back();
    slot.exchange = next_exchange();
    // What the parser has not been given begins the request that is at fault.
    slot.is_head = guard_.is_in_request_line() ? unread().starts_with("HEAD ")
                                               : llhttp_get_method(&parser_) == HTTP_HEAD;
    answer(slot,
           fault.status == 503
               ? server::retryable_problem(fault.status, fault.code, fault.detail, kRetryAfterS)
               : server::problem(fault.status, fault.code, fault.detail),
           false);
}

void HttpConnection::stop() {
    const bool is_whole = guard_.is_between_messages() && (unread().empty() || !has_room());
    if (!is_finishing_ && !is_closed_ && !is_whole)
        return refuse(
            {503, "shutting_down", "this server is about to stop; nothing happened. Ask another one"});
    finish();
}

void HttpConnection::refuse_one_too_many() {
    refuse({503, "too_many_connections",
            too_many_ == TooMany::InAll ? "this node has as many connections as it takes"
                                        : "this node has as many connections as it takes from one address"});
    server_.tell_of_too_many(*this);
}

void HttpConnection::finish() {
    is_finishing_ = true;
    touch();
}

void HttpConnection::touch() {
    if (std::exchange(is_touched_, true)) return;
    server_.touched_.push_back(number_);
    server_.loop_.request_turn();  // from a timer, the end of the turn would wait for the next event
}

bool HttpConnection::flush() {
    is_touched_ = false;
    if (is_closed_) return true;
    move_answers();
    write_output();
    if (is_closed_) return true;
    account();
    if (is_finishing_ && slots_.empty() && outgoing_bytes() == 0 && !is_peer_) {
        end();
        return is_closed_;
    }
    const bool has_more = first_waiting() != nullptr || (!unread().empty() && has_room());
    if (first_waiting() != nullptr) ask();
    process();
    if (has_more) server_.loop_.request_turn();  // what was asked here found this turn's end already begun
    return is_closed_;
}

void HttpConnection::write_output() {
    if (output_.bytes() == 0 || writing_bytes_ > 0) return;
    if (output_.write_now(tcp_.as<uv_stream_t>()) != 0) return close();
    if (output_.bytes() == 0) return;
    writing_bytes_ = output_.held_bytes();
    const int error = output_.write_later(tcp_.as<uv_stream_t>(), [](void* owner, int status) {
        auto* connection = static_cast<HttpConnection*>(owner);
        connection->writing_bytes_ = 0;
        if (status != 0) return connection->close();
        connection->account();
        connection->touch();
    });
    if (error != 0) return close();
    write_pace_.begin(server_.running_ms());
    untaken_bytes_ = uv_stream_get_write_queue_size(tcp_.as<uv_stream_t>()) + unacknowledged_bytes();
}

// Closing with bytes unread resets the connection, and a reset may overtake the last answer. So only our half
// is closed, and what still comes is thrown away, until the client closes too or has had its time.
void HttpConnection::end() {
    if (has_input_ended_) return close();
    if (std::exchange(is_lingering_, true)) return;
    phase_began_ms_ = server_.running_ms();
    input_.clear();
    input_begin_ = 0;
    uv_os_fd_t fd = -1;
    if (uv_fileno(tcp_.as<uv_handle_t>(), &fd) != 0 || ::shutdown(fd, SHUT_WR) != 0) return close();
    start_reading();
}

// A client that sends faster than it takes answers is read no further.
void HttpConnection::adjust_reading() { is_peer_ || has_room() ? start_reading() : stop_reading(); }

void HttpConnection::stop_reading() {
    if (is_closed_ || !std::exchange(is_reading_, false)) return;
    uv_read_stop(tcp_.as<uv_stream_t>());
}

// With the system, and not yet acknowledged by the client's. What our system has taken says nothing: its
// buffer takes megabytes for a client that reads nothing.
std::size_t HttpConnection::unacknowledged_bytes() {
    uv_os_fd_t fd = -1;
    int bytes = 0;
    if (uv_fileno(tcp_.as<uv_handle_t>(), &fd) != 0 || ::ioctl(fd, SIOCOUTQ, &bytes) != 0) return 0;
    return static_cast<std::size_t>(bytes);
}

bool HttpConnection::is_writing_too_slowly(std::uint64_t now_ms) {
    const HttpLimits& limits = server_.limits_;
    const std::size_t unacknowledged = unacknowledged_bytes();
    const std::size_t left = uv_stream_get_write_queue_size(tcp_.as<uv_stream_t>()) + unacknowledged;
    const std::size_t taken = untaken_bytes_ - std::min(left, untaken_bytes_);
    untaken_bytes_ = left;
    // It has taken all that the system had: what is missing is our turn, of a process that was stopped.
    if (unacknowledged == 0) write_pace_.begin(now_ms);
    // A client whose buffer is full tells of room only when a whole segment has become free (RFC 9293,
    // 3.8.6.2.2), so the slowest that we serve is seen to move once for each of them: 1.4 s on an Ethernet,
    // but a minute on the loopback interface.
    uv_os_fd_t fd = -1;
    int segment_bytes = 0;
    socklen_t size = sizeof(segment_bytes);
    if (uv_fileno(tcp_.as<uv_handle_t>(), &fd) != 0 ||
        ::getsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment_bytes, &size) != 0)
        segment_bytes = 0;
    const bool is_crowded = server_.unwritten_bytes_ > limits.output_bytes_total_max / 2;
    const std::uint64_t rate = is_crowded ? limits.crowded_bytes_per_second_min : limits.bytes_per_second_min;
    const std::uint64_t segment_ms =
        static_cast<std::uint64_t>(segment_bytes) * 1000 / std::max<std::uint64_t>(rate, 1);
    return write_pace_.is_too_slow(now_ms, taken, limits.slow_after_ms + segment_ms, rate);
}

void HttpConnection::check_deadlines(std::uint64_t now_ms) {
    if (is_closed_ || is_peer_) return;
    const HttpLimits& limits = server_.limits_;
    if (is_lingering_) {
        if (now_ms - phase_began_ms_ > kLingerMsMax) close();
        return;
    }
    if (writing_bytes_ > 0 || !slots_.empty()) {  // our turn; of what comes next it may not be read a byte
        phase_began_ms_ = now_ms;
        body_pace_.begin(now_ms);
        if (writing_bytes_ == 0) return check_starvation(now_ms);
        if (is_writing_too_slowly(now_ms)) close();
        return;
    }
    if (is_in_reserve_) {
        if (!is_finishing_ && now_ms - phase_began_ms_ > limits.head_ms_max) refuse_one_too_many();
        return;
    }
    const bool is_idle = guard_.is_between_messages() && unread().empty();
    if (is_idle) {
        if (now_ms - phase_began_ms_ > limits.idle_ms_max) close();
    } else if (guard_.is_in_head()) {
        if (now_ms - phase_began_ms_ > limits.head_ms_max)
            refuse({408, "request_timeout", "the request's head took too long"});
    } else if (body_pace_.is_too_slow(now_ms, std::exchange(phase_bytes_, 0), limits.slow_after_ms,
                                      limits.bytes_per_second_min)) {
        refuse({408, "request_timeout", "the request's body comes too slowly"});
    }
}

void HttpConnection::close() {
    if (std::exchange(is_closed_, true)) return;
    slots_.clear();  // nobody wants their answers
    answer_bytes_ = 0;
    output_.clear();
    account();
    tcp_.close();
    if (is_peer_) server_.handler_.on_peer_closed(std::uint64_t{number_} << 32);
    touch();
}

}  // namespace quorate::io
