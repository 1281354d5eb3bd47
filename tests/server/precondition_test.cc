#include "server/precondition.h"

#include <gtest/gtest.h>

namespace quorate::server::test {
namespace {

using enum Condition::Kind;

HttpRequest with(std::vector<HttpHeader> headers) { return {"PUT", "/kv/k", std::move(headers), {}}; }

TEST(Precondition, ReadsTheHeaders) {
    struct Row {
        const char* name;
        const char* value;
        Condition condition;
    };
    const std::vector<Row> rows{
        {"If-Match", "*", {Exists, {}}},
        {"If-None-Match", "*", {Absent, {}}},
        {"if-none-match", " * ", {Absent, {}}},
        {"If-Match", R"("7")", {RevisionIn, {7}}},
        {"If-Match", R"("7" , "8")", {RevisionIn, {7, 8}}},
        {"If-Match", ",\"7\",,\t\"8\",", {RevisionIn, {7, 8}}},
        {"If-None-Match", R"("18446744073709551615")", {RevisionNotIn, {18446744073709551615U}}},
        {"If-None-Match", R"(W/"7")", {RevisionNotIn, {7}}},
        // Tags that cannot be ours match nothing, which for If-Match means that it never holds.
        {"If-Match", R"(W/"7")", {RevisionIn, {}}},
        {"If-Match", R"("")", {RevisionIn, {}}},
        {"If-Match", R"("07")", {RevisionIn, {}}},
        {"If-Match", R"("0")", {RevisionIn, {}}},
        {"If-Match", R"("+7")", {RevisionIn, {}}},
        {"If-Match", R"("18446744073709551616")", {RevisionIn, {}}},
        {"If-Match", R"("a,b", "9")", {RevisionIn, {9}}},
    };
    for (const Row& row : rows) {
        const auto condition = parse_precondition(with({{"X", "1"}, {row.name, row.value}}));
        ASSERT_TRUE(condition) << row.value << condition.error();
        EXPECT_EQ(*condition, row.condition) << row.value;
    }
    EXPECT_EQ(parse_precondition(with({})), Condition{});
}

TEST(Precondition, RefusesWhatIsNoListOfTags) {
    std::string too_many = R"("1")";
    for (std::size_t i = 0; i < kConditionRevisionsMax; ++i) too_many += R"(,"x")";
    for (const std::string& value :
         {std::string(), std::string(","), std::string("7"), std::string(R"("7)"), std::string(R"(7")"),
          std::string(R"("7" "8")"), std::string(R"(*,"7")"), std::string(R"("7",*)"),
          std::string(R"(w/"7")"), std::string(R"("a b")"), too_many}) {
        EXPECT_FALSE(parse_precondition(with({{"If-Match", value}}))) << value;
        EXPECT_FALSE(parse_precondition(with({{"If-None-Match", value}}))) << value;
    }
    EXPECT_FALSE(parse_precondition(with({{"If-Match", "*"}, {"If-None-Match", R"("1")"}})));
    EXPECT_FALSE(parse_precondition(with({{"If-Match", R"("1")"}, {"if-match", R"("2")"}})));
}

TEST(Precondition, AnEtagIsWhatItReads) {
    EXPECT_EQ(etag_of(42), R"("42")");
    EXPECT_EQ(parse_precondition(with({{"If-Match", etag_of(42)}})), (Condition{RevisionIn, {42}}));
}

}  // namespace
}  // namespace quorate::server::test
