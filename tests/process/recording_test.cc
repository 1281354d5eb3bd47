// What real processes record is run again by the simulator's program.

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/process/exit_codes.h"
#include "tests/support/process_load.h"

namespace quorate::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr int kUnusable = 3;

std::string recording_of(const Cluster& cluster, std::size_t node) {
    return cluster.data_directory(node).string() + ".rec";
}

void expect_equal(const std::string& recording, const std::string& end) {
    const Outcome outcome = run_simulator({"replay-node", recording});
    EXPECT_EQ(outcome.ending, (Ending{0, 0})) << outcome.output;
    EXPECT_THAT(outcome.output, AllOf(HasSubstr("\ndigests equal: "), HasSubstr("\nend: " + end)));
}

constexpr const char* kAsked = "the process was asked to stop";
constexpr const char* kKilled = "no end is recorded: the process was killed, or goes on";

void flip_bit(const std::string& file, std::uint64_t offset) {
    std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekg(static_cast<std::streamoff>(offset));
    const int byte = bytes.get();
    bytes.seekp(static_cast<std::streamoff>(offset));
    bytes.put(static_cast<char>(byte ^ 1));
}

TEST(Recordings, OfAClusterWhoseLeaderIsKilledReplayToTheSameDigests) {
    Cluster cluster(3, {"--record", "{node}.rec"});
    const std::size_t leader = cluster.wait_for_leader();
    Load load(cluster, 4);
    ASSERT_TRUE(load.wait_for(300));
    cluster.kill(leader);
    ASSERT_TRUE(load.wait_for(300));
    cluster.start(leader);
    ASSERT_TRUE(load.wait_for(100));
    load.stop();
    ASSERT_TRUE(cluster.wait_until_caught_up(leader));
    expect_exactly_the_attempts(cluster, load.attempts());
    for (std::size_t node = 0; node < cluster.size(); ++node) cluster.terminate(node);
    for (std::size_t node = 0; node < cluster.size(); ++node)
        EXPECT_EQ(cluster.wait(node), (Ending{0, 0})) << cluster.log(node);

    for (std::size_t node = 0; node < cluster.size(); ++node)
        expect_equal(recording_of(cluster, node), kAsked);
    // Its first life, put aside when the second began, ends where it was killed.
    expect_equal(recording_of(cluster, leader) + ".1", kKilled);
}

TEST(Recordings, AreReplayedUpToATornTail) {
    Cluster cluster(1, {"--record", "{node}.rec"});
    (void)cluster.wait_for_leader();
    Load load(cluster, 2);
    ASSERT_TRUE(load.wait_for(100));
    cluster.kill(0);
    load.stop();
    const std::string recording = recording_of(cluster, 0);
    expect_equal(recording, kKilled);
    std::filesystem::resize_file(recording, std::filesystem::file_size(recording) - 5);
    expect_equal(recording, kKilled + std::string("; "));
}

// A failed check ends the process from within a turn, and what led to it is what a reader wants.
TEST(Recordings, HoldTheTurnInWhichTheProcessBroke) {
    Cluster cluster(1, {"--record", "{node}.rec"});
    (void)cluster.wait_for_leader();
    HttpClient client;
    ASSERT_EQ(client.put(cluster.address(0), "/kv/k", "v").status, 200);
    cluster.abort(0);
    EXPECT_EQ(cluster.wait(0), (Ending{-1, SIGABRT}));
    expect_equal(recording_of(cluster, 0), kKilled);
}

TEST(Recordings, ShowTheNodesLogAndStopWhereTheyAreTold) {
    Cluster cluster(1, {"--record", "{node}.rec"});
    (void)cluster.wait_for_leader();
    cluster.terminate(0);
    ASSERT_EQ(cluster.wait(0), (Ending{0, 0}));
    const std::string recording = recording_of(cluster, 0);
    const Outcome verbose = run_simulator({"replay-node", recording, "--verbose"});
    EXPECT_EQ(verbose.ending, (Ending{0, 0}));
    EXPECT_THAT(verbose.output,
                AllOf(testing::ContainsRegex("T[0-9:.]+Z info role=Leader term=2 leader=n1"),
                      HasSubstr("node n1 of cluster quorate, recorded by quorated "),
                      HasSubstr("from term 1 to term 2, in the end Leader: applied through 2,")));
    const Outcome until = run_simulator({"replay-node", recording, "--until", "3"});
    EXPECT_EQ(until.ending, (Ending{0, 0}));
    EXPECT_THAT(until.output, AllOf(HasSubstr("inputs: 3:"), HasSubstr("end: stopped here as --until says")));
}

TEST(Recordings, ThatAreHarmedAreRefusedWithTheirPlace) {
    Cluster cluster(1, {"--record", "{node}.rec"});
    (void)cluster.wait_for_leader();
    cluster.terminate(0);
    ASSERT_EQ(cluster.wait(0), (Ending{0, 0}));
    const std::string recording = recording_of(cluster, 0);
    flip_bit(recording, std::filesystem::file_size(recording) / 2);
    const Outcome harmed = run_simulator({"replay-node", recording});
    EXPECT_EQ(harmed.ending, (Ending{kUnusable, 0})) << harmed.output;
    EXPECT_THAT(harmed.output, HasSubstr(recording + ": offset "));
    flip_bit(recording, 8);
    const Outcome later = run_simulator({"replay-node", recording});
    EXPECT_EQ(later.ending, (Ending{kUnusable, 0})) << later.output;
    EXPECT_THAT(later.output, HasSubstr("a recording of format 5"));
    const Outcome absent = run_simulator({"replay-node", recording + ".none"});
    EXPECT_EQ(absent.ending, (Ending{kUnusable, 0})) << absent.output;
    const Outcome other = run_simulator({"replay-node", QUORATED_PATH});
    EXPECT_EQ(other.ending, (Ending{kUnusable, 0})) << other.output;
    EXPECT_THAT(other.output, HasSubstr("this is no recording"));
}

TEST(Recordings, ThatCannotBeBegunKeepTheNodeFromStarting) {
    const TemporaryDirectory directory;
    const std::string port = std::to_string(free_ports(1).front());
    const std::string data = (directory.path() / "data").string();
    const std::string letters = (directory.path() / "letters").string();
    std::ofstream(letters) << "somebody's letters";
    for (const std::string& recording : {letters, (directory.path() / "none" / "n.rec").string()}) {
        const Outcome outcome = run_quorated({"--port", port, "--data-dir", data, "--record", recording});
        EXPECT_EQ(outcome.ending, (Ending{kExitConfiguration, 0})) << outcome.output;
        EXPECT_THAT(outcome.output, AllOf(HasSubstr(recording), HasSubstr("name another file by --record")));
        EXPECT_FALSE(std::filesystem::exists(data));
    }
    std::string content;
    std::getline(std::ifstream(letters), content);
    EXPECT_EQ(content, "somebody's letters");
}

TEST(Recordings, ThatReachTheirSizeEndAndTheNodeServesOn) {
    Cluster cluster(1, {"--record", "{node}.rec", "--record-max-mb", "1"});
    (void)cluster.wait_for_leader();
    HttpClient client;
    const std::string value(100'000, 'x');
    for (int i = 0; i < 20; ++i)
        ASSERT_EQ(client.put(cluster.address(0), "/kv/k" + std::to_string(i), value).status, 200);
    EXPECT_THAT(cluster.log(0), HasSubstr("it has reached its size; serving goes on"));
    const std::string recording = recording_of(cluster, 0);
    EXPECT_LE(std::filesystem::file_size(recording), 1U << 20);
    expect_equal(recording, "the recording had reached its size");
}

}  // namespace
}  // namespace quorate::test
