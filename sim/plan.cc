#include "sim/plan.h"

#include <optional>
#include <set>
#include <type_traits>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace quorate::sim {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kLinesMax = 1'000'000;

template <class Kind>
std::optional<Kind> parse_kind(std::string_view name, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        if (to_string(static_cast<Kind>(i)) == name) return static_cast<Kind>(i);
    }
    return std::nullopt;
}

// A name and the number that it stands for in a line.
using Fields = std::vector<std::pair<std::string_view, std::uint64_t*>>;

Fields fields_of(FaultLine& line) {
    return {{"at_us", &line.at_us},
            {"node", &line.node},
            {"peer", &line.peer},
            {"duration_us", &line.duration_us},
            {"amount", &line.amount}};
}

Fields fields_of(OperationLine& line) {
    return {{"client", &line.client}, {"key", &line.key},     {"last_key", &line.last_key},
            {"node", &line.node},     {"bytes", &line.bytes}, {"pause_us", &line.pause_us},
            {"limit", &line.limit},   {"once", &line.once}};
}

Fields fields_of(Shape& shape) {
    return {
#define QUORATE_SHAPE_ENTRY(name, value, least, most) {#name, &shape.name},
        QUORATE_SHAPE_FIELDS(QUORATE_SHAPE_ENTRY)
#undef QUORATE_SHAPE_ENTRY
    };
}

template <class Thing>
void write_fields(Thing thing, Json& json) {
    Thing defaults{};
    const Fields usual = fields_of(defaults);
    const Fields fields = fields_of(thing);
    for (std::size_t i = 0; i < fields.size(); ++i) {
        if (*fields[i].second != *usual[i].second) json[std::string(fields[i].first)] = *fields[i].second;
    }
}

// A value for a message, which shall not be longer than what is wrong with it.
std::string shown(const Json& value) {
    return value.dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, 40);
}

// What is wrong, or nothing.
template <class Thing>
std::optional<std::string> read_fields(const Json& json, Thing& thing, std::string_view where) {
    if (!json.is_object()) return fmt::format("{}: not an object", where);
    const Fields fields = fields_of(thing);
    for (const auto& [name, value] : json.items()) {
        if (name == "kind" && !std::is_same_v<Thing, Shape>) continue;
        bool known = false;
        for (const auto& [field, number] : fields) {
            if (field != name) continue;
            if (!value.is_number_unsigned())
                return fmt::format("{}: {}: {}: not an unsigned number of 64 bits", where, name,
                                   shown(value));
            *number = value.template get<std::uint64_t>();
            known = true;
        }
        if (!known) return fmt::format("{}: no field '{}'", where, name);
    }
    return std::nullopt;
}

template <class Line, class Kind>
std::optional<std::string> read_lines(const Json& json, std::vector<Line>& lines, Kind Line::* kind,
                                      std::size_t kinds, std::string_view what) {
    if (!json.is_array()) return fmt::format("{}: not a list", what);
    if (json.size() > kLinesMax) return fmt::format("{}: {} lines, at most {}", what, json.size(), kLinesMax);
    for (const Json& item : json) {
        const std::string where = fmt::format("{}[{}]", what, lines.size());
        Line line;
        if (auto wrong = read_fields(item, line, where)) return wrong;
        if (!item.contains("kind") || !item["kind"].is_string()) return fmt::format("{}: no kind", where);
        const auto name = item["kind"].template get<std::string>();
        const auto parsed = parse_kind<Kind>(name, kinds);
        if (!parsed) return fmt::format("{}: no kind '{}'", where, name);
        line.*kind = *parsed;
        lines.push_back(line);
    }
    return std::nullopt;
}

}  // namespace

std::string_view to_string(FaultKind kind) {
    switch (kind) {
#define QUORATE_FAULT_NAME(name) \
    case FaultKind::name: return #name;
        QUORATE_FAULT_KINDS(QUORATE_FAULT_NAME)
#undef QUORATE_FAULT_NAME
    }
    std::unreachable();
}

bool Plan::changes_members() const {
    return first_members() != shape.nodes || std::ranges::any_of(operations, [](const OperationLine& line) {
               return sim::changes_members(line.kind);
           });
}

bool Plan::keeps_clock_bound() const {
    constexpr std::uint64_t kMillion = 1'000'000;
    const std::uint64_t ppm = shape.clock_drift_ppm;
    return std::ranges::none_of(faults, [&](const FaultLine& line) {
        return line.kind == FaultKind::ClockDrift &&
               (line.amount < kMillion - ppm || line.amount > kMillion + ppm);
    });
}

std::string_view to_string(RequestKind kind) {
    switch (kind) {
        case RequestKind::Put: return "Put";
        case RequestKind::Get: return "Get";
        case RequestKind::Delete: return "Delete";
        case RequestKind::Range: return "Range";
        case RequestKind::Batch: return "Batch";
        case RequestKind::StaleGet: return "StaleGet";
        case RequestKind::PutIf: return "PutIf";
        case RequestKind::Transfer: return "Transfer";
        case RequestKind::PastGet: return "PastGet";
        case RequestKind::PastRange: return "PastRange";
        case RequestKind::DeleteIf: return "DeleteIf";
        case RequestKind::Snapshot: return "Snapshot";
        case RequestKind::Backup: return "Backup";
        case RequestKind::LeaseGet: return "LeaseGet";
        case RequestKind::Join: return "Join";
        case RequestKind::Leave: return "Leave";
        case RequestKind::Replace: return "Replace";
    }
    std::unreachable();
}

bool deletes_in_batch(const OperationLine& line, std::uint64_t key) { return (key + line.bytes) % 3 == 2; }

bool may_befall_the_leader(FaultKind kind) {
    switch (kind) {
        case FaultKind::Partition:
        case FaultKind::OneWay:
        case FaultKind::Clog:
        case FaultKind::Kill:
        case FaultKind::PowerCut:
        case FaultKind::PowerCutAtDisk:
        case FaultKind::Pause:
        case FaultKind::Stop:
        case FaultKind::ClockJump:
        case FaultKind::ClockDrift:
        case FaultKind::DiskSlow:
        case FaultKind::SyncFails:
        case FaultKind::DiskFull: return true;
        case FaultKind::Loss:
        case FaultKind::Duplicate:
        case FaultKind::Reorder:
        case FaultKind::Slow:
        case FaultKind::Corrupt:
        case FaultKind::Disconnect:
        case FaultKind::ReadFails:
        case FaultKind::Rot:
        case FaultKind::DiskLost: return false;
    }
    std::unreachable();
}

std::string to_json(const Plan& plan) {
    std::string text = fmt::format("{{\"scenario\": 1, \"seed\": {},\n", plan.seed);
    Json shape = Json::object();
    write_fields(plan.shape, shape);
    text += " \"shape\": " + shape.dump();
    const auto add_lines = [&](std::string_view name, const auto& lines) {
        text += fmt::format(",\n \"{}\": [", name);
        for (std::size_t i = 0; i < lines.size(); ++i) {
            Json json{{"kind", to_string(lines[i].kind)}};
            write_fields(lines[i], json);
            text += (i == 0 ? "\n  " : ",\n  ") + json.dump();
        }
        text += "]";
    };
    add_lines("faults", plan.faults);
    add_lines("operations", plan.operations);
    return text + "}\n";
}

std::expected<Plan, std::string> plan_from_json(std::string_view text) {
    // The parser would take the last of two members with the same name.
    std::vector<std::set<std::string>> names_of_open;
    std::optional<std::string> twice;
    const auto look = [&](int, Json::parse_event_t event, Json& parsed) {
        if (event == Json::parse_event_t::object_start) names_of_open.emplace_back();
        if (event == Json::parse_event_t::object_end) names_of_open.pop_back();
        if (event == Json::parse_event_t::key &&
            !names_of_open.back().insert(parsed.get<std::string>()).second)
            twice = parsed.get<std::string>();
        return true;
    };
    Json json;
    try {
        json = Json::parse(text, look);
    } catch (const Json::parse_error& error) {
        return std::unexpected(fmt::format("not JSON at byte {}", error.byte));
    }
    if (twice) return std::unexpected(fmt::format("field '{}' stands twice in one object", *twice));
    if (!json.is_object() || !json.contains("scenario") || json["scenario"] != 1)
        return std::unexpected("no scenario of version 1: {\"scenario\": 1, ...}");
    Plan plan;
    std::optional<std::string> wrong;
    for (const auto& [name, value] : json.items()) {
        if (name == "scenario") continue;
        if (name == "seed") {
            if (!value.is_number_unsigned())
                return std::unexpected(
                    fmt::format("seed: {}: not an unsigned number of 64 bits", shown(value)));
            plan.seed = value.get<std::uint64_t>();
        } else if (name == "shape") {
            wrong = read_fields(value, plan.shape, name);
        } else if (name == "faults") {
            wrong = read_lines(value, plan.faults, &FaultLine::kind, kFaultKindCount, name);
        } else if (name == "operations") {
            wrong = read_lines(value, plan.operations, &OperationLine::kind, kRequestKindCount, name);
        } else {
            wrong = fmt::format("no field '{}'", name);
        }
        if (wrong) return std::unexpected(*wrong);
    }
    wrong = out_of_bounds(plan);
    if (wrong) return std::unexpected(*wrong);
    return plan;
}

}  // namespace quorate::sim
