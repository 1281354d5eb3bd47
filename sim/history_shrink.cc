#include "sim/history_shrink.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <utility>

#include "engine/check.h"
#include "sim/value_conflict.h"

namespace quorate::sim {

namespace {

template <typename Field>
void sort_by(std::vector<Step>& steps, Field Step::* field) {
    std::ranges::sort(steps, {}, [&](const Step& step) { return std::pair(step.*field, step.source); });
}

// Which of the steps are left out.
using Marks = std::vector<bool>;

void forget_expectation(Step& cas) {
    cas.kind = Step::Kind::Write;
    cas.expected = kAbsent;
}

// What is told of a history until a time: calls after it are not known, and returns after it are not either.
// A prefix of a linearizable history is linearizable (Herlihy and Wing, 1990).
std::vector<Step> cut_after(std::span<const Step> steps, std::uint64_t time) {
    std::vector<Step> kept;
    for (Step step : steps) {
        if (step.call > time) continue;
        if (step.ret > time && !step.open) {
            if (!step.writes()) continue;
            step.open = true;
            step.ret = kNever;
            step.revision.reset();
        }
        kept.push_back(step);
    }
    return kept;
}

// For a time: the latest call of a write that is kept and returned before the time.
class LastSureWrite {
 public:
    LastSureWrite(std::span<const Step> steps, const Marks& marks) {
        for (std::size_t i = 0; i < steps.size(); ++i) {
            if (!marks[i] && steps[i].writes() && !steps[i].open)
                writes_.emplace_back(steps[i].ret, steps[i].call);
        }
        std::ranges::sort(writes_);
        std::uint64_t latest = 0;
        for (auto& [ret, call] : writes_) call = latest = std::max(latest, call);
    }

    [[nodiscard]] std::optional<std::uint64_t> call_before(std::uint64_t time) const {
        const auto after =
            std::ranges::lower_bound(writes_, time, {}, &std::pair<std::uint64_t, std::uint64_t>::first);
        if (after == writes_.begin()) return std::nullopt;
        return std::prev(after)->second;
    }

 private:
    std::vector<std::pair<std::uint64_t, std::uint64_t>> writes_;  // by return; the latest call until there
};

std::vector<Step> marked_writes(std::span<const Step> steps, const Marks& marks) {
    std::vector<Step> marked;
    for (std::size_t i = 0; i < steps.size(); ++i) {
        if (marks[i] && steps[i].writes()) marked.push_back(steps[i]);
    }
    sort_by(marked, &Step::written);
    return marked;
}

// By value: whether a write that is kept sets it, or nothing has to.
std::vector<bool> values_set(std::span<const Step> steps, const Marks& marks) {
    std::vector<bool> is_set(1, true);
    for (std::size_t i = 0; i < steps.size(); ++i) {
        const std::size_t highest = std::max(steps[i].written, steps[i].expected);
        if (highest >= is_set.size()) is_set.resize(highest + 1);
        if (!marks[i] && steps[i].writes()) is_set[steps[i].written] = true;
    }
    return is_set;
}

// Without the marked ones, and without what depends on them.
//
// A write may be left out of an order that explains the history if what it wrote is not there, right then,
// when some other step looks. That is sure if the write was called after the look returned, or if it had
// returned before another write was called, which is kept and had returned before the look was called. Looks
// of which it is not sure, those that saw the value or missed another, are left out too; a Cas becomes a
// Write, which may stand wherever the Cas did. So it goes with looks whose value nothing would set any more,
// though it may be sure: a stale read is better understood beside the write that it should not have seen.
std::vector<Step> without(std::span<const Step> steps, const Marks& marks) {
    const LastSureWrite last_sure_write(steps, marks);
    const std::vector<Step> left_out = marked_writes(steps, marks);
    const std::vector<bool> is_set = values_set(steps, marks);
    const auto depends = [&](const Step& look) {
        const auto same = std::ranges::equal_range(left_out, look.expected, {}, &Step::written);
        const bool misses = look.kind == Step::Kind::Mismatch;
        if (!misses && !same.empty() && !is_set[look.expected]) return true;
        const std::optional<std::uint64_t> covered_until = last_sure_write.call_before(look.call);
        const auto may_be_seen = [&](const Step& write) {
            return write.call <= look.ret && (!covered_until || write.ret >= *covered_until);
        };
        return std::ranges::any_of(misses ? std::span<const Step>(left_out) : std::span<const Step>(same),
                                   may_be_seen);
    };
    std::vector<Step> kept;
    for (std::size_t i = 0; i < steps.size(); ++i) {
        if (marks[i]) continue;
        Step step = steps[i];
        if (step.kind != Step::Kind::Write && depends(step)) {
            if (!step.writes()) continue;
            forget_expectation(step);
        }
        kept.push_back(step);
    }
    return kept;
}

class Shrink {
 public:
    Shrink(std::span<const Step> steps, const SearchLimits& limits, std::size_t work_max)
        : steps_(steps.begin(), steps.end()), limits_(limits), work_left_(work_max) {
        sort_by(steps_, &Step::call);
    }

    // To the first few steps that have the fault among themselves: it rarely takes more. False when none
    // have.
    bool to_window() {
        for (const std::size_t size : kWindows) {
            for (std::size_t begin = 0; begin + size / 2 < steps_.size() && work_left_ != 0;
                 begin += size / 2) {
                const std::size_t end = std::min(begin + size, steps_.size());
                Marks marks(steps_.size(), true);
                // What is open may take effect here too.
                for (std::size_t i = 0; i < end; ++i) marks[i] = i < begin && !steps_[i].open;
                std::vector<Step> fewer = without(steps_, marks);
                if (!has_no_order(fewer, kCheap)) continue;
                steps_ = std::move(fewer);
                return true;
            }
        }
        return false;
    }

    // To the earliest return until which the fault has come about.
    void cut() {
        std::vector<std::uint64_t> returns;
        for (const Step& step : steps_) {
            if (!step.open) returns.push_back(step.ret);
        }
        std::ranges::sort(returns);
        const auto first = std::ranges::partition_point(
            returns, [&](std::uint64_t time) { return !has_no_order(cut_after(steps_, time), kFull); });
        if (first != returns.end()) steps_ = cut_after(steps_, *first);
    }

    [[nodiscard]] ShrunkHistory finish() {
        for (std::size_t chunk = steps_.size() / 2; chunk > 1; chunk /= 2) leave_out(chunk);
        bool again = true;
        while (again) {
            is_sure_ = true;
            again = leave_out(1);
            again = forget_expectations() || again;
        }
        return {std::move(steps_), is_sure_ && work_left_ != 0};
    }

    [[nodiscard]] std::vector<Step> take() { return std::move(steps_); }

 private:
    static constexpr std::array<std::size_t, 3> kWindows{32, 128, 1024};

    enum class Effort : std::uint8_t { Cheap, Full };
    static constexpr auto kCheap = Effort::Cheap;
    static constexpr auto kFull = Effort::Full;

    void spend(std::size_t work) { work_left_ -= std::min(work, work_left_); }

    // False also when it takes too long to tell.
    [[nodiscard]] bool has_no_order(std::span<const Step> steps, Effort effort) {
        SearchLimits limits = limits_;
        limits.configurations_max = std::min(limits.configurations_max, work_left_);
        if (effort == kCheap)
            limits.configurations_max = std::min(limits.configurations_max, 20 * steps.size() + 10'000);
        const SearchResult result = search_order(steps, limits);
        spend(result.configurations + steps_.size() / 8 + 1);
        is_sure_ = is_sure_ && result.verdict != SearchVerdict::Unknown;
        return result.verdict == SearchVerdict::None;
    }

    // Goes once through the history in chunks, latest first; true when something was left out.
    bool leave_out(std::size_t chunk) {
        bool any = false;
        for (std::size_t end = steps_.size(); end > 0 && work_left_ != 0;) {
            const std::size_t begin = end - std::min(chunk, end);
            Marks marks(steps_.size());
            std::fill(marks.begin() + static_cast<std::ptrdiff_t>(begin),
                      marks.begin() + static_cast<std::ptrdiff_t>(end), true);
            std::vector<Step> fewer = without(steps_, marks);
            const bool smaller = has_no_order(fewer, kCheap);
            if (smaller) steps_ = std::move(fewer);
            any = any || smaller;
            end = std::min(begin, steps_.size());
        }
        return any;
    }

    // One by one, so that what came before can be left out; true when one was forgotten.
    bool forget_expectations() {
        bool any = false;
        for (std::size_t i = 0; i < steps_.size() && work_left_ != 0; ++i) {
            if (steps_[i].kind != Step::Kind::Cas) continue;
            const Step before = steps_[i];
            forget_expectation(steps_[i]);
            if (has_no_order(steps_, kCheap)) {
                any = true;
            } else {
                steps_[i] = before;
            }
        }
        return any;
    }

    std::vector<Step> steps_;  // by call
    SearchLimits limits_;
    std::size_t work_left_;
    bool is_sure_ = true;  // no search was given up since this was set
};

}  // namespace

std::optional<std::vector<Step>> find_fault_nearby(std::span<const Step> steps, const SearchLimits& limits,
                                                   std::size_t work_max) {
    Shrink shrink(steps, limits, work_max);
    if (!shrink.to_window()) return std::nullopt;
    return shrink.take();
}

ShrunkHistory shrink_history(std::span<const Step> steps, const SearchLimits& limits, std::size_t work_max) {
    Shrink shrink(steps, limits, work_max);
    // What a conflict is made of is not many, and told better by all of the history.
    if (!find_conflict(steps) && !shrink.to_window()) shrink.cut();
    ShrunkHistory shrunk = shrink.finish();
    ENGINE_CHECK(!shrunk.steps.empty());
    return shrunk;
}

}  // namespace quorate::sim
