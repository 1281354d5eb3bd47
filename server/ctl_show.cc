#include "server/ctl_show.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include <absl/strings/escaping.h>
#include <absl/strings/numbers.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/json_text.h"
#include "server/percent.h"

namespace quorate::server {

namespace {

using Ordered = nlohmann::ordered_json;
using Row = std::vector<std::string>;

constexpr std::size_t kColumnGap = 2;

bool is_printable(std::string_view bytes) {
    if (!is_utf8(bytes)) return false;
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        const auto byte = static_cast<unsigned char>(bytes[at]);
        if (byte < 0x20 || byte == 0x7F) return false;
        // U+0080 to U+009F: to a terminal they are orders as well.
        if (byte == 0xC2 && static_cast<unsigned char>(bytes[at + 1]) < 0xA0) return false;
    }
    return true;
}

Ordered parsed(std::string_view text) { return Ordered::parse(text, nullptr, false); }

std::string text_of(const Ordered& json) {
    if (json.is_null()) return {};
    return json.is_string() ? json.get<std::string>() : json.dump();
}

// Whatever a node answers, it is shown.
std::string member(const Ordered& object, std::string_view name) {
    const auto found = object.is_object() ? object.find(name) : object.end();
    return found != object.end() ? text_of(*found) : std::string();
}

std::uint64_t number(const Ordered& object, std::string_view name) {
    const auto found = object.is_object() ? object.find(name) : object.end();
    return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

std::vector<Ordered> items(const Ordered& object, std::string_view name) {
    const auto found = object.is_object() ? object.find(name) : object.end();
    if (found == object.end() || !found->is_array()) return {};
    return {found->begin(), found->end()};
}

// A head, and rows in the order of their names. Columns as wide as their widest cell; an empty cell is a
// dash, so that scripts can count the words.
std::string table(std::vector<Row> rows) {
    std::ranges::sort(rows.begin() + 1, rows.end(), {}, [](const Row& row) { return row.front(); });
    std::vector<std::size_t> widths;
    for (Row& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t column = 0; column < row.size(); ++column) {
            if (row[column].empty()) row[column] = "-";
            widths[column] = std::max(widths[column], row[column].size());
        }
    }
    std::string text;
    for (const Row& row : rows) {
        for (std::size_t column = 0; column + 1 < row.size(); ++column)
            text += fmt::format("{:<{}}", row[column], widths[column] + kColumnGap);
        text += row.empty() ? "\n" : row.back() + '\n';
    }
    return text;
}

std::string header_or_empty(const HttpResponse& response, std::string_view name) {
    const std::string* value = response.header(name);
    return value != nullptr ? *value : std::string();
}

// As --if-match takes it: without the quotes.
std::string bare_etag(const HttpResponse& response) {
    std::string tag = header_or_empty(response, "ETag");
    std::erase(tag, '"');
    return tag;
}

void append_number(std::string& json, std::string_view name, const HttpResponse& response,
                   std::string_view header) {
    std::uint64_t value = 0;
    if (absl::SimpleAtoi(header_or_empty(response, header), &value))
        fmt::format_to(std::back_inserter(json), "{}\"{}\":{}", json.ends_with('{') ? "" : ",", name, value);
}

void append_etag(std::string& json, const HttpResponse& response) {
    const std::string tag = bare_etag(response);
    if (tag.empty()) return;
    json += json.ends_with('{') ? "\"etag\":" : ",\"etag\":";
    append_json_string(json, is_utf8(tag) ? tag : percent_encode(tag));
}

std::optional<std::string> bytes_of(const Ordered& object, const std::string& name) {
    if (!object.is_object()) return std::nullopt;
    if (const auto plain = object.find(name); plain != object.end() && plain->is_string())
        return plain->get<std::string>();
    const auto escaped = object.find(name + "_b64");
    std::string decoded;
    if (escaped == object.end() || !escaped->is_string() ||
        !absl::Base64Unescape(escaped->get<std::string>(), &decoded))
        return std::nullopt;
    return decoded;
}

std::string state_of(const Ordered& node) {
    const std::string state = member(node, "state");
    const bool is_on_its_way = state == "loading" || state == "replaying" || state == "recovering";
    return is_on_its_way ? fmt::format("{} {}%", state, member(node, "progress")) : state;
}

Row node_row(const Ordered& node, std::uint64_t committed) {
    Row row{member(node, "nodeId"), member(node, "addr")};
    const bool is_up = member(node, "up") == "true";
    row.emplace_back(is_up ? "yes" : "no");
    if (!is_up) {
        row.resize(11);
        return row;
    }
    const std::uint64_t applied = number(node, "appliedIndex");
    for (const char* name : {"role", "term", "appliedIndex"}) row.push_back(member(node, name));
    row.push_back(std::to_string(committed - std::min(committed, applied)));
    for (const char* name : {"keys", "storage"}) row.push_back(member(node, name));
    row.push_back(state_of(node));
    row.push_back(member(node, "version"));
    return row;
}

}  // namespace

std::string shown_bytes(std::string_view bytes) {
    return is_printable(bytes) && !bytes.contains('%') ? std::string(bytes) : percent_encode(bytes);
}

std::string shown_text(std::string_view typed) {
    return is_printable(typed) ? std::string(typed) : percent_encode(typed);
}

std::string shown_value_json(std::string_view key, const HttpResponse& response) {
    std::string json = "{";
    append_json_bytes(json, "k", key);
    json += ',';
    append_json_bytes(json, "v", response.body);
    append_etag(json, response);
    append_number(json, "revision", response, "Quorate-Revision");
    return json + "}\n";
}

std::string shown_write(const HttpResponse& response) {
    std::string text = "OK, revision " + header_or_empty(response, "Quorate-Revision");
    if (const std::string tag = bare_etag(response); !tag.empty()) text += ", ETag " + tag;
    if (const std::string* deleted = response.header("Quorate-Deleted")) text += ", deleted " + *deleted;
    return text + '\n';
}

std::string shown_write_json(const HttpResponse& response) {
    std::string json = "{";
    append_number(json, "revision", response, "Quorate-Revision");
    append_etag(json, response);
    append_number(json, "deleted", response, "Quorate-Deleted");
    return json + "}\n";
}

std::optional<std::string> shown_pair(std::string_view line, bool has_value) {
    const Ordered pair = parsed(line);
    const auto key = bytes_of(pair, "k");
    const auto value = bytes_of(pair, "v");
    if (!key || !value) return std::nullopt;
    return has_value ? fmt::format("{}\t{}\n", shown_bytes(*key), shown_bytes(*value))
                     : shown_bytes(*key) + '\n';
}

std::optional<std::string> shown_pair_json(std::string_view line, bool has_value) {
    if (has_value) return std::string(line) + '\n';
    const auto key = bytes_of(parsed(line), "k");
    if (!key) return std::nullopt;
    std::string json = "{";
    append_json_bytes(json, "k", *key);
    return json + "}\n";
}

std::string shown_nodes(std::string_view body) {
    std::vector<Ordered> nodes = items(parsed(body), "nodes");
    std::uint64_t committed = 0;
    for (const Ordered& node : nodes) committed = std::max(committed, number(node, "commitIndex"));
    std::vector<Row> rows{
        {"NODE", "ADDR", "UP", "ROLE", "TERM", "APPLIED", "LAG", "KEYS", "STORAGE", "STATE", "VERSION"}};
    for (const Ordered& node : nodes) rows.push_back(node_row(node, committed));
    return table(std::move(rows));
}

std::string shown_members(std::string_view body) {
    const Ordered view = parsed(body);
    std::vector<Row> rows{{"NODE", "ADDR", "ROLE", "LEADS", "BEHIND"}};
    for (const Ordered& one : items(view, "members")) {
        rows.push_back({member(one, "nodeId"), member(one, "addr"), member(one, "role"),
                        member(one, "leads") == "true" ? "yes" : "no", member(one, "behind")});
    }
    std::string text = table(std::move(rows));
    if (member(view, "changing") == "true") text += "a change is under way\n";
    return text;
}

std::string shown_transfer(std::string_view body, std::string_view leader) {
    const std::string from = member(parsed(body), "from");
    const std::string to = member(parsed(leader), "leaderId");
    // Who answers may not have heard of the new one yet.
    const bool is_known = !to.empty() && to != from;
    return fmt::format("{} does not lead any more{}\n", from, is_known ? fmt::format(", {} does", to) : "");
}

std::string shown_snapshot(std::string_view body) {
    const Ordered taken = parsed(body);
    return fmt::format("a snapshot through entry {} (term {}), {} bytes\n", member(taken, "snapshotIndex"),
                       member(taken, "term"), member(taken, "bytes"));
}

bool has_leading_node(std::string_view body) {
    return std::ranges::any_of(items(parsed(body), "nodes"),
                               [](const Ordered& node) { return member(node, "role") == "leader"; });
}

std::optional<std::string> leader_of_members(std::string_view body) {
    for (const Ordered& one : items(parsed(body), "members")) {
        if (member(one, "leads") == "true") return member(one, "addr");
    }
    return std::nullopt;
}

std::optional<std::string> address_of_member(std::string_view body, std::string_view name) {
    for (const Ordered& one : items(parsed(body), "members")) {
        if (member(one, "nodeId") == name) return member(one, "addr");
    }
    return std::nullopt;
}

}  // namespace quorate::server
