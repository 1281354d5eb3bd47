// What a node is told of its members against what its log says, and how it knows who greets it.

#include <memory>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/node_cluster.h"

namespace quorate::test {
namespace {

using server::ClusterMembers;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Members by number, at ports of 7070 and the number, or of another base.
ClusterMembers members_of(const std::vector<int>& numbers, int base_port = 7070) {
    ClusterMembers members;
    for (const int number : numbers) {
        const std::string name = std::to_string(number);
        members.members.push_back({server::server_id_of(name), name,
                                   fmt::format("127.0.0.1:{}", base_port + number),
                                   server::MemberRole::Voter});
    }
    return members;
}

// Node 1 as it is told of these members.
NodeHost host_of(const ClusterMembers& members) {
    server::NodeConfig config;
    config.cluster_id = "test";
    config.self = members.members.front();
    config.members = members;
    config.raft.self = config.self.id;
    config.segment_bytes = std::uint64_t{256} << 10;
    return {config, 1};
}

// What node 1 says when it is started with `now` on a directory that `first` began.
class Restart {
 public:
    Restart(const ClusterMembers& first, const ClusterMembers& now) : host_(host_of(now)) {
        NodeHost before = host_of(first);
        before.start();
        EXPECT_TRUE(before.is_up());
        before.crash();
        host_.disk = std::move(before.disk);
        host_.start();
    }
    NodeHost* operator->() { return &host_; }

 private:
    NodeHost host_;
};

// It would go on as the cluster of one that its log is, while the other two form theirs.
TEST(NodeMembers, ADirectoryOfALoneNodeJoinsNoCluster) {
    Restart node(members_of({1}), members_of({1, 2, 3}));
    EXPECT_FALSE(node->is_up());
    ASSERT_TRUE(node->refusal.has_value());
    EXPECT_EQ(node->refusal->code, wal::RefusalCode::WrongIdentity);
    EXPECT_THAT(node->refusal->message, AllOf(HasSubstr("members 1, 2, 3,"), HasSubstr("the cluster of 1;"),
                                              HasSubstr("--data-dir")));
}

TEST(NodeMembers, ADirectoryOfAnotherListJoinsNoCluster) {
    for (const auto& now : {members_of({1, 2}), members_of({1, 2, 4}), members_of({1, 2, 3, 4})}) {
        Restart node(members_of({1, 2, 3}), now);
        EXPECT_FALSE(node->is_up());
        ASSERT_TRUE(node->refusal.has_value());
        EXPECT_THAT(node->refusal->message, HasSubstr("the cluster of 1, 2, 3;"));
    }
}

// It may have been a member before, and have forgotten it.
TEST(NodeMembers, AnEmptyDirectoryIsToldOfInACluster) {
    NodeHost node = host_of(members_of({1, 2, 3}));
    node.start();
    EXPECT_THAT(node.lines, ElementsAre(AllOf(HasSubstr("the data directory was empty"), HasSubstr("'1'"),
                                              HasSubstr("docs/operations.md, A node of a cluster"))));
    node.lines.clear();
    node.crash();
    node.start();
    EXPECT_THAT(node.lines, IsEmpty());
    NodeHost lone = host_of(members_of({1}));
    lone.start();
    EXPECT_THAT(lone.lines, IsEmpty());
}

TEST(NodeMembers, WithoutAListTheLogDecides) {
    Restart node(members_of({1, 2, 3}), members_of({1}));
    ASSERT_TRUE(node->is_up());
    EXPECT_EQ(node->node().members(), members_of({1, 2, 3}));
    EXPECT_THAT(node->lines, IsEmpty());
}

TEST(NodeMembers, AnotherAddressIsToldAndTheLogDecides) {
    ClusterMembers now = members_of({1, 2, 3});
    now.members[1].address = "127.0.0.1:9999";
    Restart node(members_of({1, 2, 3}), now);
    ASSERT_TRUE(node->is_up());
    EXPECT_EQ(node->node().members(), members_of({1, 2, 3}));
    EXPECT_THAT(node->lines, ElementsAre(AllOf(HasSubstr("member 2 is at 127.0.0.1:7072 "),
                                               HasSubstr("127.0.0.1:9999"), HasSubstr("the log decides"))));
}

TEST(NodeMembers, GreetingIsCheckedForClusterNamesAndFirstMembers) {
    NodeCluster cluster(3);
    auto headers = cluster.node(2).greeting_to("1");
    EXPECT_EQ(answer_to_greeting(cluster.node(1), headers), "welcome");
    // The timing matters to who relies on clocks alone.
    const std::vector<std::string> codes{"wrong_cluster", "not_a_member", "wrong_node", "other_first_members",
                                         "welcome"};
    ASSERT_EQ(headers.size(), codes.size());
    for (std::size_t i = 0; i < headers.size(); ++i) {
        auto wrong = headers;
        wrong[i].value += i == 1 ? " " : "x";  // a name of nobody that may be
        EXPECT_EQ(answer_to_greeting(cluster.node(1), wrong), codes[i]);
    }
    EXPECT_EQ(answer_to_greeting(cluster.node(1), cluster.node(1).greeting_to("1")), "not_a_member")
        << "a node that greets itself";
}

// A lease counts on a silence as long as its own: of a peer that promises less, or nothing, nobody is heard.
TEST(NodeMembers, WhoReliesOnClocksGreetsNobodyWithAShorterSilence) {
    int started = 0;
    NodeCluster cluster(5, [&](server::NodeConfig& config) {
        ++started;
        if (started == 1) config.clock_drift_ppm = 1000;
        if (started == 2) --config.raft.election_timeout_ticks_min;
        if (started == 3) ++config.raft.election_timeout_ticks_min;
        // As many milliseconds, but the first of its long ticks may come at once.
        if (started == 5) config.tick_ms *= 2, config.raft.election_timeout_ticks_min /= 2;
    });
    EXPECT_EQ(answer_to_greeting(cluster.node(1), cluster.node(5).greeting_to("1")), "other_timing");
    EXPECT_EQ(answer_to_greeting(cluster.node(1), cluster.node(2).greeting_to("1")), "other_timing");
    EXPECT_EQ(answer_to_greeting(cluster.node(1), cluster.node(3).greeting_to("1")), "welcome");
    auto headers = cluster.node(4).greeting_to("1");
    EXPECT_EQ(answer_to_greeting(cluster.node(1), headers), "welcome");
    headers.pop_back();
    EXPECT_EQ(answer_to_greeting(cluster.node(1), headers), "other_timing");
    EXPECT_EQ(answer_to_greeting(cluster.node(2), cluster.node(1).greeting_to("2")), "welcome");
}

// It may be in a configuration that this node does not have yet.
TEST(NodeMembers, AStrangerOfTheSameBeginningIsWelcome) {
    NodeCluster cluster(3);
    auto headers = cluster.node(2).greeting_to("1");
    headers[1].value = "9";
    EXPECT_EQ(answer_to_greeting(cluster.node(1), headers), "welcome");
}

// A stranger whose list names us is told that the lists differ, not that its name is wrong.
TEST(NodeMembers, AStrangerHearsFirstThatItsListIsAnother) {
    NodeHost lone = host_of(members_of({1}));
    lone.start();
    NodeCluster cluster(3);
    EXPECT_EQ(answer_to_greeting(lone.node(), cluster.node(2).greeting_to("1")), "other_first_members");
}

}  // namespace
}  // namespace quorate::test
