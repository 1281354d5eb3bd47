#pragma once

// The answer for each outcome, from plain values.

#include <cstdint>
#include <span>
#include <string_view>

#include "server/answers_window.h"
#include "server/command.h"
#include "server/health.h"
#include "server/http_message.h"
#include "server/members_json.h"
#include "server/state_machine.h"
#include "wal/disk.h"
#include "wal/format.h"

namespace quorate::server {

/// 200 with the revision as ETag.
[[nodiscard]] HttpResponse put_ok(const ApplyResult& result);
[[nodiscard]] HttpResponse delete_ok(const ApplyResult& result);
[[nodiscard]] HttpResponse batch_ok(const ApplyResult& result);
/// 412, with the key's present ETag unless it is absent.
[[nodiscard]] HttpResponse condition_failed(const ApplyResult& result, Condition::Kind condition);
/// An answer to a write with an Idempotency-Key, with a session that begins now; whether it is a repetition.
[[nodiscard]] HttpResponse with_session(HttpResponse response, const ApplyResult& result);
/// 422.
[[nodiscard]] HttpResponse idempotency_key_reused();
/// 410: it may have happened before.
[[nodiscard]] HttpResponse session_expired();
/// 429: nothing happened.
[[nodiscard]] HttpResponse idempotency_keys_full();
[[nodiscard]] HttpResponse session_begun(std::uint64_t session, const AnswersLimits& limits,
                                         std::uint64_t revision);
[[nodiscard]] HttpResponse get_found(const Record& record, std::uint64_t revision);
[[nodiscard]] HttpResponse key_not_found(std::string_view key, std::uint64_t revision);
/// 410: what the store held at `asked` is forgotten.
[[nodiscard]] HttpResponse revision_compacted(std::uint64_t asked, std::uint64_t oldest);
/// 400: the store has not been at `asked` yet.
[[nodiscard]] HttpResponse revision_not_reached(std::uint64_t asked, std::uint64_t revision);
/// A line of JSON for each entry. Quorate-Next is the last key, percent-encoded (percent.h) so that it can be
/// pasted behind "after=", and is there only when the range goes on.
[[nodiscard]] HttpResponse render_range(const RangePage& page, std::uint64_t revision);

[[nodiscard]] HttpResponse whois(const NodeHealth& health);
[[nodiscard]] HttpResponse render_health(const NodeHealth& health);
/// 503 when no leader is known.
[[nodiscard]] HttpResponse cluster_leader(const LeaderView& view);
[[nodiscard]] HttpResponse cluster_nodes(std::string_view cluster_id, std::span<const NodeHealth> nodes);

[[nodiscard]] HttpResponse cluster_members(const MembersView& view);
/// 409: another change of the members is under way, or the leader has just been elected.
[[nodiscard]] HttpResponse change_in_progress();
/// 410: this server was removed from the cluster; nothing happened.
[[nodiscard]] HttpResponse node_removed();

/// 200: the target has taken over, so that this server does not lead any more.
[[nodiscard]] HttpResponse transfer_done(std::string_view from);
/// 400: `to` is no voter, is the leader itself, or has not been heard of lately.
[[nodiscard]] HttpResponse no_such_target(std::string_view to);
/// 409: a later request took its place.
[[nodiscard]] HttpResponse transfer_replaced();
/// 503: the target did not take over in time; this server leads on.
[[nodiscard]] HttpResponse transfer_timed_out();

/// 409 with "error" and "leader" beside the problem's fields; "leader" is null when it is unknown.
[[nodiscard]] HttpResponse not_leader(const LeaderView& view);
/// 503: nothing happened; an election is likely under way.
[[nodiscard]] HttpResponse no_leader();
/// 503: nothing happened; the link to the leader is down, or as full as it may be.
[[nodiscard]] HttpResponse leader_unreachable();
/// 503: no quorum confirmed the read in time.
[[nodiscard]] HttpResponse lease_not_configured();
[[nodiscard]] HttpResponse read_timed_out();
/// 503: this server has too much to do; nothing happened.
[[nodiscard]] HttpResponse overloaded();
/// 503: this server is about to end; nothing happened.
[[nodiscard]] HttpResponse shutting_down();
/// 503: nothing happened, and nothing will.
[[nodiscard]] HttpResponse not_applied();
/// 503: it may have happened, or happen later.
[[nodiscard]] HttpResponse outcome_unknown();
/// 507: nothing happened.
[[nodiscard]] HttpResponse disk_full();
/// 503: of a read, on a node whose disk is full and which cannot follow any more.
[[nodiscard]] HttpResponse store_behind();

/// 200: the snapshot is durable.
[[nodiscard]] HttpResponse snapshot_taken(const wal::SnapshotMeta& snapshot);
/// 507: there was no room for it; nothing else has changed.
[[nodiscard]] HttpResponse no_room_for_snapshot(const wal::DiskFailure& lacking);
/// 200, without the body, which comes in parts.
[[nodiscard]] HttpResponse backup_begun(std::uint64_t revision);
/// 503: the store is not there yet; nothing happened.
[[nodiscard]] HttpResponse store_loading();

}  // namespace quorate::server
