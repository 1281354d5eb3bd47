#include "server/ctl_options.h"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quorate::server::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::expected<CtlOptions, OptionsExit> parse_ctl(std::vector<const char*> words,
                                                 const std::map<std::string, std::string>& environment = {}) {
    words.insert(words.begin(), "quoratectl");
    return parse_ctl_options(static_cast<int>(words.size()), words.data(),
                             [&](const char* name) -> const char* {
                                 const auto found = environment.find(name);
                                 return found == environment.end() ? nullptr : found->second.c_str();
                             });
}

TEST(CtlOptions, AreReadInAnyOrder) {
    for (const auto& words : {std::vector{"--json", "--endpoints", "a:1,b:2", "put", "k", "v", "--if-absent"},
                              std::vector{"put", "--if-absent", "k", "v", "--endpoints=a:1,b:2", "--json"}}) {
        const auto options = parse_ctl(words);
        ASSERT_TRUE(options) << options.error().text;
        EXPECT_THAT(options->endpoints, ElementsAre("a:1", "b:2"));
        EXPECT_TRUE(options->prints_json);
        EXPECT_EQ(options->timeout_s, 10U);
        EXPECT_EQ(options->line.verb, CtlVerb::Put);
        EXPECT_EQ(options->line.text("KEY"), "k");
        EXPECT_EQ(options->line.text("VALUE"), "v");
        EXPECT_TRUE(options->line.has("--if-absent"));
        EXPECT_FALSE(options->line.has("--if-match"));
    }
    EXPECT_EQ(parse_ctl({"member", "add", "n4=h:1"})->line.verb, CtlVerb::MemberAdd);
    for (const auto& words :
         {std::vector{"transfer", "--to", "n2"}, std::vector{"member", "transfer", "--to", "n2"}}) {
        const auto options = parse_ctl(words);
        ASSERT_TRUE(options) << options.error().text;
        EXPECT_EQ(options->line.verb, CtlVerb::Transfer);
        EXPECT_EQ(options->line.text("--to"), "n2");
    }
}

TEST(CtlOptions, ValuesAreTakenAsTheyAre) {
    for (const char* value : {"-", "[1,2]", "{\"a\":1}", "", "a,b", "two words", "%"}) {
        const auto options = parse_ctl({"put", "k", value});
        ASSERT_TRUE(options) << value << options.error().text;
        EXPECT_EQ(options->line.text("VALUE"), value);
    }
    const auto dashed = parse_ctl({"put", "k", "--", "-5"});
    ASSERT_TRUE(dashed) << dashed.error().text;
    EXPECT_EQ(dashed->line.text("VALUE"), "-5");
    EXPECT_EQ(parse_ctl({"range", "--start", "[a]"})->line.text("--start"), "[a]");
}

TEST(CtlOptions, EndpointsComeFromTheFlagElseTheEnvironment) {
    EXPECT_THAT(parse_ctl({"status"})->endpoints, ElementsAre("127.0.0.1:7070"));
    EXPECT_THAT(parse_ctl({"status"}, {{"QUORATE_ENDPOINTS", "a:1"}})->endpoints, ElementsAre("a:1"));
    EXPECT_THAT(parse_ctl({"status"}, {{"QUORATE_ENDPOINTS", ""}})->endpoints, ElementsAre("127.0.0.1:7070"));
    EXPECT_THAT(parse_ctl({"status", "--endpoints", "b:1"}, {{"QUORATE_ENDPOINTS", "a:1"}})->endpoints,
                ElementsAre("b:1"));
    EXPECT_THAT(parse_ctl({"status"}, {{"QUORATE_ENDPOINTS", "a"}}).error().text,
                HasSubstr("QUORATE_ENDPOINTS: 'a'"));
}

TEST(CtlOptions, MistakesAreNamed) {
    const std::vector<std::pair<std::vector<const char*>, const char*>> table{
        {{}, "no command is given: get, put"},
        {{"fly"}, "'fly' is no command: get, put"},
        {{"member"}, "no command is given: list, add"},
        {{"member", "fly"}, "'fly' is no command: list, add"},
        {{"get"}, "KEY is required"},
        {{"get", "a", "b"}, "'b' is not understood here"},
        {{"get", "a", "--foo"}, "'--foo' is not understood here"},
        {{"get", "a", "--consistency", "lease"},
         "--consistency: 'lease' is not allowed: linearizable or stale"},
        {{"completion", "tcsh"}, "SHELL: 'tcsh' is not allowed: bash or zsh or fish"},
        {{"status", "--timeout-s", "0"}, "--timeout-s: '0' is not allowed: a number from 1"},
        {{"status", "--timeout-s", "-1"}, "--timeout-s: '-1' is not allowed"},
        {{"status", "--timeout-s", "1", "--timeout-s", "2"}, "--timeout-s is there more than once"},
        {{"get", "k", "--revision", "1", "--revision", "2"}, "--revision is there more than once"},
        {{"status", "--endpoints", "a:1,"}, "--endpoints: '' is not allowed: HOST:PORT"},
    };
    for (const auto& [words, what] : table) {
        const auto options = parse_ctl(words);
        ASSERT_FALSE(options) << what;
        EXPECT_EQ(options.error().code, 2) << what;
        EXPECT_FALSE(options.error().to_stdout);
        EXPECT_THAT(options.error().text,
                    AllOf(testing::StartsWith("quoratectl: "), HasSubstr(what), HasSubstr("--help")));
    }
}

TEST(CtlOptions, HelpHasExamplesAndExitCodes) {
    std::vector<std::vector<const char*>> all{{"--help"}, {"member", "--help"}};
    for (const CtlCommand& command : ctl_commands()) {
        all.push_back({"", "--help"});
        all.back().front() = command.name.data();  // a literal, which ends with a zero
        if (!command.group.empty()) all.back().insert(all.back().begin(), command.group.data());
    }
    for (const auto& words : all) {
        const auto options = parse_ctl(words);
        ASSERT_FALSE(options);
        EXPECT_EQ(options.error().code, 0);
        EXPECT_TRUE(options.error().to_stdout);
        EXPECT_THAT(options.error().text, HasSubstr("Exit codes: 0 done"));
    }
    EXPECT_THAT(parse_ctl({"--help"}).error().text, HasSubstr("quoratectl get greeting"));
}

}  // namespace
}  // namespace quorate::server::test
