// Every route of the HTTP surface, asked with libcurl at a single node, a leader and a follower.

#include <set>

#include "tests/process/api_fixture.h"

namespace quorate::test {
namespace {

using Json = nlohmann::json;

class HttpApi : public ApiTest {};

std::uint64_t revision_of(const Reply& reply) {
    const std::string text = reply.header("quorate-revision");
    EXPECT_NE(text, "");
    return text.empty() ? 0 : std::stoull(text);
}

TEST_P(HttpApi, PutGetHeadDelete) {
    const Reply first = put("/kv/a", "one");
    ASSERT_EQ(first.status, 200) << first.body;
    EXPECT_EQ(first.body, "OK\n");
    EXPECT_EQ(first.header("etag"), '"' + first.header("quorate-revision") + '"');

    const Reply read = get("/kv/a");
    EXPECT_EQ(read.status, 200);
    EXPECT_EQ(read.body, "one");
    EXPECT_EQ(read.header("content-type"), "application/octet-stream");
    EXPECT_EQ(read.header("etag"), first.header("etag"));
    EXPECT_EQ(revision_of(read), revision_of(first));

    const Reply head = request("HEAD", "/kv/a");
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(head.body, "");
    EXPECT_EQ(head.header("content-length"), "3");
    EXPECT_EQ(head.header("etag"), first.header("etag"));

    const Reply second = put("/kv/a", "two");
    EXPECT_EQ(revision_of(second), revision_of(first) + 1);
    EXPECT_EQ(get("/kv/a").body, "two");

    const Reply removed = request("DELETE", "/kv/a");
    EXPECT_EQ(removed.status, 200);
    EXPECT_EQ(removed.body, "OK\n");
    EXPECT_EQ(removed.header("quorate-deleted"), "1");
    expect_problem(get("/kv/a"), 404);
    EXPECT_EQ(request("HEAD", "/kv/a").status, 404);

    const Reply again = request("DELETE", "/kv/a");
    EXPECT_EQ(again.status, 200);
    EXPECT_EQ(again.header("quorate-deleted"), "0");
}

TEST_P(HttpApi, AnAcknowledgedWriteIsReadAtEveryNode) {
    ASSERT_EQ(put("/kv/seen", "everywhere").status, 200);
    for (std::size_t node = 0; node < cluster_.size(); ++node) {
        EXPECT_EQ(client_.get(cluster_.address(node), "/kv/seen").body, "everywhere") << cluster_.name(node);
    }
}

TEST_P(HttpApi, ValuesAreBytes) {
    std::string every_byte;
    for (int byte = 0; byte < 256; ++byte) every_byte.push_back(static_cast<char>(byte));
    const std::string large(4U << 20, 'v');
    for (const std::string& value : {std::string(), every_byte, large}) {
        ASSERT_EQ(put("/kv/bytes", value).status, 200) << value.size();
        EXPECT_EQ(get("/kv/bytes").body, value);
        EXPECT_EQ(get("/kv/bytes").header("content-length"), std::to_string(value.size()));
    }
}

TEST_P(HttpApi, KeysAreBytesDecodedOnce) {
    // Each target names another key: nothing is normalised, joined or decoded a second time.
    const std::vector<std::string> targets{"/kv/a/b",    "/kv/a//b",   "/kv/a/b/", "/kv/a%252Fb", "/kv/%00",
                                           "/kv/%ff%fe", "/kv/%0d%0a", "/kv/a+b",  "/kv/a%20b",   "/kv/..",
                                           "/kv/./a",    "/kv/A",      "/kv//a",   "/kv/%C3%A9"};
    for (const std::string& target : targets) ASSERT_EQ(put(target, target).status, 200) << target;
    for (const std::string& target : targets) EXPECT_EQ(get(target).body, target);
    // And these are other spellings of the same keys.
    EXPECT_EQ(get("/kv/a%2Fb").body, "/kv/a/b");
    EXPECT_EQ(get("/kv/a%2fb").body, "/kv/a/b");
    EXPECT_EQ(get("/kv/%61/%62").body, "/kv/a/b");
    EXPECT_EQ(get("/kv/a%2Bb").body, "/kv/a+b");
    EXPECT_EQ(get("/kv/%2E%2E").body, "/kv/..");
}

TEST_P(HttpApi, KeysNamedLikeRoutesAreReachable) {
    ASSERT_EQ(put("/kv/range", "a range").status, 200);
    ASSERT_EQ(put("/kv/batch", "a batch").status, 200);
    EXPECT_EQ(get("/kv/r%61nge").body, "a range");
    EXPECT_EQ(get("/kv/batch").body, "a batch");
    EXPECT_EQ(request("DELETE", "/kv/range").header("quorate-deleted"), "1");
}

TEST_P(HttpApi, RangeIsOrderedInclusiveAndPaged) {
    ASSERT_EQ(batch("PUT b 2\nPUT a 1\nPUT d 4\nPUT c 3").status, 200);
    const Reply all = get("/kv/range");
    EXPECT_EQ(all.status, 200);
    EXPECT_EQ(all.header("content-type"), "application/x-ndjson");
    EXPECT_EQ(all.header("quorate-next"), "");
    EXPECT_EQ(all.body, R"({"k":"a","v":"1"})"
                        "\n"
                        R"({"k":"b","v":"2"})"
                        "\n"
                        R"({"k":"c","v":"3"})"
                        "\n"
                        R"({"k":"d","v":"4"})"
                        "\n");

    EXPECT_EQ(get("/kv/range?start=b&end=c").body, R"({"k":"b","v":"2"})"
                                                   "\n"
                                                   R"({"k":"c","v":"3"})"
                                                   "\n");
    EXPECT_EQ(get("/kv/range?start=x").body, "");
    EXPECT_EQ(get("/kv/range?start=c&end=b").body, "");

    const Reply page = get("/kv/range?start=a&limit=2");
    EXPECT_EQ(page.body, R"({"k":"a","v":"1"})"
                         "\n"
                         R"({"k":"b","v":"2"})"
                         "\n");
    EXPECT_EQ(page.header("quorate-next"), "b");
    const Reply rest = get("/kv/range?start=a&limit=2&after=" + page.header("quorate-next"));
    EXPECT_EQ(rest.body, R"({"k":"c","v":"3"})"
                         "\n"
                         R"({"k":"d","v":"4"})"
                         "\n");
    EXPECT_EQ(rest.header("quorate-next"), "");
}

// Each byte of a key may take three in a target, and a range names three keys.
TEST_P(HttpApi, TheLongestKeysAreReachableWhenPercentEncoded) {
    std::string longest;
    for (int i = 0; i < 4095; ++i) longest += "%FF";
    ASSERT_EQ(put("/kv/" + longest + "%01", "first").status, 200);
    ASSERT_EQ(put("/kv/" + longest + "%02", "second").status, 200);
    EXPECT_EQ(get("/kv/" + longest + "%01").body, "first");
    const std::string range = "/kv/range?limit=1&start=" + longest + "%01&end=" + longest + "%02";
    const Reply page = get(range);
    EXPECT_EQ(page.status, 200) << page.body;
    const Reply next = get(range + "&after=" + page.header("quorate-next"));
    EXPECT_EQ(next.status, 200) << next.body;
    EXPECT_NE(next.body.find("\"second\""), std::string::npos);
}

TEST_P(HttpApi, APipelinedReadSeesTheWriteBeforeIt) {
    ASSERT_EQ(put("/kv/a", "old").status, 200);
    for (int i = 0; i < 20; ++i) {
        const std::string value = "value" + std::to_string(i);
        const RawConnection client(address());
        client.send("PUT /kv/a HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(value.size()) +
                    "\r\n\r\n" + value + "GET /kv/a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        const auto answers = client.receive_until_closed();
        ASSERT_TRUE(answers);
        EXPECT_TRUE(answers->ends_with("\r\n\r\n" + value)) << *answers;
    }
}

TEST_P(HttpApi, RangeShowsBytesThatAreNotTextInBase64) {
    ASSERT_EQ(put("/kv/%ff%00", std::string("\x80\x00", 2)).status, 200);
    ASSERT_EQ(put("/kv/%C3%A9", "\"\\\n").status, 200);
    const Reply all = get("/kv/range");
    const std::size_t end = all.body.find('\n');
    EXPECT_EQ(Json::parse(all.body.substr(0, end)), (Json{{"k", "é"}, {"v", "\"\\\n"}}));
    EXPECT_EQ(Json::parse(all.body.substr(end + 1)), (Json{{"k_b64", "/wA="}, {"v_b64", "gAA="}}));
}

TEST_P(HttpApi, BatchIsAllOrNothing) {
    ASSERT_EQ(put("/kv/gone", "soon").status, 200);
    const Reply done = batch("PUT x 1 and more\nDEL gone\nPUT empty \n");
    ASSERT_EQ(done.status, 200) << done.body;
    EXPECT_EQ(done.body, "OK\n");
    EXPECT_EQ(get("/kv/x").body, "1 and more");
    EXPECT_EQ(get("/kv/gone").status, 404);
    EXPECT_EQ(get("/kv/x").header("etag"), get("/kv/empty").header("etag")) << "one revision for all of it";

    const Reply bad = batch("PUT y 1\nFROB z\nPUT w 3");
    expect_problem(bad, 400);
    EXPECT_NE(Json::parse(bad.body).at("detail").get<std::string>().find("line 2"), std::string::npos)
        << bad.body;
    EXPECT_EQ(get("/kv/y").status, 404);
    EXPECT_EQ(get("/kv/w").status, 404);
}

TEST_P(HttpApi, WhoisHealthAndLeaderAgree) {
    const Json health = get_json("/raft/health");
    EXPECT_EQ(health.at("nodeId"), cluster_.name(door_));
    EXPECT_EQ(health.at("addr"), address());
    EXPECT_EQ(health.at("role"), door_ == leader_ ? "leader" : "follower");
    EXPECT_EQ(health.at("leaderId"), cluster_.name(leader_));
    EXPECT_EQ(health.at("leaderAddr"), cluster_.address(leader_));
    for (const char* number : {"term", "commitIndex", "lastIndex", "appliedIndex", "snapshotIndex"}) {
        EXPECT_TRUE(health.at(number).is_number_unsigned()) << number;
    }
    EXPECT_TRUE(health.contains("storage"));
    EXPECT_TRUE(health.contains("version"));

    const Json whois = get_json("/raft/whois");
    for (const char* field : {"role", "term", "leaderId", "leaderAddr"})
        EXPECT_EQ(whois.at(field), health.at(field)) << field;

    const Json leader = get_json("/cluster/leader");
    for (const char* field : {"term", "leaderId", "leaderAddr"})
        EXPECT_EQ(leader.at(field), health.at(field)) << field;
    EXPECT_TRUE(leader.contains("clusterId"));
    EXPECT_TRUE(leader.contains("source"));
}

TEST_P(HttpApi, NodesShowsEveryMemberAndWhoIsDown) {
    Json nodes = get_json("/cluster/nodes");
    EXPECT_TRUE(nodes.contains("clusterId"));
    ASSERT_EQ(nodes.at("nodes").size(), cluster_.size());
    std::set<std::string> names;
    for (const Json& node : nodes.at("nodes")) {
        EXPECT_EQ(node.at("up"), true) << node;
        EXPECT_TRUE(node.contains("commitIndex"));
        names.insert(node.at("nodeId").get<std::string>());
    }
    EXPECT_EQ(names.size(), cluster_.size());
    if (cluster_.size() == 1) return;

    std::size_t dead = 0;
    while (dead == door_ || dead == leader_) ++dead;
    cluster_.kill(dead);
    EXPECT_TRUE(eventually([&] {
        const Json after = get_json("/cluster/nodes");
        return std::ranges::any_of(after.at("nodes"), [&](const Json& node) {
            return node ==
                   Json{{"up", false}, {"nodeId", cluster_.name(dead)}, {"addr", cluster_.address(dead)}};
        });
    }));
}

TEST_P(HttpApi, ForwardFalseIsAnsweredOnlyByTheLeader) {
    for (const char* method : {"PUT", "GET", "DELETE"}) {
        const Reply reply = request(method, "/kv/k?forward=false",
                                    *method == 'P' ? std::optional<std::string_view>("v") : std::nullopt);
        if (door_ == leader_) {
            EXPECT_EQ(reply.status, 200) << method << reply.body;
            continue;
        }
        expect_problem(reply, 409);
        const Json problem = Json::parse(reply.body);
        EXPECT_EQ(problem.at("error"), "not_leader");
        EXPECT_EQ(problem.at("leader"), cluster_.address(leader_));
    }
}

TEST_P(HttpApi, LeadershipIsTransferredOnRequest) {
    expect_problem(request("GET", "/cluster/transfer"), 405);
    expect_problem(request("POST", "/cluster/transfer?too=x"), 400);
    if (door_ != leader_) {
        const Reply refused = request("POST", "/cluster/transfer");
        expect_problem(refused, 409);
        EXPECT_EQ(Json::parse(refused.body).at("leader"), cluster_.address(leader_));
        return;
    }
    expect_problem(request("POST", "/cluster/transfer?to=nobody"), 400);
    if (GetParam() == Door::SingleNode) return expect_problem(request("POST", "/cluster/transfer"), 400);
    const std::string target = cluster_.name(cluster_.some_follower());
    const Reply done = request("POST", "/cluster/transfer?to=" + target);
    EXPECT_EQ(done.status, 200) << done.body;
    EXPECT_TRUE(eventually([&] { return get_json("/raft/whois").at("leaderId") == target; }));
    EXPECT_EQ(put("/kv/after", "1").status, 200);
}

// One connection, many requests on their way at once: answered in their order.
TEST_P(HttpApi, PipelinedRequestsAreAnsweredInOrder) {
    constexpr int kRequests = 30;
    std::string puts;
    std::string gets;
    std::string expected;
    for (int i = 0; i < kRequests; ++i) {
        const std::string value = "value " + std::to_string(i) + ";";
        const std::string target = "/kv/pipelined" + std::to_string(i);
        puts += "PUT " + target + " HTTP/1.1\r\nHost: q\r\nContent-Length: " + std::to_string(value.size()) +
                "\r\n\r\n" + value;
        gets += "GET " + target + " HTTP/1.1\r\nHost: q\r\n\r\n";
        expected += value;
    }
    const std::string last = "GET /kv/none HTTP/1.1\r\nHost: q\r\nConnection: close\r\n\r\n";
    for (const std::string& requests : {puts, gets}) {
        const RawConnection connection(address());
        connection.send(requests + last);
        const std::optional<std::string> answers = connection.receive_until_closed();
        ASSERT_TRUE(answers);
        std::string bodies;
        int heads = 0;
        for (std::size_t at = 0, end = 0; (end = answers->find("\r\n\r\n", at)) != std::string::npos;
             ++heads) {
            if (heads > 0) bodies += answers->substr(at, answers->find("HTTP/1.1 ", at) - at);
            at = end + 4;
        }
        EXPECT_EQ(heads, kRequests + 1) << *answers;
        if (requests == gets) {
            EXPECT_EQ(bodies, expected);
        }
    }
}

INSTANTIATE_TEST_SUITE_P(At, HttpApi, testing::Values(Door::SingleNode, Door::Leader, Door::Follower),
                         name_of);

}  // namespace
}  // namespace quorate::test
