#include "server/json_text.h"

#include <absl/strings/escaping.h>
#include <nlohmann/json.hpp>

namespace quorate::server {

namespace {

bool is_continuation(std::string_view bytes, std::size_t at, unsigned char low = 0x80,
                     unsigned char high = 0xBF) {
    if (at >= bytes.size()) return false;
    const auto byte = static_cast<unsigned char>(bytes[at]);
    return byte >= low && byte <= high;
}

// Bytes of the character that begins at `at`, or 0: RFC 3629, section 4.
std::size_t character_bytes(std::string_view bytes, std::size_t at) {
    const auto lead = static_cast<unsigned char>(bytes[at]);
    if (lead < 0x80) return 1;
    if (lead >= 0xC2 && lead <= 0xDF) return is_continuation(bytes, at + 1) ? 2 : 0;
    if (lead >= 0xE0 && lead <= 0xEF) {
        const unsigned char low = lead == 0xE0 ? 0xA0 : 0x80;
        const unsigned char high = lead == 0xED ? 0x9F : 0xBF;
        return is_continuation(bytes, at + 1, low, high) && is_continuation(bytes, at + 2) ? 3 : 0;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        const unsigned char low = lead == 0xF0 ? 0x90 : 0x80;
        const unsigned char high = lead == 0xF4 ? 0x8F : 0xBF;
        const bool whole = is_continuation(bytes, at + 1, low, high) && is_continuation(bytes, at + 2) &&
                           is_continuation(bytes, at + 3);
        return whole ? 4 : 0;
    }
    return 0;
}

}  // namespace

bool is_utf8(std::string_view bytes) {
    for (std::size_t at = 0; at < bytes.size();) {
        const std::size_t size = character_bytes(bytes, at);
        if (size == 0) return false;
        at += size;
    }
    return true;
}

void append_json_string(std::string& out, std::string_view text) {
    constexpr std::string_view kHex = "0123456789abcdef";
    out.push_back('"');
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out.push_back('\\');
            out.push_back(c);
        } else if (c == '\n') {
            out.append("\\n");
        } else if (byte < 0x20 || byte == 0x7F) {
            out.append("\\u00");
            out.push_back(kHex[byte >> 4U]);
            out.push_back(kHex[byte & 0xFU]);
        } else {
            out.push_back(c);
        }
    }
    out.push_back('"');
}

void append_json_bytes(std::string& out, std::string_view name, std::string_view bytes) {
    out.push_back('"');
    out.append(name);
    if (is_utf8(bytes)) {
        out.append("\":");
        append_json_string(out, bytes);
    } else {
        out.append("_b64\":\"")
            .append(absl::Base64Escape(absl::string_view(bytes.data(), bytes.size())))
            .push_back('"');
    }
}

void append_pair_line(std::string& out, std::string_view key, std::string_view value) {
    out.push_back('{');
    append_json_bytes(out, "k", key);
    out.push_back(',');
    append_json_bytes(out, "v", value);
    out.append("}\n");
}

std::string json_line(const nlohmann::ordered_json& json) {
    return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n';
}

}  // namespace quorate::server
