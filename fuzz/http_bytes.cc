// Bytes from a client, up to the parsed request: the guard and llhttp behind it, put together as a connection
// does it, without a socket. Wherever the bytes are split, the same requests and the same fault come out; the
// parser ends a message exactly where the guard says it ends (else a request could be smuggled past one of
// them); and the limits hold.
//
// Input: a byte that seeds the split, then the connection's bytes.

#include <algorithm>
#include <optional>
#include <string>

#include <llhttp.h>

#include "fuzz/fuzz.h"
#include "io/http_guard.h"

namespace quorate::fuzz {
namespace {

using io::HttpGuard;
using io::HttpLimits;

// Small, so that inputs of a few hundred bytes reach them.
const HttpLimits kLimits{.request_line_bytes_max = 64,
                         .head_bytes_max = 256,
                         .fields_max = 8,
                         .body_bytes_max = 128,
                         .chunk_line_bytes_max = 32,
                         .chunk_extension_bytes_max = 64,
                         .trailer_bytes_max = 64,
                         .trailer_fields_max = 4};

struct Request {
    std::string target;
    std::string fields;
    std::string body;
    bool operator==(const Request&) const = default;
};

struct Received {
    std::vector<Request> requests;
    std::optional<int> fault;  ///< its status; nothing follows it
    bool operator==(const Received&) const = default;
};

class Connection {
 public:
    Connection() {
        llhttp_settings_init(&settings_);
        settings_.on_url = [](llhttp_t* parser, const char* at, std::size_t length) {
            self(parser).request_.target.append(at, length);
            return 0;
        };
        settings_.on_header_field =
            settings_.on_header_value = [](llhttp_t* parser, const char* at, std::size_t length) {
                self(parser).request_.fields.append(at, length);
                return 0;
            };
        settings_.on_body = [](llhttp_t* parser, const char* at, std::size_t length) {
            self(parser).request_.body.append(at, length);
            return 0;
        };
        settings_.on_message_complete = [](llhttp_t* parser) {
            self(parser).parser_ended_ = true;
            return 0;
        };
        restart_parser();
    }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection() = default;

    void feed(std::string_view bytes) {
        waiting_ += bytes;
        while (!received_.fault && !waiting_.empty()) {
            const HttpGuard::Progress progress = guard_.feed(waiting_);
            FUZZ_REQUIRE(progress.accepted <= waiting_.size());
            if (progress.accepted > 0)
                parse(std::string_view(waiting_).substr(0, progress.accepted), progress.message_ended);
            waiting_.erase(0, progress.accepted);
            if (progress.fault && !received_.fault) received_.fault = progress.fault->status;
            if (progress.accepted == 0) break;
        }
        FUZZ_REQUIRE(received_.fault || waiting_.size() <= kLimits.head_bytes_max);
    }

    [[nodiscard]] const Received& received() const { return received_; }

 private:
    static Connection& self(llhttp_t* parser) { return *static_cast<Connection*>(parser->data); }

    void restart_parser() {
        llhttp_init(&parser_, HTTP_REQUEST, &settings_);
        parser_.data = this;
        parser_ended_ = false;
        request_ = {};
    }

    void parse(std::string_view bytes, bool message_ended) {
        const llhttp_errno_t error = llhttp_execute(&parser_, bytes.data(), bytes.size());
        if (error == HPE_INVALID_METHOD) {
            received_.fault = 501;
        } else if (error != HPE_OK && error != HPE_PAUSED_UPGRADE) {
            received_.fault = 400;
        } else {
            FUZZ_REQUIRE(parser_ended_ == message_ended);
        }
        if (received_.fault || !message_ended) return;
        FUZZ_REQUIRE(!request_.target.empty() && request_.target.size() <= kLimits.request_line_bytes_max);
        FUZZ_REQUIRE(std::ranges::all_of(request_.target, [](char c) { return c > 0x20 && c < 0x7f; }));
        FUZZ_REQUIRE(request_.body.size() <= kLimits.body_bytes_max);
        received_.requests.push_back(request_);
        restart_parser();
    }

    HttpGuard guard_{kLimits};
    llhttp_t parser_{};
    llhttp_settings_t settings_{};
    std::string waiting_;
    Request request_;
    bool parser_ended_ = false;
    Received received_;
};

Received receive(const std::vector<std::string_view>& pieces) {
    Connection connection;
    for (const std::string_view piece : pieces) connection.feed(piece);
    return connection.received();
}

}  // namespace
}  // namespace quorate::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    namespace fuzz = quorate::fuzz;
    fuzz::Bytes input(data, size);
    const std::uint8_t seed = input.byte();
    const std::string_view stream = input.rest();
    const fuzz::Received whole = fuzz::receive({stream});
    FUZZ_REQUIRE(fuzz::receive(fuzz::split(stream, seed, 24)) == whole);
    FUZZ_REQUIRE(fuzz::receive(fuzz::split(stream, seed, 1)) == whole);
    return 0;
}
