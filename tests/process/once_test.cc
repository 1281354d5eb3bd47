// Writes with an Idempotency-Key against processes that die.

#include <gtest/gtest.h>

#include "tests/support/process_load.h"

namespace quorate::test {
namespace {

TEST(OnceOnDisk, ARepetitionGetsTheFirstAnswerFromEveryLaterLeader) {
    Cluster cluster(3);
    HttpClient client;
    const std::vector<std::string> headers{"Idempotency-Key: order-66"};
    const std::size_t first = cluster.wait_for_leader();
    const Reply answer = client.request("PUT", cluster.address(first), "/kv/k", "1", headers);
    ASSERT_EQ(answer.status, 200) << answer.body << answer.failure;
    ASSERT_EQ(client.put(cluster.address(first), "/kv/k", "2").status, 200);
    cluster.kill(first);
    const std::size_t second = cluster.wait_for_leader(first);
    const Reply again = client.request("PUT", cluster.address(second), "/kv/k", "1", headers);
    EXPECT_EQ(again.status, 200) << again.body << again.failure;
    EXPECT_EQ(again.header("etag"), answer.header("etag"));
    EXPECT_EQ(again.header("idempotency-replayed"), "true");
    ASSERT_EQ(client.request("POST", cluster.address(second), "/admin/snapshot").status, 200);
    cluster.start(first);
    for (std::size_t node = 0; node < cluster.size(); ++node) cluster.kill(node);
    for (std::size_t node = 0; node < cluster.size(); ++node) cluster.start(node);
    const std::size_t third = cluster.wait_for_leader();
    const Reply late = client.request("PUT", cluster.address(third), "/kv/k", "1", headers);
    EXPECT_EQ(late.header("idempotency-replayed"), "true") << late.body << late.failure;
    EXPECT_EQ(client.get(cluster.address(third), "/kv/k").body, "2");
}

}  // namespace
}  // namespace quorate::test
