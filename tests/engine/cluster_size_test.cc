// Clusters of every size that the engine serves elect, commit and survive the loss of a minority.

#include <cstdint>

#include <gtest/gtest.h>

#include "tests/support/engine_story.h"

namespace quorate::engine::test {

namespace {

class ClusterSize : public testing::TestWithParam<std::uint64_t> {};

TEST_P(ClusterSize, ElectsAndCommits) {
    EngineStory story(voters(GetParam()));
    story.elect(kS1);
    story.propose(kS1, "x=1");
    story.settle();
    for (std::uint64_t id = 1; id <= GetParam(); ++id) {
        EXPECT_EQ(story.raft(ServerId(id)).leader(), kS1) << id;
        EXPECT_EQ(story.committed_words(ServerId(id)), (std::vector<std::string>{"-", "-", "x=1"})) << id;
    }
}

TEST_P(ClusterSize, LosesAMinorityAndGoesOn) {
    EngineStory story(voters(GetParam()));
    const std::uint64_t minority = (GetParam() - 1) / 2;
    for (std::uint64_t id = GetParam(); id > GetParam() - minority; --id) story.cluster().crash(ServerId(id));
    story.elect(kS1);
    story.propose(kS1, "x=1");
    story.settle();
    EXPECT_EQ(story.raft(kS1).commit_index(), LogIndex(3));
}

// Alone is a majority.
class ClusterSizeFromTwo : public ClusterSize {};

TEST_P(ClusterSizeFromTwo, WithoutAMajorityNobodyLeads) {
    EngineStory story(voters(GetParam()));
    const std::uint64_t minority = (GetParam() - 1) / 2;
    for (std::uint64_t id = GetParam(); id >= GetParam() - minority; --id)
        story.cluster().crash(ServerId(id));
    for (int campaign = 0; campaign < 3; ++campaign) {
        story.time_out(kS1);
        story.settle();
    }
    EXPECT_EQ(story.raft(kS1).role(), RoleName::PreCandidate);
    EXPECT_EQ(story.raft(kS1).current_term(), Term(1));
}

TEST_P(ClusterSize, EachOfItsServersCanLead) {
    for (std::uint64_t id = 1; id <= GetParam(); ++id) {
        EngineStory story(voters(GetParam()));
        story.elect(ServerId(id));
        EXPECT_EQ(story.raft(ServerId(id)).commit_index(), LogIndex(2)) << id;
    }
}

INSTANTIATE_TEST_SUITE_P(TwoToNine, ClusterSizeFromTwo, testing::Range<std::uint64_t>(2, 10),
                         testing::PrintToStringParamName());
INSTANTIATE_TEST_SUITE_P(OneToNine, ClusterSize, testing::Range<std::uint64_t>(1, 10),
                         testing::PrintToStringParamName());

}  // namespace

}  // namespace quorate::engine::test
