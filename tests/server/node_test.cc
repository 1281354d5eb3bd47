// Whole nodes, joined by a virtual network: what clients see.

#include <algorithm>
#include <memory>
#include <utility>

#include <gtest/gtest.h>

#include "tests/support/node_cluster.h"

namespace quorate::test {
namespace {

using server::HttpResponse;

std::string header(const HttpResponse& response, std::string_view name) {
    for (const auto& h : response.headers) {
        if (h.name == name) return h.value;
    }
    return "absent";
}

int other_than(int number) { return number == 1 ? 2 : 1; }

TEST(Node, AloneLeadsAndServes) {
    NodeCluster cluster(1);
    ASSERT_EQ(cluster.await_leader(), 1);
    EXPECT_EQ(cluster.request(1, "PUT", "/kv/a", "1").status, 200);
    const HttpResponse got = cluster.request(1, "GET", "/kv/a");
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

TEST(Node, MakesNoAnswerToAReadThatIsNotWanted) {
    NodeCluster cluster(1);
    ASSERT_EQ(cluster.await_leader(), 1);
    ASSERT_EQ(cluster.request(1, "PUT", "/kv/a", std::string(100'000, 'x')).status, 200);
    ASSERT_EQ(cluster.request(1, "PUT", "/kv/b", "1").status, 200);
    cluster.host(1).is_answer_wanted = false;
    for (const char* target : {"/kv/a", "/kv/a?consistency=stale", "/kv/none", "/kv/range"}) {
        cluster.host(1).asked_bytes.clear();
        EXPECT_EQ(cluster.request(1, "GET", target).status, 0) << target;
        ASSERT_EQ(cluster.host(1).asked_bytes.size(), 1U);
        const bool is_large = std::string_view(target) != "/kv/none";
        EXPECT_EQ(cluster.host(1).asked_bytes[0] >= 100'000, is_large) << target;
    }
    cluster.run_for(6000);
    EXPECT_TRUE(cluster.node(1).is_quiet()) << "nothing waits for a time to run out";
    cluster.host(1).is_answer_wanted = true;
    EXPECT_EQ(cluster.request(1, "GET", "/kv/a").body.size(), 100'000U);
}

TEST(Node, FollowerSaysWhoLeadsWhenItShallNotForward) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    const HttpResponse refused = cluster.request(other_than(leader), "PUT", "/kv/a?forward=false", "1");
    EXPECT_EQ(refused.status, 409);
    EXPECT_NE(refused.body.find("\"not_leader\""), std::string::npos);
    EXPECT_NE(refused.body.find("\"127.0.0.1:" + std::to_string(7070 + leader) + "\""), std::string::npos)
        << refused.body;
    EXPECT_EQ(cluster.request(leader, "PUT", "/kv/a?forward=false", "1").status, 200);
}

TEST(Node, WithoutLeaderItSaysSoAtOnce) {
    NodeCluster cluster(3);
    const HttpResponse refused = cluster.request(1, "PUT", "/kv/a", "1");
    EXPECT_EQ(refused.status, 503);
    EXPECT_NE(header(refused, "Retry-After"), "absent");
    EXPECT_EQ(cluster.request(1, "GET", "/kv/a").status, 503);
    EXPECT_EQ(cluster.request(1, "GET", "/kv/a?consistency=stale").status, 404);
}

// The link is down, or has no room for more: neither is a lack of a leader.
TEST(Node, SaysThatItCannotReachTheLeaderItKnows) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    ASSERT_NE(leader, 0);
    const int follower = other_than(leader);
    cluster.cut(follower, leader);
    for (const char* method : {"PUT", "GET"}) {
        const HttpResponse refused = cluster.request(follower, method, "/kv/a", "1");
        EXPECT_EQ(refused.status, 503) << method;
        EXPECT_NE(refused.body.find("\"leader_unreachable\""), std::string::npos) << refused.body;
        EXPECT_NE(header(refused, "Retry-After"), "absent");
    }
    EXPECT_TRUE(cluster.node(follower).is_quiet());
}

TEST(Node, MinorityAnswersWithinItsTimeAndTellsUnknownFromRefused) {
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

TEST(Node, DeposedLeaderServesNoStaleRead) {
    NodeCluster cluster(3);
    const int old_leader = cluster.await_leader();
    ASSERT_EQ(cluster.request(old_leader, "PUT", "/kv/a", "old").status, 200);
    cluster.isolate(old_leader);
    const auto read = cluster.send(old_leader, "GET", "/kv/a");
    cluster.run_for(3000);
    const int leader = cluster.node(other_than(old_leader)).raft().role() == engine::RoleName::Leader
                           ? other_than(old_leader)
                           : 6 - old_leader - other_than(old_leader);
    ASSERT_EQ(cluster.request(leader, "PUT", "/kv/a", "new").status, 200);
    cluster.run_for(3000);
    const HttpResponse* answer = cluster.answer(old_leader, read);
    ASSERT_NE(answer, nullptr);
    EXPECT_EQ(answer->status, 503);
    cluster.heal();
    cluster.run_for(2000);
    EXPECT_EQ(cluster.request(old_leader, "GET", "/kv/a").body, "new");
}

TEST(Node, OverwrittenWriteIsReportedAsNotApplied) {
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

TEST(Node, ForwardedWriteWhoseLinkBreaksIsOfUnknownFate) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    const int follower = other_than(leader);
    const auto write = cluster.send(follower, "PUT", "/kv/a", "1");
    cluster.host(follower).outbox.clear();
    cluster.node(follower).peer_lost(engine::ServerId(static_cast<std::uint64_t>(leader)));
    ASSERT_NE(cluster.answer(follower, write), nullptr);
    EXPECT_NE(cluster.answer(follower, write)->body.find("outcome_unknown"), std::string::npos);
}

TEST(Node, AcknowledgedWritesSurviveACrashOfAll) {
    NodeCluster cluster(3);
    int leader = cluster.await_leader();
    for (int i = 0; i < 100; ++i) {
        ASSERT_EQ(
            cluster.request(1 + i % 3, "PUT", "/kv/k" + std::to_string(i), std::string(100, 'v')).status,
            200);
    }
    for (int round = 0; round < 3; ++round) {
        for (int i = 1; i <= 3; ++i) cluster.host(i).crash();
        for (int i = 1; i <= 3; ++i) cluster.host(i).start();
        leader = cluster.await_leader();
        ASSERT_NE(leader, 0);
        for (int i = 0; i < 100; ++i) {
            ASSERT_EQ(cluster.request(1 + i % 3, "GET", "/kv/k" + std::to_string(i)).status, 200)
                << "round " << round;
        }
    }
    EXPECT_EQ(cluster.node(1).store().digest(), cluster.node(2).store().digest());
    EXPECT_EQ(cluster.node(1).store().digest(), cluster.node(3).store().digest());
}

TEST(Node, LaggingFollowerCatchesUpFromTheLeadersDisk) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    const int lagging = other_than(leader);
    cluster.host(lagging).crash();
    for (int i = 0; i < 300; ++i) {
        ASSERT_EQ(cluster.request(leader, "PUT", "/kv/k" + std::to_string(i), std::string(3000, 'v')).status,
                  200);
    }
    cluster.host(lagging).start();
    cluster.run_for(3000);
    EXPECT_EQ(cluster.node(lagging).store().digest(), cluster.node(leader).store().digest());
}

TEST(Node, StopHandsOverAndAnswersWhatItAccepted) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    const auto write = cluster.send(leader, "PUT", "/kv/a", "1");
    cluster.node(leader).begin_stop();
    cluster.run_for(300);
    EXPECT_TRUE(cluster.node(leader).is_quiet());
    EXPECT_NE(cluster.node(leader).raft().role(), engine::RoleName::Leader);
    ASSERT_NE(cluster.answer(leader, write), nullptr);
    EXPECT_EQ(cluster.request(leader, "PUT", "/kv/b", "1").status, 503);
    EXPECT_EQ(cluster.request(other_than(leader), "PUT", "/kv/b", "1").status, 200);
}

TEST(Node, ATransferIsAnsweredWhenItsTargetHasTakenOver) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    const int target = other_than(leader);
    const std::string order = "/cluster/transfer?to=" + std::to_string(target);
    const HttpResponse of_follower = cluster.request(target, "POST", order);
    EXPECT_EQ(of_follower.status, 409);
    EXPECT_NE(of_follower.body.find("127.0.0.1:" + std::to_string(7070 + leader)), std::string::npos);
    EXPECT_EQ(cluster.request(leader, "POST", "/cluster/transfer?to=stranger").status, 400);
    EXPECT_EQ(cluster.request(leader, "POST", "/cluster/transfer?to=" + std::to_string(leader)).status, 400);
    ASSERT_EQ(cluster.node(leader).raft().role(), engine::RoleName::Leader);

    EXPECT_EQ(cluster.request(leader, "POST", order).status, 200);
    EXPECT_EQ(cluster.await_leader(), target);
    EXPECT_EQ(cluster.request(leader, "PUT", "/kv/a", "1").status, 200);
}

// It lasts an election timeout, in which nothing is proposed; then the leader leads on.
TEST(Node, ATransferThatComesToNothingSaysSoAndALaterOneReplacesIt) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    const int target = other_than(leader);
    const std::string order = "/cluster/transfer?to=" + std::to_string(target);
    cluster.cut(leader, target);
    const auto first = cluster.send(leader, "POST", order);
    const auto second = cluster.send(leader, "POST", order);
    ASSERT_NE(cluster.answer(leader, first), nullptr);
    EXPECT_NE(cluster.answer(leader, first)->body.find("\"transfer_replaced\""), std::string::npos);
    EXPECT_EQ(cluster.answer(leader, second), nullptr);
    cluster.run_for(1500);
    ASSERT_NE(cluster.answer(leader, second), nullptr);
    EXPECT_NE(cluster.answer(leader, second)->body.find("\"transfer_timed_out\""), std::string::npos);
    EXPECT_EQ(cluster.request(leader, "POST", order).status, 400) << "it has not been heard of lately";
    EXPECT_EQ(cluster.request(leader, "PUT", "/kv/a", "1").status, 200);
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

TEST(Node, FailedSyncStopsTheNodeAndAcknowledgesNothing) {
    NodeCluster cluster(1);
    ASSERT_EQ(cluster.await_leader(), 1);
    cluster.host(1).disk->fail_operation(1, wal::DiskError::Failed);
    const auto write = cluster.send(1, "PUT", "/kv/a", "1");
    cluster.settle();
    ASSERT_TRUE(cluster.host(1).failure.has_value());
    EXPECT_EQ(cluster.host(1).failure->first, 15);
    EXPECT_EQ(cluster.answer(1, write), nullptr);
}

TEST(Node, FullDiskRefusesWritesAndServesReads) {
    NodeCluster cluster(1);
    ASSERT_EQ(cluster.await_leader(), 1);
    ASSERT_EQ(cluster.request(1, "PUT", "/kv/a", "1").status, 200);
    cluster.host(1).disk->set_capacity(1);
    int status = 200;
    for (int i = 0; i < 1000 && status == 200; ++i) {
        status = cluster.request(1, "PUT", "/kv/filler", std::string(4000, 'x')).status;
    }
    EXPECT_EQ(status, 507);
    EXPECT_EQ(cluster.request(1, "GET", "/kv/a").body, "1");
    EXPECT_NE(cluster.request(1, "GET", "/raft/health").body.find("\"storage\":\"full\""), std::string::npos);
    cluster.host(1).disk->set_capacity(UINT64_MAX);
    cluster.run_for(2000);
    EXPECT_EQ(cluster.request(1, "PUT", "/kv/b", "1").status, 200);
}

// Writes until the leader has no room, or for so long that it cannot matter.
void fill(NodeCluster& cluster) {
    for (int i = 0; i < 400; ++i) {
        const int leader = cluster.leader();
        if (leader == 0) {
            cluster.run_for(100);
        } else if (cluster.request(leader, "PUT", "/kv/filler", std::string(4000, 'x')).status == 507) {
            return;
        }
        cluster.run_for(10);
    }
}

std::uint64_t last_index(NodeCluster& cluster, int number) {
    return cluster.node(number).raft().log().last_index().value;
}

std::ptrdiff_t offers_of(NodeCluster& cluster, int number) {
    return std::ranges::count_if(cluster.host(number).lines,
                                 [](const std::string& line) { return line.starts_with("no room"); });
}

TEST(Node, ALeaderWithoutRoomHandsOverToOneThatHasRoom) {
    for (const int full : {1, 2, 3, 4, 5}) {
        SCOPED_TRACE(full);
        NodeCluster cluster(5);
        ASSERT_NE(cluster.await_leader(), 0);
        // Two neighbours, the leader one of them: in the old order each was the other's best successor.
        const int also_full = full % 5 + 1;
        for (const int number : {full, also_full}) cluster.host(number).disk->set_capacity(0);
        for (int tries = 0; cluster.leader() != full && tries < 100; ++tries) {
            const int leader = cluster.await_leader();
            if (leader == full) break;
            cluster.isolate(leader);
            cluster.run_for(3000);
            cluster.heal();
            cluster.run_for(2000);
        }
        ASSERT_EQ(cluster.leader(), full);
        fill(cluster);
        cluster.run_for(8000);
        const int leader = cluster.leader();
        ASSERT_NE(leader, 0);
        EXPECT_NE(leader, full);
        EXPECT_NE(leader, also_full);
        const engine::Term term = cluster.node(leader).raft().current_term();
        for (int minute = 0; minute < 10; ++minute) {
            EXPECT_EQ(cluster.request(full, "PUT", "/kv/a", std::to_string(minute)).status, 200);
            cluster.run_for(60'000);
        }
        EXPECT_EQ(cluster.leader(), leader);
        EXPECT_EQ(cluster.node(leader).raft().current_term(), term);
    }
}

TEST(Node, WithAllDisksFullReadsGoOnForHoursAndUseNoRoom) {
    NodeCluster cluster(3);
    ASSERT_NE(cluster.await_leader(), 0);
    ASSERT_EQ(cluster.request(1, "PUT", "/kv/a", "1").status, 200);
    for (int number = 1; number <= 3; ++number) cluster.host(number).disk->set_capacity(0);
    fill(cluster);
    cluster.run_for(10'000);
    const int leader = cluster.leader();
    ASSERT_NE(leader, 0);
    const std::uint64_t last = last_index(cluster, leader);
    for (int minute = 0; minute < 180; ++minute) {
        cluster.run_for(60'000);
        for (int number = 1; number <= 3; ++number) {
            ASSERT_EQ(cluster.request(number, "GET", "/kv/a").body, "1") << "minute " << minute;
            ASSERT_EQ(cluster.request(number, "PUT", "/kv/a", "2").status, 507) << "minute " << minute;
        }
    }
    EXPECT_EQ(cluster.leader(), leader);
    EXPECT_EQ(last_index(cluster, leader), last);
    EXPECT_LE(offers_of(cluster, leader), 200);
    for (int number = 1; number <= 3; ++number) cluster.host(number).disk->set_capacity(UINT64_MAX);
    cluster.run_for(10'000);
    EXPECT_EQ(cluster.request(1, "PUT", "/kv/a", "2").status, 200);
}

// The stop's own transfer takes the place of an offer that nobody has taken yet, and is waited for.
TEST(Node, AStopWaitsForItsTransferNotForAnEarlierOffer) {
    NodeCluster cluster(3);
    ASSERT_NE(cluster.await_leader(), 0);
    for (int number = 1; number <= 3; ++number) cluster.host(number).disk->set_capacity(0);
    fill(cluster);
    cluster.run_for(10'000);
    const int leader = cluster.leader();
    const auto offers = offers_of(cluster, leader);
    for (int ticks = 0; ticks < 6000 && offers_of(cluster, leader) == offers; ++ticks) cluster.run_for(10);
    cluster.node(leader).begin_stop();
    EXPECT_FALSE(cluster.node(leader).is_quiet());
    cluster.run_for(1000);
    EXPECT_TRUE(cluster.node(leader).is_quiet());
    cluster.host(leader).crash();
    EXPECT_NE(cluster.await_leader(), 0);
}

// The procedure of docs/operations.md, at its last step.
TEST(Node, AFollowerOnAnEmptyDirectoryGetsTheWholeLogUnderTheSameLeader) {
    for (const bool tells_of_lost_link : {true, false}) {
        SCOPED_TRACE(tells_of_lost_link);
        NodeCluster cluster(3);
        const int leader = cluster.await_leader();
        const int replaced = other_than(leader);
        for (int i = 0; i < 50; ++i) {
            ASSERT_EQ(cluster.request(leader, "PUT", "/kv/k" + std::to_string(i), "v").status, 200);
        }
        cluster.run_for(1000);
        const engine::Term term = cluster.node(leader).raft().current_term();
        cluster.host(replaced).crash();
        cluster.host(replaced).disk = std::make_unique<VirtualDisk>();
        if (tells_of_lost_link)
            cluster.node(leader).peer_lost(server::server_id_of(std::to_string(replaced)));
        cluster.host(replaced).start();
        cluster.run_for(3000);
        EXPECT_EQ(cluster.node(replaced).applied_index(), cluster.node(leader).applied_index());
        EXPECT_EQ(cluster.node(replaced).store().digest(), cluster.node(leader).store().digest());
        EXPECT_EQ(cluster.leader(), leader);
        EXPECT_EQ(cluster.node(leader).raft().current_term(), term);
        const auto& lines = cluster.host(leader).lines;
        EXPECT_TRUE(std::ranges::any_of(lines, [&](const std::string& line) {
            return line.starts_with("member " + std::to_string(replaced) + " lost acknowledged entries");
        }));
    }
}

// A read is asked again, together with one that began later; when the first one's time is over, the other
// still waits for the answer.
TEST(Node, AReadThatIsRetriedDoesNotEndALaterOne) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    const int follower = other_than(leader);
    const engine::ServerId leader_id = cluster.node(leader).raft().config().self;
    ASSERT_EQ(cluster.request(leader, "PUT", "/kv/a", "1").status, 200);
    NodeHost& host = cluster.host(follower);
    const auto earlier = cluster.send(follower, "GET", "/kv/a");
    cluster.node(follower).turn_ended();
    host.outbox.clear();  // its question is lost
    cluster.run_for(4000);
    const auto later = cluster.send(follower, "GET", "/kv/a");
    cluster.node(follower).peer_lost(leader_id);
    cluster.node(follower).turn_ended();
    auto question = std::exchange(host.outbox, {});
    ASSERT_EQ(question.size(), 1U);
    cluster.run_for(2000);
    ASSERT_NE(cluster.answer(follower, earlier), nullptr);
    EXPECT_EQ(cluster.answer(follower, earlier)->status, 503);
    ASSERT_EQ(cluster.answer(follower, later), nullptr);
    host.outbox = std::move(question);
    cluster.settle();
    ASSERT_NE(cluster.answer(follower, later), nullptr);
    EXPECT_EQ(cluster.answer(follower, later)->body, "1");
}

// The question that an earlier life put is answered late: to the life that asks now it says nothing.
TEST(Node, AnAnswerToAnEarlierLifeConfirmsNoRead) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    const int follower = other_than(leader);
    ASSERT_EQ(cluster.request(leader, "PUT", "/kv/a", "old").status, 200);
    const auto earlier = cluster.send(follower, "GET", "/kv/a");
    cluster.node(follower).turn_ended();
    auto late_question = std::exchange(cluster.host(follower).outbox, {});
    ASSERT_EQ(late_question.size(), 1U);
    cluster.host(follower).crash();
    cluster.host(follower).start();
    cluster.run_for(500);
    EXPECT_EQ(cluster.answer(follower, earlier), nullptr);

    const auto later = cluster.send(follower, "GET", "/kv/a");
    cluster.node(follower).turn_ended();
    const auto question = std::exchange(cluster.host(follower).outbox, std::move(late_question));
    ASSERT_EQ(question.size(), 1U);
    cluster.settle();
    EXPECT_EQ(cluster.answer(follower, later), nullptr) << "only its own question's answer confirms it";
    cluster.host(follower).outbox = question;
    cluster.settle();
    ASSERT_NE(cluster.answer(follower, later), nullptr);
    EXPECT_EQ(cluster.answer(follower, later)->body, "old");
}

// The client is told that nobody leads, long before its time has run out, and can ask again.
TEST(Node, AReadThatAChangeOfLeadersInterruptsIsNotForgotten) {
    NodeCluster cluster(3);
    const int old_leader = cluster.await_leader();
    const int follower = other_than(old_leader);
    ASSERT_EQ(cluster.request(old_leader, "PUT", "/kv/a", "1").status, 200);
    const auto read = cluster.send(follower, "GET", "/kv/a");
    cluster.node(follower).turn_ended();
    cluster.host(follower).outbox.clear();  // its question is lost
    cluster.isolate(old_leader);
    cluster.run_for(3500);
    ASSERT_NE(cluster.answer(follower, read), nullptr);
    EXPECT_NE(cluster.answer(follower, read)->body.find("\"no_leader\""), std::string::npos);
    EXPECT_EQ(cluster.request(follower, "GET", "/kv/a").body, "1");
}

// Cut from the log of the leader that took it, the write lives on in a follower's, and may yet win.
TEST(Node, AWriteThatWasCutFromTheLogIsOfUnknownFate) {
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
TEST(Node, AnAnswerToAnEarlierLifeDecidesNoWrite) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    const int follower = other_than(leader);
    static_cast<void>(cluster.send(follower, "PUT", "/kv/a", "earlier"));
    cluster.node(follower).turn_ended();
    auto late = std::exchange(cluster.host(follower).outbox, {});
    ASSERT_EQ(late.size(), 1U);
    cluster.host(follower).crash();
    cluster.host(follower).start();
    cluster.run_for(200);
    const auto later = cluster.send(follower, "PUT", "/kv/b", "later");
    cluster.node(follower).turn_ended();
    cluster.host(follower).outbox = std::move(late);  // in its place
    cluster.settle();
    EXPECT_EQ(cluster.answer(follower, later), nullptr);
    EXPECT_EQ(cluster.request(leader, "GET", "/kv/a").body, "earlier");
    EXPECT_EQ(cluster.request(leader, "GET", "/kv/b").status, 404);
}

// Confirmed, but for an index that this node does not reach: nothing is kept of a read whose time is over.
TEST(Node, ReadsThatWaitForAnIndexInVainAreForgotten) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    const int follower = other_than(leader);
    const int third = 6 - leader - follower;
    ASSERT_EQ(cluster.request(leader, "PUT", "/kv/a", "1").status, 200);
    // The follower hears heartbeats and answers to its questions, and no appends.
    cluster.host(leader).drops_appends_to = cluster.node(follower).raft().config().self;
    ASSERT_EQ(cluster.request(third, "PUT", "/kv/a", "2").status, 200);
    for (int batch = 0; batch < 3; ++batch) {
        std::vector<server::HttpExchange> reads;
        reads.reserve(50);
        for (int i = 0; i < 50; ++i) reads.push_back(cluster.send(follower, "GET", "/kv/a"));
        cluster.run_for(6000);
        for (const auto read : reads) {
            ASSERT_NE(cluster.answer(follower, read), nullptr);
            EXPECT_NE(cluster.answer(follower, read)->body.find("\"read_timed_out\""), std::string::npos);
        }
    }
    EXPECT_EQ(cluster.node(follower).reads_waiting(), 0U);
    cluster.host(leader).drops_appends_to.reset();
    cluster.run_for(1000);
    EXPECT_EQ(cluster.request(follower, "GET", "/kv/a").body, "2");
}

// A client's two writes, pipelined at a follower: the first one is late in the link while leadership goes
// away and comes back. What was asked first must not be done last.
TEST(Node, AForwardedWriteIsNotTakenInALaterTermThanItWasMeantFor) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    const int follower = other_than(leader);
    const int third = 6 - leader - follower;
    const auto first = cluster.send(follower, "PUT", "/kv/a", "first");
    cluster.node(follower).turn_ended();
    auto late = std::exchange(cluster.host(follower).outbox, {});
    ASSERT_EQ(late.size(), 1U);
    ASSERT_EQ(cluster.request(leader, "POST", "/cluster/transfer?to=" + std::to_string(third)).status, 200);
    ASSERT_EQ(cluster.await_leader(), third);
    EXPECT_EQ(cluster.request(follower, "PUT", "/kv/a", "second").status, 200);
    ASSERT_EQ(cluster.request(third, "POST", "/cluster/transfer?to=" + std::to_string(leader)).status, 200);
    ASSERT_EQ(cluster.await_leader(), leader);
    cluster.host(follower).outbox = std::move(late);
    cluster.run_for(100);
    ASSERT_NE(cluster.answer(follower, first), nullptr);
    EXPECT_NE(cluster.answer(follower, first)->body.find("\"no_leader\""), std::string::npos);
    EXPECT_EQ(cluster.request(follower, "GET", "/kv/a").body, "second");
}

// Staleness is the age of the data, not that of the last word from the leader.
TEST(Node, StalenessIsUnknownUntilTheStoreHasCaughtUp) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    const int follower = other_than(leader);
    ASSERT_EQ(cluster.request(leader, "PUT", "/kv/a", "1").status, 200);
    const auto staleness = [&](int node) {
        return header(cluster.request(node, "GET", "/kv/a?consistency=stale"), "Quorate-Staleness-Ms");
    };
    cluster.run_for(300);
    EXPECT_LE(std::stoi(staleness(follower)), 120) << "a heartbeat and two ticks";
    EXPECT_LE(std::stoi(staleness(leader)), 120);

    cluster.host(follower).crash();
    cluster.host(follower).start();
    // Only the leader's first heartbeat arrives.
    cluster.node(follower).frame_received(
        cluster.node(leader).raft().config().self,
        server::RaftFrame{engine::Heartbeat{cluster.node(leader).raft().current_term(), engine::Round(99),
                                            cluster.node(leader).raft().commit_index()},
                          {}});
    cluster.node(follower).turn_ended();
    const auto early = cluster.send(follower, "GET", "/kv/a?consistency=stale");
    ASSERT_NE(cluster.answer(follower, early), nullptr);
    EXPECT_EQ(cluster.answer(follower, early)->status, 404);
    EXPECT_EQ(header(*cluster.answer(follower, early), "Quorate-Staleness-Ms"), "unknown");
    cluster.run_for(1000);
    EXPECT_LE(std::stoi(staleness(follower)), 120);

    // A process that stood still for ten seconds sees one tick, and what lay in its socket at once.
    const std::uint64_t now_ms = cluster.now_ms();
    cluster.node(follower).tick(now_ms + 10'000);
    EXPECT_GE(std::stoi(staleness(follower)), 9'800);
    cluster.node(follower).frame_received(
        cluster.node(leader).raft().config().self,
        server::RaftFrame{engine::Heartbeat{cluster.node(leader).raft().current_term(), engine::Round(1000),
                                            cluster.node(leader).raft().commit_index()},
                          {}});
    EXPECT_GE(std::stoi(staleness(follower)), 9'800);
    cluster.skip(10'000);
    cluster.run_for(1000);
    EXPECT_LE(std::stoi(staleness(follower)), 120);

    cluster.isolate(leader);
    cluster.run_for(400);
    EXPECT_GE(std::stoi(staleness(leader)), 400) << "nobody has confirmed since that it leads";
    EXPECT_GE(std::stoi(staleness(follower)), 400);
}

TEST(Node, AStoppingNodeTakesNoLeadershipAndHandsOverWhatItWins) {
    NodeCluster cluster(3);
    const int leader = cluster.await_leader();
    const int stopping = other_than(leader);
    const int third = 6 - leader - stopping;
    cluster.node(stopping).begin_stop();
    const auto order = cluster.send(leader, "POST", "/cluster/transfer?to=" + std::to_string(stopping));
    cluster.run_for(1500);
    ASSERT_NE(cluster.answer(leader, order), nullptr);
    EXPECT_NE(cluster.answer(leader, order)->body.find("\"transfer_timed_out\""), std::string::npos);
    EXPECT_EQ(cluster.leader(), leader);

    // The third one's clock stands still when it has forgotten its leader: the stopping one wins, and hands
    // over.
    cluster.host(leader).crash();
    for (std::uint64_t ms = 0; ms < 5000 && cluster.leader() != stopping; ms += 10) {
        if (ms < 500) cluster.node(third).tick(100'000 + ms);
        cluster.node(stopping).tick(100'000 + ms);
        cluster.settle();
    }
    ASSERT_EQ(cluster.leader(), stopping);
    EXPECT_FALSE(cluster.node(stopping).is_quiet());
    cluster.run_for(200);
    EXPECT_EQ(cluster.leader(), third);
    EXPECT_TRUE(cluster.node(stopping).is_quiet());
}

TEST(Node, DirectoryOfAnotherNodeIsRefused) {
    NodeCluster cluster(3);
    ASSERT_NE(cluster.await_leader(), 0);
    cluster.host(1).crash();
    cluster.host(2).crash();
    std::swap(cluster.host(1).disk, cluster.host(2).disk);
    cluster.host(1).start();
    EXPECT_FALSE(cluster.host(1).is_up());
    ASSERT_TRUE(cluster.host(1).refusal.has_value());
    EXPECT_EQ(cluster.host(1).refusal->code, wal::RefusalCode::WrongIdentity);
}

}  // namespace
}  // namespace quorate::test
