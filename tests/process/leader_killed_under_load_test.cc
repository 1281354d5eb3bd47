// Ten thousand writes from many clients at default settings, while the leader is killed without warning five
// times and started again.

#include <iostream>

#include <gtest/gtest.h>

#include "tests/support/process_load.h"

namespace quorate::test {
namespace {

TEST(LeaderKilledUnderLoad, EveryAcknowledgedWriteIsThereOnceAndWritesGoOn) {
    constexpr std::size_t kWritesMin = 10'000;
    constexpr int kKills = 5;
    constexpr std::size_t kWriters = 12;

    Cluster cluster(3);
    (void)cluster.wait_for_leader();
    Load load(cluster, kWriters);
    for (int kill = 1; kill <= kKills; ++kill) {
        ASSERT_TRUE(load.wait_for(kWritesMin / (kKills + 1)));
        const std::size_t leader = cluster.wait_for_leader();
        cluster.kill(leader);
        const std::optional<std::chrono::milliseconds> taken = load.time_to_next_write();
        ASSERT_TRUE(taken) << "no write succeeds after kill " << kill;
        std::cout << "kill " << kill << ": " << cluster.name(leader)
                  << " led; a write begun after it succeeded within " << taken->count() << " ms\n";
        cluster.start(leader);
        ASSERT_TRUE(cluster.wait_until_caught_up(leader));
    }
    ASSERT_TRUE(eventually([&] { return load.acknowledged() >= kWritesMin; }));
    load.stop();

    expect_exactly_the_attempts(cluster, load.attempts());
}

}  // namespace
}  // namespace quorate::test
