#pragma once

// When a majority of the voters is lost for good: a survivor's log goes on as that of a cluster of its own.
// docs/operations.md, When the majority is lost.

#include <expected>
#include <optional>

#include "engine/types.h"
#include "server/members.h"
#include "server/node.h"

namespace quorate::server {

/// The configuration that NodeConfig::gives_up leads to: this node alone, of a new lineage. Nothing: it asks
/// for nothing, or that is so already. `newest` is the newest configuration in the log, `lineage` the newest
/// that is known, `last` the log's last entry. Refused unless it names exactly the other members, and the log
/// is whole.
[[nodiscard]] std::expected<std::optional<ClusterMembers>, wal::Refusal> forced_members(
    const NodeConfig& config, const ClusterMembers& newest, std::uint64_t lineage, engine::EntryId last,
    wal::Lost lost);

}  // namespace quorate::server
