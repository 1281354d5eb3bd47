#include "sim/register_model.h"

#include <map>
#include <string_view>
#include <utility>

namespace quorate::sim {

namespace {

std::optional<RegisterState> read(const Step& step, const RegisterState& state) {
    if (state.value != step.expected) return std::nullopt;
    if (!step.revision) return state;
    if (state.value == kAbsent) {
        if (*step.revision < state.revision) return std::nullopt;
        return RegisterState{kAbsent, false, *step.revision};
    }
    if (state.exact ? *step.revision != state.revision : *step.revision <= state.revision)
        return std::nullopt;
    return RegisterState{state.value, true, *step.revision};
}

std::optional<RegisterState> write(const Step& step, const RegisterState& state) {
    if (!step.revision) return RegisterState{step.written, false, state.revision};
    // Deleting what is absent takes no new revision.
    const bool same_is_fine = step.written == kAbsent;
    if (*step.revision < state.revision || (*step.revision == state.revision && !same_is_fine)) {
        return std::nullopt;
    }
    return RegisterState{step.written, step.written != kAbsent, *step.revision};
}

// Numbers values in the order of their first appearance.
class ValueNumbers {
 public:
    std::uint32_t of(const std::optional<std::string>& value) {
        if (!value) return kAbsent;
        const auto [at, is_new] = numbers_.try_emplace(*value, static_cast<std::uint32_t>(values_.size()));
        if (is_new) values_.emplace_back(value);
        return at->second;
    }

    std::vector<std::optional<std::string>> take() && { return std::move(values_); }

 private:
    std::map<std::string_view, std::uint32_t> numbers_;
    std::vector<std::optional<std::string>> values_{std::nullopt};
};

std::optional<Step::Kind> kind_of(const Operation& operation) {
    if (operation.outcome == Outcome::NotApplied) return std::nullopt;
    switch (operation.kind) {
        case OperationKind::Put:
        case OperationKind::Delete: return Step::Kind::Write;
        case OperationKind::Get:
            if (operation.outcome == Outcome::Unknown) return std::nullopt;
            return Step::Kind::Read;
        case OperationKind::Cas:
            return operation.outcome == Outcome::ConditionFailed ? Step::Kind::Mismatch : Step::Kind::Cas;
    }
    std::unreachable();
}

}  // namespace

std::optional<RegisterState> apply(const Step& step, const RegisterState& state) {
    switch (step.kind) {
        case Step::Kind::Read: return read(step, state);
        case Step::Kind::Mismatch: return state.value == step.expected ? std::nullopt : std::optional(state);
        case Step::Kind::Write: return write(step, state);
        case Step::Kind::Cas: return state.value == step.expected ? write(step, state) : std::nullopt;
    }
    std::unreachable();
}

std::vector<Step> steps_of(std::span<const Operation* const> operations,
                           std::vector<std::optional<std::string>>& values) {
    ValueNumbers numbers;
    std::vector<Step> steps;
    for (std::size_t i = 0; i < operations.size(); ++i) {
        const Operation& operation = *operations[i];
        const std::optional<Step::Kind> kind = kind_of(operation);
        if (!kind) continue;
        const bool is_get = operation.kind == OperationKind::Get;
        steps.push_back({.kind = *kind,
                         .open = operation.outcome == Outcome::Unknown,
                         .expected = numbers.of(is_get ? operation.value : operation.expected),
                         .written = is_get ? kAbsent : numbers.of(operation.value),
                         .revision = operation.revision,
                         .call = operation.call,
                         .ret = operation.ret.value_or(kNever),
                         .source = i});
    }
    values = std::move(numbers).take();
    return steps;
}

}  // namespace quorate::sim
