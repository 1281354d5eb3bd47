// Every refusal of the HTTP surface, and what a broken or hostile client gets.

#include <gmock/gmock.h>

#include "tests/process/api_fixture.h"

namespace quorate::test {
namespace {

using namespace std::string_literals;

class HttpErrors : public ApiTest {};

TEST_P(HttpErrors, ParametersAreTakenAtTheirWord) {
    for (const char* target : {
             "/kv/range?limit=0",
             "/kv/range?limit=100001",
             "/kv/range?limit=-1",
             "/kv/range?limit=ten",
             "/kv/range?limit=",
             "/kv/range?limit=1&limit=2",
             "/kv/range?limt=1",
             "/kv/range?start=%zz",
             "/kv/k?colour=red",
             "/kv/k?forward=maybe",
         }) {
        SCOPED_TRACE(target);
        expect_problem(get(target), 400);
    }
}

TEST_P(HttpErrors, MalformedKeysAreRefused) {
    for (const std::string& target : {std::string("/kv/"), std::string("/kv/%"), std::string("/kv/%4"),
                                      std::string("/kv/%zz"), "/kv/" + std::string(4097, 'k')}) {
        SCOPED_TRACE(target.substr(0, 20));
        expect_problem(put(target, "v"), 400);
        expect_problem(get(target), 400);
    }
    EXPECT_EQ(put("/kv/" + std::string(4096, 'k'), "v").status, 200);
}

TEST_P(HttpErrors, UnknownRoutesAndMethods) {
    expect_problem(get("/"), 404);
    expect_problem(get("/nothing/here"), 404);
    expect_problem(get("/kv"), 404);
    struct Wrong {
        std::string method;
        std::string target;
        std::vector<std::string> allowed;
    };
    for (const auto& [method, target, allowed] : {Wrong{"POST", "/kv/k", {"GET", "HEAD", "PUT", "DELETE"}},
                                                  Wrong{"PUT", "/raft/health", {"GET", "HEAD"}},
                                                  Wrong{"DELETE", "/cluster/nodes", {"GET", "HEAD"}}}) {
        SCOPED_TRACE(method);
        const Reply reply = request(method, target, "x");
        expect_problem(reply, 405);
        for (const std::string& one : allowed) EXPECT_THAT(reply.header("allow"), testing::HasSubstr(one));
    }
}

TEST_P(HttpErrors, BatchesNameTheLineThatIsWrong) {
    const std::vector<std::pair<std::string, std::string>> wrong{{"FROB a", "line 1"},
                                                                 {"PUT a 1\nPUT", "line 2"},
                                                                 {"PUT a 1\n\nDEL", "line"},
                                                                 {"DEL a b\n", "line 1"}};
    for (const auto& [lines, place] : wrong) {
        const Reply reply = batch(lines);
        SCOPED_TRACE(lines);
        expect_problem(reply, 400);
        EXPECT_NE(reply.body.find(place), std::string::npos) << reply.body;
    }
}

TEST_P(HttpErrors, TooLargeIsRefused) {
    expect_problem(put("/kv/k", std::string((4U << 20) + 1, 'v')), 413);
    expect_problem(batch("PUT k " + std::string(5U << 20, 'v')), 413);
    expect_problem(get("/kv/" + std::string(40000, 'k')), 414);
    expect_problem(request("GET", "/kv/k", std::nullopt, {"X-Filler: " + std::string(60000, 'x')}), 431);
    EXPECT_EQ(get("/kv/k").status, 404) << "and the node goes on";
}

// What libcurl would never send. Each is refused with its status and the connection closed, so that no byte
// behind the fault is taken for another request.
TEST_P(HttpErrors, BrokenFramingIsRefusedAndTheConnectionClosed) {
    const std::string smuggled = "GET /kv/smuggled HTTP/1.1\r\nHost: q\r\n\r\n";
    const std::vector<std::pair<std::string, std::string>> broken{
        {"PUT /kv/k HTTP/1.1\r\nHost: q\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nv", "400"},
        {"PUT /kv/k HTTP/1.1\r\nHost: q\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         "400"},
        {"PUT /kv/k HTTP/1.1\r\nHost: q\r\nContent-Length: +1\r\n\r\nv", "400"},
        {"PUT /kv/k HTTP/1.1\r\nHost: q\r\n\r\n", "411"},
        {"PUT /kv/k HTTP/1.1\r\nHost: q\r\nTransfer-Encoding: gzip\r\n\r\n", "501"},
        {"PUT /kv/k HTTP/1.1\r\nHost: q\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400"},
        {"GET /kv/k HTTP/1.1\nHost: q\n\n", "400"},
        {"GET /kv/k HTTP/1.1\r\nHost: q\r\n folded: x\r\n\r\n", "400"},
        {"GET /kv/k HTTP/1.1\r\nHost : q\r\n\r\n", "400"},
        {"GET /kv/k HTTP/1.1\r\n\r\n", "400"},
        {"GET /kv/k HTTP/1.1\r\nHost: q\r\nHost: q\r\n\r\n", "400"},
        {"GET /kv/k HTTP/1.1\r\nHost: q\r\nX: a\0b\r\n\r\n"s, "400"},
        {"GET /kv/\xc3\xa9 HTTP/1.1\r\nHost: q\r\n\r\n", "400"},
        {"GET  /kv/k HTTP/1.1\r\nHost: q\r\n\r\n", "400"},
        {"GET /kv/k HTTP/3.0\r\nHost: q\r\n\r\n", "400"},
        {"\x16\x03\x01\x02\x00", "400"},
    };
    for (const auto& [bytes, status] : broken) {
        SCOPED_TRACE(bytes);
        const RawConnection connection(address());
        connection.send(bytes + smuggled);
        const std::optional<std::string> answer = connection.receive_until_closed();
        ASSERT_TRUE(answer) << "the connection stays open";
        EXPECT_THAT(*answer, testing::StartsWith("HTTP/1.1 " + status));
        const std::size_t end_of_head = answer->find("\r\n\r\n");
        EXPECT_EQ(answer->find("\r\n\r\n", end_of_head + 1), std::string::npos) << "two answers: " << *answer;
    }
    EXPECT_EQ(get("/kv/k").status, 404) << "and the node goes on";
}

TEST_P(HttpErrors, ExpectationsAreMetOrRefused) {
    const Reply met = request("PUT", "/kv/k", "v", {"Expect: 100-continue"});
    EXPECT_EQ(met.status, 200) << met.body;
    expect_problem(request("PUT", "/kv/k", "v", {"Expect: miracles"}), 501);
}

TEST_P(HttpErrors, AStrangerCannotPassForAPeer) {
    const RawConnection connection(address());
    connection.send(
        "GET /raft/link HTTP/1.1\r\nHost: q\r\nConnection: Upgrade\r\nUpgrade: quorate-raft\r\n\r\n");
    const std::string answer = connection.receive_until("\r\n\r\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 4")) << answer;
}

INSTANTIATE_TEST_SUITE_P(At, HttpErrors, testing::Values(Door::SingleNode, Door::Leader, Door::Follower),
                         name_of);

}  // namespace
}  // namespace quorate::test
