#include "server/http_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <rapidcheck/gtest.h>

#include "server/percent.h"
#include "tests/server/generators.h"

namespace quorate::server::test {
namespace {

using testing::HasSubstr;

std::expected<ApiCall, HttpResponse> parse(std::string method, std::string target,
                                           std::vector<HttpHeader> headers = {}, std::string body = {}) {
    return parse_call({std::move(method), std::move(target), std::move(headers), std::move(body)}, {});
}

Command put_command(std::string key, std::string value, Condition condition = {}) {
    return {{{Operation::Kind::Put, std::move(key), std::move(value)}}, std::move(condition)};
}
Command delete_command(std::string key, Condition condition = {}) {
    return {{{Operation::Kind::Delete, std::move(key), {}}}, std::move(condition)};
}

void expect_refusal(const std::expected<ApiCall, HttpResponse>& call, int status, std::string_view code) {
    ASSERT_FALSE(call);
    EXPECT_EQ(call.error().status, status);
    ASSERT_FALSE(call.error().headers.empty());
    EXPECT_EQ(call.error().headers.front(), (HttpHeader{"Content-Type", "application/problem+json"}));
    const auto problem = nlohmann::json::parse(call.error().body, nullptr, false);
    ASSERT_TRUE(problem.is_object()) << call.error().body;
    EXPECT_EQ(problem.value("status", 0), status);
    EXPECT_EQ(problem.value("code", ""), code) << call.error().body;
    EXPECT_NE(problem.value("detail", ""), "");
}

TEST(Routes, AChangeOfTheMembersIsBounded) {
    expect_refusal(parse("POST", "/cluster/members", {}, std::string((64 << 10) + 1, ' ')), 413,
                   "change_too_large");
    expect_refusal(parse("POST", "/cluster/members", {}, "{}"), 400, "invalid_change");
    expect_refusal(parse("DELETE", "/cluster/members/", {}), 400, "invalid_change");
    expect_refusal(parse("DELETE", "/cluster/members/n1?force=1", {}), 400, "invalid_change");
    expect_refusal(parse("PUT", "/cluster/members", {}), 405, "method_not_allowed");
    expect_refusal(parse("GET", "/cluster/members/n1", {}), 405, "method_not_allowed");
}

TEST(Routes, LeadToTheirCalls) {
    const RangeQuery all{.start = {}, .end = {}, .after = {}, .limit = 1000};
    struct Row {
        const char* method;
        const char* target;
        const char* body;
        ApiCall call;
    };
    const std::vector<Row> rows{
        {"PUT", "/kv/k", "v", {PutCall{put_command("k", "v")}}},
        {"PUT", "/kv/k", "", {PutCall{put_command("k", "")}}},
        {"GET", "/kv/k", "", {GetCall{"k"}}},
        {"HEAD", "/kv/k", "", {GetCall{"k"}}},
        {"DELETE", "/kv/k", "", {DeleteCall{delete_command("k")}}},
        {"GET", "/kv/range", "", {RangeCall{all}}},
        {"HEAD", "/kv/range", "", {RangeCall{all}}},
        {"GET", "/kv/k?revision=0", "", {GetCall{"k", 0}}},
        {"HEAD", "/kv/k?revision=18446744073709551615", "", {GetCall{"k", UINT64_MAX}}},
        {"POST", "/kv/batch", "PUT k v\n", {BatchCall{put_command("k", "v")}}},
        {"GET", "/raft/whois", "", {WhoisCall{}}},
        {"GET", "/cluster/members", "", {MembersCall{}}},
        {"HEAD", "/cluster/members", "", {MembersCall{}}},
        {"POST", "/cluster/members", R"({"remove":["n1"]})", {MembersChangeCall{{.remove = {"n1"}}}}},
        {"DELETE", "/cluster/members/n%31", "", {MembersChangeCall{{.remove = {"n1"}}}}},
        {"DELETE",
         "/cluster/members/n1?force=true",
         "",
         {MembersChangeCall{{.remove = {"n1"}, .is_forced = true}}}},
        {"GET", "/raft/health", "", {HealthCall{}}},
        {"HEAD", "/raft/health", "", {HealthCall{}}},
        {"GET", "/cluster/leader", "", {ClusterLeaderCall{}}},
        {"GET", "/cluster/nodes", "", {ClusterNodesCall{}}},
        {"POST", "/cluster/transfer", "", {TransferCall{}}},
        {"POST", "/cluster/transfer?to=node%202", "", {TransferCall{"node 2"}}},
        {"GET", "/admin/backup", "", {BackupCall{}}},
        {"GET", "/admin/backup?consistency=stale", "", {BackupCall{}, Consistency::Stale}},
        // Keys that are named like routes: by every other method, or with a letter percent-encoded.
        {"PUT", "/kv/range", "v", {PutCall{put_command("range", "v")}}},
        {"DELETE", "/kv/range", "", {DeleteCall{delete_command("range")}}},
        {"GET", "/kv/r%61nge", "", {GetCall{"range"}}},
        {"GET", "/kv/batch", "", {GetCall{"batch"}}},
        {"PUT", "/kv/batch", "v", {PutCall{put_command("batch", "v")}}},
        {"GET", "/kv/range/", "", {GetCall{"range/"}}},
        {"GET", "/kv/Range", "", {GetCall{"Range"}}},
        // What a client sends to a proxy.
        {"GET", "http://node:7070/kv/k", "", {GetCall{"k"}}},
        {"GET", "http://node:7070/kv/http://x", "", {GetCall{"http://x"}}},
        {"GET", "HTTP://node/kv/k", "", {GetCall{"k"}}},
    };
    for (const Row& row : rows) {
        const auto call = parse(row.method, row.target, {}, row.body);
        ASSERT_TRUE(call) << row.method << row.target << call.error().body;
        EXPECT_TRUE(*call == row.call) << row.method << row.target;
    }
}

// Every row of the rules for keys in paths.
TEST(Keys, AreTheBytesBehindThePrefixDecodedOnce) {
    const std::vector<std::pair<const char*, std::string>> rows{
        {"a%2Fb", "a/b"},
        {"a/b", "a/b"},
        {"a%252Fb", "a%2Fb"},
        {"a+b", "a+b"},
        {"a%2Bb", "a+b"},
        {"a%20b", "a b"},
        {".", "."},
        {"..", ".."},
        {"a/../b", "a/../b"},
        {"./a", "./a"},
        {"%2E%2e", ".."},
        {"/a", "/a"},
        {"a//b", "a//b"},
        {"a/", "a/"},
        {"//", "//"},
        {"a%3Fb", "a?b"},
        {"a;b=c", "a;b=c"},
        {"a&b", "a&b"},
        {"%0d%0a", "\r\n"},
        {"a%00b", std::string("a\0b", 3)},
        {"%C3%A9%ff", "\xc3\xa9\xff"},
    };
    for (const auto& [path, key] : rows) {
        const auto call = parse("GET", std::string("/kv/") + path);
        ASSERT_TRUE(call) << path;
        EXPECT_EQ(std::get<GetCall>(call->call).key, key) << path;
    }
}

RC_GTEST_PROP(Keys, EveryKeyHasAPathAndNoTwoShareOne, ()) {
    const std::string one = any_bytes();
    const std::string other = any_bytes();
    RC_PRE(!one.empty() && !other.empty());
    std::string escaped;
    for (const char c : one) {
        const std::string encoded = percent_encode(std::string(1, c));
        // Every letter may be encoded too.
        escaped += encoded.size() == 1
                       ? "%" + std::string(1, "0123456789abcdef"[static_cast<unsigned char>(c) / 16]) +
                             std::string(1, "0123456789abcdef"[static_cast<unsigned char>(c) % 16])
                       : encoded;
    }
    const auto call = parse("PUT", "/kv/" + escaped);
    RC_ASSERT(call.has_value());
    RC_ASSERT(std::get<PutCall>(call->call).command == put_command(one, ""));
    const bool is_same = parse("PUT", "/kv/" + percent_encode(one)) == call;
    const bool other_is_same = parse("PUT", "/kv/" + percent_encode(other)) == call;
    RC_ASSERT(is_same);
    RC_ASSERT(other_is_same == (one == other));
}

TEST(Keys, AreRefusedWhenMalformed) {
    for (const char* method : {"GET", "HEAD", "PUT", "DELETE"}) {
        for (const char* target :
             {"/kv/", "/kv/?forward=true", "/kv/%", "/kv/%4", "/kv/%zz", "/kv/a%", "/kv/%%30"}) {
            SCOPED_TRACE(std::string(method) + target);
            expect_refusal(parse(method, target), 400, "invalid_key");
        }
        expect_refusal(parse(method, "/kv/" + std::string(4097, 'k')), 400, "key_too_long");
        EXPECT_TRUE(parse(method, "/kv/" + std::string(4096, 'k')));
    }
    std::string encoded;
    for (int i = 0; i < 4096; ++i) encoded += "%41";
    EXPECT_TRUE(parse("GET", "/kv/" + encoded)) << "the bytes count, not the characters";
}

TEST(Routes, RefuseOtherPathsAndMethods) {
    for (const char* target : {"/", "/kv", "/KV/k", "/k%76/k", "/raft", "/raft/", "/raft/health/",
                               "/raft//health", "/raft/../raft/health", "/cluster", "/nothing", "//kv/k",
                               "/kvk", "http://node", "http://node?x=/kv/k", "http://node?/kv/k"}) {
        SCOPED_TRACE(target);
        expect_refusal(parse("GET", target), 404, "no_such_route");
        expect_refusal(parse("PUT", target), 404, "no_such_route");
    }
    for (const char* target :
         {"", "*", "kv/k", "node:7070", "ftp://node/kv/k", "http:///kv/k", "http://", "/kv/k#part"}) {
        SCOPED_TRACE(target);
        expect_refusal(parse("GET", target), 400, "invalid_target");
    }
    EXPECT_THAT(parse("GET", "/kv/k#part").error().body, testing::HasSubstr("%23"));
    EXPECT_THAT(parse("OPTIONS", "*").error().body, testing::HasSubstr("the server as a whole"));
    const std::vector<std::array<const char*, 3>> rows{
        {"POST", "/kv/k", "GET, HEAD, PUT, DELETE"},
        {"PATCH", "/kv/k", "GET, HEAD, PUT, DELETE"},
        {"POST", "/kv/range", "GET, HEAD, PUT, DELETE"},
        {"OPTIONS", "/kv/batch", "GET, HEAD, PUT, DELETE, POST"},
        {"POST", "/kv/b%61tch", "GET, HEAD, PUT, DELETE"},
        {"POST", "/raft/health", "GET, HEAD"},
        {"PUT", "/raft/whois", "GET, HEAD"},
        {"GET", "/cluster/transfer", "POST"},
        {"DELETE", "/cluster/nodes", "GET, HEAD"},
        {"get", "/cluster/leader", "GET, HEAD"},
    };
    for (const auto& [method, target, allowed] : rows) {
        SCOPED_TRACE(std::string(method) + target);
        const auto call = parse(method, target);
        expect_refusal(call, 405, "method_not_allowed");
        EXPECT_EQ(call.error().headers.back(), (HttpHeader{"Allow", allowed}));
    }
}

TEST(Options, AreReadFromTheQuery) {
    EXPECT_TRUE(parse("PUT", "/kv/k")->forward);
    EXPECT_TRUE(parse("PUT", "/kv/k?forward=true")->forward);
    EXPECT_FALSE(parse("PUT", "/kv/k?forward=false")->forward);
    EXPECT_FALSE(parse("DELETE", "/kv/k?forward=false")->forward);
    EXPECT_FALSE(parse("POST", "/kv/batch?forward=false", {}, "DEL k")->forward);
    EXPECT_FALSE(parse("GET", "/kv/k?forward=false")->forward);
    EXPECT_FALSE(parse("GET", "/kv/range?forward=false")->forward);
    EXPECT_EQ(parse("GET", "/kv/k")->consistency, Consistency::Linearizable);
    EXPECT_EQ(parse("GET", "/kv/k?consistency=linearizable")->consistency, Consistency::Linearizable);
    EXPECT_EQ(parse("GET", "/kv/k?consistency=stale&forward=true")->consistency, Consistency::Stale);
    EXPECT_EQ(parse("GET", "/kv/range?consistency=stale")->consistency, Consistency::Stale);
}

TEST(Options, AreRefusedWhenTheyMeanNothing) {
    const std::vector<std::array<const char*, 3>> rows{
        {"GET", "/kv/k?forward=maybe", "invalid_parameter"},
        {"GET", "/kv/k?forward=", "invalid_parameter"},
        {"GET", "/kv/k?consistency=strong", "invalid_parameter"},
        {"GET", "/kv/k?revision=", "invalid_parameter"},
        {"GET", "/kv/k?revision=-1", "invalid_parameter"},
        {"GET", "/kv/range?revision=1x", "invalid_parameter"},
        {"GET", "/kv/range?revision=18446744073709551616", "invalid_parameter"},
        {"PUT", "/kv/k?revision=1", "invalid_query"},
        {"GET", "/kv/k?consistency=lease", ""},
        {"PUT", "/kv/k?consistency=lease", "invalid_query"},
        {"GET", "/kv/k?forward=true&forward=true", "invalid_query"},
        {"GET", "/kv/k?colour=red", "invalid_query"},
        {"GET", "/kv/k?limit=1", "invalid_query"},
        {"GET", "/kv/k?", ""},
        {"PUT", "/kv/k?consistency=stale", "invalid_query"},
        {"GET", "/raft/health?forward=false", "invalid_query"},
        {"GET", "/kv/range?limt=1", "invalid_query"},
        {"GET", "/kv/range?start=%zz", "invalid_query"},
    };
    for (const auto& [method, target, code] : rows) {
        SCOPED_TRACE(target);
        const auto call = parse(method, target);
        if (*code == '\0') {
            EXPECT_TRUE(call);
        } else {
            expect_refusal(call, 400, code);
        }
    }
}

TEST(RangeParameters, AreTakenAtTheirWord) {
    const auto range = [](const char* query) {
        return std::get<RangeCall>(parse("GET", std::string("/kv/range") + query)->call).range;
    };
    const RangeQuery read = range("?start=a%00&end=b+c&after=%ff&limit=7");
    EXPECT_EQ(read.start, std::string("a\0", 2));
    EXPECT_EQ(read.end, "b+c") << "a plus is a plus in queries too";
    EXPECT_EQ(read.after, "\xff");
    EXPECT_EQ(read.limit, 7U);
    EXPECT_EQ(range("?start=&end=&after="), range("")) << "an empty bound is no bound";
    EXPECT_EQ(range("?limit=1").limit, 1U);
    EXPECT_EQ(range("?limit=100000").limit, 100000U);
    for (const char* limit :
         {"0", "100001", "-1", "+1", "ten", "", "1.0", "1e3", "0x10", " 1", "99999999999999999999"}) {
        SCOPED_TRACE(limit);
        expect_refusal(parse("GET", std::string("/kv/range?limit=") + percent_encode(limit)), 400,
                       "invalid_limit");
    }
}

TEST(Writes, CarryTheirConditions) {
    const auto put = parse("PUT", "/kv/k", {{"If-None-Match", "*"}}, "v");
    ASSERT_TRUE(put);
    EXPECT_EQ(std::get<PutCall>(put->call).command, put_command("k", "v", {Condition::Kind::Absent, {}}));
    const auto remove = parse("DELETE", "/kv/k", {{"if-match", "\"3\""}});
    ASSERT_TRUE(remove);
    EXPECT_EQ(std::get<DeleteCall>(remove->call).command,
              delete_command("k", {Condition::Kind::RevisionIn, {3}}));
    expect_refusal(parse("PUT", "/kv/k", {{"If-Match", "3"}}, "v"), 400, "invalid_condition");
    expect_refusal(parse("POST", "/kv/batch", {{"If-Match", "*"}}, "DEL k"), 400, "invalid_condition");
    expect_refusal(parse("POST", "/kv/batch", {{"If-None-Match", "*"}}, "DEL k"), 400, "invalid_condition");
}

TEST(Writes, HappenOnceWithAKey) {
    const std::vector<HttpHeader> key{{"idempotency-key", "once"}};
    const std::vector<HttpHeader> both{{"Idempotency-Key", "once"}, {"quorate-session", "17"}};
    const auto put = parse("PUT", "/kv/k", key, "v");
    ASSERT_TRUE(put);
    EXPECT_EQ(std::get<PutCall>(put->call).command.once, (Once{"once", std::nullopt}));
    const auto remove = parse("DELETE", "/kv/k", both);
    ASSERT_TRUE(remove);
    EXPECT_EQ(std::get<DeleteCall>(remove->call).command.once, (Once{"once", 17}));
    auto batch = parse("POST", "/kv/batch", both, "DEL k");
    ASSERT_TRUE(batch);
    EXPECT_EQ(take_command(*batch).once, (Once{"once", 17}));
    EXPECT_TRUE(parse("GET", "/kv/k", key)) << "to a read it says nothing";
}

TEST(Writes, AKeyIsOneHeaderOfVisibleCharacters) {
    const std::vector<std::vector<HttpHeader>> wrong{
        {{"Idempotency-Key", ""}},    {{"Idempotency-Key", std::string(65, 'k')}},
        {{"Idempotency-Key", "a b"}}, {{"Idempotency-Key", "a"}, {"Idempotency-Key", "a"}},
        {{"Quorate-Session", "1"}},
    };
    for (const auto& headers : wrong) {
        expect_refusal(parse("PUT", "/kv/k", headers, "v"), 400, "invalid_idempotency_key");
        expect_refusal(parse("DELETE", "/kv/k", headers), 400, "invalid_idempotency_key");
        expect_refusal(parse("POST", "/kv/batch", headers, "DEL k"), 400, "invalid_idempotency_key");
    }
    for (const char* session : {"", "-1", "x", "18446744073709551616"}) {
        expect_refusal(parse("PUT", "/kv/k", {{"Idempotency-Key", "a"}, {"Quorate-Session", session}}, "v"),
                       400, "invalid_session");
    }
}

TEST(Sessions, BeginWithAPost) {
    EXPECT_TRUE(parse("POST", "/sessions"));
    expect_refusal(parse("GET", "/sessions"), 405, "method_not_allowed");
    expect_refusal(parse("POST", "/sessions?id=1"), 400, "invalid_query");
}

TEST(Writes, HaveLimits) {
    const std::size_t max = ApiLimits().value_bytes_max;
    EXPECT_TRUE(parse("PUT", "/kv/k", {}, std::string(max, 'v')));
    const auto too_large = parse("PUT", "/kv/k", {}, std::string(max + 1, 'v'));
    expect_refusal(too_large, 413, "value_too_large");
    EXPECT_THAT(too_large.error().body,
                testing::HasSubstr("4194305 bytes, at most 4194304 (--value-bytes-max)"));
    const auto batch_too_large = parse("POST", "/kv/batch", {}, "PUT k " + std::string(max, 'v'));
    expect_refusal(batch_too_large, 413, "batch_too_large");
    EXPECT_THAT(batch_too_large.error().body,
                testing::HasSubstr("the batch has 4194310 bytes, at most 4194304"));
    std::string lines;
    for (int i = 0; i < 10'000; ++i) lines += "DEL k\n";
    EXPECT_TRUE(parse("POST", "/kv/batch", {}, lines));
    expect_refusal(parse("POST", "/kv/batch", {}, lines + "DEL k"), 400, "invalid_batch");
}

TEST(Batches, NameTheLineAndRefuseJson) {
    const auto call = parse("POST", "/kv/batch", {}, "PUT a 1\nFROB");
    expect_refusal(call, 400, "invalid_batch");
    EXPECT_THAT(call.error().body, HasSubstr("line 2"));
    expect_refusal(parse("POST", "/kv/batch"), 400, "invalid_batch");
    expect_refusal(parse("POST", "/kv/batch", {}, "DEL \xff x"), 400, "invalid_batch");
    for (const char* type : {"application/json", "Application/JSON; charset=utf-8", "application/json ;x"}) {
        expect_refusal(parse("POST", "/kv/batch", {{"Content-Type", type}}, "{}"), 415,
                       "json_batch_unsupported");
    }
    for (const char* type : {"text/plain", "application/x-www-form-urlencoded", ""}) {
        EXPECT_TRUE(parse("POST", "/kv/batch", {{"content-type", type}}, "DEL k")) << type;
    }
}

TEST(Calls, GiveUpTheirCommand) {
    auto call = parse("PUT", "/kv/k", {}, "v");
    ASSERT_TRUE(call);
    EXPECT_EQ(take_command(*call), put_command("k", "v"));
    call = parse("POST", "/kv/batch", {}, "DEL k");
    EXPECT_EQ(take_command(*call), delete_command("k"));
}

TEST(Headers, AreFoundInAnyCase) {
    const HttpRequest request{"GET", "/", {{"Host", "a"}, {"X-One", "1"}, {"x-one", "2"}}, {}};
    EXPECT_EQ(*request.header("x-ONE"), "1");
    EXPECT_EQ(*request.header("hOST"), "a");
    EXPECT_EQ(request.header("Hos"), nullptr);
    EXPECT_EQ(request.header(""), nullptr);
}

}  // namespace
}  // namespace quorate::server::test
