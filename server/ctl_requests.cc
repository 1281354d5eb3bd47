#include "server/ctl_requests.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "server/decimal.h"
#include "server/members.h"
#include "server/members_json.h"
#include "server/percent.h"

namespace quorate::server {

namespace {

constexpr std::uint64_t kRangeKeysDefault = 1000;
constexpr std::uint64_t kPageKeysMax = 1000;

std::expected<std::string, std::string> key_of(const CtlLine& line, std::string_view name) {
    const std::string& text = line.text(name);
    std::optional<std::string> key = text;
    if (line.has("--encoded")) key = percent_decode(text);
    if (!key)
        return std::unexpected(
            fmt::format("{}: '{}' has a '%' that two hex digits do not follow", name, text));
    if (key->empty()) return std::unexpected(fmt::format("{}: a key has at least one byte", name));
    return *std::move(key);
}

std::expected<std::string, std::string> key_target(const CtlLine& line) {
    const auto key = key_of(line, "KEY");
    if (!key) return std::unexpected(key.error());
    // The one that shares its path with a route; docs/http.md, Keys and values.
    if (*key == "range") return "/kv/%72ange";
    return "/kv/" + percent_encode(*key);
}

std::expected<std::uint64_t, std::string> number_of(const CtlLine& line, std::string_view name,
                                                    std::uint64_t min) {
    const std::string& text = line.text(name);
    const auto number = parse_decimal(text);
    if (number && *number >= min) return *number;
    return std::unexpected(fmt::format("{}: '{}' is not allowed: a number from {}", name, text, min));
}

void add_parameter(std::string& target, std::string_view name, std::string_view encoded) {
    fmt::format_to(std::back_inserter(target), "{}{}={}", target.contains('?') ? '&' : '?', name, encoded);
}

void add_consistency(std::string& target, const CtlLine& line) {
    if (const std::string* how = line.find("--consistency")) add_parameter(target, "consistency", *how);
}

// Quotes are added to what has none: a shell would take them away.
std::string tags_of(std::string_view text) {
    std::string tags;
    for (std::string_view rest = text;;) {
        const std::string_view item = rest.substr(0, rest.find(','));
        const std::size_t begin = std::min(item.find_first_not_of(' '), item.size());
        const std::string_view tag = item.substr(begin, item.find_last_not_of(' ') + 1 - begin);
        const std::string_view quote = tag == "*" || tag.contains('"') ? "" : "\"";
        tags += fmt::format("{}{}{}{}", tags.empty() ? "" : ", ", quote, tag, quote);
        if (item.size() == rest.size()) return tags;
        rest.remove_prefix(item.size() + 1);
    }
}

std::expected<void, std::string> add_condition(HttpRequest& request, const CtlLine& line) {
    const std::string* tags = line.find("--if-match");
    if (tags != nullptr && line.has("--if-absent"))
        return std::unexpected("--if-match and --if-absent exclude each other");
    // What is no visible character would make another header.
    if (tags != nullptr && std::ranges::any_of(*tags, [](char c) { return c < ' ' || c > '~'; }))
        return std::unexpected(
            fmt::format("--if-match: '{}' is not allowed: an ETag, or '*'", percent_encode_shortened(*tags)));
    if (tags != nullptr) request.headers.push_back({"If-Match", tags_of(*tags)});
    if (line.has("--if-absent")) request.headers.push_back({"If-None-Match", "*"});
    return {};
}

struct NameAndAddress {
    std::string name;
    std::string address;
};

std::expected<NameAndAddress, std::string> member_of(const CtlLine& line) {
    const std::string& text = line.text("MEMBER");
    const std::size_t mark = text.find('=');
    if (mark == std::string::npos || !is_address(std::string_view(text).substr(mark + 1)) || mark == 0)
        return std::unexpected(fmt::format("MEMBER: '{}' is not allowed: NAME=HOST:PORT", text));
    return NameAndAddress{text.substr(0, mark), text.substr(mark + 1)};
}

// Of who comes, votes and goes: a learner that votes does not stop to, and a name that was removed does not
// come back, so that there is nothing that a repetition could undo.
CtlRequest change_request(const MembersChange& change, CtlEffect effect = CtlEffect::SameAgain) {
    return {{"POST", "/cluster/members", {}, members_change_json(change)}, effect, "members"};
}

}  // namespace

CtlRequest read_request(std::string target, std::string_view proof) {
    return {{"GET", std::move(target), {}, {}}, CtlEffect::Nothing, proof};
}

CtlRequestOrMistake get_request(const CtlLine& line) {
    auto target = key_target(line);
    if (!target) return std::unexpected(std::move(target.error()));
    add_consistency(*target, line);
    if (line.has("--revision")) {
        const auto revision = number_of(line, "--revision", 0);
        if (!revision) return std::unexpected(revision.error());
        add_parameter(*target, "revision", std::to_string(*revision));
    }
    return read_request(std::move(*target));
}

CtlRequestOrMistake put_request(const CtlLine& line, std::string value) {
    auto target = key_target(line);
    if (!target) return std::unexpected(std::move(target.error()));
    CtlRequest put{{"PUT", std::move(*target), {}, std::move(value)}, CtlEffect::Once};
    if (auto added = add_condition(put.request, line); !added) return std::unexpected(added.error());
    return put;
}

CtlRequestOrMistake del_request(const CtlLine& line) {
    auto target = key_target(line);
    if (!target) return std::unexpected(std::move(target.error()));
    CtlRequest del{{"DELETE", std::move(*target), {}, {}}, CtlEffect::Once};
    if (auto added = add_condition(del.request, line); !added) return std::unexpected(added.error());
    return del;
}

CtlRequest batch_request(std::string lines) {
    return {{"POST", "/kv/batch", {}, std::move(lines)}, CtlEffect::Once};
}

CtlRequest session_request() { return {{"POST", "/sessions", {}, {}}, CtlEffect::Nothing, "session"}; }

CtlRequest repeatable(CtlRequest write, std::string key, std::uint64_t session) {
    write.request.headers.push_back({"Idempotency-Key", std::move(key)});
    write.request.headers.push_back({"Quorate-Session", std::to_string(session)});
    write.effect = CtlEffect::SameAgain;
    return write;
}

CtlRequestOrMistake member_request(const CtlLine& line) {
    if (line.verb == CtlVerb::MemberRemove || line.verb == CtlVerb::MemberPromote) {
        const std::string& name = line.text("NAME");
        if (name.empty()) return std::unexpected("NAME: a name has at least one character");
        MembersChange change{.is_forced = line.has("--force")};
        (line.verb == CtlVerb::MemberRemove ? change.remove : change.promote).push_back(name);
        return change_request(change);
    }
    auto member = member_of(line);
    if (!member) return std::unexpected(std::move(member.error()));
    if (line.verb == CtlVerb::MemberAdd)
        return change_request(
            {.add = {{std::move(member->name), std::move(member->address), line.has("--learner")}}});
    // Somebody may have moved it on meanwhile, and would find it moved back.
    return change_request(
        {.move = {{std::move(member->name), std::move(member->address)}}, .is_forced = line.has("--force")},
        CtlEffect::Once);
}

CtlRequestOrMistake transfer_request(const CtlLine& line) {
    std::string target = "/cluster/transfer";
    if (const std::string* to = line.find("--to")) {
        // To the server it would be no name at all, and anybody would do.
        if (to->empty()) return std::unexpected("--to: a name has at least one character");
        add_parameter(target, "to", percent_encode(*to));
    }
    // Repeated without a name it would go on from the node that has just got it.
    return CtlRequest{{"POST", std::move(target), {}, {}}, CtlEffect::Once, "transferred"};
}

// It does no harm to take one more, but it is work, and the first may still be under way.
CtlRequest snapshot_request() {
    return {{"POST", "/admin/snapshot", {}, {}}, CtlEffect::Once, "snapshotIndex"};
}

CtlRequest backup_request(const CtlLine& line, CtlTakeBody take) {
    std::string target = "/admin/backup";
    add_consistency(target, line);
    CtlRequest request = read_request(std::move(target));
    request.take = std::move(take);
    return request;
}

std::expected<CtlRange, std::string> parse_range(const CtlLine& line) {
    CtlRange range{
        .bounds = "/kv/range", .is_pinned = !line.has("--unpinned"), .has_values = !line.has("--keys-only")};
    for (const auto& [flag, name] : {std::pair("--start", "start"), std::pair("--end", "end")}) {
        if (!line.has(flag)) continue;
        const auto key = key_of(line, flag);
        if (!key) return std::unexpected(key.error());
        add_parameter(range.bounds, name, percent_encode(*key));
    }
    add_consistency(range.bounds, line);
    if (line.has("--after")) {
        const auto key = key_of(line, "--after");
        if (!key) return std::unexpected(key.error());
        range.after = percent_encode(*key);
    }
    if (line.has("--revision")) {
        const auto revision = number_of(line, "--revision", 0);
        if (!revision) return std::unexpected(revision.error());
        range.revision = std::to_string(*revision);
    }
    if (line.has("--all") && line.has("--limit"))
        return std::unexpected("--all and --limit exclude each other");
    range.is_limited = line.has("--limit");
    range.left = line.has("--all") ? UINT64_MAX : kRangeKeysDefault;
    if (range.is_limited) {
        const auto limit = number_of(line, "--limit", 1);
        if (!limit) return std::unexpected(limit.error());
        range.left = *limit;
    }
    return range;
}

CtlRequest page_request(const CtlRange& range) {
    std::string target = range.bounds;
    add_parameter(target, "limit", std::to_string(std::min(range.left, kPageKeysMax)));
    if (range.after) add_parameter(target, "after", *range.after);
    if (!range.revision.empty()) add_parameter(target, "revision", range.revision);
    return read_request(std::move(target));
}

}  // namespace quorate::server
