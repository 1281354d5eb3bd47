#pragma once

// Every promise of the HTTP surface holds on a single node, at a leader and at a follower alike: tests of it
// run at all three.

#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/process_cluster.h"

namespace quorate::test {

enum class Door : std::uint8_t { SingleNode, Leader, Follower };

inline std::string name_of(const testing::TestParamInfo<Door>& door) {
    switch (door.param) {
        case Door::SingleNode: return "SingleNode";
        case Door::Leader: return "Leader";
        case Door::Follower: return "Follower";
    }
    return "";
}

class ApiTest : public testing::TestWithParam<Door> {
 protected:
    ApiTest() : cluster_(GetParam() == Door::SingleNode ? 1 : 3), leader_(cluster_.wait_for_leader()) {
        door_ = GetParam() == Door::Follower ? cluster_.some_follower() : leader_;
        // A follower that has just started may not have heard of the leader yet.
        EXPECT_TRUE(eventually([this] { return get("/kv/no-such-key").status == 404; }));
    }

    Reply request(const std::string& method, const std::string& target,
                  std::optional<std::string_view> body = std::nullopt,
                  const std::vector<std::string>& headers = {}) {
        return client_.request(method, address(), target, body, headers);
    }
    Reply get(const std::string& target) { return request("GET", target); }
    Reply put(const std::string& target, std::string_view value) { return request("PUT", target, value); }
    Reply batch(std::string_view lines) { return request("POST", "/kv/batch", lines); }
    nlohmann::json get_json(const std::string& target) {
        const Reply reply = get(target);
        EXPECT_EQ(reply.status, 200) << target << reply.body << reply.failure;
        EXPECT_TRUE(reply.header("content-type").starts_with("application/json")) << target;
        return nlohmann::json::parse(reply.body, nullptr, false);
    }

    [[nodiscard]] const std::string& address() const { return cluster_.address(door_); }

    Cluster cluster_;
    HttpClient client_;
    std::size_t leader_;
    std::size_t door_;  ///< the node that is asked
};

/// The answer is a problem (RFC 9457) of this status, in words and with a code for programs.
inline void expect_problem(const Reply& reply, int status) {
    EXPECT_EQ(reply.status, status) << reply.body << reply.failure;
    EXPECT_TRUE(reply.header("content-type").starts_with("application/problem+json"))
        << reply.header("content-type");
    const nlohmann::json problem = nlohmann::json::parse(reply.body, nullptr, false);
    ASSERT_TRUE(problem.is_object()) << reply.body;
    EXPECT_EQ(problem.value("status", 0), status);
    for (const char* field : {"type", "title", "detail", "code"})
        EXPECT_NE(problem.value(field, ""), "") << field;
}

}  // namespace quorate::test
