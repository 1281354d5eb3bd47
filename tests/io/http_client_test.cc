#include "io/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_node.h"

namespace quorate::io::test {
namespace {

using quorate::test::FakeNode;
using server::HttpFailure;
using server::HttpRequest;
using testing::HasSubstr;
using Sent = HttpFailure::Sent;

const HttpRequest kRead{"GET", "/kv/k", {}, {}};
const HttpRequest kWrite{"PUT", "/kv/k", {}, "v"};

std::string answer(int status, const std::string& body) {
    return "HTTP/1.1 " + std::to_string(status) +
           " So\r\nETag: \"7\"\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

TEST(HttpClient, GivesStatusHeadersAndBody) {
    const FakeNode node("HTTP/1.1 100 Continue\r\nEarly: yes\r\n\r\n" + answer(404, "no such key"));
    HttpClient client({});
    for (const HttpRequest& request : {kRead, kWrite}) {
        const auto got = client.request(node.address(), request);
        ASSERT_TRUE(got) << got.error().text;
        EXPECT_EQ(got->status, 404);
        EXPECT_EQ(got->body, "no such key");
        ASSERT_NE(got->header("etag"), nullptr);
        EXPECT_EQ(*got->header("etag"), "\"7\"");
        EXPECT_EQ(got->header("Early"), nullptr) << "of what came before the answer";
    }
}

TEST(HttpClient, TellsWhetherARequestMayHaveArrived) {
    std::string nobody;
    {
        const FakeNode gone("");
        nobody = gone.address();
    }
    HttpClient client({.request_ms = 300});
    const auto never = client.request(nobody, kWrite);
    ASSERT_FALSE(never);
    EXPECT_EQ(never.error().sent, Sent::Never);
    EXPECT_THAT(never.error().text, HasSubstr(nobody));

    const FakeNode breaks("");
    const FakeNode cuts("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    const FakeNode mumbles("nonsense\r\n\r\n");
    const FakeNode hangs("", FakeNode::After::Hang);
    for (const FakeNode* node : {&breaks, &cuts, &mumbles, &hangs}) {
        const auto got = client.request(node->address(), kWrite);
        ASSERT_FALSE(got);
        EXPECT_EQ(got.error().sent, Sent::Maybe) << got.error().text;
        EXPECT_EQ(node->requests(), 1);
    }
}

// libcurl sends a request again by itself when a connection that was kept breaks before an answer.
TEST(HttpClient, AWriteGoesOutOnceAlsoBehindAConnectionThatWasKept) {
    const FakeNode node(answer(200, ""), FakeNode::After::CloseNext);
    {
        HttpClient client({});
        ASSERT_TRUE(client.request(node.address(), kRead));
        EXPECT_TRUE(client.request(node.address(), kRead)) << "sent again, on another connection";
        EXPECT_EQ(node.requests(), 3);
    }
    for (const char* method : {"PUT", "POST", "DELETE"}) {
        HttpClient client({});
        HttpRequest request = kWrite;
        request.method = method;
        const FakeNode kept(answer(200, ""), FakeNode::After::CloseNext);
        ASSERT_TRUE(client.request(kept.address(), kRead));
        // The fake node serves one connection after the other: the new one waits until the kept one ends.
        client.set_limits({.request_ms = 200});
        const auto got = client.request(kept.address(), request);
        ASSERT_FALSE(got) << method;
        EXPECT_EQ(kept.requests(), 1) << method << " came on the connection that was kept";
    }
}

TEST(HttpClient, AnAnswerThatIsTooLongIsAFailure) {
    const FakeNode node(answer(200, std::string(1000, 'x')));
    HttpClient client({.body_bytes_max = 999});
    const auto got = client.request(node.address(), kRead);
    ASSERT_FALSE(got);
    EXPECT_THAT(got.error().text, HasSubstr("longer than expected"));
    client.set_limits({.body_bytes_max = 1000});
    EXPECT_TRUE(client.request(node.address(), kRead));
}

TEST(HttpClient, ABodyOfAnyLengthIsGivenAwayAsItComes) {
    HttpClient client({.body_bytes_max = 10});
    std::string taken;
    const auto take = [&](std::string_view bytes) {
        taken += bytes;
        return true;
    };
    const std::string body(100'000, 'x');
    const FakeNode node("HTTP/1.1 200 OK\r\nquorate-revision: 1\r\nContent-Length: 100000\r\n\r\n" + body);
    const auto got = client.request(node.address(), kRead, take);
    ASSERT_TRUE(got) << got.error().text;
    EXPECT_EQ(taken, body);
    EXPECT_EQ(got->body, "");

    const auto refused = client.request(node.address(), kRead, [](std::string_view) { return false; });
    EXPECT_FALSE(refused) << "nobody takes it";

    // What is no answer of that kind is not mixed with it.
    taken.clear();
    for (const int status : {503, 200}) {
        const FakeNode other(answer(status, "why"));
        const auto failed = client.request(other.address(), kRead, take);
        ASSERT_TRUE(failed);
        EXPECT_EQ(failed->body, "why");
        EXPECT_EQ(taken, "");
    }
}

}  // namespace
}  // namespace quorate::io::test
