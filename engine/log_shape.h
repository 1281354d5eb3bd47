#pragma once

// The log without its payloads: terms as runs, and each entry's kind and size. Thesis §3.5, §5.1 for the
// base.

#include <cstdint>
#include <span>
#include <vector>

#include "engine/check.h"
#include "engine/entry.h"

namespace quorate::engine {

class LogShape {
 public:
    LogShape() = default;
    /// A log that continues behind `base`, which a snapshot covers; zero for a log from the start.
    explicit LogShape(EntryId base) : base_(base) {}

    bool operator==(const LogShape&) const = default;

    /// The last entry that the log does not hold any more; index and term zero when it holds all.
    [[nodiscard]] EntryId base() const { return base_; }
    [[nodiscard]] LogIndex first_index() const { return base_.index.next(); }
    [[nodiscard]] LogIndex last_index() const { return base_.index.plus(bytes_.size()); }
    [[nodiscard]] EntryId last_entry() const { return {last_index(), last_term()}; }
    [[nodiscard]] Term last_term() const { return runs_.empty() ? base_.term : runs_.back().term; }

    /// Whether term_at() may be asked: base().index <= index <= last_index().
    [[nodiscard]] bool knows_term(LogIndex index) const {
        return index >= base_.index && index <= last_index();
    }
    [[nodiscard]] Term term_at(LogIndex index) const;
    [[nodiscard]] bool holds(EntryId entry) const {
        return knows_term(entry.index) && term_at(entry.index) == entry.term;
    }
    /// First index of the run of equal terms that `index` belongs to, not below first_index(). Requires an
    /// entry at `index`.
    [[nodiscard]] LogIndex first_index_of_run(LogIndex index) const;
    /// Last index whose term is at most `term`; base().index when none is.
    [[nodiscard]] LogIndex last_index_with_term_at_most(Term term) const;
    /// Payload size. Requires an entry at `index`.
    [[nodiscard]] std::uint32_t bytes_at(LogIndex index) const {
        ENGINE_CHECK(index > base_.index && index <= last_index());
        return bytes_[index.past(base_.index) - 1];
    }

    /// Requires term >= last_term().
    void append(const EntryShape& entry) {
        ENGINE_CHECK(entry.term >= last_term());
        if (runs_.empty() || runs_.back().term != entry.term)
            runs_.push_back({last_index().next(), entry.term});
        bytes_.push_back(entry.bytes);
    }
    /// Forgets every entry from `index` on. Requires index > base().index.
    void truncate_from(LogIndex index);
    /// Forgets every entry through `index`, which becomes the base. Requires knows_term(index).
    void compact_through(LogIndex index);

    [[nodiscard]] std::uint64_t digest() const;

 private:
    struct TermRun {
        LogIndex first;
        Term term;
        bool operator==(const TermRun&) const = default;
    };

    EntryId base_;
    std::vector<TermRun>
        runs_;  ///< ascending in both; the first begins at first_index() when the log is not empty
    std::vector<std::uint32_t> bytes_;  ///< of entry first_index() + i
};

}  // namespace quorate::engine
