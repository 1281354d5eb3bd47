// Percent-encoding and queries.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "server/percent.h"
#include "server/query.h"
#include "tests/server/generators.h"

namespace quorate::server::test {
namespace {

using testing::HasSubstr;

TEST(Percent, DecodesOnce) {
    EXPECT_EQ(percent_decode("a%2Fb%2fc"), "a/b/c");
    EXPECT_EQ(percent_decode("%252F"), "%2F");
    EXPECT_EQ(percent_decode("a+b"), "a+b");
    EXPECT_EQ(percent_decode("%00%ff"), std::string("\0\xff", 2));
    EXPECT_EQ(percent_decode(""), "");
}

TEST(Percent, RefusesWhatIsNoEncoding) {
    for (const char* text : {"%", "%4", "a%", "%zz", "%4g", "%g4", "%%41", "% 41", "%+4"})
        EXPECT_EQ(percent_decode(text), std::nullopt) << text;
}

RC_GTEST_PROP(Percent, EncodesEveryByteSoThatItComesBack, ()) {
    const std::string bytes = any_bytes();
    const std::string text = percent_encode(bytes);
    RC_ASSERT(percent_decode(text) == bytes);
    for (const char c : text) RC_ASSERT(c > 0x20 && c < 0x7F && !std::string_view("&=+#?\"<>").contains(c));
}

TEST(Percent, LeavesPlainKeysReadable) {
    EXPECT_EQ(percent_encode("fruit/apple_1-2.~"), "fruit/apple_1-2.~");
    EXPECT_EQ(percent_encode("100% a\n\xc3\xa9"), "100%25%20a%0A%C3%A9");
}

TEST(Query, ReadsNamesAndValues) {
    const auto query = Query::parse("start=a%26b&end=&%61fter=x=y+z", {"start", "end", "after", "limit"});
    ASSERT_TRUE(query);
    EXPECT_EQ(*query->find("start"), "a&b");
    EXPECT_EQ(*query->find("end"), "");
    EXPECT_EQ(*query->find("after"), "x=y+z");
    EXPECT_EQ(query->find("limit"), nullptr);
    EXPECT_TRUE(Query::parse("", {}));
}

TEST(Query, SaysWhatIsWrong) {
    const std::vector<std::pair<const char*, const char*>> rows{
        {"start=a&start=a", "twice"},
        {"start=a&%73tart=b", "twice"},
        {"limt=1", "unknown query parameter 'limt'"},
        {"start=%zz", "hex digits"},
        {"%=1", "hex digits"},
        {"start", "NAME=VALUE"},
        {"=a", "NAME=VALUE"},
        {"&start=a", "NAME=VALUE"},
        {"start=a&&end=b", "NAME=VALUE"},
        {"start=a&", "ends in '&'"},
        {"Start=a", "unknown"},
        {"st%0aart=1", "'st%0Aart'"},
    };
    for (const auto& [text, complaint] : rows) {
        const auto query = Query::parse(text, {"start", "end"});
        ASSERT_FALSE(query) << text;
        EXPECT_THAT(query.error(), HasSubstr(complaint)) << text;
    }
    EXPECT_THAT(Query::parse("a=b", {}).error(), HasSubstr("takes none"));
}

}  // namespace
}  // namespace quorate::server::test
