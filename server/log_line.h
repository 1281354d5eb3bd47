#pragma once

// A log entry as a line of JSON.

#include <cstdint>
#include <string>

#include "engine/types.h"
#include "wal/entry.h"

namespace quorate::server {

enum class Values : std::uint8_t { Left, Shown };

/// {"index":…,"term":…,"kind":"noop"|"command"|"membership",…}, then what it holds: "operations", with
/// "if" and "revisions" when there is a condition, or "forget_through", or "members" and, of a cluster that
/// was restored, "origin". Keys and values are text or base64 (append_json_bytes); values that are left out
/// are "value_bytes". What this version cannot read is "unreadable_bytes", or with values "payload_b64"
/// beside it.
[[nodiscard]] std::string log_line(engine::LogIndex index, const wal::LogEntry& entry, Values values);

/// Whether this version can use the payload of such an entry.
[[nodiscard]] bool is_known_payload(engine::EntryKind kind, std::string_view payload);

}  // namespace quorate::server
