// The last words of a process.

#include "io/crash_hook.h"

#include <csignal>
#include <cstdlib>
#include <string_view>
#include <thread>

#include <gtest/gtest.h>
#include <unistd.h>

namespace quorate::io {
namespace {

void say(std::string_view words) { EXPECT_GT(::write(STDERR_FILENO, words.data(), words.size()), 0); }

TEST(CrashHookDeathTest, IsCalledOnceAndTheProcessDiesAsItWould) {
    // The other signals belong to the sanitizers where there are any, which end the process their own way.
    const auto die = [] {
        const CrashHook hook([] { say("last words\n"); });
        std::abort();
    };
    EXPECT_EXIT(die(), testing::KilledBySignal(SIGABRT), "^last words\n$");
}

TEST(CrashHookDeathTest, WhatBreaksInTheHookIsFinal) {
    const auto die = [] {
        const CrashHook hook([] {
            say("last words\n");
            std::abort();
        });
        std::abort();
    };
    EXPECT_EXIT(die(), testing::KilledBySignal(SIGABRT), "^last words\n$");
}

// What it looks at may be in the middle of a change.
TEST(CrashHookDeathTest, IsNotCalledOnAnotherThread) {
    const auto die = [] {
        const CrashHook hook([] { say("last words\n"); });
        std::thread([] { std::abort(); }).join();
    };
    EXPECT_EXIT(die(), testing::KilledBySignal(SIGABRT), "^$");
}

TEST(CrashHookDeathTest, IsNotCalledOnceItIsGone) {
    const auto die = [] {
        {
            const CrashHook hook([] { say("last words\n"); });
        }
        std::abort();
    };
    EXPECT_EXIT(die(), testing::KilledBySignal(SIGABRT), "^$");
}

}  // namespace
}  // namespace quorate::io
