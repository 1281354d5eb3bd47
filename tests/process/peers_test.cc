// Who greets as a peer and is none.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/process_cluster.h"

namespace quorate::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string greet(const std::string& address, const std::string& cluster, const std::string& to) {
    const RawConnection connection(address);
    connection.send(
        "GET /raft/peer HTTP/1.1\r\nHost: q\r\nConnection: Upgrade\r\nUpgrade: quorate-peer/3\r\n" +
        ("Quorate-Cluster: " + cluster) + "\r\nQuorate-From: n9\r\nQuorate-To: " + to + "\r\n\r\n");
    return connection.receive_until_closed().value_or("nothing");
}

std::size_t count(const std::string& text, const std::string& part) {
    std::size_t found = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
    return found;
}

// An operator looks at the node that is up as often as at the one that cannot join.
TEST(Peers, ThatAreRefusedAreLoggedOnceForEachReason) {
    Cluster cluster(1);
    (void)cluster.wait_for_leader();
    for (int i = 0; i < 3; ++i) {
        const std::string answer = greet(cluster.address(0), "another", "n1");
        EXPECT_THAT(answer, StartsWith("HTTP/1.1 421 "));
        EXPECT_THAT(answer, HasSubstr("wrong_cluster"));
        EXPECT_THAT(greet(cluster.address(0), "quorate", "n7"), HasSubstr("wrong_node"));
        EXPECT_THAT(greet(cluster.address(0), "quorate", "n1"), HasSubstr("other_first_members"));
    }
    for (const char* code : {"wrong_cluster", "wrong_node", "other_first_members"})
        EXPECT_EQ(count(cluster.log(0), std::string("warning a peer at 127.0.0.1 is refused: ") + code), 1U)
            << code;
}

}  // namespace
}  // namespace quorate::test
