#pragma once

// One connection of the HTTP server: reads requests in order, writes their answers in the same order.

#include <deque>
#include <string>

#include <llhttp.h>
#include <uv.h>

#include "io/handle.h"
#include "io/http_server.h"
#include "io/output_queue.h"
#include "io/pace.h"

namespace quorate::io {

/// Of what there is one connection too many.
enum class TooMany : std::uint8_t { InAll, OfOneAddress };

class HttpConnection {
 public:
    HttpConnection(HttpServer& server, std::uint32_t number);

    /// Takes the connection that waits at the listener. False: it could not be taken.
    [[nodiscard]] bool accept(uv_stream_t* listener);
    void start_reading();
    /// Of its other end: of IPv6 only what names its network.
    [[nodiscard]] const std::string& address() const { return address_; }
    /// One connection too many: it has one head in which to show that it is a peer's.
    void enter_reserve(TooMany why) {
        is_in_reserve_ = true;
        too_many_ = why;
    }
    [[nodiscard]] bool is_client_in_reserve() const { return is_in_reserve_ && !is_peer_ && !is_closed_; }
    void respond(server::HttpExchange exchange, server::HttpResponse&& response);
    /// See HttpServer::wants_answer().
    [[nodiscard]] bool wants_answer(server::HttpExchange exchange, std::size_t bytes);
    // See HttpServer.
    void begin_parts(server::HttpExchange exchange, const server::HttpResponse& response);
    [[nodiscard]] bool wants_part(server::HttpExchange exchange, std::size_t bytes) const;
    [[nodiscard]] bool send_part(server::HttpExchange exchange, std::string&& bytes, server::AnswerPart part);
    /// Of the answer that waits for the server's room; 0 when none does any more.
    [[nodiscard]] std::size_t bytes_to_wait_for() const;
    [[nodiscard]] bool has_server_room() const;
    void resume();
    /// Writes what there is; true when the connection is over and can be destroyed.
    [[nodiscard]] bool flush();
    void check_deadlines(std::uint64_t now_ms);
    /// Answers what has been asked and takes nothing more: a request that is not whole yet is refused.
    void stop();
    void close();
    void refuse(const HttpFault& fault);

    [[nodiscard]] TooMany too_many() const { return too_many_; }
    [[nodiscard]] bool is_peer() const { return is_peer_; }
    /// Whatever it asked is answered, and it gets nothing more.
    [[nodiscard]] bool is_over() const { return is_closed_ || is_lingering_; }

 private:
    enum class SlotState : std::uint8_t {
        Waiting,
        Asked,
        Streaming,  ///< its head is in `head` or has left; the body comes in parts
        BrokenOff,  ///< the rest of that will not come
        Answered,
    };

    // A request that is not answered in full yet.
    struct Slot {
        server::HttpExchange exchange = 0;
        server::HttpRequest request;  ///< a safe one is kept: it may be asked again
        bool is_head = false;
        bool is_safe = false;
        bool is_http_1_0 = false;
        SlotState state = SlotState::Waiting;
        std::size_t expected_bytes = 0;  ///< of its answer, once it is known
        std::string head;                ///< of the answer
        std::string body;
    };

    static void on_read(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer);
    static int on_url(llhttp_t* parser, const char* at, std::size_t length);
    static int on_field(llhttp_t* parser, const char* at, std::size_t length);
    static int on_value(llhttp_t* parser, const char* at, std::size_t length);
    static int on_headers_complete(llhttp_t* parser);
    static int on_body(llhttp_t* parser, const char* at, std::size_t length);
    static int on_message_complete(llhttp_t* parser);

    void received(std::string_view bytes);
    void input_ended(int error);
    void finish();
    void begin_request();
    void process();
    [[nodiscard]] bool parse(std::string_view bytes, bool message_ended);
    void dispatch(bool wants_upgrade);
    void upgrade();
    void refuse_one_too_many();
    [[nodiscard]] std::string_view unread() const { return std::string_view(input_).substr(input_begin_); }
    [[nodiscard]] bool has_room() const;
    void ask();
    void hand_over(Slot& slot);
    [[nodiscard]] const Slot* first_waiting() const;
    [[nodiscard]] std::size_t outgoing_bytes() const { return output_.bytes() + writing_bytes_; }
    [[nodiscard]] bool has_own_room(const Slot& slot) const;
    [[nodiscard]] bool has_server_room(const Slot& slot) const;
    void wait_for_server_room();
    void answer(Slot& slot, server::HttpResponse&& response, bool keeps_alive);
    void account();
    [[nodiscard]] std::size_t unacknowledged_bytes();
    [[nodiscard]] bool is_writing_too_slowly(std::uint64_t now_ms);
    void check_starvation(std::uint64_t now_ms);
    void adjust_reading();
    void stop_reading();
    void move_answers();
    void cut_off();
    void write_output();
    void end();
    void touch();
    [[nodiscard]] server::HttpExchange next_exchange();

    HttpServer& server_;
    std::uint32_t number_;
    std::string address_;
    Handle<uv_tcp_t> tcp_;
    HttpGuard guard_;
    llhttp_t parser_{};
    llhttp_settings_t settings_{};
    std::string input_;
    std::size_t input_begin_ = 0;  ///< what is before has been taken
    server::HttpRequest request_;
    bool last_was_value_ = false;
    bool are_headers_complete_ = false;
    bool has_parser_ended_ = false;
    bool keeps_alive_ = true;
    bool is_http_1_0_ = false;
    bool owes_continue_ = false;
    std::deque<Slot> slots_;
    std::uint32_t next_request_ = 1;
    std::size_t answer_bytes_ = 0;  ///< of the slots
    OutputQueue output_;
    std::size_t writing_bytes_ = 0;       ///< with libuv, not yet with the system
    std::size_t accounted_bytes_ = 0;     ///< of ours in the server's sum
    std::size_t accounted_requests_ = 0;  ///< the same
    std::uint64_t starved_since_ms_ = 0;  ///< the first waiting answer needs others' room; 0: it does not
    std::uint64_t phase_began_ms_ = 0;    ///< of waiting for a request, of its head, of its body
    std::uint64_t phase_bytes_ = 0;       ///< received since they were last counted
    Pace body_pace_;
    Pace write_pace_;
    std::size_t untaken_bytes_ = 0;  ///< of the write under way, when last looked at
    bool is_reading_ = false;
    bool is_finishing_ = false;  ///< takes no further request
    bool is_peer_ = false;
    bool is_in_reserve_ = false;
    TooMany too_many_ = TooMany::InAll;
    bool has_input_ended_ = false;
    bool is_lingering_ = false;
    bool is_closed_ = false;
    bool is_touched_ = false;
    bool waits_for_server_room_ = false;
};

}  // namespace quorate::io
