#pragma once

// Whether the members that a node is told of at its start are those that its log knows. The log decides,
// where that can be no mistake: flags change no members.

#include <optional>
#include <string>
#include <vector>

#include "engine/types.h"
#include "server/members.h"
#include "wal/entry.h"

namespace quorate::server {

/// What every log begins with. Term 1 is nobody's: the first election is in term 2.
inline constexpr engine::HardState kFirstHardState{engine::Term(1), engine::kNobody};
[[nodiscard]] wal::LogEntry first_entry(const ClusterMembers& members);

/// Why a node must not start that is told of a cluster (`given`, with more members than itself) and whose log
/// was begun by another one (`first`, which has become `now`): it would go on as that one beside the cluster
/// that the others form. In words for a person, with what to do.
[[nodiscard]] std::optional<std::string> other_first_members(const ClusterMembers& given,
                                                             const ClusterMembers& first,
                                                             const ClusterMembers& now);

/// A line for each member whose address is another one in the log.
[[nodiscard]] std::vector<std::string> other_addresses(const ClusterMembers& given,
                                                       const ClusterMembers& in_log);

}  // namespace quorate::server
