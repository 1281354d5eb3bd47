#include "sim/referee.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/backup.h"
#include "server/decimal.h"
#include "server/hash.h"

namespace quorate::sim {

using engine::LogIndex;
using engine::Term;

namespace {

std::optional<std::uint64_t> number_in(const server::HttpResponse& response, std::string_view header) {
    const std::string* text = response.header(header);
    return text != nullptr ? server::parse_decimal(*text) : std::nullopt;
}

std::string code_of(const server::HttpResponse& response) {
    const auto json = nlohmann::json::parse(response.body, nullptr, false);
    return json.is_object() && json.contains("code") ? json["code"].get<std::string>() : std::string();
}

std::string_view shown(const std::optional<std::string>& value) {
    return value ? value_name(*value) : std::string_view("nothing");
}

}  // namespace

std::string_view value_name(std::string_view value) { return value.substr(0, value.find('.')); }

void Referee::violate(std::string_view property, std::string text) {
    if (!violation_) violation_ = Violation{std::string(property), std::move(text), {}};
}

std::uint64_t& Referee::applied_of(std::size_t node) {
    if (applied_.size() <= node) applied_.resize(node + 1);
    return applied_[node];
}

// Election Safety: "at most one leader can be elected in a given term"; Leader Completeness: "if a log entry
// is committed in a given term, then that entry will be present in the logs of the leaders for all
// higher-numbered terms". Thesis Fig. 3.2.
void Referee::look_at(std::size_t node, const engine::Raft& raft) {
    if (raft.role() != engine::RoleName::Leader) return;
    const Term term = raft.current_term();
    const auto [known, is_new] = leader_of_term_.try_emplace(term, node);
    if (known->second != node) {
        violate("Election Safety", fmt::format("term {} has two leaders: node {} and node {}", term.value,
                                               known->second + 1, node + 1));
    }
    if (!is_new) return;
    // By Log Matching the newest entry speaks for all before it.
    for (std::uint64_t index = chain_.size(); index > 0; --index) {
        const Committed& committed = chain_[index - 1];
        if (committed.seen_in_term >= term) continue;
        if (raft.log().base().index < LogIndex(index) &&
            !raft.log().holds({LogIndex(index), committed.term})) {
            violate("Leader Completeness",
                    fmt::format("node {} leads term {} without the committed entry {} of term {}", node + 1,
                                term.value, index, committed.term.value));
        }
        break;
    }
}

void Referee::too_much(std::size_t node, const server::QueueUse& queue) {
    violate("Bounded Memory",
            fmt::format("node {} holds {} {}, of {}", node + 1, queue.held, queue.name, queue.held_max));
}

// State Machine Safety: "if a server has applied a log entry at a given index to its state machine, no other
// server will ever apply a different log entry for the same index". Thesis Fig. 3.2.
void Referee::entry_applied(std::size_t node, const engine::Raft& raft, LogIndex index,
                            const wal::LogEntry& entry, const server::StateMachine& store) {
    if (index.value != ++applied_of(node)) {
        return violate("Order", fmt::format("node {} applied entry {} after entry {}", node + 1, index.value,
                                            applied_of(node) - 1));
    }
    const std::uint64_t hash = server::hash64(entry.payload);
    if (index.value <= chain_.size()) {
        const Committed& known = chain_[index.value - 1];
        if (known.term != entry.term || known.payload_hash != hash) {
            violate("State Machine Safety",
                    fmt::format("node {} applied another entry at {} (term {}) than was committed (term {})",
                                node + 1, index.value, entry.term.value, known.term.value));
        }
        return compare(node, index, store, "Replica Agreement");
    }
    if (index.value > chain_.size() + 1) {
        return violate("Order", fmt::format("node {} applied entry {} before anybody applied entry {}",
                                            node + 1, index.value, chain_.size() + 1));
    }
    if (entry.kind == engine::EntryKind::Command) {
        const auto command = server::decode_command(entry.payload);
        if (!command) return violate("Format", fmt::format("entry {} holds no command", index.value));
        apply(*command);
    }
    if (entry.kind == engine::EntryKind::Membership) {
        const auto members = server::decode_members(entry.payload);
        if (!members) return violate("Format", fmt::format("entry {} holds no members", index.value));
        if (index.value > 1 && !membership_.may_become(members->membership()))
            violate("Membership", fmt::format("entry {} skips the joint configuration", index.value));
        membership_ = members->membership();
    }
    chain_.push_back(
        {entry.term, hash, raft.current_term(), revision_, forgotten_, answers_given_, answers_forgotten_});
    compare(node, index, store, "Replica Agreement");
}

// How far a store has come, against what the log has made of ours.
void Referee::compare(std::size_t node, LogIndex index, const server::StateMachine& store,
                      std::string_view property) {
    const Committed& last = chain_[index.value - 1];
    if (store.revision() != last.revision || store.oldest_revision() != last.forgotten) {
        violate(property, fmt::format("node {} at entry {} has revisions {} to {}, the log {} to {}",
                                      node + 1, index.value, store.oldest_revision(), store.revision(),
                                      last.forgotten, last.revision));
    }
    const auto& answers = store.answers();
    if (answers.last() != last.answers || answers.forgotten() != last.answers_forgotten) {
        violate(property, fmt::format("node {} at entry {} knows answers {} to {}, the log {} to {}",
                                      node + 1, index.value, answers.forgotten() + 1, answers.last(),
                                      last.answers_forgotten + 1, last.answers));
    }
}

// Snapshot Equals Log: what it holds is what the entries that it covers have made.
void Referee::store_replaced(std::size_t node, LogIndex index, const server::StateMachine& store) {
    const auto wrong = [&](const std::string& what) {
        violate("Snapshot Equals Log", fmt::format("node {} has loaded a snapshot through entry {}: {}",
                                                   node + 1, index.value, what));
    };
    if (index.value == 0 || index.value > chain_.size())
        return wrong(fmt::format("{} entries are committed", chain_.size()));
    if (index.value < applied_of(node))
        return wrong(fmt::format("it had applied entry {}", applied_of(node)));
    applied_of(node) = index.value;
    const Committed& last = chain_[index.value - 1];
    compare(node, index, store, "Snapshot Equals Log");
    if (violation_) return;
    std::size_t keys = 0;
    const auto check = [&](const std::string& key, std::uint64_t revision) {
        const Version* version = at(key, revision);
        const server::Record* record = store.get_at(key, revision);
        const bool is_there = version != nullptr && version->value;
        if (is_there != (record != nullptr) ||
            (is_there && (record->value != *version->value || record->mod_revision != version->revision)))
            wrong(fmt::format("{} differs at revision {}", key, revision));
        return is_there;
    };
    for (const auto& [key, versions] : versions_) {
        check(key, last.forgotten);
        for (const Version& version : versions) {
            if (version.revision <= last.forgotten || version.revision > last.revision) continue;
            check(key, version.revision - 1);
            check(key, version.revision);
        }
        if (check(key, last.revision)) ++keys;
    }
    if (store.size() != keys) wrong(fmt::format("it has {} keys, not {}", store.size(), keys));
}

// Whether a write that must happen once does so now.
bool Referee::happens(const server::Once& once) {
    const auto known = answers_.find(once.key);
    if (known != answers_.end() && known->second > answers_forgotten_) return false;
    if (once.session && (*once.session < answers_forgotten_ || *once.session > answers_given_)) return false;
    answers_[once.key] = ++answers_given_;
    return true;
}

void Referee::apply(const server::Command& command) {
    using Kind = server::Condition::Kind;
    const auto mod = [&] { return mod_revision(command.operations.front().key); };
    const auto is_in = [&] {
        return mod() != 0 &&
               std::ranges::find(command.condition.revisions, mod()) != command.condition.revisions.end();
    };
    forgotten_ = std::max(forgotten_, std::min(command.forget_through, revision_));
    answers_forgotten_ =
        std::max(answers_forgotten_, std::min(command.forget_answers_through, answers_given_));
    if (command.once && !happens(*command.once)) return;
    bool holds = true;
    switch (command.condition.kind) {
        case Kind::None: break;
        case Kind::Exists: holds = mod() != 0; break;
        case Kind::Absent: holds = mod() == 0; break;
        case Kind::RevisionIn: holds = is_in(); break;
        case Kind::RevisionNotIn: holds = !is_in(); break;
    }
    for (const server::Operation& operation : command.operations) {
        if (operation.kind != server::Operation::Kind::Put) continue;
        const std::string name(value_name(operation.value));
        // All operations of a batch carry the same name: told apart by their keys.
        if (!values_applied_.insert(name + '@' + operation.key).second)
            violate("Exactly Once", fmt::format("{} was written to {} twice", name, operation.key));
        if (values_refused_.contains(name))
            violate(
                "Honest Refusal",
                fmt::format("{} was written although its client was told that nothing would happen", name));
    }
    if (!holds) return;
    bool changes = false;
    for (const server::Operation& operation : command.operations) {
        changes =
            changes || operation.kind == server::Operation::Kind::Put || mod_revision(operation.key) != 0;
    }
    if (!changes) return;
    ++revision_;
    for (const server::Operation& operation : command.operations) {
        auto& versions = versions_[operation.key];
        const bool is_put = operation.kind == server::Operation::Kind::Put;
        if (!is_put && (versions.empty() || !versions.back().value)) continue;
        versions.push_back({revision_, is_put ? std::optional(operation.value) : std::nullopt});
    }
}

std::uint64_t Referee::mod_revision(std::string_view key) const {
    const Version* version = at(key, revision_);
    return version != nullptr && version->value ? version->revision : 0;
}

const Referee::Version* Referee::at(std::string_view key, std::uint64_t revision) const {
    const auto found = versions_.find(key);
    if (found == versions_.end()) return nullptr;
    const auto after = std::ranges::upper_bound(found->second, revision, {}, &Version::revision);
    return after == found->second.begin() ? nullptr : &*std::prev(after);
}

// Nothing happened, and nothing will.
Fate Referee::refused(const Attempt& attempt) {
    // What has a key is sent again as it is.
    if (!attempt.once.empty()) return Fate::Refused;
    for (const server::Operation& write : attempt.writes) {
        if (write.kind != server::Operation::Kind::Put) continue;
        const std::string name(value_name(write.value));
        values_refused_.insert(name);
        if (values_applied_.contains(name + '@' + write.key))
            violate("Honest Refusal",
                    fmt::format("{} was written; its client is told that nothing happened", name));
    }
    return Fate::Refused;
}

Fate Referee::session_expired(const Attempt& attempt) {
    if (!attempt.session || *attempt.session >= answers_forgotten_)
        violate("Sessions",
                fmt::format("attempt {} is told that session {} has expired: only {} answers are forgotten",
                            attempt.number, attempt.session.value_or(0), answers_forgotten_));
    return attempt.may_have_happened ? Fate::Unknown : refused(attempt);
}

Fate Referee::judge(const Attempt& attempt, const server::HttpResponse& response) {
    // An order is given until it comes to somebody who can try to carry it out.
    if (attempt.is_order) {
        const std::string code = code_of(response);
        const bool is_elsewhere = code == "not_leader" || code == "no_leader" || code == "node_removed" ||
                                  code == "transfer_replaced";
        if (is_elsewhere || code == "change_in_progress") return Fate::Refused;
        if (response.status >= 500 && response.status != 503 && response.status != 507)
            violate("Answers",
                    fmt::format("an order was answered with {}: {}", response.status, response.body));
        return Fate::Done;
    }
    const bool is_write = !attempt.writes.empty();
    switch (response.status) {
        case 200:
        case 404:
        case 412: break;
        case 410:
            if (code_of(response) == "node_removed") return refused(attempt);
            if (code_of(response) == "session_expired") return session_expired(attempt);
            if (attempt.past_revision.value_or(UINT64_MAX) >= forgotten_)
                violate("History",
                        fmt::format("attempt {} is told that revision {} is forgotten: the cluster "
                                    "has forgotten what was before {}",
                                    attempt.number, attempt.past_revision.value_or(0), forgotten_));
            return Fate::Done;
        case 429:
        case 503:
        case 507: {
            if (is_write && code_of(response) == "outcome_unknown") return Fate::Unknown;
            return refused(attempt);
        }
        default:
            violate("Answers", fmt::format("attempt {} was answered with {}: {}", attempt.number,
                                           response.status, response.body));
            return Fate::Refused;
    }
    const auto revision = number_in(response, "Quorate-Revision");
    if (!revision) {
        violate("Answers", fmt::format("attempt {}: {} without a revision", attempt.number, response.status));
        return Fate::Done;
    }
    if (*revision > revision_) {
        violate("Durability",
                fmt::format("attempt {} was answered with revision {}, and only {} are committed",
                            attempt.number, *revision, revision_));
        return Fate::Done;
    }
    if (!attempt.is_stale_read && *revision < attempt.floor_revision) {
        violate("Linearizability",
                fmt::format("attempt {} was answered from revision {}, and revision {} had been answered "
                            "before it began",
                            attempt.number, *revision, attempt.floor_revision));
    }
    if (is_write) {
        check_write(attempt, response, *revision);
    } else if (attempt.is_backup) {
        check_backup(attempt, response, *revision);
    } else if (attempt.is_range) {
        check_range(attempt, response, attempt.past_revision.value_or(*revision));
    } else {
        check_read(attempt, response, attempt.past_revision.value_or(*revision));
    }
    if (!attempt.is_stale_read) highest_answered_ = std::max(highest_answered_, *revision);
    return Fate::Done;
}

void Referee::check_write(const Attempt& attempt, const server::HttpResponse& response,
                          std::uint64_t revision) {
    const auto wrong = [&](std::string_view what) {
        violate("Linearizability", fmt::format("attempt {} was answered with {} at revision {}: {}",
                                               attempt.number, response.status, revision, what));
    };
    if (response.status == 404) return wrong("a write is never absent");
    if (response.status == 412) {
        if (!attempt.if_revision) return wrong("it had no condition");
        const Version* version = at(attempt.writes.front().key, revision);
        const std::uint64_t mod = version != nullptr && version->value ? version->revision : 0;
        if (mod == *attempt.if_revision) return wrong("its condition held");
        return;
    }
    const std::uint64_t deleted = number_in(response, "Quorate-Deleted").value_or(0);
    bool changed = deleted > 0;
    std::uint64_t deleted_there = 0;
    for (const server::Operation& write : attempt.writes) {
        const Version* version = at(write.key, revision);
        if (write.kind == server::Operation::Kind::Put) {
            changed = true;
            if (version == nullptr || version->revision != revision || version->value != write.value)
                return wrong(fmt::format("{} does not hold its value", write.key));
        } else if (version != nullptr && version->value) {
            return wrong(fmt::format("{} is there", write.key));
        } else if (version != nullptr && version->revision == revision) {
            ++deleted_there;
        }
    }
    // What changes nothing has no revision of its own: others may have deleted there.
    if (changed && deleted != deleted_there)
        wrong(fmt::format("{} keys were deleted, not {}", deleted_there, deleted));
    if (changed && revision <= attempt.floor_revision) wrong("a write takes a revision of its own");
    if (attempt.if_revision) {
        const Version* before = at(attempt.writes.front().key, changed ? revision - 1 : revision);
        const std::uint64_t mod = before != nullptr && before->value ? before->revision : 0;
        if (mod != *attempt.if_revision) wrong("its condition did not hold");
    }
}

void Referee::check_backup(const Attempt& attempt, const server::HttpResponse& response,
                           std::uint64_t revision) {
    const auto wrong = [&](std::string_view what) {
        violate("Linearizability", fmt::format("attempt {} was given a backup at revision {}: {}",
                                               attempt.number, revision, what));
    };
    server::BackupReader reader([&, text = response.body]() mutable {
        return std::expected<std::string, std::string>(std::exchange(text, {}));
    });
    const auto head = reader.head();
    if (!head) return wrong(head.error());
    if (head->revision != revision) wrong(fmt::format("its first line says {}", head->revision));
    std::uint64_t keys = 0;
    for (;; ++keys) {
        const auto read = reader.next();
        if (!read) return wrong(read.error());
        const std::optional<server::BackupPair>& pair = *read;
        if (!pair) break;
        const auto& [key, record] = *pair;
        const Version* version = at(key, revision);
        if (version == nullptr || version->value != record.value || version->revision != record.mod_revision)
            wrong(fmt::format("{} does not hold {} since {}", key, value_name(record.value),
                              record.mod_revision));
    }
    const auto is_there = [&](const auto& item) {
        const Version* version = at(item.first, revision);
        return version != nullptr && version->value.has_value();
    };
    if (const auto expected = static_cast<std::uint64_t>(std::ranges::count_if(versions_, is_there));
        keys != expected)
        wrong(fmt::format("it has {} keys, not {}", keys, expected));
}

void Referee::check_read(const Attempt& attempt, const server::HttpResponse& response,
                         std::uint64_t revision) {
    const std::string& key = attempt.reads.front();
    const Version* version = at(key, revision);
    const auto expected = version != nullptr ? version->value : std::nullopt;
    const auto seen = response.status == 200 ? std::optional(response.body) : std::nullopt;
    if (seen == expected) return;
    violate("Linearizability", fmt::format("attempt {} read {} at revision {}: {}; it holds {}",
                                           attempt.number, key, revision, shown(seen), shown(expected)));
}

// A page may end early, and says so then by its last key: what follows is not in it.
void Referee::check_range(const Attempt& attempt, const server::HttpResponse& response,
                          std::uint64_t revision) {
    const auto wrong = [&](std::string_view what) {
        violate("Linearizability",
                fmt::format("attempt {} read a range at revision {}: {}", attempt.number, revision, what));
    };
    std::vector<std::string> got;
    std::string last;
    for (std::string_view lines = response.body; !lines.empty();) {
        const std::size_t end = lines.find('\n');
        const auto json = nlohmann::json::parse(lines.substr(0, end), nullptr, false);
        if (json.is_discarded()) return violate("Answers", "a range holds a line that is no JSON");
        last = json["k"].get<std::string>();
        got.push_back(last + '=' + json["v"].get<std::string>());
        lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 1);
    }
    const std::string* next = response.header("Quorate-Next");
    if (next != nullptr && *next != last) return wrong("Quorate-Next is not its last key");
    if (attempt.limit > 0 && got.size() > attempt.limit) return wrong("it has more than its limit");
    std::vector<std::string> expected;
    bool has_more = false;
    for (const std::string& key : attempt.reads) {
        const Version* version = at(key, revision);
        if (version == nullptr || !version->value) continue;
        has_more = next != nullptr && key > *next;
        if (has_more) break;
        expected.push_back(key + '=' + *version->value);
    }
    if (next != nullptr && !has_more) return wrong("nothing comes behind Quorate-Next");
    const auto [seen, held] = std::ranges::mismatch(got, expected);
    if (seen == got.end() && held == expected.end()) return;
    const auto shown_at = [](const auto& entry, const auto& entries) {
        return entry == entries.end() ? std::string_view("its end") : value_name(*entry);
    };
    wrong(fmt::format("entry {} is {}; it holds {}", seen - got.begin() + 1, shown_at(seen, got),
                      shown_at(held, expected)));
}

}  // namespace quorate::sim
