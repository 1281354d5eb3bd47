#include "server/http_api.h"

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "engine/check.h"
#include "server/batch.h"
#include "server/decimal.h"
#include "server/members_json.h"
#include "server/percent.h"
#include "server/precondition.h"
#include "server/problem.h"
#include "server/query.h"

namespace quorate::server {

namespace {

using CallOrRefusal = std::expected<ApiCall, HttpResponse>;

constexpr std::string_view kKeyPrefix = "/kv/";

std::unexpected<HttpResponse> refuse(int status, std::string_view code, std::string_view detail) {
    return std::unexpected(problem(status, code, detail));
}

struct Target {
    std::string_view path;   ///< not decoded
    std::string_view query;  ///< behind the '?'
};

// The origin form, or the absolute form that a client sends to a proxy (RFC 9112 section 3.2.2), whose
// authority says nothing to us.
std::expected<Target, std::string_view> split_target(std::string_view target) {
    if (target.contains('#'))
        return std::unexpected("the target has a '#', which no request carries: in a key it is written %23");
    if (target == "*")
        return std::unexpected(
            "the target '*' asks about the server as a whole, and nothing here answers for it");
    constexpr std::string_view kNoPath =
        "the target is neither a path that begins with '/' nor a URL that begins with http://HOST";
    constexpr std::string_view kScheme = "http://";
    if (HttpHeader{std::string(target.substr(0, kScheme.size())), {}}.is(kScheme)) {
        // The authority ends at a '?' too, and a path that is empty means '/': RFC 3986, sections 3.2
        // and 6.2.3.
        const std::size_t end = std::min(target.find_first_of("/?", kScheme.size()), target.size());
        if (end == kScheme.size()) return std::unexpected(kNoPath);  // nobody's
        target.remove_prefix(end);
        if (!target.starts_with('/'))
            return Target{"/", target.substr(std::min<std::size_t>(1, target.size()))};
    }
    if (!target.starts_with('/')) return std::unexpected(kNoPath);
    const std::size_t mark = target.find('?');
    return Target{target.substr(0, mark),
                  mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1)};
}

bool reads(std::string_view method) { return method == "GET" || method == "HEAD"; }

HttpResponse method_not_allowed(std::string_view method, std::string_view allowed) {
    HttpResponse response =
        problem(405, "method_not_allowed",
                fmt::format("{} is not among the methods of this path: {}", percent_encode(method), allowed));
    response.headers.push_back({"Allow", std::string(allowed)});
    return response;
}

std::expected<Query, HttpResponse> parse_query(std::string_view text,
                                               std::initializer_list<std::string_view> known) {
    auto query = Query::parse(text, known);
    if (!query) return refuse(400, "invalid_query", query.error());
    return *std::move(query);
}

// The options that a query may carry beside a call's own parameters.
CallOrRefusal with_options(ApiCall call, const Query& query) {
    if (const std::string* forward = query.find("forward")) {
        if (*forward != "true" && *forward != "false") {
            return refuse(400, "invalid_parameter", "forward is either true or false");
        }
        call.forward = *forward == "true";
    }
    if (const std::string* consistency = query.find("consistency")) {
        if (*consistency != "linearizable" && *consistency != "lease" && *consistency != "stale")
            return refuse(400, "invalid_parameter", "consistency is linearizable, lease or stale");
        if (*consistency == "lease") call.consistency = Consistency::Lease;
        if (*consistency == "stale") call.consistency = Consistency::Stale;
    }
    return call;
}

std::optional<std::uint64_t> parse_number(const std::string& text, std::uint64_t min, std::uint64_t max) {
    const auto number = parse_decimal(text);
    return number && *number >= min && *number <= max ? number : std::nullopt;
}

// Of the past at which a read looks, if any.
std::expected<std::optional<std::uint64_t>, HttpResponse> parse_revision(const Query& query) {
    const std::string* text = query.find("revision");
    if (text == nullptr) return std::nullopt;
    const auto revision = parse_number(*text, 0, UINT64_MAX);
    if (!revision)
        return refuse(400, "invalid_parameter", "revision is a number, as Quorate-Revision tells it");
    return revision;
}

std::expected<std::string, HttpResponse> parse_key(std::string_view encoded, const ApiLimits& limits) {
    auto key = percent_decode(encoded);
    if (!key) return refuse(400, "invalid_key", "the key has a '%' that two hex digits do not follow");
    if (key->empty()) return refuse(400, "invalid_key", "the key is empty; it is everything behind /kv/");
    if (key->size() > limits.key_bytes_max) {
        return refuse(400, "key_too_long",
                      fmt::format("the key has {} bytes, at most {} (--key-bytes-max)", key->size(),
                                  limits.key_bytes_max));
    }
    return *std::move(key);
}

// By what the write is known when it comes again, if it is to be.
std::expected<std::optional<Once>, HttpResponse> parse_once(const HttpRequest& request) {
    const auto count = [&](std::string_view name) {
        return std::ranges::count_if(request.headers,
                                     [&](const HttpHeader& header) { return header.is(name); });
    };
    const auto keys = count("Idempotency-Key");
    const auto sessions = count("Quorate-Session");
    if (keys + sessions == 0) return std::nullopt;
    if (keys != 1 || !is_once_key(*request.header("Idempotency-Key"))) {
        return refuse(
            400, "invalid_idempotency_key",
            fmt::format("Idempotency-Key is one header of 1 to {} visible ASCII characters{}",
                        kOnceKeyBytesMax, keys == 0 ? ", which Quorate-Session needs beside it" : ""));
    }
    Once once{*request.header("Idempotency-Key"), std::nullopt};
    if (sessions == 0) return once;
    once.session = parse_number(*request.header("Quorate-Session"), 0, UINT64_MAX);
    if (sessions > 1 || !once.session)
        return refuse(400, "invalid_session",
                      "Quorate-Session is one header with the number that POST /sessions has given");
    return once;
}

CallOrRefusal parse_write(const HttpRequest& request, std::string key, const Query& query,
                          const ApiLimits& limits) {
    auto once = parse_once(request);
    if (!once) return std::unexpected(std::move(once.error()));
    auto condition = parse_precondition(request);
    if (!condition) return refuse(400, "invalid_condition", condition.error());
    const auto command = [&](Operation operation) {
        return Command{.operations = {std::move(operation)},
                       .condition = std::move(*condition),
                       .once = std::move(*once)};
    };
    if (request.method == "DELETE") {
        Operation operation{Operation::Kind::Delete, std::move(key), {}};
        return with_options({DeleteCall{command(std::move(operation))}}, query);
    }
    if (request.body.size() > limits.value_bytes_max) {
        return refuse(413, "value_too_large",
                      fmt::format("the value has {} bytes, at most {} (--value-bytes-max)",
                                  request.body.size(), limits.value_bytes_max));
    }
    Operation operation{Operation::Kind::Put, std::move(key), request.body};
    return with_options({PutCall{command(std::move(operation))}}, query);
}

CallOrRefusal parse_key_call(const HttpRequest& request, const Target& target, const ApiLimits& limits) {
    const bool is_write = request.method == "PUT" || request.method == "DELETE";
    if (!is_write && !reads(request.method)) {
        const bool is_batch_path = target.path == "/kv/batch";
        return std::unexpected(method_not_allowed(
            request.method, is_batch_path ? "GET, HEAD, PUT, DELETE, POST" : "GET, HEAD, PUT, DELETE"));
    }
    auto query = is_write ? parse_query(target.query, {"forward"})
                          : parse_query(target.query, {"revision", "consistency", "forward"});
    if (!query) return std::unexpected(std::move(query.error()));
    auto key = parse_key(target.path.substr(kKeyPrefix.size()), limits);
    if (!key) return std::unexpected(std::move(key.error()));
    if (is_write) return parse_write(request, std::move(*key), *query, limits);
    const auto revision = parse_revision(*query);
    if (!revision) return std::unexpected(revision.error());
    return with_options({GetCall{std::move(*key), *revision}}, *query);
}

// An empty bound is no bound: no key is empty.
std::optional<std::string> parse_bound(const Query& query, std::string_view name) {
    const std::string* value = query.find(name);
    return value != nullptr && !value->empty() ? std::optional(*value) : std::nullopt;
}

CallOrRefusal parse_range_call(const Target& target, const ApiLimits& limits) {
    const auto query =
        parse_query(target.query, {"start", "end", "after", "limit", "revision", "consistency", "forward"});
    if (!query) return std::unexpected(query.error());
    const auto revision = parse_revision(*query);
    if (!revision) return std::unexpected(revision.error());
    RangeCall call{{parse_bound(*query, "start"), parse_bound(*query, "end"), parse_bound(*query, "after"),
                    kRangeLimitDefault, limits.range_bytes_max, *revision}};
    if (const std::string* text = query->find("limit")) {
        const auto limit = parse_number(*text, 1, kRangeLimitMax);
        if (!limit)
            return refuse(400, "invalid_limit",
                          fmt::format("limit is a number from 1 to {}", kRangeLimitMax));
        call.range.limit = static_cast<std::size_t>(*limit);
    }
    return with_options({std::move(call)}, *query);
}

bool is_json(const HttpRequest& request) {
    constexpr std::string_view kJson = "application/json";
    const std::string* type = request.header("Content-Type");
    if (type == nullptr) return false;
    const std::string_view essence = std::string_view(*type).substr(0, type->find_first_of("; \t"));
    return HttpHeader{std::string(essence), {}}.is(kJson);
}

CallOrRefusal parse_batch_call(const HttpRequest& request, const Target& target, const ApiLimits& limits) {
    const auto query = parse_query(target.query, {"forward"});
    if (!query) return std::unexpected(query.error());
    auto once = parse_once(request);
    if (!once) return std::unexpected(std::move(once.error()));
    if (request.header("If-Match") != nullptr || request.header("If-None-Match") != nullptr) {
        return refuse(400, "invalid_condition",
                      "If-Match and If-None-Match belong to a PUT or DELETE of one key, not to a batch");
    }
    if (is_json(request)) {
        return refuse(415, "json_batch_unsupported",
                      "this version takes a batch as lines 'PUT <key> <value>' and 'DEL <key>', not as JSON");
    }
    if (request.body.size() > limits.batch_bytes_max) {
        return refuse(
            413, "batch_too_large",
            fmt::format("the batch has {} bytes, at most {}", request.body.size(), limits.batch_bytes_max));
    }
    auto command = parse_batch(request.body,
                               {limits.batch_operations_max, limits.key_bytes_max, limits.value_bytes_max});
    if (!command) return refuse(400, "invalid_batch", command.error());
    command->once = std::move(*once);
    return with_options({BatchCall{std::move(*command)}}, *query);
}

CallOrRefusal parse_transfer_call(const HttpRequest& request, const Target& target) {
    if (request.method != "POST") return std::unexpected(method_not_allowed(request.method, "POST"));
    const auto query = parse_query(target.query, {"to"});
    if (!query) return std::unexpected(query.error());
    const std::string* to = query->find("to");
    return ApiCall{TransferCall{to != nullptr ? *to : std::string()}};
}

CallOrRefusal parse_snapshot_call(const HttpRequest& request, const Target& target) {
    if (request.method != "POST") return std::unexpected(method_not_allowed(request.method, "POST"));
    const auto query = parse_query(target.query, {});
    if (!query) return std::unexpected(query.error());
    return ApiCall{SnapshotCall{}};
}

CallOrRefusal parse_session_call(const HttpRequest& request, const Target& target) {
    if (request.method != "POST") return std::unexpected(method_not_allowed(request.method, "POST"));
    const auto query = parse_query(target.query, {"consistency", "forward"});
    if (!query) return std::unexpected(query.error());
    return with_options({SessionCall{}}, *query);
}

CallOrRefusal parse_backup_call(const HttpRequest& request, const Target& target) {
    if (request.method != "GET") return std::unexpected(method_not_allowed(request.method, "GET"));
    const auto query = parse_query(target.query, {"consistency", "forward"});
    if (!query) return std::unexpected(query.error());
    return with_options({BackupCall{}}, *query);
}

CallOrRefusal parse_members_call(const HttpRequest& request, const Target& target) {
    if (reads(request.method)) {
        const auto query = parse_query(target.query, {});
        if (!query) return std::unexpected(query.error());
        return ApiCall{MembersCall{}};
    }
    if (request.method != "POST")
        return std::unexpected(method_not_allowed(request.method, "GET, HEAD, POST"));
    const auto query = parse_query(target.query, {});
    if (!query) return std::unexpected(query.error());
    if (request.body.size() > kChangeBytesMax)
        return refuse(413, "change_too_large",
                      fmt::format("the body has {} bytes, at most {}", request.body.size(), kChangeBytesMax));
    auto change = parse_members_change(request.body);
    if (!change) return refuse(400, "invalid_change", change.error());
    return ApiCall{MembersChangeCall{std::move(*change)}};
}

constexpr std::string_view kMemberPrefix = "/cluster/members/";

CallOrRefusal parse_removal_call(const HttpRequest& request, const Target& target) {
    if (request.method != "DELETE") return std::unexpected(method_not_allowed(request.method, "DELETE"));
    const auto query = parse_query(target.query, {"force"});
    if (!query) return std::unexpected(query.error());
    const auto name = percent_decode(target.path.substr(kMemberPrefix.size()));
    const std::string* force = query->find("force");
    if (!name || name->empty() || (force != nullptr && *force != "true" && *force != "false")) {
        return refuse(400, "invalid_change",
                      "it is DELETE /cluster/members/NODE-ID, with force=true to remove it also where no "
                      "majority of the others is up");
    }
    MembersChange change;
    change.remove.push_back(*name);
    change.is_forced = force != nullptr && *force == "true";
    return ApiCall{MembersChangeCall{std::move(change)}};
}

// The call of a path that only tells something about the server, or nothing for any other path.
std::optional<ApiCall> status_call(std::string_view path) {
    if (path == "/raft/whois") return ApiCall{WhoisCall{}};
    if (path == "/raft/health") return ApiCall{HealthCall{}};
    if (path == "/cluster/leader") return ApiCall{ClusterLeaderCall{}};
    if (path == "/cluster/nodes") return ApiCall{ClusterNodesCall{}};
    return std::nullopt;
}

}  // namespace

std::expected<ApiCall, HttpResponse> parse_call(const HttpRequest& request, const ApiLimits& limits) {
    const auto target = split_target(request.target);
    if (!target) return refuse(400, "invalid_target", target.error());
    if (target->path == "/kv/range" && reads(request.method)) return parse_range_call(*target, limits);
    if (target->path == "/kv/batch" && request.method == "POST")
        return parse_batch_call(request, *target, limits);
    if (target->path == "/cluster/members") return parse_members_call(request, *target);
    if (target->path.starts_with(kMemberPrefix)) return parse_removal_call(request, *target);
    if (target->path == "/sessions") return parse_session_call(request, *target);
    if (target->path == "/cluster/transfer") return parse_transfer_call(request, *target);
    if (target->path == "/admin/snapshot") return parse_snapshot_call(request, *target);
    if (target->path == "/admin/backup") return parse_backup_call(request, *target);
    if (target->path.starts_with(kKeyPrefix)) return parse_key_call(request, *target, limits);

    const auto call = status_call(target->path);
    if (!call) return refuse(404, "no_such_route", "nothing is here; keys are under /kv/");
    if (!reads(request.method)) return std::unexpected(method_not_allowed(request.method, "GET, HEAD"));
    const auto query = parse_query(target->query, {});
    if (!query) return std::unexpected(query.error());
    return *call;
}

Command take_command(ApiCall& call) {
    const auto take = [](Command& command) {
        return Command{.operations = std::move(command.operations),
                       .condition = command.condition,
                       .once = std::move(command.once)};
    };
    if (auto* put = std::get_if<PutCall>(&call.call)) return take(put->command);
    if (auto* remove = std::get_if<DeleteCall>(&call.call)) return take(remove->command);
    auto* batch = std::get_if<BatchCall>(&call.call);
    ENGINE_CHECK(batch != nullptr);
    return take(batch->command);
}

}  // namespace quorate::server
