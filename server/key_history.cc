#include "server/key_history.h"

#include <algorithm>
#include <utility>

#include "engine/check.h"

namespace quorate::server {

KeyHistory::KeyHistory(const KeyHistory& other)
    : changes_(other.changes_),
      added_(other.added_),
      forgotten_(other.forgotten_),
      bytes_(other.bytes_),
      forgotten_bytes_(other.forgotten_bytes_) {
    Place place;
    for (Change& change : changes_) {
        change.next = nullptr;
        link(change, place);
    }
}

void KeyHistory::link(Change& change, Place& place) {
    const std::size_t known = chains_.size();
    const auto chain = place ? chains_.insert(std::next(*place), {&change, &change})
                             : chains_.insert({&change, &change}).first;
    place = chain;
    if (chains_.size() > known) return;
    ENGINE_CHECK(chain->newest->revision < change.revision);
    chain->newest->next = &change;
    chain->newest = &change;
}

void KeyHistory::add(std::uint64_t revision, std::string_view key, std::optional<Record> before,
                     Place& place) {
    ENGINE_CHECK(changes_.empty() || changes_.back().revision <= revision);
    changes_.push_back({{revision, key, std::move(before)}});
    link(changes_.back(), place);
    bytes_ += changes_.back().bytes();
    ++added_;
}

void KeyHistory::forget_through(std::uint64_t revision) {
    for (; forgotten_ < changes_.size() && changes_[forgotten_].revision <= revision; ++forgotten_) {
        bytes_ -= changes_[forgotten_].bytes();
        forgotten_bytes_ += changes_[forgotten_].bytes();
    }
}

void KeyHistory::free_oldest(std::size_t count, std::uint64_t through) {
    // Those of one revision are mostly neighbours.
    auto next = chains_.end();
    for (; count > 0 && forgotten_ > 0 && changes_.front().revision <= through; --count) {
        const Change& freed = changes_.front();
        const bool is_next = next != chains_.end() && next->oldest == &freed;
        const auto chain = is_next ? next : chains_.find(freed.key.view());
        next = std::next(chain);
        if (freed.next != nullptr)
            chain->oldest = freed.next;
        else
            chains_.erase(chain);
        forgotten_bytes_ -= freed.bytes();
        changes_.pop_front();
        --forgotten_;
    }
}

void KeyHistory::load(std::vector<PastRecord> changes) {
    ENGINE_CHECK(changes_.empty());
    std::ranges::sort(changes, {},
                      [](const PastRecord& change) { return std::pair(change.revision, change.key.view()); });
    Place place;
    for (PastRecord& change : changes) add(change.revision, change.key, std::move(change.before), place);
}

bool KeyHistory::has_changed_after(std::string_view key, std::uint64_t revision) const {
    const auto chain = chains_.find(key);
    return chain != chains_.end() && chain->newest->revision > revision;
}

const PastRecord* KeyHistory::first_change_after(std::string_view key, std::uint64_t revision) const {
    if (changes_.empty() || changes_.back().revision <= revision) return nullptr;
    const auto chain = chains_.find(key);
    if (chain == chains_.end() || chain->newest->revision <= revision) return nullptr;
    const Change* change = chain->oldest;
    while (change->revision <= revision) change = change->next;
    return change;
}

}  // namespace quorate::server
