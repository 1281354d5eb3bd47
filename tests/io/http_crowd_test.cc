// What the server does with more connections than it takes, in all or from one address, and how peers come
// in.

#include "tests/io/http_fixture.h"

namespace quorate::io {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

class HttpCrowd : public HttpFixture {};

TEST_F(HttpCrowd, OneConnectionTooManyIsToldSo) {
    restart({.connections_max = 2});
    answer_each_with_its_target();
    TestClient& first = connect();
    TestClient& second = connect();
    first.send(get_of("/a"));
    second.send(get_of("/b"));
    run_until([&] { return first.answers() == 1 && second.answers() == 1; });
    TestClient& third = connect();
    third.send(get_of("/c"));
    run_until([&] { return third.is_ended; });
    EXPECT_FALSE(third.was_reset);
    EXPECT_EQ(third.answers(), 1U);
    EXPECT_THAT(third.received, StartsWith("HTTP/1.1 503 "));
    EXPECT_THAT(third.received, HasSubstr("too_many_connections"));
    EXPECT_THAT(third.received, HasSubstr("Retry-After: 1\r\n"));
    EXPECT_THAT(handler_.requests, SizeIs(2));
    EXPECT_THAT(handler_.troubles, SizeIs(1));

    first.close();
    third.close();
    run_some_turns();
    TestClient& next = connect();
    next.send(get_of("/d"));
    run_until([&] { return next.answers() == 1; });
    EXPECT_THAT(next.received, StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpCrowd, ACrowdIsSentAwayWithoutAWord) {
    restart({.connections_max = 0, .reserve_max = 64, .head_ms_max = 5});
    for (int i = 0; i < 100; ++i) connect();
    run_until(
        [&] { return std::ranges::all_of(clients_, [](const auto& client) { return client->is_ended; }); });
    const auto told =
        std::ranges::count_if(clients_, [](const auto& client) { return client->answers() == 1; });
    EXPECT_EQ(told, 64) << "those that came last, once the time for a head is over";
    EXPECT_THAT(clients_.back()->received, HasSubstr("too_many_connections"));
    EXPECT_THAT(handler_.troubles, SizeIs(1)) << "said once a second at most";
}

const std::string kGreeting =
    "GET /raft/peer HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: " + std::string(kPeerProtocol) +
    "\r\n\r\n";

// One address that holds all it can, and asks for ever more, takes nothing from others, and not from a peer
// of its own.
TEST_F(HttpCrowd, OneAddressDoesNotHoldEverything) {
    constexpr std::uint32_t kOther = INADDR_LOOPBACK + 1;
    restart({.connections_max = 8, .connections_per_address_max = 3, .reserve_max = 2});
    answer_each_with_its_target();
    for (int i = 0; i < 3; ++i) {
        TestClient& client = connect();
        client.send(get_of("/a"));
        run_until([&] { return client.answers() == 1; });
        EXPECT_THAT(client.received, StartsWith("HTTP/1.1 200 "));
    }
    TestClient& fourth = connect();
    fourth.send(get_of("/a"));
    run_until([&] { return fourth.is_ended; });
    EXPECT_THAT(fourth.received, StartsWith("HTTP/1.1 503 "));
    EXPECT_THAT(fourth.received, HasSubstr("too_many_connections"));
    EXPECT_THAT(fourth.received, HasSubstr("from one address"));
    EXPECT_THAT(handler_.troubles, ElementsAre("more connections from 127.0.0.1 than 3: refused"));
    for (int i = 0; i < 20; ++i) connect();
    run_some_turns();
    EXPECT_EQ(std::ranges::count_if(clients_, [](const auto& client) { return !client->is_ended; }), 3 + 2)
        << "those in reserve have a bound of their own";
    TestClient& peer = connect();
    peer.send(kGreeting);
    run_until([&] { return peer.answers() == 1; });
    EXPECT_THAT(peer.received, StartsWith("HTTP/1.1 101 "));

    for (int i = 0; i < 2; ++i) {
        TestClient& other = connect_from(kOther);
        other.send(get_of("/b"));
        run_until([&] { return other.answers() == 1; });
        EXPECT_THAT(other.received, StartsWith("HTTP/1.1 200 "));
    }
    // Who goes makes room.
    for (const auto& client : clients_) client->close();
    run_some_turns();
    TestClient& next = connect();
    next.send(get_of("/c"));
    run_until([&] { return next.answers() == 1; });
    EXPECT_THAT(next.received, StartsWith("HTTP/1.1 200 "));
}

// Clients that hold every connection keep no peer away.
TEST_F(HttpCrowd, APeerComesInWhenClientsHoldEverything) {
    restart({.connections_max = 2, .reserve_max = 2});
    answer_each_with_its_target();
    TestClient& first = connect();
    connect();
    first.send(get_of("/a"));
    run_until([&] { return first.answers() == 1; });
    // Two that say nothing, or not all of it, and hold the reserve too.
    TestClient& silent = connect();
    TestClient& slow = connect();
    slow.send("GET / HT");
    run_some_turns();
    TestClient& peer = connect();
    peer.send(kGreeting);
    run_until([&] { return peer.answers() == 1; });
    EXPECT_THAT(peer.received, StartsWith("HTTP/1.1 101 "));
    EXPECT_TRUE(silent.is_ended) << "the oldest in reserve has made room";
    EXPECT_FALSE(slow.is_ended);
    peer.send("frame");
    run_until([&] { return handler_.peer_bytes == "frame"; });
    // It stays, whoever comes.
    for (int i = 0; i < 5; ++i) {
        TestClient& client = connect();
        client.send(get_of("/b"));
        run_until([&] { return client.is_ended; });
        EXPECT_THAT(client.received, StartsWith("HTTP/1.1 503 "));
    }
    peer.send("again");
    run_until([&] { return handler_.peer_bytes == "frameagain"; });
    EXPECT_THAT(handler_.peers_closed, IsEmpty());
    EXPECT_THAT(handler_.requests, SizeIs(1));
}

TEST_F(HttpCrowd, AReserveFullOfPeersTakesNobodyElse) {
    restart({.connections_max = 1, .reserve_max = 2});
    connect();
    run_some_turns();
    for (int i = 0; i < 2; ++i) {
        TestClient& peer = connect();
        peer.send(kGreeting);
        run_until([&] { return peer.answers() == 1; });
    }
    TestClient& third = connect();
    third.send(kGreeting);
    run_until([&] { return third.is_ended; });
    EXPECT_EQ(third.answers(), 0U);
    EXPECT_THAT(handler_.upgrades, SizeIs(2));
    EXPECT_THAT(handler_.peers_closed, IsEmpty());
}

TEST_F(HttpCrowd, OneTooManyHearsSoWithoutSendingItsBody) {
    restart({.connections_max = 0, .head_ms_max = 5});
    TestClient& sender = connect();
    sender.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nx");
    TestClient& greeter = connect();
    handler_.refusal = server::HttpResponse{421, {}, "wrong cluster"};
    greeter.send(kGreeting);
    run_until([&] { return sender.is_ended && greeter.is_ended; });
    EXPECT_THAT(sender.received, StartsWith("HTTP/1.1 503 "));
    EXPECT_EQ(sender.answers(), 1U);
    EXPECT_THAT(greeter.received, StartsWith("HTTP/1.1 421 "));
    for (const std::string bytes : {"", "G"}) {
        TestClient& client = connect();
        client.send(bytes);
        run_until([&] { return client.is_ended; });
        EXPECT_THAT(client.received, StartsWith("HTTP/1.1 503 "));
    }
    EXPECT_THAT(handler_.requests, IsEmpty());
}

}  // namespace
}  // namespace quorate::io
