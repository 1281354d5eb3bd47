// A link to a real server: frames, reconnection, refusals, and its end at any moment.

#include "io/peer_link.h"

#include "engine/random.h"
#include "tests/io/http_fixture.h"

namespace quorate::io {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

class Link : public HttpFixture {
 protected:
    Link() {
        at_turn_end_.emplace_back([this] {
            if (link_) link_->flush();
        });
    }

    void dial(const std::string& address) {
        link_ = std::make_unique<PeerLink>(
            loop_, address, std::vector<server::HttpHeader>{{"X-From", "n1"}, {"X-To", "n2"}}, 7,
            PeerLink::Callbacks{[this] { ++ups_; }, [this] { ++downs_; },
                                [this](const std::string& why) { refusals_.push_back(why); }});
    }
    void dial() { dial("127.0.0.1:" + std::to_string(port_)); }
    void dial_up() {
        dial();
        run_until([&] { return link_->is_up(); });
    }

    int ups_ = 0;
    int downs_ = 0;
    std::vector<std::string> refusals_;
    std::unique_ptr<PeerLink> link_;  ///< the first to go: it calls back into the others
};

TEST_F(Link, GreetsWithItsHeaders) {
    dial();
    EXPECT_FALSE(link_->is_up());
    EXPECT_FALSE(link_->send("early")) << "there is nobody to take it";
    run_until([&] { return link_->is_up(); });
    EXPECT_EQ(ups_, 1);
    ASSERT_THAT(handler_.upgrades, SizeIs(1));
    const server::HttpRequest& greeting = handler_.upgrades[0].request;
    EXPECT_EQ(*greeting.header("X-From"), "n1");
    EXPECT_EQ(*greeting.header("X-To"), "n2");
    EXPECT_EQ(*greeting.header("Host"), "127.0.0.1:" + std::to_string(port_));
    EXPECT_THAT(handler_.peer_bytes, IsEmpty());
}

TEST_F(Link, FindsAServerByAnyAddressOfItsName) {
    dial("localhost:" + std::to_string(port_));
    run_until([&] { return link_->is_up(); });
}

TEST_F(Link, BringsFramesWholeAndInOrder) {
    dial_up();
    engine::Random random(1);
    std::string expected;
    for (int i = 0; i < 200; ++i) {
        // Some larger than any buffer of the system.
        const std::size_t bytes = i % 50 == 0 ? 3U << 20 : random.between(0, 2000);
        std::string frame(bytes, static_cast<char>(random.next()));
        expected += frame;
        ASSERT_TRUE(link_->send(std::move(frame)));
        if (i % 10 == 0) uv_run(loop_.uv(), UV_RUN_NOWAIT);
    }
    run_until([&] { return handler_.peer_bytes.size() >= expected.size(); });
    EXPECT_TRUE(handler_.peer_bytes == expected);
    EXPECT_EQ(downs_, 0);
}

TEST_F(Link, TakesNoMoreThanItsBound) {
    dial_up();
    const std::string frame(PeerLink::kQueueBytesMax / 4, 'x');
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(link_->send(frame));
    EXPECT_FALSE(link_->send("x"));
    EXPECT_TRUE(link_->send("")) << "exactly full";
    run_until([&] { return handler_.peer_bytes.size() == PeerLink::kQueueBytesMax; });
    EXPECT_TRUE(link_->send("x"));
    run_until([&] { return handler_.peer_bytes.ends_with("xx"); });
}

TEST_F(Link, ComesBackWhenTheServerClosesIt) {
    dial_up();
    for (int round = 1; round <= 3; ++round) {
        server_->close_peer(handler_.upgrades.back().exchange);
        run_until([&] { return downs_ == round; });
        EXPECT_FALSE(link_->is_up());
        EXPECT_FALSE(link_->send("lost"));
        run_until([&] { return ups_ == round + 1; });
        EXPECT_EQ(downs_, round) << "said once each time";
    }
    ASSERT_TRUE(link_->send("found"));
    run_until([&] { return handler_.peer_bytes == "found"; });
    EXPECT_THAT(refusals_, IsEmpty());
}

TEST_F(Link, KeepsTryingUntilThereIsAServer) {
    const std::uint16_t port = port_;
    dial_up();
    link_->send(std::string(8U << 20, 'x'));
    server_.reset();
    run_until([&] { return downs_ == 1; });
    run_some_turns();
    EXPECT_EQ(ups_, 1);
    handler_.peer_bytes.clear();
    start(port);
    run_until([&] { return ups_ == 2; });
    ASSERT_TRUE(link_->send("back"));
    run_until([&] { return !handler_.peer_bytes.empty(); });
    EXPECT_EQ(handler_.peer_bytes, "back") << "nothing of the old connection's frames";
}

TEST_F(Link, TellsARefusalInFullAndOnlyOnce) {
    handler_.refusal =
        server::HttpResponse{409, {{"Long", std::string(10'000, 'y')}}, "no\r\nn9: fake\x1b\xff\n"};
    dial();
    run_until([&] { return handler_.upgrades.size() == 2; });
    ASSERT_THAT(refusals_, SizeIs(1));
    EXPECT_EQ(refusals_[0], R"(HTTP/1.1 409 Conflict no\x0d\x0an9: fake\x1b\xff)");
    EXPECT_EQ(downs_, 0) << "it never was up";
    handler_.refusal.reset();
    run_until([&] { return link_->is_up(); });
    EXPECT_THAT(refusals_, SizeIs(1));
}

TEST_F(Link, CutsALongRefusal) {
    handler_.refusal = server::HttpResponse{409, {}, std::string(10'000, 'y')};
    dial();
    run_until([&] { return refusals_.size() == 1; });
    EXPECT_THAT(refusals_[0], testing::EndsWith("yyy..."));
    EXPECT_LT(refusals_[0].size(), 1100U);
}

TEST_F(Link, SurvivesAnswersThatAreNone) {
    server_.reset();
    // A listener that is no server: it takes the connection and says something else.
    for (const std::string& nonsense : {std::string("\r\n\r\n"), std::string(100'000, 'x'), std::string()}) {
        const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof(address);
        ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
        ASSERT_EQ(::listen(listener, 8), 0);
        ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
        dial("127.0.0.1:" + std::to_string(ntohs(address.sin_port)));
        for (int round = 0; round < 3; ++round) {
            int accepted = -1;
            run_until([&] { return (accepted = ::accept(listener, nullptr, nullptr)) >= 0; });
            EXPECT_GE(::send(accepted, nonsense.data(), nonsense.size(), MSG_NOSIGNAL), 0);
            ::close(accepted);
        }
        ::close(listener);
        EXPECT_FALSE(link_->is_up());
    }
    EXPECT_EQ(ups_, 0);
    EXPECT_EQ(downs_, 0);
}

TEST_F(Link, CanGoInEveryState) {
    // Resolving.
    dial();
    link_.reset();
    dial("name.invalid:1");
    run_some_turns();
    link_.reset();
    // After every number of turns: resolved, connecting, greeting, up, writing.
    for (int turns = 0; turns < 30; ++turns) {
        dial();
        for (int turn = 0; turn < turns; ++turn) {
            uv_run(loop_.uv(), UV_RUN_NOWAIT);
            link_->send(std::string(1 << 20, 'x'));
        }
        link_.reset();
    }
    dial_up();
    link_->send(std::string(8U << 20, 'x'));
    link_->flush();
    link_.reset();
    EXPECT_EQ(downs_, 0) << "its owner knows";
    run_until([&] { return handler_.peers_closed.size() == handler_.upgrades.size(); });
}

TEST_F(Link, AndItsLoopEndTogether) {
    dial("name.invalid:1");
    loop_.stop();
}

}  // namespace
}  // namespace quorate::io
