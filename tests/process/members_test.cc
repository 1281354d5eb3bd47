// Members of a real cluster that come and go, while clients write.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/process_http.h"
#include "tests/support/process_load.h"

namespace quorate::test {
namespace {

using testing::HasSubstr;

class MembersOfProcesses : public testing::Test {
 protected:
    static constexpr std::size_t kFirst = 3;

    // As whoever leads knows them.
    nlohmann::json members() {
        const Reply reply = client_.get(cluster_.address(cluster_.wait_for_leader()), "/cluster/members");
        return nlohmann::json::parse(reply.body, nullptr, false);
    }
    std::string role_of(std::size_t node) {
        const nlohmann::json all = members();
        for (const auto& one : all.at("members")) {
            if (one.at("nodeId") == cluster_.name(node)) return one.at("role");
        }
        return "none";
    }
    // By whoever leads, until it is made.
    bool change(const std::string& method, const std::string& target, const std::string& body) {
        return eventually([&] {
            last_ = client_.request(method, cluster_.address(cluster_.wait_for_leader()), target, body);
            return last_.status == 200;
        });
    }
    bool remove(std::size_t node) { return change("DELETE", "/cluster/members/" + cluster_.name(node), ""); }
    bool votes(std::size_t node) {
        return eventually([&] { return role_of(node) == "voter"; });
    }

    Cluster cluster_{kFirst, 3};
    HttpClient client_{HttpClient::Connections::Fresh, kPatience};
    Reply last_;
};

TEST_F(MembersOfProcesses, AreReplacedOneByOneUnderLoad) {
    (void)cluster_.wait_for_leader();
    Load load(cluster_, 4);
    ASSERT_TRUE(load.wait_for(200));
    for (std::size_t old = 0; old < kFirst; ++old) {
        const std::size_t fresh = kFirst + old;
        cluster_.start(fresh);
        ASSERT_TRUE(votes(fresh)) << members().dump(2);
        ASSERT_TRUE(remove(old)) << last_.body;
        ASSERT_TRUE(eventually([&] { return cluster_.health(old).value("state", "") == "removed"; }));
        EXPECT_THAT(cluster_.log(old), HasSubstr("this node was removed from the cluster"));
        ASSERT_TRUE(load.wait_for(200)) << "the others go on";
        cluster_.terminate(old);
        EXPECT_EQ(cluster_.wait(old), (Ending{0, 0}));
    }
    ASSERT_TRUE(load.wait_for(200));
    load.stop();
    for (std::size_t node = kFirst; node < cluster_.size(); ++node) {
        EXPECT_EQ(role_of(node), "voter");
        EXPECT_TRUE(cluster_.wait_until_caught_up(node));
    }
    EXPECT_EQ(members().at("members").size(), kFirst);
    expect_exactly_the_attempts(cluster_, load.attempts(), {3, 4, 5});
}

TEST_F(MembersOfProcesses, AllAreReplacedInOneStep) {
    (void)cluster_.wait_for_leader();
    Load load(cluster_, 4);
    ASSERT_TRUE(load.wait_for(200));
    for (std::size_t fresh = kFirst; fresh < cluster_.size(); ++fresh) {
        cluster_.start(fresh);
        ASSERT_TRUE(votes(fresh));
    }
    ASSERT_TRUE(change("POST", "/cluster/members", R"({"remove":["n1","n2","n3"]})")) << last_.body;
    ASSERT_TRUE(load.wait_for(200));
    load.stop();
    EXPECT_EQ(members().at("members").size(), kFirst);
    for (std::size_t node = kFirst; node < cluster_.size(); ++node)
        EXPECT_TRUE(cluster_.wait_until_caught_up(node));
    expect_exactly_the_attempts(cluster_, load.attempts(), {3, 4, 5});
}

TEST_F(MembersOfProcesses, ANodeThatJoinedGoesOnAfterARestart) {
    (void)cluster_.wait_for_leader();
    cluster_.start(kFirst);
    ASSERT_TRUE(votes(kFirst));
    cluster_.kill(kFirst);
    cluster_.start(kFirst);
    EXPECT_TRUE(cluster_.wait_until_caught_up(kFirst));
    EXPECT_THAT(cluster_.log(kFirst), HasSubstr("--join: going on with the data directory that is there"));
}

// Killed before its log was there: by itself it would be a cluster of its own, under the name of a member.
TEST_F(MembersOfProcesses, AJoinThatWasInterruptedIsBegunAnewAndNothingElseIs) {
    (void)cluster_.wait_for_leader();
    const std::filesystem::path& data = cluster_.data_directory(kFirst);
    std::filesystem::create_directories(data);
    for (const char* left : {"joining", "spare-0000000000000001"}) std::ofstream(data / left) << '\0';
    std::vector<std::string> alone = cluster_.flags_of(kFirst);
    const auto join = std::ranges::find(alone, "--join");
    ASSERT_NE(join, alone.end());
    alone.erase(join, join + 2);
    const Outcome refused = run_quorated(alone);
    EXPECT_EQ(refused.ending, (Ending{17, 0}));
    EXPECT_THAT(refused.output, HasSubstr("joining: the first start with --join was interrupted"));
    EXPECT_TRUE(std::filesystem::exists(data / "joining"));
    cluster_.start(kFirst);
    ASSERT_TRUE(votes(kFirst));
    EXPECT_FALSE(std::filesystem::exists(data / "joining"));
    cluster_.kill(kFirst);
    cluster_.start(kFirst);
    EXPECT_TRUE(cluster_.wait_until_caught_up(kFirst));
}

TEST_F(MembersOfProcesses, ANodeWhoseDirectoryIsLostDoesNotJoinByItsName) {
    (void)cluster_.wait_for_leader();
    cluster_.start(kFirst);
    ASSERT_TRUE(votes(kFirst));
    cluster_.kill(kFirst);
    std::filesystem::remove_all(cluster_.data_directory(kFirst));
    cluster_.start(kFirst);
    EXPECT_EQ(cluster_.wait(kFirst), (Ending{17, 0}));
    EXPECT_THAT(cluster_.log(kFirst), HasSubstr("'n4' votes in this cluster already"));
    // It is removed, and its name with it.
    ASSERT_TRUE(remove(kFirst)) << last_.body;
    cluster_.start(kFirst);
    EXPECT_EQ(cluster_.wait(kFirst), (Ending{17, 0}));
    EXPECT_THAT(cluster_.log(kFirst), HasSubstr("'n4' was a member and has been removed"));
}

TEST(LostMajority, ASurvivorGoesOnAlone) {
    Cluster cluster(3);
    HttpClient client;
    ASSERT_EQ(client.put(cluster.address(cluster.wait_for_leader()), "/kv/k", "v").status, 200);
    ASSERT_TRUE(cluster.wait_until_caught_up(0));
    for (std::size_t node = 0; node < 3; ++node) cluster.kill(node);
    std::vector<std::string> flags = cluster.flags_of(0);
    flags.emplace_back("--force-new-cluster");
    const Outcome outcome = run_quorated(flags);
    EXPECT_EQ(outcome.ending, (Ending{17, 0}));
    EXPECT_THAT(outcome.output, HasSubstr("--force-new-cluster n2,n3"));
    cluster.start(0, nullptr, {"--force-new-cluster", "n2,n3"});
    EXPECT_EQ(cluster.wait_for_leader(), 0U);
    EXPECT_EQ(client.get(cluster.address(0), "/kv/k").body, "v");
    EXPECT_EQ(client.put(cluster.address(0), "/kv/k", "w").status, 200);
    EXPECT_THAT(cluster.log(0), HasSubstr("from entry"));
}

}  // namespace
}  // namespace quorate::test
