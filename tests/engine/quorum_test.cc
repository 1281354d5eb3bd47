#include "engine/quorum.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "tests/support/lone_server.h"

namespace quorate::engine::test {

namespace {

std::vector<ServerId> of_bits(std::uint32_t bits) {
    std::vector<ServerId> ids;
    for (std::uint32_t i = 0; i < 32; ++i) {
        if ((bits >> i & 1U) != 0) ids.emplace_back(i + 1);
    }
    return ids;
}

/// What "more than half" means, counted with nothing but a loop.
bool more_than_half(const std::vector<ServerId>& voters, std::uint32_t who) {
    std::size_t in = 0;
    for (const ServerId id : voters) in += who >> (id.value - 1) & 1U;
    return 2 * in > voters.size();
}

bool decides(const Membership& membership, std::uint32_t who) {
    return more_than_half(membership.voters, who) &&
           (membership.voters_outgoing.empty() || more_than_half(membership.voters_outgoing, who));
}

TEST(Quorum, MajoritiesOfOneToNine) {
    const std::size_t majorities[] = {1, 2, 2, 3, 3, 4, 4, 5, 5};
    for (std::size_t voters = 1; voters <= 9; ++voters)
        EXPECT_EQ(majority_of(voters), majorities[voters - 1]) << voters;
}

// Every set of agreeing servers, in every cluster of up to nine.
TEST(Quorum, EverySetOfServersInEveryCluster) {
    for (std::uint64_t count = 1; count <= 9; ++count) {
        const Membership membership = voters(count);
        for (std::uint32_t who = 0; who < 1U << count; ++who) {
            const auto agrees = [&](ServerId id) { return (who >> (id.value - 1) & 1U) != 0; };
            ASSERT_EQ(has_quorum(membership, agrees), decides(membership, who)) << count << " " << who;
        }
    }
}

TEST(Quorum, AJointConfigurationNeedsBothMajorities) {
    const Membership joint{of_bits(0b000111), of_bits(0b111000), {}};
    const struct {
        std::uint32_t who;
        bool is_quorum;
    } cases[] = {
        {0b000111, false},                     // all of one set
        {0b111000, false}, {0b001111, false},  // four of six: a majority of the union only
        {0b011011, true},  {0b101110, true},  {0b001011, false},
    };
    for (const auto& one : cases) {
        const auto agrees = [&](ServerId id) { return (one.who >> (id.value - 1) & 1U) != 0; };
        EXPECT_EQ(has_quorum(joint, agrees), one.is_quorum) << one.who;
    }
}

TEST(Quorum, VotesOfThree) {
    const Membership three = voters(3);
    const struct {
        std::uint32_t granted;
        std::uint32_t refused;
        Verdict verdict;
    } cases[] = {
        {0b000, 0b000, Verdict::Pending}, {0b001, 0b000, Verdict::Pending},  {0b001, 0b010, Verdict::Pending},
        {0b011, 0b000, Verdict::Won},     {0b011, 0b100, Verdict::Won},      {0b001, 0b110, Verdict::Lost},
        {0b000, 0b110, Verdict::Lost},    {0b1000, 0b001, Verdict::Pending},  // S4 has no vote
    };
    for (const auto& one : cases) {
        EXPECT_EQ(count_votes(three, of_bits(one.granted), of_bits(one.refused)), one.verdict)
            << one.granted << " " << one.refused;
    }
}

TEST(Quorum, OfFourTwoRefusalsAreEnoughToLose) {
    EXPECT_EQ(count_votes(voters(4), of_bits(0b0011), of_bits(0b0100)), Verdict::Pending);
    EXPECT_EQ(count_votes(voters(4), of_bits(0b0011), of_bits(0b1100)), Verdict::Lost);
}

rc::Gen<Membership> any_membership() {
    return rc::gen::map(
        rc::gen::tuple(rc::gen::inRange<std::uint32_t>(1, 512), rc::gen::inRange<std::uint32_t>(0, 512),
                       rc::gen::inRange<std::uint32_t>(0, 512)),
        [](const auto& bits) {
            const auto [voters, outgoing, learners] = bits;
            return Membership{of_bits(voters), of_bits(outgoing), of_bits(learners & ~voters & ~outgoing)};
        });
}

// A vote is won when those who granted it decide; lost when they could not even with all who are silent.
RC_GTEST_PROP(Quorum, VotesAreCountedAsByBruteForce, ()) {
    const Membership membership = *any_membership();
    const auto granted = *rc::gen::inRange<std::uint32_t>(0, 512);
    const auto refused = *rc::gen::inRange<std::uint32_t>(0, 512) & ~granted;
    const Verdict expected = decides(membership, granted)    ? Verdict::Won
                             : decides(membership, ~refused) ? Verdict::Pending
                                                             : Verdict::Lost;
    RC_ASSERT(count_votes(membership, of_bits(granted), of_bits(refused)) == expected);
}

// The largest value such that those who have reached it decide.
RC_GTEST_PROP(Quorum, WhatAQuorumHasReachedIsFoundAsByBruteForce, ()) {
    const Membership membership = *any_membership();
    const auto values =
        *rc::gen::container<std::vector<std::uint64_t>>(9, rc::gen::inRange<std::uint64_t>(0, 12));
    std::uint64_t expected = 0;
    for (std::uint64_t value = 0; value < 12; ++value) {
        std::uint32_t reached = 0;
        for (std::uint32_t i = 0; i < 9; ++i) reached |= (values[i] >= value ? 1U : 0U) << i;
        if (decides(membership, reached)) expected = value;
    }
    const auto found = reached_by_quorum<LogIndex>(
        membership, [&](ServerId id) { return LogIndex(values.at(id.value - 1)); });
    RC_ASSERT(found == LogIndex(expected));
}

}  // namespace

}  // namespace quorate::engine::test
