#pragma once

// Majorities, thesis §3.4 and §4.3: in a joint configuration every decision needs one of both sets, never one
// of their union.

#include <algorithm>
#include <array>
#include <vector>

#include "engine/check.h"
#include "engine/membership.h"

namespace quorate::engine {

enum class Verdict : std::uint8_t { Pending, Won, Lost };

[[nodiscard]] constexpr std::size_t majority_of(std::size_t voters) { return voters / 2 + 1; }

/// Whether `agrees(id)` holds for a majority of each set of voters.
template <class Agrees>
[[nodiscard]] bool has_quorum(const Membership& membership, Agrees agrees) {
    const auto holds = [&](const std::vector<ServerId>& voters) {
        const auto count = std::ranges::count_if(voters, agrees);
        return static_cast<std::size_t>(count) >= majority_of(voters.size());
    };
    return holds(membership.voters) && (!membership.is_joint() || holds(membership.voters_outgoing));
}

/// The outcome of a vote so far. Lost when the refusals leave some set without a possible majority.
[[nodiscard]] inline Verdict count_votes(const Membership& membership, const std::vector<ServerId>& granted,
                                         const std::vector<ServerId>& refused) {
    const auto in = [](const std::vector<ServerId>& ids) {
        return [&ids](ServerId id) { return std::ranges::binary_search(ids, id); };
    };
    if (has_quorum(membership, in(granted))) return Verdict::Won;
    const auto not_refused = [&](ServerId id) { return !in(refused)(id); };
    return has_quorum(membership, not_refused) ? Verdict::Pending : Verdict::Lost;
}

/// The highest value that a majority of each set of voters has reached; `value_of(id)` is what a voter has.
template <class Value, class ValueOf>
[[nodiscard]] Value reached_by_quorum(const Membership& membership, ValueOf value_of) {
    const auto reached = [&](const std::vector<ServerId>& voters) {
        std::array<Value, kMembersMax> values{};
        ENGINE_CHECK(!voters.empty() && voters.size() <= values.size());
        std::ranges::transform(voters, values.begin(), value_of);
        const auto end = values.begin() + static_cast<std::ptrdiff_t>(voters.size());
        const auto middle = values.begin() + static_cast<std::ptrdiff_t>(majority_of(voters.size()) - 1);
        std::nth_element(values.begin(), middle, end, std::ranges::greater{});
        return *middle;
    };
    const Value incoming = reached(membership.voters);
    return membership.is_joint() ? std::min(incoming, reached(membership.voters_outgoing)) : incoming;
}

}  // namespace quorate::engine
