// Every scenario that once failed holds now: tests/regressions/*.json.

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

#include "sim/world.h"

namespace quorate::sim {
namespace {

TEST(Regressions, Hold) {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("tests/regressions")) {
        if (entry.path().extension() != ".json") continue;
        ++count;
        std::ifstream file(entry.path(), std::ios::binary);
        const auto plan = plan_from_json(std::string(std::istreambuf_iterator<char>(file), {}));
        ASSERT_TRUE(plan) << entry.path() << ": " << plan.error();
        const RunResult result = run(*plan);
        EXPECT_FALSE(result.violation)
            << entry.path() << ": " << result.violation->property << ": " << result.violation->text;
    }
    EXPECT_GT(count, 0U);
}

}  // namespace
}  // namespace quorate::sim
