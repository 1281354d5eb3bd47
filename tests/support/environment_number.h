#pragma once

// How much of a test is run: all of it, unless an environment variable says otherwise.

#include <cstdint>
#include <cstdlib>

namespace quorate::test {

inline std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

}  // namespace quorate::test
