#include "wal/entry_index.h"

#include <algorithm>

#include "engine/check.h"

namespace quorate::wal {

using engine::LogIndex;

void EntryIndex::begin_behind(LogIndex base) {
    runs_.clear();
    base_ = base;
}

void EntryIndex::forget_before(std::uint64_t sequence, LogIndex base) {
    std::erase_if(runs_, [&](const Run& run) { return run.sequence < sequence; });
    base_ = base;
}

void EntryIndex::place(LogIndex index, std::uint64_t sequence, std::uint64_t offset, std::uint64_t end) {
    ENGINE_CHECK(index > LogIndex{} && index <= last_index().next());
    const bool replaces = index <= last_index();
    if (replaces) cut(index);
    // What was cut lies between the entry before and this one: in one run, whoever asks for that entry would
    // read all of it.
    if (runs_.empty() || runs_.back().sequence != sequence || replaces)
        runs_.push_back({index, sequence, {}, 0});
    Run& run = runs_.back();
    ENGINE_CHECK(run.offsets.empty() || run.end <= offset);
    run.offsets.push_back(static_cast<std::uint32_t>(offset));
    run.end = end;
}

void EntryIndex::cut(LogIndex from) {
    while (!runs_.empty() && runs_.back().first >= from) runs_.pop_back();
    if (runs_.empty()) {
        base_ = from.previous();
        return;
    }
    Run& run = runs_.back();
    const std::uint64_t kept = from.past(run.first);
    if (kept == run.offsets.size()) return;
    run.end = run.offsets[kept];
    run.offsets.resize(kept);
}

EntryRange EntryIndex::range(LogIndex first, LogIndex last, std::uint64_t bytes_max) const {
    ENGINE_CHECK(first > LogIndex{} && first <= last && last <= last_index());
    const auto above = std::ranges::upper_bound(runs_, first, {}, &Run::first);
    const Run& run = *std::prev(above);
    const std::uint64_t begin = first.past(run.first);
    const std::uint64_t count_max = std::min<std::uint64_t>(last.past(first) + 1, run.offsets.size() - begin);
    // Where the first `count` records of the range end, or less than a head's length later: the next one
    // starts aligned.
    const auto end_of = [&](std::uint64_t count) {
        return begin + count < run.offsets.size() ? std::uint64_t{run.offsets[begin + count]} : run.end;
    };
    std::uint64_t count = 1;
    while (count < count_max && end_of(count + 1) - run.offsets[begin] <= bytes_max) ++count;
    return {run.sequence, std::span(run.offsets).subspan(begin, count), end_of(count)};
}

LogIndex EntryIndex::last_index() const {
    return runs_.empty() ? base_ : runs_.back().first.plus(runs_.back().offsets.size() - 1);
}

}  // namespace quorate::wal
