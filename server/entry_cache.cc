#include "server/entry_cache.h"

#include <utility>

#include "engine/check.h"

namespace quorate::server {

const wal::LogEntry& EntryCache::at(engine::LogIndex index) const {
    ENGINE_CHECK(holds(index));
    return entries_[index.past(first_)];
}

void EntryCache::append(wal::LogEntry entry) {
    bytes_ += entry.payload.size();
    entries_.push_back(std::move(entry));
}

void EntryCache::truncate_from(engine::LogIndex index) {
    while (!entries_.empty() && end_index() > index) {
        bytes_ -= entries_.back().payload.size();
        entries_.pop_back();
    }
    if (index < first_) first_ = index;
}

void EntryCache::forget_oldest() {
    bytes_ -= entries_.front().payload.size();
    entries_.pop_front();
    first_ = first_.next();
}

}  // namespace quorate::server
