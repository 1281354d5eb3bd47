// How long a lease lasts, and from when.

#include "server/lease.h"

#include <cstdint>

#include <gtest/gtest.h>

namespace quorate::server {
namespace {

using engine::Round;
using engine::Term;

constexpr Term kTerm{3};

TEST(LeaseMs, IsWhatTheFastestClockLeavesToTheSlowest) {
    engine::Config raft;
    raft.election_timeout_ticks_min = 50;
    EXPECT_EQ(lease_ms(raft, 10, 1), 479U);
    EXPECT_EQ(lease_ms(raft, 10, 1000), 479U);
    EXPECT_EQ(lease_ms(raft, 10, 100'000), 392U);
    EXPECT_EQ(lease_ms(raft, 10, 999'999), 0U);
    raft.election_timeout_ticks_min = 2;
    EXPECT_EQ(lease_ms(raft, 10, 1), 0U) << "no more than the clock's grain";
    EXPECT_EQ(lease_ms(raft, 1, 1), 0U);
    raft.election_timeout_ticks_min = 600'000;
    EXPECT_EQ(lease_ms(raft, 6000, 1), 3'599'993'989U - 7'199U);
}

TEST(Lease, CountsFromTheRoundsBeginning) {
    Lease lease(640);
    EXPECT_FALSE(lease.lasts(kTerm, Round(0), 0));
    EXPECT_FALSE(lease.lasts(kTerm, Round(1), 0));
    lease.note_round(kTerm, Round(1), 1000);
    EXPECT_FALSE(lease.lasts(kTerm, Round(0), 1000));
    EXPECT_TRUE(lease.lasts(kTerm, Round(1), 1639));
    EXPECT_FALSE(lease.lasts(kTerm, Round(1), 1640));
    lease.note_round(kTerm, Round(2), 1100);
    EXPECT_FALSE(lease.lasts(kTerm, Round(1), 1640)) << "the later one is not answered yet";
    EXPECT_TRUE(lease.lasts(kTerm, Round(2), 1739));
    EXPECT_FALSE(lease.lasts(kTerm, Round(2), 1740));
}

TEST(Lease, ARoundOfAnotherTermIsAnotherRound) {
    Lease lease(640);
    lease.note_round(kTerm, Round(7), 1000);
    EXPECT_FALSE(lease.lasts(kTerm.next(), Round(7), 1001));
    lease.note_round(kTerm.next(), Round(9), 1100);
    EXPECT_FALSE(lease.lasts(kTerm.next(), Round(7), 1101));
    EXPECT_FALSE(lease.lasts(kTerm, Round(7), 1101));
}

// Of a round whose time is not kept that of an earlier one counts.
TEST(Lease, RoundsThatFollowAtOnceCountAsBegunWithTheFirst) {
    Lease lease(640);
    for (std::uint64_t i = 0; i < 10; ++i) lease.note_round(kTerm, Round(1 + i), 1000 + i);
    EXPECT_TRUE(lease.lasts(kTerm, Round(10), 1639));
    EXPECT_FALSE(lease.lasts(kTerm, Round(10), 1640)) << "it began at 1009";
    lease.note_round(kTerm, Round(11), 1010);
    EXPECT_TRUE(lease.lasts(kTerm, Round(11), 1649));
    lease.note_round(kTerm, Round(15), 1200);
    EXPECT_FALSE(lease.lasts(kTerm, Round(14), 1650)) << "begun with the 15th, or before";
}

TEST(Lease, KeepsAllRoundsThatMayCountAndNoMore) {
    for (const std::uint64_t lease_ms :
         {std::uint64_t{1}, std::uint64_t{50}, std::uint64_t{640}, std::uint64_t{6400}}) {
        Lease lease(lease_ms);
        for (std::uint64_t round = 1; round <= 20'000; ++round) {
            lease.note_round(kTerm, Round(round), round);
            if (round <= lease_ms) continue;
            const std::uint64_t back = lease_ms - 1 - lease_ms / 64;
            EXPECT_TRUE(lease.lasts(kTerm, Round(round - back), round)) << lease_ms;
            EXPECT_FALSE(lease.lasts(kTerm, Round(round - lease_ms), round)) << lease_ms;
        }
    }
}

TEST(Lease, OfNoLengthNeverLasts) {
    Lease lease(0);
    lease.note_round(kTerm, Round(1), 1000);
    EXPECT_FALSE(lease.lasts(kTerm, Round(1), 1000));
}

}  // namespace
}  // namespace quorate::server
