// What quorated says to flags and variables, good and bad.

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/process/exit_codes.h"
#include "tests/support/process_cluster.h"

namespace quorate::test {
namespace {

using testing::HasSubstr;

TEST(Flags, BadOnesAreNamedWithWhatIsAllowed) {
    struct Bad {
        std::vector<std::string> flags;
        std::string flag;  // as the message names it
        std::string value;
    };
    const std::vector<Bad> table{
        {{"--port", "0"}, "--port", "0"},
        {{"--port", "65536"}, "--port", "65536"},
        {{"--port", "http"}, "--port", "http"},
        {{"--heartbeat-ms", "0"}, "--heartbeat-ms", "0"},
        {{"--heartbeat-ms", "-5"}, "--heartbeat-ms", "-5"},
        {{"--heartbeat-ms", "500", "--election-min-ms", "400"}, "--election-min-ms", "400"},
        {{"--election-min-ms", "900", "--election-max-ms", "800"}, "--election-m", "800"},
        {{"--election-max-ms", "1e3"}, "--election-max-ms", "1e3"},
        {{"--clock-drift-ppm", "0"}, "--clock-drift-ppm", "0"},
        {{"--node-id", ""}, "--node-id", ""},
        {{"--node-id", "a b"}, "--node-id", "a b"},
        {{"--node-id", std::string(65, 'n')}, "--node-id", std::string(65, 'n')},
        {{"--cluster-id", "c\nd"}, "--cluster-id", "c"},
        {{"--host", "not an address"}, "--host", "not an address"},
        {{"--advertise-addr", "nowhere"}, "--advertise-addr", "nowhere"},
        {{"--node-id", "n1", "--peers", "n1"}, "--peers", "n1"},
        {{"--node-id", "n1", "--peers", "n1=127.0.0.1:0"}, "--peers", "127.0.0.1:0"},
        {{"--node-id", "n1", "--peers", "n1=127.0.0.1:7070,n1=127.0.0.1:7071"}, "--peers", "n1"},
        {{"--node-id", "n9", "--peers", "n1=127.0.0.1:7071,n2=127.0.0.1:7072"},
         "--peers",
         "this node is 'n9'"},
        {{"--no-such-flag"}, "--no-such-flag", ""},
        {{"stray"}, "stray", ""},
    };
    for (const auto& [flags, flag, value] : table) {
        SCOPED_TRACE(testing::PrintToString(flags));
        const TemporaryDirectory directory;
        std::vector<std::string> all{"--data-dir", (directory.path() / "data").string()};
        all.insert(all.end(), flags.begin(), flags.end());
        const Outcome outcome = run_quorated(all);
        EXPECT_EQ(outcome.ending, (Ending{kExitUsage, 0})) << outcome.output;
        EXPECT_THAT(outcome.output, HasSubstr(flag));
        EXPECT_THAT(outcome.output, HasSubstr(value));
        EXPECT_FALSE(exists(directory.path() / "data"))
            << "nothing is made before the flags are known to be good";
    }
}

TEST(Flags, AVariableIsNamedWhenItIsTheOneThatIsBad) {
    const Outcome outcome = run_quorated({}, {"HEARTBEAT_MS=soon"});
    EXPECT_EQ(outcome.ending, (Ending{kExitUsage, 0})) << outcome.output;
    EXPECT_THAT(outcome.output, HasSubstr("soon"));
    EXPECT_THAT(outcome.output, testing::AnyOf(HasSubstr("HEARTBEAT_MS"), HasSubstr("--heartbeat-ms")));
}

TEST(Flags, AFlagGoesBeforeItsVariable) {
    const Outcome outcome = run_quorated({"--port", "http"}, {"PORT=7070"});
    EXPECT_EQ(outcome.ending, (Ending{kExitUsage, 0})) << outcome.output;
    const Outcome variable =
        run_quorated({"--port", "7070", "--heartbeat-ms", "0"}, {"PORT=http", "HEARTBEAT_MS=100"});
    EXPECT_THAT(variable.output, HasSubstr("--heartbeat-ms"));
}

TEST(Flags, HelpNamesEveryFlagAndItsVariable) {
    const Outcome outcome = run_quorated({"--help"});
    EXPECT_EQ(outcome.ending, (Ending{0, 0}));
    for (const char* name : {"--data-dir",
                             "DATA_DIR",
                             "--host",
                             "HOST",
                             "--port",
                             "PORT",
                             "--node-id",
                             "NODE_ID",
                             "--cluster-id",
                             "CLUSTER_ID",
                             "--peers",
                             "PEERS",
                             "--heartbeat-ms",
                             "HEARTBEAT_MS",
                             "--election-min-ms",
                             "ELECTION_MIN_MS",
                             "--election-max-ms",
                             "ELECTION_MAX_MS",
                             "--advertise-addr",
                             "--record",
                             "RECORD",
                             "--record-max-mb",
                             "RECORD_MAX_MB",
                             "--version"}) {
        EXPECT_THAT(outcome.output, HasSubstr(name));
    }
}

TEST(Flags, VersionIsShown) {
    const Outcome outcome = run_quorated({"--version"});
    EXPECT_EQ(outcome.ending, (Ending{0, 0}));
    EXPECT_THAT(outcome.output, testing::ContainsRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
}

TEST(Flags, EverythingCanComeFromTheEnvironment) {
    const TemporaryDirectory directory;
    const std::string port = std::to_string(free_ports(1).front());
    const std::string address = "127.0.0.1:" + port;
    Process process({QUORATED_PATH},
                    {"DATA_DIR=" + (directory.path() / "data").string(), "HOST=127.0.0.1", "PORT=" + port,
                     "NODE_ID=env-node", "CLUSTER_ID=env-cluster", "PEERS=env-node=" + address,
                     "HEARTBEAT_MS=20", "ELECTION_MIN_MS=100", "ELECTION_MAX_MS=200"},
                    directory.path() / "log");
    HttpClient client;
    EXPECT_TRUE(eventually([&] { return client.put(address, "/kv/k", "v").status == 200; }));
    EXPECT_THAT(client.get(address, "/cluster/leader").body,
                testing::AllOf(HasSubstr("env-node"), HasSubstr("env-cluster")));
    EXPECT_TRUE(exists(directory.path() / "data"));
}

// Both are as many ticks, if only rounded up.
TEST(Flags, TimeoutsMayHardlyDiffer) {
    const TemporaryDirectory directory;
    const std::string port = std::to_string(free_ports(1).front());
    const Process process(
        {QUORATED_PATH, "--data-dir", (directory.path() / "data").string(), "--port", port, "--heartbeat-ms",
         "1000", "--election-min-ms", "2001", "--election-max-ms", "2011"},
        {}, directory.path() / "log");
    HttpClient client;
    EXPECT_TRUE(eventually([&] { return client.put("127.0.0.1:" + port, "/kv/k", "v").status == 200; }));
}

TEST(Flags, ABusyPortIsNamed) {
    Cluster cluster(1);
    (void)cluster.wait_for_leader();
    const TemporaryDirectory directory;
    const std::string address = cluster.address(0);
    const std::string port = address.substr(address.rfind(':') + 1);
    const Outcome outcome =
        run_quorated({"--data-dir", (directory.path() / "data").string(), "--port", port});
    EXPECT_EQ(outcome.ending, (Ending{kExitConfiguration, 0})) << outcome.output;
    EXPECT_THAT(outcome.output, HasSubstr(port));
    EXPECT_FALSE(exists(directory.path() / "data")) << "a start that fails leaves no trace";
}

TEST(Flags, ADirectoryThatCannotBeUsedIsNamed) {
    const TemporaryDirectory directory;
    const std::string file = (directory.path() / "file").string();
    std::ofstream(file) << "no directory";
    for (const std::string& data : {file, file + "/data", std::string("/proc/none/data")}) {
        const Outcome outcome =
            run_quorated({"--data-dir", data, "--port", std::to_string(free_ports(1).front())});
        EXPECT_EQ(outcome.ending, (Ending{kExitConfiguration, 0})) << outcome.output;
        EXPECT_THAT(outcome.output, HasSubstr(data.substr(0, data.rfind("/data"))));
        EXPECT_THAT(outcome.output, HasSubstr("name a directory that this process may write to"));
    }
}

}  // namespace
}  // namespace quorate::test
