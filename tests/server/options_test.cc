#include "server/options.h"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quorate::server::test {
namespace {

using testing::HasSubstr;
using Environment = std::map<std::string, std::string>;

std::expected<Options, OptionsExit> parse(std::vector<const char*> flags,
                                          const Environment& environment = {}) {
    flags.insert(flags.begin(), "quorated");
    return parse_options(static_cast<int>(flags.size()), flags.data(), [&](const char* name) -> const char* {
        const auto found = environment.find(name);
        return found == environment.end() ? nullptr : found->second.c_str();
    });
}

void expect_mistake(const std::expected<Options, OptionsExit>& options,
                    const std::vector<std::string>& parts) {
    ASSERT_FALSE(options);
    EXPECT_EQ(options.error().code, 2);
    EXPECT_FALSE(options.error().to_stdout);
    for (const std::string& part : parts) EXPECT_THAT(options.error().text, HasSubstr(part));
}

TEST(Options, SayWhichFlagIsThereTwiceOrUnknown) {
    expect_mistake(parse({"--port", "7070", "--port=7071"}),
                   {"--port is there more than once: '7070', '7071'"});
    expect_mistake(parse({"--port=7070", "--node", "n1"}), {"'--node n1' is no flag"});
    expect_mistake(parse({"--port"}), {"--port", "PORT"});
}

TEST(Options, WithoutAnyIsASingleNodeOnLoopback) {
    const auto options = parse({});
    ASSERT_TRUE(options) << options.error().text;
    EXPECT_EQ(options->data_dir, "./data");
    EXPECT_EQ(options->host, "127.0.0.1");
    EXPECT_EQ(options->port, 7070);
    EXPECT_EQ(options->cluster_id, "quorate");
    EXPECT_EQ(options->self, (Member{server_id_of("127.0.0.1:7070"), "127.0.0.1:7070", "127.0.0.1:7070"}));
    EXPECT_EQ(options->members.members, std::vector<Member>{options->self});
    EXPECT_EQ(options->heartbeat_ms, 100U);
    EXPECT_EQ(options->election_min_ms, 500U);
    EXPECT_EQ(options->election_max_ms, 1000U);
    EXPECT_EQ(options->limits, ApiLimits{});
    EXPECT_EQ(options->log_level, LogLevel::Info);
    EXPECT_EQ(options->record, "");
    EXPECT_EQ(options->record_bytes_max, std::uint64_t{1} << 30);
}

TEST(Options, ABackupIsRestoredFromAFile) {
    EXPECT_EQ(parse({})->restore, "");
    EXPECT_EQ(parse({"--restore", "b.ndjson"})->restore, "b.ndjson");
    EXPECT_EQ(parse({}, {{"RESTORE", "b.ndjson"}})->restore, "b.ndjson");
    expect_mistake(parse({"--restore", ""}), {"--restore: '' is not allowed: a file"});
}

TEST(Options, ASwitchIsOnByItsFlagAlone) {
    constexpr const char* kPeers = "127.0.0.1:7070,127.0.0.1:7071,127.0.0.1:7072";
    const auto recovers = [&](std::vector<const char*> flags, const Environment& environment = {}) {
        flags.insert(flags.end(), {"--peers", kPeers});
        const auto options = parse(std::move(flags), environment);
        EXPECT_TRUE(options) << options.error().text;
        return options && options->recovers_from_peers;
    };
    EXPECT_FALSE(recovers({}));
    EXPECT_TRUE(recovers({"--recover-from-peers"}));
    EXPECT_TRUE(recovers({"--recover-from-peers=yes"}));
    EXPECT_FALSE(recovers({"--recover-from-peers=no"}));
    EXPECT_TRUE(recovers({}, {{"RECOVER_FROM_PEERS", "yes"}}));
    EXPECT_FALSE(recovers({"--recover-from-peers=no"}, {{"RECOVER_FROM_PEERS", "yes"}}));
    expect_mistake(parse({"--peers", kPeers, "--recover-from-peers=on"}),
                   {"--recover-from-peers: 'on' is not allowed: yes or no"});
    EXPECT_TRUE(parse({"--recover-from-peers"})) << "the directory may name the others";
    expect_mistake(parse({"--recover-from-peers", "--restore", "f"}), {"with --restore only with --peers"});
    for (const bool is_set_by_flag : {true, false}) {
        std::vector<const char*> flags{"--force-new-cluster", "b,c"};
        if (is_set_by_flag) flags.push_back("--recover-from-peers");
        const Environment environment{{"RECOVER_FROM_PEERS", is_set_by_flag ? "no" : "yes"}};
        expect_mistake(parse(flags, environment), {"not with --force-new-cluster"});
    }
    expect_mistake(parse({"--peers", ""}), {"--peers: '' is not allowed: at least one member"});
    EXPECT_FALSE(parse({})->takes_tail_for_torn);
    EXPECT_TRUE(parse({"--accept-torn-tail"})->takes_tail_for_torn);
}

TEST(Options, NobodySaysHowRightClocksAreUnlessAsked) {
    EXPECT_EQ(parse({})->clock_drift_ppm, 0U);
    EXPECT_EQ(parse({"--clock-drift-ppm", "500"})->clock_drift_ppm, 500U);
    EXPECT_EQ(parse({}, {{"CLOCK_DRIFT_PPM", "1"}})->clock_drift_ppm, 1U);
    for (const char* bad : {"0", "100001", "", "1e3"})
        expect_mistake(parse({"--clock-drift-ppm", bad}), {"--clock-drift-ppm", "a number from 1 to 100000"});
}

TEST(Options, ARecordingHasAFileAndABound) {
    const auto options = parse({"--record", "/r/n1.rec", "--record-max-mb", "3"});
    ASSERT_TRUE(options) << options.error().text;
    EXPECT_EQ(options->record, "/r/n1.rec");
    EXPECT_EQ(options->record_bytes_max, 3U << 20);
    const auto from_environment = parse({}, {{"RECORD", "r"}, {"RECORD_MAX_MB", "1"}});
    ASSERT_TRUE(from_environment);
    EXPECT_EQ(from_environment->record, "r");
    EXPECT_EQ(from_environment->record_bytes_max, 1U << 20);
    expect_mistake(parse({"--record", ""}), {"--record", "a file"});
    expect_mistake(parse({"--record-max-mb", "0"}), {"--record-max-mb", "'0'", "from 1 to 1048576"});
}

TEST(Options, ThreeNodesAsInTheReadme) {
    const auto options = parse({"--node-id",
                                "n2",
                                "--port",
                                "7072",
                                "--peers",
                                "n1=127.0.0.1:7071,n2=127.0.0.1:7072,n3=127.0.0.1:7073",
                                "--data-dir",
                                "/tmp/n2",
                                "--cluster-id=c",
                                "--heartbeat-ms=50",
                                "--election-min-ms=300",
                                "--election-max-ms",
                                "600",
                                "--log-level",
                                "debug",
                                "--value-bytes-max",
                                "1024",
                                "--key-bytes-max",
                                "64",
                                "--history-changes",
                                "5",
                                "--history-mb",
                                "6",
                                "--history-age-s",
                                "7",
                                "--idempotency-keys",
                                "8",
                                "--idempotency-age-s",
                                "9",
                                "--segment-mb",
                                "16",
                                "--catch-up-mb-s",
                                "32"});
    ASSERT_TRUE(options) << options.error().text;
    EXPECT_EQ(options->self.name, "n2");
    EXPECT_EQ(options->self.address, "127.0.0.1:7072");
    EXPECT_EQ(options->members.members.size(), 3U);
    EXPECT_EQ(options->data_dir, "/tmp/n2");
    EXPECT_EQ(options->cluster_id, "c");
    EXPECT_EQ(options->heartbeat_ms, 50U);
    EXPECT_EQ(options->election_min_ms, 300U);
    EXPECT_EQ(options->election_max_ms, 600U);
    EXPECT_EQ(options->limits.value_bytes_max, 1024U);
    EXPECT_EQ(options->limits.key_bytes_max, 64U);
    EXPECT_EQ(options->history, (HistoryLimits{5, 6U << 20, 7000}));
    EXPECT_EQ(options->answers, (AnswersLimits{8, 9000}));
    EXPECT_EQ(options->segment_bytes, 16U << 20);
    EXPECT_EQ(options->catch_up_bytes_per_s, 32U << 20);
    EXPECT_EQ(options->log_level, LogLevel::Debug);
}

TEST(Options, AFlagComesBeforeTheEnvironmentAndThatBeforeTheDefault) {
    const Environment environment{
        {"DATA_DIR", "/e"},        {"HOST", "0.0.0.0"},       {"PORT", "1"},
        {"NODE_ID", "n1"},         {"CLUSTER_ID", "e"},       {"PEERS", "n1=h:1,n2=h:2"},
        {"HEARTBEAT_MS", "20"},    {"ELECTION_MIN_MS", "40"}, {"ELECTION_MAX_MS", "80"},
        {"ADVERTISE_ADDR", "h:1"}, {"LOG_LEVEL", "error"},    {"KEY_BYTES_MAX", ""}};
    const auto from_environment = parse({}, environment);
    ASSERT_TRUE(from_environment) << from_environment.error().text;
    EXPECT_EQ(from_environment->data_dir, "/e");
    EXPECT_EQ(from_environment->host, "0.0.0.0");
    EXPECT_EQ(from_environment->port, 1);
    EXPECT_EQ(from_environment->cluster_id, "e");
    EXPECT_EQ(from_environment->self, (Member{server_id_of("n1"), "n1", "h:1"}));
    EXPECT_EQ(from_environment->members.members.size(), 2U);
    EXPECT_EQ(from_environment->heartbeat_ms, 20U);
    EXPECT_EQ(from_environment->election_min_ms, 40U);
    EXPECT_EQ(from_environment->election_max_ms, 80U);
    EXPECT_EQ(from_environment->log_level, LogLevel::Error);
    EXPECT_EQ(from_environment->limits, ApiLimits{}) << "an empty variable is not set";

    const auto from_flags = parse({"--port", "2", "--data-dir", "/f"}, environment);
    ASSERT_TRUE(from_flags);
    EXPECT_EQ(from_flags->port, 2);
    EXPECT_EQ(from_flags->data_dir, "/f");
    EXPECT_EQ(from_flags->cluster_id, "e");
    EXPECT_TRUE(parse({"--port", "2"}, {{"PORT", "nonsense"}})) << "what is not used is not judged";
}

TEST(Options, HelpAndVersionGoToStandardOutput) {
    const auto help = parse({"--help"});
    ASSERT_FALSE(help);
    EXPECT_EQ(help.error().code, 0);
    EXPECT_TRUE(help.error().to_stdout);
    for (const char* flag :
         {"--data-dir", "--host", "--port", "--node-id", "--cluster-id", "--peers", "--heartbeat-ms",
          "--election-min-ms", "--election-max-ms", "--advertise-addr", "--log-level", "--record",
          "--record-max-mb", "--version", "DATA_DIR", "ELECTION_MAX_MS", "7070"}) {
        EXPECT_THAT(help.error().text, HasSubstr(flag));
    }
    const auto version = parse({"--version"});
    ASSERT_FALSE(version);
    EXPECT_EQ(version.error().code, 0);
    EXPECT_TRUE(version.error().to_stdout);
    EXPECT_EQ(version.error().text, "quorated " QUORATE_VERSION "\n");
}

TEST(Options, AMistakeNamesTheFlagTheValueAndWhatIsAllowed) {
    struct Row {
        std::vector<const char*> flags;
        std::vector<std::string> parts;
    };
    const std::vector<Row> rows{
        {{"--port", "0"}, {"--port", "'0'", "from 1 to 65535"}},
        {{"--port", "65536"}, {"--port", "'65536'", "from 1 to 65535"}},
        {{"--port", "http"}, {"--port", "'http'", "a number"}},
        {{"--port", "-1"}, {"--port"}},
        {{"--port="}, {"--port"}},
        {{"--port", "80", "--port", "81"}, {"--port"}},
        {{"--port"}, {"--port"}},
        {{"--nope"}, {"--nope"}},
        {{"stray"}, {"stray"}},
        {{"--host", "a b"}, {"--host", "'a b'", "a host name or an IP address"}},
        {{"--host", "h:1"}, {"--host", "'h:1'"}},
        {{"--data-dir", ""}, {"--data-dir"}},
        {{"--node-id", "a/b"}, {"--node-id", "'a/b'", "A-Z"}},
        {{"--node-id", ""}, {"--node-id", "''"}},
        {{"--cluster-id", ""}, {"--cluster-id", "''", "1 to 64"}},
        {{"--advertise-addr", "h"}, {"--advertise-addr", "'h'", "HOST:PORT"}},
        {{"--peers", "n1=h:1"}, {"--peers", "'n1=h:1'", "write --node-id"}},
        {{"--peers", "n1=127.0.0.1:7070,n2=h:2", "--node-id", "n3"},
         {"--peers", "'n1=127.0.0.1:7070,n2=h:2'", "'n3'", "only n1, n2;"}},
        {{"--peers", "nonsense"}, {"--peers", "'nonsense'", "HOST:PORT"}},
        {{"--advertise-addr", "0.0.0.0:1"}, {"--advertise-addr", "that others can reach"}},
        {{"--advertise-addr", "[::]:1"}, {"--advertise-addr", "that others can reach"}},
        {{"--host", "0.0.0.0", "--node-id", "n1", "--peers", "n2=h:2"}, {"--host", "--advertise-addr"}},
        {{"--heartbeat-ms", "9"}, {"--heartbeat-ms", "'9'", "from 10 to 60000"}},
        {{"--heartbeat-ms", "100ms"}, {"--heartbeat-ms", "'100ms'"}},
        {{"--election-min-ms", "199"}, {"--election-min-ms", "'199'", "from 200"}},
        {{"--election-max-ms", "500"}, {"--election-max-ms", "'500'", "from 510"}},
        {{"--election-min-ms", "199"}, {"at least twice --heartbeat-ms, which is 100"}},
        {{"--election-max-ms", "500"}, {"at least 10 more than --election-min-ms, which is 500"}},
        {{"--heartbeat-ms", "300"},
         {"quorated: --heartbeat-ms: '300'", "--election-min-ms must be at least twice it, and is 500",
          "from 600"}},
        {{"--election-min-ms", "2000"},
         {"quorated: --election-min-ms: '2000'", "--election-max-ms must be at least 10 more than it",
          "from 2010"}},
        {{"--value-bytes-max", "4194305"}, {"--value-bytes-max", "from 1 to 4194304"}},
        {{"--history-changes", "-1"}, {"--history-changes", "from 0 to 100000000"}},
        {{"--history-age-s", "0"}, {"--history-age-s", "from 1 to"}},
        {{"--idempotency-keys", "0"}, {"--idempotency-keys", "from 1 to 100000000"}},
        {{"--idempotency-age-s", "0"}, {"--idempotency-age-s", "from 1 to"}},
        {{"--key-bytes-max", "0"}, {"--key-bytes-max", "from 1 to 4096"}},
        {{"--log-level", "loud"}, {"--log-level", "'loud'", "debug, info, warning or error"}},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.flags.front());
        expect_mistake(parse(row.flags), row.parts);
    }
    expect_mistake(parse({}, {{"PORT", "x"}}), {"PORT", "environment", "'x'", "from 1 to 65535"});
    const std::string host(70, 'h');
    expect_mistake(parse({"--host", host.c_str()}), {"--node-id", "too long"});
}

TEST(Options, HostsMayBeIpv6) {
    for (const char* host : {"::1", "[::1]"}) {
        const auto options = parse({"--host", host});
        ASSERT_TRUE(options) << options.error().text;
        EXPECT_EQ(options->host, "::1");
        EXPECT_EQ(options->self.address, "[::1]:7070");
    }
    for (const auto& [everywhere, reached] :
         {std::pair("0.0.0.0", "127.0.0.1:7070"), std::pair("::", "[::1]:7070"),
          std::pair("[::]", "[::1]:7070")}) {
        const auto options = parse({"--host", everywhere});
        ASSERT_TRUE(options) << "a single node may listen everywhere";
        EXPECT_EQ(options->self.address, reached) << "and has an address that somebody can reach";
    }
}

TEST(Options, AClusterIsJoinedByAddressesOfItsNodes) {
    const auto options = parse({"--join", "10.0.0.1:7070,[::1]:7071", "--node-id", "n4"});
    ASSERT_TRUE(options) << options.error().text;
    EXPECT_EQ(options->join, (std::vector<std::string>{"10.0.0.1:7070", "[::1]:7071"}));
    EXPECT_EQ(options->self.name, "n4");
    expect_mistake(parse({"--join", "10.0.0.1"}), {"--join", "'10.0.0.1'", "HOST:PORT"});
    expect_mistake(parse({"--join", ""}), {"--join", "HOST:PORT"});
    expect_mistake(parse({"--join", "a:1", "--peers", "a:1"}), {"--join", "without --peers"});
}

}  // namespace
}  // namespace quorate::server::test
