// What quorate-sim says to signals, flags and files, good and bad.

#include <fstream>
#include <iterator>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/process_cluster.h"

namespace quorate::test {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;

TEST(Simulator, ASignalEndsABatchWithItsSummary) {
    for (const int number : {SIGINT, SIGTERM}) {
        const TemporaryDirectory directory;
        Process process({QUORATE_SIM_PATH, "run", "--seeds", "1..1000000000", "--jobs", "2"}, {},
                        directory.path() / "out");
        ASSERT_TRUE(eventually([&] { return process.has_children(); }));
        process.signal(number);
        EXPECT_EQ(process.wait(), (Ending{128 + number, 0}));
        std::ifstream file(directory.path() / "out");
        EXPECT_THAT(std::string(std::istreambuf_iterator<char>(file), {}),
                    AllOf(ContainsRegex("ended by signal [0-9]+ after [0-9]+ of 1000000000 runs"),
                          ContainsRegex("[0-9]+ runs, 0 broken; "), HasSubstr(" entries committed, ")));
    }
}

TEST(Simulator, BadUsageIsNamed) {
    struct Bad {
        std::vector<std::string> arguments;
        std::string complaint;
    };
    const std::vector<Bad> table{
        {{"rum"}, "'rum' is no subcommand: run, replay, shrink, bench, check, replay-node"},
        {{"rum", "--seeds", "1..2"}, "'rum' is no subcommand"},
        {{"--rum"}, "'--rum' is no subcommand"},
        {{"replay", "1", "2", "--history", "h"}, "--history takes the history of one seed"},
        {{"replay", "1", "--verbose", "99"}, "--verbose 99: 1 has the nodes 1 to "},
        {{"replay", "1", "--verbose", "0"}, "--verbose: 0: a whole number from 1 to 18446744073709551615\n"},
        {{"replay", "1", "--until", "-1"}, "--until: -1: a whole number from 0 to 18446744073709551615\n"},
        {{"replay", "1", "--until", "18446744073709551616"},
         "--until: 18446744073709551616: a whole number from 0 to 18446744073709551615\n"},
        {{"replay-node", "f", "--until", "-1"}, "--until: -1: a whole number from 0 "},
        {{"shrink", "1", "--trials", "1.5"}, "--trials: 1.5: a whole number from 0 "},
        {{"run", "--jobs", "257"}, "--jobs: 257: a whole number from 1 to 256\n"},
        {{"bench", "--seconds", "0"}, "--seconds: 0: a whole number from 1 to 100000\n"},
        {{"run", "--seeds", "2..1"}, "--seeds 2..1"},
    };
    for (const auto& [arguments, complaint] : table) {
        const Outcome outcome = run_simulator(arguments);
        EXPECT_EQ(outcome.ending, (Ending{2, 0})) << outcome.output;
        EXPECT_THAT(outcome.output, HasSubstr(complaint));
    }
}

// docs/simulator.md has the table.
TEST(Simulator, AllSubcommandsEndWithTheSameCodes) {
    const TemporaryDirectory directory;
    const auto file = [&](const std::string& name, const std::string& content) {
        const std::string path = (directory.path() / name).string();
        std::ofstream(path) << content;
        return path;
    };
    const std::string get = R"({"client":1,"kind":"get","key":"k","call":1,"return":2,"value":)";
    const std::string right = file("right", get + "null}\n");
    const std::string wrong = file("wrong", get + "\"v\"}\n");
    const std::string text = file("text", "neither a scenario nor a history\n");
    const std::string impossible = file("impossible", R"({"scenario":1,"shape":{"nodes":10}})");
    const std::string empty = file("empty", "");
    struct Ended {
        int code;
        std::vector<std::string> arguments;
        std::string word;
    };
    const std::vector<Ended> table{
        {0, {"run", "--seeds", "1..2"}, "2 runs, 0 broken"},
        {0, {"replay", "1"}, "holds"},
        {0, {"shrink", "1"}, "1: holds: there is nothing to shrink"},
        {0, {"bench", "--seconds", "1"}, "5 nodes"},
        {0, {"check", right}, "linearizable"},
        {1, {"check", wrong}, "not linearizable"},
        {2, {"replay"}, "required"},
        {2, {"shrink"}, "required"},
        {2, {"check"}, "required"},
        {2, {"replay-node"}, "required"},
        {3, {"replay", impossible}, "impossible: shape: nodes 10: from 1 to 9"},
        {3, {"shrink", impossible}, "impossible: shape: nodes 10: from 1 to 9"},
        {3, {"replay", text}, "text: "},
        {3, {"shrink", text}, "text: "},
        {3, {"check", text}, "text:1: "},
        {3, {"replay-node", text}, "text: offset 0: "},
        {3, {"replay", empty}, "empty: "},
        {3, {"shrink", empty}, "empty: "},
        {3, {"check", empty}, "empty:1: no operation: there is nothing to judge"},
        {3, {"replay-node", empty}, "empty: offset 0: "},
        {3, {"replay", "1", "--history", "/proc/none"}, "cannot write /proc/none"},
    };
    for (const auto& [code, arguments, word] : table) {
        const Outcome outcome = run_simulator(arguments);
        EXPECT_EQ(outcome.ending, (Ending{code, 0})) << testing::PrintToString(arguments) << outcome.output;
        EXPECT_THAT(outcome.output, HasSubstr(word));
    }
}

TEST(Simulator, AFileWithoutAnEndIsRefused) {
    const Outcome scenario = run_simulator({"replay", "/dev/zero"});
    EXPECT_EQ(scenario.ending, (Ending{3, 0}));
    EXPECT_THAT(scenario.output, HasSubstr("/dev/zero has more than 32 MiB"));
    const Outcome history = run_simulator({"check", "/dev/zero"});
    EXPECT_EQ(history.ending, (Ending{3, 0}));
    EXPECT_THAT(history.output, HasSubstr("/dev/zero has more than 256 MiB"));
    const Outcome recording = run_simulator({"replay-node", "/dev/zero"});
    EXPECT_EQ(recording.ending, (Ending{3, 0}));
    EXPECT_THAT(recording.output, HasSubstr("/dev/zero: offset 0: "));
    for (const char* command : {"replay", "shrink", "check", "replay-node"}) {
        EXPECT_EQ(run_simulator({command, "/no/such/file"}).ending, (Ending{3, 0}));
        EXPECT_EQ(run_simulator({command, "/tmp"}).ending, (Ending{3, 0}));
    }
}

// The one seed dies of its limit; who wants hashes gets hashes, and is told on the other side.
TEST(Simulator, HashesStandAlone) {
    const TemporaryDirectory directory;
    const std::string run =
        std::string("ulimit -t 1; ") + QUORATE_SIM_PATH + " run --seeds 1..1000000 --jobs 1 --hashes";
    const Outcome outcome =
        run_program("/bin/sh", {"-c", "(" + run + " 2>&3 | grep -vE '^[0-9]+ [0-9a-f]{16}$') 3>" +
                                          (directory.path() / "err").string()});
    EXPECT_EQ(outcome.output, "");
    std::ifstream err(directory.path() / "err");
    EXPECT_THAT(std::string(std::istreambuf_iterator<char>(err), {}),
                ContainsRegex("^seed [0-9]+: BROKEN  Crash\n"));
}

TEST(Simulator, OutputThatIsLostIsAnError) {
    const TemporaryDirectory directory;
    const std::string history = (directory.path() / "history").string();
    ASSERT_EQ(run_simulator({"replay", "1", "--history", history}).ending, (Ending{0, 0}));
    const std::vector<std::vector<std::string>> commands{
        {"--help"},        {"run", "--seeds", "1..2"}, {"run", "--seeds", "1..2", "--hashes"},
        {"replay", "1"},   {"replay", "1", "--trace"}, {"bench", "--seconds", "1"},
        {"check", history}};
    for (std::vector<std::string> command : commands) {
        const std::string name = testing::PrintToString(command);
        command.insert(command.begin(), QUORATE_SIM_PATH);
        EXPECT_EQ(Process(command, {}, "/dev/full").wait(), (Ending{3, 0})) << name;
    }
}

// Long before all of these runs were over.
TEST(Simulator, EndsSoonAfterItsOutputIsLost) {
    const std::vector<std::string> batch{QUORATE_SIM_PATH, "run", "--seeds", "1..1000000000", "--hashes"};
    EXPECT_EQ(Process(batch, {}, "/dev/full").wait(), (Ending{3, 0}));
    for (const char* command : {"run --seeds 1..1000000000 --hashes", "replay 1 --trace",
                                "replay 1 2 --trace", "replay 1 --verbose 1"}) {
        const std::string program = "timeout 50 " + std::string(QUORATE_SIM_PATH) + " " + command;
        const Outcome outcome =
            run_program("/bin/bash", {"-c", program + " | head -n 1 >/dev/null; exit ${PIPESTATUS[0]}"});
        EXPECT_EQ(outcome.ending, (Ending{3, 0})) << command;
        EXPECT_EQ(outcome.output, "quorate-sim: cannot write all to standard output\n") << command;
    }
}

}  // namespace
}  // namespace quorate::test
