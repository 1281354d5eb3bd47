#pragma once

// What servers send each other, as frames (frame.h).

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/message.h"
#include "server/frame.h"
#include "server/health.h"
#include "server/members.h"
#include "server/write_outcome.h"
#include "wal/entry.h"
#include "wal/format.h"

namespace quorate::server {

/// A message of the engine with the entries that an AppendEntries names (as many as its entry_count; none for
/// any other message).
struct RaftFrame {
    engine::Message message;
    std::vector<wal::LogEntry> entries;

    bool operator==(const RaftFrame&) const = default;
};
/// A client's write on its way to the leader. `request` is the sender's, and comes back.
struct ForwardWrite {
    std::uint64_t request = 0;
    /// In which the sender knows the receiver to lead. Late, it must not be taken in another one: what the
    /// same client has asked since may have been done in between.
    engine::Term term;
    std::string command;  ///< encode_command(); decoded by who applies it

    bool operator==(const ForwardWrite&) const = default;
};
struct ForwardWriteReply {
    std::uint64_t request = 0;
    WriteOutcome outcome;

    bool operator==(const ForwardWriteReply&) const = default;
};
struct HealthRequest {
    std::uint64_t request = 0;

    bool operator==(const HealthRequest&) const = default;
};
struct HealthReply {
    std::uint64_t request = 0;
    NodeHealth health;

    bool operator==(const HealthReply&) const = default;
};

/// A leader has this snapshot for a follower whose log ends too far back. Repeated until it is heard.
struct SnapshotOffer {
    engine::Term term;
    wal::SnapshotMeta snapshot;

    bool operator==(const SnapshotOffer&) const = default;
};
/// The follower wants this chunk of it; the number of its chunks means that it has all, durable. The leader
/// answers with the chunk, or with InstallSnapshot.
struct SnapshotWanted {
    engine::LogIndex last;  ///< entry that it covers
    std::uint64_t chunk = 0;

    bool operator==(const SnapshotWanted&) const = default;
};
struct SnapshotChunk {
    engine::LogIndex last;
    std::uint64_t chunk = 0;
    std::string payload;

    bool operator==(const SnapshotChunk&) const = default;
};

/// The newest configuration in the sender's log, for who may not have it: where to reach whoever it hears.
struct Introduction {
    engine::LogIndex index;  ///< of the entry
    ClusterMembers members;

    bool operator==(const Introduction&) const = default;
};

using PeerFrame = std::variant<RaftFrame, ForwardWrite, ForwardWriteReply, HealthRequest, HealthReply,
                               SnapshotOffer, SnapshotWanted, SnapshotChunk, Introduction>;

/// The whole frame, head included. Its payload must not pass kFramePayloadBytesMax.
[[nodiscard]] std::string encode_frame(const PeerFrame& frame);
/// The same for a message of the engine, without collecting its entries in a RaftFrame first.
[[nodiscard]] std::string encode_frame(const engine::Message& message,
                                       std::span<const wal::LogEntry* const> entries);

/// Total and strict: nothing when a value is out of range, a count disagrees or a byte is left over.
[[nodiscard]] std::optional<PeerFrame> decode_frame(const RawFrame& frame);

/// The next frame of a connection, decoded; nothing yet; or an error, after which the connection is to be
/// closed.
[[nodiscard]] std::expected<std::optional<PeerFrame>, FrameError> next_peer_frame(FrameReader& reader);

}  // namespace quorate::server
