// What the guard refuses, what it lets through, where each message ends; and that none of this depends on
// where the bytes were split. The parser behind it must see the same messages.

#include "io/http_guard.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <llhttp.h>

namespace quorate::io {
namespace {

using namespace std::string_literals;
using testing::HasSubstr;

/// Small enough for every split of every message to be tried.
constexpr HttpLimits kSmall{.request_line_bytes_max = 64,
                            .head_bytes_max = 160,
                            .fields_max = 6,
                            .body_bytes_max = 32,
                            .chunk_line_bytes_max = 40,
                            .chunk_extension_bytes_max = 50,
                            .trailer_bytes_max = 60,
                            .trailer_fields_max = 3};

struct Verdict {
    std::size_t accepted = 0;
    std::vector<std::size_t> ends;  ///< of whole messages
    std::optional<HttpFault> fault;

    bool operator==(const Verdict&) const = default;
};

void PrintTo(const Verdict& verdict, std::ostream* out) {
    *out << verdict.accepted << " accepted, ends " << testing::PrintToString(verdict.ends);
    if (verdict.fault) *out << ", " << verdict.fault->status << ' ' << verdict.fault->detail;
}

/// Offers the pieces as a connection does: what was not accepted comes again in front of the next one.
Verdict judge(const std::vector<std::string_view>& pieces, const HttpLimits& limits) {
    HttpGuard guard(limits);
    Verdict verdict;
    std::string pending;
    for (const std::string_view piece : pieces) {
        pending += piece;
        for (;;) {
            const auto progress = guard.feed(pending);
            verdict.accepted += progress.accepted;
            pending.erase(0, progress.accepted);
            if (progress.message_ended) verdict.ends.push_back(verdict.accepted);
            if (progress.fault) {
                verdict.fault = progress.fault;
                return verdict;
            }
            if (progress.accepted == 0) break;
        }
    }
    return verdict;
}

/// The verdict, which must be the same for the whole, for single bytes, and for every cut in two.
Verdict judge_in_pieces(std::string_view bytes, const HttpLimits& limits = kSmall) {
    const Verdict whole = judge({bytes}, limits);
    std::vector<std::string_view> single;
    single.reserve(bytes.size());
    for (std::size_t i = 0; i < bytes.size(); ++i) single.push_back(bytes.substr(i, 1));
    EXPECT_EQ(judge(single, limits), whole) << "byte by byte";
    for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
        const Verdict parts = judge({bytes.substr(0, cut), bytes.substr(cut)}, limits);
        EXPECT_EQ(parts, whole) << "cut at " << cut;
        if (!(parts == whole)) break;
    }
    return whole;
}

std::string get_with(const std::string& fields) { return "GET / HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n"; }
std::string put(const std::string& fields, const std::string& body) {
    return "PUT / HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n" + body;
}
std::string chunked(const std::string& body) { return put("Transfer-Encoding: chunked\r\n", body); }

struct Refused {
    std::string bytes;
    int status;
    std::string detail;
};

void expect_refused(const std::vector<Refused>& table) {
    for (const Refused& row : table) {
        SCOPED_TRACE(testing::PrintToString(row.bytes));
        const Verdict verdict = judge_in_pieces(row.bytes);
        ASSERT_TRUE(verdict.fault);
        EXPECT_EQ(verdict.fault->status, row.status);
        EXPECT_THAT(std::string(verdict.fault->detail), HasSubstr(row.detail));
        EXPECT_TRUE(verdict.ends.empty());
    }
}

TEST(HttpGuardRefuses, LinesThatDoNotEndInCrLf) {
    expect_refused({
        {"GET / HTTP/1.1\nHost: h\r\n\r\n", 400, "CR LF"},
        {"GET / HTTP/1.1\r\nHost: h\n\r\n", 400, "CR LF"},
        {"GET / HTTP/1.1\r\nHost: h\r\n\n", 400, "CR LF"},
        {"GET /\r HTTP/1.1\r\nHost: h\r\n\r\n", 400, "CR LF"},
        {"GET / HTTP/1.1\r\r\nHost: h\r\n\r\n", 400, "CR LF"},
        {get_with("X: a\rb\r\n"), 400, "CR LF"},
        {get_with("X: a\r\r\n"), 400, "CR LF"},
        {get_with("\rX: a\r\n"), 400, "CR LF"},
        {get_with("X: a\nContent-Length: 5\r\n"), 400, "CR LF"},
        {"\n", 400, "CR LF"},
    });
}

TEST(HttpGuardRefuses, RequestLines) {
    const std::string host = "\r\nHost: h\r\n\r\n";
    expect_refused({
        {host, 400, "request line"},
        {"GET" + host, 400, "request line"},
        {"GET /" + host, 400, "request line"},
        {"GET / " + host, 400, "version"},
        {"GET  HTTP/1.1" + host, 400, "target"},
        {"GET  / HTTP/1.1" + host, 400, "target"},
        {"GET /  HTTP/1.1" + host, 400, "target"},
        {"GET / HTTP/1.1 " + host, 400, "target"},
        {"GET /a b HTTP/1.1" + host, 400, "target"},
        {"GET\t/ HTTP/1.1" + host, 400, "request line"},
        {"GET\t/ x HTTP/1.1" + host, 400, "not a token"},
        {" GET / HTTP/1.1" + host, 400, "not a token"},
        {"G(T / HTTP/1.1" + host, 400, "not a token"},
        {"G\xc3\xa9T / HTTP/1.1" + host, 400, "not a token"},
        {"GET /a\tb HTTP/1.1" + host, 400, "target"},
        {"GET /a\x01 HTTP/1.1" + host, 400, "target"},
        {"GET /a\0b HTTP/1.1"s + host, 400, "target"},
        {"GET /a\x7f HTTP/1.1" + host, 400, "target"},
        {"GET /\xc3\xa9 HTTP/1.1" + host, 400, "target"},
        {"GET / HTTP/1.2" + host, 400, "version"},
        {"GET / HTTP/2.0" + host, 400, "version"},
        {"GET / HTTP/0.9" + host, 400, "version"},
        {"GET / HTTP/1.1x" + host, 400, "version"},
        {"GET / HTTP/01.1" + host, 400, "version"},
        {"GET / http/1.1" + host, 400, "version"},
        {"GET / ICE/1.0" + host, 400, "version"},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "version"},
    });
}

TEST(HttpGuardRefuses, HeaderLines) {
    expect_refused({
        {get_with("X\r\n"), 400, "name"},
        {get_with(": a\r\n"), 400, "name"},
        {get_with("X : a\r\n"), 400, "name"},
        {get_with("X\t: a\r\n"), 400, "name"},
        {get_with("X Y: a\r\n"), 400, "name"},
        {get_with("X(: a\r\n"), 400, "name"},
        {get_with("X\xff: a\r\n"), 400, "name"},
        {get_with("X\0: a\r\n"s), 400, "name"},
        {get_with("X: a\r\n b\r\n"), 400, "folding"},
        {get_with("X: a\r\n\tb\r\n"), 400, "folding"},
        {get_with(" X: a\r\n"), 400, "folding"},
        {get_with("X: a\0b\r\n"s), 400, "control"},
        {get_with("X: \x01\r\n"), 400, "control"},
        {get_with("X: a\x0b\r\n"), 400, "control"},
        {get_with("X: a\x1f\r\n"), 400, "control"},
        {get_with("X: a\x7f\r\n"), 400, "control"},
    });
}

TEST(HttpGuardRefuses, Hosts) {
    expect_refused({
        {"GET / HTTP/1.1\r\n\r\n", 400, "no Host"},
        {"GET / HTTP/1.1\r\nX: a\r\n\r\n", 400, "no Host"},
        {get_with("Host: h\r\n"), 400, "more than one Host"},
        {get_with("hOST: other\r\n"), 400, "more than one Host"},
        {"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400, "more than one Host"},
        {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "host:port"},
        {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "host:port"},
        {"GET / HTTP/1.1\r\nHost: u@h\r\n\r\n", 400, "host:port"},
        {"GET / HTTP/1.1\r\nHost: h\"\r\n\r\n", 400, "host:port"},
        {"GET / HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n", 400, "host:port"},
    });
}

TEST(HttpGuardRefuses, Lengths) {
    const auto length = [](const std::string& value) {
        return put("Content-Length:" + value + "\r\n", "hello");
    };
    expect_refused({
        {put("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), 400, "more than one Content-Length"},
        {put("Content-Length: 5\r\ncontent-length: 6\r\n", "hello"), 400, "more than one Content-Length"},
        {length(""), 400, "digits"},
        {length(" "), 400, "digits"},
        {length(" +5"), 400, "digits"},
        {length(" -5"), 400, "digits"},
        {length(" 5, 5"), 400, "digits"},
        {length(" 5 5"), 400, "digits"},
        {length(" 0x5"), 400, "digits"},
        {length(" 5.0"), 400, "digits"},
        {length(" \"5\""), 400, "digits"},
        {length(" 5a"), 400, "digits"},
        {length(" 00000000000000000005"), 400, "digits"},
        {length(" 18446744073709551621"), 400, "digits"},
        {length(" 33"), 413, "more than 32 bytes"},
        {length(" 9999999999999999999"), 413, "more than 32 bytes"},
        {put("", ""), 411, "Content-Length"},
        {"PATCH / HTTP/1.1\r\nHost: h\r\n\r\n", 411, "Content-Length"},
        {"PUT / HTTP/1.0\r\n\r\n", 411, "Content-Length"},
    });
}

TEST(HttpGuardRefuses, TransferCodings) {
    const std::string body = "5\r\nhello\r\n0\r\n\r\n";
    const auto coding = [&](const std::string& value) {
        return put("Transfer-Encoding: " + value + "\r\n", body);
    };
    expect_refused({
        {put("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", body), 400, "beside"},
        {put("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", body), 400, "beside"},
        {put("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", body), 400, "more than one"},
        {put("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", body), 400, "more than one"},
        {"PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + body, 400, "HTTP/1.0"},
        {coding("identity"), 501, "chunked"},
        {coding("gzip"), 501, "chunked"},
        {coding("chunked, gzip"), 501, "chunked"},
        {coding("gzip, chunked"), 501, "chunked"},
        {coding("chunked, chunked"), 501, "chunked"},
        {coding("chunked;q=1"), 501, "chunked"},
        {coding("\"chunked\""), 501, "chunked"},
        {coding("xchunked"), 501, "chunked"},
        {coding(""), 501, "chunked"},
        // What it says is not known before the next line: a folded one makes it no coding at all.
        {coding("\r\n chunked"), 400, "folding"},
        {coding("gzip,\r\n\tchunked"), 400, "folding"},
        {coding("gzip\r\nTransfer-Encoding: chunked"), 400, "more than one"},
        {put("Transfer-Encoding: gzip\r\nContent-Length: 5\r\n", body), 400, "beside"},
        {get_with("Expect: 200-ok\r\n"), 501, "100-continue"},
        {get_with("Expect:\r\n"), 501, "100-continue"},
    });
}

TEST(HttpGuardRefuses, Chunks) {
    expect_refused({
        {chunked("\r\n"), 400, "hex digits"},
        {chunked(";x\r\nhello\r\n0\r\n\r\n"), 400, "hex digits"},
        {chunked("g\r\n"), 400, "hex digits"},
        {chunked("5g\r\nhello\r\n0\r\n\r\n"), 400, "hex digits"},
        {chunked("0x5\r\nhello\r\n0\r\n\r\n"), 400, "hex digits"},
        {chunked("+5\r\nhello\r\n0\r\n\r\n"), 400, "hex digits"},
        {chunked("-5\r\nhello\r\n0\r\n\r\n"), 400, "hex digits"},
        {chunked(" 5\r\nhello\r\n0\r\n\r\n"), 400, "hex digits"},
        {chunked("5 \r\nhello\r\n0\r\n\r\n"), 400, "hex digits"},
        {chunked("5 ;x\r\nhello\r\n0\r\n\r\n"), 400, "hex digits"},
        {chunked("00000000000000005\r\nhello\r\n0\r\n\r\n"), 400, "hex digits"},
        {chunked("10000000000000005\r\nhello\r\n0\r\n\r\n"), 400, "hex digits"},
        {chunked("5\nhello\r\n0\r\n\r\n"), 400, "CR LF"},
        {chunked("5\r\nhello\n0\r\n\r\n"), 400, "CR LF"},
        {chunked("5\r\nhello\r0\r\n\r\n"), 400, "longer"},
        {chunked("5\r\nhello!\r\n0\r\n\r\n"), 400, "longer"},
        {chunked("5\r\nhell\r\n0\r\n\r\n"), 400, "CR LF"},
        {chunked("0\n\r\n"), 400, "CR LF"},
        {chunked("0\r\n\n"), 400, "CR LF"},
        {chunked("0\r\nX: a\n\r\n"), 400, "CR LF"},
        {chunked("5;a\rb\r\nhello\r\n0\r\n\r\n"), 400, "CR LF"},
        {chunked("5;\x01\r\nhello\r\n0\r\n\r\n"), 400, "control"},
        {chunked("5;" + std::string(37, 'x') + "\r\nhello\r\n0\r\n\r\n"), 400, "too long"},
        {chunked("1;" + std::string(25, 'x') + "\r\na\r\n1;" + std::string(24, 'x') + "\r\nb\r\n0\r\n\r\n"),
         400, "extensions"},
        {chunked("21\r\n"), 413, "more than 32 bytes"},
        {chunked("ffffffffffffffff\r\n"), 413, "more than 32 bytes"},
        {chunked("20\r\n" + std::string(32, 'x') + "\r\n1\r\nx\r\n0\r\n\r\n"), 413, "more than 32 bytes"},
        {chunked("1\r\nx\r\nffffffffffffffff\r\n"), 413, "more than 32 bytes"},
    });
}

TEST(HttpGuardRefuses, Trailers) {
    expect_refused({
        {chunked("0\r\nX\r\n\r\n"), 400, "trailer"},
        {chunked("0\r\n: a\r\n\r\n"), 400, "trailer"},
        {chunked("0\r\nX : a\r\n\r\n"), 400, "trailer"},
        {chunked("0\r\nX: a\r\n b\r\n\r\n"), 400, "trailer"},
        {chunked("0\r\nX: a\0b\r\n\r\n"s), 400, "trailer"},
        {chunked("0\r\nX: \x7f\r\n\r\n"), 400, "trailer"},
        {chunked("0\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n"), 400, "too many"},
        {chunked("0\r\nA: " + std::string(60, 'x') + "\r\n\r\n"), 431, "trailers"},
        {chunked("0\r\nA: " + std::string(30, 'x') + "\r\nB: " + std::string(30, 'x') + "\r\n\r\n"), 431,
         "trailers"},
    });
}

TEST(HttpGuardRefuses, HeadsThatAreTooLarge) {
    expect_refused({
        {"GET /" + std::string(50, 'x') + " HTTP/1.1\r\nHost: h\r\n\r\n", 414, "more than 64 bytes"},
        {std::string(65, 'x'), 414, "more than 64 bytes"},
        {get_with("X: " + std::string(130, 'x') + "\r\n"), 431, "more than 160 bytes"},
        {get_with("X: " + std::string(62, 'x') + "\r\nY: " + std::string(62, 'x') + "\r\n"), 431,
         "more than 160 bytes"},
        {get_with("A:\r\nB:\r\nC:\r\nD:\r\nE:\r\nF:\r\n"), 431, "more than 6 headers"},
    });
}

TEST(HttpGuard, LimitsAreTheLastValueAllowed) {
    const auto filled = [](const std::string& front, const std::string& back, std::size_t bytes) {
        return front + std::string(bytes - front.size() - back.size(), 'x') + back;
    };
    const std::string head = "GET / HTTP/1.1\r\nHost: h\r\n";
    for (const std::string& bytes :
         {filled("GET /", " HTTP/1.1\r\n", kSmall.request_line_bytes_max) + "Host: h\r\n\r\n",
          filled(head + "X: ", "\r\n\r\n", kSmall.head_bytes_max), get_with("A:\r\nB:\r\nC:\r\nD:\r\nE:\r\n"),
          put("Content-Length: 32\r\n", std::string(32, 'x')),
          put("Content-Length: 0000000000000000005\r\n", "hello"),
          chunked("20\r\n" + std::string(32, 'x') + "\r\n0\r\n\r\n"),
          chunked(filled("5;", "\r\n", kSmall.chunk_line_bytes_max) + "hello\r\n0\r\n\r\n"),
          chunked("1;" + std::string(24, 'x') + "\r\na\r\n1;" + std::string(24, 'x') + "\r\nb\r\n0\r\n\r\n"),
          chunked("0000000000000005\r\nhello\r\n0\r\n\r\n"), chunked("0\r\nA:1\r\nB:2\r\nC:3\r\n\r\n"),
          chunked("0\r\n" + filled("A: ", "\r\n\r\n", kSmall.trailer_bytes_max))}) {
        SCOPED_TRACE(testing::PrintToString(bytes));
        const Verdict verdict = judge_in_pieces(bytes);
        EXPECT_FALSE(verdict.fault);
        EXPECT_EQ(verdict.ends, std::vector{bytes.size()});
    }
}

TEST(HttpGuard, TheDefaultsAreTheDocumentedOnes) {
    const HttpLimits limits;
    const auto verdict = [&](const std::string& bytes) { return judge({bytes}, limits); };
    const std::string host = "Host: h\r\n\r\n";
    const auto line = [](std::size_t bytes) {
        return "GET /" + std::string(bytes - 16, 'x') + " HTTP/1.1\r\n";
    };
    // Three keys of 4,096 bytes, each byte percent-encoded.
    EXPECT_FALSE(verdict(line(37'888) + host).fault);
    EXPECT_EQ(verdict(line(37'889) + host).fault->status, 414);
    const auto fields = [](int count) {
        std::string text;
        for (int i = 0; i < count; ++i) text += "X: a\r\n";
        return get_with(text);
    };
    EXPECT_FALSE(verdict(fields(99)).fault);
    EXPECT_EQ(verdict(fields(100)).fault->status, 431);
    EXPECT_FALSE(verdict(put("Content-Length: 4194304\r\n", "")).fault);
    EXPECT_EQ(verdict(put("Content-Length: 4194305\r\n", "")).fault->status, 413);
}

TEST(HttpGuard, SaysWhatTheHeadAskedFor) {
    HttpGuard guard{HttpLimits{}};
    EXPECT_TRUE(guard.is_between_messages());
    auto progress = guard.feed("PUT / HTTP/1.1\r\nHost: h\r\n");
    EXPECT_TRUE(guard.is_in_head());
    EXPECT_FALSE(guard.is_between_messages());
    progress = guard.feed("Content-Length: 5\r\nExpect: 100-Continue\r\n\r\nhello");
    EXPECT_TRUE(progress.head_ended);
    EXPECT_FALSE(progress.message_ended);
    EXPECT_FALSE(guard.is_in_head());
    EXPECT_TRUE(guard.expects_continue());
    EXPECT_EQ(guard.content_length(), 5U);
    progress = guard.feed("helloGET");
    EXPECT_EQ(progress.accepted, 5U);
    EXPECT_TRUE(progress.message_ended);
    EXPECT_TRUE(guard.is_between_messages());
    // A client of 1.0 does not know 100 Continue.
    progress = guard.feed("PUT / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    EXPECT_TRUE(progress.head_ended);
    EXPECT_FALSE(guard.expects_continue());
}

std::vector<std::string> valid_messages() {
    return {
        get_with(""),
        get_with("X:\r\nY: \r\nZ: \t a \t\r\n"),
        get_with("X: caf\xc3\xa9 \xff\r\n"),
        get_with("X: a:b\tc \"d\"\r\n"),
        get_with("Connection: keep-alive\r\n"),
        get_with("Content-Length: 0\r\n"),
        get_with("Content-Length: 3\r\n") + "abc",
        get_with("!#$%&'*+-.^_`|~9: x\r\n"),
        "HEAD /kv/a HTTP/1.1\r\nHost: h:1\r\n\r\n",
        "DELETE /kv/a%2Fb HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n",
        "GET http://h/a?b=c HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: h\r\n\r\n",
        "POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nab",
        put("Content-Length: 0\r\n", ""),
        put("content-LENGTH:5\r\n", "a\r\n\r\n"),
        put("Content-Length: 5\r\nExpect: 100-continue\r\n", "hello"),
        put("Content-Length: 18\r\n", "GET / HTTP/1.1\r\n\r\n"),
        chunked("0\r\n\r\n"),
        chunked("5\r\nhello\r\n0\r\n\r\n"),
        chunked("0A\r\n0123456789\r\n000\r\n\r\n"),
        chunked("a;name=value\r\n0123456789\r\n1;x\r\n!\r\n0;last\r\n\r\n"),
        chunked("4\r\n\r\n\r\n\r\n0\r\n\r\n"),
        chunked("1\r\nx\r\n0\r\nX: a\r\nContent-Length: 7\r\n\r\n"),
        put("tRANSFER-eNCODING: cHUNKED\r\n", "1\r\nx\r\n0\r\n\r\n"),
    };
}

TEST(HttpGuardAccepts, EveryValidMessage) {
    for (const std::string& message : valid_messages()) {
        SCOPED_TRACE(testing::PrintToString(message));
        const Verdict verdict = judge_in_pieces(message);
        EXPECT_FALSE(verdict.fault);
        EXPECT_EQ(verdict.ends, std::vector{message.size()});
        // No proper part is a whole message.
        for (std::size_t size = 0; size < message.size(); ++size)
            EXPECT_TRUE(judge({std::string_view(message).substr(0, size)}, kSmall).ends.empty()) << size;
    }
}

TEST(HttpGuardAccepts, EveryPairOfMessagesBehindOneAnother) {
    for (const std::string& first : valid_messages()) {
        for (const std::string& second : valid_messages()) {
            const std::string both = first + second;
            const Verdict verdict = judge({both}, kSmall);
            EXPECT_EQ(verdict.ends, (std::vector{first.size(), both.size()})) << testing::PrintToString(both);
        }
    }
    std::string all;
    std::vector<std::size_t> ends;
    for (const std::string& message : valid_messages()) {
        all += message;
        ends.push_back(all.size());
    }
    EXPECT_EQ(judge_in_pieces(all).ends, ends);
}

/// What llhttp makes of one message: its error, and whether it saw exactly one end, at the last byte.
struct Parsed {
    llhttp_errno_t error = HPE_OK;
    int ends = 0;
};

Parsed parse(std::string_view message) {
    llhttp_settings_t settings;
    llhttp_settings_init(&settings);
    settings.on_message_complete = [](llhttp_t* parser) {
        ++*static_cast<int*>(parser->data);
        return 0;
    };
    llhttp_t parser;
    llhttp_init(&parser, HTTP_REQUEST, &settings);
    Parsed parsed;
    parser.data = &parsed.ends;
    parsed.error = llhttp_execute(&parser, message.data(), message.size() - 1);
    EXPECT_EQ(parsed.ends, 0) << "ended too early";
    if (parsed.error == HPE_OK) parsed.error = llhttp_execute(&parser, &message.back(), 1);
    return parsed;
}

TEST(HttpGuardAccepts, WhatTheParserTakesAsOneMessageToo) {
    for (const std::string& message : valid_messages()) {
        SCOPED_TRACE(testing::PrintToString(message));
        const Parsed parsed = parse(message);
        EXPECT_EQ(parsed.error, HPE_OK) << llhttp_errno_name(parsed.error);
        EXPECT_EQ(parsed.ends, 1);
    }
}

// Valid, and let through, but llhttp 8.1 refuses them: their clients get 400.
TEST(HttpGuardAccepts, AlsoWhatOnlyTheParserRefuses) {
    for (const std::string& message :
         {chunked("1;a=b;c=d\r\nx\r\n0\r\n\r\n"), put("Content-Length: 1\t\r\n", "x")}) {
        SCOPED_TRACE(testing::PrintToString(message));
        EXPECT_EQ(judge_in_pieces(message).ends, std::vector{message.size()});
        EXPECT_NE(parse(message).error, HPE_OK);
    }
}

}  // namespace
}  // namespace quorate::io
