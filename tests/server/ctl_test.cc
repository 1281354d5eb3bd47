// quoratectl without a network: whom it asks, what it makes of the answers, and what it prints.

#include <deque>
#include <map>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/backup_check.h"
#include "server/ctl_requests.h"
#include "server/ctl_run.h"
#include "server/ctl_show.h"
#include "server/percent.h"
#include "server/problem.h"

// A room of its own: it is compiled together with other tests.
namespace quorate::server::test::ctl {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using Next = CtlVerdict::Next;

CtlResponse never_sent() {
    return std::unexpected(HttpFailure{HttpFailure::Sent::Never, "n: no connection"});
}
CtlResponse maybe_sent() { return std::unexpected(HttpFailure{HttpFailure::Sent::Maybe, "n: it broke"}); }
HttpResponse refusing(int status, std::string_view code) { return problem(status, code, "so it is"); }

TEST(Ctl, WhatAnAnswerMeans) {
    struct Row {
        CtlResponse response;
        Next reads;
        Next same_again;
        Next once;
    };
    const HttpResponse leads = problem(409, "not_leader", "another one does", {{"leader", "n2:1"}});
    const HttpResponse nobody_leads = problem(409, "not_leader", "nobody does", {{"leader", std::nullopt}});
    const std::vector<Row> table{
        {HttpResponse{200, {{"Quorate-Revision", "1"}}, {}}, Next::Done, Next::Done, Next::Done},
        {never_sent(), Next::AskOther, Next::AskOther, Next::AskOther},
        {maybe_sent(), Next::AskOther, Next::Unknown, Next::Unknown},
        {refusing(503, "outcome_unknown"), Next::AskOther, Next::Unknown, Next::Unknown},
        {refusing(503, "no_leader"), Next::AskOther, Next::AskOther, Next::AskOther},
        {refusing(503, "of_a_later_version"), Next::AskOther, Next::AskOther, Next::AskOther},
        {refusing(503, "transfer_timed_out"), Next::Refused, Next::Refused, Next::Refused},
        {refusing(429, "overloaded"), Next::AskOther, Next::AskOther, Next::AskOther},
        {refusing(410, "node_removed"), Next::AskOther, Next::AskOther, Next::AskOther},
        {refusing(410, "revision_compacted"), Next::Refused, Next::Refused, Next::Refused},
        {refusing(412, "condition_failed"), Next::Refused, Next::Refused, Next::Refused},
        {refusing(507, "disk_full"), Next::Refused, Next::Refused, Next::Refused},
        {refusing(409, "change_in_progress"), Next::AskOther, Next::AskOther, Next::AskOther},
        {leads, Next::AskLeader, Next::AskLeader, Next::AskLeader},
        {nobody_leads, Next::AskOther, Next::AskOther, Next::AskOther},
        // Of a proxy, which has no code.
        {HttpResponse{503, {}, "<html>"}, Next::AskOther, Next::Unknown, Next::Unknown},
        {HttpResponse{502, {}, "<html>"}, Next::AskOther, Next::Unknown, Next::Unknown},
        {HttpResponse{404, {}, "<html>"}, Next::AskOther, Next::Refused, Next::Refused},
        {HttpResponse{200, {}, "<html>"}, Next::AskOther, Next::Unknown, Next::Unknown},
    };
    for (const Row& row : table) {
        const std::string what = row.response ? row.response->body : row.response.error().text;
        EXPECT_EQ(judge(row.response, {{}, CtlEffect::Nothing}).next, row.reads) << what;
        EXPECT_EQ(judge(row.response, {{}, CtlEffect::SameAgain}).next, row.same_again) << what;
        EXPECT_EQ(judge(row.response, {{}, CtlEffect::Once}).next, row.once) << what;
    }
    EXPECT_EQ(judge(leads, {{}, CtlEffect::Once}).leader, "n2:1");
    const CtlRequest nodes = read_request("/cluster/nodes", "nodes");
    EXPECT_EQ(judge(HttpResponse{200, {}, R"({"nodes":[]})"}, nodes).next, Next::Done);
    for (const char* odd : {"", "<html>", "[\"nodes\"]", "{}"})
        EXPECT_EQ(judge(HttpResponse{200, {{"Quorate-Revision", "1"}}, odd}, nodes).next, Next::AskOther)
            << odd;
}

/// A cluster that says what it is told to: each node its answers in turn, the last one for ever.
struct FakeCluster {
    std::map<std::string, std::deque<CtlResponse>, std::less<>> answers;
    std::vector<std::string> asked;
    std::vector<HttpRequest> requests;
    std::uint64_t now_ms = 0;
    std::uint64_t ask_ms = 1;  ///< that each question takes

    CtlNetwork network() {
        return {[this](std::string_view address, const HttpRequest& request, std::uint64_t,
                       const CtlTakeBody& take) -> CtlResponse {
                    asked.emplace_back(address);
                    requests.push_back(request);
                    now_ms += ask_ms;
                    const auto found = answers.find(address);
                    if (found == answers.end()) return never_sent();
                    CtlResponse response = found->second.front();
                    if (found->second.size() > 1) found->second.pop_front();
                    if (take && response && response->status == 200 && response->header("Quorate-Revision"))
                        take(response->body);
                    return response;
                },
                [this] { return now_ms; }, [this](std::uint64_t ms) { now_ms += ms; }};
    }
    CtlCaller caller(std::vector<std::string> endpoints) { return {std::move(endpoints), 5000, network()}; }
};

const CtlRequest kPut{{"PUT", "/kv/k", {}, "v"}, CtlEffect::Once};
const CtlRequest kChange{{"POST", "/cluster/members", {}, "{}"}, CtlEffect::SameAgain};
const HttpResponse kOk{200, {{"Quorate-Revision", "1"}}, "OK\n"};

TEST(Ctl, AWriteGoesOnToTheNextNodeOnlyWhenItSurelyHasNotHappened) {
    FakeCluster cluster;
    cluster.answers = {{"b:1", {refusing(503, "no_leader")}}, {"c:1", {kOk}}};
    auto caller = cluster.caller({"a:1", "b:1", "c:1"});
    const auto done = caller.call(kPut);
    ASSERT_TRUE(done) << done.error().text;
    EXPECT_EQ(done->address, "c:1");
    EXPECT_THAT(cluster.asked, ElementsAre("a:1", "b:1", "c:1"));
    // Whoever has answered is asked first from now on.
    ASSERT_TRUE(caller.call(kPut));
    EXPECT_THAT(cluster.asked, ElementsAre("a:1", "b:1", "c:1", "c:1"));

    for (const CtlResponse& unsure : {maybe_sent(), CtlResponse(refusing(503, "outcome_unknown"))}) {
        FakeCluster other;
        other.answers = {{"a:1", {unsure}}, {"b:1", {kOk}}};
        const auto unknown = other.caller({"a:1", "b:1"}).call(kPut);
        ASSERT_FALSE(unknown);
        EXPECT_EQ(unknown.error().exit, CtlExit::Unknown);
        EXPECT_THAT(unknown.error().text, HasSubstr("may or may not have happened"));
        EXPECT_THAT(other.asked, ElementsAre("a:1"));
    }
}

TEST(Ctl, ReadsAndChangesOfTheMembersAreAskedForAgain) {
    for (const CtlRequest& request : {read_request("/kv/k"), kChange}) {
        FakeCluster cluster;
        cluster.answers = {{"a:1", {maybe_sent()}}, {"b:1", {refusing(503, "outcome_unknown"), kOk}}};
        EXPECT_TRUE(cluster.caller({"a:1", "b:1"}).call(request));
        EXPECT_THAT(cluster.asked, ElementsAre("a:1", "b:1", "a:1", "b:1"));
    }
}

TEST(Ctl, WhatMayHaveHappenedOnceStaysUnknown) {
    FakeCluster cluster;
    cluster.answers = {{"a:1", {maybe_sent(), never_sent()}}};
    const auto given_up = cluster.caller({"a:1"}).call(kChange);
    ASSERT_FALSE(given_up);
    EXPECT_EQ(given_up.error().exit, CtlExit::Unknown);
    cluster.answers = {{"a:1", {maybe_sent(), refusing(409, "no_live_quorum")}}};
    const auto refused = cluster.caller({"a:1"}).call(kChange);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().exit, CtlExit::Unknown);
}

TEST(Ctl, TheLeaderIsFollowedAndNotInCircles) {
    const auto names = [](const char* leader) {
        return problem(409, "not_leader", "another one does", {{"leader", leader}});
    };
    FakeCluster cluster;
    cluster.answers = {{"a:1", {names("c:1")}}, {"c:1", {kOk}}};
    EXPECT_TRUE(cluster.caller({"a:1", "b:1"}).call(kChange));
    EXPECT_THAT(cluster.asked, ElementsAre("a:1", "c:1"));

    FakeCluster confused;
    confused.answers = {{"a:1", {names("b:1")}}, {"b:1", {names("a:1")}}};
    const auto failed = confused.caller({"a:1"}).call(kChange);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().exit, CtlExit::Unreachable);
    EXPECT_LT(confused.asked.size(), 40U) << "with pauses in between";
    EXPECT_GE(confused.now_ms, 5000U);
}

// A node that was removed knows the members of then, and no leader.
TEST(Ctl, AnAnswerOfWhoKnowsLessIsTakenWhenNobodyKnowsMore) {
    CtlRequest request = read_request("/kv/k");
    request.is_best = [](const HttpResponse& response) { return response.body == "new"; };
    const auto answer = [](const char* body) { return HttpResponse{200, {{"Quorate-Revision", "1"}}, body}; };
    const HttpResponse old_one = answer("old");
    const HttpResponse older_one = answer("older");
    FakeCluster cluster;
    cluster.answers = {{"a:1", {old_one}}, {"c:1", {answer("new")}}};
    const auto best = cluster.caller({"a:1", "b:1", "c:1"}).call(request);
    ASSERT_TRUE(best);
    EXPECT_EQ(best->address, "c:1");
    EXPECT_EQ(best->response.body, "new");

    cluster.answers = {{"a:1", {old_one}}, {"c:1", {older_one}}};
    cluster.asked.clear();
    const auto known = cluster.caller({"a:1", "b:1", "c:1"}).call(request);
    ASSERT_TRUE(known);
    EXPECT_EQ(known->address, "a:1");
    EXPECT_EQ(known->response.body, "old");
    EXPECT_THAT(cluster.asked, ElementsAre("a:1", "b:1", "c:1")) << "each once";
    EXPECT_TRUE(cluster.caller({"a:1"}).call(request));
}

// To ask it again would be in vain, and when it is the only one, nothing is gained by waiting.
TEST(Ctl, WhoWillNeverDoItIsAskedOnce) {
    const HttpResponse of_another_server{200, {}, "<html>"};
    const std::pair<HttpResponse, const char*> table[]{
        {of_another_server, "a:1: answers 200 OK, and is no Quorate node"},
        {HttpResponse{404, {}, "<html>"}, "a:1: answers 404 Not Found, and is no Quorate node"},
        {refusing(410, "node_removed"), "a:1: so it is (node_removed)"}};
    for (const auto& [answer, reason] : table) {
        FakeCluster cluster;
        cluster.answers = {{"a:1", {answer}}, {"b:1", {refusing(503, "no_leader"), kOk}}};
        EXPECT_TRUE(cluster.caller({"a:1", "b:1"}).call(read_request("/kv/k")));
        EXPECT_THAT(cluster.asked, ElementsAre("a:1", "b:1", "b:1"));
        const std::uint64_t began_ms = cluster.now_ms;
        const auto nobody = cluster.caller({"a:1"}).call(read_request("/kv/k"));
        ASSERT_FALSE(nobody);
        EXPECT_EQ(nobody.error().exit, CtlExit::Unreachable);
        EXPECT_THAT(nobody.error().text, AllOf(HasSubstr("none of the endpoints can do it, and nothing was "
                                                         "changed; name other nodes with --endpoints:"),
                                               HasSubstr(reason)));
        EXPECT_EQ(cluster.now_ms, began_ms + 1) << "at once";
    }
    // It may pass on what it gets.
    FakeCluster cluster;
    cluster.answers = {{"a:1", {of_another_server}}, {"b:1", {kOk}}};
    const auto once = cluster.caller({"a:1", "b:1"}).call(kPut);
    ASSERT_FALSE(once);
    EXPECT_EQ(once.error().exit, CtlExit::Unknown);
    EXPECT_THAT(once.error().text, HasSubstr("look, then decide:\n  a:1: answers 200 OK, and is no Quorate"));
    const auto change = cluster.caller({"a:1"}).call(kChange);
    ASSERT_FALSE(change);
    EXPECT_EQ(change.error().exit, CtlExit::Unknown);
}

TEST(Ctl, GivesUpInTime) {
    FakeCluster cluster;
    cluster.ask_ms = 100;
    cluster.answers = {{"b:1", {refusing(503, "no_leader")}}};
    const auto failed = cluster.caller({"a:1", "b:1"}).call(read_request("/kv/k"));
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().exit, CtlExit::Unreachable);
    EXPECT_THAT(failed.error().text,
                AllOf(HasSubstr("within 5 s, and nothing was changed; check --endpoints"),
                      HasSubstr("\n  n: no connection\n  b:1: so it is (no_leader)")))
        << "a reason for each";
    EXPECT_GE(cluster.now_ms, 5000U);
    EXPECT_LE(cluster.now_ms, 5100U);
}

TEST(Ctl, RequestsNameKeysAsTheyAre) {
    const auto target = [](const CtlRequestOrMistake& request) {
        return request ? request->request.target : request.error();
    };
    EXPECT_EQ(target(get_request({CtlVerb::Get, {{"KEY", "a b/\xff?"}}})), "/kv/a%20b/%FF%3F");
    EXPECT_EQ(target(get_request({CtlVerb::Get, {{"KEY", "range"}}})), "/kv/%72ange");
    EXPECT_EQ(target(get_request({CtlVerb::Get, {{"KEY", "a%20b"}, {"--encoded", "yes"}}})), "/kv/a%20b");
    EXPECT_EQ(
        target(get_request({CtlVerb::Get, {{"KEY", "k"}, {"--consistency", "stale"}, {"--revision", "7"}}})),
        "/kv/k?consistency=stale&revision=7");
    for (const CtlLine& wrong :
         {CtlLine{CtlVerb::Get, {{"KEY", ""}}}, CtlLine{CtlVerb::Get, {{"KEY", "k"}, {"--revision", "-1"}}},
          CtlLine{CtlVerb::Get, {{"KEY", "%"}, {"--encoded", "yes"}}}})
        EXPECT_FALSE(get_request(wrong));
}

TEST(Ctl, ConditionsBecomeHeaders) {
    const auto match = [](const std::string& tags) -> std::string {
        const auto request = put_request({CtlVerb::Put, {{"KEY", "k"}, {"--if-match", tags}}}, "v");
        return request ? *request->request.header("If-Match") : request.error();
    };
    EXPECT_EQ(match("7"), "\"7\"");
    EXPECT_EQ(match("\"7\""), "\"7\"");
    EXPECT_EQ(match("7, 9"), "\"7\", \"9\"");
    EXPECT_EQ(match("*"), "*");
    EXPECT_THAT(match("7\r\nX: y"), HasSubstr("not allowed"));
    const auto absent = put_request({CtlVerb::Put, {{"KEY", "k"}, {"--if-absent", "yes"}}}, "v");
    EXPECT_EQ(*absent->request.header("If-None-Match"), "*");
    EXPECT_FALSE(
        put_request({CtlVerb::Put, {{"KEY", "k"}, {"--if-absent", "yes"}, {"--if-match", "7"}}}, "v"));
}

TEST(Ctl, ChangesOfTheMembers) {
    const auto body = [](const CtlLine& line) {
        const auto request = member_request(line);
        return request ? request->request.body : request.error();
    };
    EXPECT_EQ(body({CtlVerb::MemberAdd, {{"MEMBER", "n4=h:1"}, {"--learner", "yes"}}}),
              "{\"add\":[{\"nodeId\":\"n4\",\"addr\":\"h:1\",\"role\":\"learner\"}]}\n");
    EXPECT_EQ(body({CtlVerb::MemberRemove, {{"NAME", "n4"}, {"--force", "yes"}}}),
              "{\"remove\":[\"n4\"],\"force\":true}\n");
    EXPECT_EQ(body({CtlVerb::MemberPromote, {{"NAME", "n4"}}}), "{\"promote\":[\"n4\"]}\n");
    EXPECT_EQ(body({CtlVerb::MemberMove, {{"MEMBER", "n4=h:1"}}}),
              "{\"move\":[{\"nodeId\":\"n4\",\"addr\":\"h:1\"}]}\n");
    EXPECT_EQ(body({CtlVerb::MemberMove, {{"MEMBER", "n4=h:1"}, {"--force", "yes"}}}),
              "{\"move\":[{\"nodeId\":\"n4\",\"addr\":\"h:1\"}],\"force\":true}\n");
    EXPECT_EQ(body({CtlVerb::MemberAdd, {{"MEMBER", "n4=h:1"}}}),
              "{\"add\":[{\"nodeId\":\"n4\",\"addr\":\"h:1\",\"role\":\"voter\"}]}\n");
    // Twice the same, but for a move: somebody else may have made another one in between.
    const auto effect = [](const CtlLine& line) { return member_request(line)->effect; };
    EXPECT_EQ(effect({CtlVerb::MemberAdd, {{"MEMBER", "n4=h:1"}}}), CtlEffect::SameAgain);
    EXPECT_EQ(effect({CtlVerb::MemberRemove, {{"NAME", "n4"}}}), CtlEffect::SameAgain);
    EXPECT_EQ(effect({CtlVerb::MemberPromote, {{"NAME", "n4"}}}), CtlEffect::SameAgain);
    EXPECT_EQ(effect({CtlVerb::MemberMove, {{"MEMBER", "n4=h:1"}}}), CtlEffect::Once);
    for (const char* wrong : {"n4", "n4=", "=h:1", "n4=h"})
        EXPECT_FALSE(member_request({CtlVerb::MemberAdd, {{"MEMBER", wrong}}})) << wrong;
}

TEST(Ctl, WhatIsShownCanBeReadBack) {
    for (const std::string bytes :
         {"plain", "two words", "ä", "100%", "a\tb", "\xff", "\xC2\x9B", "\x7f", ""}) {
        const std::string shown = shown_bytes(bytes);
        EXPECT_EQ(percent_decode(shown), bytes) << shown;
        for (const char c : shown) EXPECT_TRUE(c >= ' ' || c < 0) << shown;
    }
    EXPECT_EQ(shown_bytes("two words ä"), "two words ä");
    EXPECT_EQ(shown_bytes("\xC2\x9B"), "%C2%9B") << "an order to a terminal";
    EXPECT_EQ(shown_pair(R"({"k":"a","v":"1"})", true), "a\t1\n");
    EXPECT_EQ(shown_pair(R"({"k_b64":"/w==","v":"1"})", false), "%FF\n");
    EXPECT_EQ(shown_pair_json(R"({"k_b64":"/w==","v":"1"})", false), "{\"k_b64\":\"/w==\"}\n");
    EXPECT_EQ(shown_pair("<html>", true), std::nullopt);
}

TEST(Ctl, TablesOfWhateverComes) {
    EXPECT_EQ(
        shown_nodes(
            R"({"nodes":[{"up":false,"nodeId":"n3","addr":"h:3"},)"
            R"({"up":true,"nodeId":"n1","addr":"h:1","role":"leader","term":2,"commitIndex":9,)"
            R"("appliedIndex":9,"keys":3,"storage":"ok","state":"serving","progress":100,"version":"1"},)"
            R"({"up":true,"nodeId":"n2","addr":"h:2","role":"follower","term":2,"commitIndex":7,)"
            R"("appliedIndex":4,"keys":1,"storage":"ok","state":"loading","progress":40,"version":"1"}]})"),
        "NODE  ADDR  UP   ROLE      TERM  APPLIED  LAG  KEYS  STORAGE  STATE        VERSION\n"
        "n1    h:1   yes  leader    2     9        0    3     ok       serving      1\n"
        "n2    h:2   yes  follower  2     4        5    1     ok       loading 40%  1\n"
        "n3    h:3   no   -         -     -        -    -     -        -            -\n");
    EXPECT_EQ(
        shown_members(
            R"({"changing":true,"members":[{"nodeId":"n1","addr":"h:1","role":"voter","leads":true}]})"),
        "NODE  ADDR  ROLE   LEADS  BEHIND\nn1    h:1   voter  yes    -\na change is under way\n");
    for (const char* odd :
         {"", "<html>", "[]", R"({"nodes":7})", R"({"nodes":[7,null,{"up":7,"term":[]}]})"}) {
        EXPECT_THAT(shown_nodes(odd), HasSubstr("NODE"));
        EXPECT_THAT(shown_members(odd), HasSubstr("NODE"));
    }
}

constexpr std::string_view kBackup =
    "{\"quorate_backup\":1,\"cluster\":\"c\",\"revision\":12,\"keys\":1}\n"
    "{\"k\":\"count\",\"v\":\"3\",\"create_revision\":5,\"mod_revision\":7,\"version\":2}\n";

std::string whole_backup() {
    return fmt::format("{}{{\"complete\":true,\"keys\":1,\"xxh64\":\"{:016x}\"}}\n", kBackup,
                       hash64(kBackup));
}

TEST(Ctl, ABackupIsCheckedHoweverItComes) {
    const std::string backup = whole_backup();
    for (std::size_t piece = 1; piece <= backup.size(); ++piece) {
        BackupCheck check;
        for (std::size_t at = 0; at < backup.size(); at += piece)
            check.add(std::string_view(backup).substr(at, piece));
        const auto head = check.finish();
        ASSERT_TRUE(head) << piece << head.error();
        EXPECT_EQ(head->revision, 12U);
    }
    for (std::size_t cut = 0; cut < backup.size(); ++cut) {
        BackupCheck check;
        check.add(std::string_view(backup).substr(0, cut));
        EXPECT_FALSE(check.finish()) << cut;
    }
    for (std::size_t at = 0; at < kBackup.size(); ++at) {
        std::string changed = backup;
        changed[at] ^= 1;
        BackupCheck check;
        check.add(changed);
        EXPECT_FALSE(check.finish()) << at;
    }
}

/// One command against a FakeCluster.
struct CommandRun {
    FakeCluster cluster;
    std::map<std::string, std::string> files;
    std::string printed;
    std::string remarked;
    bool is_full = false;
    std::string being_written;

    CtlExit run(CtlLine line, bool json = false, bool terminal = false) {
        printed.clear();
        remarked.clear();
        const CtlPorts ports{cluster.network(),
                             [this](std::string_view bytes) {
                                 printed += bytes;
                                 return !is_full;
                             },
                             [this](std::string_view text) { remarked += text; },
                             [this](const std::string& name) -> std::expected<std::string, std::string> {
                                 if (!files.contains(name)) return std::unexpected(name + ": none");
                                 return files[name];
                             },
                             [this](const std::string& name) -> std::expected<CtlFileSink, std::string> {
                                 being_written.clear();
                                 return CtlFileSink{
                                     [this](std::string_view bytes) -> std::expected<void, std::string> {
                                         being_written += bytes;
                                         return {};
                                     },
                                     [this, name]() -> std::expected<void, std::string> {
                                         files[name] = being_written;
                                         return {};
                                     }};
                             },
                             terminal};
        return run_ctl({{"a:1"}, 5000, json, "chance", std::move(line)}, ports);
    }
};

TEST(Ctl, AValueIsPrintedByteByByte) {
    CommandRun command;
    command.cluster.answers = {
        {"a:1", {HttpResponse{200, {{"ETag", "\"7\""}, {"Quorate-Revision", "9"}}, std::string("a\0", 2)}}}};
    const CtlLine get{CtlVerb::Get, {{"KEY", "k"}}};
    EXPECT_EQ(command.run(get), CtlExit::Done);
    EXPECT_EQ(command.printed, std::string("a\0", 2));
    EXPECT_EQ(command.run(get, false, true), CtlExit::Done);
    EXPECT_EQ(command.printed, std::string("a\0\n", 3)) << "for a person, whose prompt comes next";
    EXPECT_EQ(command.run(get, true), CtlExit::Done);
    EXPECT_EQ(command.printed, "{\"k\":\"k\",\"v\":\"a\\u0000\",\"etag\":\"7\",\"revision\":9}\n");
    command.is_full = true;
    EXPECT_EQ(command.run(get), CtlExit::LocalFile);
    command.cluster.answers = {{"a:1", {refusing(404, "key_not_found")}}};
    EXPECT_EQ(command.run(get), CtlExit::NoSuchKey);
    for (const auto& [typed, shown] : {std::pair("a%20b", "a%20b"), std::pair("\x1b[2J", "%1B%5B2J")}) {
        EXPECT_EQ(command.run({CtlVerb::Get, {{"KEY", typed}}}), CtlExit::NoSuchKey);
        EXPECT_THAT(command.remarked, HasSubstr(fmt::format("there is no key '{}' (", shown)));
    }
}

const HttpResponse kSession{200, {{"Quorate-Revision", "1"}}, R"({"session":"7","knownForS":300})"};

TEST(Ctl, AWriteIsSentAgainAsItWasUntilItIsAnswered) {
    CommandRun command;
    const CtlLine put{CtlVerb::Put, {{"KEY", "k"}, {"VALUE", "v"}}};
    const auto exit_of = [&](std::deque<CtlResponse> answers) {
        command.cluster.requests.clear();
        answers.emplace_front(kSession);
        command.cluster.answers = {{"a:1", std::move(answers)}};
        return command.run(put);
    };
    EXPECT_EQ(exit_of({maybe_sent(), refusing(503, "outcome_unknown"), refusing(503, "no_leader"), kOk}),
              CtlExit::Done);
    ASSERT_EQ(command.cluster.requests.size(), 5U);
    const HttpRequest& first = command.cluster.requests[1];
    EXPECT_EQ(*first.header("Idempotency-Key"), "chance");
    EXPECT_EQ(*first.header("Quorate-Session"), "7");
    for (std::size_t at = 2; at < 5; ++at) EXPECT_EQ(command.cluster.requests[at], first);

    const std::uint64_t began_ms = command.cluster.now_ms;
    EXPECT_EQ(exit_of({maybe_sent(), never_sent()}), CtlExit::Unknown);
    EXPECT_GE(command.cluster.now_ms, began_ms + 5000);
    EXPECT_THAT(command.remarked, HasSubstr("may or may not have happened"));
    EXPECT_EQ(exit_of({maybe_sent(), refusing(410, "session_expired")}), CtlExit::Unknown);
    EXPECT_EQ(exit_of({maybe_sent(), refusing(507, "disk_full")}), CtlExit::Unknown);
    EXPECT_EQ(exit_of({maybe_sent(), refusing(412, "condition_failed")}), CtlExit::Refused)
        << "the answer to the first one as well";
    EXPECT_EQ(exit_of({refusing(429, "idempotency_keys_full")}), CtlExit::Unreachable);
    EXPECT_THAT(command.remarked, AllOf(HasSubstr("nothing was changed"), HasSubstr("keys_full")));

    for (const CtlResponse& none : {CtlResponse(refusing(503, "no_leader")), CtlResponse(kOk),
                                    CtlResponse(HttpResponse{200, {}, R"({"session":"x\r\ny"})"})}) {
        command.cluster.requests.clear();
        command.cluster.answers = {{"a:1", {none}}};
        EXPECT_EQ(command.run(put), CtlExit::Unreachable);
        for (const HttpRequest& request : command.cluster.requests) EXPECT_EQ(request.target, "/sessions");
    }
}

TEST(Ctl, AValueComesFromWhereItIsSaid) {
    CommandRun command;
    command.cluster.answers = {{"a:1", {kSession}}};
    command.files = {{"-", "typed"}, {"f", "kept"}};
    EXPECT_EQ(command.run({CtlVerb::Put, {{"KEY", "k"}, {"VALUE", "v"}}}), CtlExit::Done);
    EXPECT_EQ(command.run({CtlVerb::Put, {{"KEY", "k"}, {"VALUE", "-"}}}), CtlExit::Done);
    EXPECT_EQ(command.run({CtlVerb::Put, {{"KEY", "k"}, {"--file", "f"}}}), CtlExit::Done);
    std::erase_if(command.cluster.requests,
                  [](const HttpRequest& request) { return request.target == "/sessions"; });
    const auto body = [](const char* text) { return testing::Field(&HttpRequest::body, text); };
    EXPECT_THAT(command.cluster.requests, ElementsAre(body("v"), body("typed"), body("kept")));
    EXPECT_EQ(command.run({CtlVerb::Put, {{"KEY", "k"}, {"--file", "g"}}}), CtlExit::LocalFile);
    EXPECT_EQ(command.run({CtlVerb::Put, {{"KEY", "k"}}}), CtlExit::Usage);
    EXPECT_EQ(command.run({CtlVerb::Put, {{"KEY", "k"}, {"VALUE", "v"}, {"--file", "f"}}}), CtlExit::Usage);
    EXPECT_EQ(command.cluster.asked.size(), 6U);
}

TEST(Ctl, WhatIsDoneStaysDoneWhenNobodyCanBeTold) {
    CommandRun command;
    command.is_full = true;
    const HttpResponse any{200,
                           {{"Quorate-Revision", "1"}},
                           R"({"session":"7","members":[],"transferred":true,"snapshotIndex":1})"};
    command.cluster.answers = {{"a:1", {any}}};
    for (const CtlLine& line :
         {CtlLine{CtlVerb::Put, {{"KEY", "k"}, {"VALUE", "v"}}}, CtlLine{CtlVerb::Del, {{"KEY", "k"}}},
          CtlLine{CtlVerb::MemberRemove, {{"NAME", "n1"}}}, CtlLine{CtlVerb::Transfer},
          CtlLine{CtlVerb::Snapshot}, CtlLine{CtlVerb::Snapshot, {{"--node", "a:1"}}}}) {
        EXPECT_EQ(command.run(line), CtlExit::LocalFile);
        EXPECT_THAT(command.remarked, HasSubstr("it is done, but the output cannot be written"));
    }
    EXPECT_EQ(command.run({CtlVerb::MemberList}), CtlExit::LocalFile);
    EXPECT_THAT(command.remarked, testing::StartsWith("the output cannot be written"));
    command.cluster.answers = {{"a:1", {HttpResponse{200, {{"Quorate-Revision", "12"}}, whole_backup()}}}};
    EXPECT_EQ(command.run({CtlVerb::Backup, {{"FILE", "b"}}}), CtlExit::LocalFile);
    EXPECT_THAT(command.remarked, HasSubstr("it is done, but"));
    EXPECT_EQ(command.files["b"], whole_backup());
}

TEST(Ctl, WhoLeadsNowIsToldWhenItIsKnown) {
    CommandRun command;
    const HttpResponse moved{200, {}, R"({"transferred":true,"from":"n1"})"};
    const auto leads = [](const char* name) {
        return HttpResponse{200, {}, fmt::format(R"({{"leaderId":"{}"}})", name)};
    };
    const auto said = [&](std::deque<CtlResponse> answers, bool json = false) {
        answers.emplace_front(moved);
        command.cluster.answers = {{"a:1", std::move(answers)}};
        EXPECT_EQ(command.run({CtlVerb::Transfer}, json), CtlExit::Done);
        return command.printed;
    };
    EXPECT_EQ(said({refusing(503, "no_leader"), leads("n2")}), "n1 does not lead any more, n2 does\n");
    EXPECT_EQ(said({leads("n1")}), "n1 does not lead any more\n");
    const std::uint64_t began_ms = command.cluster.now_ms;
    EXPECT_EQ(said({never_sent()}), "n1 does not lead any more\n");
    EXPECT_LE(command.cluster.now_ms - began_ms, 2500U);
    EXPECT_EQ(said({leads("n2")}, true), moved.body);
}

TEST(Ctl, ANameHasAtLeastOneCharacter) {
    CommandRun command;
    EXPECT_EQ(command.run({CtlVerb::Transfer, {{"--to", ""}}}), CtlExit::Usage);
    EXPECT_EQ(command.run({CtlVerb::Backup, {{"FILE", ""}}}), CtlExit::Usage);
    EXPECT_EQ(command.cluster.asked.size(), 0U);
}

HttpResponse page(const std::string& body, const char* next, const char* revision) {
    HttpResponse response{200, {{"Quorate-Revision", revision}}, body};
    if (next != nullptr) response.headers.push_back({"Quorate-Next", next});
    return response;
}

HttpResponse members_named_by(const char* leader, const char* behind) {
    return {200,
            {},
            fmt::format(R"({{"members":[{{"nodeId":"n1","addr":"{}","role":"voter","leads":true,)"
                        R"("behind":{}}}]}})",
                        leader, behind)};
}

TEST(Ctl, MembersAreShownAsTheLeaderKnowsThem) {
    CommandRun command;
    const CtlLine list{CtlVerb::MemberList, {}};
    command.cluster.answers = {{"a:1", {members_named_by("b:1", "null")}},
                               {"b:1", {members_named_by("b:1", "7")}}};
    EXPECT_EQ(command.run(list), CtlExit::Done);
    EXPECT_THAT(command.printed, HasSubstr("n1    b:1   voter  yes    7\n"));
    EXPECT_THAT(command.cluster.asked, ElementsAre("a:1", "b:1"));
    // It has died since: what the other one knows is better than nothing, and soon.
    command.cluster.answers.erase("b:1");
    const std::uint64_t began_ms = command.cluster.now_ms;
    EXPECT_EQ(command.run(list), CtlExit::Done);
    EXPECT_THAT(command.printed, HasSubstr("n1    b:1   voter  yes    -\n"));
    EXPECT_LE(command.cluster.now_ms - began_ms, 2500U);
}

TEST(Ctl, ARangeIsReadPageByPageAtOneRevision) {
    const std::deque<CtlResponse> pages{page("{\"k\":\"a\",\"v\":\"1\"}\n", "a", "5"),
                                        page("{\"k\":\"b\",\"v\":\"2\"}\n", nullptr, "8")};
    CommandRun command;
    const auto targets = [&] {
        std::vector<std::string> all;
        for (const HttpRequest& request : std::exchange(command.cluster.requests, {}))
            all.push_back(request.target);
        return all;
    };
    command.cluster.answers = {{"a:1", pages}};
    EXPECT_EQ(command.run({CtlVerb::Range, {{"--start", "a"}, {"--all", "yes"}}}), CtlExit::Done);
    EXPECT_EQ(command.printed, "a\t1\nb\t2\n");
    EXPECT_THAT(targets(), ElementsAre("/kv/range?start=a&limit=1000",
                                       "/kv/range?start=a&limit=1000&after=a&revision=5"));

    command.cluster.answers = {{"a:1", pages}};
    EXPECT_EQ(command.run({CtlVerb::Range, {{"--all", "yes"}, {"--unpinned", "yes"}}}), CtlExit::Done);
    EXPECT_THAT(targets(), ElementsAre("/kv/range?limit=1000", "/kv/range?limit=1000&after=a"));

    command.cluster.answers = {{"a:1", pages}};
    EXPECT_EQ(command.run({CtlVerb::Range, {{"--limit", "1"}}}), CtlExit::Done);
    EXPECT_THAT(targets(), ElementsAre("/kv/range?limit=1"));
    EXPECT_EQ(command.remarked, "");
    EXPECT_EQ(command.run({CtlVerb::Range, {{"--limit", "0"}}}), CtlExit::Usage);
    EXPECT_EQ(command.run({CtlVerb::Range, {{"--limit", "1"}, {"--all", "yes"}}}), CtlExit::Usage);
}

TEST(Ctl, ABackupStandsUnderItsNameOnlyWhenItIsWhole) {
    CommandRun command;
    const CtlLine backup{CtlVerb::Backup, {{"FILE", "b"}}};
    command.cluster.answers = {
        {"a:1", {HttpResponse{200, {{"Quorate-Revision", "12"}}, std::string(kBackup)}}}};
    EXPECT_EQ(command.run(backup), CtlExit::Unreachable);
    EXPECT_FALSE(command.files.contains("b"));
    EXPECT_THAT(command.remarked, HasSubstr("not whole"));
    command.cluster.answers = {{"a:1", {HttpResponse{200, {{"Quorate-Revision", "12"}}, whole_backup()}}}};
    EXPECT_EQ(command.run(backup, true), CtlExit::Done);
    EXPECT_EQ(command.files["b"], whole_backup());
    EXPECT_EQ(command.printed, "{\"file\":\"b\",\"cluster\":\"c\",\"revision\":12,\"keys\":1}\n");
    EXPECT_EQ(command.run({CtlVerb::Backup, {{"FILE", "-"}}}), CtlExit::Done);
    EXPECT_EQ(command.printed, whole_backup());
    command.is_full = true;
    EXPECT_EQ(command.run({CtlVerb::Backup, {{"FILE", "-"}}}), CtlExit::LocalFile);
    command.cluster.answers = {{"a:1", {HttpResponse{200, {}, "<html>"}}}};
    EXPECT_EQ(command.run({CtlVerb::Backup, {{"FILE", "-"}}}), CtlExit::Unreachable);
    EXPECT_EQ(command.printed, "");
    EXPECT_THAT(command.remarked, HasSubstr("a:1: answers 200 OK, and is no Quorate node"));
}

TEST(Ctl, ScriptsCompleteEveryCommandAndFlag) {
    for (const char* shell : {"bash", "zsh", "fish"}) {
        const std::string script = completion_script(shell);
        for (const CtlCommand& command : ctl_commands()) {
            EXPECT_THAT(script, HasSubstr(std::string(command.name))) << shell;
            for (const CtlFlag& flag : command.flags)
                EXPECT_THAT(script, HasSubstr(std::string(flag.name.substr(2))));
        }
    }
}

}  // namespace
}  // namespace quorate::server::test::ctl
