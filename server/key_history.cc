#include "server/key_history.h"

#include <algorithm>

#include "engine/check.h"

namespace quorate::server {

void KeyHistory::add(std::uint64_t revision, std::string_view key, std::optional<Record> before) {
    const bool continues = !changes_.empty() && changes_.back().revision == revision;
    ENGINE_CHECK(changes_.empty() || changes_.back().revision <= revision);
    if (continues && first_change_after(key, revision - 1) != nullptr) return;
    index_.emplace(std::string(key), first_number_ + changes_.size());
    changes_.push_back({revision, std::string(key), std::move(before)});
    bytes_ += changes_.back().bytes();
}

void KeyHistory::forget_through(std::uint64_t revision) {
    while (!changes_.empty() && changes_.front().revision <= revision) {
        const PastRecord& oldest = changes_.front();
        index_.erase(index_.find(PlaceView(oldest.key, first_number_)));
        bytes_ -= oldest.bytes();
        changes_.pop_front();
        ++first_number_;
    }
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
