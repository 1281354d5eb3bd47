#include "server/members_json.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <rapidcheck/gtest.h>

#include "tests/server/generators.h"

namespace quorate::server::test {
namespace {

using engine::LogIndex;
using engine::ServerId;
using testing::HasSubstr;

const MembersChange kAll{.add = {{"n4", "h:4"}, {"n5", "h:5", true}},
                         .promote = {"n6"},
                         .remove = {"n1", "n2"},
                         .move = {{"n3", "h:33"}},
                         .is_forced = true};

TEST(MembersJson, AChangeIsReadAsItWasWritten) {
    EXPECT_EQ(parse_members_change(members_change_json(kAll)), kAll);
    const MembersChange one{.remove = {"n1"}};
    EXPECT_EQ(parse_members_change(members_change_json(one)), one);
}

TEST(MembersJson, AChangeThatIsNotUnderstoodIsRefusedInWords) {
    for (const char* text : {
             "",
             "[]",
             "{}",
             R"({"force":true})",
             R"({"add":{}})",
             R"({"add":["n4"]})",
             R"({"add":[{"nodeId":"n4"}]})",
             R"({"add":[{"nodeId":"n4","addr":4}]})",
             R"({"add":[{"nodeId":"n4","addr":"h:4","role":"leader"}]})",
             R"({"add":[{"nodeId":"n4","addr":"h:4","weight":"1"}]})",
             R"({"move":[{"nodeId":"n4","addr":"h:4","role":"voter"}]})",
             R"({"remove":"n1"})",
             R"({"remove":[1]})",
             R"({"remove":["n1"],"force":"yes"})",
             R"({"removed":["n1"]})",
             R"({"remove":["n1"],"remove":["n2"]})",
             R"({"add":[{"nodeId":"n4","nodeId":"n5","addr":"h:4"}]})",
         }) {
        const auto change = parse_members_change(text);
        ASSERT_FALSE(change) << text;
        EXPECT_THAT(change.error(), HasSubstr("the body is a JSON object such as")) << text;
    }
}

// A stranger's objects cost no more than their bytes.
TEST(MembersJson, ManyNamesAreReadInNoTime) {
    std::string text = "{";
    for (int i = 0; i < 4000; ++i) text += fmt::format(R"({}"{}":1)", i == 0 ? "" : ",", i);
    EXPECT_FALSE(parse_members_change(text + "}"));
}

RC_GTEST_PROP(MembersJson, ForeignBytesAreReadOrRefused, ()) {
    RC_CLASSIFY(parse_members_change(any_bytes()).has_value());
    RC_CLASSIFY(parse_members_json(any_bytes()).has_value());
}

RC_GTEST_PROP(MembersJson, WhoJoinsReadsWhatAMemberTells, ()) {
    const MembersView view{
        .cluster_id = "c", .index = LogIndex(7), .members = any_members(), .first = any_members()};
    const auto answer = parse_members_json(members_json(view));
    RC_ASSERT(answer.has_value());
    RC_ASSERT(answer->cluster_id == "c");
    RC_ASSERT(answer->members == view.members);
    RC_ASSERT(answer->first == view.first);
}

TEST(MembersJson, ShowsRolesAndHowFarBehindEachIs) {
    MembersView view{.cluster_id = "c", .index = LogIndex(7), .is_committed = true, .leader_name = "a"};
    view.members.members = {{ServerId(1), "a", "h:1", MemberRole::ContinuingVoter},
                            {ServerId(2), "b", "h:2", MemberRole::OutgoingVoter},
                            {ServerId(3), "d", "h:3", MemberRole::Voter},
                            {ServerId(4), "e", "h:4", MemberRole::JoiningLearner}};
    view.first = view.members;
    view.match[ServerId(4)] = LogIndex(60);
    view.last_index = LogIndex(100);
    const auto json = nlohmann::json::parse(members_json(view));
    EXPECT_EQ(json["changing"], true);
    EXPECT_EQ(json["members"][0]["role"], "voter");
    EXPECT_EQ(json["members"][0]["leads"], true);
    EXPECT_EQ(json["members"][1]["role"], "outgoing");
    EXPECT_EQ(json["members"][2]["role"], "incoming");
    EXPECT_EQ(json["members"][3]["role"], "joining");
    EXPECT_EQ(json["members"][3]["behind"], 40);
}

}  // namespace
}  // namespace quorate::server::test
