#pragma once

// --peers: who is in the cluster when it starts for the first time.

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "server/members.h"

namespace quorate::server {

/// This node and the cluster that it starts in, itself included.
struct Peers {
    Member self;
    ClusterMembers members;

    bool operator==(const Peers&) const = default;
};

/// Voters beyond it cost more than they protect, and the engine is tested up to here.
inline constexpr std::size_t kVotersMax = 9;

/// `text` is either NAME=HOST:PORT of every member, or HOST:PORT of every member, whose name is then its
/// address, where this node may be left out; separated by commas. `node_id` is its name if one was given
/// (is_name() or is_address()), `address` the one that it advertises (is_address()). An error says what to
/// write instead.
[[nodiscard]] std::expected<Peers, std::string> parse_peers(std::string_view text,
                                                            const std::optional<std::string>& node_id,
                                                            const std::string& address);

}  // namespace quorate::server
