// What becomes of a write whose leader, link or log entry is lost, and what its client is told.

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "server/command.h"
#include "tests/support/node_cluster.h"

namespace quorate::test {
namespace {

// By which the answer to the write in this frame will name it.
std::uint64_t forwarded_number(std::string_view frame) {
    server::FrameReader reader;
    reader.feed(frame);
    const auto read = server::next_peer_frame(reader);
    return std::get<server::ForwardWrite>(read->value()).request;
}

TEST(NodeWrites, MinorityAnswersWithinItsTimeAndTellsUnknownFromRefused) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    cluster.isolate(leader);
    const auto write = cluster.send(leader, "PUT", "/kv/a", "1");
    const auto read = cluster.send(leader, "GET", "/kv/a");
    cluster.settle();
    EXPECT_EQ(cluster.answer(leader, write), nullptr);
    cluster.run_for(6000);
    ASSERT_NE(cluster.answer(leader, write), nullptr);
    EXPECT_EQ(cluster.answer(leader, write)->status, 503);
    EXPECT_NE(cluster.answer(leader, write)->body.find("outcome_unknown"), std::string::npos);
    ASSERT_NE(cluster.answer(leader, read), nullptr);
    EXPECT_EQ(cluster.answer(leader, read)->status, 503);
}

TEST(NodeWrites, OverwrittenWriteIsReportedAsNotApplied) {
    NodeCluster cluster(3);
    const int old_leader = cluster.await_leader();
    cluster.isolate(old_leader);
    const auto lost = cluster.send(old_leader, "PUT", "/kv/a", "lost");
    cluster.run_for(2500);
    cluster.heal();
    ASSERT_NE(cluster.await_leader(), 0);
    cluster.run_for(500);
    ASSERT_NE(cluster.answer(old_leader, lost), nullptr);
    EXPECT_NE(cluster.answer(old_leader, lost)->body.find("\"not_applied\""), std::string::npos);
    EXPECT_EQ(cluster.request(old_leader, "GET", "/kv/a").status, 404);
}

TEST(NodeWrites, ForwardedWriteWhoseLinkBreaksIsOfUnknownFate) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    const int follower = other_than(leader);
    const auto write = cluster.send(follower, "PUT", "/kv/a", "1");
    cluster.host(follower).outbox.clear();
    cluster.node(follower).peer_lost(engine::ServerId(static_cast<std::uint64_t>(leader)));
    ASSERT_NE(cluster.answer(follower, write), nullptr);
    EXPECT_NE(cluster.answer(follower, write)->body.find("outcome_unknown"), std::string::npos);
}

// Cut from the log of the leader that took it, the write lives on in a follower's, and may yet win.
TEST(NodeWrites, AWriteThatWasCutFromTheLogIsOfUnknownFate) {
    NodeCluster cluster(5);
    const int leader = cluster.await_leader();
    cluster.isolate(leader);
    std::vector<server::HttpExchange> writes;
    for (const char* target : {"/kv/a", "/kv/b", "/kv/c"})
        writes.push_back(cluster.send(leader, "PUT", target, "1"));
    cluster.run_for(2500);
    ASSERT_NE(cluster.leader(), leader);
    const int successor = cluster.leader();
    // The successor's no-op takes the first one's place and the old leader's own the second one's, who then
    // proposes at the third one's.
    cluster.heal();
    ASSERT_EQ(cluster.await_leader(), successor);
    EXPECT_EQ(cluster.request(successor, "POST", "/cluster/transfer?to=" + std::to_string(leader)).status,
              200);
    ASSERT_EQ(cluster.await_leader(), leader);
    EXPECT_EQ(cluster.request(leader, "PUT", "/kv/d", "1").status, 200);
    const std::vector<std::string> codes{"not_applied", "not_applied", "outcome_unknown"};
    for (std::size_t i = 0; i < writes.size(); ++i) {
        ASSERT_NE(cluster.answer(leader, writes[i]), nullptr) << i;
        EXPECT_NE(cluster.answer(leader, writes[i])->body.find(codes[i]), std::string::npos) << i;
    }
}

// The write that an earlier life forwarded is answered late: to the write that waits now it says nothing.
TEST(NodeWrites, AnAnswerToAnEarlierLifeDecidesNoWrite) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    const int follower = other_than(leader);
    const auto earlier = cluster.send_late(follower, "PUT", "/kv/a", "earlier");
    cluster.host(follower).crash();
    cluster.host(follower).start();
    cluster.run_for(200);
    const auto later = cluster.send_late(follower, "PUT", "/kv/b", "later").exchange;
    cluster.host(follower).outbox = earlier.frames;  // in its place
    cluster.settle();
    EXPECT_EQ(cluster.answer(follower, later), nullptr);
    EXPECT_EQ(cluster.request(leader, "GET", "/kv/a").body, "earlier");
    EXPECT_EQ(cluster.request(leader, "GET", "/kv/b").status, 404);
}

// A client's two writes, pipelined at a follower: the first one is late in the link while leadership goes
// away and comes back. What was asked first must not be done last.
TEST(NodeWrites, AForwardedWriteIsNotTakenInALaterTermThanItWasMeantFor) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    const int follower = other_than(leader);
    const int third = 6 - leader - follower;
    const auto first = cluster.send_late(follower, "PUT", "/kv/a", "first");
    ASSERT_EQ(cluster.request(leader, "POST", "/cluster/transfer?to=" + std::to_string(third)).status, 200);
    ASSERT_EQ(cluster.await_leader(), third);
    EXPECT_EQ(cluster.request(follower, "PUT", "/kv/a", "second").status, 200);
    ASSERT_EQ(cluster.request(third, "POST", "/cluster/transfer?to=" + std::to_string(leader)).status, 200);
    ASSERT_EQ(cluster.await_leader(), leader);
    cluster.host(follower).outbox = first.frames;
    cluster.run_for(100);
    ASSERT_NE(cluster.answer(follower, first.exchange), nullptr);
    EXPECT_NE(cluster.answer(follower, first.exchange)->body.find("\"no_leader\""), std::string::npos);
    EXPECT_EQ(cluster.request(follower, "GET", "/kv/a").body, "second");
}

// Numbers are easily guessed: a peer answers what it was handed, and nothing else.
TEST(NodeWrites, APeerAnswersNothingThatItWasNotHanded) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    const int follower = other_than(leader);
    const int third = 6 - leader - follower;
    const auto write = cluster.send_late(follower, "PUT", "/kv/a", "1");
    const auto read = cluster.send_late(follower, "GET", "/kv/a");
    const auto pretend = [&](int from, std::uint64_t request) {
        cluster.node(follower).frame_received(engine::ServerId(static_cast<std::uint64_t>(from)),
                                              server::ForwardWriteReply{request, server::WriteApplied{}});
    };
    const std::uint64_t asked = forwarded_number(write.frames.front().second);
    pretend(third, asked);
    EXPECT_EQ(cluster.answer(follower, write.exchange), nullptr);
    pretend(leader, asked + 1);
    EXPECT_EQ(cluster.answer(follower, read.exchange), nullptr);
    pretend(leader, asked);
    ASSERT_NE(cluster.answer(follower, write.exchange), nullptr);
    EXPECT_EQ(cluster.answer(follower, write.exchange)->status, 200);
}

// Like any write: a peer decides nothing for the cluster.
TEST(NodeWrites, APeerCannotMakeTheClusterForget) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    for (const char* value : {"1", "2"}) (void)cluster.request(leader, "PUT", "/kv/a", value);
    cluster.node(leader).frame_received(engine::ServerId(static_cast<std::uint64_t>(other_than(leader))),
                                        server::ForwardWrite{77, cluster.node(leader).raft().current_term(),
                                                             server::encode_command({{}, {}, 2})});
    cluster.settle();
    EXPECT_EQ(cluster.request(leader, "GET", "/kv/a?revision=1").body, "1");
}

}  // namespace
}  // namespace quorate::test
