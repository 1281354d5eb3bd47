// What the server does with too much: requests, answers, time, descriptors.

#include <sys/resource.h>

#include "tests/io/http_fixture.h"

namespace quorate::io {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

class HttpLimitsTest : public HttpFixture {};

// Of what one client asks, the others' share is not done.
TEST_F(HttpLimitsTest, BeyondTheBoundOfAllAConnectionHasTwoRequests) {
    restart({.requests_total_max = 5});
    std::string ten;
    for (int i = 0; i < 10; ++i) ten += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n\r\n";
    connect().send(ten);
    run_until([&] { return handler_.requests.size() == 5; });
    TestClient& other = connect();
    other.send(ten);
    run_until([&] { return handler_.requests.size() == 7; });
    run_some_turns();
    ASSERT_THAT(handler_.requests, SizeIs(7));
    // Each that is answered makes room for the next one of its own.
    for (std::size_t asked = 7; asked < 15; ++asked) {
        server_->respond(handler_.requests[asked - 2].exchange, {200, {}, ""});
        run_until([&] { return handler_.requests.size() == asked + 1; });
        EXPECT_EQ(handler_.requests[asked].request.target, "/" + std::to_string(asked - 5));
    }
}

TEST_F(HttpLimitsTest, PipelinedRequestsWaitUntilThereIsRoom) {
    restart({.pipelined_max = 4});
    TestClient& client = connect();
    // Together more than the system's buffers hold.
    constexpr std::size_t kRequests = 5000;
    const std::string padding = " HTTP/1.1\r\nX: " + std::string(4000, 'x') + "\r\nHost: h\r\n\r\n";
    std::string all;
    for (std::size_t i = 0; i < kRequests; ++i) all += "GET /" + std::to_string(i) + padding;
    client.send(all);
    run_until([&] { return handler_.requests.size() == 4; });
    run_some_turns();
    EXPECT_THAT(handler_.requests, SizeIs(4));
    const std::size_t unsent = client.unsent_bytes();
    run_some_turns();
    EXPECT_GT(unsent, 0U) << "the server reads no further";
    EXPECT_EQ(client.unsent_bytes(), unsent);

    // The last of those that wait first.
    std::size_t answered = 0;
    at_turn_end_.emplace_back([&] {
        for (std::size_t i = handler_.requests.size(); i > answered; --i) {
            const auto& request = handler_.requests[i - 1];
            server_->respond(request.exchange, {200, {}, request.request.target});
        }
        answered = handler_.requests.size();
    });
    // Nobody but the server itself may keep the turns coming now.
    loop_.request_turn();
    run_until([&] { return handler_.requests.size() == kRequests && client.answers() == kRequests; });
    std::string expected;
    for (std::size_t i = 0; i < kRequests; ++i) {
        const std::string target = "/" + std::to_string(i);
        expected +=
            "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(target.size()) + "\r\n\r\n" + target;
    }
    EXPECT_TRUE(client.received == expected) << "every one, in order";
}

TEST_F(HttpLimitsTest, AClientThatDoesNotReadIsReadNoFurther) {
    restart({.output_bytes_max = 1 << 20});
    TestClient& client = connect(4096);
    client.is_reading = false;
    const std::string body(200'000, 'x');
    handler_.answer = [&](const TestHandler::Request& request) {
        server_->respond(request.exchange, {200, {}, body});
    };
    constexpr std::size_t kRequests = 300;
    std::string all;
    for (std::size_t i = 0; i < kRequests; ++i) all += get_of("/");
    client.send(all);
    run_some_turns();
    run_some_turns();
    // What the system's buffers took, and the bound.
    EXPECT_LT(handler_.requests.size() * body.size(), (1U << 20) + (8U << 20));
    client.is_reading = true;
    const std::size_t each =
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n").size() + body.size();
    run_until([&] { return client.received.size() == kRequests * each; });
}

TEST_F(HttpLimitsTest, AHeadThatDoesNotEndTimesOut) {
    restart({.head_ms_max = 5});
    for (const std::string bytes : {"G", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: h\r\nX"}) {
        TestClient& client = connect();
        client.send(bytes);
        run_until([&] { return client.is_ended; });
        EXPECT_THAT(client.received, StartsWith("HTTP/1.1 408 "));
        EXPECT_THAT(client.received, HasSubstr("Connection: close\r\n"));
        EXPECT_EQ(client.answers(), 1U);
    }
}

TEST_F(HttpLimitsTest, ABodyThatComesTooSlowlyTimesOut) {
    restart({.slow_after_ms = 5});
    for (const std::string bytes : {"Content-Length: 9\r\n\r\n1", "Transfer-Encoding: chunked\r\n\r\n9"}) {
        TestClient& client = connect();
        client.send("PUT / HTTP/1.1\r\nHost: h\r\n" + bytes);
        run_until([&] { return client.is_ended; });
        EXPECT_THAT(client.received, StartsWith("HTTP/1.1 408 "));
    }
    EXPECT_THAT(handler_.requests, IsEmpty());
}

TEST_F(HttpLimitsTest, AnIdleConnectionIsClosedWithoutAWord) {
    restart({.idle_ms_max = 5});
    answer_each_with_its_target();
    TestClient& fresh = connect();
    TestClient& used = connect();
    used.send(get_of("/a"));
    run_until([&] { return fresh.is_ended && used.is_ended; });
    EXPECT_THAT(fresh.received, IsEmpty());
    EXPECT_EQ(used.answers(), 1U);
}

TEST_F(HttpLimitsTest, AReaderThatIsTooSlowIsCutOff) {
    restart({.slow_after_ms = 5, .bytes_per_second_min = 1U << 30});
    TestClient& client = connect(4096);
    client.is_reading = false;
    handler_.answer = [&](const TestHandler::Request& request) {
        server_->respond(request.exchange, {200, {}, std::string(32U << 20, 'x')});
    };
    client.send(get_of("/"));
    run_until([&] { return handler_.requests.size() == 1; });
    run_until([&] { return server_->is_drained(); });
    client.is_reading = true;
    run_until([&] { return client.is_ended; });
    EXPECT_LT(client.received.size(), 32U << 20);
}

// The megabytes that its system takes are no credit for one that reads nothing: at this rate they would keep
// the connection for minutes. A segment of the loopback interface is worth two seconds of it.
TEST_F(HttpLimitsTest, WhatBuffersTookAtOnceBuysAReaderNoTime) {
    restart({.slow_after_ms = 5, .bytes_per_second_min = 32768});
    TestClient& client = connect();
    client.is_reading = false;
    handler_.answer = [&](const TestHandler::Request& request) {
        server_->respond(request.exchange, {200, {}, std::string(64U << 20, 'x')});
    };
    client.send(get_of("/"));
    run_until([&] { return handler_.requests.size() == 1; });
    run_until([&] { return server_->is_drained(); });
}

TEST_F(HttpLimitsTest, WhatCameAtOnceBuysABodyNoTime) {
    restart({.slow_after_ms = 5, .bytes_per_second_min = 32768});
    TestClient& client = connect();
    client.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 4000000\r\n\r\n" + std::string(3'000'000, 'x'));
    run_until([&] { return client.is_ended; });
    EXPECT_THAT(client.received, StartsWith("HTTP/1.1 408 "));
}

TEST_F(HttpLimitsTest, WaitingForOurAnswerCostsAClientNothing) {
    restart({.head_ms_max = 5, .slow_after_ms = 5, .idle_ms_max = 5});
    TestClient& client = connect();
    client.send(get_of("/a"));
    run_until([&] { return handler_.requests.size() == 1; });
    // Another one's end shows that the deadlines have been looked at meanwhile.
    for (int scan = 0; scan < 2; ++scan) {
        TestClient& idle = connect();
        run_until([&] { return idle.is_ended; });
    }
    server_->respond(handler_.requests[0].exchange, {200, {}, "late"});
    run_until([&] { return client.answers() == 1; });
    EXPECT_THAT(client.received, StartsWith("HTTP/1.1 200 "));
}

// As that of a node that is stopped (SIGSTOP), or whose machine is.
TEST_F(HttpLimitsTest, APauseOfTheServerCostsAClientNothing) {
    restart({.head_ms_max = 50, .slow_after_ms = 50, .idle_ms_max = 50, .scan_ms = 1});
    answer_each_with_its_target();
    TestClient& in_head = connect();
    TestClient& in_body = connect();
    in_head.send("GET /head HT");
    in_body.send("PUT /body HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n1");
    int turns = 0;
    run_until([&] { return ++turns > 5; });
    // No wait for anything: it is the pause.
    ::usleep(100'000);
    turns = 0;
    run_until([&] { return ++turns > 5; });
    in_head.send("TP/1.1\r\nHost: h\r\n\r\n");
    in_body.send("23456789");
    run_until([&] { return in_head.answers() == 1 && in_body.answers() == 1; });
    EXPECT_THAT(in_head.received, StartsWith("HTTP/1.1 200 "));
    EXPECT_THAT(in_body.received, StartsWith("HTTP/1.1 200 "));
}

// It was read nothing of while it took the answer, and begins to be idle only then.
TEST_F(HttpLimitsTest, ALongAnswerLeavesItsClientAllOfItsTime) {
    constexpr std::uint64_t kIdleMs = 200;
    restart({.idle_ms_max = kIdleMs, .scan_ms = 1});
    handler_.answer = [&](const TestHandler::Request& request) {
        server_->respond(request.exchange, {200, {}, std::string(32U << 20, 'x')});
    };
    TestClient& client = connect(4096);
    client.is_reading = false;
    client.send(get_of("/large"));
    run_until([&] { return handler_.requests.size() == 1; });
    for (int i = 0; i < 2; ++i) {
        TestClient& idle = connect();
        run_until([&] { return idle.is_ended; });
    }
    client.is_reading = true;
    run_until([&] { return client.received.size() > 32U << 20; });
    // Each counts for a millisecond at the most.
    int turns = 0;
    run_until([&] { return ++turns > 50; });
    EXPECT_FALSE(client.is_ended);
    answer_each_with_its_target();
    client.send(get_of("/next"));
    run_until([&] { return client.is_ended || client.received.ends_with("/next"); });
    EXPECT_THAT(client.received.substr(client.received.size() - 5), "/next");
}

// Large answers: the handler asks whether each is wanted, as a node does.
class LargeAnswers : public HttpLimitsTest {
 protected:
    void answer_with(std::size_t bytes) {
        handler_.answer = [this, bytes](const TestHandler::Request& request) {
            if (!server_->wants_answer(request.exchange, bytes)) return;
            made_.push_back(request.request.target);
            server_->respond(request.exchange, {200, {}, std::string(bytes, 'x')});
        };
    }
    TestClient& connect_without_reading(const std::string& bytes) {
        TestClient& client = connect(4096);
        client.is_reading = false;
        client.send(bytes);
        return client;
    }

    std::vector<std::string> made_;  ///< targets of the answers that were made
};

TEST_F(LargeAnswers, OfOneConnectionAreMadeOneAfterTheOther) {
    restart({});
    constexpr std::size_t kBytes = 4U << 20;
    constexpr std::size_t kRequests = 64;
    answer_with(kBytes);
    std::string all;
    std::vector<std::string> targets;
    for (std::size_t i = 0; i < kRequests; ++i) {
        targets.push_back("/" + std::to_string(i));
        all += get_of(targets.back());
    }
    TestClient& client = connect_without_reading(all);
    run_until([&] { return !made_.empty(); });
    run_some_turns();
    // One that the client does not take, and at most another that the system's buffers took.
    EXPECT_LE(made_.size(), 2U);
    client.is_reading = true;
    run_until([&] { return client.received.size() > kRequests * kBytes; });
    EXPECT_EQ(client.answers(), kRequests);
    EXPECT_EQ(made_, targets) << "each once, in order";
}

TEST_F(LargeAnswers, SmallOnesAreMadeTogether) {
    restart({});
    std::string all;
    for (std::size_t i = 0; i < 64; ++i) all += get_of("/");
    TestClient& client = connect();
    client.send(all);
    run_until([&] { return handler_.requests.size() == 64; });
    std::size_t wanted = 0;
    for (const auto& request : handler_.requests)
        if (server_->wants_answer(request.exchange, 1000)) ++wanted;
    EXPECT_EQ(wanted, 64U);
}

TEST_F(LargeAnswers, OfAllConnectionsTogetherHaveABound) {
    constexpr std::size_t kBytes = 8U << 20;
    restart({.output_bytes_total_max = 4 * kBytes});
    answer_with(kBytes);
    for (int i = 0; i < 10; ++i) connect_without_reading(get_of("/"));
    run_until([&] { return made_.size() >= 4; });
    run_some_turns();
    EXPECT_EQ(made_.size(), 4U);

    answer_with(1000);
    TestClient& small = connect();
    small.send(get_of("/small"));
    run_until([&] { return small.answers() == 1; });
    EXPECT_THAT(small.received, StartsWith("HTTP/1.1 200 "));

    // Those that waited come as soon as the first are taken.
    for (const auto& client : clients_) client->is_reading = true;
    run_until([&] {
        return std::ranges::all_of(clients_, [](const auto& client) { return client->answers() == 1; });
    });
    EXPECT_EQ(made_.size(), 11U);
}

TEST_F(LargeAnswers, ThatFindNoRoomInTimeAreRefused) {
    constexpr std::size_t kBytes = 8U << 20;
    restart({.output_bytes_total_max = kBytes, .room_ms_max = 5});
    answer_with(kBytes);
    connect_without_reading(get_of("/first"));
    run_until([&] { return made_.size() == 1; });
    TestClient& second = connect();
    second.send(get_of("/second"));
    run_until([&] { return second.answers() == 1; });
    EXPECT_THAT(second.received, StartsWith("HTTP/1.1 503 "));
    EXPECT_THAT(second.received, HasSubstr("Retry-After: "));
    EXPECT_EQ(made_.size(), 1U);
}

TEST_F(LargeAnswers, WhileThereAreManyAReaderMustBeFaster) {
    constexpr std::size_t kBytes = 8U << 20;
    restart({.output_bytes_total_max = kBytes,
             .slow_after_ms = 5,
             .bytes_per_second_min = 0,
             .crowded_bytes_per_second_min = std::size_t{1} << 40});
    answer_with(kBytes);
    TestClient& slow = connect_without_reading(get_of("/"));
    run_until([&] { return made_.size() == 1; });
    run_until([&] { return server_->is_drained(); });
    slow.is_reading = true;
    run_until([&] { return slow.is_ended; });
    EXPECT_LT(slow.received.size(), kBytes);
}

TEST_F(LargeAnswers, AreSpreadOverTurns) {
    constexpr std::size_t kBytes = 1U << 20;
    restart({.output_bytes_turn_max = 2 * kBytes});
    for (int i = 0; i < 9; ++i) connect().send(get_of("/"));
    run_until([&] { return handler_.requests.size() == 9; });
    // All of them become answerable in one turn, as reads do that a majority has confirmed together.
    answer_with(kBytes);
    std::vector<std::size_t> made_by_turn;
    bool is_first_turn = true;
    at_turn_end_.emplace_back([&] {
        if (std::exchange(is_first_turn, false)) {
            const auto requests = handler_.requests;
            for (const auto& request : requests) handler_.answer(request);
        }
        made_by_turn.push_back(made_.size());
    });
    run_until([&] {
        return std::ranges::all_of(clients_, [](const auto& client) { return client->answers() == 1; });
    });
    EXPECT_EQ(made_.size(), 9U);
    for (std::size_t i = 1; i < made_by_turn.size(); ++i)
        EXPECT_LE(made_by_turn[i] - made_by_turn[i - 1], 2U);
}

TEST_F(LargeAnswers, AreNotMadeForWhoHasGone) {
    restart({});
    TestClient& client = connect();
    client.send(get_of("/a"));
    run_until([&] { return handler_.requests.size() == 1; });
    EXPECT_TRUE(server_->wants_answer(handler_.requests[0].exchange, 1000));
    client.reset();
    run_some_turns();
    EXPECT_FALSE(server_->wants_answer(handler_.requests[0].exchange, 1000));
    EXPECT_FALSE(server_->wants_answer(~server::HttpExchange{0}, 1000));
}

// With no descriptor left the listener must neither spin nor go deaf.
TEST_F(HttpLimitsTest, OutlivesALackOfDescriptors) {
    answer_each_with_its_target();
    TestClient& before = connect();
    before.send(get_of("/a"));
    run_until([&] { return before.answers() == 1; });

    TestClient& victim = connect();
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    rlimit none = limit;
    const int lowest_free = ::dup(0);
    ::close(lowest_free);
    none.rlim_cur = static_cast<rlim_t>(lowest_free);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    victim.send(get_of("/b"));
    run_some_turns();
    before.send(get_of("/c"));
    run_until([&] { return before.answers() == 2; });
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);

    TestClient& after = connect();
    after.send(get_of("/d"));
    run_until([&] { return after.answers() == 1; });
    run_until([&] { return victim.is_ended || victim.answers() == 1; });
}

}  // namespace
}  // namespace quorate::io
