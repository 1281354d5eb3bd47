#pragma once

// How quoratectl shows what a cluster answers: to people, and as JSON to programs.

#include <optional>
#include <string>
#include <string_view>

#include "server/http_message.h"

namespace quorate::server {

/// Printable UTF-8 as it is; anything else, and what has a '%', percent-encoded: so that percent_decode() of
/// what is shown is what was there.
[[nodiscard]] std::string shown_bytes(std::string_view bytes);

/// What a user has typed, as it is when it is printable.
[[nodiscard]] std::string shown_text(std::string_view typed);

/// A line: {"k":…,"v":…,"etag":"7","revision":12}.
[[nodiscard]] std::string shown_value_json(std::string_view key, const HttpResponse& response);

/// Of a put, del or batch: "OK, revision 12", and what was deleted.
[[nodiscard]] std::string shown_write(const HttpResponse& response);
[[nodiscard]] std::string shown_write_json(const HttpResponse& response);

/// A line of GET /kv/range, without its LF: "KEY\tVALUE". Nothing when it is none.
[[nodiscard]] std::optional<std::string> shown_pair(std::string_view line, bool has_value);
/// The same as JSON.
[[nodiscard]] std::optional<std::string> shown_pair_json(std::string_view line, bool has_value);

/// Tables, of the bodies of GET /cluster/nodes and of GET /cluster/members.
[[nodiscard]] std::string shown_nodes(std::string_view body);
[[nodiscard]] std::string shown_members(std::string_view body);
/// A sentence, of that of POST /cluster/transfer and of the one of GET /cluster/leader afterwards, which may
/// be empty.
[[nodiscard]] std::string shown_transfer(std::string_view body, std::string_view leader);
/// A sentence, of that of POST /admin/snapshot.
[[nodiscard]] std::string shown_snapshot(std::string_view body);

/// Whether a node of GET /cluster/nodes leads.
[[nodiscard]] bool has_leading_node(std::string_view body);
/// Of a body of GET /cluster/members: the address of who leads, if that is known, and of this member.
[[nodiscard]] std::optional<std::string> leader_of_members(std::string_view body);
[[nodiscard]] std::optional<std::string> address_of_member(std::string_view body, std::string_view name);

}  // namespace quorate::server
