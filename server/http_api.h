#pragma once

// What a request asks for: routes, methods, parameters and limits, without side effects.
//
// Paths are split before they are decoded, and decoded once: everything behind "/kv/" is the key, whatever it
// contains. Dot segments, double and trailing slashes are part of it, '+' is a plus, and every byte from %00
// to %FF may be written. "/kv/range" (GET, HEAD) and
// "/kv/batch" (POST) are routes when they are written exactly so.
// A write that carries an Idempotency-Key happens once, however often it is sent; with a Quorate-Session it
// is refused rather than forgotten (answered_writes.h).

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <variant>

#include "server/command.h"
#include "server/http_message.h"
#include "server/members_change.h"
#include "server/state_machine.h"

namespace quorate::server {

struct ApiLimits {
    std::size_t key_bytes_max = 4096;
    std::size_t value_bytes_max = std::size_t{4} << 20;
    std::size_t batch_bytes_max = std::size_t{4} << 20;
    std::size_t batch_operations_max = 10'000;
    /// Of the keys and values in one answer of /kv/range, which then ends before its limit and names the next
    /// key.
    std::size_t range_bytes_max = std::size_t{8} << 20;

    bool operator==(const ApiLimits&) const = default;
};

inline constexpr std::size_t kRangeLimitDefault = 1000;
inline constexpr std::size_t kRangeLimitMax = 100'000;

/// PUT /kv/<key>. The command has one operation, as that of DeleteCall.
struct PutCall {
    Command command;

    bool operator==(const PutCall&) const = default;
};
/// DELETE /kv/<key>.
struct DeleteCall {
    Command command;

    bool operator==(const DeleteCall&) const = default;
};
/// POST /kv/batch.
struct BatchCall {
    Command command;

    bool operator==(const BatchCall&) const = default;
};
/// GET and HEAD /kv/<key>.
struct GetCall {
    std::string key;
    std::optional<std::uint64_t> revision{};  ///< of the past; absent: the present

    bool operator==(const GetCall&) const = default;
};
/// GET and HEAD /kv/range.
struct RangeCall {
    RangeQuery range;

    bool operator==(const RangeCall&) const = default;
};
/// POST /sessions: what a client names as its Quorate-Session. A read, since it costs the cluster nothing.
struct SessionCall {
    bool operator==(const SessionCall&) const = default;
};
struct WhoisCall {
    bool operator==(const WhoisCall&) const = default;
};
struct HealthCall {
    bool operator==(const HealthCall&) const = default;
};
struct ClusterLeaderCall {
    bool operator==(const ClusterLeaderCall&) const = default;
};
struct ClusterNodesCall {
    bool operator==(const ClusterNodesCall&) const = default;
};
/// POST /cluster/transfer. For the leader; whoever is not says who is.
struct TransferCall {
    std::string to;  ///< a member's name; empty: the one that has most of the log

    bool operator==(const TransferCall&) const = default;
};

/// GET /cluster/members: as the node that is asked knows them.
struct MembersCall {
    bool operator==(const MembersCall&) const = default;
};
/// POST /cluster/members, DELETE /cluster/members/<name>. For the leader; whoever is not says who is.
struct MembersChangeCall {
    MembersChange change;

    bool operator==(const MembersChangeCall&) const = default;
};

/// POST /admin/snapshot: of the store of the node that is asked.
struct SnapshotCall {
    bool operator==(const SnapshotCall&) const = default;
};

/// GET /admin/backup: of the store of the node that is asked.
struct BackupCall {
    bool operator==(const BackupCall&) const = default;
};

enum class Consistency : std::uint8_t { Linearizable, Lease, Stale };

struct ApiCall {
    std::variant<PutCall, DeleteCall, BatchCall, GetCall, RangeCall, SessionCall, WhoisCall, HealthCall,
                 ClusterLeaderCall, ClusterNodesCall, MembersCall, MembersChangeCall, TransferCall,
                 SnapshotCall, BackupCall>
        call;
    Consistency consistency =
        Consistency::Linearizable;  ///< of GetCall, RangeCall, SessionCall and BackupCall
    bool forward = true;            ///< false: only the leader may answer, anyone else says who leads

    bool operator==(const ApiCall&) const = default;
};

/// The call, or the answer that refuses it.
[[nodiscard]] std::expected<ApiCall, HttpResponse> parse_call(const HttpRequest& request,
                                                              const ApiLimits& limits);

/// Moves the command out of a PutCall, DeleteCall or BatchCall; the call still says which it was, and keeps
/// its condition.
[[nodiscard]] Command take_command(ApiCall& call);

}  // namespace quorate::server
