#pragma once

// Percent-encoding, RFC 3986 section 2.1: between bytes and the visible characters of a target.

#include <optional>
#include <string>
#include <string_view>

namespace quorate::server {

/// Decoded exactly once; every byte may come out, and '+' stays a plus. Nothing when a '%' is not followed by
/// two hex digits.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text);

/// Letters, digits and - . _ ~ / : @ , stay; every other byte becomes %XX. The result can be pasted into a
/// path or a query.
[[nodiscard]] std::string percent_encode(std::string_view bytes);

/// The same for a message: of what is longer than kShownBytesMax only the beginning, and "...".
[[nodiscard]] std::string percent_encode_shortened(std::string_view bytes);
inline constexpr std::size_t kShownBytesMax = 64;

}  // namespace quorate::server
