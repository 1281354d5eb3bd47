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
        const bool is_stranger = names.ends_with(",4");
        EXPECT_EQ(refusal().contains("no other member is called "), is_stranger) << refusal();
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

// They are a majority of the old cluster, and the survivor does not know yet what is committed.
TEST_F(Forced, WhoWasGivenUpDoesNotTakeOverARestartedSurvivor) {
    lose_the_others();
    start_with(given_up_);
    ASSERT_EQ(cluster_.await_leader(), survivor_);
    ASSERT_EQ(cluster_.request(survivor_, "PUT", "/kv/k", "2").status, 200);
    cluster_.host(survivor_).crash();
    for (int i = 1; i <= 3; ++i) {
        if (i != survivor_) cluster_.host(i).start();
    }
    const int old = cluster_.await_leader();
    ASSERT_NE(old, 0);
    for (int i = 0; i < 5; ++i) ASSERT_EQ(cluster_.request(old, "PUT", "/kv/k", "old").status, 200);
    cluster_.host(survivor_).start();
    cluster_.run_for(3000);
    EXPECT_EQ(cluster_.node(survivor_).raft().role(), engine::RoleName::Leader);
    EXPECT_EQ(cluster_.request(survivor_, "GET", "/kv/k").body, "2");
}

// Each has a lineage of its own, though the flag and what it makes of the log are the same.
TEST_F(Forced, TwoSurvivorsAreTwoClusters) {
    lose_the_others();
    for (int i = 1; i <= 3; ++i) {
        if (i == leader_) continue;
        std::string others;
        for (int j = 1; j <= 3; ++j) {
            if (j != i) others += (others.empty() ? "" : ",") + std::to_string(j);
        }
        cluster_.host(i).adjust([&](server::NodeConfig& config) { config.gives_up = others; });
        cluster_.host(i).start();
    }
    cluster_.run_for(2000);
    const int third = 6 - leader_ - survivor_;
    EXPECT_NE(cluster_.node(survivor_).members().lineage, cluster_.node(third).members().lineage);
    EXPECT_EQ(cluster_.node(survivor_).raft().role(), engine::RoleName::Leader);
    EXPECT_EQ(cluster_.node(third).raft().role(), engine::RoleName::Leader);
}

TEST_F(Forced, WithNobodyLeftTheFlagIsRefused) {
    lose_the_others();
    start_with(given_up_);
    ASSERT_EQ(cluster_.await_leader(), survivor_);
    cluster_.host(survivor_).crash();
    for (const std::string& names : {std::string("?"), std::string("9")}) {
        start_with(names);
        EXPECT_THAT(refusal(), HasSubstr("leave the flag out"));
        cluster_.host(survivor_).crash();
    }
}

TEST_F(Forced, NewMembersJoinTheSurvivor) {
    lose_the_others();
    start_with(given_up_);
    ASSERT_EQ(cluster_.await_leader(), survivor_);
    const auto answer =
        server::parse_members_json(cluster_.request(survivor_, "GET", "/cluster/members").body);
    ASSERT_TRUE(answer);
    EXPECT_NE(answer->first.lineage, 0U);
    const int four = cluster_.add_host([&](server::NodeConfig& config) { config.members = answer->first; });
    ASSERT_EQ(cluster_
                  .request(survivor_, "POST", "/cluster/members",
                           server::members_change_json({.add = {{"4", "127.0.0.1:7074", false}}}))
                  .status,
              200);
    cluster_.run_for(2000);
    EXPECT_EQ(cluster_.request(four, "GET", "/kv/k").body, "1");
    EXPECT_EQ(cluster_.node(four).raft().membership().voters.size(), 2U);
    // Both may be restarted, and a flag that was left in gives up nobody else.
    cluster_.host(survivor_).crash();
    start_with(given_up_);
    EXPECT_THAT(refusal(), HasSubstr("leave the flag out"));
    cluster_.host(survivor_).crash();
    start_with("");
    cluster_.host(four).crash();
    cluster_.host(four).start();
    EXPECT_NE(cluster_.await_leader(), 0) << refusal();
}

// It is told the lineage before its log tells it, and meets configurations of the time before on its way.
TEST_F(Forced, ANewcomerIsKnownAtEveryStepOfItsWayThroughTheTimeBefore) {
    const auto add = [&](int to, const std::string& name) {
        const server::MembersChange change{.add = {{name, "127.0.0.1:7099", true}}};
        return cluster_.request(to, "POST", "/cluster/members", server::members_change_json(change)).status;
    };
    ASSERT_EQ(add(leader_, "9"), 200);
    cluster_.run_for(200);
    lose_the_others();
    // One entry after the other.
    cluster_.host(survivor_).adjust([](server::NodeConfig& config) {
        config.raft.append_bytes_max = 1;
        config.raft.inflight_bytes_max = 1;
    });
    start_with(given_up_ + ",9");
    ASSERT_EQ(cluster_.await_leader(), survivor_) << refusal();
    const engine::LogIndex forced = cluster_.node(survivor_).raft().membership_index();
    const auto health = nlohmann::json::parse(cluster_.request(survivor_, "GET", "/raft/health").body);
    EXPECT_GE(health.at("snapshotIndex"), forced.value) << "to be told with it";
    const auto told = server::parse_members_json(cluster_.request(survivor_, "GET", "/cluster/members").body);
    ASSERT_TRUE(told);
    const int four = cluster_.add_host([&](server::NodeConfig& config) { config.members = told->first; });
    cluster_.host(four).frames_left = 0;
    ASSERT_EQ(add(survivor_, "4"), 200);
    bool was_in_the_time_before = false;
    for (int i = 0; i < 500 && cluster_.node(four).raft().membership_index() <= forced; ++i) {
        cluster_.host(four).frames_left = 2;
        cluster_.run_for(10);
        for (const auto& [guest, host] : {std::pair(four, survivor_), std::pair(survivor_, four)}) {
            auto greeting = cluster_.node(guest).greeting_to(std::to_string(host));
            EXPECT_EQ(answer_to_greeting(cluster_.node(host), std::move(greeting)), "welcome");
        }
        if (cluster_.node(four).members().find("9") == nullptr || was_in_the_time_before) continue;
        was_in_the_time_before = true;
        cluster_.host(four).crash();
        cluster_.host(four).start();
    }
    EXPECT_TRUE(was_in_the_time_before);
    EXPECT_GT(cluster_.node(four).raft().membership_index(), forced);
    EXPECT_EQ(cluster_.node(four).members().lineage, cluster_.node(survivor_).members().lineage);
}

TEST(ForcedEmpty, ADirectoryWithoutALogIsNoSurvivor) {
    NodeCluster cluster(1, [](server::NodeConfig& config) { config.gives_up = "2"; });
    ASSERT_TRUE(cluster.host(1).refusal);
    EXPECT_THAT(cluster.host(1).refusal->message, HasSubstr("holds no log"));
    EXPECT_TRUE(cluster.host(1).disk->written().empty()) << "nor does it begin to be one";
}

}  // namespace
}  // namespace quorate::test
