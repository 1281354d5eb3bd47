#include "server/http_answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "server/http_api.h"
#include "server/problem.h"

namespace quorate::server::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::StartsWith;
using Json = nlohmann::json;

TEST(Answers, ToWrites) {
    EXPECT_EQ(
        put_ok({7, 0, false, 7}),
        (HttpResponse{
            200, {{"Content-Type", "text/plain"}, {"Quorate-Revision", "7"}, {"ETag", "\"7\""}}, "OK\n"}));
    EXPECT_EQ(
        delete_ok({7, 1, false, 0}),
        (HttpResponse{200,
                      {{"Content-Type", "text/plain"}, {"Quorate-Revision", "7"}, {"Quorate-Deleted", "1"}},
                      "OK\n"}));
    EXPECT_EQ(
        batch_ok({7, 3, false, 0}),
        (HttpResponse{200,
                      {{"Content-Type", "text/plain"}, {"Quorate-Revision", "7"}, {"Quorate-Deleted", "3"}},
                      "OK\n"}));
    const HttpResponse failed = condition_failed({7, 0, true, 5}, Condition::Kind::RevisionIn);
    EXPECT_EQ(failed.status, 412);
    EXPECT_THAT(failed.headers,
                ElementsAre(HttpHeader{"Content-Type", "application/problem+json"},
                            HttpHeader{"Quorate-Revision", "7"}, HttpHeader{"ETag", "\"5\""}));
    EXPECT_EQ(Json::parse(failed.body).at("detail"),
              R"(If-Match did not hold, since the key has the ETag "5"; nothing was written)");
    const HttpResponse absent = condition_failed({7, 0, true, 0}, Condition::Kind::Exists);
    EXPECT_EQ(absent.headers.size(), 2U) << "an absent key has no tag";
    EXPECT_EQ(Json::parse(absent.body).at("detail"),
              "If-Match: * did not hold, since the key does not exist; nothing was written");
    const auto text = [](Condition::Kind kind) {
        return std::string(Json::parse(condition_failed({7, 0, true, 5}, kind).body).at("detail"));
    };
    EXPECT_THAT(text(Condition::Kind::Absent),
                StartsWith("If-None-Match: * did not hold, since the key has"));
    EXPECT_THAT(text(Condition::Kind::RevisionNotIn),
                StartsWith("If-None-Match did not hold, since the key has"));
}

TEST(Answers, ToReads) {
    EXPECT_EQ(
        get_found({"v\xff", 1, 4, 2}, 9),
        (HttpResponse{
            200,
            {{"Content-Type", "application/octet-stream"}, {"ETag", "\"4\""}, {"Quorate-Revision", "9"}},
            "v\xff"}));
    const HttpResponse missing = key_not_found("a b\"" + std::string(4000, '\n'), 9);
    EXPECT_EQ(missing.status, 404);
    EXPECT_THAT(std::string(Json::parse(missing.body).at("detail")),
                AllOf(StartsWith("there is no key 'a%20b%22%0A"), EndsWith("%0A...'")));
    EXPECT_LT(missing.body.size(), 400U);
    EXPECT_EQ(missing.headers.back(), (HttpHeader{"Quorate-Revision", "9"}));
}

TEST(Answers, RangesAreLinesOfJson) {
    const Record one{"1", 1, 1, 1};
    const Record text{"a \"b\"\n", 1, 1, 1};
    const Record bytes{"\x80", 1, 1, 1};
    RangePage page{{{"a", &one}, {"\xc3\xa9", &text}, {"\xff", &bytes}}, false};
    const HttpResponse response = render_range(page, 3);
    EXPECT_EQ(response.body,
              "{\"k\":\"a\",\"v\":\"1\"}\n{\"k\":\"\xc3\xa9\",\"v\":\"a "
              "\\\"b\\\"\\n\"}\n{\"k_b64\":\"/w==\",\"v_b64\":\"gA==\"}\n");
    EXPECT_THAT(response.headers, ElementsAre(HttpHeader{"Content-Type", "application/x-ndjson"},
                                              HttpHeader{"Quorate-Revision", "3"}));
    EXPECT_EQ(render_range({}, 3).body, "");
}

TEST(Answers, TheNextKeyCanBePastedIntoAQuery) {
    const Record one{"1", 1, 1, 1};
    for (const std::string& key : {std::string("a/b"), std::string("a&b=c+d%20 e\r\n\0\xff", 14)}) {
        const HttpResponse response = render_range({{{key, &one}}, true}, 3);
        ASSERT_EQ(response.headers.back().name, "Quorate-Next");
        const auto call = parse_call({"GET", "/kv/range?after=" + response.headers.back().value, {}, {}}, {});
        ASSERT_TRUE(call);
        EXPECT_EQ(std::get<RangeCall>(call->call).range.after, key);
    }
    EXPECT_EQ(render_range({{{"a/b", &one}}, true}, 3).headers.back().value, "a/b");
}

NodeHealth healthy() {
    NodeHealth health = NodeHealth::down("n1", "h:1");
    health.up = true;
    health.term = 3;
    health.leader_id = "n2";
    health.leader_addr = "h:2";
    health.commit_index = 18446744073709551615U;
    health.version = "0.1.0";
    return health;
}

TEST(Answers, SayWhoTheNodeIs) {
    const HttpResponse response = render_health(healthy());
    EXPECT_EQ(response.headers.front(), (HttpHeader{"Content-Type", "application/json"}));
    const Json health = Json::parse(response.body);
    EXPECT_EQ(health, (Json{{"nodeId", "n1"},
                            {"addr", "h:1"},
                            {"role", "follower"},
                            {"term", 3},
                            {"leaderId", "n2"},
                            {"leaderAddr", "h:2"},
                            {"commitIndex", 18446744073709551615U},
                            {"lastIndex", 0},
                            {"durableIndex", 0},
                            {"appliedIndex", 0},
                            {"snapshotIndex", 0},
                            {"firstIndex", 0},
                            {"revision", 0},
                            {"oldestRevision", 0},
                            {"keys", 0},
                            {"bytes", 0},
                            {"storage", "ok"},
                            {"state", "serving"},
                            {"progress", 100},
                            {"version", "0.1.0"}}));
    EXPECT_EQ(whois(healthy()).body,
              "{\"role\":\"follower\",\"term\":3,\"leaderId\":\"n2\",\"leaderAddr\":\"h:2\"}\n");
    NodeHealth alone = healthy();
    alone.leader_id.clear();
    alone.leader_addr.clear();
    alone.role = engine::RoleName::PreCandidate;
    EXPECT_EQ(whois(alone).body,
              "{\"role\":\"pre-candidate\",\"term\":3,\"leaderId\":null,\"leaderAddr\":null}\n");
}

TEST(Answers, ListTheClustersNodes) {
    const std::vector<NodeHealth> nodes{healthy(), NodeHealth::down("n2", "h:2")};
    const HttpResponse response = cluster_nodes("q", nodes);
    const Json json = Json::parse(response.body);
    EXPECT_EQ(json.at("clusterId"), "q");
    EXPECT_EQ(json.at("nodes").at(0).at("up"), true);
    EXPECT_EQ(json.at("nodes").at(0).at("nodeId"), "n1");
    EXPECT_EQ(json.at("nodes").at(0).size(), 21U);
    EXPECT_EQ(json.at("nodes").at(1), (Json{{"up", false}, {"nodeId", "n2"}, {"addr", "h:2"}}));
}

TEST(Answers, NameTheLeader) {
    EXPECT_EQ(
        cluster_leader({"q", 3, "n2", "h:2", "n1"}).body,
        "{\"clusterId\":\"q\",\"leaderAddr\":\"h:2\",\"leaderId\":\"n2\",\"term\":3,\"source\":\"n1\"}\n");
    EXPECT_EQ(cluster_leader({"q", 3, "", "", "n1"}), no_leader());
    const HttpResponse response = not_leader({"q", 3, "n2", "h:2", "n1"});
    EXPECT_EQ(response.status, 409);
    const Json problem = Json::parse(response.body);
    EXPECT_EQ(problem.at("error"), "not_leader");
    EXPECT_EQ(problem.at("leader"), "h:2");
    EXPECT_EQ(not_leader({"q", 3, "", "", "n1"}), no_leader());
}

TEST(Answers, ProblemsHaveAllTheirMembers) {
    struct Row {
        HttpResponse response;
        int status;
        const char* code;
        bool retry;
    };
    const std::vector<Row> rows{
        {no_leader(), 503, "no_leader", true},
        {leader_unreachable(), 503, "leader_unreachable", true},
        {store_behind(), 503, "store_behind", true},
        {read_timed_out(), 503, "read_timed_out", true},
        {overloaded(), 503, "overloaded", true},
        {shutting_down(), 503, "shutting_down", true},
        {not_applied(), 503, "not_applied", true},
        {outcome_unknown(), 503, "outcome_unknown", true},
        {disk_full(), 507, "disk_full", false},
        {not_leader({"q", 3, "n2", "h:2", "n1"}), 409, "not_leader", false},
        {key_not_found("k", 1), 404, "key_not_found", false},
        {condition_failed({}, Condition::Kind::Absent), 412, "condition_failed", false},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(row.response.status, row.status);
        const Json problem = Json::parse(row.response.body);
        EXPECT_EQ(problem.at("type"), "about:blank");
        EXPECT_EQ(problem.at("title"), reason_phrase(row.status));
        EXPECT_EQ(problem.at("status"), row.status);
        EXPECT_EQ(problem.at("code"), row.code);
        EXPECT_NE(problem.at("detail"), "");
        const bool retries = row.response.headers.back() == HttpHeader{"Retry-After", "1"};
        EXPECT_EQ(retries, row.retry) << row.code;
    }
    EXPECT_EQ(reason_phrase(299), "Error");
    EXPECT_EQ(Json::parse(problem(400, "c", "bytes \xff that are no text").body).at("detail"),
              "bytes \xef\xbf\xbd that are no text");
}

}  // namespace
}  // namespace quorate::server::test
