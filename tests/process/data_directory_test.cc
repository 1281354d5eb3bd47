// Data directories that must not be used: each is refused with an exit code of its own and a line that says
// what to do.

#include <algorithm>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/process/exit_codes.h"
#include "tests/support/process_cluster.h"

namespace quorate::test {
namespace {

using testing::HasSubstr;

// A single node's data directory with some writes in it, and nobody using it.
class UsedDirectory : public testing::Test {
 protected:
    UsedDirectory() : cluster_(1) {
        (void)cluster_.wait_for_leader();
        HttpClient client;
        for (int i = 0; i < 200; ++i) {
            EXPECT_EQ(
                client.put(cluster_.address(0), "/kv/marked" + std::to_string(i), "a value to be damaged")
                    .status,
                200);
        }
        cluster_.terminate(0);
        EXPECT_EQ(cluster_.wait(0), (Ending{0, 0}));
    }

    [[nodiscard]] std::string data() const { return cluster_.data_directory(0).string(); }

    // The same flags as the node had, with some replaced.
    [[nodiscard]] Outcome start_with(const std::vector<std::string>& replaced) const {
        std::vector<std::string> flags = cluster_.flags_of(0);
        for (std::size_t i = 0; i + 1 < replaced.size(); i += 2) {
            const auto found = std::ranges::find(flags, replaced[i]);
            if (found == flags.end()) {
                flags.insert(flags.end(), {replaced[i], replaced[i + 1]});
            } else {
                *std::next(found) = replaced[i + 1];
            }
        }
        return run_quorated(flags);
    }

    // Overwrites `replacement.size()` bytes where `text` first occurs, in the one file of the directory that
    // holds it.
    [[nodiscard]] bool damage(const std::string& text, const std::string& replacement) const {
        for (const auto& entry : std::filesystem::directory_iterator(data())) {
            std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
            const std::string bytes{std::istreambuf_iterator<char>(file), {}};
            const std::size_t at = bytes.find(text);
            if (at == std::string::npos) continue;
            file.clear();
            file.seekp(static_cast<std::streamoff>(at));
            file << replacement;
            return true;
        }
        return false;
    }

    Cluster cluster_;
};

TEST_F(UsedDirectory, OfAnotherNode) {
    const Outcome outcome = start_with({"--node-id", "someone-else"});
    EXPECT_EQ(outcome.ending, (Ending{kExitWrongIdentity, 0})) << outcome.output;
    EXPECT_THAT(outcome.output, HasSubstr("someone-else"));
    EXPECT_THAT(outcome.output, HasSubstr("n1"));
}

TEST_F(UsedDirectory, OfAnotherCluster) {
    const Outcome outcome = start_with({"--cluster-id", "another"});
    EXPECT_EQ(outcome.ending, (Ending{kExitWrongIdentity, 0})) << outcome.output;
    EXPECT_THAT(outcome.output, HasSubstr("another"));
}

TEST_F(UsedDirectory, WhileAnotherProcessUsesIt) {
    cluster_.start(0);
    (void)cluster_.wait_for_leader();
    const Outcome outcome = start_with({"--port", std::to_string(free_ports(1).front())});
    EXPECT_EQ(outcome.ending, (Ending{kExitLocked, 0})) << outcome.output;
    EXPECT_THAT(outcome.output, HasSubstr("error exit_code=13 " + data() + ": flock: "));
    EXPECT_THAT(outcome.output,
                HasSubstr(": another process uses this data directory: stop it, or name another directory"));
    EXPECT_TRUE(cluster_.health(0).is_object()) << "the first goes on";
}

TEST_F(UsedDirectory, WithADamagedRecordThatWasAcknowledged) {
    ASSERT_TRUE(damage("marked77", "narked77"));
    const Outcome outcome = start_with({});
    EXPECT_EQ(outcome.ending, (Ending{kExitDamage, 0})) << outcome.output;
    EXPECT_THAT(outcome.output, HasSubstr("offset"));
    EXPECT_THAT(outcome.output, testing::Not(HasSubstr("delete the directory")));
    EXPECT_THAT(outcome.output, HasSubstr("docs/operations.md, When a node refuses its directory"));
    EXPECT_EQ(start_with({}).ending, (Ending{kExitDamage, 0}))
        << "and it has changed nothing that hides the damage";
}

// The operator reads which directory it is, and whether anybody else has what was in it.
TEST_F(UsedDirectory, ARefusalSaysWhereAndWhatIsNext) {
    ASSERT_TRUE(damage("marked77", "narked77"));
    const std::string alone = start_with({}).output;
    EXPECT_THAT(alone, HasSubstr("data directory " + data() + ": log-"));
    EXPECT_THAT(alone, HasSubstr("docs/operations.md, A node that is alone"));
    const std::string member =
        start_with({"--peers", "n1=" + cluster_.address(0) + ",n2=127.0.0.1:1,n3=127.0.0.1:2"}).output;
    EXPECT_THAT(member, HasSubstr("n2, n3 can supply it"));
    EXPECT_THAT(member, HasSubstr("docs/operations.md, A node of a cluster"));
    EXPECT_THAT(start_with({"--cluster-id", "another"}).output, HasSubstr("data directory " + data()));
}

// Files of another user say nothing about the disk, or about what was acknowledged.
TEST_F(UsedDirectory, WithAFileThatItMayNotOpen) {
    for (const auto& entry : std::filesystem::directory_iterator(data())) {
        const std::string file = entry.path().filename().string();
        if (file == "LOCK" || file.starts_with("spare")) continue;  // the spare is not read, but made anew
        SCOPED_TRACE(file);
        std::filesystem::permissions(entry.path(), std::filesystem::perms::none);
        // Root may open every file, unless that is taken from it.
        std::vector<std::string> command{
            "/bin/sh", "-c",
            R"sh(if [ "$(id -u)" = 0 ]; then exec setpriv --bounding-set=-dac_override,-dac_read_search "$0" "$@"; )sh"
            R"sh(else exec "$0" "$@"; fi)sh",
            QUORATED_PATH};
        const std::vector<std::string> flags = cluster_.flags_of(0);
        command.insert(command.end(), flags.begin(), flags.end());
        const std::string output = data() + "." + file + ".output";
        Process process(command, {"PATH=/usr/bin:/bin"}, output);
        EXPECT_EQ(process.wait(), (Ending{kExitConfiguration, 0}));
        std::ifstream in(output);
        const std::string said{std::istreambuf_iterator<char>(in), {}};
        EXPECT_THAT(said, HasSubstr("data directory " + data() + ": " + file + ": open: Permission denied"));
        EXPECT_THAT(said, HasSubstr("chown"));
        std::filesystem::permissions(
            entry.path(), std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    }
    cluster_.start(0);
    (void)cluster_.wait_for_leader();
    EXPECT_EQ(cluster_.everything(0).size(), 200U);
}

TEST_F(UsedDirectory, WithItsVoteRecordsGone) {
    std::size_t wiped = 0;
    for (const auto& entry : std::filesystem::directory_iterator(data())) {
        if (!entry.path().filename().string().starts_with("vote")) continue;
        std::filesystem::resize_file(entry.path(), 0);
        ++wiped;
    }
    ASSERT_EQ(wiped, 2U) << "vote and term are kept twice";
    const Outcome outcome = start_with({});
    EXPECT_EQ(outcome.ending, (Ending{kExitMetaUnreadable, 0})) << outcome.output;
    EXPECT_THAT(outcome.output, HasSubstr("docs/operations.md, When a node refuses its directory"));
}

// Told of two more members than its log has, it would go on alone beside the cluster that those form.
TEST_F(UsedDirectory, OfALoneNodeThatIsToldOfACluster) {
    const std::string peers = "n1=" + cluster_.address(0) + ",n2=127.0.0.1:1,n3=127.0.0.1:2";
    const Outcome outcome = start_with({"--peers", peers});
    EXPECT_EQ(outcome.ending, (Ending{kExitWrongIdentity, 0})) << outcome.output;
    EXPECT_THAT(outcome.output, HasSubstr("n1, n2, n3"));
    EXPECT_THAT(outcome.output, HasSubstr("leave --peers out"));
    cluster_.start(0);
    (void)cluster_.wait_for_leader();
    EXPECT_EQ(cluster_.everything(0).size(), 200U) << "without --peers it goes on as before";
}

TEST(NewDirectory, OfSomebodyElseIsNotFilled) {
    for (const bool is_folder : {false, true}) {
        const TemporaryDirectory directory;
        const std::string data = (directory.path() / "data").string();
        std::filesystem::create_directories(data + (is_folder ? "/letters" : ""));
        if (!is_folder) std::ofstream(data + "/letters") << "Dear Sir";
        const Outcome outcome =
            run_quorated({"--data-dir", data, "--port", std::to_string(free_ports(1).front())});
        EXPECT_EQ(outcome.ending, (Ending{kExitConfiguration, 0})) << outcome.output;
        EXPECT_THAT(outcome.output, HasSubstr("data directory " + data + ": holds letters"));
        EXPECT_THAT(outcome.output, HasSubstr("name another one, or move away what is in it"));
        for (const auto& entry : std::filesystem::directory_iterator(data))
            EXPECT_THAT(entry.path().filename().string(), testing::AnyOf("letters", "LOCK"));
    }
}

TEST(NewDirectory, InTheRootOfAFileSystemIsFilled) {
    Cluster cluster(1);
    (void)cluster.wait_for_leader();
    cluster.kill(0);
    const std::filesystem::path data = cluster.data_directory(0);
    std::filesystem::remove_all(data);
    std::filesystem::create_directories(data / "lost+found");
    std::ofstream(data / "LOCK") << "";
    cluster.start(0);
    (void)cluster.wait_for_leader();
    HttpClient client;
    EXPECT_EQ(client.put(cluster.address(0), "/kv/k", "v").status, 200);
}

TEST_F(UsedDirectory, UnchangedItStartsAgain) {
    cluster_.start(0);
    (void)cluster_.wait_for_leader();
    EXPECT_EQ(cluster_.everything(0).size(), 200U);
}

}  // namespace
}  // namespace quorate::test
