#include "server/http_answers.h"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/json_text.h"
#include "server/percent.h"
#include "server/precondition.h"
#include "server/problem.h"

namespace quorate::server {

using Json = nlohmann::ordered_json;

namespace {

constexpr int kRetryAfterS = 1;  // an election at default settings takes less

HttpHeader revision_header(std::uint64_t revision) { return {"Quorate-Revision", std::to_string(revision)}; }

HttpResponse ok(const ApplyResult& result) {
    return {200, {{"Content-Type", "text/plain"}, revision_header(result.revision)}, "OK\n"};
}

HttpResponse json_response(const Json& json) {
    return {200, {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}}, json_line(json)};
}

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json to_json(const NodeHealth& health) {
    if (!health.up) return {{"up", false}, {"nodeId", health.node_id}, {"addr", health.addr}};
    return {
        {"nodeId", health.node_id},
        {"addr", health.addr},
        {"role", role_text(health.role)},
        {"term", health.term},
        {"leaderId", text_or_null(health.leader_id)},
        {"leaderAddr", text_or_null(health.leader_addr)},
        {"commitIndex", health.commit_index},
        {"lastIndex", health.last_index},
        {"durableIndex", health.durable_index},
        {"appliedIndex", health.applied_index},
        {"snapshotIndex", health.snapshot_index},
        {"firstIndex", health.first_index},
        {"revision", health.revision},
        {"oldestRevision", health.oldest_revision},
        {"keys", health.keys},
        {"bytes", health.bytes},
        {"storage", storage_text(health.storage)},
        {"state", state_text(health.state)},
        {"progress", health.progress},
        {"version", health.version},
    };
}

std::string_view text_of(Condition::Kind condition) {
    switch (condition) {
        case Condition::Kind::None: return "no condition";
        case Condition::Kind::Exists: return "If-Match: *";
        case Condition::Kind::Absent: return "If-None-Match: *";
        case Condition::Kind::RevisionIn: return "If-Match";
        case Condition::Kind::RevisionNotIn: return "If-None-Match";
    }
    std::unreachable();
}

}  // namespace

HttpResponse put_ok(const ApplyResult& result) {
    HttpResponse response = ok(result);
    response.headers.push_back({"ETag", etag_of(result.mod_revision)});
    return response;
}

HttpResponse delete_ok(const ApplyResult& result) {
    HttpResponse response = ok(result);
    response.headers.push_back({"Quorate-Deleted", std::to_string(result.deleted)});
    return response;
}

HttpResponse batch_ok(const ApplyResult& result) { return delete_ok(result); }

HttpResponse condition_failed(const ApplyResult& result, Condition::Kind condition) {
    HttpResponse response =
        problem(412, "condition_failed",
                fmt::format("{} did not hold, since the key {}; nothing was written", text_of(condition),
                            result.mod_revision == 0 ? std::string("does not exist")
                                                     : "has the ETag " + etag_of(result.mod_revision)));
    response.headers.push_back(revision_header(result.revision));
    if (result.mod_revision != 0) response.headers.push_back({"ETag", etag_of(result.mod_revision)});
    return response;
}

HttpResponse with_session(HttpResponse response, const ApplyResult& result) {
    response.headers.push_back({"Quorate-Session", std::to_string(result.session)});
    if (result.standing == ApplyResult::Standing::Repeated)
        response.headers.push_back({"Idempotency-Replayed", "true"});
    return response;
}

HttpResponse idempotency_key_reused() {
    return problem(422, "idempotency_key_reused",
                   "another write came with this Idempotency-Key; nothing was written. Give each write a key "
                   "of its own, and repeat a write as it was");
}

HttpResponse session_expired() {
    return problem(
        410, "session_expired",
        "the answers of this Quorate-Session are forgotten, or it is another cluster's. Nothing was "
        "written now; a write that was sent before may have been. Read what it was about, and go on "
        "with another session (POST /sessions) and another Idempotency-Key");
}

HttpResponse idempotency_keys_full() {
    return retryable_problem(
        429, "idempotency_keys_full",
        "as many answers to writes with an Idempotency-Key are known as may be "
        "(--idempotency-keys): this attempt wrote nothing, and one before it may have. Try "
        "again with the same key later, or use sessions "
        "(POST /sessions), whose answers make room for others",
        kRetryAfterS);
}

HttpResponse session_begun(std::uint64_t session, const AnswersLimits& limits, std::uint64_t revision) {
    // Text, since most programs that read JSON take only 53 bits of a number.
    HttpResponse response =
        json_response({{"session", std::to_string(session)}, {"knownForS", limits.age_ms_max / 1000}});
    response.headers.push_back(revision_header(revision));
    return response;
}

HttpResponse get_found(const Record& record, std::uint64_t revision) {
    return {200,
            {{"Content-Type", "application/octet-stream"},
             {"ETag", etag_of(record.mod_revision)},
             revision_header(revision)},
            std::string(record.value.view())};
}

HttpResponse key_not_found(std::string_view key, std::uint64_t revision) {
    HttpResponse response =
        problem(404, "key_not_found", fmt::format("there is no key '{}'", percent_encode_shortened(key)));
    response.headers.push_back(revision_header(revision));
    return response;
}

HttpResponse revision_compacted(std::uint64_t asked, std::uint64_t oldest) {
    return problem(410, "revision_compacted",
                   fmt::format("revision {} is forgotten: the oldest that can be read is {}", asked, oldest));
}

HttpResponse revision_not_reached(std::uint64_t asked, std::uint64_t revision) {
    return problem(400, "revision_not_reached",
                   fmt::format("revision {} has not been reached: the newest here is {}", asked, revision));
}

HttpResponse render_range(const RangePage& page, std::uint64_t revision) {
    HttpResponse response{200, {{"Content-Type", "application/x-ndjson"}, revision_header(revision)}, {}};
    for (const RangeEntry& entry : page.entries)
        append_pair_line(response.body, entry.key, entry.record->value);
    if (page.more) response.headers.push_back({"Quorate-Next", percent_encode(page.entries.back().key)});
    return response;
}

HttpResponse whois(const NodeHealth& health) {
    return json_response({{"role", role_text(health.role)},
                          {"term", health.term},
                          {"leaderId", text_or_null(health.leader_id)},
                          {"leaderAddr", text_or_null(health.leader_addr)}});
}

HttpResponse render_health(const NodeHealth& health) { return json_response(to_json(health)); }

HttpResponse cluster_leader(const LeaderView& view) {
    if (view.leader_id.empty()) return no_leader();
    return json_response({{"clusterId", view.cluster_id},
                          {"leaderAddr", view.leader_addr},
                          {"leaderId", view.leader_id},
                          {"term", view.term},
                          {"source", view.source}});
}

HttpResponse cluster_nodes(std::string_view cluster_id, std::span<const NodeHealth> nodes) {
    Json list = Json::array();
    for (const NodeHealth& health : nodes) {
        Json node{{"up", health.up}};
        node.update(to_json(health));
        list.push_back(std::move(node));
    }
    return json_response({{"clusterId", cluster_id}, {"nodes", std::move(list)}});
}

HttpResponse cluster_members(const MembersView& view) {
    return {200, {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}}, members_json(view)};
}

HttpResponse change_in_progress() {
    HttpResponse response = problem(
        409, "change_in_progress",
        "another change of the members is under way, or leadership is about to move, or has just moved: "
        "nothing happened; try again when GET /cluster/members shows \"changing\": false");
    response.headers.push_back({"Retry-After", std::to_string(kRetryAfterS)});
    return response;
}

HttpResponse node_removed() {
    return problem(410, "node_removed",
                   "this server was removed from the cluster; nothing happened. Ask another one");
}

HttpResponse transfer_done(std::string_view from) {
    return json_response({{"transferred", true}, {"from", from}});
}

HttpResponse no_such_target(std::string_view to) {
    return problem(
        400, "no_such_target",
        to.empty()
            ? std::string("no other voter has been heard of lately: there is nobody to take over")
            : fmt::format("'{}' is no other voter of this cluster, or has not been heard of lately; GET "
                          "/cluster/nodes tells which are up",
                          percent_encode(to)));
}

HttpResponse transfer_replaced() {
    return problem(409, "transfer_replaced",
                   "a later request to transfer leadership took the place of this one");
}

HttpResponse transfer_timed_out() {
    return retryable_problem(
        503, "transfer_timed_out",
        "the target did not take over within an election timeout: this node leads on. It "
        "may be down, or far behind",
        kRetryAfterS);
}

HttpResponse not_leader(const LeaderView& view) {
    if (view.leader_addr.empty()) return no_leader();
    return problem(409, "not_leader",
                   "this node does not lead: ask the one that does, at " + view.leader_addr,
                   {{"error", "not_leader"}, {"leader", view.leader_addr}});
}

HttpResponse no_leader() {
    return retryable_problem(503, "no_leader", "no leader is known at present; nothing happened",
                             kRetryAfterS);
}

HttpResponse leader_unreachable() {
    return retryable_problem(
        503, "leader_unreachable",
        "this server knows the leader, but its link to it is down or has too much to carry; "
        "nothing happened. Try again, or ask another one",
        kRetryAfterS);
}

HttpResponse lease_not_configured() {
    return problem(
        400, "lease_not_configured",
        "consistency=lease needs a bound on the drift of all nodes' clocks, and this server has none: "
        "start it with --clock-drift-ppm, or leave the parameter out; linearizable reads need no "
        "clock");
}

HttpResponse read_timed_out() {
    return retryable_problem(503, "read_timed_out",
                             "no majority of the cluster confirmed in time that the read would be current",
                             kRetryAfterS);
}

HttpResponse overloaded() {
    return retryable_problem(503, "overloaded", "this server has too much to do; nothing happened",
                             kRetryAfterS);
}

HttpResponse shutting_down() {
    return retryable_problem(503, "shutting_down",
                             "this server is about to stop; nothing happened. Ask another one", kRetryAfterS);
}

HttpResponse not_applied() {
    return retryable_problem(
        503, "not_applied",
        "the leader changed before the write was decided; it did not happen and never will", kRetryAfterS);
}

HttpResponse outcome_unknown() {
    return retryable_problem(503, "outcome_unknown",
                             "the write was not decided in time: it may have happened, may happen later, or "
                             "never. If it had an Idempotency-Key, send it again as it was; else read before "
                             "writing again",
                             kRetryAfterS);
}

HttpResponse snapshot_taken(const wal::SnapshotMeta& snapshot) {
    return json_response({{"snapshotIndex", snapshot.last.index.value},
                          {"term", snapshot.last.term.value},
                          {"bytes", snapshot.bytes}});
}

HttpResponse no_room_for_snapshot(const wal::DiskFailure& lacking) {
    return problem(507, "disk_full",
                   fmt::format("this server has no room for a snapshot ({}: {}); nothing else has changed. "
                               "Make room, then ask again",
                               lacking.file, lacking.detail));
}

HttpResponse backup_begun(std::uint64_t revision) {
    return {200,
            {{"Content-Type", "application/x-ndjson"},
             {"Cache-Control", "no-store"},
             {"Quorate-Revision", std::to_string(revision)}},
            {}};
}

HttpResponse store_loading() {
    return retryable_problem(
        503, "store_loading",
        "this server has just started and is not ready yet: /raft/health tells how far it "
        "is; nothing happened",
        kRetryAfterS);
}

HttpResponse store_behind() {
    return retryable_problem(503, "store_behind",
                             "this server's disk has no room for what was committed since: ask another one, "
                             "read with consistency=stale, or make room; nothing happened",
                             kRetryAfterS);
}

HttpResponse disk_full() {
    return problem(
        507, "disk_full",
        "the leader has no room for the log, and says what it lacks on its standard error; nothing happened");
}

}  // namespace quorate::server
