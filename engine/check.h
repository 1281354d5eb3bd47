#pragma once

// Checks are sentences about our own code; they stay on in release builds. Foreign input is never checked
// with them.

#include <functional>

namespace quorate::engine {

/// Says the sentence and where it stands on standard error, and aborts.
[[noreturn, gnu::cold]] void check_failed(const char* sentence, const char* file, int line);

/// Is told of a check that fails in place of standard error; then the process aborts.
using CheckHook = std::function<void(const char* sentence, const char* file, int line)>;
/// One for the process; empty: standard error again. Not while other threads run.
void set_check_hook(CheckHook hook);

}  // namespace quorate::engine

/// Stops the process when `condition` is false: going on would risk acknowledged data.
#define ENGINE_CHECK(condition)                                                            \
    do {                                                                                   \
        if (!(condition)) ::quorate::engine::check_failed(#condition, __FILE__, __LINE__); \
    } while (false)

/// Says that either outcome is legal here: checked documentation for a reader who would "fix" it.
#define ENGINE_MAYBE(condition) static_cast<void>(condition)
