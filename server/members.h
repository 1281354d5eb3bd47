#pragma once

// Who the servers are: names, addresses and ids, from --peers (peers.h) and in the log's Membership entries.
//
// Encoding of a Membership entry, little-endian:
//   u8 version = 1, or u8 2 | u64 origin, which is not 0, or u8 3 | u64 origin, or u8 4 | u64 origin | u64
//   lineage, which is not 0 | u32 count of members | each: u64 id | u8 role | u32 name bytes | name | u32
//   address bytes | address; from version 3 on: | u32 count of removed, in version 3 not 0 | each: u64 id
// with the members, and the removed, ascending by id.

#include <algorithm>
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
    JoiningLearner = 5,  ///< a learner that the leader makes a voter as soon as it has caught up
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

/// Of members that have been removed, over the life of a cluster.
inline constexpr std::size_t kRemovedMax = 1000;

/// That a change may lead to: more voters only make each decision slower.
inline constexpr std::size_t kVotersLimit = 9;
/// A joint configuration holds those who leave as well.
inline constexpr std::size_t kMembersLimit = 16;

/// A configuration of the cluster with the names that the engine does not know. Members ascend by id, ids and
/// names are distinct, and membership() is well-formed.
struct ClusterMembers {
    std::vector<Member> members;
    /// Of a cluster's first configuration: the hash of the backup (BackupReader::hash()) that its stores
    /// begin with; 0: they began empty. Members of other origins could not have equal stores.
    std::uint64_t origin = 0;
    /// Ascending; none of them is a member, or becomes one again: a name stands for one log and its votes.
    std::vector<engine::ServerId> removed{};
    /// Drawn when a survivor went on alone (forced_members.h), higher than those before it, and kept by all
    /// that come after: who has another one belongs to a cluster that went its own way from the same
    /// beginning. 0: nobody ever did.
    std::uint64_t lineage = 0;

    bool operator==(const ClusterMembers&) const = default;

    /// As the engine sees it.
    [[nodiscard]] engine::Membership membership() const;
    /// Null when there is none.
    [[nodiscard]] const Member* find(engine::ServerId id) const;
    [[nodiscard]] const Member* find(std::string_view name) const;
    [[nodiscard]] bool has_removed(engine::ServerId id) const {
        return std::ranges::binary_search(removed, id);
    }
    /// Equal for equal configurations, on every platform.
    [[nodiscard]] std::uint64_t digest() const;
};

/// "voter", "incoming" and "outgoing" (voters of one set of a joint configuration), "learner" or "joining".
[[nodiscard]] std::string_view role_text(MemberRole role, bool is_joint);

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
/// A HOST:PORT at which another machine may be: not of every host, no unfinished name, and of numbers only
/// an IPv4 address in full. is_address() also takes what was written to logs before this was asked.
[[nodiscard]] bool can_be_reached(std::string_view address);
/// Of a HOST:PORT, whether it is every address of a machine, at which only a listener can be.
[[nodiscard]] bool is_of_every_host(std::string_view address);
/// 1 to 64 of A-Z a-z 0-9 . _ -
[[nodiscard]] bool is_name(std::string_view text);

}  // namespace quorate::server
