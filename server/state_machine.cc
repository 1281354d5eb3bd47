#include "server/state_machine.h"

#include <algorithm>
#include <utility>

#include "engine/check.h"
#include "engine/digest.h"
#include "server/hash.h"

namespace quorate::server {

namespace {

/// Records and changes whose memory is given back in one call, so that no turn is long.
constexpr std::size_t kFreedAtOnce = 1024;

}  // namespace

ApplyResult StateMachine::apply(const Command& command) {
    if (command.forget_through > oldest_revision_) {
        oldest_revision_ = std::min(command.forget_through, revision_);
        history_.forget_through(oldest_revision_);
    }
    answers_.forget_through(command.forget_answers_through);
    return command.once ? apply_once(*command.once, command) : write(command);
}

ApplyResult StateMachine::apply_once(const Once& once, const Command& command) {
    const auto& [key, session] = once;
    const std::uint64_t fingerprint = fingerprint_of(command);
    ApplyResult result{.revision = revision_};
    if (const AnsweredWrite* known = answers_.find(key); known != nullptr) {
        const bool is_same = known->fingerprint == fingerprint;
        if (is_same) result = known->result;
        result.standing = is_same ? ApplyResult::Standing::Repeated : ApplyResult::Standing::KeyReused;
    } else if (session && answers_.has_expired(*session)) {
        result.standing = ApplyResult::Standing::SessionExpired;
    } else {
        result = write(command);
        answers_.add({key, fingerprint, session.has_value(), result});
    }
    result.session = answers_.last();
    return result;
}

ApplyResult StateMachine::write(const Command& command) {
    ApplyResult result;
    if (command.condition.kind != Condition::Kind::None &&
        !holds(command.condition, command.operations.front().key)) {
        result.condition_failed = true;
    } else {
        const std::uint64_t next = revision_ + 1;
        bool changed = false;
        Place place{records_.end(), {}};
        for (const Operation& operation : command.operations) {
            switch (operation.kind) {
                case Operation::Kind::Put:
                    put(operation, next, result.deleted > 0, place);
                    changed = true;
                    break;
                case Operation::Kind::Delete:
                    if (!remove(operation.key, next, place)) break;
                    ++result.deleted;
                    changed = true;
                    break;
            }
        }
        if (changed) revision_ = next;
    }
    result.revision = revision_;
    if (command.operations.size() == 1) {
        const Record* record = get(command.operations.front().key);
        result.mod_revision = record != nullptr ? record->mod_revision : 0;
    }
    return result;
}

// As that of the map, behind `before` first.
StateMachine::Records::iterator StateMachine::lower_bound(std::string_view key, Records::iterator before) {
    if (before != records_.end() && before->first.view() < key) {
        const auto next = std::next(before);
        if (next == records_.end() || next->first.view() >= key) return next;
    }
    return records_.lower_bound(key);
}

// The history wants the first change of a key at this revision alone. An absent key can have had it only when
// the command has deleted something before (`has_deleted`): the others are spared the search.
void StateMachine::put(const Operation& operation, std::uint64_t revision, bool has_deleted, Place& place) {
    auto entry = lower_bound(operation.key, place.record);
    const bool is_new = entry == records_.end() || entry->first.view() != operation.key;
    if (is_new) entry = records_.emplace_hint(entry, operation.key, Record{});
    place.record = entry;
    Record& record = entry->second;
    if (is_new) {
        if (!has_deleted || !history_.has_changed_after(operation.key, revision - 1))
            history_.add(revision, operation.key, std::nullopt, place.change);
        record.create_revision = revision;
        bytes_ += operation.key.size();
    } else {
        bytes_ -= record.value.size();
        if (record.mod_revision < revision)
            history_.add(
                revision, operation.key,
                Record{std::move(record.value), record.create_revision, record.mod_revision, record.version},
                place.change);
    }
    bytes_ += operation.value.size();
    record.value = operation.value;
    record.mod_revision = revision;
    ++record.version;
}

bool StateMachine::remove(const std::string& key, std::uint64_t revision, Place& place) {
    const auto found = lower_bound(key, place.record);
    if (found == records_.end() || found->first.view() != key) return false;
    const std::uint64_t bytes = found->first.size() + found->second.value.size();
    ENGINE_CHECK(bytes_ >= bytes);
    bytes_ -= bytes;
    if (found->second.mod_revision < revision)
        history_.add(revision, key, std::move(found->second), place.change);
    place.record = found == records_.begin() ? records_.end() : std::prev(found);
    records_.erase(found);
    return true;
}

bool StateMachine::holds(const Condition& condition, const std::string& key) const {
    const Record* record = get(key);
    const bool is_listed =
        record != nullptr &&
        std::ranges::find(condition.revisions, record->mod_revision) != condition.revisions.end();
    switch (condition.kind) {
        case Condition::Kind::None: return true;
        case Condition::Kind::Exists: return record != nullptr;
        case Condition::Kind::Absent: return record == nullptr;
        case Condition::Kind::RevisionIn: return is_listed;
        case Condition::Kind::RevisionNotIn: return !is_listed;
    }
    std::unreachable();
}

const Record* StateMachine::get(std::string_view key) const {
    const auto found = records_.find(key);
    return found == records_.end() ? nullptr : &found->second;
}

const Record* StateMachine::get_at(std::string_view key, std::uint64_t revision) const {
    ENGINE_CHECK(oldest_revision_ <= revision && revision <= revision_);
    const PastRecord* change = history_.first_change_after(key, revision);
    return change != nullptr ? change->record() : get(key);
}

RangePage StateMachine::range(const RangeQuery& query) const {
    RangePage page;
    // From whichever of the two bounds lies further on.
    const bool from_after = query.after && (!query.start || *query.after >= *query.start);
    const auto begin = from_after    ? records_.upper_bound(*query.after)
                       : query.start ? records_.lower_bound(*query.start)
                                     : records_.begin();
    const bool in_the_past = query.revision && *query.revision != revision_;
    // False: the page is full.
    const auto add = [&](std::string_view key, const Record& record) {
        const std::size_t bytes = page.bytes + key.size() + record.value.size();
        const bool is_full =
            page.entries.size() == query.limit || (bytes > query.bytes_max && !page.entries.empty());
        if (is_full) {
            page.more = true;
            return false;
        }
        page.bytes = bytes;
        page.entries.push_back({key, &record});
        return true;
    };
    if (!in_the_past) {
        for (auto entry = begin; entry != records_.end() && (!query.end || entry->first.view() <= *query.end);
             ++entry) {
            if (!add(entry->first, entry->second)) break;
        }
        return page;
    }
    // A key of the past may be absent today: both orders are followed, side by side.
    ENGINE_CHECK(oldest_revision_ <= *query.revision && *query.revision <= revision_);
    auto entry = begin;
    auto change = history_.from(from_after ? *query.after : query.start.value_or(""));
    while (from_after && !change.at_end() && change.key() == *query.after) change.next();
    while (entry != records_.end() || !change.at_end()) {
        const bool is_live =
            change.at_end() || (entry != records_.end() && entry->first.view() <= change.key());
        const std::string_view key = is_live ? entry->first.view() : change.key();
        if (query.end && key > *query.end) break;
        const Record* record = is_live ? &entry->second : nullptr;
        for (bool is_decided = false; !change.at_end() && change.key() == key; change.next()) {
            if (is_decided || change.change().revision <= *query.revision) continue;
            is_decided = true;
            record = change.change().record();
        }
        if (record != nullptr && !add(key, *record)) break;
        if (is_live) ++entry;
    }
    return page;
}

void StateMachine::unpin(const Pin& pin) {
    const auto found = std::ranges::find(pins_, pin);
    ENGINE_CHECK(found != pins_.end());
    pins_.erase(found);
}

void StateMachine::free_some() {
    std::uint64_t through = oldest_revision_;
    std::uint64_t answers_through = answers_.forgotten();
    for (const Pin& pin : pins_) {
        through = std::min(through, pin.oldest_revision);
        answers_through = std::min(answers_through, pin.answers_forgotten);
    }
    history_.free_some(kFreedAtOnce, through);
    answers_.free_some(kFreedAtOnce, answers_through);
}

bool StateMachine::discard_some() {
    for (std::size_t i = 0; i < kFreedAtOnce && !records_.empty(); ++i) records_.erase(records_.begin());
    history_.forget_through(revision_);
    history_.free_some(kFreedAtOnce, revision_);
    answers_.forget_through(answers_.last());
    answers_.free_some(kFreedAtOnce, answers_.last());
    return !records_.empty() || history_.forgotten_bytes() > 0 || answers_.unfreed() > 0;
}

bool StateMachine::walk(const Pin& pin, std::optional<std::string>& after, std::size_t keys_max,
                        absl::FunctionRef<bool(const KeyState&)> take) const {
    ENGINE_CHECK(std::ranges::find(pins_, pin) != pins_.end());
    auto entry = after ? records_.upper_bound(*after) : records_.begin();
    auto change = history_.from(after.value_or(""));
    while (after && !change.at_end() && change.key() == *after) change.next();
    KeyState state;
    std::optional<std::string_view> done;
    bool is_over = false;
    for (; keys_max > 0; --keys_max) {
        is_over = entry == records_.end() && change.at_end();
        if (is_over) break;
        const bool is_live =
            change.at_end() || (entry != records_.end() && entry->first.view() <= change.key());
        state.changes.clear();
        state.key = is_live ? entry->first.view() : change.key();
        state.record = is_live ? &entry->second : nullptr;
        for (bool is_decided = false; !change.at_end() && change.key() == state.key; change.next()) {
            const PastRecord& past = change.change();
            if (past.revision <= pin.oldest_revision) continue;
            if (past.revision <= pin.revision) {
                state.changes.push_back(&past);
            } else if (!std::exchange(is_decided, true)) {
                state.record = past.record();
            }
        }
        if ((state.record != nullptr || !state.changes.empty()) && !take(state)) break;
        done = state.key;
        if (is_live) ++entry;
    }
    if (done) after = *done;
    return is_over;
}

void StateMachine::load(std::string_view key, Record record) {
    bytes_ += key.size() + record.value.size();
    records_.emplace_hint(records_.end(), key, std::move(record));
}

bool StateMachine::load(AnsweredWrite write) {
    if (answers_.find(write.key) != nullptr) return false;
    answers_.add(std::move(write));
    return true;
}

void StateMachine::finish_load(std::uint64_t revision, std::uint64_t oldest_revision,
                               std::vector<PastRecord> changes) {
    revision_ = revision;
    oldest_revision_ = oldest_revision;
    history_.load(std::move(changes));
}

std::uint64_t StateMachine::digest() const {
    engine::Digest digest;
    const auto add = [&digest](std::string_view key, const Record& record) {
        digest.add(hash64(key)).add(hash64(record.value));
        digest.add(record.create_revision).add(record.mod_revision).add(record.version);
    };
    digest.add(revision_).add(oldest_revision_).add(records_.size());
    for (const auto& [key, record] : records_) add(key, record);
    const Record absent;
    for (auto change = history_.from(""); !change.at_end(); change.next()) {
        const PastRecord& past = change.change();
        if (past.revision <= oldest_revision_) continue;  // forgotten
        digest.add(past.revision);
        add(change.key(), past.before ? *past.before : absent);
    }
    digest.add(answers_.forgotten()).add(answers_.last());
    for (std::uint64_t number = answers_.forgotten() + 1; number <= answers_.last(); ++number) {
        const AnsweredWrite& write = answers_.at(number);
        digest.add(hash64(write.key)).add(write.fingerprint).add(write.has_session ? 1 : 0);
        digest.add(write.result.revision).add(write.result.deleted).add(write.result.mod_revision);
        digest.add(write.result.condition_failed ? 1 : 0);
    }
    return digest.value();
}

}  // namespace quorate::server
