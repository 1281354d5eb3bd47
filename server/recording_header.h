#pragma once

// What stands at the front of a recording: whose it is, and what its node was given.
//
//   text version of the program | u64 unix ms | u64 loop ms | text cluster id | u64 id, u8 role, text name,
//   text address of this node | text members (members.h) | u32 count of numbers, each u64: every number of
//   NodeConfig, in the order of its fields

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "server/node.h"

namespace quorate::server {

struct RecordingHeader {
    std::string program_version;
    /// The wall clock when the node's own showed loop_ms: what its times mean to a person.
    std::uint64_t unix_ms = 0;
    std::uint64_t loop_ms = 0;
    NodeConfig config;
};

/// The preamble and the header (recording.h).
[[nodiscard]] std::string encode_recording_header(const RecordingHeader& header);
/// Of the header's bytes, whose checksum has been verified. Nothing when no node can be given that.
[[nodiscard]] std::optional<RecordingHeader> decode_recording_header(std::string_view bytes);

}  // namespace quorate::server
