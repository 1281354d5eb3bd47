#pragma once

// How quorated is told what to do: a flag, else the environment, else a default.

#include <cstdint>
#include <expected>
#include <functional>
#include <string>

#include "server/answers_window.h"
#include "server/environment.h"
#include "server/history_window.h"
#include "server/http_api.h"
#include "server/members.h"
#include "server/snapshot_keeper.h"

namespace quorate::server {

struct Options {
    std::string data_dir = "./data";
    std::string host = "127.0.0.1";  ///< to listen on; IPv6 without brackets
    std::uint16_t port = 7070;
    std::string cluster_id = "quorate";
    Member self;                    ///< its address is the one that others reach it at
    ClusterMembers members;         ///< of the cluster's first start, this node included
    std::vector<std::string> join;  ///< HOST:PORT of who to ask to be let in; empty: nobody
    std::uint32_t heartbeat_ms = 100;
    std::uint32_t election_min_ms = 500;
    std::uint32_t election_max_ms = 1000;
    ApiLimits limits;
    HistoryLimits history;
    AnswersLimits answers;
    SnapshotLimits snapshots;
    std::uint64_t segment_bytes = 0;         ///< of a file of the log
    std::uint64_t catch_up_bytes_per_s = 0;  ///< engine::Config::catch_up_bytes_per_tick_max, in a second
    std::string restore;                     ///< a backup that a new cluster begins with; empty: none
    std::uint32_t clock_drift_ppm = 0;       ///< 0: nobody says how right the clocks are
    bool recovers_from_peers = false;
    bool takes_tail_for_torn = false;
    std::string gives_up;  ///< names of the members that are lost for good, with commas between; empty: none
    LogLevel log_level = LogLevel::Info;
    std::string record;  ///< file for the flight recorder; empty: it does not record
    std::uint64_t record_bytes_max = std::uint64_t{1024} << 20;

    bool operator==(const Options&) const = default;
};

/// The process shall print this and end: --help and --version (code 0), or a mistake (code 2).
struct OptionsExit {
    int code = 0;
    std::string text;
    bool to_stdout = false;  ///< else to standard error
};

/// Null when the variable is not set; an empty one counts as not set.
using EnvironmentLookup = std::function<const char*(const char* name)>;

/// Pure: `lookup` stands for getenv. A mistake names the flag or variable, its value and what is allowed.
[[nodiscard]] std::expected<Options, OptionsExit> parse_options(int argc, const char* const* argv,
                                                                const EnvironmentLookup& lookup);

}  // namespace quorate::server
