#include "io/loop.h"

#include <cstdint>

#include <gtest/gtest.h>
#include <uv.h>

#include "io/timer.h"

namespace quorate::io {
namespace {

TEST(Loop, IsBusyWhileItsCallbacksRunAndNotWhileItWaits) {
    constexpr std::uint64_t kNsPerUs = 1000;
    constexpr std::uint64_t kWorkUs = 3000;
    constexpr std::uint64_t kWaitMs = 20;
    Loop loop;
    Timer timer(loop);
    timer.start(kWaitMs, 0, [&] {
        const std::uint64_t end_ns = uv_hrtime() + kWorkUs * kNsPerUs;
        while (uv_hrtime() < end_ns) {
        }
        loop.stop();
    });
    const std::uint64_t began_us = uv_hrtime() / kNsPerUs;
    const std::uint64_t busy_us = loop.busy_us();
    loop.run();
    const std::uint64_t busy_meanwhile_us = loop.busy_us() - busy_us;
    EXPECT_GE(busy_meanwhile_us, kWorkUs);
    EXPECT_LT(busy_meanwhile_us, uv_hrtime() / kNsPerUs - began_us);
}

}  // namespace
}  // namespace quorate::io
