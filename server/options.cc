#include "server/options.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include <CLI/CLI.hpp>
#include <absl/strings/str_split.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "server/decimal.h"
#include "server/peers.h"
#include "wal/format.h"

namespace quorate::server {

namespace {

constexpr int kExitUsage = 2;

// One setting: what was said about it, and where.
struct Setting {
    const char* flag;
    const char* variable;
    const char* type;
    const char* help;
    std::string text;      ///< the default until something is said
    bool is_set = false;   ///< by flag or environment
    std::string source{};  ///< for messages: the flag, or the variable that it came from
};

/// The type of a setting that is a switch: its flag alone says yes.
constexpr const char* kYesOrNo = "[=yes|no]";
/// The type of a list that may be left out behind its flag: nobody has this name.
constexpr const char* kNames = "[NAMES]";
constexpr const char* kNobody = "?";

// In the order of --help.
enum Index : std::uint8_t {
    DataDir,
    Host,
    Port,
    AdvertiseAddr,
    NodeId,
    ClusterId,
    PeerList,
    HeartbeatMs,
    ElectionMinMs,
    ElectionMaxMs,
    ClockDriftPpm,
    KeyBytesMax,
    ValueBytesMax,
    HistoryChangesMax,
    HistoryMbMax,
    HistoryAgeSMax,
    IdempotencyKeysMax,
    IdempotencyAgeSMax,
    SnapshotEntriesMax,
    SnapshotMbMax,
    CatchUpMbS,
    SegmentMb,
    RestoreFile,
    LogLevelName,
    RecordFile,
    RecordMbMax,
    RecoverFromPeers,
    AcceptTornTail,
    ForceNewCluster,
    JoinList,
};

constexpr std::size_t kSettings = JoinList + 1;

using Settings = std::array<Setting, kSettings>;

Settings defaults() {
    return {{
        {"--data-dir", "DATA_DIR", "DIR", "Where the log and the vote are kept", "./data"},
        {"--host", "HOST", "HOST", "Address to listen on", "127.0.0.1"},
        {"--port", "PORT", "PORT", "Port to listen on, for clients and other nodes", "7070"},
        {"--advertise-addr", "ADVERTISE_ADDR", "HOST:PORT",
         "Where others reach this node; HOST:PORT of the two above unless given, 127.0.0.1 for all addresses",
         ""},
        {"--node-id", "NODE_ID", "NAME",
         "This node's name, for the life of its data; the advertised address unless given", ""},
        {"--cluster-id", "CLUSTER_ID", "NAME", "The cluster's name, the same on all of its nodes", "quorate"},
        {"--peers", "PEERS", "LIST",
         "The cluster at its first start, this node too: NAME=HOST:PORT,... or HOST:PORT,...; alone unless "
         "given",
         ""},
        {"--heartbeat-ms", "HEARTBEAT_MS", "MS", "How often a leader says that it leads", "100"},
        {"--election-min-ms", "ELECTION_MIN_MS", "MS",
         "A follower that hears no leader for a random time between this (at least twice --heartbeat-ms)",
         "500"},
        {"--election-max-ms", "ELECTION_MAX_MS", "MS",
         "... and this stands for election (at least 10 more than --election-min-ms)", "1000"},
        {"--clock-drift-ppm", "CLOCK_DRIFT_PPM", "PPM",
         "Allow reads with consistency=lease: no node's clock runs faster or slower by more than so many "
         "millionths, and --election-min-ms is the same on all",
         ""},
        {"--key-bytes-max", "KEY_BYTES_MAX", "BYTES", "Longest key", "4096"},
        {"--value-bytes-max", "VALUE_BYTES_MAX", "BYTES", "Longest value", "4194304"},
        {"--history-changes", "HISTORY_CHANGES", "COUNT", "Past values that ?revision= can read: so many,",
         "10000"},
        {"--history-mb", "HISTORY_MB", "MIB", "... of together so many MiB,", "64"},
        {"--history-age-s", "HISTORY_AGE_S", "SECONDS", "... for so long; the leader's flags count", "600"},
        {"--idempotency-keys", "IDEMPOTENCY_KEYS", "COUNT",
         "Answers to writes with an Idempotency-Key that are known at a time", "1000000"},
        {"--idempotency-age-s", "IDEMPOTENCY_AGE_S", "SECONDS",
         "... and for how long; the leader's flags count", "300"},
        {"--snapshot-entries", "SNAPSHOT_ENTRIES", "COUNT",
         "A snapshot is taken when so many entries were applied since the last one,", "1000000"},
        {"--snapshot-mb", "SNAPSHOT_MB", "MIB", "... or so many MiB; the log is kept back to the one before",
         "256"},
        {"--catch-up-mb-s", "CATCH_UP_MB_S", "MIB",
         "So much of the log a leader sends in a second to each node that is behind", "64"},
        {"--segment-mb", "SEGMENT_MB", "MIB",
         "Size of a file of the log, and of what is removed of it at once", "64"},
        {"--restore", "RESTORE", "FILE",
         "Begin a new cluster with this backup, on an empty data directory, the same on all nodes", ""},
        {"--log-level", "LOG_LEVEL", "LEVEL", "debug, info, warning or error", "info"},
        {"--record", "RECORD", "FILE",
         "Record all that happens to this node, for quorate-sim replay-node; nothing unless given", ""},
        {"--record-max-mb", "RECORD_MAX_MB", "MIB", "The recording ends when it has this size", "1024"},
        {"--recover-from-peers", "RECOVER_FROM_PEERS", kYesOrNo,
         "A data directory that is damaged or lost is begun anew, and filled by the other nodes before "
         "this one votes again",
         "no"},
        {"--accept-torn-tail", "ACCEPT_TORN_TAIL", kYesOrNo,
         "Declare that a write which was cut off at the log's end was torn by a crash, and not damaged by "
         "the disk, which can lose acknowledged writes: this node votes without asking the others. For one "
         "start",
         "no"},
        {"--force-new-cluster", "FORCE_NEW_CLUSTER", kNames,
         "When the majority is lost for good: this node, the survivor with the longest log, goes on alone. "
         "What the others have acknowledged and it lacks is LOST; they must never come back. NAMES of all "
         "the other members, as NAME,...; without them it is only said what there is. For one start",
         ""},
        {"--join", "JOIN", "LIST",
         "A running cluster to join, by the address of one of its nodes or more: HOST:PORT,...; this node "
         "gets the log, then votes. Once it has a data directory that counts",
         ""},
    }};
}

OptionsExit misuse(std::string_view text) {
    return {kExitUsage, fmt::format("quorated: {}\nquorated --help lists every flag\n", text), false};
}

std::unexpected<OptionsExit> refuse(const Setting& setting, std::string_view allowed) {
    return std::unexpected(
        misuse(fmt::format("{}: '{}' is not allowed: {}", setting.source, setting.text, allowed)));
}

std::string footer() {
    std::string text = "Each flag can be given by the environment instead: ";
    std::string_view separator;
    for (const Setting& setting : defaults()) {
        text.append(std::exchange(separator, ", ")).append(setting.variable);
    }
    return text;
}

std::optional<OptionsExit> read_flags(int argc, const char* const* argv, Settings& settings) {
    CLI::App app{"A replicated key-value store: one node of a cluster, or all of it.", "quorated"};
    app.set_version_flag("--version", "quorated " QUORATE_VERSION, "Say which version this is");
    app.footer(footer());
    std::array<CLI::Option*, kSettings> options{};
    for (std::size_t i = 0; i < kSettings; ++i) {
        Setting& setting = settings[i];
        options[i] = setting.type == kYesOrNo ? app.add_flag(setting.flag, setting.text, setting.help)
                                              : app.add_option(setting.flag, setting.text, setting.help);
        options[i]->type_name(setting.type);
        if (setting.type == kNames) options[i]->expected(0, 1);
        if (!setting.text.empty()) options[i]->default_str(setting.text);
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        return OptionsExit{0, app.help(), true};
    } catch (const CLI::CallForVersion& version) {
        return OptionsExit{0, fmt::format("{}\n", version.what()), true};
    } catch (const CLI::ExtrasError&) {
        return misuse(fmt::format("'{}' is no flag of this program, nor the value of one",
                                  fmt::join(app.remaining(), " ")));
    } catch (const CLI::ArgumentMismatch& error) {
        for (const CLI::Option* option : options) {
            if (option->count() > 1)
                return misuse(fmt::format("{} is there more than once: '{}'", option->get_name(),
                                          fmt::join(option->results(), "', '")));
        }
        return misuse(error.what());
    } catch (const CLI::ParseError& error) {
        return misuse(error.what());
    }
    for (std::size_t i = 0; i < kSettings; ++i) {
        settings[i].source = settings[i].flag;
        settings[i].is_set = options[i]->count() > 0;
        // What the library makes of a flag without a value.
        if (settings[i].type == kYesOrNo && settings[i].text == "true") settings[i].text = "yes";
        if (settings[i].type == kNames && settings[i].is_set && settings[i].text.empty())
            settings[i].text = kNobody;
    }
    return std::nullopt;
}

void read_environment(const EnvironmentLookup& lookup, Settings& settings) {
    for (Setting& setting : settings) {
        const char* text = setting.is_set ? nullptr : lookup(setting.variable);
        if (text == nullptr || *text == '\0') continue;
        setting.text = text;
        setting.source = fmt::format("{} (in the environment)", setting.variable);
        setting.is_set = true;
    }
}

template <class Number>
std::expected<void, OptionsExit> read_number(const Setting& setting, std::uint64_t min, std::uint64_t max,
                                             Number& number) {
    const auto read = parse_decimal(setting.text);
    if (!read || *read < min || *read > max)
        return refuse(setting, fmt::format("a number from {} to {}", min, max));
    number = static_cast<Number>(*read);
    return {};
}

std::expected<void, OptionsExit> read_switch(const Setting& setting, bool& is_on) {
    if (setting.text != "yes" && setting.text != "no") return refuse(setting, "yes or no");
    is_on = setting.text == "yes";
    return {};
}

std::expected<void, OptionsExit> read_level(const Setting& setting, LogLevel& level) {
    constexpr std::array<std::pair<std::string_view, LogLevel>, 4> kLevels{{{"debug", LogLevel::Debug},
                                                                            {"info", LogLevel::Info},
                                                                            {"warning", LogLevel::Warning},
                                                                            {"error", LogLevel::Error}}};
    const auto found =
        std::ranges::find(kLevels, setting.text, &std::pair<std::string_view, LogLevel>::first);
    if (found == kLevels.end()) return refuse(setting, "debug, info, warning or error");
    level = found->second;
    return {};
}

// A number that must be at least `min`, since it must be `relation` `smaller`. Who gave only the smaller one
// is told about that one, not about a flag that it did not write.
template <class Number>
std::expected<void, OptionsExit> read_beyond(const Setting& larger, const Setting& smaller,
                                             std::string_view relation, std::uint64_t min, std::uint64_t max,
                                             Number& number) {
    if (read_number(larger, min, max, number)) return {};
    if (larger.is_set) {
        return refuse(larger, fmt::format("a number from {} to {}; it must be {} {}, which is {}", min, max,
                                          relation, smaller.flag, smaller.text));
    }
    return refuse(
        smaller,
        fmt::format("{} must be {} it, and is {} unless given; give it too, as a number from {} to {}",
                    larger.flag, relation, larger.text, min, max));
}

std::expected<void, OptionsExit> read_timing(const Settings& settings, Options& options) {
    // One lost heartbeat shall not start an election, and waits must differ.
    const Setting& heartbeat = settings[HeartbeatMs];
    const Setting& election_min = settings[ElectionMinMs];
    if (auto read = read_number(heartbeat, 10, 60'000, options.heartbeat_ms); !read) return read;
    if (auto read = read_beyond(election_min, heartbeat, "at least twice",
                                std::uint64_t{2} * options.heartbeat_ms, 600'000, options.election_min_ms);
        !read)
        return read;
    if (auto read = read_beyond(settings[ElectionMaxMs], election_min, "at least 10 more than",
                                options.election_min_ms + 10, 1'200'000, options.election_max_ms);
        !read)
        return read;
    const Setting& drift = settings[ClockDriftPpm];
    return drift.is_set ? read_number(drift, 1, 100'000, options.clock_drift_ppm)
                        : std::expected<void, OptionsExit>{};
}

std::expected<void, OptionsExit> read_address(const Settings& settings, Options& options,
                                              std::string& advertised) {
    const Setting& host = settings[Host];
    options.host = host.text;
    if (options.host.starts_with('[') && options.host.ends_with(']'))
        options.host = options.host.substr(1, options.host.size() - 2);
    const std::string bracketed =
        options.host.contains(':') ? fmt::format("[{}]", options.host) : options.host;
    if (!is_host(bracketed)) return refuse(host, "a host name or an IP address");
    if (auto read = read_number(settings[Port], 1, 65'535, options.port); !read) return read;

    // Where everybody is reached, nobody is: alone, this machine will do.
    const bool is_everywhere = is_of_every_host(fmt::format("{}:{}", bracketed, options.port));
    const std::string reached = !is_everywhere               ? bracketed
                                : bracketed.starts_with('[') ? "[::1]"
                                                             : "127.0.0.1";
    const Setting& advertise = settings[AdvertiseAddr];
    advertised = advertise.is_set ? advertise.text : fmt::format("{}:{}", reached, options.port);
    if (!is_address(advertised) || is_of_every_host(advertised))
        return refuse(advertise, "HOST:PORT that others can reach (IPv6 as [ADDRESS]:PORT)");
    if (is_everywhere && !advertise.is_set && !settings[PeerList].text.empty()) {
        return refuse(host,
                      "listening on every address with --peers needs --advertise-addr HOST:PORT, where the "
                      "others reach this node");
    }
    return {};
}

std::expected<void, OptionsExit> read_recording(const Settings& settings, Options& options) {
    const Setting& file = settings[RecordFile];
    if (file.is_set && file.text.empty()) return refuse(file, "a file");
    options.record = file.text;
    std::uint64_t mib = 0;
    auto read = read_number(settings[RecordMbMax], 1, 1U << 20, mib);
    options.record_bytes_max = mib << 20;
    return read;
}

std::expected<void, OptionsExit> read_history(const Settings& settings, HistoryLimits& history) {
    std::uint64_t mib = 0;
    std::uint64_t seconds = 0;
    auto read = read_number(settings[HistoryChangesMax], 0, 100'000'000, history.changes_max);
    if (read) read = read_number(settings[HistoryMbMax], 0, 1U << 20, mib);
    if (read) read = read_number(settings[HistoryAgeSMax], 1, std::uint64_t{366} * 86'400, seconds);
    history.bytes_max = mib << 20;
    history.age_ms_max = seconds * 1000;
    return read;
}

std::expected<void, OptionsExit> read_answers(const Settings& settings, AnswersLimits& answers) {
    std::uint64_t seconds = 0;
    auto read = read_number(settings[IdempotencyKeysMax], 1, 100'000'000, answers.count_max);
    if (read) read = read_number(settings[IdempotencyAgeSMax], 1, std::uint64_t{366} * 86'400, seconds);
    answers.age_ms_max = seconds * 1000;
    return read;
}

std::expected<void, OptionsExit> read_snapshots(const Settings& settings, SnapshotLimits& snapshots) {
    std::uint64_t mib = 0;
    auto read = read_number(settings[SnapshotEntriesMax], 1, 1'000'000'000, snapshots.entries_max);
    if (read) read = read_number(settings[SnapshotMbMax], 1, 1U << 20, mib);
    snapshots.bytes_max = mib << 20;
    return read;
}

std::expected<void, OptionsExit> read_log(const Settings& settings, Options& options) {
    std::uint64_t segment_mib = 0;
    std::uint64_t catch_up_mib = 0;
    auto read = read_number(settings[SegmentMb], 16, wal::kSegmentBytesMax >> 20U, segment_mib);
    if (read) read = read_number(settings[CatchUpMbS], 1, 1U << 20, catch_up_mib);
    options.segment_bytes = segment_mib << 20;
    options.catch_up_bytes_per_s = catch_up_mib << 20;
    return read;
}

std::expected<void, OptionsExit> read_cluster(const Settings& settings, const std::string& advertised,
                                              Options& options) {
    const Setting& cluster_id = settings[ClusterId];
    if (!is_name(cluster_id.text))
        return refuse(cluster_id, fmt::format("1 to {} of A-Z a-z 0-9 . _ -", kNameBytesMax));
    options.cluster_id = cluster_id.text;

    const Setting& node_id = settings[NodeId];
    if (node_id.is_set && !is_name(node_id.text))
        return refuse(node_id, fmt::format("1 to {} of A-Z a-z 0-9 . _ -", kNameBytesMax));
    if (!node_id.is_set && advertised.size() > kNameBytesMax) {
        return refuse(node_id,
                      fmt::format("'{}' is too long to be a name, so write --node-id NAME", advertised));
    }
    if (settings[PeerList].is_set && settings[PeerList].text.empty())
        return refuse(settings[PeerList],
                      "at least one member; without the flag the node is a cluster of its own");
    auto peers = parse_peers(settings[PeerList].text,
                             node_id.is_set ? std::optional(node_id.text) : std::nullopt, advertised);
    if (!peers) return refuse(settings[PeerList], peers.error());
    const Setting& join = settings[JoinList];
    if (join.is_set) {
        if (settings[PeerList].is_set)
            return refuse(join, "without --peers: a node joins a cluster that runs, or begins a new one");
        options.join = absl::StrSplit(join.text, ',');
        if (!std::ranges::all_of(options.join, is_address))
            return refuse(join, "HOST:PORT,... of nodes of a running cluster");
        if (settings[ForceNewCluster].is_set)
            return refuse(join,
                          "without --force-new-cluster: that is for a directory which has been a member's");
    }
    options.self = std::move(peers->self);
    options.members = std::move(peers->members);
    return {};
}

}  // namespace

std::expected<Options, OptionsExit> parse_options(int argc, const char* const* argv,
                                                  const EnvironmentLookup& lookup) {
    Settings settings = defaults();
    if (auto exit = read_flags(argc, argv, settings)) return std::unexpected(std::move(*exit));
    read_environment(lookup, settings);

    Options options;
    std::string advertised;
    const Setting& data_dir = settings[DataDir];
    if (data_dir.text.empty()) return refuse(data_dir, "a directory");
    options.data_dir = data_dir.text;
    std::expected<void, OptionsExit> read = read_address(settings, options, advertised);
    if (read) read = read_cluster(settings, advertised, options);
    if (read) read = read_timing(settings, options);
    if (read) read = read_number(settings[KeyBytesMax], 1, 4096, options.limits.key_bytes_max);
    if (read)
        read =
            read_number(settings[ValueBytesMax], 1, std::uint64_t{4} << 20, options.limits.value_bytes_max);
    if (read) read = read_history(settings, options.history);
    if (read) read = read_answers(settings, options.answers);
    if (read) read = read_snapshots(settings, options.snapshots);
    if (read) read = read_log(settings, options);
    options.restore = settings[RestoreFile].text;
    if (read && settings[RestoreFile].is_set && options.restore.empty())
        read = refuse(settings[RestoreFile], "a file");
    if (read) read = read_level(settings[LogLevelName], options.log_level);
    if (read) read = read_recording(settings, options);
    if (read) read = read_switch(settings[RecoverFromPeers], options.recovers_from_peers);
    if (read) read = read_switch(settings[AcceptTornTail], options.takes_tail_for_torn);
    options.gives_up = settings[ForceNewCluster].text;
    if (read && options.recovers_from_peers && settings[ForceNewCluster].is_set) {
        read = refuse(settings[RecoverFromPeers],
                      "not with --force-new-cluster: a survivor goes on with what it has itself");
    }
    if (read && options.recovers_from_peers && !options.restore.empty() &&
        options.members.members.size() == 1)
        read = refuse(settings[RecoverFromPeers],
                      "with --restore only with --peers, which names those that the cluster began with");
    if (!read) return std::unexpected(std::move(read.error()));
    return options;
}

}  // namespace quorate::server
