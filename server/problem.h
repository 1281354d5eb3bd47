#pragma once

// Error answers: RFC 9457, application/problem+json.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/http_message.h"

namespace quorate::server {

/// Members of a problem beside the standard ones, in order; null when absent.
using ProblemExtras = std::vector<std::pair<std::string, std::optional<std::string>>>;

/// `detail` is for a person, `code` for programs, which can act on it where the status alone says too little.
[[nodiscard]] HttpResponse problem(int status, std::string_view code, std::string_view detail,
                                   const ProblemExtras& extras = {});

/// The same with a Retry-After header: the same request may succeed in `retry_after_s` seconds.
[[nodiscard]] HttpResponse retryable_problem(int status, std::string_view code, std::string_view detail,
                                             int retry_after_s);

/// The words of RFC 9110 for a status that this server uses, else "Error".
[[nodiscard]] std::string_view reason_phrase(int status);

}  // namespace quorate::server
