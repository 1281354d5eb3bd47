#include "io/crash_hook.h"

#include <array>
#include <csignal>
#include <utility>

#include <unistd.h>

#include "engine/check.h"

namespace quorate::io {

namespace {

constexpr std::array kSignals{SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};

struct Installed {
    std::function<void()> hook;
    pid_t thread = 0;
    std::array<struct sigaction, kSignals.size()> before{};
};

// A signal's handler finds what it needs in a variable of the program, or not at all.
Installed& installed() {
    static Installed all;
    return all;
}

void restore() {
    for (std::size_t i = 0; i < kSignals.size(); ++i)
        ::sigaction(kSignals[i], &installed().before[i], nullptr);
}

void handle(int number) {
    // Whoever handled these before, a sanitizer perhaps, has the last word; and what the hook breaks is
    // final.
    restore();
    if (::gettid() == installed().thread) installed().hook();
    ::raise(number);
}

}  // namespace

CrashHook::CrashHook(std::function<void()> hook) {
    Installed& all = installed();
    ENGINE_CHECK(!all.hook);
    all.hook = std::move(hook);
    all.thread = ::gettid();
    struct sigaction action{};
    action.sa_handler = handle;
    for (std::size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &action, &all.before[i]);
}

CrashHook::~CrashHook() {
    restore();
    installed().hook = nullptr;
}

}  // namespace quorate::io
