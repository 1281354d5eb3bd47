#pragma once

// What a node says of itself to operators and to other nodes.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/action.h"

namespace quorate::server {

/// Numbers are part of the wire format: never renumber.
enum class StorageState : std::uint8_t {
    Ok = 1,
    Full = 2,  ///< no room: reads only
};

/// Numbers are part of the wire format: never renumber.
enum class NodeState : std::uint8_t {
    Serving = 1,
    Loading = 2,     ///< a snapshot: nothing can be read yet
    Replaying = 3,   ///< the log, as it was found at the start; what it holds is applied once it is known to
                     ///< be committed
    Recovering = 4,  ///< it has lost what it promised, and neither votes nor answers stale reads
    Doubting = 5,    ///< its last write was cut off, and may have been acknowledged: it does not vote freely
    Removed = 6,     ///< from the cluster: it takes part in nothing any more
};

/// The fields of GET /raft/health. An empty leader is an unknown one.
struct NodeHealth {
    bool up = false;  ///< false: it has not answered, and only node_id and addr are known
    std::string node_id;
    std::string addr;
    engine::RoleName role = engine::RoleName::Follower;
    std::uint64_t term = 0;
    std::string leader_id;
    std::string leader_addr;
    std::uint64_t commit_index = 0;
    std::uint64_t last_index = 0;
    std::uint64_t durable_index = 0;       ///< on its own disk
    std::uint64_t durable_entry_term = 0;  ///< of that entry
    std::uint64_t durable_term = 0;        ///< the current term, as its own disk has it
    std::uint64_t applied_index = 0;
    std::uint64_t snapshot_index = 0;   ///< of the newest snapshot here; 0: none
    std::uint64_t first_index = 0;      ///< of the log: what was before is in the snapshot
    std::uint64_t revision = 0;         ///< of the store
    std::uint64_t oldest_revision = 0;  ///< that can still be read
    std::uint64_t keys = 0;
    std::uint64_t bytes = 0;  ///< of keys and values
    StorageState storage = StorageState::Ok;
    NodeState state = NodeState::Serving;
    std::uint32_t progress = 100;  ///< percent of what it loads or replays
    std::string version;

    [[nodiscard]] static NodeHealth down(std::string node_id, std::string addr);

    bool operator==(const NodeHealth&) const = default;
};

/// Who leads, as one node knows it. An empty leader is an unknown one.
struct LeaderView {
    std::string cluster_id;
    std::uint64_t term = 0;
    std::string leader_id;
    std::string leader_addr;
    std::string source;  ///< the node that says so

    bool operator==(const LeaderView&) const = default;
};

/// "leader", "follower", "candidate" or "pre-candidate".
[[nodiscard]] std::string_view role_text(engine::RoleName role);

/// "serving", "loading", "replaying", "recovering", "doubting" or "removed".
[[nodiscard]] std::string_view state_text(NodeState state);

/// "ok" or "full".
[[nodiscard]] std::string_view storage_text(StorageState storage);

/// Of a node that is up; texts are cut at 512 bytes.
[[nodiscard]] std::string encode_health(const NodeHealth& health);
/// Total and strict: nothing when the bytes are no health.
[[nodiscard]] std::optional<NodeHealth> decode_health(std::string_view bytes);

}  // namespace quorate::server
