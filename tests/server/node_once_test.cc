// Writes that happen once, however often they are sent: Idempotency-Key and sessions.

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/node_cluster.h"

namespace quorate::test {
namespace {

using server::HttpHeader;
using testing::HasSubstr;

class Once : public testing::Test {
 protected:
    explicit Once(const std::function<void(server::NodeConfig&)>& adjust = {}) : cluster_(3, adjust) {
        leader_ = cluster_.await_leader();
    }

    server::HttpResponse send(int number, const std::string& method, const std::string& target,
                              const std::string& body, std::vector<HttpHeader> headers) {
        const auto exchange = cluster_.send(number, method, target, body, std::move(headers));
        cluster_.settle();
        const auto* answer = cluster_.answer(number, exchange);
        return answer != nullptr ? *answer : server::HttpResponse{0, {}, {}};
    }
    server::HttpResponse put(const std::string& value, const std::string& once,
                             const std::string& session = {}) {
        std::vector<HttpHeader> headers{{"Idempotency-Key", once}};
        if (!session.empty()) headers.push_back({"Quorate-Session", session});
        return send(leader_, "PUT", "/kv/k", value, std::move(headers));
    }
    std::string session() {
        const auto answer = send(leader_, "POST", "/sessions", {}, {});
        EXPECT_EQ(answer.status, 200) << answer.body;
        return nlohmann::json::parse(answer.body).at("session").get<std::string>();
    }
    [[nodiscard]] std::string value() { return cluster_.request(leader_, "GET", "/kv/k").body; }

    NodeCluster cluster_;
    int leader_ = 0;
};

TEST_F(Once, ARepetitionGetsTheFirstAnswerAndWritesNothing) {
    const auto first = put("1", "one");
    ASSERT_EQ(first.status, 200) << first.body;
    EXPECT_EQ(header(first, "Idempotency-Replayed"), "absent");
    ASSERT_EQ(cluster_.request(leader_, "PUT", "/kv/k", "2").status, 200);
    const auto second = put("1", "one");
    EXPECT_EQ(second.status, 200);
    EXPECT_EQ(header(second, "ETag"), header(first, "ETag"));
    EXPECT_EQ(header(second, "Quorate-Revision"), header(first, "Quorate-Revision"));
    EXPECT_EQ(header(second, "Idempotency-Replayed"), "true");
    EXPECT_EQ(value(), "2");
}

TEST_F(Once, EveryNodeKnowsTheAnswerAlsoAfterACrashOfAll) {
    ASSERT_EQ(put("1", "one").status, 200);
    ASSERT_EQ(cluster_.request(leader_, "PUT", "/kv/k", "2").status, 200);
    cluster_.run_for(200);
    for (int i = 1; i <= 3; ++i) cluster_.host(i).crash();
    for (int i = 1; i <= 3; ++i) cluster_.host(i).start();
    leader_ = cluster_.await_leader();
    for (int i = 1; i <= 3; ++i) {
        const auto again = send(i, "PUT", "/kv/k", "1", {{"Idempotency-Key", "one"}});
        EXPECT_EQ(again.status, 200) << again.body;
        EXPECT_EQ(header(again, "Idempotency-Replayed"), "true");
    }
    EXPECT_EQ(value(), "2");
}

TEST_F(Once, TheAnswerIsInTheSnapshot) {
    ASSERT_EQ(put("1", "one").status, 200);
    for (int i = 0; i < 2; ++i) {
        ASSERT_EQ(cluster_.request(leader_, "PUT", "/kv/k", "2").status, 200);
        const auto order = cluster_.send(leader_, "POST", "/admin/snapshot");
        cluster_.run_for(200);
        ASSERT_NE(cluster_.answer(leader_, order), nullptr);
        EXPECT_EQ(cluster_.answer(leader_, order)->status, 200);
    }
    cluster_.host(leader_).crash();
    cluster_.host(leader_).start();
    leader_ = cluster_.await_leader();
    EXPECT_EQ(header(put("1", "one"), "Idempotency-Replayed"), "true");
    EXPECT_EQ(value(), "2");
}

TEST_F(Once, TheFirstAnswerMayBeThatTheConditionFailed) {
    ASSERT_EQ(cluster_.request(leader_, "PUT", "/kv/k", "1").status, 200);
    const std::vector<HttpHeader> headers{{"Idempotency-Key", "one"}, {"If-None-Match", "*"}};
    EXPECT_EQ(send(leader_, "PUT", "/kv/k", "2", headers).status, 412);
    ASSERT_EQ(cluster_.request(leader_, "DELETE", "/kv/k").status, 200);
    EXPECT_EQ(send(leader_, "PUT", "/kv/k", "2", headers).status, 412);
}

TEST_F(Once, ABatchAndADeleteToo) {
    const auto batch = [&] {
        return send(leader_, "POST", "/kv/batch", "PUT a 1\nDEL b\n", {{"Idempotency-Key", "one"}});
    };
    EXPECT_EQ(batch().status, 200);
    EXPECT_EQ(header(batch(), "Idempotency-Replayed"), "true");
    const auto remove = [&] { return send(leader_, "DELETE", "/kv/a", {}, {{"Idempotency-Key", "two"}}); };
    EXPECT_EQ(header(remove(), "Quorate-Deleted"), "1");
    EXPECT_EQ(header(remove(), "Quorate-Deleted"), "1") << "as it was the first time";
}

TEST_F(Once, AnotherWriteWithTheSameKeyIsRefused) {
    ASSERT_EQ(put("1", "one").status, 200);
    const auto other = put("2", "one");
    EXPECT_EQ(other.status, 422);
    EXPECT_THAT(other.body, HasSubstr("idempotency_key_reused"));
    EXPECT_EQ(value(), "1");
}

// Both are in the log: the second finds what the first has done.
TEST_F(Once, TwoAtOnceHappenOnce) {
    const std::vector<HttpHeader> headers{{"Idempotency-Key", "one"}};
    const auto first = cluster_.send(leader_, "PUT", "/kv/k", "1", headers);
    const auto second = cluster_.send(leader_, "PUT", "/kv/k", "1", headers);
    cluster_.settle();
    EXPECT_EQ(header(*cluster_.answer(leader_, second), "Quorate-Revision"),
              header(*cluster_.answer(leader_, first), "Quorate-Revision"));
    EXPECT_EQ(header(*cluster_.answer(leader_, second), "Idempotency-Replayed"), "true");
}

class OnceOfFew : public Once {
 protected:
    OnceOfFew()
        : Once([](server::NodeConfig& config) { config.answers = {.count_max = 8, .age_ms_max = 10'000}; }) {}
};

TEST_F(OnceOfFew, AnExpiredSessionIsToldAndNothingIsWritten) {
    const std::string mine = session();
    ASSERT_EQ(put("1", "mine", mine).status, 200);
    for (int i = 0; i < 20; ++i) {
        ASSERT_EQ(put("2", std::to_string(i), session()).status, 200);
        cluster_.run_for(20);
    }
    const auto late = put("1", "mine", mine);
    EXPECT_EQ(late.status, 410) << late.body;
    EXPECT_THAT(late.body, HasSubstr("session_expired"));
    EXPECT_EQ(value(), "2");
    EXPECT_EQ(put("3", "other", header(late, "Quorate-Session")).status, 200) << "it names one to go on with";
}

TEST_F(OnceOfFew, ASessionOfAnotherClusterIsNone) {
    EXPECT_EQ(put("1", "one", "1000").status, 410);
    EXPECT_EQ(value(), cluster_.request(leader_, "GET", "/kv/k").body);
}

TEST_F(OnceOfFew, WhatHasNoSessionIsForgottenByAgeAloneAndMoreAreRefused) {
    for (int i = 0; i < 8; ++i) ASSERT_EQ(put("1", std::to_string(i)).status, 200);
    cluster_.run_for(1000);
    const auto refused = put("1", "one-too-many");
    EXPECT_EQ(refused.status, 429) << refused.body;
    EXPECT_THAT(refused.body, HasSubstr("idempotency_keys_full"));
    EXPECT_EQ(send(other_than(leader_), "PUT", "/kv/k", "1", {{"Idempotency-Key", "nor-forwarded"}}).status,
              429);
    EXPECT_EQ(header(put("1", "0"), "Idempotency-Replayed"), "true") << "what is known still is";
    EXPECT_EQ(cluster_.request(leader_, "PUT", "/kv/k", "2").status, 200);
    cluster_.run_for(11'000);
    EXPECT_EQ(put("3", "one-too-many").status, 200) << "in its time it is forgotten";
}

}  // namespace
}  // namespace quorate::test
