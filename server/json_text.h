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

/// Appends "NAME":STRING, or "NAME_b64":STRING with the bytes in base64 when they are no text.
void append_json_bytes(std::string& out, std::string_view name, std::string_view bytes);

/// Appends a key and its value as a line: {"k":…,"v":…}, with append_json_bytes() for each.
void append_pair_line(std::string& out, std::string_view key, std::string_view value);

/// On one line, with an LF at the end. Never throws for its content: bytes that are not UTF-8 become U+FFFD.
[[nodiscard]] std::string json_line(const nlohmann::ordered_json& json);

}  // namespace quorate::server
