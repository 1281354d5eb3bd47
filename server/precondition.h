#pragma once

// If-Match and If-None-Match, RFC 9110 section 13.1: an ETag of ours is "<mod revision>".

#include <expected>
#include <string>

#include "server/command.h"
#include "server/http_message.h"

namespace quorate::server {

/// The condition that a write's headers set, or what is wrong with them. A tag that is no mod revision is of
/// no version that ever was: it matches nothing. A weak tag (W/"…") matches nothing under If-Match, and like
/// a strong one under If-None-Match. Only one of the two headers, once, with at most kConditionRevisionsMax
/// tags.
[[nodiscard]] std::expected<Condition, std::string> parse_precondition(const HttpRequest& request);

/// "<mod revision>", quotes included.
[[nodiscard]] std::string etag_of(std::uint64_t mod_revision);

}  // namespace quorate::server
