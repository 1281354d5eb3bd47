#include "server/join.h"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/problem.h"

namespace quorate::server::test {
namespace {

using engine::LogIndex;
using engine::ServerId;
using testing::HasSubstr;

Member member(const std::string& name, MemberRole role = MemberRole::Voter) {
    return {server_id_of(name), name, name + ":1", role};
}

ClusterMembers cluster(std::vector<Member> members) {
    std::ranges::sort(members, {}, &Member::id);
    return {std::move(members)};
}

// A cluster of a and b, of which b leads.
class Join : public testing::Test {
 protected:
    std::expected<HttpResponse, std::string> answer(std::string_view address, const HttpRequest& request) {
        asked_.push_back(request.method + " " + std::string(address));
        if (down_.contains(std::string(address))) return std::unexpected(std::string(address) + ": down");
        if (request.method == "GET") {
            const MembersView view{.cluster_id = "c",
                                   .index = LogIndex(1),
                                   .is_committed = true,
                                   .members = members_,
                                   .first = first_,
                                   .leader_name = leads_,
                                   .source = std::string(address.substr(0, 1))};
            return HttpResponse{200, {}, members_json(view)};
        }
        if (address != "b:1") return problem(409, "not_leader", "another one leads", {{"leader", "b:1"}});
        if (refusal_) return *refusal_;
        if (members_.find(server_id_of("n")) != nullptr) return HttpResponse{200, {}, "{}"};
        const auto change = parse_members_change(request.body);
        EXPECT_TRUE(change);
        for (const auto& [name, at, stays_learner] : change->add) {
            EXPECT_FALSE(stays_learner) << "whoever is a learner is to stay one";
            members_ = cluster({member("a"), member("b"), member(name, MemberRole::JoiningLearner)});
        }
        return HttpResponse{200, {}, "{}"};
    }
    std::expected<JoinAnswer, JoinFailure> join(const std::vector<std::string>& contacts = {"a:1"}) {
        return join_cluster(contacts, "c", member("n"), has_backup_,
                            [this](std::string_view address, const HttpRequest& request) {
                                return answer(address, request);
                            });
    }
    void expect_final(const std::string& words) {
        const auto joined = join();
        ASSERT_FALSE(joined);
        EXPECT_TRUE(joined.error().is_final);
        EXPECT_THAT(joined.error().text, HasSubstr(words));
    }

    ClusterMembers members_ = cluster({member("a"), member("b")});
    std::string leads_ = "b";
    ClusterMembers first_ = cluster({member("a")});
    bool has_backup_ = false;
    std::map<std::string, bool> down_;
    std::optional<HttpResponse> refusal_;
    std::vector<std::string> asked_;
};

TEST_F(Join, AsksWhoLeadsAndLearnsWithWhatTheLogBegins) {
    const auto joined = join();
    ASSERT_TRUE(joined) << joined.error().text;
    EXPECT_EQ(joined->first, cluster({member("a")}));
    EXPECT_EQ(joined->members.members.size(), 3U);
    EXPECT_EQ(asked_, (std::vector<std::string>{"GET a:1", "POST a:1", "POST b:1", "GET b:1"}));
}

TEST_F(Join, WhoIsALearnerAlreadyStaysOne) {
    members_ = cluster({member("a"), member("b"), member("n", MemberRole::JoiningLearner)});
    EXPECT_TRUE(join());
    EXPECT_EQ(members_.members.size(), 3U);
}

TEST_F(Join, OfAClusterThatBeganWithABackupNobodyIsMadeAMemberWithoutIt) {
    first_.origin = 7;
    expect_final("add --restore FILE");
    EXPECT_EQ(asked_, (std::vector<std::string>{"GET a:1"}));
    has_backup_ = true;
    EXPECT_TRUE(join());
}

TEST_F(Join, OfAClusterThatBeganWithoutABackupNobodyBringsOne) {
    has_backup_ = true;
    expect_final("leave --restore out");
    EXPECT_EQ(asked_, (std::vector<std::string>{"GET a:1"}));
}

TEST_F(Join, ItsOwnAddressIsNotAsked) {
    EXPECT_TRUE(join({"n:1", "a:1"}));
    EXPECT_EQ(asked_.front(), "GET a:1");
    const auto alone = join({"n:1"});
    ASSERT_FALSE(alone);
    EXPECT_TRUE(alone.error().is_final);
    EXPECT_THAT(alone.error().text, HasSubstr("own address"));
}

TEST_F(Join, TheNextContactIsAskedWhenOneIsDown) {
    down_["a:1"] = true;
    EXPECT_TRUE(join({"a:1", "b:1"}));
    down_["b:1"] = true;
    const auto joined = join({"a:1", "b:1"});
    ASSERT_FALSE(joined);
    EXPECT_FALSE(joined.error().is_final);
    EXPECT_EQ(joined.error().text, "b:1: down");
}

TEST_F(Join, WhatMayPassIsTriedAgain) {
    refusal_ = problem(409, "change_in_progress", "another change");
    EXPECT_FALSE(join().error().is_final);
    refusal_ = problem(503, "no_leader", "none");
    EXPECT_FALSE(join().error().is_final);
    refusal_ = HttpResponse{200, {}, "{}"};
    EXPECT_FALSE(join().error().is_final) << "it is no member all the same";
}

// A follower that lags may not know that it votes.
TEST_F(Join, OnlyWhoLeadsIsBelieved) {
    leads_ = "a";
    const auto joined = join();
    ASSERT_FALSE(joined);
    EXPECT_FALSE(joined.error().is_final);
}

TEST_F(Join, WhatCannotPassIsFinal) {
    refusal_ = problem(409, "too_many_members", "16 members");
    expect_final("16 members");
    refusal_.reset();
    members_ = cluster({member("a"), member("b"), member("n")});
    expect_final("'n' votes in this cluster already, and the data directory is empty");
    const auto other = join_cluster(
        {"a:1"}, "another", member("n"), false,
        [this](std::string_view address, const HttpRequest& request) { return answer(address, request); });
    ASSERT_FALSE(other);
    EXPECT_THAT(other.error().text, HasSubstr("check --cluster-id"));
}

}  // namespace
}  // namespace quorate::server::test
