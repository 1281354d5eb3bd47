#include "sim/counterexample.h"

#include <algorithm>
#include <utility>

#include "engine/check.h"
#include "sim/register_model.h"
#include "sim/register_search.h"

namespace quorate::sim {

namespace {

// For the explanation of few operations; where they are many, it is not the longest order that is told.
constexpr SearchLimits kExplainLimits{.configurations_max = 200'000, .bytes_max = std::size_t{64} << 20U};
constexpr std::size_t kColumnsMax = 60;
constexpr std::size_t kLinesMax = 40;  // of each part: more than that nobody reads

Operation weakened(const Operation& operation, const Step& step) {
    Operation shown = operation;
    if (step.open && shown.outcome != Outcome::Unknown) {
        shown.outcome = Outcome::Unknown;
        shown.ret.reset();
        shown.revision.reset();
    }
    if (shown.kind == OperationKind::Cas && step.kind == Step::Kind::Write) {
        shown.kind = OperationKind::Put;
        shown.expected.reset();
    } else if (shown.kind == OperationKind::Cas && step.kind == Step::Kind::Read) {
        shown.kind = OperationKind::Get;
        shown.value = std::exchange(shown.expected, std::nullopt);
        shown.revision.reset();
    }
    return shown;
}

std::string padded(std::string text, std::size_t width) {
    if (text.size() < width) text.append(width - text.size(), ' ');
    return text;
}

std::string times(const Operation& operation) {
    return std::to_string(operation.call) + ".." + (operation.ret ? std::to_string(*operation.ret) : "");
}

std::string with_client(const Operation& operation) {
    return "client " + std::to_string(operation.client) + " " + display(operation);
}

void append_rest(std::string& text, std::size_t lines) {
    if (lines > kLinesMax) text.append("  and " + std::to_string(lines - kLinesMax) + " more\n");
}

// A bar from the call to the return; a column for each time that anything happened at.
class Bars {
 public:
    explicit Bars(std::span<const Operation> operations) {
        for (const Operation& operation : operations) {
            times_.push_back(operation.call);
            if (operation.ret) times_.push_back(*operation.ret);
        }
        std::ranges::sort(times_);
        times_.erase(std::ranges::unique(times_).begin(), times_.end());
        width_ = std::max<std::size_t>(1, std::min<std::size_t>(4, kColumnsMax / times_.size()));
    }

    [[nodiscard]] bool fit() const { return times_.size() <= kColumnsMax; }

    [[nodiscard]] std::string of(const Operation& operation) const {
        const std::size_t begin = column(operation.call);
        const std::size_t end = operation.ret ? column(*operation.ret) : times_.size() * width_;
        std::string bar(begin, ' ');
        bar.push_back('|');
        if (end > begin)
            bar.append(end - begin - 1, operation.ret ? '=' : '.').push_back(operation.ret ? '|' : '>');
        return bar;
    }

 private:
    [[nodiscard]] std::size_t column(std::uint64_t time) const {
        return static_cast<std::size_t>(std::ranges::lower_bound(times_, time) - times_.begin()) * width_;
    }

    std::vector<std::uint64_t> times_;
    std::size_t width_ = 1;
};

void append_timeline(std::string& text, std::span<const Operation> operations) {
    const Bars bars(operations);
    std::size_t what_width = 0;
    std::size_t when_width = 0;
    for (const Operation& operation : operations) {
        what_width = std::max(what_width, with_client(operation).size());
        when_width = std::max(when_width, times(operation).size());
    }
    for (const Operation& operation : operations.first(std::min(operations.size(), kLinesMax))) {
        text.append("  ").append(padded(with_client(operation), what_width)).append("  ");
        text.append(bars.fit() ? padded(times(operation), when_width) : times(operation));
        if (bars.fit()) text.append("  ").append(bars.of(operation));
        text.push_back('\n');
    }
    append_rest(text, operations.size());
}

// The register as it is told, with the numbers that steps_of() gives to the values.
struct Replay {
    std::vector<std::optional<std::string>> values;
    std::vector<Step> steps;  // of each operation, in their order
    RegisterState state;

    explicit Replay(std::span<const Operation> operations) {
        std::vector<const Operation*> pointers;
        for (const Operation& operation : operations) pointers.push_back(&operation);
        steps = steps_of(pointers, values);
        ENGINE_CHECK(steps.size() == operations.size());
    }

    [[nodiscard]] std::string value() const { return display(values[state.value]); }
};

std::string why_stuck(const Counterexample& counterexample, const Replay& replay, std::size_t index) {
    const Step& step = replay.steps[index];
    for (const std::size_t other : counterexample.stuck) {
        if (replay.steps[other].ret < step.call) {
            return "comes after: " + with_client(counterexample.operations[other]);
        }
    }
    if (apply(step, replay.state)) return "leaves no place for the others";
    const bool holds_expected = replay.state.value == step.expected;
    if (step.kind == Step::Kind::Mismatch) return "the key holds what it expected";
    if (step.observes() && !holds_expected) {
        const auto sets_it = [&](const Step& other) {
            return other.writes() && other.written == step.expected;
        };
        const bool has_source = step.expected == kAbsent || std::ranges::any_of(replay.steps, sets_it);
        return (step.kind == Step::Kind::Read ? "read " : "found ") + display(replay.values[step.expected]) +
               (has_source ? "" : ", which was never written") + "; the key holds " + replay.value();
    }
    if (step.kind == Step::Kind::Read && replay.state.exact)
        return "its value was written at revision " + std::to_string(replay.state.revision);
    return "the revision was " + std::string(replay.state.exact ? "" : "at least ") +
           std::to_string(replay.state.revision) + " already";
}

}  // namespace

Counterexample explain(std::span<const Operation* const> operations, const ShrunkHistory& shrunk) {
    Counterexample counterexample;
    counterexample.smallest = shrunk.smallest;
    for (const Step& step : shrunk.steps) {
        counterexample.operations.push_back(weakened(*operations[step.source], step));
    }
    counterexample.key = counterexample.operations.front().key;
    counterexample.placed = longest_order(shrunk.steps, kExplainLimits);
    for (std::size_t i = 0; i < shrunk.steps.size(); ++i) {
        const bool placed = std::ranges::find(counterexample.placed, i) != counterexample.placed.end();
        if (!placed && !shrunk.steps[i].open) counterexample.stuck.push_back(i);
    }
    return counterexample;
}

std::string report(const Counterexample& counterexample) {
    const std::span<const Operation> operations = counterexample.operations;
    std::string text =
        "key " + display(std::string_view(counterexample.key)) + ": no order explains " +
        (operations.size() == 1 ? std::string("this operation")
                                : "these " + std::to_string(operations.size()) + " operations") +
        (counterexample.smallest ? "\n" : ", of which some may not matter\n");
    append_timeline(text, operations);

    Replay replay(operations);
    text.append("An order that goes as far as possible, and the value after each:\n");
    const std::span<const std::size_t> placed = counterexample.placed;
    const std::size_t left_out = placed.size() - std::min(placed.size(), kLinesMax);
    text.append(left_out == 0 ? "  (at first)  absent\n"
                              : "  after " + std::to_string(left_out) + " others:\n");
    std::size_t width = 0;
    for (const std::size_t i : placed.subspan(left_out))
        width = std::max(width, with_client(operations[i]).size());
    for (std::size_t at = 0; at < placed.size(); ++at) {
        const Operation& operation = operations[placed[at]];
        const std::optional<RegisterState> after = apply(replay.steps[placed[at]], replay.state);
        ENGINE_CHECK(after);
        replay.state = *after;
        if (at < left_out) continue;
        text.append("  ")
            .append(padded(with_client(operation), width))
            .append("  ")
            .append(replay.value())
            .push_back('\n');
    }
    text.append("No place behind it for:\n");
    const std::span<const std::size_t> stuck = counterexample.stuck;
    for (const std::size_t i : stuck.first(std::min(stuck.size(), kLinesMax))) {
        text.append("  ")
            .append(with_client(operations[i]))
            .append(" (")
            .append(times(operations[i]))
            .append("): ");
        text.append(why_stuck(counterexample, replay, i)).push_back('\n');
    }
    append_rest(text, stuck.size());
    return text;
}

}  // namespace quorate::sim
