#include "server/members_change.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "engine/check.h"
#include "server/percent.h"

namespace quorate::server {

using engine::ServerId;

namespace {

using Refused = std::optional<ChangeRefusal>;

Member* find(ClusterMembers& members, std::string_view name) {
    const auto found = std::ranges::find(members.members, name, &Member::name);
    return found != members.members.end() ? &*found : nullptr;
}

ChangeRefusal unknown(std::string_view name) {
    return {404, "unknown_member",
            fmt::format("'{}' is no member of this cluster; GET /cluster/members tells who is",
                        percent_encode_shortened(name))};
}

void forget(ClusterMembers& members, ServerId id) {
    std::erase_if(members.members, [&](const Member& member) { return member.id == id; });
    const auto place = std::ranges::lower_bound(members.removed, id);
    if (place == members.removed.end() || *place != id) members.removed.insert(place, id);
}

Refused change_role(Member& known, std::optional<bool> stays_learner) {
    if (!stays_learner) return std::nullopt;
    if (known.role != MemberRole::Voter) {
        known.role = *stays_learner ? MemberRole::Learner : MemberRole::JoiningLearner;
        return std::nullopt;
    }
    if (!*stays_learner) return std::nullopt;
    return ChangeRefusal{409, "already_a_member",
                         fmt::format("'{}' votes, and no voter becomes a learner: remove it, and let another "
                                     "node join as one",
                                     known.name)};
}

Refused add(ClusterMembers& members, const MembersChange::Addition& addition) {
    const auto& [name, address, stays_learner] = addition;
    if ((!is_name(name) && !is_address(name)) || !can_be_reached(address)) {
        return ChangeRefusal{
            400, "invalid_member",
            fmt::format("a member has a nodeId, 1 to {} of A-Z a-z 0-9 . _ - or HOST:PORT, and an addr "
                        "HOST:PORT; seen '{}' at '{}'",
                        kNameBytesMax, percent_encode_shortened(name), percent_encode_shortened(address))};
    }
    const ServerId id = server_id_of(name);
    const auto known = std::ranges::find(members.members, id, &Member::id);
    if (known != members.members.end()) {
        if (known->name == name && known->address == address) return change_role(*known, stays_learner);
        return ChangeRefusal{409, "already_a_member",
                             fmt::format("'{}' is a member at {}; to move it there, ask for \"move\"",
                                         known->name, known->address)};
    }
    if (members.has_removed(id)) {
        return ChangeRefusal{409, "removed_before",
                             fmt::format("'{}' was a member and has been removed: what it promised goes with "
                                         "its name; give the new node another one",
                                         name)};
    }
    if (members.members.size() >= kMembersLimit) {
        return ChangeRefusal{409, "too_many_members",
                             fmt::format("a cluster has at most {} members", kMembersLimit)};
    }
    const auto place = std::ranges::lower_bound(members.members, id, {}, &Member::id);
    members.members.insert(
        place, {id, name, address, stays_learner == true ? MemberRole::Learner : MemberRole::JoiningLearner});
    return std::nullopt;
}

Refused remove(ClusterMembers& members, const std::string& name) {
    const Member* member = find(members, name);
    // Whoever asks again means the same.
    if (member == nullptr)
        return members.has_removed(server_id_of(name)) ? Refused() : Refused(unknown(name));
    if (members.removed.size() >= kRemovedMax) {
        return ChangeRefusal{409, "too_many_removed",
                             fmt::format("{} members have been removed, and each is remembered: back up, and "
                                         "begin a new cluster with --restore",
                                         kRemovedMax)};
    }
    forget(members, member->id);
    return std::nullopt;
}

Refused promote(ClusterMembers& members, const std::string& name) {
    Member* member = find(members, name);
    if (member == nullptr) return unknown(name);
    member->role = MemberRole::Voter;
    return std::nullopt;
}

Refused move(ClusterMembers& members, const MembersChange::Move& move) {
    Member* member = find(members, move.name);
    if (member == nullptr) return unknown(move.name);
    if (!can_be_reached(move.address)) {
        return ChangeRefusal{400, "invalid_member",
                             fmt::format("an address is HOST:PORT at which others reach the member, not '{}'",
                                         percent_encode_shortened(move.address))};
    }
    member->address = move.address;
    return std::nullopt;
}

// Together they would mean whatever is done last.
Refused none_twice(const MembersChange& change) {
    std::vector<std::string_view> names(change.promote.begin(), change.promote.end());
    names.insert(names.end(), change.remove.begin(), change.remove.end());
    const auto add_names = [&](const auto& items) {
        std::ranges::transform(items, std::back_inserter(names),
                               [](const auto& item) -> std::string_view { return item.name; });
    };
    add_names(change.add);
    add_names(change.move);
    std::ranges::sort(names);
    const auto twice = std::ranges::adjacent_find(names);
    if (twice == names.end()) return std::nullopt;
    return ChangeRefusal{400, "invalid_member",
                         fmt::format("'{}' is named twice: a change says one thing of each member",
                                     percent_encode_shortened(*twice))};
}

// The first refusal among all that is asked for.
template <class Item>
Refused each(ClusterMembers& members, const std::vector<Item>& items,
             Refused (*make)(ClusterMembers&, const Item&)) {
    for (const Item& item : items) {
        if (auto refused = make(members, item)) return refused;
    }
    return std::nullopt;
}

}  // namespace

std::expected<ClusterMembers, ChangeRefusal> changed(const ClusterMembers& current,
                                                     const MembersChange& change) {
    ENGINE_CHECK(!current.membership().is_joint());
    ClusterMembers target = current;
    Refused refused = none_twice(change);
    if (!refused) refused = each(target, change.add, add);
    if (!refused) refused = each(target, change.promote, promote);
    if (!refused) refused = each(target, change.remove, remove);
    if (!refused) refused = each(target, change.move, move);
    if (refused) return std::unexpected(std::move(*refused));
    for (const Member& member : target.members) {
        const auto others = std::ranges::count(target.members, member.address, &Member::address);
        if (others > 1) {
            return std::unexpected(
                ChangeRefusal{409, "address_taken",
                              fmt::format("two members would be at {}: remove or move the other one first",
                                          member.address)});
        }
    }
    const auto voters = target.membership().voters.size();
    if (voters == 0) {
        return std::unexpected(ChangeRefusal{
            409, "last_voter", "no voter would be left: add another one first, and wait until it votes"});
    }
    if (voters > kVotersLimit) {
        return std::unexpected(ChangeRefusal{
            409, "too_many_voters",
            fmt::format("a cluster has at most {} voters: three or five serve best", kVotersLimit)});
    }
    return target;
}

ClusterMembers on_the_way(const ClusterMembers& current, const ClusterMembers& target) {
    if (current.membership().voters == target.membership().voters) return target;
    ClusterMembers joint = target;
    for (Member& member : joint.members) {
        const Member* before = current.find(member.id);
        const bool voted = before != nullptr && before->role == MemberRole::Voter;
        if (voted && member.role == MemberRole::Voter) member.role = MemberRole::ContinuingVoter;
    }
    for (const Member& before : current.members) {
        if (before.role != MemberRole::Voter || target.find(before.id) != nullptr) continue;
        std::erase(joint.removed, before.id);
        Member leaving = before;
        leaving.role = MemberRole::OutgoingVoter;
        joint.members.insert(std::ranges::lower_bound(joint.members, before.id, {}, &Member::id), leaving);
    }
    return joint;
}

std::string summary_of(const ClusterMembers& members) {
    std::string text;
    const bool is_joint = members.membership().is_joint();
    for (const Member& member : members.members)
        text += fmt::format("{}{} ({} at {})", text.empty() ? "" : ", ", member.name,
                            role_text(member.role, is_joint), member.address);
    return text;
}

ClusterMembers end_of_joint(const ClusterMembers& joint) {
    ClusterMembers target = joint;
    for (const Member& member : joint.members) {
        if (member.role == MemberRole::OutgoingVoter) forget(target, member.id);
    }
    for (Member& member : target.members) {
        if (member.role == MemberRole::ContinuingVoter) member.role = MemberRole::Voter;
    }
    return target;
}

}  // namespace quorate::server
