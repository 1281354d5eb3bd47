#pragma once

// Who the servers are: names, addresses and ids, from --peers (peers.h) and in the log's Membership entries.
//
// Encoding of a Membership entry, little-endian:
//   u8 version = 1, or u8 2 | u64 origin, which is not 0 | u32 count of members | each: u64 id | u8 role |
//   u32 name bytes | name | u32 address bytes | address
// with the members ascending by id.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/membership.h"

namespace quorate::server {

/// Numbers are part of the log format: never renumber.
enum class MemberRole : std::uint8_t {
    Voter = 1,
    OutgoingVoter = 2,    ///< in a joint configuration: votes in the old set only
    ContinuingVoter = 3,  ///< in a joint configuration: votes in both sets
    Learner = 4,
};

struct Member {
    engine::ServerId id;
    std::string name;     ///< its --node-id
    std::string address;  ///< HOST:PORT
    MemberRole role = MemberRole::Voter;

    bool operator==(const Member&) const = default;
};

inline constexpr std::size_t kNameBytesMax = 64;
/// A host name of 253 characters, or an IPv6 address in brackets, and a port.
inline constexpr std::size_t kAddressBytesMax = 261;

/// A configuration of the cluster with the names that the engine does not know. Members ascend by id, ids and
/// names are distinct, and membership() is well-formed.
struct ClusterMembers {
    std::vector<Member> members;
    /// Of a cluster's first configuration: the hash of the backup (BackupReader::hash()) that its stores
    /// begin with; 0: they began empty. Members of other origins could not have equal stores.
    std::uint64_t origin = 0;

    bool operator==(const ClusterMembers&) const = default;

    /// As the engine sees it.
    [[nodiscard]] engine::Membership membership() const;
    /// Equal for equal configurations, on every platform.
    [[nodiscard]] std::uint64_t digest() const;
};

[[nodiscard]] std::string encode_members(const ClusterMembers& members);
/// Total and strict: nothing when the bytes are not an encoding of well-formed members.
[[nodiscard]] std::optional<ClusterMembers> decode_members(std::string_view bytes);

/// A decimal number from 1 to 2^32 - 1 without leading zeros names itself. Any other name gives a hash with
/// the top bit set, so that the two cannot meet.
[[nodiscard]] engine::ServerId server_id_of(std::string_view name);

/// A host name or IPv4 address, or an IPv6 address in brackets.
[[nodiscard]] bool is_host(std::string_view text);
/// HOST:PORT, with IPv6 in brackets and a port from 1 to 65535 without leading zeros.
[[nodiscard]] bool is_address(std::string_view text);
/// 1 to 64 of A-Z a-z 0-9 . _ -
[[nodiscard]] bool is_name(std::string_view text);

}  // namespace quorate::server
