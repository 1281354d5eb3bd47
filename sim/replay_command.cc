// quorate-sim replay-node.

#include "sim/replay_command.h"

#include <ctime>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "engine/format.h"
#include "sim/files.h"
#include "sim/node_replay.h"

namespace quorate::sim {

namespace {

Exit say_unusable(const std::string& file, std::string_view why) {
    fmt::print(stderr, "quorate-sim: {}: {}\n", file, why);
    return Unusable;
}

Exit say_unusable(const std::string& file, const server::RecordingProblem& problem) {
    return say_unusable(file, fmt::format("offset {}: {}", problem.offset, problem.line));
}

std::string wall_time(std::uint64_t unix_ms) {
    const auto seconds = static_cast<std::time_t>(unix_ms / 1000);
    std::tm utc{};
    ::gmtime_r(&seconds, &utc);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900, utc.tm_mon + 1,
                       utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, unix_ms % 1000);
}

std::string_view to_string(server::LogLevel level) {
    switch (level) {
        case server::LogLevel::Debug: return "debug";
        case server::LogLevel::Info: return "info";
        case server::LogLevel::Warning: return "warning";
        case server::LogLevel::Error: return "error";
    }
    std::unreachable();
}

std::string describe_end(const NodeReplay& replay) {
    switch (replay.end) {
        case RecordingEnd::Stopped: return "the process was asked to stop";
        case RecordingEnd::SizeReached:
            return "the recording had reached its size (--record-max-mb); the node went on";
        case RecordingEnd::Failed: return "the node ended its process: " + replay.last_words;
        case RecordingEnd::Refused: return "the node did not start: " + replay.last_words;
        case RecordingEnd::Open: {
            const std::string torn =
                replay.torn_bytes > 0
                    ? fmt::format("; {} bytes of a torn tail are left out", replay.torn_bytes)
                    : "";
            return "no end is recorded: the process was killed, or goes on" + torn;
        }
        case RecordingEnd::Until: return "stopped here as --until says; the recording goes on";
    }
    std::unreachable();
}

void print_summary(const std::string& file, const NodeReplay& replay) {
    const server::NodeConfig& config = replay.header.config;
    fmt::print("{}: node {} of cluster {}, recorded by quorated {} from {}, {:.3f} s\n", file,
               config.self.name, config.cluster_id, replay.header.program_version,
               wall_time(replay.header.unix_ms),
               static_cast<double>(replay.last_ms - replay.first_ms) / 1000);
    fmt::print("inputs: {}:", replay.inputs);
    for (std::size_t i = 0; i < replay.inputs_of.size(); ++i) {
        fmt::print(" {}={}", to_string(static_cast<server::RecordKind>(i + 1)), replay.inputs_of[i]);
    }
    fmt::print("; {} records, {} calls of ports compared\n", replay.records, replay.calls);
    fmt::print(
        "from term {} to term {}, in the end {}: applied through {}, commit index {}, revision {}, {} keys\n",
        replay.first_term, replay.last_term, engine::to_string(replay.role), replay.applied_index,
        replay.commit_index, replay.revision, replay.keys);
    fmt::print("end: {}\n", describe_end(replay));
}

void print_divergence(const NodeReplay& replay, const Divergence& d) {
    fmt::print("DIFFERENT  input {} ({}), record {}: {}\n", d.input, d.input_kind, d.record, d.text);
    if (replay.header.program_version != QUORATE_VERSION)
        fmt::print("           it was recorded by version {}, and this is {}\n",
                   replay.header.program_version, QUORATE_VERSION);
}

}  // namespace

Exit replay_recording(const std::string& name, const ReplayNodeFlags& flags) {
    std::ifstream file(name, std::ios::binary);
    if (!file) return say_unusable(name, "cannot be read");
    server::RecordingReader reader([&](std::span<char> out) {
        file.read(out.data(), static_cast<std::streamsize>(out.size()));
        return static_cast<std::size_t>(file.gcount());
    });
    const auto header = reader.header();
    if (!header) return say_unusable(name, header.error());
    NodeReplayOptions options{flags.until, {}};
    if (flags.verbose) {
        options.log = [&](std::uint64_t now_ms, server::LogLevel level, std::string_view line) {
            print_line(stdout,
                       fmt::format("{} {} {}", wall_time(header->unix_ms + (now_ms - header->loop_ms)),
                                   to_string(level), line));
        };
    }
    const NodeReplay replay = replay_node(*header, reader, options);
    print_summary(name, replay);
    if (replay.divergence) {
        print_divergence(replay, *replay.divergence);
        return Broken;
    }
    if (replay.problem) return say_unusable(name, *replay.problem);
    if (replay.digests == 0 && replay.end != RecordingEnd::Refused)
        return say_unusable(name, "it ends before its node had started: there is nothing to compare");
    fmt::print("digests equal: {} compared, the last behind input {}\n", replay.digests, replay.digest_input);
    return Passed;
}

}  // namespace quorate::sim
