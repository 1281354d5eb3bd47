#include "server/members_json.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <absl/strings/escaping.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/json_text.h"
#include "server/percent.h"

namespace quorate::server {

using Json = nlohmann::json;
/// For what is written: its objects look each name up one by one, which a stranger's must not.
using OrderedJson = nlohmann::ordered_json;

namespace {

constexpr std::string_view kForm =
    R"(the body is a JSON object such as {"add":[{"nodeId":"n4","addr":"HOST:PORT"}],"remove":["n1"]}, )"
    R"(with any of "add" (each with "role", "voter" or "learner", if not to become a voter), "promote", )"
    R"("remove", "move" (each with "nodeId" and "addr") and "force")";

std::unexpected<std::string> form_error(std::string_view what) {
    return std::unexpected(fmt::format("{}: {}", what, kForm));
}

// The strings of an object with exactly these members, of which the optional ones may be absent.
std::optional<std::map<std::string, std::string>> strings_of(const Json& json, std::string_view optional) {
    if (!json.is_object()) return std::nullopt;
    std::map<std::string, std::string> strings;
    for (const auto& [name, value] : json.items()) {
        if ((name != "nodeId" && name != "addr" && name != optional) || !value.is_string())
            return std::nullopt;
        strings[name] = value.get<std::string>();
    }
    if (!strings.contains("nodeId") || !strings.contains("addr")) return std::nullopt;
    return strings;
}

bool take_names(const Json& json, std::vector<std::string>& names) {
    if (!json.is_array()) return false;
    for (const Json& name : json) {
        if (!name.is_string()) return false;
        names.push_back(name.get<std::string>());
    }
    return true;
}

bool take_additions(const Json& json, MembersChange& change) {
    if (!json.is_array()) return false;
    for (const Json& item : json) {
        auto strings = strings_of(item, "role");
        if (!strings) return false;
        const auto role = strings->find("role");
        std::optional<bool> stays_learner;
        if (role != strings->end()) {
            stays_learner = role->second == "learner";
            if (!*stays_learner && role->second != "voter") return false;
        }
        change.add.push_back({(*strings)["nodeId"], (*strings)["addr"], stays_learner});
    }
    return true;
}

bool take_moves(const Json& json, MembersChange& change) {
    if (!json.is_array()) return false;
    for (const Json& item : json) {
        auto strings = strings_of(item, "");
        if (!strings) return false;
        change.move.push_back({(*strings)["nodeId"], (*strings)["addr"]});
    }
    return true;
}

bool take_force(const Json& json, MembersChange& change) {
    if (!json.is_boolean()) return false;
    change.is_forced = json.get<bool>();
    return true;
}

bool take(std::string_view name, const Json& value, MembersChange& change) {
    if (name == "add") return take_additions(value, change);
    if (name == "promote") return take_names(value, change.promote);
    if (name == "remove") return take_names(value, change.remove);
    if (name == "move") return take_moves(value, change);
    if (name == "force") return take_force(value, change);
    return false;
}

std::optional<ClusterMembers> encoded_members(const Json& json, std::string_view name) {
    const auto found = json.find(name);
    if (found == json.end() || !found->is_string()) return std::nullopt;
    std::string bytes;
    if (!absl::Base64Unescape(found->get<std::string>(), &bytes)) return std::nullopt;
    return decode_members(bytes);
}

}  // namespace

std::string members_json(const MembersView& view) {
    OrderedJson list = OrderedJson::array();
    const bool is_joint = view.members.membership().is_joint();
    for (const Member& member : view.members.members) {
        OrderedJson one{{"nodeId", member.name},
                        {"addr", member.address},
                        {"role", role_text(member.role, is_joint)},
                        {"leads", member.name == view.leader_name}};
        if (const auto match = view.match.find(member.id); match != view.match.end()) {
            one["matchIndex"] = match->second.value;
            one["behind"] = view.last_index.past(match->second);
        }
        list.push_back(std::move(one));
    }
    return json_line({{"clusterId", view.cluster_id},
                      {"index", view.index.value},
                      {"committed", view.is_committed},
                      {"changing", is_joint || !view.is_committed},
                      {"members", std::move(list)},
                      {"removed", view.members.removed.size()},
                      {"source", view.source},
                      // For who joins: the log that it gets begins with these.
                      {"encoded", absl::Base64Escape(encode_members(view.members))},
                      {"first", absl::Base64Escape(encode_members(view.first))}});
}

std::expected<JoinAnswer, std::string> parse_members_json(std::string_view text) {
    const Json json = Json::parse(text, nullptr, false);
    const auto error = std::unexpected<std::string>("this is not what GET /cluster/members answers");
    if (!json.is_object()) return error;
    const auto cluster = json.find("clusterId");
    auto members = encoded_members(json, "encoded");
    auto first = encoded_members(json, "first");
    if (cluster == json.end() || !cluster->is_string() || !members || !first) return error;
    const Json list = json.value("members", Json::array());
    const bool is_of_leader =
        json.value("committed", Json(false)) == true && std::ranges::any_of(list, [&](const Json& one) {
            return one.is_object() && one.value("leads", Json(false)) == true &&
                   one.value("nodeId", Json()) == json.value("source", Json(0));
        });
    return JoinAnswer{cluster->get<std::string>(), is_of_leader, std::move(*members), std::move(*first)};
}

std::expected<MembersChange, std::string> parse_members_change(std::string_view text) {
    // Of two values with one name the library keeps the last.
    std::vector<std::set<std::string>> names;
    bool has_repeats = false;
    const auto watch = [&](int, Json::parse_event_t event, const Json& parsed) {
        if (event == Json::parse_event_t::object_start) names.emplace_back();
        if (event == Json::parse_event_t::object_end) names.pop_back();
        if (event == Json::parse_event_t::key && !names.back().insert(parsed.get<std::string>()).second)
            has_repeats = true;
        return true;
    };
    const Json json = Json::parse(text, watch, false);
    if (!json.is_object()) return form_error("the body is no JSON object");
    if (has_repeats) return form_error("it has two members of one name");
    MembersChange change;
    for (const auto& [name, value] : json.items()) {
        if (!take(name, value, change))
            return form_error(fmt::format("\"{}\" is not understood", percent_encode_shortened(name)));
    }
    if (change == MembersChange{.is_forced = change.is_forced}) return form_error("nothing is asked for");
    return change;
}

std::string members_change_json(const MembersChange& change) {
    OrderedJson json = OrderedJson::object();
    for (const auto& [name, address, stays_learner] : change.add) {
        OrderedJson one{{"nodeId", name}, {"addr", address}};
        if (stays_learner) one["role"] = *stays_learner ? "learner" : "voter";
        json["add"].push_back(std::move(one));
    }
    if (!change.promote.empty()) json["promote"] = change.promote;
    if (!change.remove.empty()) json["remove"] = change.remove;
    for (const auto& [name, address] : change.move)
        json["move"].push_back({{"nodeId", name}, {"addr", address}});
    if (change.is_forced) json["force"] = true;
    return json_line(json);
}

}  // namespace quorate::server
