#pragma once

// How a node that has nothing yet gets into a cluster: it asks one of its members to be added, and learns
// with what the cluster's log begins.

#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "server/http_message.h"
#include "server/members_json.h"

namespace quorate::server {

/// Asks HOST:PORT; an error says why there is no answer.
using AskOther = std::function<std::expected<HttpResponse, std::string>(std::string_view address,
                                                                        const HttpRequest& request)>;

struct JoinFailure {
    std::string text;
    bool is_final = false;  ///< asking again is of no use
};

/// The cluster that `self` belongs to now: as a learner that becomes a voter when it has caught up, or as
/// what it was made a member. Tries each of `contacts` but its own address once, and who leads. `has_backup`:
/// it begins with one, as a cluster that began so needs, and no other takes.
[[nodiscard]] std::expected<JoinAnswer, JoinFailure> join_cluster(const std::vector<std::string>& contacts,
                                                                  std::string_view cluster_id,
                                                                  const Member& self, bool has_backup,
                                                                  const AskOther& ask);

}  // namespace quorate::server
