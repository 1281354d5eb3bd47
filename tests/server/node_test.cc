// Whole nodes, joined by a virtual network: what clients are told when all is well, and whom to ask.

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/node_cluster.h"

namespace quorate::test {
namespace {

TEST(Node, AloneLeadsAndServes) {
    NodeCluster cluster(1);
    ASSERT_EQ(cluster.await_leader(), 1);
    EXPECT_EQ(cluster.request(1, "PUT", "/kv/a", "1").status, 200);
    const server::HttpResponse got = cluster.request(1, "GET", "/kv/a");
    EXPECT_EQ(got.status, 200);
    EXPECT_EQ(got.body, "1");
    EXPECT_EQ(header(got, "ETag"), "\"1\"");
    EXPECT_EQ(cluster.request(1, "GET", "/kv/b").status, 404);
}

TEST(Node, EveryNodeTakesEveryRequest) {
    NodeCluster cluster(3);
    ASSERT_NE(cluster.await_leader(), 0);
    for (int i = 1; i <= 3; ++i) {
        EXPECT_EQ(cluster.request(i, "PUT", "/kv/from" + std::to_string(i), "v").status, 200);
        for (int j = 1; j <= 3; ++j) {
            EXPECT_EQ(cluster.request(j, "GET", "/kv/from" + std::to_string(i)).body, "v")
                << i << " read at " << j;
        }
    }
    EXPECT_EQ(cluster.request(2, "POST", "/kv/batch", "PUT x 1\nDEL from1\n").status, 200);
    EXPECT_EQ(cluster.request(3, "GET", "/kv/from1").status, 404);
    EXPECT_EQ(cluster.request(1, "GET", "/kv/range?limit=1").body, "{\"k\":\"from2\",\"v\":\"v\"}\n");
}

TEST(Node, FollowerSaysWhoLeadsWhenItShallNotForward) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    const server::HttpResponse refused =
        cluster.request(other_than(leader), "PUT", "/kv/a?forward=false", "1");
    EXPECT_EQ(refused.status, 409);
    EXPECT_NE(refused.body.find("\"not_leader\""), std::string::npos);
    EXPECT_NE(refused.body.find("\"127.0.0.1:" + std::to_string(7070 + leader) + "\""), std::string::npos)
        << refused.body;
    EXPECT_EQ(cluster.request(leader, "PUT", "/kv/a?forward=false", "1").status, 200);
}

TEST(Node, WithoutLeaderItSaysSoAtOnce) {
    NodeCluster cluster(3);
    const server::HttpResponse refused = cluster.request(1, "PUT", "/kv/a", "1");
    EXPECT_EQ(refused.status, 503);
    EXPECT_NE(header(refused, "Retry-After"), "absent");
    EXPECT_EQ(cluster.request(1, "GET", "/kv/a").status, 503);
    EXPECT_EQ(cluster.request(1, "GET", "/kv/a?consistency=stale").status, 503);
}

// Nobody has told it yet what of its log is committed: that it has no such key it does not know.
TEST(Node, BeforeItHasAppliedAnythingItHasNothingToServe) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    ASSERT_EQ(cluster.request(leader, "PUT", "/kv/a", "1").status, 200);
    const int alone = other_than(leader);
    cluster.run_for(20);
    EXPECT_EQ(cluster.request(alone, "GET", "/kv/a?consistency=stale").body, "1");
    cluster.host(alone).crash();
    cluster.isolate(alone);
    cluster.host(alone).start();
    for (const char* target : {"/kv/a", "/kv/none", "/kv/range", "/admin/backup"}) {
        const auto answer = cluster.request(alone, "GET", std::string(target) + "?consistency=stale");
        EXPECT_EQ(answer.status, 503) << target;
        EXPECT_TRUE(answer.body.contains("store_loading")) << target;
        EXPECT_NE(header(answer, "Retry-After"), "absent");
    }
    EXPECT_TRUE(cluster.request(alone, "GET", "/raft/health").body.contains(R"("state":"replaying")"));
    cluster.heal();
    cluster.run_for(1000);
    EXPECT_EQ(cluster.request(alone, "GET", "/kv/a?consistency=stale").body, "1");
    EXPECT_EQ(cluster.request(alone, "GET", "/kv/none?consistency=stale").status, 404);
}

TEST(Node, WhatItKnewToBeCommittedItAppliesWithoutALeader) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    for (const char* value : {"1", "2", "3"})
        ASSERT_EQ(cluster.request(leader, "PUT", "/kv/a", value).status, 200);
    const int alone = other_than(leader);
    cluster.run_for(500);  // its vote files tell at the first idle moment
    cluster.host(alone).crash();
    cluster.isolate(alone);
    cluster.host(alone).adjust([](server::NodeConfig& config) { config.apply_bytes_max = 1; });
    cluster.host(alone).start();
    const engine::LogIndex known = cluster.node(alone).raft().commit_index();
    EXPECT_GE(known, engine::LogIndex(4));
    while (cluster.node(alone).applied_index() < known) {
        EXPECT_EQ(cluster.request(alone, "GET", "/kv/a?consistency=stale").status, 503) << "of older days";
        cluster.node(alone).turn_ended(cluster.now_ms());
    }
    EXPECT_EQ(cluster.request(alone, "GET", "/kv/a?consistency=stale").body, "3");
    EXPECT_EQ(cluster.request(alone, "GET", "/kv/none?consistency=stale").status, 404);
    EXPECT_EQ(cluster.request(alone, "GET", "/kv/a").status, 503) << "nobody says that it is the newest";
}

// Somebody has accepted that acknowledged writes are lost, and one node still knows of them.
TEST(Node, SaysThatALeaderHasAnotherEntryThanItKnowsToBeCommitted) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    ASSERT_EQ(cluster.request(leader, "PUT", "/kv/a", "1").status, 200);
    cluster.run_for(500);
    const int follower = other_than(leader);
    const engine::Raft& raft = cluster.node(follower).raft();
    const engine::LogIndex at = raft.commit_index();
    const engine::Term term = raft.current_term().next();
    const engine::EntryId previous{at.previous(), raft.log().term_at(at.previous())};
    const std::uint64_t digest = cluster.node(follower).store().digest();
    for (int i = 0; i < 3; ++i) {
        cluster.node(follower).frame_received(
            cluster.node(leader).raft().config().self,
            server::RaftFrame{engine::AppendEntries{term, previous, 1, at},
                              {wal::LogEntry{term, engine::EntryKind::NoOp, {}}}});
    }
    const auto& lines = cluster.host(follower).lines;
    EXPECT_EQ(std::ranges::count_if(lines,
                                    [&](const std::string& line) {
                                        return line.contains("leads with other entries at " +
                                                             std::to_string(previous.index.value) +
                                                             " or behind it than this node knows");
                                    }),
              1);
    EXPECT_EQ(cluster.node(follower).store().digest(), digest);
}

// The link is down, or has no room for more: neither is a lack of a leader.
TEST(Node, SaysThatItCannotReachTheLeaderItKnows) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    ASSERT_NE(leader, 0);
    const int follower = other_than(leader);
    cluster.cut(follower, leader);
    for (const char* method : {"PUT", "GET"}) {
        const server::HttpResponse refused = cluster.request(follower, method, "/kv/a", "1");
        EXPECT_EQ(refused.status, 503) << method;
        EXPECT_NE(refused.body.find("\"leader_unreachable\""), std::string::npos) << refused.body;
        EXPECT_NE(header(refused, "Retry-After"), "absent");
    }
    EXPECT_TRUE(cluster.node(follower).is_quiet());
}

TEST(Node, NodesAreAskedAtOnceAndTheMissingOneIsDown) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    const int down = other_than(leader);
    cluster.host(down).crash();
    const auto query = cluster.send(leader, "GET", "/cluster/nodes");
    cluster.run_for(1000);
    ASSERT_NE(cluster.answer(leader, query), nullptr);
    const std::string& body = cluster.answer(leader, query)->body;
    EXPECT_EQ(cluster.answer(leader, query)->status, 200);
    EXPECT_NE(body.find("\"up\":false"), std::string::npos) << body;
    EXPECT_NE(body.find("\"up\":true"), std::string::npos) << body;
}

}  // namespace
}  // namespace quorate::test
