#pragma once

// Error answers: RFC 9457, application/problem+json.

#include <string_view>

#include "server/http_message.h"

namespace quorate::server {

/// `detail` is for a person, `code` for programs; both are told apart from the status alone, so that a client
/// can act on the code.
[[nodiscard]] HttpResponse problem(int status, std::string_view code, std::string_view detail);

/// The same with a Retry-After header: trying again in `retry_after_s` seconds may help.
[[nodiscard]] HttpResponse retryable_problem(int status, std::string_view code, std::string_view detail,
                                             int retry_after_s);

/// The words of RFC 9110 for a status that this server uses, else "Error".
[[nodiscard]] std::string_view reason_phrase(int status);

}  // namespace quorate::server
