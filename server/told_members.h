#pragma once

// What a data directory whose log is damaged still tells of its cluster, before its node begins anew.

#include <expected>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "server/members.h"
#include "server/node.h"
#include "wal/disk.h"
#include "wal/refusal.h"

namespace quorate::server {

struct ToldMembers {
    ClusterMembers first;  ///< with which the cluster began; `lineage` is the newest that is told
    ClusterMembers newest;
    /// Voters of any configuration that is intact, behind damage too, that no such one has removed.
    std::set<engine::ServerId> voters;
};

struct WhatIsTold {
    std::optional<ToldMembers> members;
    bool is_vote_lost = true;  ///< or its term was; as it is now, not as it was when something was set aside
};

/// From the snapshots that are whole and the intact beginning of the log, and from those that an earlier
/// start has set aside. No members: neither tells. A refusal: it could not be read, or is another node's.
[[nodiscard]] std::expected<WhatIsTold, wal::Refusal> what_is_told(wal::DiskReader& disk,
                                                                   const NodeConfig& config);

/// How the refusals of refusal_to_begin_anew() begin; they say what to do.
inline constexpr std::string_view kRecoverFlag = "--recover-from-peers";

/// Why a node must not set aside what its directory holds, to get it from the others: it would not find them,
/// or they would refuse it. In words for a person, with what to do.
[[nodiscard]] std::optional<wal::Refusal> refusal_to_begin_anew(const NodeConfig& config,
                                                                const WhatIsTold& told);

/// What to do about a node of a cluster that was restored from a backup, of which no log tells the keys.
/// `first`: the members that the cluster began with.
[[nodiscard]] std::string restored_advice(const ClusterMembers& first, engine::ServerId self);

}  // namespace quorate::server
