#pragma once

// The members as JSON: what GET /cluster/members answers, and what POST asks for (docs/http.md).

#include <cstdint>
#include <expected>
#include <map>
#include <string>
#include <string_view>

#include "server/members_change.h"

namespace quorate::server {

/// A configuration as one node knows it.
struct MembersView {
    std::string cluster_id;
    engine::LogIndex index;  ///< of its entry
    bool is_committed = false;
    ClusterMembers members{};
    ClusterMembers first{};     ///< that the cluster began with
    std::string leader_name{};  ///< empty: unknown
    std::string source{};       ///< the node that says so
    /// Of the leader alone: through which entry each other member has the log, and its own end.
    std::map<engine::ServerId, engine::LogIndex> match{};
    engine::LogIndex last_index{};
};

/// One line.
[[nodiscard]] std::string members_json(const MembersView& view);

/// What a node that joins needs of members_json().
struct JoinAnswer {
    std::string cluster_id;
    bool is_of_leader = false;  ///< who leads says so, and it is committed
    ClusterMembers members;
    ClusterMembers first;
};
[[nodiscard]] std::expected<JoinAnswer, std::string> parse_members_json(std::string_view text);

/// Of the body of POST /cluster/members.
inline constexpr std::size_t kChangeBytesMax = std::size_t{64} << 10;
/// That body; an error is a sentence for the client.
[[nodiscard]] std::expected<MembersChange, std::string> parse_members_change(std::string_view text);
/// The same the other way round.
[[nodiscard]] std::string members_change_json(const MembersChange& change);

}  // namespace quorate::server
