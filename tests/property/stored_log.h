#pragma once

// Logs with payloads, in memory and on a disk that finishes its writes later: what the engine's caller keeps.

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "engine/action.h"

namespace quorate::engine::test {

struct StoredEntry {
    EntryShape shape;
    std::uint64_t payload = 0;  ///< unlike that of every other proposal

    bool operator==(const StoredEntry&) const = default;
};

class StoredLog {
 public:
    StoredLog() = default;
    explicit StoredLog(EntryId base) : base_(base) {}

    [[nodiscard]] EntryId base() const { return base_; }
    [[nodiscard]] LogIndex first_index() const { return base_.index.next(); }
    [[nodiscard]] LogIndex last_index() const { return base_.index.plus(entries_.size()); }
    [[nodiscard]] const std::vector<StoredEntry>& entries() const { return entries_; }
    [[nodiscard]] bool has(LogIndex index) const { return index > base_.index && index <= last_index(); }
    [[nodiscard]] const StoredEntry& at(LogIndex index) const {
        return entries_.at(index.past(base_.index) - 1);
    }
    [[nodiscard]] bool holds(EntryId entry) const {
        return entry == base_ || (has(entry.index) && at(entry.index).shape.term == entry.term);
    }

    void append(const StoredEntry& entry) { entries_.push_back(entry); }
    void truncate_from(LogIndex index) {
        if (index <= last_index()) entries_.resize(index.past(base_.index) - 1);
    }
    /// Requires holds(through).
    void compact_through(EntryId through) {
        entries_.erase(entries_.begin(),
                       entries_.begin() + static_cast<std::ptrdiff_t>(through.index.past(base_.index)));
        base_ = through;
    }

 private:
    EntryId base_;
    std::vector<StoredEntry> entries_;
};

/// One PersistLog on its way, or the order to go on behind an installed snapshot.
struct DiskWrite {
    PersistTicket ticket;
    std::optional<HardState> hard_state;
    LogIndex truncate_from;
    std::vector<StoredEntry> entries;
    std::optional<EntryId> restart_behind;  ///< of a snapshot: then all the rest is empty
};

/// What a crash leaves. Snapshots are durable before the engine hears of them.
struct Disk {
    HardState hard_state;
    EntryId snapshot;
    StoredLog log;

    void apply(const DiskWrite& write) {
        if (write.restart_behind) log = StoredLog(*write.restart_behind);
        if (write.hard_state) hard_state = *write.hard_state;
        if (write.truncate_from > LogIndex{}) log.truncate_from(write.truncate_from);
        for (const StoredEntry& entry : write.entries) log.append(entry);
    }

    /// What recovery does: the snapshot wins over a log that does not reach it, and a term that it proves is
    /// ours.
    void recover() {
        if (snapshot.index > log.base().index) {
            if (log.holds(snapshot))
                log.compact_through(snapshot);
            else
                log = StoredLog(snapshot);
        }
        if (snapshot.term > hard_state.current_term) hard_state = {snapshot.term, kNobody};
    }

    [[nodiscard]] bool holds(LogIndex index, const StoredEntry& entry) const {
        return index <= snapshot.index || (log.has(index) && log.at(index) == entry);
    }
};

}  // namespace quorate::engine::test
