// What quorate-sim says to signals, flags and files, good and bad.

#include <fstream>
#include <iterator>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/process_cluster.h"

namespace quorate::test {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;

TEST(Simulator, ASignalEndsABatchWithItsSummary) {
    for (const int number : {SIGINT, SIGTERM}) {
        const TemporaryDirectory directory;
        Process process({QUORATE_SIM_PATH, "run", "--seeds", "1..1000000000", "--jobs", "2"}, {},
                        directory.path() / "out");
        ASSERT_TRUE(eventually([&] { return process.has_children(); }));
        process.signal(number);
        EXPECT_EQ(process.wait(), (Ending{128 + number, 0}));
        std::ifstream file(directory.path() / "out");
        EXPECT_THAT(std::string(std::istreambuf_iterator<char>(file), {}),
                    AllOf(ContainsRegex("ended by signal [0-9]+ after [0-9]+ of 1000000000 runs"),
                          ContainsRegex("[0-9]+ runs, 0 broken; "), HasSubstr(" entries committed, ")));
    }
}

}  // namespace
}  // namespace quorate::test
