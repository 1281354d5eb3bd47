#include "tests/scenarios/transcript.h"

#include <algorithm>
#include <array>
#include <utility>

#include "engine/format.h"
#include "engine/overloaded.h"

namespace quorate::scenario {

using namespace engine;  // NOLINT(google-build-using-namespace): every other word here is the engine's

namespace {

constexpr std::array<std::pair<std::string_view, Part>, 6> kParts{{{"roles", Part::Roles},
                                                                   {"notes", Part::Notes},
                                                                   {"messages", Part::Messages},
                                                                   {"disk", Part::Disk},
                                                                   {"commits", Part::Commits},
                                                                   {"answers", Part::Answers}}};

std::string range(LogIndex first, LogIndex last) {
    return (first == last ? "" : std::to_string(first.value) + "..") + std::to_string(last.value);
}

std::string known_leader(ServerId leader) {
    return leader == kNobody ? "" : " leader " + std::to_string(leader.value);
}

std::string describe(const PersistLog& persist, const StoredLog& log) {
    std::string text = "PersistLog #" + number(persist.ticket);
    if (persist.hard_state) text += " " + to_text(*persist.hard_state);
    if (persist.truncate_from > LogIndex{}) text += " truncate_from " + number(persist.truncate_from);
    if (persist.first > LogIndex{} && persist.first <= persist.last)
        text += " append " + to_text(log, persist.first, persist.last);
    return text;
}

// The role's note goes without saying: it is the announcement's reason.
bool is_announced(const Note& note, const Output& output) {
    return std::ranges::any_of(output.actions, [&](const Action& action) {
        const auto* announced = std::get_if<AnnounceRole>(&action);
        return announced != nullptr && announced->reason == note.kind;
    });
}

}  // namespace

void Transcript::show(Words& names) {
    shown_.clear();
    do {
        const std::string name = names.take("what to show");
        const auto* part = std::ranges::find(kParts, name, &std::pair<std::string_view, Part>::first);
        if (part == kParts.end()) throw ScenarioError("there is no '" + name + "' to show");
        shown_.insert(part->second);
    } while (!names.is_empty());
}

void Transcript::add_step(const Server& server, const Output& output) {
    for (const Note& note : output.notes) {
        const bool is_in_announcement = shows(Part::Roles) && is_announced(note, output);
        if (shows(Part::Notes) || is_in_announcement) notes_.insert(note.kind);
        if (shows(Part::Notes) && !is_in_announcement)
            add_line("  " + number(server.id) + " " + to_text(note));
    }
    for (const Action& action : output.actions) add_action(server, action);
}

void Transcript::add_action(const Server& server, const Action& action) {
    const auto add = [&](Part part, const std::string& text) {
        if (shows(part)) add_line("  " + number(server.id) + " " + text);
    };
    std::visit(
        Overloaded{
            [&](const SendMessage& a) {
                add(Part::Messages, "-> " + number(a.to) + " " + to_text(a.message, server.log));
            },
            [&](const SendSnapshot& a) {
                add(Part::Messages, "SendSnapshot to " + number(a.to) + " term " + number(a.term));
            },
            [&](const PersistLog& a) { add(Part::Disk, describe(a, server.log)); },
            [&](const InstallReceivedSnapshot& a) {
                add(Part::Disk, "InstallReceivedSnapshot " + to_text(a.last_entry) +
                                    (a.log == LogAfterInstall::KeepSuffix ? " KeepSuffix" : " DiscardAll"));
            },
            [&](const CommitEntries& a) { add(Part::Commits, "CommitEntries " + range(a.first, a.last)); },
            [&](const AcceptProposal& a) {
                add(Part::Answers, "AcceptProposal " + range(a.first, a.last) + " term " + number(a.term));
            },
            [&](const RefuseProposal& a) {
                add(Part::Answers,
                    "RefuseProposal " + std::string(to_string(a.reason)) + known_leader(a.leader));
            },
            [&](const AnswerRead& a) {
                add(Part::Answers,
                    "AnswerRead request " + number(a.request) + " index " + number(a.read_index));
            },
            [&](const RefuseRead& a) {
                add(Part::Answers, "RefuseRead request " + number(a.request) + " " +
                                       std::string(to_string(a.reason)) + known_leader(a.leader));
            },
            [&](const AnswerTransfer& a) {
                add(Part::Answers,
                    "AnswerTransfer request " + number(a.request) + " " + std::string(to_string(a.outcome)));
            },
            [&](const AnnounceRole& a) {
                add(Part::Roles, "AnnounceRole " + std::string(to_string(a.role)) + " term " +
                                     number(a.term) + known_leader(a.leader) + ": " +
                                     std::string(to_string(a.reason)));
            },
        },
        action);
}

}  // namespace quorate::scenario
