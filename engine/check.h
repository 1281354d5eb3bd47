#pragma once

// Checks are sentences about our own code; they stay on in release builds. Foreign input is never checked
// with them.

namespace quorate::engine {

/// Prints the sentence and where it stands to standard error, and aborts.
[[noreturn]] void check_failed(const char* sentence, const char* file, int line);

}  // namespace quorate::engine

/// Stops the process when `condition` is false: going on would risk acknowledged data.
#define ENGINE_CHECK(condition)                                                            \
    do {                                                                                   \
        if (!(condition)) ::quorate::engine::check_failed(#condition, __FILE__, __LINE__); \
    } while (false)

/// Says that either outcome is legal here: checked documentation for a reader who would "fix" it.
#define ENGINE_MAYBE(condition) static_cast<void>(condition)
