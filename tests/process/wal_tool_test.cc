// quorate-wal as a process, beside real nodes.

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/process_load.h"

namespace quorate::test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int kSound = 0;
constexpr int kDamaged = 1;
constexpr int kUsage = 2;
constexpr int kUnreadable = 3;

std::vector<nlohmann::json> json_lines(const std::string& output) {
    std::vector<nlohmann::json> lines;
    std::istringstream stream(output);
    for (std::string line; std::getline(stream, line);) {
        if (line.starts_with('{')) lines.push_back(nlohmann::json::parse(line, nullptr, false));
    }
    return lines;
}

// Everything of the directory: names, sizes and times of change.
std::string state_of(const std::filesystem::path& directory) {
    std::set<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
        files.insert(entry.path().filename().string() + " " + std::to_string(entry.file_size()) + " " +
                     std::to_string(entry.last_write_time().time_since_epoch().count()));
    }
    std::string state;
    for (const std::string& file : files) state += file + "\n";
    return state;
}

TEST(WalTool, BesideRunningNodesUnderLoad) {
    Cluster cluster(3);
    (void)cluster.wait_for_leader();
    Load load(cluster, 4);
    for (int round = 0; round < 15; ++round) {
        ASSERT_TRUE(load.wait_for(20));
        const std::string data = cluster.data_directory(static_cast<std::size_t>(round) % 3).string();
        const Outcome verified = run_wal_tool({"verify", data});
        EXPECT_EQ(verified.ending, (Ending{kSound, 0})) << verified.output;
        EXPECT_THAT(verified.output, HasSubstr("sound: entries 1-"));
        EXPECT_THAT(verified.output, Not(HasSubstr("damaged")));
        for (const char* command : {"inspect", "dump", "export"}) {
            const Outcome outcome = run_wal_tool({command, data});
            EXPECT_EQ(outcome.ending, (Ending{kSound, 0})) << command << outcome.output;
        }
    }
    ASSERT_TRUE(load.wait_for(20)) << "and the nodes go on";
    load.stop();
    expect_exactly_the_attempts(cluster, load.attempts());
}

TEST(WalTool, ExportsWhatTheNodeServes) {
    Cluster cluster(1);
    (void)cluster.wait_for_leader();
    HttpClient client;
    const std::string binary("\0\xff\n", 3);
    for (int i = 0; i < 100; ++i) {
        ASSERT_EQ(client.put(cluster.address(0), "/kv/key" + std::to_string(i), "value").status, 200);
    }
    ASSERT_EQ(client.put(cluster.address(0), "/kv/%FFbytes", binary).status, 200);
    const std::string range = client.get(cluster.address(0), "/kv/range?limit=1000").body;
    const auto committed = cluster.health(0).at("commitIndex").get<std::uint64_t>();
    const std::string data = cluster.data_directory(0).string();
    EXPECT_THAT(run_wal_tool({"export", data, "--to", std::to_string(committed)}).output, HasSubstr(range));

    cluster.terminate(0);
    EXPECT_EQ(cluster.wait(0), (Ending{0, 0}));
    const std::string before = state_of(data);
    EXPECT_THAT(run_wal_tool({"export", data}).output, HasSubstr(range));
    EXPECT_EQ(run_wal_tool({"verify", data}).ending, (Ending{kSound, 0}));
    const auto entries = json_lines(run_wal_tool({"dump", data, "--values"}).output);
    ASSERT_GE(entries.size(), 103U);
    EXPECT_EQ(entries.front().value("kind", ""), "membership");
    for (std::size_t i = 0; i < entries.size(); ++i) EXPECT_EQ(entries[i].value("index", 0U), i + 1);
    EXPECT_EQ(entries[committed - 1]["operations"][0].value("v_b64", ""), "AP8K");
    EXPECT_THAT(run_wal_tool({"inspect", data}).output, HasSubstr("directory: node 'n1'"));
    EXPECT_EQ(state_of(data), before) << "nothing is written";
}

TEST(WalTool, NamesTheDamageOfAStoppedNode) {
    Cluster cluster(1);
    (void)cluster.wait_for_leader();
    HttpClient client;
    for (int i = 0; i < 50; ++i) {
        ASSERT_EQ(client.put(cluster.address(0), "/kv/marked" + std::to_string(i), "value").status, 200);
    }
    cluster.kill(0);
    const std::filesystem::path data = cluster.data_directory(0);
    {
        std::fstream file(data / "log-0000000000000001", std::ios::in | std::ios::out | std::ios::binary);
        const std::string bytes{std::istreambuf_iterator<char>(file), {}};
        for (const char* text : {"marked20", "marked30"}) {
            file.clear();
            file.seekp(static_cast<std::streamoff>(bytes.find(text)));
            file << "n";
        }
    }
    const Outcome outcome = run_wal_tool({"verify", data.string()});
    EXPECT_EQ(outcome.ending, (Ending{kDamaged, 0})) << outcome.output;
    EXPECT_THAT(outcome.output, HasSubstr("log-0000000000000001: offset "));
    EXPECT_THAT(outcome.output, HasSubstr("findings: 2"));
    EXPECT_EQ(run_wal_tool({"dump", data.string()}).ending, (Ending{kDamaged, 0}));
    std::filesystem::remove(data / "log-0000000000000001");
    EXPECT_THAT(run_wal_tool({"verify", data.string()}).output, HasSubstr("seen no such file"));
}

TEST(WalTool, BadUsage) {
    const TemporaryDirectory directory;
    const std::string data = directory.path().string();
    const std::vector<std::vector<std::string>> table{
        {},
        {"verify"},
        {"mend", data},
        {"verify", data, "more"},
        {"verify", data, "--to", "1"},
        {"dump", data, "--from", "x"},
        {"dump", data, "--from", "0"},
        {"dump", data, "--from", "3", "--to", "2"},
        {"export", data, "--to", "-1"},
    };
    for (const auto& arguments : table) {
        const Outcome outcome = run_wal_tool(arguments);
        EXPECT_EQ(outcome.ending, (Ending{kUsage, 0})) << testing::PrintToString(arguments) << outcome.output;
        EXPECT_NE(outcome.output, "");
    }
    for (const std::vector<std::string>& arguments :
         {std::vector<std::string>{"--help"}, {"export", "--help"}}) {
        const Outcome outcome = run_wal_tool(arguments);
        EXPECT_EQ(outcome.ending, (Ending{kSound, 0}));
        EXPECT_THAT(outcome.output, HasSubstr("Exit codes"));
    }
}

TEST(WalTool, WhatCannotBeRead) {
    const TemporaryDirectory directory;
    const std::filesystem::path absent = directory.path() / "absent";
    const std::filesystem::path file = directory.path() / "file";
    std::ofstream(file) << "no directory";
    const std::filesystem::path empty = directory.path() / "empty";
    std::filesystem::create_directory(empty);
    for (const auto& path : {absent, file, empty}) {
        for (const char* command : {"inspect", "dump", "verify", "export"}) {
            const Outcome outcome = run_wal_tool({command, path.string()});
            EXPECT_EQ(outcome.ending, (Ending{kUnreadable, 0})) << outcome.output;
            EXPECT_THAT(outcome.output, testing::StartsWith("quorate-wal: "));
        }
    }
    EXPECT_FALSE(exists(absent)) << "nothing is made";
    EXPECT_TRUE(std::filesystem::is_empty(empty));
}

}  // namespace
}  // namespace quorate::test
