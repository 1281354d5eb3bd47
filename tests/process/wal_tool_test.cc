// quorate-wal as a process, beside real nodes.

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>
#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/process_load.h"

namespace quorate::test {
namespace {

using testing::AllOf;
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

constexpr std::array<const char*, 4> kCommands{"inspect", "dump", "verify", "export"};
constexpr const char* kSegment = "log-0000000000000001";

void overwrite(const std::filesystem::path& path, std::size_t at, std::string_view bytes) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(at));
    file << bytes;
}

void flip(const std::filesystem::path& path, std::size_t at) {
    overwrite(path, at, std::string(1, static_cast<char>(bytes_of(path).at(at) ^ 1)));
}

std::uint32_t crc32c(std::string_view bytes) {
    std::uint32_t crc = ~0U;
    for (const char byte : bytes) {
        crc ^= static_cast<unsigned char>(byte);
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? 0x82f63b78U : 0U);
    }
    return ~crc;
}

// The file's first block as a later version would write it: intact, and of no form that this one knows.
// wal/format.h: the version at 8, the checksum at 12, taken as zero for itself.
void make_newer(const std::filesystem::path& path) {
    std::string block = bytes_of(path).substr(0, 512);
    const auto put = [&](std::size_t at, std::uint32_t number) {
        std::memcpy(block.data() + at, &number, sizeof number);
    };
    put(8, 99);
    put(12, 0);
    put(12, crc32c(block));
    overwrite(path, 0, block);
}

// One node's directory with fifty writes in it, and nobody using it.
class StoppedNode : public testing::Test {
 protected:
    StoppedNode() : cluster_(1), data_(cluster_.data_directory(0)) {
        (void)cluster_.wait_for_leader();
        HttpClient client;
        for (int i = 0; i < 50; ++i) {
            EXPECT_EQ(client.put(cluster_.address(0), "/kv/marked" + std::to_string(i), "value").status, 200);
        }
        cluster_.terminate(0);
        EXPECT_EQ(cluster_.wait(0), (Ending{0, 0}));
    }

    Cluster cluster_;
    std::filesystem::path data_;
};

TEST(WalTool, BesideRunningNodesUnderLoad) {
    Cluster cluster(3);
    (void)cluster.wait_for_leader();
    Load load(cluster, 4);
    for (int round = 0; round < 6; ++round) {
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
    const std::string backup = client.get(cluster.address(0), "/admin/backup").body;
    const auto committed = cluster.health(0).at("commitIndex").get<std::uint64_t>();
    const std::string data = cluster.data_directory(0).string();
    EXPECT_THAT(run_wal_tool({"export", data, "--to", std::to_string(committed)}).output, HasSubstr(backup));

    cluster.terminate(0);
    EXPECT_EQ(cluster.wait(0), (Ending{0, 0}));
    const std::string before = state_of(data);
    EXPECT_THAT(run_wal_tool({"export", data}).output, HasSubstr(backup));
    EXPECT_EQ(run_wal_tool({"verify", data}).ending, (Ending{kSound, 0}));
    const auto entries = json_lines(run_wal_tool({"dump", data, "--values"}).output);
    ASSERT_GE(entries.size(), 103U);
    EXPECT_EQ(entries.front().value("kind", ""), "membership");
    for (std::size_t i = 0; i < entries.size(); ++i) EXPECT_EQ(entries[i].value("index", 0U), i + 1);
    EXPECT_EQ(entries[committed - 1]["operations"][0].value("v_b64", ""), "AP8K");
    EXPECT_THAT(run_wal_tool({"inspect", data}).output, HasSubstr("directory: node 'n1'"));
    EXPECT_EQ(state_of(data), before) << "nothing is written";
}

// A node that stands still in the middle of its work holds the lock and writes nothing: whatever changes, the
// tool has done.
TEST(WalTool, TakesNoLockAndChangesNothing) {
    Cluster cluster(1);
    (void)cluster.wait_for_leader();
    HttpClient client;
    ASSERT_EQ(client.put(cluster.address(0), "/kv/key", "value").status, 200);
    cluster.pause(0);
    const std::string data = cluster.data_directory(0).string();
    const std::string before = state_of(data);
    for (const char* command : kCommands) {
        const Outcome outcome = run_wal_tool({command, data});
        EXPECT_EQ(outcome.ending, (Ending{kSound, 0})) << command << outcome.output;
    }
    EXPECT_EQ(state_of(data), before);
    cluster.resume(0);
    EXPECT_EQ(client.put(cluster.address(0), "/kv/key", "other").status, 200);
}

TEST_F(StoppedNode, AFlippedBitOfEachFileIsNamed) {
    // Membership, no-op, and the writes: entry 3 holds marked0, unless leaders changed.
    std::uint64_t index = 0;
    for (const auto& entry : json_lines(run_wal_tool({"dump", data_.string()}).output)) {
        if (entry.dump().contains("marked20\"")) index = entry.value("index", 0U);
    }
    ASSERT_GT(index, 2U);
    const std::size_t record = bytes_of(data_ / kSegment).find("marked20");
    struct Row {
        std::string file;
        std::size_t at;
        std::string told;
    };
    const std::vector<Row> table{
        {"identity-a", 20, "identity-a: offset 0: damaged: "},
        {"identity-b", 4000, "identity-b: offset 4000: damaged: expected zeros"},
        {"vote-a", 600, "vote-a: offset 600: damaged: expected zeros"},
        {"vote-b", 40, "vote-b: offset 0: damaged: "},
        {kSegment, 100, "log-0000000000000001: offset 0: damaged: expected a segment header"},
        {kSegment, 1000, "log-0000000000000001: offset 1000: damaged: expected zeros behind the header"},
        {kSegment, record, ", behind entry " + std::to_string(index - 1) + " (term "},
    };
    for (const Row& row : table) {
        flip(data_ / row.file, row.at);
        const Outcome outcome = run_wal_tool({"verify", data_.string()});
        EXPECT_EQ(outcome.ending, (Ending{kDamaged, 0})) << row.file << row.at << outcome.output;
        EXPECT_THAT(outcome.output, HasSubstr(row.told));
        EXPECT_THAT(outcome.output, HasSubstr("findings: 1"));
        flip(data_ / row.file, row.at);
    }
    EXPECT_EQ(run_wal_tool({"verify", data_.string()}).ending, (Ending{kSound, 0})) << "and mended";
}

TEST_F(StoppedNode, AllDamageIsNamed) {
    const std::string bytes = bytes_of(data_ / kSegment);
    for (const char* text : {"marked20", "marked30"}) flip(data_ / kSegment, bytes.find(text));
    const Outcome outcome = run_wal_tool({"verify", data_.string()});
    EXPECT_EQ(outcome.ending, (Ending{kDamaged, 0})) << outcome.output;
    EXPECT_THAT(outcome.output, HasSubstr("findings: 2"));
    for (const char* command : kCommands)
        EXPECT_EQ(run_wal_tool({command, data_.string()}).ending, (Ending{kDamaged, 0})) << command;
    std::filesystem::remove(data_ / kSegment);
    EXPECT_THAT(run_wal_tool({"verify", data_.string()}).output, HasSubstr("seen no such file"));
}

TEST_F(StoppedNode, OfALaterFormat) {
    for (const std::string file : {"identity-a", "vote-b", kSegment}) {
        const std::string block = bytes_of(data_ / file).substr(0, 512);
        make_newer(data_ / file);
        for (const char* command : kCommands) {
            const Outcome outcome = run_wal_tool({command, data_.string()});
            EXPECT_EQ(outcome.ending, (Ending{kUnreadable, 0})) << command << outcome.output;
            EXPECT_THAT(outcome.output, HasSubstr(file + ": offset 0: unknown format: "));
        }
        overwrite(data_ / file, 0, block);
    }
}

// Of another user, or on a disk that fails: it may be whole.
TEST_F(StoppedNode, AFileThatCannotBeReadIsNotDamaged) {
    if (const std::string refusal = no_system_call_faults(); !refusal.empty())
        GTEST_SKIP() << "this process may not watch another one: " << refusal;
    cluster_.start(0);
    (void)cluster_.wait_for_leader();
    HttpClient client(HttpClient::Connections::Fresh, kPatience);
    ASSERT_EQ(client.request("POST", cluster_.address(0), "/admin/snapshot", "").status, 200);
    cluster_.terminate(0);
    ASSERT_EQ(cluster_.wait(0), (Ending{0, 0}));
    const TemporaryDirectory directory;
    for (const auto& [call, error, words] : {std::tuple("openat", EACCES, "open: Permission denied"),
                                             std::tuple("pread64", EIO, "pread: Input/output error")}) {
        for (const char* file : {"identity-a", "vote-b", "log-", "snapshot-"}) {
            SystemCallFaults faults;
            faults.fail({call, file, error, 0, FaultLasts::UntilCleared});
            Process process({QUORATE_WAL_PATH, "verify", data_.string()}, {}, directory.path() / "said",
                            &faults);
            EXPECT_EQ(process.wait(), (Ending{kUnreadable, 0})) << file;
            const std::string said = bytes_of(directory.path() / "said");
            EXPECT_TRUE(faults.has_failed_one()) << file;
            EXPECT_THAT(said, AllOf(HasSubstr(file), HasSubstr(": cannot be read: "), HasSubstr(words)));
            EXPECT_THAT(said, Not(HasSubstr("damaged")));
        }
    }
}

TEST_F(StoppedNode, OutputThatNobodyTakes) {
    const std::string data = data_.string();
    std::vector<std::vector<std::string>> table{{"--help"}, {"dump", "--help"}};
    for (const char* command : kCommands) table.push_back({command, data});
    for (const char* script : {R"(exec "$0" "$@" > /dev/full)", R"(exec "$0" "$@" >&-)"}) {
        for (std::vector<std::string> arguments : table) {
            arguments.insert(arguments.begin(), {"-c", script, QUORATE_WAL_PATH});
            const Outcome outcome = run_program("/bin/sh", arguments);
            EXPECT_EQ(outcome.ending, (Ending{kUnreadable, 0}))
                << script << testing::PrintToString(arguments);
            EXPECT_THAT(outcome.output, HasSubstr("quorate-wal: the output cannot be written"));
        }
    }
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
    for (const std::string word : {"mend", "--mend"})
        EXPECT_THAT(run_wal_tool({word, data}).output, HasSubstr("'" + word + "' is no command: inspect, "));
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
        for (const char* command : kCommands) {
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
