#include "server/log_line.h"

#include <optional>
#include <string_view>
#include <utility>

#include <absl/strings/escaping.h>
#include <fmt/format.h>

#include "server/command.h"
#include "server/json_text.h"
#include "server/members.h"

namespace quorate::server {

namespace {

std::string_view text_of(engine::EntryKind kind) {
    switch (kind) {
        case engine::EntryKind::NoOp: return "noop";
        case engine::EntryKind::Command: return "command";
        case engine::EntryKind::Membership: return "membership";
    }
    std::unreachable();
}

std::string_view text_of(MemberRole role) {
    switch (role) {
        case MemberRole::Voter: return "voter";
        case MemberRole::OutgoingVoter: return "outgoing_voter";
        case MemberRole::ContinuingVoter: return "continuing_voter";
        case MemberRole::Learner: return "learner";
        case MemberRole::JoiningLearner: return "joining_learner";
    }
    std::unreachable();
}

std::string_view text_of(Condition::Kind kind) {
    switch (kind) {
        case Condition::Kind::None: return "none";
        case Condition::Kind::Exists: return "exists";
        case Condition::Kind::Absent: return "absent";
        case Condition::Kind::RevisionIn: return "revision_in";
        case Condition::Kind::RevisionNotIn: return "revision_not_in";
    }
    std::unreachable();
}

void append_operation(std::string& out, const Operation& operation, Values values) {
    const bool is_put = operation.kind == Operation::Kind::Put;
    out += is_put ? R"({"op":"put",)" : R"({"op":"delete",)";
    append_json_bytes(out, "k", operation.key);
    if (is_put) {
        out += ',';
        if (values == Values::Shown) {
            append_json_bytes(out, "v", operation.value);
        } else {
            out += fmt::format(R"("value_bytes":{})", operation.value.size());
        }
    }
    out += '}';
}

void append_command(std::string& out, const Command& command, Values values) {
    if (command.forget_through > 0) {
        out += fmt::format(R"(,"forget_through":{})", command.forget_through);
        return;
    }
    if (command.forget_answers_through > 0) {
        out += fmt::format(R"(,"forget_answers_through":{})", command.forget_answers_through);
        return;
    }
    if (command.once) {
        out += ',';
        append_json_bytes(out, "idempotency_key", command.once->key);
        if (command.once->session) out += fmt::format(R"(,"session":"{}")", *command.once->session);
    }
    if (command.condition.kind != Condition::Kind::None) {
        out += fmt::format(R"(,"if":"{}")", text_of(command.condition.kind));
        if (!command.condition.revisions.empty()) {
            std::string_view separator = R"(,"revisions":[)";
            for (const std::uint64_t revision : command.condition.revisions)
                out += fmt::format("{}{}", std::exchange(separator, ","), revision);
            out += ']';
        }
    }
    std::string_view separator = R"(,"operations":[)";
    for (const Operation& operation : command.operations) {
        out += std::exchange(separator, ",");
        append_operation(out, operation, values);
    }
    out += ']';
}

// Ids are text: most programs that read JSON take only 53 bits of a number.
void append_members(std::string& out, const ClusterMembers& members) {
    std::string_view separator;
    out += R"(,"members":[)";
    for (const Member& member : members.members) {
        out += fmt::format(R"({}{{"id":"{}","role":"{}",)", std::exchange(separator, ","), member.id.value,
                           text_of(member.role));
        append_json_bytes(out, "name", member.name);
        out += ',';
        append_json_bytes(out, "address", member.address);
        out += '}';
    }
    out += ']';
    if (members.origin != 0) out += fmt::format(R"(,"origin":"{:016x}")", members.origin);
    if (members.lineage != 0) out += fmt::format(R"(,"lineage":"{:016x}")", members.lineage);
}

}  // namespace

std::string log_line(engine::LogIndex index, const wal::LogEntry& entry, Values values) {
    std::string out = fmt::format(R"({{"index":{},"term":{},"kind":"{}")", index.value, entry.term.value,
                                  text_of(entry.kind));
    const bool shows_values = values == Values::Shown;
    const auto command =
        entry.kind == engine::EntryKind::Command ? decode_command(entry.payload) : std::nullopt;
    const auto members =
        entry.kind == engine::EntryKind::Membership ? decode_members(entry.payload) : std::nullopt;
    if (command) {
        append_command(out, *command, values);
    } else if (members) {
        append_members(out, *members);
    } else if (!is_known_payload(entry.kind, entry.payload)) {
        out += fmt::format(R"(,"unreadable_bytes":{})", entry.payload.size());
        if (shows_values) out += fmt::format(R"(,"payload_b64":"{}")", absl::Base64Escape(entry.payload));
    }
    out += "}\n";
    return out;
}

bool is_known_payload(engine::EntryKind kind, std::string_view payload) {
    switch (kind) {
        case engine::EntryKind::NoOp: return payload.empty();
        case engine::EntryKind::Command: return decode_command(payload).has_value();
        case engine::EntryKind::Membership: return decode_members(payload).has_value();
    }
    std::unreachable();
}

}  // namespace quorate::server
