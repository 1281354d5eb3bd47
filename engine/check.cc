#include "engine/check.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace quorate::engine {

namespace {

// A check has nobody to hand it down to where it stands.
CheckHook& installed() {
    static CheckHook hook;
    return hook;
}

}  // namespace

void check_failed(const char* sentence, const char* file, int line) {
    // A check that fails in the hook is told as without one.
    if (const CheckHook hook = std::exchange(installed(), nullptr)) {
        hook(sentence, file, line);
    } else {
        std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, sentence);
    }
    std::abort();
}

void set_check_hook(CheckHook hook) { installed() = std::move(hook); }

}  // namespace quorate::engine
