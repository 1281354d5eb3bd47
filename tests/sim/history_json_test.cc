#include "sim/history_json.h"

#include <fstream>
#include <iterator>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "sim/linearizability.h"
#include "tests/sim/history_generator.h"

namespace quorate::sim {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// docs/history-format.md calls it linearizable.
TEST(HistoryJson, TheDocumentedHistoryHolds) {
    std::ifstream file("docs/history-format.md", std::ios::binary);
    const std::string page(std::istreambuf_iterator<char>(file), {});
    const std::string fence = "```json\n";
    const std::size_t begin = page.find(fence) + fence.size();
    const auto history = parse_history(page.substr(begin, page.find("```", begin) - begin));
    ASSERT_TRUE(history) << history.error().line << ": " << history.error().message;
    EXPECT_EQ(history->size(), 6U);
    const Judgement judgement = judge_linearizability(*history);
    EXPECT_EQ(judgement.verdict, Verdict::Linearizable) << report(judgement);
}

TEST(HistoryJson, ReadsEachKind) {
    Operation operation;
    operation.client = 1;
    operation.kind = OperationKind::Put;
    operation.key = "k";
    operation.value = "v";
    operation.call = 10;
    operation.ret = 20;
    operation.outcome = Outcome::Ok;
    EXPECT_EQ(parse_operation(R"({"client":1,"kind":"put","key":"k","value":"v","call":10,"return":20})"),
              operation);
    operation.revision = 7;
    EXPECT_EQ(
        parse_operation(
            R"({"rev":7,"return":20,"call":10,"value_b64":"dg==","key":"\u006b","kind":"put","client":1,"result":"ok"})"),
        operation);

    operation.kind = OperationKind::Get;
    operation.value.reset();
    EXPECT_EQ(
        parse_operation(R"({"client":1,"kind":"get","key":"k","value":null,"call":10,"return":20,"rev":7})"),
        operation);

    operation.revision.reset();
    operation.kind = OperationKind::Delete;
    operation.ret.reset();
    operation.outcome = Outcome::Unknown;
    EXPECT_EQ(parse_operation(R"({"client":1,"kind":"delete","key":"k","call":10,"return":null})"),
              operation);

    operation.kind = OperationKind::Cas;
    operation.value = "v";
    operation.ret = 10;
    operation.outcome = Outcome::ConditionFailed;
    EXPECT_EQ(
        parse_operation(
            R"({"client":1,"kind":"cas","key":"k","expected":null,"value":"v","call":10,"return":10,"result":"condition_failed"})"),
        operation);
}

TEST(HistoryJson, WritesOneLineEach) {
    Operation operation;
    operation.client = 3;
    operation.kind = OperationKind::Cas;
    operation.key = "k\n";
    operation.expected = "\xff";
    operation.value = "\"";
    operation.call = 1;
    std::string text;
    append_operation(text, operation);
    EXPECT_EQ(text,
              "{\"client\":3,\"kind\":\"cas\",\"key\":\"k\\n\",\"expected_b64\":\"/"
              "w==\",\"value\":\"\\\"\",\"call\":1,"
              "\"return\":null,\"result\":\"unknown\"}\n");
    EXPECT_EQ(parse_operation(std::string_view(text).substr(0, text.size() - 1)), operation);
}

// A valid line with one thing changed.
std::string line_with(std::string_view from, std::string_view to) {
    std::string line = R"({"client":1,"kind":"put","key":"k","value":"v","call":10,"return":20})";
    const std::size_t at = line.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return line.replace(at, from.size(), to);
}

TEST(HistoryJson, RefusesAndSaysWhy) {
    struct Row {
        std::string line;
        const char* error;
    };
    const std::vector<Row> rows{
        {"", "empty"},
        {"[]", "does not begin with {"},
        {" {}", "does not begin with {"},
        {"\xef\xbb\xbf{}", "does not begin with {"},
        {"{}", "client: missing"},
        {line_with("1,", "-1,"), "client: negative"},
        {line_with("1,", "-0,"), "client: negative"},
        {line_with("1,", "1.0,"), "client: 1.0 is no whole number"},
        {line_with("1,", "1e3,"), "client: 1e3 is no whole number"},
        {line_with("1,", "18446744073709551616,"), "client: 18446744073709551616 is no whole number"},
        {line_with("1,", "1e999,"), "not JSON at byte"},
        {line_with("1,", "01,"), "not JSON at byte 12"},
        {line_with("1,", "\"1\","), "client: not a number"},
        {line_with("1,", "null,"), "client: null"},
        {line_with("1,", "true,"), "client: true and false have no meaning here"},
        {line_with("1,", "[1],"), "client: an array has no meaning here"},
        {line_with("1,", "{\"a\":{}},"), "client: an object has no meaning here"},
        {line_with("1,", std::string(100'000, '[')), "client: an array has no meaning here"},
        {line_with("\"put\"", "\"PUT\""), "kind: none of put, get, delete, cas"},
        {line_with("\"put\"", "1"), "kind: none of put, get, delete, cas"},
        {line_with("\"kind\"", "\"sort\""), "unknown member \"sort\""},
        {line_with("\"v\"", R"("v","value":"v")"), "value: twice"},
        {line_with("\"v\"", R"("v","value_b64":"dg==")"), "value: beside value_b64"},
        {line_with("\"v\"", "null"), "there is no value to write"},
        {line_with("\"v\"", "5"), "value: not a string"},
        {line_with(R"("value":"v")", R"("value_b64":"dg")"), "value_b64: not base64"},
        {line_with(R"("value":"v")", R"("value_b64":"d g==")"), "value_b64: not base64"},
        {line_with(R"("value":"v")", "\"value_b64\":null"), "value_b64: not base64"},
        {line_with(R"("value":"v",)", ""), "value: missing"},
        {line_with("\"k\"", "null"), "key: null"},
        {line_with(R"("key":"k",)", ""), "key: missing"},
        {line_with("\"v\"", "\"\xff\""), "not JSON at byte"},
        {line_with("\"v\"", R"("\ud800")"), "not JSON at byte"},
        {line_with("\"v\"", R"("v","expected":"w")"), "expected: only a cas expects a value"},
        {line_with("\"put\"", "\"delete\""), "value: there can be no value"},
        {line_with("\"put\"", "\"cas\""), "expected: missing"},
        {line_with("20", "9"), "it returned before it was called"},
        {line_with("20", R"(null,"result":"ok")"),
         "the outcome is unknown exactly when there is no time of return"},
        {line_with("20", R"(20,"result":"unknown")"),
         "the outcome is unknown exactly when there is no time of return"},
        {line_with("20", R"(20,"result":"condition_failed")"), "only a cas has a condition"},
        {line_with("20", R"(20,"result":"good")"),
         "result: none of ok, condition_failed, not_applied, unknown"},
        {line_with("20", "null,\"rev\":4"), "only what is done has a revision"},
        {line_with("20", "20,\"rev\":0"), "the first revision is 1"},
        {line_with(",\"return\":20", ""), "return: missing"},
        {line_with("20}", "20} "), ""},
        {line_with("20}", "20}}"), "not JSON at byte"},
        {line_with("20}", "20}{}"), "not JSON at byte"},
        {line_with("20}", "20,}"), "not JSON at byte"},
        {line_with("20}", "20"), "not JSON at byte"},
        {line_with("20}", "20}/* */"), "not JSON at byte"},
        {line_with("20}", std::string_view("20}\0garbage", 11)), "holds a NUL byte"},
        {line_with("20}", "NaN}"), "not JSON at byte"},
    };
    for (const Row& row : rows) {
        const auto parsed = parse_operation(row.line);
        if (std::string_view(row.error).empty()) {
            EXPECT_TRUE(parsed) << row.line << ": " << parsed.error();
            continue;
        }
        ASSERT_FALSE(parsed) << row.line;
        EXPECT_THAT(parsed.error(), StartsWith(row.error)) << row.line.substr(0, 200);
    }
}

TEST(HistoryJson, NamesTheLine) {
    const std::string good = line_with("1", "1") + "\n";
    EXPECT_EQ(parse_history("").error(), (HistoryError{1, "no operation: there is nothing to judge"}));
    EXPECT_EQ(parse_history("\n").error(), (HistoryError{1, "empty"}));
    EXPECT_EQ(parse_history(good + good)->size(), 2U);
    EXPECT_EQ(parse_history(good + line_with("1", "2"))->at(1).client, 2U);
    EXPECT_EQ(parse_history(good + good + "{}\n" + good).error(), (HistoryError{3, "client: missing"}));
    EXPECT_EQ(parse_history(good + "\n" + good).error(), (HistoryError{2, "empty"}));
    const std::string with_cr = line_with("1", "1") + "\r\n";
    EXPECT_EQ(parse_history(with_cr + with_cr), parse_history(good + good));
    EXPECT_EQ(parse_history(good + "\r\n").error().line, 2U) << "an empty line, all the same";
}

TEST(HistoryJson, RefusesALineThatIsTooLong) {
    const std::string line = line_with("\"v\"", "\"" + std::string(kHistoryLineBytesMax, 'v') + "\"");
    const auto parsed = parse_operation(line);
    ASSERT_FALSE(parsed);
    EXPECT_THAT(parsed.error(), HasSubstr("longer than 67108864 bytes"));
}

TEST(HistoryJson, AHistoryComesBackAsItWas) {
    const auto history =
        linearizable_history({.operations = 500, .unknown_permille = 100, .with_revisions = true}, 5);
    const auto parsed = parse_history(render_history(history));
    ASSERT_TRUE(parsed) << parsed.error().line << ": " << parsed.error().message;
    EXPECT_EQ(*parsed, history);
}

RC_GTEST_PROP(HistoryJson, BytesOfAnyKindComeBack, (const std::string& key, const std::string& value)) {
    Operation operation;
    operation.kind = OperationKind::Get;
    operation.key = key;
    operation.value = value;
    operation.ret = *rc::gen::arbitrary<std::uint64_t>();
    operation.outcome = Outcome::Ok;
    std::string text;
    append_operation(text, operation);
    RC_ASSERT((parse_history(text) == std::vector<Operation>{operation}));
}

// Whatever bytes there are: an operation without a fault, or an error, and what it writes is read back.
RC_GTEST_PROP(HistoryJson, NeverDoesAnythingElse, ()) {
    std::string line =
        R"({"client":1,"kind":"cas","key":"k","expected":null,"value":"v","call":10,"return":20,"rev":1})";
    const int changes = *rc::gen::inRange(0, 4);
    for (int i = 0; i < changes; ++i) {
        const auto at = *rc::gen::inRange<std::size_t>(0, line.size());
        if (*rc::gen::inRange(0, 2) == 0) {
            line[at] = *rc::gen::arbitrary<char>();
        } else {
            line.erase(at, *rc::gen::inRange<std::size_t>(1, 10));
        }
        if (line.empty()) break;
    }
    const auto parsed = parse_operation(line);
    if (!parsed) {
        RC_ASSERT(!parsed.error().empty());
        return;
    }
    RC_ASSERT(!fault_of(*parsed));
    std::string text;
    append_operation(text, *parsed);
    RC_ASSERT((parse_operation(std::string_view(text).substr(0, text.size() - 1)) == parsed));
}

}  // namespace
}  // namespace quorate::sim
