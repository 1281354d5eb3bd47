// Backups of running clusters, and new clusters from them.

#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/process_load.h"

namespace quorate::test {
namespace {

using testing::HasSubstr;

constexpr Ending kRefused{17, 0};

std::filesystem::path write_file(const TemporaryDirectory& directory, const std::string& name,
                                 const std::string& bytes) {
    const std::filesystem::path path = directory.path() / name;
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
}

// The lines of a backup, and not what a program says beside it.
std::string backup_lines(const std::string& output) {
    std::string lines;
    std::istringstream stream(output);
    for (std::string line; std::getline(stream, line);) {
        if (line.starts_with('{')) lines += line + '\n';
    }
    return lines;
}

TEST(Backup, OfAFollowerUnderLoadMakesANewClusterWithEveryKeyAndItsETag) {
    const TemporaryDirectory directory;
    std::string backup;
    {
        Cluster cluster(3);
        (void)cluster.wait_for_leader();
        Load load(cluster, 4);
        ASSERT_TRUE(load.wait_for(300));
        const std::size_t follower = cluster.some_follower();
        const std::size_t acknowledged = load.acknowledged();
        HttpClient client;
        const Reply reply = client.get(cluster.address(follower), "/admin/backup");
        ASSERT_EQ(reply.status, 200) << reply.body << reply.failure;
        EXPECT_EQ(reply.header("transfer-encoding"), "chunked");
        backup = reply.body;
        ASSERT_TRUE(load.wait_for(20)) << "and the cluster goes on";
        load.stop();
        const auto head = nlohmann::json::parse(backup.substr(0, backup.find('\n')), nullptr, false);
        EXPECT_GE(head.value("keys", 0U), acknowledged);
        expect_exactly_the_attempts(cluster, load.attempts());
    }
    const auto file = write_file(directory, "b.ndjson", backup);
    Cluster restored(3, {"--restore", file.string()});
    const std::size_t leader = restored.wait_for_leader();
    for (std::size_t node = 0; node < 3; ++node) ASSERT_TRUE(restored.wait_until_caught_up(node));
    HttpClient client;
    std::istringstream lines(backup);
    std::size_t keys = 0;
    for (std::string line; std::getline(lines, line);) {
        const auto json = nlohmann::json::parse(line, nullptr, false);
        if (!json.contains("k")) continue;
        const Reply reply = client.get(restored.address(keys++ % 3), "/kv/" + json.value("k", ""));
        ASSERT_EQ(reply.status, 200) << line;
        EXPECT_EQ(reply.body, json.value("v", ""));
        EXPECT_EQ(reply.header("etag"), "\"" + std::to_string(json.value("mod_revision", 0U)) + "\"");
    }
    EXPECT_GE(keys, 300U);
    EXPECT_EQ(restored.health(leader).value("keys", 0U), keys);
    // Started again as at first, a node goes on with what was written since.
    ASSERT_EQ(client.put(restored.address(leader), "/kv/since", "x").status, 200);
    restored.kill(leader);
    restored.start(leader);
    (void)restored.wait_for_leader();
    ASSERT_TRUE(restored.wait_until_caught_up(leader));
    EXPECT_EQ(client.get(restored.address(leader), "/kv/since").body, "x");
    EXPECT_THAT(restored.log(leader), HasSubstr("checking " + file.string()));
    EXPECT_THAT(restored.log(leader), HasSubstr("filling the directory from " + file.string()));
    EXPECT_THAT(restored.log(leader), HasSubstr("was made from"));
    EXPECT_THAT(restored.log(leader), HasSubstr("empty its directory, and add --recover-from-peers"));
}

// k0 to k4, to the first node.
void put_five(HttpClient& client, Cluster& cluster) {
    for (int i = 0; i < 5; ++i)
        ASSERT_EQ(client.put(cluster.address(0), "/kv/k" + std::to_string(i), "v").status, 200);
}

TEST(Backup, ARestoreThatCannotBeIsRefusedAndTouchesNothing) {
    const TemporaryDirectory directory;
    Cluster cluster(1);
    (void)cluster.wait_for_leader();
    HttpClient client;
    put_five(client, cluster);
    const std::string backup = client.get(cluster.address(0), "/admin/backup").body;
    cluster.terminate(0);
    EXPECT_EQ(cluster.wait(0), (Ending{0, 0}));

    const std::string empty = (directory.path() / "data").string();
    const auto restore = [&](const std::string& file, const std::string& data) {
        std::vector<std::string> flags = cluster.flags_of(0);
        for (std::size_t i = 0; i + 1 < flags.size(); ++i) {
            if (flags[i] == "--data-dir") flags[i + 1] = data;
        }
        flags.insert(flags.end(), {"--restore", file});
        return run_quorated(flags);
    };
    const auto whole = write_file(directory, "whole", backup).string();
    const auto cut = write_file(directory, "cut", backup.substr(0, backup.rfind("{\"complete"))).string();
    std::string bytes = backup;
    bytes.replace(bytes.find(R"("v":"v")"), 7, R"("v":"w")");
    const auto changed = write_file(directory, "changed", bytes).string();
    const std::string pipe = (directory.path() / "pipe").string();
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    for (const auto& [file, data, why] : std::vector<std::array<std::string, 3>>{
             {cut, empty, "line 7: the file ends here"},
             {changed, empty, "line 7: the lines before it are not those that were made"},
             {write_file(directory, "nothing", "").string(), empty, "line 1: the file is empty"},
             {empty + ".absent", empty, "open: No such file or directory"},
             {pipe, empty, "no regular file"},
             {whole, cluster.data_directory(0).string(), "the data directory is not empty"},
         }) {
        const Outcome outcome = restore(file, data);
        EXPECT_EQ(outcome.ending, kRefused) << outcome.output;
        EXPECT_THAT(outcome.output, HasSubstr(why));
    }
    EXPECT_FALSE(exists(std::filesystem::path(empty) / "identity-a"));
    cluster.start(0);
    (void)cluster.wait_for_leader();
    EXPECT_EQ(client.get(cluster.address(0), "/kv/k0").body, "v") << "its directory is as it was";
}

TEST(Backup, OfADirectoryIsImportedIntoAnother) {
    const TemporaryDirectory directory;
    Cluster cluster(1);
    (void)cluster.wait_for_leader();
    HttpClient client;
    put_five(client, cluster);
    ASSERT_EQ(client.request("POST", cluster.address(0), "/admin/snapshot").status, 200);
    const std::string served = client.get(cluster.address(0), "/admin/backup").body;
    cluster.terminate(0);
    EXPECT_EQ(cluster.wait(0), (Ending{0, 0}));
    const std::string exported =
        backup_lines(run_wal_tool({"export", cluster.data_directory(0).string()}).output);
    EXPECT_EQ(exported, served);

    const std::string file = write_file(directory, "b.ndjson", exported).string();
    const std::string made = (directory.path() / "made").string();
    const std::vector<std::string> names{"--cluster-id", "quorate", "--node-id",
                                         "n2",           "--peers", "n1=127.0.0.1:7071,n2=127.0.0.1:7072"};
    std::vector<std::string> import{"import", made, file};
    import.insert(import.end(), names.begin(), names.end());
    EXPECT_EQ(run_wal_tool(import).ending, (Ending{0, 0}));
    EXPECT_EQ(run_wal_tool({"verify", made}).ending, (Ending{0, 0}));
    EXPECT_THAT(run_wal_tool({"inspect", made}).output,
                HasSubstr("directory: node 'n2' of cluster 'quorate'"));
    EXPECT_EQ(backup_lines(run_wal_tool({"export", made}).output), served);
    EXPECT_EQ(run_wal_tool(import).ending, (Ending{0, 0})) << "of the same backup it is there already";
    import[1] = cluster.data_directory(0).string();
    EXPECT_EQ(run_wal_tool(import).ending, (Ending{3, 0}));
    import.back() = "n1=127.0.0.1:7071";
    const Outcome left_out = run_wal_tool(import);
    EXPECT_EQ(left_out.ending, (Ending{2, 0}));
    EXPECT_THAT(left_out.output, HasSubstr("with n2=HOST:PORT in it"));
}

// It is refused the flag that the nodes of a cluster are told of.
TEST(Backup, OfALoneNodeIsRestoredWithoutAWordOfOthers) {
    const TemporaryDirectory directory;
    std::string backup;
    {
        Cluster cluster(1);
        (void)cluster.wait_for_leader();
        HttpClient client;
        put_five(client, cluster);
        backup = client.get(cluster.address(0), "/admin/backup").body;
    }
    Cluster restored(1, {"--restore", write_file(directory, "b.ndjson", backup).string()});
    (void)restored.wait_for_leader();
    EXPECT_THAT(restored.log(0), HasSubstr("what was written after that backup is not in it"));
    EXPECT_THAT(restored.log(0), testing::Not(HasSubstr("--recover-from-peers")));
}

}  // namespace
}  // namespace quorate::test
