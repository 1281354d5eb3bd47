#include "server/health.h"

#include <utility>

#include "server/bytes.h"

namespace quorate::server {

namespace {

constexpr std::uint8_t kHealthVersion = 1;
constexpr std::size_t kTextBytesMax = 512;

std::string_view cut(std::string_view text) { return text.substr(0, kTextBytesMax); }

}  // namespace

NodeHealth NodeHealth::down(std::string node_id, std::string addr) {
    NodeHealth health;
    health.node_id = std::move(node_id);
    health.addr = std::move(addr);
    return health;
}

std::string_view role_text(engine::RoleName role) {
    switch (role) {
        case engine::RoleName::Follower: return "follower";
        case engine::RoleName::PreCandidate: return "pre-candidate";
        case engine::RoleName::Candidate: return "candidate";
        case engine::RoleName::Leader: return "leader";
    }
    std::unreachable();
}

std::string_view state_text(NodeState state) {
    switch (state) {
        case NodeState::Serving: return "serving";
        case NodeState::Loading: return "loading";
        case NodeState::Replaying: return "replaying";
        case NodeState::Recovering: return "recovering";
        case NodeState::Doubting: return "doubting";
        case NodeState::Removed: return "removed";
    }
    std::unreachable();
}

std::string_view storage_text(StorageState storage) {
    switch (storage) {
        case StorageState::Ok: return "ok";
        case StorageState::Full: return "full";
    }
    std::unreachable();
}

std::string encode_health(const NodeHealth& health) {
    std::string bytes;
    ByteWriter(bytes)
        .u8(kHealthVersion)
        .text(cut(health.node_id))
        .text(cut(health.addr))
        .u8(static_cast<std::uint8_t>(health.role))
        .u64(health.term)
        .text(cut(health.leader_id))
        .text(cut(health.leader_addr))
        .u64(health.commit_index)
        .u64(health.last_index)
        .u64(health.durable_index)
        .u64(health.durable_entry_term)
        .u64(health.durable_term)
        .u64(health.applied_index)
        .u64(health.snapshot_index)
        .u64(health.first_index)
        .u64(health.revision)
        .u64(health.oldest_revision)
        .u64(health.keys)
        .u64(health.bytes)
        .u8(static_cast<std::uint8_t>(health.storage))
        .u8(static_cast<std::uint8_t>(health.state))
        .u32(health.progress)
        .text(cut(health.version));
    return bytes;
}

std::optional<NodeHealth> decode_health(std::string_view bytes) {
    ByteReader reader(bytes);
    if (reader.u8() != kHealthVersion) return std::nullopt;
    NodeHealth health;
    health.up = true;
    health.node_id = reader.text(kTextBytesMax);
    health.addr = reader.text(kTextBytesMax);
    health.role = reader.enumerator(engine::RoleName::Follower, engine::RoleName::Leader);
    health.term = reader.u64();
    health.leader_id = reader.text(kTextBytesMax);
    health.leader_addr = reader.text(kTextBytesMax);
    health.commit_index = reader.u64();
    health.last_index = reader.u64();
    health.durable_index = reader.u64();
    health.durable_entry_term = reader.u64();
    health.durable_term = reader.u64();
    health.applied_index = reader.u64();
    health.snapshot_index = reader.u64();
    health.first_index = reader.u64();
    health.revision = reader.u64();
    health.oldest_revision = reader.u64();
    health.keys = reader.u64();
    health.bytes = reader.u64();
    health.storage = reader.enumerator(StorageState::Ok, StorageState::Full);
    health.state = reader.enumerator(NodeState::Serving, NodeState::Removed);
    health.progress = reader.u32();
    health.version = reader.text(kTextBytesMax);
    if (!reader.finished()) return std::nullopt;
    return health;
}

}  // namespace quorate::server
