#include "engine/membership.h"

#include <cstdint>
#include <initializer_list>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/lone_server.h"

namespace quorate::engine::test {

namespace {

std::vector<ServerId> ids(std::initializer_list<std::uint64_t> numbers) {
    std::vector<ServerId> found;
    for (const std::uint64_t number : numbers) found.emplace_back(number);
    return found;
}

std::vector<ServerId> range(std::uint64_t first, std::uint64_t last) {
    std::vector<ServerId> found;
    for (std::uint64_t number = first; number <= last; ++number) found.emplace_back(number);
    return found;
}

TEST(Membership, WellFormedOrNot) {
    const struct {
        const char* what = "";
        Membership membership;
        bool is_well_formed = false;
    } cases[] = {
        {"nobody", {}, false},
        {"one voter", {ids({1}), {}, {}}, true},
        {"sorted voters", {ids({1, 2, 9}), {}, {}}, true},
        {"unsorted voters", {ids({2, 1}), {}, {}}, false},
        {"a voter twice", {ids({1, 1}), {}, {}}, false},
        {"nobody as a voter", {ids({0, 1}), {}, {}}, false},
        {"learners only", {{}, {}, ids({1})}, false},
        {"outgoing voters only", {{}, ids({1}), {}}, false},
        {"joint, apart", {ids({1, 2}), ids({3, 4}), {}}, true},
        {"joint, overlapping", {ids({1, 2}), ids({2, 3}), {}}, true},
        {"unsorted outgoing voters", {ids({1}), ids({3, 2}), {}}, false},
        {"an outgoing voter twice", {ids({1}), ids({2, 2}), {}}, false},
        {"nobody as an outgoing voter", {ids({1}), ids({0, 2}), {}}, false},
        {"a learner", {ids({1}), {}, ids({2})}, true},
        {"unsorted learners", {ids({1}), {}, ids({3, 2})}, false},
        {"a learner twice", {ids({1}), {}, ids({2, 2})}, false},
        {"nobody as a learner", {ids({1}), {}, ids({0})}, false},
        {"a learner that votes", {ids({1, 2}), {}, ids({2})}, false},
        {"a learner that votes in the outgoing set", {ids({1}), ids({2}), ids({2})}, false},
        {"as many as there may be", {range(1, 9), range(10, 18), range(19, kMembersMax)}, true},
        {"one too many", {range(1, 9), range(10, 18), range(19, kMembersMax + 1)}, false},
    };
    for (const auto& one : cases) EXPECT_EQ(one.membership.is_well_formed(), one.is_well_formed) << one.what;
}

TEST(Membership, BecomesAnotherByWayOfTheJointOne) {
    const Membership three{ids({1, 2, 3}), {}, {}};
    const Membership with_learner{ids({1, 2, 3}), {}, ids({4})};
    const Membership joint{ids({1, 2, 4}), ids({1, 2, 3}), {}};
    const Membership after{ids({1, 2, 4}), {}, {}};
    const struct {
        const char* what = "";
        Membership from;
        Membership to;
        bool may = false;
    } cases[] = {
        {"itself", three, three, true},
        {"a learner comes", three, with_learner, true},
        {"a learner goes", with_learner, three, true},
        {"into the joint one", three, joint, true},
        {"out of it", joint, after, true},
        {"past it", three, after, false},
        {"back out of it", joint, three, false},
        {"into a joint one of other voters", after, joint, false},
        {"from one joint one into another", joint, joint, false},
        {"into what is not well-formed", three, Membership{}, false},
    };
    for (const auto& one : cases) EXPECT_EQ(one.from.may_become(one.to), one.may) << one.what;
}

TEST(Membership, WhoIsWho) {
    const Membership membership{ids({2, 5}), ids({1, 2}), ids({3, 7})};
    EXPECT_TRUE(membership.is_joint());
    EXPECT_FALSE(voters(3).is_joint());
    for (std::uint64_t id = 0; id <= 8; ++id) {
        const bool is_voter = id == 1 || id == 2 || id == 5;
        const bool is_learner = id == 3 || id == 7;
        EXPECT_EQ(membership.is_voter(ServerId(id)), is_voter) << id;
        EXPECT_EQ(membership.is_learner(ServerId(id)), is_learner) << id;
        EXPECT_EQ(membership.contains(ServerId(id)), is_voter || is_learner) << id;
    }
    EXPECT_EQ(membership.everyone(), ids({1, 2, 3, 5, 7}));
}

}  // namespace

}  // namespace quorate::engine::test
