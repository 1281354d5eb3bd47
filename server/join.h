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
#include "wal/disk.h"
#include "wal/refusal.h"

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
/// it begins with one, as a cluster that began so needs.
[[nodiscard]] std::expected<JoinAnswer, JoinFailure> join_cluster(const std::vector<std::string>& contacts,
                                                                  std::string_view cluster_id,
                                                                  const Member& self, bool has_backup,
                                                                  const AskOther& ask);

/// Marks an empty directory, or one that is marked and whose log was not there yet, as that of a node that
/// has a place in a cluster: without --join no start goes on with it then, for it would be a cluster of its
/// own. What an interrupted beginning has left goes. Locks the directory.
[[nodiscard]] std::expected<void, wal::Refusal> begin_joining(wal::Disk& disk);

/// The log is there, and with it the cluster that it is of.
[[nodiscard]] std::expected<void, wal::Refusal> end_joining(wal::Disk& disk);

/// Whether a directory with these files is marked.
[[nodiscard]] bool is_joining(const std::vector<wal::FileStatus>& files);

/// Why a start without --join does not go on with a directory that is.
inline constexpr std::string_view kJoiningAdvice =
    "joining: the first start with --join was interrupted before the log was there: start again with --join";

}  // namespace quorate::server
