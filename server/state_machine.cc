#include "server/state_machine.h"

#include <algorithm>
#include <utility>

#include "engine/check.h"
#include "engine/digest.h"
#include "server/hash.h"

namespace quorate::server {

ApplyResult StateMachine::apply(const Command& command) {
    ApplyResult result;
    if (command.condition.kind != Condition::Kind::None &&
        !holds(command.condition, command.operations.front().key)) {
        result.condition_failed = true;
    } else {
        const std::uint64_t next = revision_ + 1;
        bool changed = false;
        for (const Operation& operation : command.operations) {
            switch (operation.kind) {
                case Operation::Kind::Put:
                    put(operation, next);
                    changed = true;
                    break;
                case Operation::Kind::Delete:
                    if (!remove(operation.key)) break;
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

void StateMachine::put(const Operation& operation, std::uint64_t revision) {
    const auto [entry, is_new] = records_.try_emplace(operation.key);
    Record& record = entry->second;
    if (is_new) {
        record.create_revision = revision;
        bytes_ += operation.key.size();
    }
    bytes_ += operation.value.size();
    bytes_ -= record.value.size();
    record.value = operation.value;
    record.mod_revision = revision;
    ++record.version;
}

bool StateMachine::remove(const std::string& key) {
    const auto found = records_.find(key);
    if (found == records_.end()) return false;
    const std::uint64_t bytes = found->first.size() + found->second.value.size();
    ENGINE_CHECK(bytes_ >= bytes);
    bytes_ -= bytes;
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

RangePage StateMachine::range(const RangeQuery& query) const {
    RangePage page;
    // From whichever of the two bounds lies further on.
    const bool from_after = query.after && (!query.start || *query.after >= *query.start);
    auto entry = from_after    ? records_.upper_bound(*query.after)
                 : query.start ? records_.lower_bound(*query.start)
                               : records_.begin();
    std::size_t bytes = 0;
    for (; entry != records_.end() && (!query.end || entry->first <= *query.end); ++entry) {
        bytes += entry->first.size() + entry->second.value.size();
        const bool is_full =
            page.entries.size() == query.limit || (bytes > query.bytes_max && !page.entries.empty());
        if (is_full) {
            page.more = true;
            break;
        }
        page.entries.push_back({entry->first, &entry->second});
    }
    return page;
}

std::uint64_t StateMachine::digest() const {
    engine::Digest digest;
    digest.add(revision_).add(records_.size());
    for (const auto& [key, record] : records_) {
        digest.add(hash64(key)).add(hash64(record.value));
        digest.add(record.create_revision).add(record.mod_revision).add(record.version);
    }
    return digest.value();
}

}  // namespace quorate::server
