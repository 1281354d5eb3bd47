#pragma once

// The newest log entries in memory: those to be written, sent or applied. Older ones are read back from the
// log.

#include <cstdint>
#include <deque>

#include "wal/entry.h"

namespace quorate::server {

class EntryCache {
 public:
    /// `first` is the index that the first appended entry will have.
    explicit EntryCache(engine::LogIndex first) : first_(first) {}

    [[nodiscard]] engine::LogIndex first_index() const { return first_; }
    [[nodiscard]] engine::LogIndex end_index() const { return first_.plus(entries_.size()); }
    [[nodiscard]] bool holds(engine::LogIndex index) const { return index >= first_ && index < end_index(); }
    /// Requires holds(index).
    [[nodiscard]] const wal::LogEntry& at(engine::LogIndex index) const;
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

    /// Takes end_index().
    void append(wal::LogEntry entry);
    /// Forgets every entry from `index` on; when it lies before the first, the cache begins anew there.
    void truncate_from(engine::LogIndex index);
    /// Forgets the oldest entries through `through` at most, until no more than `bytes_max` payload bytes are
    /// held.
    void shrink(std::uint64_t bytes_max, engine::LogIndex through) {
        while (bytes_ > bytes_max && !entries_.empty() && first_ <= through) forget_oldest();
    }

 private:
    void forget_oldest();

    engine::LogIndex first_;
    std::deque<wal::LogEntry> entries_;
    std::uint64_t bytes_ = 0;
};

}  // namespace quorate::server
