#include "sim/client.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace quorate::sim {

namespace {

/// "a17.xxxx": the attempt's number, and as many bytes as the line asks for.
std::string value_of(std::uint64_t number, std::uint64_t bytes) {
    std::string value = fmt::format("a{}.", number);
    value.append(bytes, 'x');
    return value;
}

}  // namespace

std::string key_name(std::uint64_t key) { return fmt::format("k{:04}", key); }

PreparedAttempt prepare(const OperationLine& line, std::uint64_t number, const Referee& referee) {
    PreparedAttempt prepared;
    Attempt& attempt = prepared.attempt;
    server::HttpRequest& request = prepared.request;
    attempt.number = number;
    attempt.floor_revision = referee.highest_answered();
    const std::string key = key_name(line.key);
    const auto put = [&](const std::string& to) {
        attempt.writes.push_back({server::Operation::Kind::Put, to, value_of(number, line.bytes)});
        return attempt.writes.back().value;
    };
    const auto past = [&] {
        attempt.past_revision = attempt.floor_revision - std::min(attempt.floor_revision, line.bytes);
        return fmt::format("revision={}", *attempt.past_revision);
    };
    request.target = "/kv/" + key;
    switch (line.kind) {
        case RequestKind::Put:
            request.method = "PUT";
            request.body = put(key);
            break;
        case RequestKind::PutIf: {
            request.method = "PUT";
            request.body = put(key);
            const std::uint64_t mod = referee.mod_revision(key);
            attempt.if_revision = mod;
            request.headers.push_back(mod == 0 ? server::HttpHeader{"If-None-Match", "*"}
                                               : server::HttpHeader{"If-Match", fmt::format("\"{}\"", mod)});
            break;
        }
        case RequestKind::Delete:
            request.method = "DELETE";
            attempt.writes.push_back({server::Operation::Kind::Delete, key, {}});
            break;
        case RequestKind::Batch:
            request.method = "POST";
            request.target = "/kv/batch";
            for (std::uint64_t k = line.key; k <= line.last_key; ++k) {
                request.body += fmt::format("PUT {} {}\n", key_name(k), put(key_name(k)));
            }
            if (line.last_key < line.key) request.body = fmt::format("PUT {} {}\n", key, put(key));
            break;
        case RequestKind::Get:
        case RequestKind::StaleGet:
        case RequestKind::PastGet:
            request.method = "GET";
            attempt.reads.push_back(key);
            attempt.is_stale_read = line.kind == RequestKind::StaleGet;
            if (attempt.is_stale_read) request.target += "?consistency=stale";
            if (line.kind == RequestKind::PastGet) request.target += "?" + past();
            break;
        case RequestKind::Transfer:
            request.method = "POST";
            request.target =
                line.key == 0 ? "/cluster/transfer" : fmt::format("/cluster/transfer?to={}", line.key);
            attempt.is_transfer = true;
            break;
        case RequestKind::Range:
        case RequestKind::PastRange:
            request.method = "GET";
            attempt.is_range = true;
            request.target = fmt::format("/kv/range?start={}&end={}", key, key_name(line.last_key));
            if (line.kind == RequestKind::PastRange) request.target += "&" + past();
            for (std::uint64_t k = line.key; k <= line.last_key; ++k) attempt.reads.push_back(key_name(k));
            break;
    }
    return prepared;
}

}  // namespace quorate::sim
