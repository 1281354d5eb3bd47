// Processes that are asked to stop.

#include <iostream>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/process_load.h"

namespace quorate::test {
namespace {

TEST(Shutdown, ALeaderAskedToStopUnderLoadHandsOverAndExitsWithZero) {
    Cluster cluster(3);
    (void)cluster.wait_for_leader();
    Load load(cluster, 6);
    for (int round = 0; round < 3; ++round) {
        ASSERT_TRUE(load.wait_for(200));
        const std::size_t leader = cluster.wait_for_leader();
        cluster.terminate(leader);
        EXPECT_EQ(cluster.wait(leader), (Ending{0, 0})) << cluster.log(leader);
        const std::optional<std::chrono::milliseconds> taken = load.time_to_next_write();
        ASSERT_TRUE(taken);
        std::cout << "asked to stop: a write begun after its end succeeded within " << taken->count()
                  << " ms\n";
        cluster.start(leader);
        ASSERT_TRUE(cluster.wait_until_caught_up(leader));
    }
    load.stop();
    expect_exactly_the_attempts(cluster, load.attempts());
}

TEST(Shutdown, EveryNodeStopsByItselfWhenAllAreAsked) {
    for (const std::size_t size : {1U, 3U}) {
        Cluster cluster(size);
        (void)cluster.wait_for_leader();
        for (std::size_t node = 0; node < size; ++node) cluster.terminate(node);
        for (std::size_t node = 0; node < size; ++node) {
            EXPECT_EQ(cluster.wait(node), (Ending{0, 0})) << cluster.log(node);
            EXPECT_THAT(cluster.log(node), testing::ContainsRegex("the longest turn of the event loop took "
                                                                  "[0-9.]+ ms, while it loaded [0-9.]+ ms"));
        }
    }
}

TEST(Shutdown, HalfARequestIsRefusedWithAWord) {
    Cluster cluster(1);
    (void)cluster.wait_for_leader();
    const RawConnection client(cluster.address(0));
    client.send(
        "GET /raft/whois HTTP/1.1\r\nHost: h\r\n\r\nPUT /kv/a HTTP/1.1\r\nHost: h\r\nContent-Length: "
        "1000\r\n\r\nhalf");
    EXPECT_NE(client.receive_until("leaderAddr").find("HTTP/1.1 200"), std::string::npos);
    cluster.terminate(0);
    const std::optional<std::string> rest = client.receive_until_closed();
    ASSERT_TRUE(rest);
    EXPECT_NE(rest->find("HTTP/1.1 503"), std::string::npos) << *rest;
    EXPECT_NE(rest->find("shutting_down"), std::string::npos) << *rest;
    EXPECT_EQ(cluster.wait(0), (Ending{0, 0})) << cluster.log(0);
}

TEST(Shutdown, InterruptEndsItToo) {
    Cluster cluster(1);
    (void)cluster.wait_for_leader();
    cluster.interrupt(0);
    EXPECT_EQ(cluster.wait(0), (Ending{0, 0})) << cluster.log(0);
}

TEST(Shutdown, AClosedTerminalEndsItToo) {
    Cluster cluster(1);
    (void)cluster.wait_for_leader();
    cluster.hang_up(0);
    EXPECT_EQ(cluster.wait(0), (Ending{0, 0})) << cluster.log(0);
}

TEST(Shutdown, UnderNohupItOutlivesTheTerminal) {
    const TemporaryDirectory directory;
    const std::string port = std::to_string(free_ports(1).front());
    Process process(
        {"/usr/bin/nohup", QUORATED_PATH, "--data-dir", (directory.path() / "data").string(), "--port", port},
        {}, directory.path() / "log");
    HttpClient client;
    const std::string address = "127.0.0.1:" + port;
    ASSERT_TRUE(eventually([&] { return client.put(address, "/kv/k", "v").status == 200; }));
    process.signal(SIGHUP);
    for (int i = 0; i < 10; ++i) EXPECT_EQ(client.put(address, "/kv/k", "v").status, 200);
    process.signal(SIGTERM);
    EXPECT_EQ(process.wait(), (Ending{0, 0}));
}

// A minority cannot hand over anything, and stops all the same.
TEST(Shutdown, ALoneNodeOfThreeStops) {
    Cluster cluster(3);
    const std::size_t leader = cluster.wait_for_leader();
    for (std::size_t node = 0; node < cluster.size(); ++node) {
        if (node != leader) cluster.kill(node);
    }
    cluster.terminate(leader);
    EXPECT_EQ(cluster.wait(leader), (Ending{0, 0})) << cluster.log(leader);
}

}  // namespace
}  // namespace quorate::test
