#include "engine/format.h"

#include <set>
#include <string_view>
#include <type_traits>

#include <gtest/gtest.h>

namespace quorate::engine::test {

namespace {

/// The names of first..last; they must all be different.
template <class Enum>
std::set<std::string_view> names(Enum first, Enum last) {
    using Number = std::underlying_type_t<Enum>;
    std::set<std::string_view> found;
    for (auto i = static_cast<unsigned>(first); i <= static_cast<unsigned>(last); ++i)
        EXPECT_TRUE(found.insert(to_string(static_cast<Enum>(static_cast<Number>(i)))).second) << i;
    return found;
}

using Names = std::set<std::string_view>;

TEST(Format, EveryEnumeratorHasItsOwnName) {
    EXPECT_EQ(names(RoleName::Follower, RoleName::Leader),
              (Names{"Follower", "PreCandidate", "Candidate", "Leader"}));
    EXPECT_EQ(names(CampaignKind::PreVote, CampaignKind::Transfer),
              (Names{"PreVote", "Election", "Transfer"}));
    EXPECT_EQ(names(EntryKind::NoOp, EntryKind::Membership), (Names{"NoOp", "Command", "Membership"}));
    EXPECT_EQ(names(RefusalReason::NotLeader, RefusalReason::ChangeInProgress),
              (Names{"NotLeader", "Transferring", "Overloaded", "ChangeInProgress"}));
    EXPECT_EQ(names(TransferOutcome::Done, TransferOutcome::Replaced),
              (Names{"Done", "NoTarget", "SteppedDown", "TimedOut", "Replaced"}));
    EXPECT_EQ(names(ProgressState::Probe, ProgressState::Snapshot),
              (Names{"Probe", "Replicate", "Snapshot"}));
}

TEST(Format, EveryNoteHasItsOwnName) {
    const Names all = names(NoteKind::ElectionTimeoutElapsed, NoteKind::RemovedPeerLost);
    EXPECT_EQ(all.size(), kNoteKindCount);
    EXPECT_EQ(to_string(NoteKind::VoteRefusedLogBehind), "VoteRefusedLogBehind");
}

}  // namespace

}  // namespace quorate::engine::test
