#include "tests/scenarios/words.h"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "engine/format.h"
#include "engine/overloaded.h"

namespace quorate::scenario {

using namespace engine;  // NOLINT(google-build-using-namespace): every other word here is the engine's

namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    while (true) {
        const std::size_t end = text.find(separator);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + 1);
    }
}

std::string ids(const std::vector<ServerId>& servers) {
    std::string text;
    for (const ServerId id : servers) text += " " + number(id);
    return text;
}

std::string run(LogIndex first, LogIndex last, Term term) {
    const std::string from = first == last ? "" : number(first) + "..";
    return from + number(last) + "@" + number(term);
}

}  // namespace

Words::Words(std::string_view line) {
    std::istringstream stream{std::string(line)};
    for (std::string word; stream >> word;) words_.push_back(std::move(word));
}

std::string Words::take(std::string_view what) {
    if (is_empty()) throw ScenarioError(std::string(what) + " is missing");
    return words_[taken_++];
}

std::uint64_t Words::take_number(std::string_view what) { return parse_number(take(what), what); }

bool Words::take_if(std::string_view word) {
    if (is_empty() || words_[taken_] != word) return false;
    ++taken_;
    return true;
}

void Words::require_end() const {
    if (!is_empty()) throw ScenarioError("'" + words_[taken_] + "' is one word too many");
}

bool is_number(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::uint64_t parse_number(std::string_view text, std::string_view what) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.begin(), text.end(), value);
    if (!is_number(text) || error != std::errc{} || end != text.end())
        throw ScenarioError(std::string(what) + " must be a number, not '" + std::string(text) + "'");
    return value;
}

EntryId parse_entry_id(std::string_view text, std::string_view what) {
    const auto parts = split(text, '@');
    if (parts.size() != 2)
        throw ScenarioError(std::string(what) + " must be INDEX@TERM, not '" + std::string(text) + "'");
    return {LogIndex(parse_number(parts[0], what)), Term(parse_number(parts[1], what))};
}

Membership parse_membership(std::string_view text) {
    const auto lists = split(text, ':');
    if (lists.size() > 3) throw ScenarioError("members must be VOTERS[:OUTGOING[:LEARNERS]]");
    Membership membership;
    const std::array<std::vector<ServerId>*, 3> targets{&membership.voters, &membership.voters_outgoing,
                                                        &membership.learners};
    for (std::size_t i = 0; i < lists.size(); ++i) {
        if (lists[i].empty()) continue;
        for (const std::string_view id : split(lists[i], '+'))
            targets.at(i)->emplace_back(parse_number(id, "a member"));
    }
    return membership;
}

StoredEntry made_up_entry(EntryId id) {
    return {.shape = {id.term, EntryKind::Command, 1}, .word = to_text(id), .membership = {}};
}

std::vector<StoredEntry> parse_entries(std::string_view text, LogIndex first) {
    std::vector<StoredEntry> entries;
    for (const std::string_view part : split(text, ',')) {
        const std::size_t colon = part.find(':');
        const Term term(parse_number(part.substr(0, colon), "an entry's term"));
        StoredEntry entry = made_up_entry({first.plus(entries.size()), term});
        if (colon != std::string_view::npos) {
            entry.shape.kind = EntryKind::Membership;
            entry.membership = parse_membership(part.substr(colon + 1));
        }
        entries.push_back(std::move(entry));
    }
    return entries;
}

std::string to_text(EntryId id) { return run(id.index, id.index, id.term); }

std::string to_text(const Membership& membership) {
    std::string text = "voters" + ids(membership.voters);
    if (membership.is_joint()) text += " outgoing" + ids(membership.voters_outgoing);
    if (!membership.learners.empty()) text += " learners" + ids(membership.learners);
    return text;
}

std::string to_text(const StoredLog& log, LogIndex first, LogIndex last) {
    std::string text;
    for (LogIndex i = first; i <= last;) {
        LogIndex end = i;
        while (end < last && log.term_at(end.next()) == log.term_at(i)) end = end.next();
        text += (text.empty() ? "" : " ") + run(i, end, log.term_at(i));
        i = end.next();
    }
    return text;
}

std::string to_text(const HardState& hard_state) {
    const std::string vote =
        hard_state.voted_for == kNobody ? "" : " voted_for " + number(hard_state.voted_for);
    return "term " + number(hard_state.current_term) + vote;
}

std::string to_text(const Note& note) {
    std::string text(to_string(note.kind));
    if (note.peer != kNobody) text += " peer " + number(note.peer);
    if (note.term > Term{}) text += " term " + number(note.term);
    if (note.index > LogIndex{}) text += " index " + number(note.index);
    return text;
}

std::string to_text(const Message& message, const StoredLog& log) {
    const auto kind = [](CampaignKind k) { return std::string(to_string(k)); };
    return std::visit(
        Overloaded{
            [&](const RequestVote& m) {
                return "RequestVote " + kind(m.kind) + " term " + number(m.term) + " last " +
                       to_text(m.last_entry);
            },
            [&](const VoteGranted& m) { return "VoteGranted " + kind(m.kind) + " term " + number(m.term); },
            [&](const VoteRefused& m) {
                return "VoteRefused " + kind(m.kind) + " term " + number(m.term) + " request_term " +
                       number(m.request_term);
            },
            [&](const AppendEntries& m) {
                const LogIndex first = m.previous.index.next();
                const std::string entries =
                    m.entry_count == 0 ? ""
                                       : " entries " + to_text(log, first, first.plus(m.entry_count - 1));
                return "AppendEntries term " + number(m.term) + " previous " + to_text(m.previous) + entries +
                       " commit " + number(m.leader_commit);
            },
            [](const AppendAccepted& m) {
                return "AppendAccepted term " + number(m.term) + " match " + number(m.match_index);
            },
            [](const AppendRefused& m) {
                return "AppendRefused term " + number(m.term) + " rejected " + to_text(m.rejected) +
                       " conflict " + to_text(m.conflict) + " last " + number(m.last_index);
            },
            [](const Heartbeat& m) {
                return "Heartbeat term " + number(m.term) + " round " + number(m.round) + " commit " +
                       number(m.commit_index);
            },
            [](const HeartbeatReply& m) {
                return "HeartbeatReply term " + number(m.term) + " round " + number(m.round) + " received " +
                       number(m.received_index) + " match " + number(m.match_index) + " commit " +
                       number(m.commit_index);
            },
            [](const StaleTerm& m) { return "StaleTerm term " + number(m.term); },
            [](const TimeoutNow& m) { return "TimeoutNow term " + number(m.term); },
            [](const ReadIndexRequest& m) {
                return "ReadIndexRequest term " + number(m.term) + " request " + number(m.request);
            },
            [](const ReadIndexReply& m) {
                return "ReadIndexReply term " + number(m.term) + " request " + number(m.request) + " index " +
                       number(m.read_index);
            },
            [](const ReadIndexRefused& m) {
                return "ReadIndexRefused term " + number(m.term) + " request " + number(m.request);
            },
            [](const InstallSnapshot& m) {
                return "InstallSnapshot term " + number(m.term) + " last " + to_text(m.last_entry);
            },
        },
        message);
}

std::string to_text(const Progress& progress) {
    std::string text(to_string(progress.state));
    text += " match " + number(progress.match_index) + " next " + number(progress.next_index);
    if (progress.state == ProgressState::Snapshot) text += " snapshot " + number(progress.snapshot_index);
    if (!progress.inflight.empty()) {
        text += " inflight " + std::to_string(progress.inflight.size()) + " of " +
                std::to_string(progress.inflight_bytes) + " bytes";
    }
    return text;
}

}  // namespace quorate::scenario
