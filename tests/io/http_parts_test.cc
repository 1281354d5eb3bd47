// Answers in parts, on the wire.

#include "tests/io/http_fixture.h"

namespace quorate::io {
namespace {

using server::AnswerPart;
using testing::HasSubstr;
using testing::StartsWith;

class HttpPartsTest : public HttpFixture {
 protected:
    // Gives these parts to each request for /parts, one a turn, as they are wanted.
    void answer_in(std::vector<std::string> parts, AnswerPart end = AnswerPart::Last) {
        parts_ = std::move(parts);
        end_ = end;
        handler_.answer = [this](const TestHandler::Request& request) {
            if (request.request.target != "/parts")
                return server_->respond(request.exchange, {200, {}, request.request.target});
            server_->begin_parts(request.exchange, {200, {{"X", "y"}}, {}});
            given_[request.exchange] = 0;
        };
        at_turn_end_.emplace_back([this] {
            for (auto& [exchange, given] : given_) {
                const bool is_over = given > parts_.size();
                if (is_over || !server_->wants_part(exchange, 10)) continue;
                const bool is_end = given == parts_.size();
                if (!server_->send_part(exchange, is_end ? "" : parts_[given],
                                        is_end ? end_ : AnswerPart::More))
                    gone_ = true;
                ++given;
                loop_.request_turn();
            }
        });
    }

    std::vector<std::string> parts_;
    AnswerPart end_ = AnswerPart::Last;
    std::map<server::HttpExchange, std::size_t> given_;
    bool gone_ = false;
};

constexpr const char* kHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n";

TEST_F(HttpPartsTest, LeaveAsChunksBetweenOtherAnswers) {
    answer_in({"first", "", std::string(300, 'x')});
    TestClient& client = connect();
    client.send(get_of("/a") + get_of("/parts") + get_of("/b"));
    const std::string expected = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n/a" + std::string(kHead) +
                                 "5\r\nfirst\r\n12c\r\n" + std::string(300, 'x') +
                                 "\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n/b";
    run_until([&] { return client.received.size() >= expected.size(); });
    EXPECT_EQ(client.received, expected);
    EXPECT_FALSE(client.is_ended) << "the connection is kept";
}

TEST_F(HttpPartsTest, ToHttp10LeaveAsTheyAreUntilTheConnectionCloses) {
    answer_in({"first", "second"});
    TestClient& client = connect();
    client.send(get_of("/parts", "", "1.0"));
    run_until([&] { return client.is_ended; });
    EXPECT_EQ(client.received, "HTTP/1.1 200 OK\r\nX: y\r\nConnection: close\r\n\r\nfirstsecond");
}

TEST_F(HttpPartsTest, WhatIsBrokenOffHasNoEnd) {
    answer_in({"first"}, AnswerPart::BrokenOff);
    TestClient& client = connect();
    client.send(get_of("/a") + get_of("/parts") + get_of("/b"));
    run_until([&] { return client.is_ended; });
    EXPECT_EQ(client.received,
              "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n/a" + std::string(kHead) + "5\r\nfirst\r\n");
    EXPECT_FALSE(client.was_reset);
}

TEST_F(HttpPartsTest, WhatIsBrokenOffBeforeItsTurnLetsEarlierAnswersGo) {
    handler_.answer = {};
    TestClient& client = connect();
    client.send(get_of("/a") + get_of("/parts"));
    run_until([&] { return handler_.requests.size() == 2; });
    const auto parts = handler_.requests[1].exchange;
    server_->begin_parts(parts, {200, {}, {}});
    EXPECT_FALSE(server_->wants_part(parts, 10)) << "another answer goes first";
    EXPECT_TRUE(server_->send_part(parts, {}, AnswerPart::BrokenOff));
    run_some_turns();
    EXPECT_FALSE(client.is_ended);
    server_->respond(handler_.requests[0].exchange, {200, {}, "a"});
    run_until([&] { return client.is_ended; });
    EXPECT_EQ(client.received, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
    EXPECT_FALSE(server_->send_part(parts, "x", AnswerPart::More)) << "nobody is there";
}

TEST_F(HttpPartsTest, ASlowClientCostsOnePartAndDelaysNobody) {
    const std::string part(256U << 10, 'x');
    answer_in(std::vector<std::string>(100, part));
    TestClient& slow = connect(4096);
    slow.is_reading = false;
    slow.send(get_of("/parts"));
    run_until([&] { return !given_.empty() && given_.begin()->second > 0; });
    run_some_turns();
    run_some_turns();
    const std::size_t given = given_.begin()->second;
    EXPECT_LT(given * part.size(), 8U << 20) << "no more than the system's buffers and a part";
    TestClient& other = connect();
    other.send(get_of("/b"));
    run_until([&] { return other.answers() == 1; });
    run_some_turns();
    EXPECT_EQ(given_.begin()->second, given) << "it still waits";
    slow.is_reading = true;
    run_until([&] { return slow.received.ends_with("\r\n0\r\n\r\n"); });
    const std::size_t chunk = std::string("40000\r\n\r\n").size() + part.size();
    EXPECT_EQ(slow.received.size(), std::string(kHead).size() + 100 * chunk + 5);
}

TEST_F(HttpPartsTest, AClientThatTakesNothingIsCutOffAndItsGiverIsTold) {
    restart({.slow_after_ms = 5, .bytes_per_second_min = 1U << 30});
    const std::string part(256U << 10, 'x');
    answer_in(std::vector<std::string>(100, part));
    TestClient& stalled = connect(4096);
    stalled.is_reading = false;
    stalled.send(get_of("/parts"));
    run_until([&] { return gone_; });
    EXPECT_LT(given_.begin()->second, 50U);
}

TEST_F(HttpPartsTest, AServerThatStopsWaitsForTheirEnd) {
    answer_in({"first", "second"});
    TestClient& client = connect();
    handler_.answer = [this](const TestHandler::Request& request) {
        server_->begin_parts(request.exchange, {200, {}, {}});
    };
    client.send(get_of("/parts"));
    run_until([&] { return handler_.requests.size() == 1; });
    server_->stop();
    run_some_turns();
    EXPECT_FALSE(server_->is_drained());
    given_[handler_.requests[0].exchange] = 0;
    loop_.request_turn();
    run_until([&] { return client.is_ended; });
    EXPECT_TRUE(server_->is_drained());
    EXPECT_THAT(client.received, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(client.received, HasSubstr("5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n"));
}

}  // namespace
}  // namespace quorate::io
