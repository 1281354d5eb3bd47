// quoratectl as a process, against real nodes, and against one that breaks off.

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_node.h"
#include "tests/support/process_cluster.h"

// A room of its own: other tests have exit codes of the same names.
namespace quorate::test::ctl {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr Ending kDone{0, 0};
constexpr Ending kNoSuchKey{1, 0};
constexpr Ending kUsage{2, 0};
constexpr Ending kRefused{3, 0};
constexpr Ending kUnreachable{4, 0};
constexpr Ending kUnknown{5, 0};
constexpr Ending kLocalFile{6, 0};

/// What a run has printed, and where.
struct Said {
    std::optional<Ending> ending;
    std::string out;
    std::string errors;
};

class Ctl {
 public:
    explicit Ctl(std::string endpoints) : endpoints_(std::move(endpoints)) {}

    Said operator()(const std::vector<std::string>& words, const std::string& input = {}) const {
        const TemporaryDirectory directory;
        const std::string errors = (directory.path() / "errors").string();
        const std::string in = (directory.path() / "in").string();
        std::ofstream(in, std::ios::binary) << input;
        std::vector<std::string> arguments{"-c", R"(exec "$0" "$@" <"$CTL_IN" 2>"$CTL_ERRORS")",
                                           QUORATECTL_PATH};
        arguments.insert(arguments.end(), words.begin(), words.end());
        Outcome outcome =
            run_program("/bin/sh", arguments,
                        {"QUORATE_ENDPOINTS=" + endpoints_, "CTL_IN=" + in, "CTL_ERRORS=" + errors});
        return {outcome.ending, std::move(outcome.output), bytes_of(errors)};
    }

 private:
    std::string endpoints_;
};

nlohmann::json parsed(const std::string& text) { return nlohmann::json::parse(text, nullptr, false); }

// All nodes of a cluster, this one first.
std::string endpoints_from(const Cluster& cluster, std::size_t first) {
    std::string endpoints = cluster.address(first);
    for (std::size_t node = 0; node < cluster.size(); ++node) {
        if (node != first) endpoints += "," + cluster.address(node);
    }
    return endpoints;
}

// Said to a leader whose two followers stand still: it takes it, and gives up, or the client does. On a busy
// machine it may have stepped down before it hears of it; then again.
Said while_alone(Cluster& cluster, const std::vector<std::string>& words) {
    Said said;
    (void)eventually([&] {
        const std::size_t leader = cluster.wait_for_leader();
        for (const std::size_t other : {(leader + 1) % 3, (leader + 2) % 3}) cluster.pause(other);
        said = Ctl(cluster.address(leader))(words);
        for (const std::size_t other : {(leader + 1) % 3, (leader + 2) % 3}) cluster.resume(other);
        return said.ending != kUnreachable;
    });
    return said;
}

TEST(QuorateCtl, KeysAreWrittenReadAndDeleted) {
    Cluster cluster(3);
    (void)cluster.wait_for_leader();
    const Ctl ctl(endpoints_from(cluster, cluster.some_follower()));
    const std::string bytes("\0\xff\n", 3);
    EXPECT_EQ(ctl({"put", "greeting", "hello"}).ending, kDone);
    const Said typed = ctl({"put", "a key/\xff", "-"}, bytes);
    EXPECT_EQ(typed.ending, kDone) << typed.errors;
    EXPECT_THAT(typed.out, StartsWith("OK, revision 2, ETag 2"));
    EXPECT_EQ(ctl({"get", "greeting"}).out, "hello");
    EXPECT_EQ(ctl({"get", "a key/\xff"}).out, bytes);
    EXPECT_EQ(ctl({"get", "--encoded", "a%20key/%FF"}).out, bytes);
    EXPECT_EQ(parsed(ctl({"--json", "get", "greeting"}).out),
              parsed(R"({"k":"greeting","v":"hello","etag":"1","revision":2})"));
    EXPECT_EQ(ctl({"range"}).out, "a%20key/%FF\t%00%FF%0A\ngreeting\thello\n");
    EXPECT_EQ(ctl({"range", "--keys-only", "--json", "--start", "b"}).out, "{\"k\":\"greeting\"}\n");

    const Said taken = ctl({"put", "greeting", "hi", "--if-absent"});
    EXPECT_EQ(taken.ending, kRefused);
    EXPECT_THAT(taken.errors,
                AllOf(StartsWith("quoratectl: "), HasSubstr("(condition_failed); read it again")));
    EXPECT_EQ(ctl({"put", "greeting", "hi", "--if-match", "7"}).ending, kRefused);
    EXPECT_EQ(ctl({"put", "greeting", "hi", "--if-match", "1"}).ending, kDone);
    EXPECT_EQ(ctl({"get", "greeting", "--revision", "2"}).out, "hello");
    EXPECT_EQ(parsed(ctl({"--json", "put", "greeting", "hey"}).out), parsed(R"({"revision":4,"etag":"4"})"));

    EXPECT_EQ(parsed(ctl({"--json", "del", "greeting"}).out), parsed(R"({"revision":5,"deleted":1})"));
    EXPECT_EQ(ctl({"del", "greeting"}).ending, kDone);
    const Said gone = ctl({"get", "greeting"});
    EXPECT_EQ(gone.ending, kNoSuchKey);
    EXPECT_EQ(gone.out, "");
    EXPECT_THAT(gone.errors, HasSubstr("there is no key 'greeting' (key_not_found)"));
}

TEST(QuorateCtl, BatchesAndRangesOfManyPages) {
    Cluster cluster(1);
    (void)cluster.wait_for_leader();
    const Ctl ctl(cluster.address(0));
    std::string lines;
    for (int i = 1000; i < 3500; ++i) lines += "PUT k" + std::to_string(i) + " v\n";
    EXPECT_EQ(ctl({"batch", "-"}, lines).out, "OK, revision 1, deleted 0\n");
    const auto count = [](const std::string& text) { return std::ranges::count(text, '\n'); };
    EXPECT_EQ(count(ctl({"range", "--all"}).out), 2500);
    EXPECT_EQ(count(ctl({"range", "--limit", "2100", "--json"}).out), 2100);
    const Said first = ctl({"range"});
    EXPECT_EQ(count(first.out), 1000);
    EXPECT_THAT(first.errors,
                HasSubstr("there are more keys; see them with --all, or --encoded --after 'k1999'"));
    EXPECT_THAT(ctl({"range", "--encoded", "--after", "k1999", "--limit", "1"}).out, StartsWith("k2000\t"));
    const Said wrong = ctl({"batch", "-"}, "PUT a 1\nnonsense\n");
    EXPECT_EQ(wrong.ending, kRefused);
    EXPECT_THAT(wrong.errors, HasSubstr("line 2"));
    EXPECT_EQ(ctl({"get", "a"}).ending, kNoSuchKey);
}

// Refused by its length alone, which the answer must survive.
TEST(QuorateCtl, AValueThatIsTooLargeIsRefusedInWords) {
    Cluster cluster(1);
    (void)cluster.wait_for_leader();
    const Ctl ctl(cluster.address(0));
    for (int round = 0; round < 5; ++round) {
        const Said said = ctl({"put", "k", "-"}, std::string(std::size_t{20} << 20, 'x'));
        EXPECT_EQ(said.ending, kRefused) << said.errors;
        EXPECT_THAT(said.errors, HasSubstr("(body_too_large)"));
    }
    EXPECT_EQ(ctl({"put", "k", "-"}, std::string(std::size_t{4} << 20, 'x')).ending, kDone);
}

TEST(QuorateCtl, StatusSnapshotAndTransfer) {
    Cluster cluster(3);
    const std::size_t leader = cluster.wait_for_leader();
    const std::size_t next = (leader + 1) % 3;
    const std::size_t third = (leader + 2) % 3;
    const Ctl ctl(endpoints_from(cluster, next));
    EXPECT_EQ(ctl({"put", "k", "v"}).ending, kDone);
    EXPECT_THAT(ctl({"status"}).out,
                AllOf(StartsWith("NODE  ADDR "), HasSubstr(" leader "), HasSubstr(" follower "),
                      HasSubstr(" serving "), Not(HasSubstr("  no "))));
    const Said taken = ctl({"snapshot", "--node", cluster.name(third), "--json"});
    EXPECT_EQ(taken.ending, kDone) << taken.errors;
    EXPECT_EQ(parsed(taken.out).at("snapshotIndex"), cluster.health(third).at("snapshotIndex"));
    EXPECT_THAT(ctl({"snapshot", "--node", cluster.address(next)}).out,
                StartsWith("a snapshot through entry "));
    EXPECT_EQ(ctl({"snapshot", "--node", "nobody"}).ending, kRefused);

    const Said moved = ctl({"transfer", "--to", cluster.name(third)});
    EXPECT_EQ(moved.ending, kDone) << moved.errors;
    EXPECT_THAT(moved.out, StartsWith(cluster.name(leader) + " does not lead any more"));
    EXPECT_TRUE(eventually([&] { return cluster.wait_for_leader() == third; }));
    EXPECT_EQ(ctl({"transfer", "--to", "nobody"}).ending, kRefused);
    EXPECT_TRUE(eventually([&] {
        return ctl({"member", "transfer", "--to", cluster.name(next)}).ending == kDone &&
               cluster.wait_for_leader() == next;
    }));

    cluster.kill(leader);
    const Said status = ctl({"status", "--json"});
    EXPECT_EQ(status.ending, kDone);
    const nlohmann::json view = parsed(status.out);
    for (const auto& node : view.at("nodes"))
        EXPECT_EQ(node.at("up"), node.at("nodeId") != cluster.name(leader));
    EXPECT_THAT(ctl({"status"}).out, HasSubstr("  no "));
}

/// Three members and two spare nodes, and a client that is told of two nodes: neither leads at first.
class QuorateCtlMembers : public testing::Test {
 protected:
    std::string role_of(const std::string& name) {
        const Said said = ctl_({"member", "list", "--json"});
        EXPECT_EQ(said.ending, kDone) << said.errors;
        const nlohmann::json view = parsed(said.out);
        for (const auto& one : view.at("members")) {
            if (one.at("nodeId") == name) return one.at("role").get<std::string>();
        }
        return "none";
    }
    bool becomes(const std::string& name, const std::string& role) {
        return eventually([&] { return role_of(name) == role; });
    }
    // The server's own words, and what to do next.
    void expect_refusal(const std::vector<std::string>& words, const std::string& detail,
                        const std::string& code, const std::string& advice) {
        const Said said = ctl_(words);
        EXPECT_EQ(said.ending, kRefused) << said.errors;
        EXPECT_EQ(said.out, "");
        EXPECT_THAT(said.errors, AllOf(StartsWith("quoratectl: "), HasSubstr(detail),
                                       HasSubstr("(" + code + "); "), HasSubstr(advice)));
    }
    [[nodiscard]] std::string at(std::size_t node) const {
        return cluster_.name(node) + "=" + cluster_.address(node);
    }

    Cluster cluster_{3, 2};
    std::size_t leader_ = cluster_.wait_for_leader();
    std::size_t next_ = (leader_ + 1) % 3;
    std::size_t third_ = (leader_ + 2) % 3;
    Ctl ctl_{cluster_.address(next_) + "," + cluster_.address(third_)};
};

TEST_F(QuorateCtlMembers, AreAddedAndVoteWhenTheyHaveCaughtUp) {
    const Said added = ctl_({"member", "add", at(3)});
    EXPECT_EQ(added.ending, kDone) << added.errors;
    EXPECT_THAT(added.out, AllOf(StartsWith("NODE  ADDR "), HasSubstr(" joining ")));
    EXPECT_EQ(role_of("n4"), "joining");
    EXPECT_EQ(ctl_({"member", "add", at(3)}).ending, kDone) << "it is so already";
    cluster_.start(3);  // with --join
    EXPECT_TRUE(becomes("n4", "voter"));
    const Said listed = ctl_({"member", "list"});
    EXPECT_THAT(listed.out, AllOf(StartsWith("NODE  ADDR "), HasSubstr("BEHIND\n"), HasSubstr(" yes "),
                                  Not(HasSubstr("under way"))));
    EXPECT_EQ(std::ranges::count(listed.out, '\n'), 5);
    EXPECT_TRUE(eventually([&] { return ctl_({"transfer", "--to", "n4"}).ending == kDone; }));
    EXPECT_TRUE(eventually([&] { return cluster_.wait_for_leader() == 3; })) << "a full member";
    const Said status = ctl_({"status"});
    EXPECT_EQ(std::ranges::count(status.out, '\n'), 5) << status.out;
    // By itself, from the first request on.
    cluster_.start(4);
    EXPECT_TRUE(becomes("n5", "voter"));
}

TEST_F(QuorateCtlMembers, StayLearnersUntilTheyArePromoted) {
    const Said added = ctl_({"member", "add", at(3), "--learner", "--json"});
    EXPECT_EQ(added.ending, kDone) << added.errors;
    EXPECT_EQ(parsed(added.out).at("members").size(), 4U);
    EXPECT_EQ(role_of("n4"), "learner");
    expect_refusal({"member", "promote", "n4"}, "'n4' does not have the log yet", "not_caught_up",
                   "quoratectl member list tells how far it is behind");
    cluster_.start(3);
    EXPECT_TRUE(cluster_.wait_until_caught_up(3));
    EXPECT_EQ(role_of("n4"), "learner");
    EXPECT_TRUE(eventually([&] { return ctl_({"member", "promote", "n4"}).ending == kDone; }));
    EXPECT_EQ(role_of("n4"), "voter");
    EXPECT_EQ(ctl_({"member", "promote", "n4"}).ending, kDone) << "it is so already";
    EXPECT_EQ(ctl_({"put", "k", "v"}).ending, kDone);
}

TEST_F(QuorateCtlMembers, AreRemovedForGood) {
    cluster_.start(3);
    EXPECT_TRUE(becomes("n4", "voter"));
    const Said removed = ctl_({"member", "remove", "n4"});
    EXPECT_EQ(removed.ending, kDone) << removed.errors;
    EXPECT_THAT(removed.out, Not(HasSubstr("n4")));
    EXPECT_EQ(ctl_({"member", "remove", "n4"}).ending, kDone) << "it is so already";
    EXPECT_EQ(role_of("n4"), "none");
    expect_refusal({"member", "add", at(3)}, "'n4' was a member and has been removed", "removed_before",
                   "another --node-id");
    // It says so, and the next one is asked; of who belongs to the cluster, too, which it knows no more.
    EXPECT_TRUE(eventually([&] {
        const nlohmann::json health = cluster_.health(3);
        return health.value("state", "") == "removed" && health.at("leaderId").is_null();
    }));
    const Ctl from_removed(cluster_.address(3) + "," + cluster_.address(next_));
    EXPECT_EQ(from_removed({"put", "k", "v"}).ending, kDone);
    EXPECT_EQ(ctl_({"member", "add", at(4)}).ending, kDone);
    EXPECT_THAT(from_removed({"member", "list"}).out, AllOf(HasSubstr("n5 "), HasSubstr(" yes ")));
    EXPECT_THAT(from_removed({"status"}).out, AllOf(HasSubstr("n5 "), HasSubstr(" leader ")));
    // When nobody else can be asked, that is said at once: the time is longer than that of the whole test.
    for (const std::vector<std::string>& words :
         {std::vector<std::string>{"put", "k", "v"}, {"get", "k"}, {"del", "k"}}) {
        std::vector<std::string> patient = words;
        patient.insert(patient.end(), {"--timeout-s", "600"});
        const Said said = Ctl(cluster_.address(3))(patient);
        EXPECT_EQ(said.ending, kUnreachable) << testing::PrintToString(words);
        EXPECT_THAT(said.errors, HasSubstr("this server was removed from the cluster"));
    }
}

TEST_F(QuorateCtlMembers, ALeaderIsRemovedAndTheOthersGoOn) {
    const Said removed = ctl_({"member", "remove", cluster_.name(leader_)});
    EXPECT_EQ(removed.ending, kDone) << removed.errors;
    // A write that the old leader has taken in its last moment may be unknown.
    EXPECT_TRUE(eventually([&] { return ctl_({"put", "k", "v"}).ending == kDone; }));
    EXPECT_EQ(role_of(cluster_.name(leader_)), "none");
    EXPECT_NE(cluster_.wait_for_leader(leader_), leader_);
}

TEST_F(QuorateCtlMembers, RefusalsHaveReasons) {
    expect_refusal({"member", "remove", "nobody"}, "'nobody' is no member of this cluster", "unknown_member",
                   "quoratectl member list");
    expect_refusal({"member", "promote", "nobody"}, "'nobody' is no member", "unknown_member", "list");
    expect_refusal({"member", "move", "nobody=h:1"}, "'nobody' is no member", "unknown_member", "list");
    expect_refusal({"member", "add", "n 4=h:1"}, "seen 'n%204' at 'h:1'", "invalid_member", "--help");
    expect_refusal({"member", "add", cluster_.name(next_) + "=h:1"}, "is a member at", "already_a_member",
                   "quoratectl member move");
    expect_refusal({"member", "add", "n6=" + cluster_.address(next_)}, "two members would be at",
                   "address_taken", "quoratectl member list");
    expect_refusal({"transfer", "--to", "nobody"}, "nobody", "no_such_target", "quoratectl status");
    // Half of the voters that would be left are down, and the leader knows.
    cluster_.kill(third_);
    const Ctl ctl(cluster_.address(next_) + "," + cluster_.address(leader_));
    EXPECT_TRUE(eventually([&] {
        return ctl({"transfer", "--to", cluster_.name(third_)}).errors.contains("(no_such_target)");
    }));
    expect_refusal({"member", "remove", cluster_.name(next_)}, "too few of the voters", "no_live_quorum",
                   "--force");
    EXPECT_EQ(ctl({"member", "remove", cluster_.name(third_)}).ending, kDone) << "who is down can go";
}

TEST_F(QuorateCtlMembers, MoveToAnotherAddress) {
    cluster_.kill(third_);
    const std::string name = cluster_.name(third_);
    const std::string address = "127.0.0.1:" + std::to_string(free_ports(1).front());
    const Ctl ctl(cluster_.address(next_) + "," + cluster_.address(leader_));
    const Said moved = ctl({"member", "move", name + "=" + address});
    EXPECT_EQ(moved.ending, kDone) << moved.errors;
    EXPECT_THAT(moved.out, HasSubstr(address));
    EXPECT_EQ(ctl({"member", "move", name + "=" + cluster_.address(third_)}).ending, kDone);
    cluster_.start(third_);
    EXPECT_TRUE(cluster_.wait_until_caught_up(third_));
}

// Whoever hangs with it may carry it out later.
TEST_F(QuorateCtlMembers, AChangeWithoutAMajorityIsUnknown) {
    const Said said = while_alone(cluster_, {"member", "add", at(3), "--learner", "--timeout-s", "1"});
    EXPECT_EQ(said.ending, kUnknown) << said.errors;
    EXPECT_THAT(said.errors, HasSubstr("may or may not have happened"));
    (void)cluster_.wait_for_leader();
    EXPECT_TRUE(eventually([&] { return ctl_({"member", "add", at(3), "--learner"}).ending == kDone; }));
    EXPECT_EQ(role_of("n4"), "learner");
}

TEST(QuorateCtl, GoesOnToTheNextEndpoint) {
    Cluster cluster(3);
    const std::size_t leader = cluster.wait_for_leader();
    const Ctl ctl(endpoints_from(cluster, leader));
    EXPECT_EQ(ctl({"put", "k", "v"}).ending, kDone);
    cluster.kill(leader);
    // Until another one leads, nobody can answer either.
    const Said read = ctl({"get", "k", "--timeout-s", "60"});
    EXPECT_EQ(read.out, "v") << read.errors;
    const Said after = ctl({"put", "k", "w"});
    EXPECT_EQ(after.ending, kDone) << after.errors;
}

TEST(QuorateCtl, WithoutAMajorityOnlyStaleReadsAreAnswered) {
    Cluster cluster(3);
    const std::size_t leader = cluster.wait_for_leader();
    const Ctl ctl(endpoints_from(cluster, leader));
    EXPECT_EQ(ctl({"put", "k", "v"}).ending, kDone);
    cluster.kill((leader + 1) % 3);
    cluster.kill((leader + 2) % 3);
    EXPECT_TRUE(eventually([&] { return cluster.health(leader).value("role", "") != "leader"; }));
    const Said write = ctl({"put", "k", "w", "--timeout-s", "2"});
    EXPECT_EQ(write.ending, kUnreachable) << write.errors;
    EXPECT_THAT(write.errors,
                AllOf(StartsWith("quoratectl: no node could do it within 2 s, and nothing was changed; "),
                      HasSubstr("--endpoints")));
    for (std::size_t node = 0; node < cluster.size(); ++node)
        EXPECT_THAT(write.errors, HasSubstr("\n  " + cluster.address(node) + ": "));
    EXPECT_EQ(ctl({"get", "k", "--timeout-s", "2"}).ending, kUnreachable);
    EXPECT_EQ(ctl({"get", "k", "--consistency", "stale"}).out, "v");
    const Ctl nobody("127.0.0.1:" + std::to_string(free_ports(1).front()));
    EXPECT_EQ(nobody({"status", "--timeout-s", "1"}).ending, kUnreachable);
}

TEST(QuorateCtl, ALeaderThatHangsHoldsUpNoWrite) {
    Cluster cluster(3);
    const std::size_t leader = cluster.wait_for_leader();
    const Ctl ctl(endpoints_from(cluster, leader));
    cluster.pause(leader);
    const Said put = ctl({"put", "k", "v"});
    EXPECT_EQ(put.ending, kDone) << put.errors;
    EXPECT_EQ(put.out, "OK, revision 1, ETag 1\n");
    cluster.resume(leader);
    (void)cluster.wait_for_leader();
    EXPECT_EQ(parsed(ctl({"get", "k", "--json"}).out),
              parsed(R"({"k":"k","v":"v","etag":"1","revision":1})"));
}

// It hands on what it gets, and nobody gets the answers to writes.
TEST(QuorateCtl, AWriteWhoseAnswerIsLostIsSentAgainAndHappensOnce) {
    Cluster cluster(1);
    (void)cluster.wait_for_leader();
    const FakeNode relay([&](const std::string& request) -> std::string {
        const RawConnection node(cluster.address(0));
        node.send(request);
        if (request.starts_with("POST /sessions")) return node.receive_until("}");
        EXPECT_THAT(node.receive_until("OK\n"), HasSubstr("200 OK"));
        return {};
    });
    const Ctl ctl(relay.address() + "," + cluster.address(0));
    const Said put = ctl({"put", "k", "v", "--if-absent"});
    EXPECT_EQ(put.ending, kDone) << put.errors;
    EXPECT_EQ(put.out, "OK, revision 1, ETag 1\n");
    EXPECT_EQ(ctl({"batch", "-"}, "PUT a 1\nDEL k\n").out, "OK, revision 2, deleted 1\n");
    EXPECT_EQ(ctl({"del", "a"}).out, "OK, revision 3, deleted 1\n");
    EXPECT_EQ(relay.requests(), 6) << "a session and a write each";
    const Said unknown = Ctl(relay.address())({"put", "k", "v", "--timeout-s", "1"});
    EXPECT_EQ(unknown.ending, kUnknown) << unknown.errors;
    EXPECT_THAT(unknown.errors,
                AllOf(StartsWith("quoratectl: the outcome is unknown: it may or may not have happened"),
                      HasSubstr("\n  " + relay.address() + ": ")));
    EXPECT_GT(relay.requests(), 8) << "until the time was over";
    EXPECT_EQ(parsed(Ctl(cluster.address(0))({"get", "k", "--json"}).out),
              parsed(R"({"k":"k","v":"v","etag":"4","revision":4})"));
}

TEST(QuorateCtl, AConnectionThatBreaksBehindTheRequest) {
    const FakeNode breaks("");
    Cluster cluster(1);
    (void)cluster.wait_for_leader();
    const Ctl ctl(breaks.address() + "," + cluster.address(0));
    EXPECT_EQ(ctl({"get", "k"}).ending, kNoSuchKey) << "asked of the other one";
    EXPECT_EQ(breaks.requests(), 1);
    EXPECT_EQ(ctl({"member", "add", "n1=" + cluster.address(0)}).ending, kDone) << "it is the same twice";
    EXPECT_EQ(breaks.requests(), 2);
    EXPECT_EQ(ctl({"member", "move", "n1=" + cluster.address(0)}).ending, kUnknown)
        << "somebody may have moved it on since";
    EXPECT_EQ(breaks.requests(), 3);
}

// There are such servers, and mistakes in the number of a port.
TEST(QuorateCtl, AServerThatAnswersEverythingIsNoNode) {
    const FakeNode other("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    const std::string reason = other.address() + ": answers 200 OK, and is no Quorate node";
    for (const std::vector<std::string>& words : {std::vector<std::string>{"get", "k"},
                                                  {"range"},
                                                  {"status"},
                                                  {"member", "list"},
                                                  {"backup", "-"},
                                                  {"member", "add", "n1=h:1"},
                                                  {"member", "move", "n1=h:1"},
                                                  {"transfer"},
                                                  {"snapshot"}}) {
        const bool reads =
            words[0] != "transfer" && words[0] != "snapshot" && (words[0] != "member" || words[1] == "list");
        const Said said = Ctl(other.address())(words);
        EXPECT_EQ(said.ending, reads ? kUnreachable : kUnknown) << testing::PrintToString(words);
        EXPECT_EQ(said.out, "");
        EXPECT_THAT(said.errors, HasSubstr(reason)) << testing::PrintToString(words);
    }
    Cluster cluster(1);
    (void)cluster.wait_for_leader();
    const Ctl ctl(other.address() + "," + cluster.address(0));
    EXPECT_EQ(ctl({"get", "k"}).ending, kNoSuchKey);
    EXPECT_THAT(ctl({"status"}).out, HasSubstr(" leader "));
}

TEST(QuorateCtl, ABackupIsCompleteOrNotThere) {
    const TemporaryDirectory directory;
    const std::string file = (directory.path() / "b.ndjson").string();
    Cluster cluster(1);
    (void)cluster.wait_for_leader();
    const Ctl ctl(cluster.address(0));
    for (int i = 0; i < 20; ++i)
        ASSERT_EQ(ctl({"put", "k" + std::to_string(i), "-"}, std::string(1 << 20, 'v')).ending, kDone);
    const Said made = ctl({"backup", file});
    EXPECT_EQ(made.ending, kDone) << made.errors;
    EXPECT_EQ(made.out, file + ": 20 keys at revision 20 of cluster 'quorate'\n");
    EXPECT_FALSE(std::filesystem::exists(file + ".tmp"));
    const std::string whole = bytes_of(file);
    EXPECT_EQ(ctl({"backup", "-"}).out, whole);

    const std::string begun = "HTTP/1.1 200 OK\r\nQuorate-Revision: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
    const std::string first_line = R"({"quorate_backup":1,"cluster":"c","revision":1,"keys":1})";
    const std::string chunk = "39\r\n" + first_line + "\n\r\n";
    ASSERT_EQ(first_line.size() + 1, 0x39U);
    // Cut off, and ended in order but without its last line.
    for (const std::string& answer : {begun + chunk, begun + chunk + "0\r\n\r\n"}) {
        const FakeNode node(answer);
        const Ctl cut(node.address());
        const Said said = cut({"backup", file});
        EXPECT_EQ(said.ending, kUnreachable) << said.errors;
        EXPECT_THAT(said.errors, StartsWith("quoratectl: "));
        EXPECT_EQ(node.requests(), 1);
        EXPECT_EQ(bytes_of(file), whole) << "what was there stays";
        EXPECT_FALSE(std::filesystem::exists(file + ".tmp"));
        EXPECT_EQ(cut({"backup", "-"}).ending, kUnreachable);
    }
    EXPECT_EQ(ctl({"backup", (directory.path() / "no" / "b").string()}).ending, kLocalFile);
    EXPECT_EQ(ctl({"backup", "/dev/null"}).ending, kLocalFile);
}

TEST(QuorateCtl, UsageAndLocalFiles) {
    Cluster cluster(1);
    (void)cluster.wait_for_leader();
    const Ctl ctl(cluster.address(0));
    for (const std::vector<std::string>& words : {std::vector<std::string>{},
                                                  {"fly"},
                                                  {"get"},
                                                  {"put", "k"},
                                                  {"get", "k", "--revision", "x"},
                                                  {"range", "--limit", "0"},
                                                  {"member", "add", "n4"},
                                                  {"--timeout-s", "0", "status"},
                                                  {"put", "k", "v", "--if-absent", "--if-match", "1"}}) {
        const Said said = ctl(words);
        EXPECT_EQ(said.ending, kUsage) << testing::PrintToString(words);
        EXPECT_THAT(said.errors, AllOf(StartsWith("quoratectl: "), HasSubstr("--help")));
        EXPECT_EQ(said.out, "");
    }
    EXPECT_EQ(ctl({"put", "k", "--file", "/no/such/file"}).ending, kLocalFile);
    EXPECT_EQ(ctl({"batch", "/no/such/file"}).ending, kLocalFile);
    EXPECT_THAT(ctl({"--version"}).out, StartsWith("quoratectl "));
    EXPECT_THAT(ctl({"--help"}).out, AllOf(HasSubstr("Examples:"), HasSubstr("Exit codes: 0 done")));
    ASSERT_EQ(ctl({"put", "k", "v"}).ending, kDone);
    for (const std::vector<std::string>& words :
         {std::vector<std::string>{"get", "k"}, {"status"}, {"--help"}, {"backup", "-"}, {"put", "k", "w"}}) {
        std::vector<std::string> arguments{"-c", R"(exec "$0" "$@" >/dev/full)", QUORATECTL_PATH,
                                           "--endpoints", cluster.address(0)};
        arguments.insert(arguments.end(), words.begin(), words.end());
        const Outcome outcome = run_program("/bin/sh", arguments);
        EXPECT_EQ(outcome.ending, kLocalFile) << testing::PrintToString(words);
        const std::string done = words[0] == "put" ? "it is done, but " : "";
        EXPECT_THAT(outcome.output, HasSubstr("quoratectl: " + done + "the output cannot be written"));
    }
    EXPECT_EQ(ctl({"get", "k"}).out, "w");
}

TEST(QuorateCtl, WhatIsPrintedGoesIntoNoFileWhenStandardOutputIsClosed) {
    const TemporaryDirectory directory;
    const std::string file = (directory.path() / "b.ndjson").string();
    Cluster cluster(1);
    (void)cluster.wait_for_leader();
    const Ctl ctl(cluster.address(0));
    ASSERT_EQ(ctl({"put", "k", "v"}).ending, kDone);
    const auto run = [&](const std::string& closed, std::vector<std::string> words) {
        words.insert(words.begin(), {"-c", R"(exec "$0" "$@" )" + closed, QUORATECTL_PATH, "--endpoints",
                                     cluster.address(0)});
        return run_program("/bin/sh", words);
    };
    for (const std::vector<std::string>& words :
         {std::vector<std::string>{"get", "k"}, {"backup", file}, {"--help"}}) {
        const Outcome outcome = run(">&-", words);
        EXPECT_EQ(outcome.ending, kLocalFile) << testing::PrintToString(words);
        EXPECT_THAT(outcome.output, HasSubstr("the output cannot be written"));
        EXPECT_EQ(run(">&- 2>&-", words).ending, kLocalFile) << testing::PrintToString(words);
    }
    EXPECT_EQ(bytes_of(file), ctl({"backup", "-"}).out);
    EXPECT_EQ(run("<&-", {"put", "k", "-"}).ending, kLocalFile) << "no input is not an empty one";
    EXPECT_EQ(ctl({"get", "k"}).out, "v");
}

TEST(QuorateCtl, CompletionScriptsAreScripts) {
    const TemporaryDirectory directory;
    const auto complete = [&](const std::string& words, int at) {
        const std::string script = "source <(\"$0\" completion bash); COMP_WORDS=(" + words +
                                   "); COMP_CWORD=" + std::to_string(at) +
                                   "; _quoratectl; echo \"${COMPREPLY[*]}\"";
        return run_program("/bin/bash", {"-c", script, QUORATECTL_PATH}, {"PATH=/usr/bin:/bin"}).output;
    };
    EXPECT_EQ(complete("quoratectl me", 1), "member\n");
    EXPECT_EQ(complete("quoratectl --json member ''", 3),
              "list add remove promote move transfer --endpoints --timeout-s --json --help\n");
    EXPECT_EQ(complete("quoratectl member remove n1 --f", 4), "--force\n");
    EXPECT_EQ(complete("quoratectl get k --consistency s", 4), "stale\n");
    for (const char* shell : {"bash", "zsh", "fish"}) {
        const std::string path = "/usr/bin/" + std::string(shell);
        if (!std::filesystem::exists(path)) continue;
        const std::string script = (directory.path() / shell).string();
        std::ofstream(script) << run_program(QUORATECTL_PATH, {"completion", shell}).output;
        const Outcome outcome = run_program(path, {"-n", script});
        EXPECT_EQ(outcome.ending, kDone) << outcome.output;
        EXPECT_EQ(outcome.output, "");
    }
}

}  // namespace
}  // namespace quorate::test::ctl
