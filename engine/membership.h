#pragma once

// Who belongs to the cluster, thesis chapter 4. A configuration takes force when it is appended, not when it
// is committed.

#include <span>
#include <vector>

#include "engine/types.h"

namespace quorate::engine {

/// A configuration of the cluster. Joint when voters_outgoing is not empty (thesis §4.3): every decision then
/// needs a majority of both sets. Learners receive the log and count in no quorum (§4.2.1). Each list is
/// sorted and has no repetition; a learner is in neither set of voters.
struct Membership {
    std::vector<ServerId> voters;
    std::vector<ServerId> voters_outgoing;
    std::vector<ServerId> learners;

    bool operator==(const Membership&) const = default;

    [[nodiscard]] bool is_joint() const { return !voters_outgoing.empty(); }
    /// A voter of either set.
    [[nodiscard]] bool is_voter(ServerId id) const;
    [[nodiscard]] bool is_learner(ServerId id) const;
    [[nodiscard]] bool contains(ServerId id) const { return is_voter(id) || is_learner(id); }
    /// Everyone, sorted, each once.
    [[nodiscard]] std::vector<ServerId> everyone() const;
    /// The rules above hold, there is at least one voter, nobody has id zero, and no more than kMembersMax
    /// belong to it.
    [[nodiscard]] bool is_well_formed() const;
    /// Whether `next` may be the configuration after this one (§4.3): other voters only by way of the joint
    /// configuration of both sets, and out of that only into the new set.
    [[nodiscard]] bool may_become(const Membership& next) const;
};

/// Bound of a configuration, voters and learners together. The engine serves voters up to 9; the rest is room
/// for a joint change that replaces all of them.
inline constexpr std::size_t kMembersMax = 32;

/// A configuration and where in the log it stands.
struct MembershipAt {
    LogIndex index;
    Membership membership;

    bool operator==(const MembershipAt&) const = default;
};

}  // namespace quorate::engine
