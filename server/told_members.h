#pragma once

// What a data directory whose log is damaged still tells of its cluster, before its node begins anew.

#include <expected>
#include <optional>
#include <set>

#include "server/members.h"
#include "server/node.h"
#include "wal/disk.h"
#include "wal/refusal.h"

namespace quorate::server {

struct ToldMembers {
    ClusterMembers first;  ///< with which the cluster began; `lineage` is the newest that is told
    ClusterMembers newest;
    std::set<engine::ServerId> named;  ///< in any configuration that is intact, behind damage too
    bool is_vote_lost = false;
};

/// From the snapshots that are whole and the intact beginning of the log, and from those that an earlier
/// start has set aside. Nothing: neither tells. A refusal: it could not be read, or is another node's.
[[nodiscard]] std::expected<std::optional<ToldMembers>, wal::Refusal> told_members(wal::DiskReader& disk,
                                                                                   const NodeConfig& config);

/// Why a node must not set aside what its directory holds, to get it from the others: it would not find them,
/// or they would refuse it. In words for a person, with what to do.
[[nodiscard]] std::optional<wal::Refusal> refusal_to_begin_anew(const NodeConfig& config,
                                                                const std::optional<ToldMembers>& told);

/// What to do about a node of a cluster that was restored from a backup, of which no log tells the keys.
inline constexpr std::string_view kRestoredAdvice =
    "its cluster began with a backup: keep this directory as it is, and start the node on an empty one with "
    "--restore, the same backup, --recover-from-peers, and --peers, the members that the cluster began with. "
    "See docs/operations.md, Backup and restore";

}  // namespace quorate::server
