#include "engine/membership.h"

#include <algorithm>
#include <iterator>

namespace quorate::engine {

namespace {

bool contains_id(const std::vector<ServerId>& ids, ServerId id) {
    return std::ranges::binary_search(ids, id);
}

bool is_sorted_set(const std::vector<ServerId>& ids) {
    return std::ranges::adjacent_find(ids, std::ranges::greater_equal{}) == ids.end() &&
           !contains_id(ids, kNobody);
}

}  // namespace

bool Membership::is_voter(ServerId id) const {
    return contains_id(voters, id) || contains_id(voters_outgoing, id);
}

bool Membership::is_learner(ServerId id) const { return contains_id(learners, id); }

std::vector<ServerId> Membership::everyone() const {
    std::vector<ServerId> all;
    all.reserve(voters.size() + voters_outgoing.size() + learners.size());
    std::ranges::set_union(voters, voters_outgoing, std::back_inserter(all));
    all.insert(all.end(), learners.begin(), learners.end());
    std::ranges::sort(all);
    return all;
}

bool Membership::is_well_formed() const {
    return !voters.empty() && is_sorted_set(voters) && is_sorted_set(voters_outgoing) &&
           is_sorted_set(learners) &&
           std::ranges::none_of(learners, [this](ServerId id) { return is_voter(id); }) &&
           voters.size() + voters_outgoing.size() + learners.size() <= kMembersMax;
}

bool Membership::may_become(const Membership& next) const {
    if (!next.is_well_formed()) return false;
    if (is_joint()) return !next.is_joint() && next.voters == voters;
    return next.is_joint() ? next.voters_outgoing == voters : next.voters == voters;
}

}  // namespace quorate::engine
