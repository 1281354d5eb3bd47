#pragma once

// JSON out of bytes that may be anything.

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace quorate::server {

/// Shortest forms only, no surrogates, nothing past U+10FFFF: RFC 3629.
[[nodiscard]] bool is_utf8(std::string_view bytes);

/// Appends `text` as a JSON string, quotes included. Requires is_utf8(text).
void append_json_string(std::string& out, std::string_view text);

/// On one line, with an LF at the end. Never throws for its content: bytes that are not UTF-8 become U+FFFD.
[[nodiscard]] std::string json_line(const nlohmann::ordered_json& json);

}  // namespace quorate::server
