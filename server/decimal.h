#pragma once

// Numbers in texts: digits and nothing else.

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace quorate::server {

/// Nothing when `text` is no decimal number, or one beyond 64 bits. Leading zeros are taken.
[[nodiscard]] inline std::optional<std::uint64_t> parse_decimal(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool is_number = error == std::errc() && end == text.data() + text.size();
    return is_number ? std::optional(number) : std::nullopt;
}

}  // namespace quorate::server
