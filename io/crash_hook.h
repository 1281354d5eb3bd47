#pragma once

#include <functional>

namespace quorate::io {

/// While it lives, its function is called once when the process is about to die of SIGABRT (as of a failed
/// check), SIGSEGV, SIGBUS, SIGFPE or SIGILL, which it then does as it would have. The function must neither
/// take memory nor wait: it is called in whatever state that left the process. Only on the thread that made
/// the hook, whose data it may look at: when another one breaks, that thread may be in the middle of changing
/// them, and the function is not called. One at a time.
class CrashHook {
 public:
    explicit CrashHook(std::function<void()> hook);
    CrashHook(const CrashHook&) = delete;
    CrashHook& operator=(const CrashHook&) = delete;
    ~CrashHook();
};

}  // namespace quorate::io
