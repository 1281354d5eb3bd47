#include "server/json_text.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <rapidcheck/gtest.h>

#include "tests/server/generators.h"

namespace quorate::server::test {
namespace {

TEST(Utf8, IsJudgedByRfc3629) {
    for (const char* text : {"", "plain", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
                             "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
        EXPECT_TRUE(is_utf8(text)) << text;
    }
    EXPECT_TRUE(is_utf8(std::string_view("\0", 1)));
    for (const char* text : {"\x80", "\xc0\xaf", "\xc1\xbf", "\xc2", "\xc2g", "\xe0\x9f\xbf", "\xed\xa0\x80",
                             "\xe1\x80", "\xe1\x80g", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
                             "\xf5\x80\x80\x80", "\xf1\x80\x80", "\xfe", "\xff", "a\xff"}) {
        EXPECT_FALSE(is_utf8(text)) << text;
    }
}

// The parser has its own opinion of what UTF-8 is: it must be ours, or a line of a range would not parse.
RC_GTEST_PROP(JsonString, ParsesToTheSameBytesWheneverTheyAreUtf8, ()) {
    const std::string bytes = any_bytes();
    std::string json = "\"";
    json = {};
    append_json_string(json, bytes);
    const auto parsed = nlohmann::json::parse(json, nullptr, false);
    RC_ASSERT(is_utf8(bytes) == parsed.is_string());
    if (parsed.is_string()) RC_ASSERT(parsed.get<std::string>() == bytes);
}

TEST(JsonString, EscapesControlsQuotesAndBackslashes) {
    std::string json;
    append_json_string(json, std::string("a\"\\\n\t\0\x1f\x7f\xc3\xa9", 10));
    EXPECT_EQ(json, "\"a\\\"\\\\\\n\\u0009\\u0000\\u001f\\u007f\xc3\xa9\"");
}

TEST(JsonLine, NeverThrowsForItsContent) {
    EXPECT_EQ(json_line({{"k", "a\xff"}}), "{\"k\":\"a\xef\xbf\xbd\"}\n");
}

}  // namespace
}  // namespace quorate::server::test
