#include "engine/log_shape.h"

#include <algorithm>
#include <iterator>

#include "engine/check.h"
#include "engine/digest.h"

namespace quorate::engine {

Term LogShape::term_at(LogIndex index) const {
    ENGINE_CHECK(knows_term(index));
    if (index == base_.index) return base_.term;
    if (index >= runs_.back().first) return runs_.back().term;  // nearly always what is asked
    const auto after = std::ranges::upper_bound(runs_, index, {}, &TermRun::first);
    return std::prev(after)->term;
}

LogIndex LogShape::first_index_of_run(LogIndex index) const {
    ENGINE_CHECK(index > base_.index && index <= last_index());
    return std::prev(std::ranges::upper_bound(runs_, index, {}, &TermRun::first))->first;
}

LogIndex LogShape::last_index_with_term_at_most(Term term) const {
    const auto after = std::ranges::upper_bound(runs_, term, {}, &TermRun::term);
    return after == runs_.end() ? last_index() : after->first.previous();
}

void LogShape::truncate_from(LogIndex index) {
    ENGINE_CHECK(index > base_.index);
    if (index > last_index()) return;
    bytes_.resize(index.past(base_.index) - 1);
    while (!runs_.empty() && runs_.back().first >= index) runs_.pop_back();
}

void LogShape::compact_through(LogIndex index) {
    ENGINE_CHECK(knows_term(index));
    const EntryId base{index, term_at(index)};
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(index.past(base_.index)));
    const auto kept = std::ranges::upper_bound(runs_, index, {}, &TermRun::first);
    const bool run_goes_on = !bytes_.empty() && (kept == runs_.end() || kept->first > index.next());
    runs_.erase(runs_.begin(), run_goes_on ? std::prev(kept) : kept);
    if (run_goes_on) runs_.front().first = index.next();
    base_ = base;
}

std::uint64_t LogShape::digest() const {
    Digest digest;
    digest.add(base_.index.value).add(base_.term.value).add(runs_.size()).add(bytes_.size());
    for (const TermRun& run : runs_) digest.add(run.first.value).add(run.term.value);
    for (const std::uint32_t bytes : bytes_) digest.add(bytes);
    return digest.value();
}

}  // namespace quorate::engine
