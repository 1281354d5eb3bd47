#pragma once

// What a change of the members makes of a configuration, without side effects: thesis §4.3.

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/members.h"

namespace quorate::server {

/// As a client asks for it: all of it in one step, or nothing.
struct MembersChange {
    struct Addition {
        std::string name;
        std::string address;
        /// False: it becomes a voter as soon as it has caught up. Nothing: so does a new one, and who is a
        /// member stays what it is.
        std::optional<bool> stays_learner{};

        bool operator==(const Addition&) const = default;
    };
    struct Move {
        std::string name;
        std::string address;

        bool operator==(const Move&) const = default;
    };
    std::vector<Addition> add{};
    std::vector<std::string> promote{};  ///< learners, to voters
    std::vector<std::string> remove{};
    std::vector<Move> move{};  ///< to other addresses
    /// Also when the voters that are up now are no majority of the new ones, or have not caught up.
    bool is_forced = false;

    bool operator==(const MembersChange&) const = default;
};

/// Why a change cannot be made: `code` as in docs/http.md.
struct ChangeRefusal {
    int status = 409;
    std::string_view code;
    std::string detail;
};

/// To the person in charge of a node that was removed: it keeps its name for ever.
constexpr std::string_view kToAddAgain =
    "To add its machine again, start it on an empty --data-dir, with another --node-id and --join";

/// What `current`, which is not joint, shall become in the end; equal to it when all is so already.
[[nodiscard]] std::expected<ClusterMembers, ChangeRefusal> changed(const ClusterMembers& current,
                                                                   const MembersChange& change);
/// The configuration that leads from `current` to `target`: the joint one of both, or `target` itself when
/// the voters are the same.
[[nodiscard]] ClusterMembers on_the_way(const ClusterMembers& current, const ClusterMembers& target);
/// For a log line: each name with its role and address.
[[nodiscard]] std::string summary_of(const ClusterMembers& members);
/// Where a joint configuration leads to.
[[nodiscard]] ClusterMembers end_of_joint(const ClusterMembers& joint);

}  // namespace quorate::server
