// The majority is lost for good: a survivor goes on as a cluster of its own.

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "server/members_json.h"
#include "tests/support/node_cluster.h"

namespace quorate::test {
namespace {

using testing::HasSubstr;

class Forced : public testing::Test {
 protected:
    Forced() {
        leader_ = cluster_.await_leader();
        survivor_ = other_than(leader_);
        for (int i = 1; i <= 3; ++i) {
            if (i != survivor_) given_up_ += (given_up_.empty() ? "" : ",") + std::to_string(i);
        }
        EXPECT_EQ(cluster_.request(leader_, "PUT", "/kv/k", "1").status, 200);
        cluster_.run_for(200);
    }
    void lose_the_others() {
        for (int i = 1; i <= 3; ++i) cluster_.host(i).crash();
    }
    void start_with(const std::string& names) {
        cluster_.host(survivor_).adjust([&](server::NodeConfig& config) { config.gives_up = names; });
        cluster_.host(survivor_).start();
    }
    [[nodiscard]] std::string refusal() {
        return cluster_.host(survivor_).refusal ? cluster_.host(survivor_).refusal->message : "none";
    }

    NodeCluster cluster_{3};
    int leader_ = 0;
    int survivor_ = 0;
    std::string given_up_;
};

TEST_F(Forced, TheSurvivorServesAloneWithWhatItHas) {
    lose_the_others();
    start_with(given_up_);
    ASSERT_EQ(refusal(), "none");
    ASSERT_EQ(cluster_.await_leader(), survivor_);
    EXPECT_EQ(cluster_.request(survivor_, "GET", "/kv/k").body, "1");
    EXPECT_EQ(cluster_.request(survivor_, "PUT", "/kv/k", "2").status, 200);
    EXPECT_EQ(cluster_.node(survivor_).raft().membership().voters.size(), 1U);
}

TEST_F(Forced, AgainItChangesNothingAndWithoutTheFlagItGoesOn) {
    lose_the_others();
    start_with(given_up_);
    ASSERT_EQ(cluster_.await_leader(), survivor_);
    for (const std::string& names : {given_up_, std::string()}) {
        const auto index = cluster_.node(survivor_).raft().membership_index();
        cluster_.host(survivor_).crash();
        start_with(names);
        ASSERT_EQ(cluster_.await_leader(), survivor_);
        EXPECT_EQ(cluster_.node(survivor_).raft().membership_index(), index);
        EXPECT_EQ(cluster_.request(survivor_, "GET", "/kv/k").body, "1");
    }
}

TEST_F(Forced, ACrashBeforeItIsDurableLeavesTheOldClusterOrTheNewOne) {
    lose_the_others();
    start_with(given_up_);
    cluster_.host(survivor_).crash();
    start_with(given_up_);
    ASSERT_EQ(cluster_.await_leader(), survivor_);
    EXPECT_EQ(cluster_.request(survivor_, "GET", "/kv/k").body, "1");
}

TEST_F(Forced, OthersThanAllTheOthersAreNotGivenUp) {
    lose_the_others();
    for (const std::string& names : {std::string("?"), std::to_string(leader_), given_up_ + ",4"}) {
        start_with(names);
        EXPECT_THAT(refusal(), HasSubstr("--force-new-cluster " + given_up_));
        EXPECT_THAT(refusal(), HasSubstr("The log ends with entry "));
        cluster_.host(survivor_).crash();
    }
}

TEST_F(Forced, WhoWasGivenUpIsKeptOut) {
    lose_the_others();
    start_with(given_up_);
    ASSERT_EQ(cluster_.await_leader(), survivor_);
    cluster_.host(leader_).start();
    cluster_.run_for(5000);
    EXPECT_EQ(cluster_.leader(), survivor_);
    const auto greeting = cluster_.request(
        survivor_, "POST", "/cluster/members",
        server::members_change_json({.add = {{std::to_string(leader_), "127.0.0.1:1", false}}}));
    EXPECT_EQ(greeting.status, 409);
    EXPECT_THAT(greeting.body, HasSubstr("removed_before"));
}

TEST_F(Forced, NewMembersJoinTheSurvivor) {
    lose_the_others();
    start_with(given_up_);
    ASSERT_EQ(cluster_.await_leader(), survivor_);
    const int four = cluster_.add_host();
    ASSERT_EQ(cluster_
                  .request(survivor_, "POST", "/cluster/members",
                           server::members_change_json({.add = {{"4", "127.0.0.1:7074", false}}}))
                  .status,
              200);
    cluster_.run_for(2000);
    EXPECT_EQ(cluster_.request(four, "GET", "/kv/k").body, "1");
    EXPECT_EQ(cluster_.node(four).raft().membership().voters.size(), 2U);
}

TEST(ForcedEmpty, ADirectoryWithoutALogIsNoSurvivor) {
    NodeCluster cluster(1, [](server::NodeConfig& config) { config.gives_up = "2"; });
    ASSERT_TRUE(cluster.host(1).refusal);
    EXPECT_THAT(cluster.host(1).refusal->message, HasSubstr("the log is empty"));
}

}  // namespace
}  // namespace quorate::test
