// The server over real sockets: the order of answers, how connections end, and upgrades.

#include <ctime>

#include "tests/io/http_fixture.h"

namespace quorate::io {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

std::string ok(const std::string& body, const std::string& fields = "") {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + fields + "\r\n" +
           body;
}
constexpr std::string_view kClose = "Connection: close\r\n";
std::string ok_and_close(const std::string& body) { return ok(body, std::string(kClose)); }

class HttpServing : public HttpFixture {};

TEST_F(HttpServing, KeepsAConnectionForTheNextRequest) {
    answer_each_with_its_target();
    TestClient& client = connect();
    client.send(get_of("/a"));
    run_until([&] { return client.received == ok("/a"); });
    client.send(get_of("/b"));
    run_until([&] { return client.received == ok("/a") + ok("/b"); });
    EXPECT_FALSE(client.is_ended);
}

TEST_F(HttpServing, GivesTheRequestAsItCame) {
    TestClient& client = connect();
    client.send(
        "PUT /kv/a%2Fb?x=1 HTTP/1.1\r\nHost: h\r\nEmpty:\r\nNext:  v\r\nTransfer-Encoding: chunked\r\n"
        "If-Match: 1\r\n\r\n3;x\r\nabc\r\n2\r\nde\r\n0\r\nIf-Match: 2\r\nLate: 3\r\n\r\n");
    run_until([&] { return handler_.requests.size() == 1; });
    const server::HttpRequest& request = handler_.requests.front().request;
    EXPECT_EQ(request.method, "PUT");
    EXPECT_EQ(request.target, "/kv/a%2Fb?x=1");
    EXPECT_EQ(request.body, "abcde");
    // Trailers are no headers.
    EXPECT_THAT(request.headers, ElementsAre(server::HttpHeader{"Host", "h"}, server::HttpHeader{"Empty", ""},
                                             server::HttpHeader{"Next", "v"},
                                             server::HttpHeader{"Transfer-Encoding", "chunked"},
                                             server::HttpHeader{"If-Match", "1"}));
}

TEST_F(HttpServing, TakesARequestInSingleBytes) {
    answer_each_with_its_target();
    TestClient& client = connect();
    const std::string bytes = "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc" + get_of("/b");
    for (const char byte : bytes) {
        client.send({&byte, 1});
        run_until([&] { return client.unsent_bytes() == 0; });
        uv_run(loop_.uv(), UV_RUN_NOWAIT);
    }
    run_until([&] { return client.received == ok("/a") + ok("/b"); });
    EXPECT_EQ(handler_.requests.front().request.body, "abc");
}

TEST_F(HttpServing, AnswersInTheOrderOfTheRequests) {
    TestClient& client = connect();
    client.send(get_of("/1") + get_of("/2") + get_of("/3"));
    run_until([&] { return handler_.requests.size() == 3; });
    server_->respond(handler_.requests[2].exchange, {200, {}, "3"});
    server_->respond(handler_.requests[1].exchange, {200, {}, "2"});
    server_->respond(handler_.requests[1].exchange, {200, {}, "again"});
    run_some_turns();
    EXPECT_THAT(client.received, IsEmpty());
    server_->respond(handler_.requests[0].exchange, {200, {{"A", "b"}}, "1"});
    run_until([&] { return client.answers() == 3; });
    EXPECT_EQ(client.received, ok("1", "A: b\r\n") + ok("2") + ok("3"));
}

// RFC 9112, 9.3.2: what a client asks in one go may be done at once only as long as it cannot tell.
TEST_F(HttpServing, AReadWaitsForTheWritesBeforeIt) {
    TestClient& client = connect();
    const auto put = [](const std::string& target) {
        return "PUT " + target + " HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n1";
    };
    const auto asked = [&] {
        std::string targets;
        for (const auto& request : handler_.requests) targets += request.request.target;
        return targets;
    };
    const auto respond = [&](std::size_t request) {
        server_->respond(handler_.requests[request].exchange,
                         {200, {}, handler_.requests[request].request.target});
    };
    client.send(put("/1") + put("/2") + get_of("/3") + "HEAD /4 HTTP/1.1\r\nHost: h\r\n\r\n" + put("/5") +
                get_of("/6"));
    run_until([&] { return asked() == "/1/2"; });
    respond(1);
    run_some_turns();
    EXPECT_EQ(asked(), "/1/2");
    respond(0);
    run_until([&] { return asked() == "/1/2/3/4"; });
    respond(2);
    run_some_turns();
    EXPECT_EQ(asked(), "/1/2/3/4") << "a write waits for the reads before it";
    respond(3);
    run_until([&] { return asked() == "/1/2/3/4/5"; });
    EXPECT_EQ(handler_.requests[4].request.body, "1");
    respond(4);
    run_until([&] { return asked() == "/1/2/3/4/5/6"; });
    respond(5);
    run_until([&] { return client.answers() == 6; });
    EXPECT_THAT(client.received, EndsWith(ok("/5") + ok("/6")));
}

TEST_F(HttpServing, ManyWritesOfAConnectionAreAskedTogether) {
    TestClient& client = connect();
    std::string all;
    for (int i = 0; i < 64; ++i) all += "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n1";
    client.send(all);
    run_until([&] { return handler_.requests.size() == 64; });
}

TEST_F(HttpServing, HeadHasTheLengthAndNoBody) {
    answer_each_with_its_target();
    TestClient& client = connect();
    client.send("HEAD /abc HTTP/1.1\r\nHost: h\r\n\r\n" + get_of("/d"));
    const std::string expected = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + ok("/d");
    run_until([&] { return client.received.size() == expected.size(); });
    EXPECT_EQ(client.received, expected);
}

TEST_F(HttpServing, AFaultOfAHeadHasNoBodyEither) {
    for (const std::string& bytes :
         {std::string("HEAD / HTTP/1.1\r\n\r\n"),
          "HEAD /" + std::string(40'000, 'x') + " HTTP/1.1\r\nHost: h\r\n\r\n",
          std::string("HEAD / HTTP/3.0\r\n\r\n"), std::string("HEAD foo HTTP/1.1\r\nHost: h\r\n\r\n")}) {
        TestClient& client = connect();
        client.send(bytes);
        run_until([&] { return client.is_ended; });
        EXPECT_THAT(client.received, StartsWith("HTTP/1.1 4")) << bytes.substr(0, 40);
        EXPECT_THAT(client.received, Not(HasSubstr("Content-Length: 0")));
        EXPECT_THAT(client.received, EndsWith("\r\n\r\n"));
    }
}

TEST_F(HttpServing, IgnoresOneEmptyLineBeforeARequest) {
    answer_each_with_its_target();
    TestClient& client = connect();
    client.send("\r\n" + get_of("/a") + "\r\n" + get_of("/b"));
    run_until([&] { return client.received == ok("/a") + ok("/b"); });
    client.send("\r\n\r\n" + get_of("/c"));
    run_until([&] { return client.is_ended; });
    EXPECT_THAT(client.received, StartsWith(ok("/a") + ok("/b") + "HTTP/1.1 400 "));
}

TEST_F(HttpServing, EveryAnswerHasADate) {
    answer_each_with_its_target();
    EXPECT_EQ(http_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
    TestClient& client = connect();
    const std::int64_t before = std::time(nullptr);
    client.send(get_of("/a") + "BREW");
    client.send(" / HTTP/1.1\r\nHost: h\r\n\r\n");
    run_until([&] { return client.is_ended; });
    ASSERT_THAT(client.dates, SizeIs(2));
    std::vector<std::string> expected;
    for (std::int64_t at = before; at <= std::time(nullptr); ++at) expected.push_back(http_date(at));
    EXPECT_THAT(expected, testing::Contains(client.dates[0]));
    EXPECT_THAT(expected, testing::Contains(client.dates[1]));
}

TEST_F(HttpServing, ClosesWhenAskedTo) {
    answer_each_with_its_target();
    for (const std::string& request :
         {get_of("/a", std::string(kClose)), std::string("GET /a HTTP/1.0\r\n\r\n"),
          std::string("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
          get_of("/a", "Connection: close, Upgrade\r\nUpgrade: h2c\r\n")}) {
        handler_.requests.clear();
        TestClient& client = connect();
        client.send(request + get_of("/b"));
        run_until([&] { return client.is_ended; });
        EXPECT_EQ(client.received, ok_and_close("/a")) << request;
        EXPECT_FALSE(client.was_reset);
        EXPECT_THAT(handler_.requests, SizeIs(1)) << "nothing is asked behind the last request";
    }
}

TEST_F(HttpServing, AnswersAClientThatHasClosedItsHalf) {
    TestClient& client = connect();
    client.send(get_of("/a") + get_of("/b"));
    client.end_sending();
    run_until([&] { return handler_.requests.size() == 2; });
    run_some_turns();
    for (const auto& request : handler_.requests)
        server_->respond(request.exchange, {200, {}, request.request.target});
    run_until([&] { return client.is_ended; });
    EXPECT_EQ(client.received, ok("/a") + ok_and_close("/b"));
}

TEST_F(HttpServing, IgnoresAnAnswerWhoseClientHasGone) {
    TestClient& client = connect();
    client.send(get_of("/a"));
    run_until([&] { return handler_.requests.size() == 1; });
    client.close();
    run_some_turns();
    server_->respond(handler_.requests[0].exchange, {200, {}, std::string(1 << 20, 'x')});
    run_some_turns();
    server_->respond(handler_.requests[0].exchange, {});
    server_->respond(~server::HttpExchange{0}, {});
    answer_each_with_its_target();
    TestClient& next = connect();
    next.send(get_of("/b"));
    run_until([&] { return next.received == ok("/b"); });
}

TEST_F(HttpServing, ContinuesWhenTheBodyIsWelcomeAndItIsItsTurn) {
    const std::string continued = "HTTP/1.1 100 Continue\r\n\r\n";
    const std::string head =
        "PUT /b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    TestClient& client = connect();
    client.send(get_of("/a") + head);
    run_until([&] { return handler_.requests.size() == 1; });
    run_some_turns();
    EXPECT_THAT(client.received, IsEmpty());
    answer_each_with_its_target();
    handler_.answer(handler_.requests[0]);
    run_until([&] { return client.received == ok("/a") + continued; });
    client.send("abc");
    run_until([&] { return client.received == ok("/a") + continued + ok("/b"); });
    // With the body there already, there is nothing to say.
    client.send(head + "abc");
    run_until([&] { return client.received == ok("/a") + continued + ok("/b") + ok("/b"); });
}

TEST_F(HttpServing, RefusesOnceInOrderAndCloses) {
    struct Row {
        std::string bytes;
        std::string status;
    };
    const std::string chunked = "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n";
    for (const Row& row : std::vector<Row>{
             {"GET / HTTP/1.1\r\n\r\n", "400"},
             {"BREW / HTTP/1.1\r\nHost: h\r\n\r\n", "501"},
             {"GET foo HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
             {"CONNECT h:1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", "400"},
             {chunked + "\r\n1;a=b;c=d\r\nx\r\n0\r\n\r\n", "400"},
             {chunked + "Expect: 100-continue\r\n\r\nzz\r\n", "400"},
             {"PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n", "413"},
             {"PUT / HTTP/1.1\r\nHost: h\r\n\r\n", "411"},
         }) {
        SCOPED_TRACE(testing::PrintToString(row.bytes));
        handler_.requests.clear();
        TestClient& client = connect();
        // More behind it than the server ever reads: the answer must survive that.
        client.send(get_of("/a") + row.bytes + std::string(300'000, 'x') + "\r\n\r\n" + get_of("/b"));
        run_until([&] { return handler_.requests.size() == 1; });
        server_->respond(handler_.requests[0].exchange, {200, {}, "first"});
        run_until([&] { return client.is_ended; });
        EXPECT_FALSE(client.was_reset);
        EXPECT_THAT(client.received, StartsWith(ok("first") + "HTTP/1.1 " + row.status));
        EXPECT_THAT(client.received, HasSubstr(std::string(kClose)));
        EXPECT_THAT(client.received, HasSubstr("application/problem+json"));
        EXPECT_EQ(client.answers(), 2U);
        EXPECT_THAT(handler_.requests, SizeIs(1));
    }
}

TEST_F(HttpServing, StopsWhenAllIsAnswered) {
    TestClient& busy = connect();
    TestClient& idle = connect();
    busy.send(get_of("/a") + get_of("/b"));
    idle.send(get_of("/c"));
    run_until([&] { return handler_.requests.size() == 3; });
    for (const auto& request : handler_.requests)
        if (request.request.target == "/c") server_->respond(request.exchange, {});
    run_until([&] { return idle.answers() == 1; });
    server_->stop();
    run_until([&] { return idle.is_ended; });
    EXPECT_FALSE(server_->is_drained());
    busy.send(get_of("/late"));
    run_some_turns();
    for (const auto& request : handler_.requests)
        server_->respond(request.exchange, {200, {}, request.request.target});
    run_until([&] { return server_->is_drained() && busy.is_ended; });
    EXPECT_EQ(busy.received, ok("/a") + ok_and_close("/b"));
    EXPECT_THAT(handler_.requests, SizeIs(3));
}

TEST_F(HttpServing, RefusesWhatIsNotWholeWhenItStops) {
    const std::string head = "PUT /b HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n";
    for (const std::string& begun :
         {std::string("PU"), std::string("PUT /b HTTP/1.1\r\nHos"), head, head + std::string(1000, 'x')}) {
        handler_.requests.clear();
        TestClient& client = connect();
        client.send(get_of("/a") + begun);
        run_until([&] { return handler_.requests.size() == 1; });
        run_some_turns();
        server_->stop();
        run_some_turns();
        EXPECT_THAT(client.received, IsEmpty()) << "what was asked first is answered first";
        server_->respond(handler_.requests[0].exchange, {200, {}, "/a"});
        client.send(std::string(100'000, 'x'));
        run_until([&] { return client.is_ended; });
        EXPECT_FALSE(client.was_reset);
        EXPECT_THAT(client.received, StartsWith(ok("/a") + "HTTP/1.1 503 ")) << begun;
        EXPECT_THAT(client.received, HasSubstr("shutting_down"));
        EXPECT_THAT(client.received, HasSubstr("Retry-After: 1\r\n"));
        EXPECT_THAT(client.received, HasSubstr(std::string(kClose)));
        start();
    }
}

TEST_F(HttpServing, EndsCleanlyInTheMiddleOfEverything) {
    answer_each_with_its_target();
    limits_.output_bytes_max = 1000;
    for (const std::string& bytes :
         {get_of("/a") + "GET", get_of("/" + std::string(3000, 'a')) + get_of("/b"),
          get_of(std::string(kPeerPath), "Connection: Upgrade\r\nUpgrade: quorate-peer/3\r\n")}) {
        TestClient& client = connect();
        client.send(bytes);
        run_some_turns();
    }
    server_.reset();
    run_until(
        [&] { return std::ranges::all_of(clients_, [](const auto& client) { return client->is_ended; }); });
}

TEST_F(HttpServing, SaysWhyItCannotListen) {
    HttpServer second(loop_, limits_, handler_);
    EXPECT_THAT(second.listen("127.0.0.1", port_).error(), HasSubstr("address already in use"));
    HttpServer third(loop_, limits_, handler_);
    EXPECT_THAT(third.listen("no such host", 0).error(), HasSubstr("resolve"));
}

class PeerUpgrade : public HttpFixture {
 protected:
    static std::string request(const std::string& protocol = "quorate-peer/3") {
        return get_of("/raft/peer", "X-From: n2\r\nConnection: Upgrade\r\nUpgrade: " + protocol + "\r\n");
    }
    static std::string accepted() {
        return "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: quorate-peer/3\r\n\r\n";
    }
};

TEST_F(PeerUpgrade, LosesNoByteBehindTheHead) {
    TestClient& client = connect();
    client.send(request() + "first");
    run_until([&] { return handler_.peer_bytes == "first"; });
    client.send("GET / HTTP/1.1\n\n");
    run_until([&] { return handler_.peer_bytes == "firstGET / HTTP/1.1\n\n"; });
    EXPECT_EQ(client.received, accepted());
    ASSERT_THAT(handler_.upgrades, SizeIs(1));
    EXPECT_EQ(*handler_.upgrades[0].request.header("x-from"), "n2");
    EXPECT_THAT(handler_.requests, IsEmpty());

    client.close();
    run_until([&] { return !handler_.peers_closed.empty(); });
    EXPECT_THAT(handler_.peers_closed, ElementsAre(handler_.upgrades[0].exchange));
}

TEST_F(PeerUpgrade, BehindAnAnsweredRequest) {
    answer_each_with_its_target();
    TestClient& client = connect();
    client.send(get_of("/a"));
    run_until([&] { return client.received == ok("/a"); });
    client.send(request());
    run_until([&] { return client.received == ok("/a") + accepted(); });
}

TEST_F(PeerUpgrade, IsRefusedWithTheGivenAnswer) {
    handler_.refusal = server::HttpResponse{409, {{"Why", "so"}}, "no"};
    TestClient& client = connect();
    client.send(request() + "frames");
    run_until([&] { return client.is_ended; });
    EXPECT_THAT(client.received, StartsWith("HTTP/1.1 409 "));
    EXPECT_THAT(client.received, HasSubstr("Why: so\r\n"));
    EXPECT_THAT(client.received, EndsWith("\r\n\r\nno"));
    EXPECT_THAT(handler_.peer_bytes, IsEmpty());
    EXPECT_THAT(handler_.peers_closed, IsEmpty());
}

TEST_F(PeerUpgrade, OfAnotherVersionIsTold) {
    TestClient& client = connect();
    client.send(request("quorate-peer/1"));
    run_until([&] { return client.is_ended; });
    EXPECT_THAT(client.received, StartsWith("HTTP/1.1 426 "));
    EXPECT_THAT(client.received, HasSubstr("Upgrade: quorate-peer/3\r\n"));
    EXPECT_THAT(handler_.upgrades, IsEmpty());
}

TEST_F(PeerUpgrade, NeedsTheRightWords) {
    answer_each_with_its_target();
    for (const std::string& bytes :
         {get_of("/raft/peer"), get_of("/raft/peer", "Upgrade: quorate-peer/3\r\n"),
          get_of("/other", "Connection: Upgrade\r\nUpgrade: quorate-peer/3\r\n"),
          std::string("HEAD /raft/peer HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: "
                      "quorate-peer/3\r\n\r\n")}) {
        TestClient& client = connect();
        client.send(bytes + get_of("/next"));
        run_until([&] { return client.answers() == 2; });
        EXPECT_THAT(client.received, StartsWith("HTTP/1.1 200 OK\r\n")) << bytes;
        EXPECT_THAT(client.received, EndsWith(ok("/next"))) << bytes;
    }
    EXPECT_THAT(handler_.upgrades, IsEmpty());
}

TEST_F(PeerUpgrade, ConnectionsAreClosedByTheirOwnerAtAnyTime) {
    handler_.on_bytes = [this](PeerConnection peer) {
        server_->close_peer(peer);
        server_->close_peer(peer);
    };
    TestClient& early = connect();
    early.send(request() + "x");
    run_until([&] { return early.is_ended; });
    TestClient& late = connect();
    late.send(request());
    run_until([&] { return late.received == accepted(); });
    late.send("x");
    run_until([&] { return late.is_ended; });
    EXPECT_THAT(handler_.peers_closed, SizeIs(2));
}

TEST_F(PeerUpgrade, OutlastsAStop) {
    TestClient& client = connect();
    client.send(request());
    run_until([&] { return client.received == accepted(); });
    server_->stop();
    client.send("still");
    run_until([&] { return handler_.peer_bytes == "still"; });
    EXPECT_TRUE(server_->is_drained());
}

}  // namespace
}  // namespace quorate::io
