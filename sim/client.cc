#include "sim/client.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "server/members_json.h"

namespace quorate::sim {

namespace {

/// "a17.xxxx": the attempt's number, and as many bytes as the line asks for.
std::string value_of(std::uint64_t number, std::uint64_t bytes) {
    std::string value = fmt::format("a{}.", number);
    value.append(bytes, 'x');
    return value;
}

// The body; each key has a line.
std::string prepare_batch(const OperationLine& line, Attempt& attempt) {
    std::string body;
    for (std::uint64_t k = line.key; k <= std::max(line.key, line.last_key); ++k) {
        const std::string key = key_name(k);
        if (deletes_in_batch(line, k)) {
            attempt.writes.push_back({server::Operation::Kind::Delete, key, {}});
            body += fmt::format("DEL {}\n", key);
        } else {
            attempt.writes.push_back(
                {server::Operation::Kind::Put, key, value_of(attempt.number, line.bytes)});
            body += fmt::format("PUT {} {}\n", key, attempt.writes.back().value);
        }
    }
    return body;
}

// The target.
std::string prepare_range(const OperationLine& line, const std::string& after, Attempt& attempt) {
    attempt.is_range = true;
    attempt.limit = line.limit;
    for (std::uint64_t k = line.key; k <= line.last_key; ++k) {
        if (key_name(k) > after) attempt.reads.push_back(key_name(k));
    }
    std::string target =
        fmt::format("/kv/range?start={}&end={}", key_name(line.key), key_name(line.last_key));
    if (!after.empty()) target += "&after=" + after;
    if (attempt.limit > 0) target += fmt::format("&limit={}", attempt.limit);
    return target;
}

std::string order_target(const OperationLine& line, const std::vector<server::Member>& members) {
    if (line.kind == RequestKind::Snapshot) return "/admin/snapshot";
    const bool is_of_any = line.key == 0 || line.key > members.size();
    return is_of_any ? "/cluster/transfer"
                     : fmt::format("/cluster/transfer?to={}", members[line.key - 1].name);
}

std::string change_body(const OperationLine& line, const std::vector<server::Member>& members) {
    const server::Member& node = members[line.bytes];
    server::MembersChange change;
    if (line.kind == RequestKind::Join) {
        change.add.push_back({node.name, node.address, line.limit == 0});
    } else if (line.kind == RequestKind::Leave) {
        change.remove.push_back(node.name);
    } else {
        change.promote.push_back(node.name);
        change.remove.push_back(members[line.limit].name);
    }
    return server::members_change_json(change);
}

server::HttpRequest prepare_order(const OperationLine& line, const std::vector<server::Member>& members) {
    if (changes_members(line.kind)) return {"POST", "/cluster/members", {}, change_body(line, members)};
    return {"POST", order_target(line, members), {}, {}};
}

void make_once(const OperationLine& line, std::uint64_t session, PreparedAttempt& prepared) {
    Attempt& attempt = prepared.attempt;
    attempt.once = fmt::format("a{}", attempt.number);
    prepared.request.headers.push_back({"Idempotency-Key", attempt.once});
    if (line.once != static_cast<std::uint64_t>(Sending::InSession)) return;
    attempt.session = session;
    prepared.request.headers.push_back({"Quorate-Session", std::to_string(session)});
}

}  // namespace

std::string key_name(std::uint64_t key) { return fmt::format("k{:04}", key); }

PreparedAttempt prepare(const OperationLine& line, std::uint64_t number, const Referee& referee,
                        const std::vector<server::Member>& members, const std::string& after,
                        std::uint64_t session) {
    PreparedAttempt prepared;
    Attempt& attempt = prepared.attempt;
    server::HttpRequest& request = prepared.request;
    attempt.number = number;
    attempt.floor_revision = referee.highest_answered();
    const std::string key = key_name(line.key);
    // The key as it is now: its client has read before it writes.
    const auto add_condition = [&] {
        const std::uint64_t mod = referee.mod_revision(key);
        attempt.if_revision = mod;
        request.headers.push_back(mod == 0 ? server::HttpHeader{"If-None-Match", "*"}
                                           : server::HttpHeader{"If-Match", fmt::format("\"{}\"", mod)});
    };
    const auto past = [&] {
        attempt.past_revision = attempt.floor_revision - std::min(attempt.floor_revision, line.bytes);
        return fmt::format("revision={}", *attempt.past_revision);
    };
    request.method = "GET";
    request.target = "/kv/" + key;
    switch (line.kind) {
        case RequestKind::Put:
        case RequestKind::PutIf:
            request.method = "PUT";
            request.body = value_of(number, line.bytes);
            attempt.writes.push_back({server::Operation::Kind::Put, key, request.body});
            if (line.kind == RequestKind::PutIf) add_condition();
            break;
        case RequestKind::Delete:
        case RequestKind::DeleteIf:
            request.method = "DELETE";
            attempt.writes.push_back({server::Operation::Kind::Delete, key, {}});
            if (line.kind == RequestKind::DeleteIf) add_condition();
            break;
        case RequestKind::Batch:
            request.method = "POST";
            request.target = "/kv/batch";
            request.body = prepare_batch(line, attempt);
            break;
        case RequestKind::Get:
        case RequestKind::StaleGet:
        case RequestKind::PastGet:
        case RequestKind::LeaseGet:
            attempt.reads.push_back(key);
            attempt.is_stale_read = line.kind == RequestKind::StaleGet;
            if (attempt.is_stale_read) request.target += "?consistency=stale";
            if (line.kind == RequestKind::LeaseGet) request.target += "?consistency=lease";
            if (line.kind == RequestKind::PastGet) request.target += "?" + past();
            break;
        case RequestKind::Transfer:
        case RequestKind::Snapshot:
        case RequestKind::Join:
        case RequestKind::Leave:
        case RequestKind::Replace:
            request = prepare_order(line, members);
            attempt.is_order = true;
            break;
        case RequestKind::Backup:
            request.target = "/admin/backup";
            attempt.is_backup = true;
            break;
        case RequestKind::Range:
        case RequestKind::PastRange:
            request.target = prepare_range(line, after, attempt);
            if (line.kind == RequestKind::PastRange) request.target += "&" + past();
            break;
    }
    if (line.once != 0 && !attempt.writes.empty()) make_once(line, session, prepared);
    return prepared;
}

}  // namespace quorate::sim
