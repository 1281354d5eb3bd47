// Processes that die without warning.

#include <gtest/gtest.h>

#include "tests/support/process_load.h"

namespace quorate::test {
namespace {

TEST(Crash, AFollowerKilledUnderLoadCatchesUp) {
    Cluster cluster(3);
    const std::size_t follower = cluster.some_follower();
    Load load(cluster, 4);
    ASSERT_TRUE(load.wait_for(200));
    cluster.kill(follower);
    ASSERT_TRUE(load.wait_for(500)) << "two of three go on";
    cluster.start(follower);
    ASSERT_TRUE(load.wait_for(200)) << "and while it catches up";
    load.stop();

    ASSERT_TRUE(cluster.wait_until_caught_up(follower));
    expect_exactly_the_attempts(cluster, load.attempts());
}

TEST(Crash, AllNodesKilledAtOnceComeBackWithEverything) {
    Cluster cluster(3);
    (void)cluster.wait_for_leader();
    Load load(cluster, 4);
    ASSERT_TRUE(load.wait_for(500));
    for (std::size_t node = 0; node < cluster.size(); ++node) cluster.kill(node);
    load.stop();

    for (std::size_t node = 0; node < cluster.size(); ++node) cluster.start(node);
    (void)cluster.wait_for_leader();
    for (std::size_t node = 0; node < cluster.size(); ++node) ASSERT_TRUE(cluster.wait_until_caught_up(node));
    expect_exactly_the_attempts(cluster, load.attempts());
}

TEST(Crash, ASingleNodeKilledUnderLoadComesBackWithEverything) {
    Cluster cluster(1);
    (void)cluster.wait_for_leader();
    Load load(cluster, 4);
    for (int round = 0; round < 3; ++round) {
        ASSERT_TRUE(load.wait_for(200));
        cluster.kill(0);
        cluster.start(0);
        (void)cluster.wait_for_leader();
    }
    load.stop();
    expect_exactly_the_attempts(cluster, load.attempts());
}

TEST(Crash, TermAndVoteOutliveTheProcess) {
    Cluster cluster(3);
    const std::size_t leader = cluster.wait_for_leader();
    const auto term = cluster.health(leader).at("term").get<std::uint64_t>();
    for (std::size_t node = 0; node < cluster.size(); ++node) cluster.kill(node);
    for (std::size_t node = 0; node < cluster.size(); ++node) cluster.start(node);
    EXPECT_GT(cluster.health(cluster.wait_for_leader()).at("term").get<std::uint64_t>(), term);
}

// Two of three are gone: nothing can be decided, and clients are told so instead of waiting for ever.
TEST(Crash, AMinorityRefusesAndServesAgainWhenTheOthersAreBack) {
    Cluster cluster(3);
    HttpClient client;
    ASSERT_EQ(client.put(cluster.address(cluster.wait_for_leader()), "/kv/k", "before").status, 200);
    const std::size_t left = cluster.some_follower();
    for (std::size_t node = 0; node < cluster.size(); ++node) {
        if (node != left) cluster.kill(node);
    }

    for (const char* method : {"PUT", "GET", "DELETE"}) {
        const bool writes = std::string_view(method) == "PUT";
        const Reply reply = client.request(method, cluster.address(left), "/kv/k",
                                           writes ? std::optional<std::string_view>("during") : std::nullopt);
        EXPECT_EQ(reply.status, 503) << method << " " << reply.body << reply.failure;
        EXPECT_NE(reply.header("retry-after"), "") << method;
    }

    for (std::size_t node = 0; node < cluster.size(); ++node) {
        if (node != left) cluster.start(node);
    }
    (void)cluster.wait_for_leader();
    EXPECT_TRUE(
        eventually([&] { return client.put(cluster.address(left), "/kv/k", "after").status == 200; }));
    EXPECT_EQ(client.get(cluster.address(left), "/kv/k").body, "after");
}

// A leader without followers must not serve what it cannot confirm, nor write alone.
TEST(Crash, ALeaderLeftAloneStopsServing) {
    Cluster cluster(3);
    HttpClient client;
    const std::size_t leader = cluster.wait_for_leader();
    ASSERT_EQ(client.put(cluster.address(leader), "/kv/k", "before").status, 200);
    for (std::size_t node = 0; node < cluster.size(); ++node) {
        if (node != leader) cluster.kill(node);
    }
    EXPECT_EQ(client.put(cluster.address(leader), "/kv/k", "alone").status, 503);
    EXPECT_EQ(client.get(cluster.address(leader), "/kv/k").status, 503);
    EXPECT_TRUE(eventually([&] { return cluster.health(leader).value("role", "") != "leader"; }));
}

}  // namespace
}  // namespace quorate::test
