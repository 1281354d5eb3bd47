#pragma once

// Feeds a recording (server/recording.h) to the code that it was made of, and sees whether the same comes
// out.

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "engine/action.h"
#include "server/environment.h"
#include "server/node_digest.h"
#include "server/recording_reader.h"

namespace quorate::sim {

struct NodeReplayOptions {
    std::uint64_t inputs_max = UINT64_MAX;  ///< stops there; the opening is none of them
    /// Called with each of the node's log lines, and what its own clock showed; empty: none.
    std::function<void(std::uint64_t, server::LogLevel, std::string_view)> log{};
};

/// How far a recording goes.
enum class RecordingEnd : std::uint8_t {
    Stopped,      ///< the process was asked to stop
    SizeReached,  ///< the recorder had to stop before its node did
    Failed,       ///< the node had to end its process
    Refused,      ///< the node did not start
    Open,         ///< no end is recorded: the process was killed, or goes on
    Until,        ///< NodeReplayOptions::inputs_max
};

/// What the recorded node and the replayed one do not have in common.
struct Divergence {
    std::uint64_t input = 0;  ///< 0: the opening
    std::string input_kind;
    std::uint64_t record = 0;  ///< counted from 1
    std::string text;          ///< what was recorded, and what the replay did
};

struct NodeReplay {
    server::RecordingHeader header;
    std::uint64_t inputs = 0;
    std::uint64_t records = 0;
    std::array<std::uint64_t, std::variant_size_v<server::Input>> inputs_of{};  ///< by kind
    std::uint64_t calls = 0;                                                    ///< of the ports, compared
    std::uint64_t digests = 0;                                                  ///< compared
    std::uint64_t digest_input = 0;  ///< behind which the last of them stands
    std::uint64_t first_ms = 0;      ///< of the ticks; zero without any
    std::uint64_t last_ms = 0;
    std::uint64_t first_term = 0;
    std::uint64_t last_term = 0;
    engine::RoleName role = engine::RoleName::Follower;  ///< in the end
    std::uint64_t applied_index = 0;                     ///< this and what follows: in the end too
    std::uint64_t commit_index = 0;
    std::uint64_t revision = 0;
    std::uint64_t keys = 0;
    RecordingEnd end = RecordingEnd::Open;
    std::string last_words;  ///< of a node that failed or refused
    std::uint64_t torn_bytes = 0;
    std::optional<Divergence> divergence;
    std::optional<server::RecordingProblem> problem;  ///< the file; what came before it has been replayed
};

/// `header` is what `reader` has given first.
[[nodiscard]] NodeReplay replay_node(const server::RecordingHeader& header, server::RecordingReader& reader,
                                     const NodeReplayOptions& options = {});

}  // namespace quorate::sim
