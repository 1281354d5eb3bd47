#include "server/key_history.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "engine/check.h"

namespace quorate::server {

void KeyHistory::add(std::uint64_t revision, std::string_view key, std::optional<Record> before) {
    ENGINE_CHECK(changes_.empty() || changes_.back().revision <= revision);
    index_.emplace(std::string(key), first_number_ + changes_.size());
    changes_.push_back({revision, std::string(key), std::move(before)});
    bytes_ += changes_.back().bytes();
    ++added_;
}

void KeyHistory::forget_through(std::uint64_t revision) {
    for (; forgotten_ < changes_.size() && changes_[forgotten_].revision <= revision; ++forgotten_) {
        bytes_ -= changes_[forgotten_].bytes();
        forgotten_bytes_ += changes_[forgotten_].bytes();
    }
}

void KeyHistory::free_some(std::size_t count, std::uint64_t through) {
    count += 2 * std::exchange(added_, 0);
    for (; count > 0 && forgotten_ > 0 && changes_.front().revision <= through; --count) {
        index_.erase(index_.find(PlaceView(changes_.front().key, first_number_)));
        forgotten_bytes_ -= changes_.front().bytes();
        changes_.pop_front();
        --forgotten_;
        ++first_number_;
    }
}

void KeyHistory::load(std::vector<PastRecord> changes) {
    ENGINE_CHECK(changes_.empty());
    std::ranges::sort(changes, {},
                      [](const PastRecord& change) { return std::tie(change.revision, change.key); });
    for (PastRecord& change : changes) add(change.revision, change.key, std::move(change.before));
}

std::uint64_t KeyHistory::first_number_after(std::uint64_t revision) const {
    const auto found = std::ranges::upper_bound(changes_, revision, {}, &PastRecord::revision);
    return first_number_ + static_cast<std::uint64_t>(found - changes_.begin());
}

const PastRecord* KeyHistory::first_change_after(std::string_view key, std::uint64_t revision) const {
    if (changes_.empty() || changes_.back().revision <= revision) return nullptr;
    const auto found = index_.lower_bound(PlaceView(key, first_number_after(revision)));
    return found != index_.end() && found->first == key ? &numbered(found->second) : nullptr;
}

}  // namespace quorate::server
