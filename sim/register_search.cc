#include "sim/register_search.h"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "engine/check.h"
#include "sim/configuration_set.h"
#include "sim/value_conflict.h"

namespace quorate::sim {

namespace {

// How many operations, not placed yet, want what of each value.
struct Outlook {
    std::uint32_t needed = 0;      // returned, and saw the value
    std::uint32_t observed = 0;    // these, and open ones that would have to see it
    std::uint32_t produced = 0;    // set it, or would
    std::uint32_t mismatched = 0;  // saw any other value
};

// The calls, and the returns of those that returned, in the order of time; calls first at equal times, so
// that operations that touch are concurrent. What is placed is unlinked: whatever stands before the first
// return may be placed next. Nodes are numbers: the call of returned step i is i, its return is count + i.
class Timeline {
 public:
    explicit Timeline(std::span<const Step> returned)
        : count_(static_cast<std::uint32_t>(returned.size())),
          next_(2 * count_ + 1),
          previous_(2 * count_ + 1) {
        std::vector<std::uint32_t> nodes(std::size_t{2} * count_);
        for (std::uint32_t i = 0; i < nodes.size(); ++i) nodes[i] = i;
        std::ranges::sort(nodes, {}, [&](std::uint32_t node) {
            const bool is_return = node >= count_;
            const Step& step = returned[is_return ? node - count_ : node];
            return std::tuple(is_return ? step.ret : step.call, is_return, node);
        });
        std::uint32_t last = end();
        for (const std::uint32_t node : nodes) {
            join(last, node);
            last = node;
        }
        join(last, end());
    }

    [[nodiscard]] std::uint32_t first() const { return next_[end()]; }
    [[nodiscard]] std::uint32_t after(std::uint32_t node) const { return next_[node]; }
    [[nodiscard]] bool is_call(std::uint32_t node) const { return node < count_; }
    [[nodiscard]] std::uint32_t end() const { return 2 * count_; }
    [[nodiscard]] std::uint32_t step_of(std::uint32_t node) const {
        return node < count_ ? node : node - count_;
    }

    void unlink(std::uint32_t step) {
        join(previous_[step], next_[step]);
        join(previous_[count_ + step], next_[count_ + step]);
    }
    // In the reverse order of unlink().
    void relink(std::uint32_t step) {
        for (const std::uint32_t node : {count_ + step, step}) {
            next_[previous_[node]] = node;
            previous_[next_[node]] = node;
        }
    }

 private:
    void join(std::uint32_t left, std::uint32_t right) {
        next_[left] = right;
        previous_[right] = left;
    }

    std::uint32_t count_;
    std::vector<std::uint32_t> next_;
    std::vector<std::uint32_t> previous_;
};

class Search {
 public:
    enum class Mode : std::uint8_t { WithShortcuts, Plain };

    Search(std::span<const Step> steps, const SearchLimits& limits, Mode mode);

    [[nodiscard]] SearchResult run();
    [[nodiscard]] std::vector<std::size_t> longest() const;

 private:
    struct Placed {
        std::uint32_t step;
        RegisterState before;
        std::size_t revised_before;
    };
    struct Frame {
        std::size_t candidates_begin;
        std::size_t next;
    };

    void place(std::uint32_t step, const RegisterState& after);
    void take_back();
    void count(const Step& step, std::uint32_t change);

    void open_frame();
    void close_frame();
    [[nodiscard]] bool gather_returned(std::size_t begin);
    void gather_open(std::size_t begin, std::uint64_t first_return);
    void add_candidate(std::size_t begin, std::uint32_t step);
    [[nodiscard]] bool leads_nowhere(const Step& step, const RegisterState& after) const;
    [[nodiscard]] bool is_blind_here(const Step& step) const;
    [[nodiscard]] bool is_seen_here(const Step& step) const;

    [[nodiscard]] ConfigurationSet::Added remember();
    [[nodiscard]] std::size_t bit_of(std::uint32_t step) const {
        return step < returned_count_ ? step : open_word_ * 64 + (step - returned_count_);
    }
    [[nodiscard]] bool is_placed(std::uint32_t step) const {
        return (placed_bits_[bit_of(step) / 64] >> (bit_of(step) % 64) & 1U) != 0;
    }
    void flip_placed(std::uint32_t step) {
        placed_bits_[bit_of(step) / 64] ^= std::uint64_t{1} << (bit_of(step) % 64);
    }

    std::vector<Step> steps_;  // returned ones in the order of their calls, then open ones likewise
    std::vector<std::size_t> input_index_;                              // of each of these
    std::vector<std::pair<std::uint64_t, std::uint32_t>> by_revision_;  // the steps that tell one
    std::vector<std::uint64_t> last_look_;  // of each value: the last call of a returned step that saw it
    std::vector<std::uint32_t> class_;      // the same for steps that differ in their times alone
    std::vector<std::uint32_t>
        calls_by_return_;  // of each returned step: how many were called until it returned
    std::uint32_t returned_count_ = 0;
    bool with_shortcuts_;
    bool with_revisions_ = false;

    Timeline timeline_{std::span<const Step>()};
    RegisterState state_;
    std::vector<Outlook> outlook_;  // by value
    std::size_t revised_ = 0;       // of by_revision_: all before it are placed
    std::uint32_t mismatches_left_ = 0;
    std::uint32_t returned_left_ = 0;
    std::vector<std::uint64_t> placed_bits_;  // the returned ones, and from open_word_ on the open ones
    std::size_t open_word_ = 0;

    std::vector<Placed> trail_;
    std::vector<Frame> frames_;
    std::vector<std::uint32_t> candidates_;
    ConfigurationSet known_;
    std::vector<std::uint64_t> key_;
    std::uint32_t longest_returned_ = 0;
    std::vector<std::uint32_t> longest_;
};

// An open operation may be left out when nothing can tell that it happened: no operation saw its value, or
// could have, and none saw that another value was gone. Take an order in which it was placed. What comes next
// and is no write would have to see its value, so nothing comes before the next write, which does not ask
// what was there (a Cas would see the value). Without it, the same order explains the rest. Those that are
// left out observe nothing any more, so that others may follow.
std::vector<bool> needless_open(std::span<const Step> steps, std::size_t values) {
    std::vector<bool> needless(steps.size());
    std::vector<std::uint32_t> observers(values);
    for (const Step& step : steps) {
        if (step.kind == Step::Kind::Mismatch) return needless;
        if (step.observes()) ++observers[step.expected];
    }
    for (bool again = true; again;) {
        again = false;
        for (std::size_t i = 0; i < steps.size(); ++i) {
            if (!steps[i].open || needless[i] || observers[steps[i].written] != 0) continue;
            needless[i] = true;
            if (!steps[i].observes()) continue;
            --observers[steps[i].expected];
            again = true;
        }
    }
    return needless;
}

Search::Search(std::span<const Step> steps, const SearchLimits& limits, Mode mode)
    : with_shortcuts_(mode == Mode::WithShortcuts), known_(limits.configurations_max, limits.bytes_max) {
    ENGINE_CHECK(steps.size() < UINT32_MAX / 4);
    std::size_t values = kAbsent + 1;
    for (const Step& step : steps) {
        values = std::max<std::size_t>(values, std::max(step.expected, step.written) + std::size_t{1});
        with_revisions_ = with_revisions_ || step.revision.has_value();
    }
    const std::vector<bool> needless =
        with_shortcuts_ ? needless_open(steps, values) : std::vector<bool>(steps.size());
    for (std::size_t i = 0; i < steps.size(); ++i) {
        ENGINE_CHECK(steps[i].writes() || !steps[i].open);
        if (!needless[i]) input_index_.push_back(i);
    }
    std::ranges::sort(input_index_, {},
                      [&](std::size_t i) { return std::tuple(steps[i].open, steps[i].call, i); });

    std::map<std::tuple<Step::Kind, std::uint32_t, std::uint32_t, std::optional<std::uint64_t>>,
             std::uint32_t>
        classes;
    outlook_.resize(values);
    last_look_.resize(values);
    for (const std::size_t i : input_index_) {
        const Step& step = steps[i];
        steps_.push_back(step);
        if (!step.open) ++returned_count_;
        const auto next = static_cast<std::uint32_t>(classes.size());
        class_.push_back(
            classes.try_emplace({step.kind, step.expected, step.written, step.revision}, next).first->second);
        count(step, 1);
        if (step.observes() && !step.open) {
            last_look_[step.expected] = std::max(last_look_[step.expected], step.call);
        }
        if (step.revision) {
            by_revision_.emplace_back(*step.revision, static_cast<std::uint32_t>(steps_.size() - 1));
        }
    }
    std::ranges::sort(by_revision_);
    returned_left_ = returned_count_;
    const auto returned = std::span(steps_).first(returned_count_);
    timeline_ = Timeline(returned);
    for (const Step& step : returned) {
        const auto until = std::ranges::upper_bound(returned, step.ret, {}, &Step::call);
        calls_by_return_.push_back(static_cast<std::uint32_t>(until - returned.begin()));
    }
    open_word_ = (std::size_t{returned_count_} + 63) / 64;
    placed_bits_.resize(open_word_ + (steps_.size() - returned_count_ + 63) / 64);
}

void Search::count(const Step& step, std::uint32_t change) {
    if (step.observes()) {
        outlook_[step.expected].observed += change;
        if (!step.open) outlook_[step.expected].needed += change;
    }
    if (step.writes()) outlook_[step.written].produced += change;
    if (step.kind == Step::Kind::Mismatch) {
        outlook_[step.expected].mismatched += change;
        mismatches_left_ += change;
    }
}

void Search::place(std::uint32_t step, const RegisterState& after) {
    trail_.push_back({step, state_, revised_});
    state_ = after;
    count(steps_[step], UINT32_MAX);  // one less
    flip_placed(step);
    while (revised_ < by_revision_.size() && is_placed(by_revision_[revised_].second)) ++revised_;
    if (step < returned_count_) {
        timeline_.unlink(step);
        --returned_left_;
    }
    if (returned_count_ - returned_left_ > longest_returned_ && !with_shortcuts_) {
        longest_returned_ = returned_count_ - returned_left_;
        longest_.clear();
        for (const Placed& placed : trail_) longest_.push_back(placed.step);
    }
}

void Search::take_back() {
    const Placed last = trail_.back();
    trail_.pop_back();
    state_ = last.before;
    revised_ = last.revised_before;
    count(steps_[last.step], 1);
    flip_placed(last.step);
    if (last.step < returned_count_) {
        timeline_.relink(last.step);
        ++returned_left_;
    }
}

SearchResult Search::run() {
    open_frame();
    while (returned_left_ != 0) {
        Frame& frame = frames_.back();
        if (frame.next == candidates_.size()) {
            close_frame();
            if (frames_.empty()) return {SearchVerdict::None, known_.size()};
            take_back();
            continue;
        }
        const std::uint32_t step = candidates_[frame.next++];
        const std::optional<RegisterState> after = apply(steps_[step], state_);
        ENGINE_CHECK(after);
        place(step, *after);
        switch (remember()) {
            case ConfigurationSet::Added::New: open_frame(); break;
            case ConfigurationSet::Added::Known: take_back(); break;
            case ConfigurationSet::Added::NoRoom: return {SearchVerdict::Unknown, known_.size()};
        }
    }
    return {SearchVerdict::Found, known_.size()};
}

std::vector<std::size_t> Search::longest() const {
    std::vector<std::size_t> order;
    order.reserve(longest_.size());
    for (const std::uint32_t step : longest_) order.push_back(input_index_[step]);
    return order;
}

// Whatever was placed is told by: the first returned step that was not (all before it were), the bits of
// those that were called until the first return that is left, and the bits of the open ones.
ConfigurationSet::Added Search::remember() {
    key_.clear();
    const std::uint32_t first = timeline_.first();
    std::size_t begin = open_word_;
    std::size_t end = open_word_;
    if (first != timeline_.end()) {
        std::uint32_t node = first;
        while (timeline_.is_call(node)) node = timeline_.after(node);
        begin = first / 64;
        end = (std::size_t{calls_by_return_[timeline_.step_of(node)]} + 63) / 64;
    }
    key_.push_back(std::uint64_t{state_.value} << 32U | first);
    key_.push_back(static_cast<std::uint64_t>(end) << 1U | (state_.exact ? 1U : 0U));
    if (with_revisions_) key_.push_back(state_.revision);
    const auto bits = std::span(placed_bits_);
    for (const std::uint64_t word : bits.subspan(begin, end - begin)) key_.push_back(word);
    for (const std::uint64_t word : bits.subspan(open_word_)) key_.push_back(word);
    return known_.add(key_);
}

void Search::open_frame() {
    const std::size_t begin = candidates_.size();
    frames_.push_back({begin, begin});
    if (returned_left_ == 0 || gather_returned(begin)) return;
    std::uint32_t node = timeline_.first();
    while (timeline_.is_call(node)) node = timeline_.after(node);
    gather_open(begin, steps_[timeline_.step_of(node)].ret);
}

void Search::close_frame() {
    candidates_.resize(frames_.back().candidates_begin);
    frames_.pop_back();
}

// True when one of them is as good a next step as any, so that there is nothing else to try.
bool Search::gather_returned(std::size_t begin) {
    for (std::uint32_t node = timeline_.first(); timeline_.is_call(node); node = timeline_.after(node)) {
        const Step& step = steps_[node];
        const std::optional<RegisterState> after = apply(step, state_);
        if (!after || leads_nowhere(step, *after)) continue;
        // What only looks, and may look now, may do so at once: it changes nothing for the others, and in any
        // order that has it later it can be taken out and put here. (A read that tells a revision does change
        // something.)
        const bool looks = step.kind == Step::Kind::Read || step.kind == Step::Kind::Mismatch;
        if (with_shortcuts_ && ((looks && *after == state_) || is_blind_here(step))) {
            candidates_.resize(begin);
            candidates_.push_back(node);
            return true;
        }
        add_candidate(begin, node);
    }
    return false;
}

void Search::gather_open(std::size_t begin, std::uint64_t first_return) {
    bool has_distraction = false;
    for (auto i = returned_count_; i < steps_.size() && steps_[i].call <= first_return; ++i) {
        if (is_placed(i)) continue;
        const Step& step = steps_[i];
        const std::optional<RegisterState> after = apply(step, state_);
        if (!after || *after == state_ || leads_nowhere(step, *after)) continue;
        if (with_shortcuts_ && !is_seen_here(step)) continue;
        const Outlook& there = outlook_[step.written];
        if (with_shortcuts_ && step.kind == Step::Kind::Write && there.observed == 0 &&
            there.mismatched == 0) {
            // It only takes away what is here. Of those whose value nobody asks about in any way, one is as
            // good as another: exchange them in the order that has the other one here.
            if (has_distraction) continue;
            has_distraction = true;
        }
        add_candidate(begin, i);
    }
}

// Of steps that differ in their times alone only the one that returns first is tried; an open one never does.
// Take an order that has the other one here, and the first one later or, if it is open, nowhere, and exchange
// them. Both may stand here, and what stands between was called before the first one returned, hence before
// the other did.
void Search::add_candidate(std::size_t begin, std::uint32_t step) {
    if (with_shortcuts_) {
        for (std::size_t i = begin; i < candidates_.size(); ++i) {
            std::uint32_t& other = candidates_[i];
            if (class_[other] != class_[step]) continue;
            if (steps_[step].ret < steps_[other].ret) other = step;
            return;
        }
    }
    candidates_.push_back(step);
}

// Placing the step would leave another one without a place, whatever comes later.
bool Search::leads_nowhere(const Step& step, const RegisterState& after) const {
    if (!with_shortcuts_) return false;
    // Revisions never fall.
    if (revised_ < by_revision_.size() && by_revision_[revised_].first < after.revision) return true;
    if (after.value == state_.value) return false;
    // It takes away a value that is still needed and that nothing will bring back.
    const Outlook& here = outlook_[state_.value];
    const std::uint32_t needed_by_itself = step.observes() && !step.open ? 1 : 0;
    if (here.needed > needed_by_itself && here.produced == 0) return true;
    // It brings a value that is needed and that nothing will bring again: it must stay until the last step
    // that needs it was called. All others that return before have no place any more.
    const Outlook& there = outlook_[step.written];
    if (there.needed == 0 || there.produced != 1) return false;
    for (std::uint32_t node = timeline_.first(); node != timeline_.end(); node = timeline_.after(node)) {
        if (timeline_.is_call(node)) continue;
        const Step& other = steps_[timeline_.step_of(node)];
        if (other.ret >= last_look_[step.written]) return false;
        const bool waits = other.observes() && other.expected == step.written;
        if (!waits && other.kind != Step::Kind::Mismatch && &other != &step) return true;
    }
    return false;
}

// A write that may go here, for nobody needs what is here, and that may be anywhere, for nobody sees what it
// writes. Take an order that has it later. Putting it here: what comes before the next write there sees
// neither value, and is no mismatch with this write's. Taking it away from there: what comes between it and
// the next write is at most a mismatch, which then sees what was written before; that must not be the very
// value that it missed. What was written before was called before this write returned, and we look at all of
// those.
bool Search::is_blind_here(const Step& step) const {
    if (step.kind != Step::Kind::Write || step.revision) return false;
    const Outlook& there = outlook_[step.written];
    if (outlook_[state_.value].observed != 0 || there.observed != 0 || there.mismatched != 0) return false;
    if (mismatches_left_ == 0) return true;
    const auto is_missed = [&](const Step& other) {
        return other.writes() && outlook_[other.written].mismatched != 0;
    };
    for (std::uint32_t node = timeline_.first(); node != timeline_.end(); node = timeline_.after(node)) {
        if (!timeline_.is_call(node)) continue;
        if (steps_[node].call > step.ret) break;
        if (is_missed(steps_[node])) return false;
    }
    for (auto i = returned_count_; i < steps_.size() && steps_[i].call <= step.ret; ++i) {
        if (is_missed(steps_[i])) return false;
    }
    return true;
}

// Whether a step may come next that can tell that the open one happened. Otherwise a write comes next, or
// nothing, and the order explains the rest without the open one just as well.
bool Search::is_seen_here(const Step& step) const {
    const auto sees = [&](const Step& other) {
        if (other.kind == Step::Kind::Mismatch) return other.expected != step.written;
        return other.observes() && other.expected == step.written && &other != &step;
    };
    std::uint32_t node = timeline_.first();
    for (; timeline_.is_call(node); node = timeline_.after(node)) {
        if (sees(steps_[node])) return true;
    }
    if (outlook_[step.written].observed == outlook_[step.written].needed) return false;
    const std::uint64_t first_return = steps_[timeline_.step_of(node)].ret;
    for (auto i = returned_count_; i < steps_.size() && steps_[i].call <= first_return; ++i) {
        if (!is_placed(i) && sees(steps_[i])) return true;
    }
    return false;
}

}  // namespace

SearchResult search_order(std::span<const Step> steps, const SearchLimits& limits) {
    if (find_conflict(steps)) return {SearchVerdict::None, 0};
    return Search(steps, limits, Search::Mode::WithShortcuts).run();
}

std::vector<std::size_t> longest_order(std::span<const Step> steps, const SearchLimits& limits) {
    Search search(steps, limits, Search::Mode::Plain);
    static_cast<void>(search.run());
    return search.longest();
}

}  // namespace quorate::sim
