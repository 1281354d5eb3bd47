#include "sim/linearizability.h"

#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/check.h"
#include "sim/history_shrink.h"
#include "sim/register_model.h"
#include "sim/register_search.h"
#include "sim/value_conflict.h"

namespace quorate::sim {

namespace {

// Steps that have no order, of all that were not found to have one.
std::optional<std::vector<Step>> fault_among(const std::vector<Step>& steps, const SearchResult& result,
                                             const SearchLimits& limits, std::size_t work_max) {
    if (result.verdict == SearchVerdict::Unknown) return find_fault_nearby(steps, limits, work_max);
    if (const auto conflict = find_conflict(steps)) return steps_of_conflict(steps, *conflict);
    return steps;
}

}  // namespace

Judgement judge_linearizability(std::span<const Operation> history, const LinearizabilityLimits& limits) {
    std::map<std::string_view, std::vector<const Operation*>> by_key;
    for (const Operation& operation : history) {
        ENGINE_CHECK(!fault_of(operation));
        by_key[operation.key].push_back(&operation);
    }

    const SearchLimits search_limits{limits.configurations_max, limits.bytes_max};
    Judgement judgement;
    for (const auto& [key, operations] : by_key) {
        std::vector<std::optional<std::string>> values;
        const std::vector<Step> steps = steps_of(operations, values);
        const SearchResult result = search_order(steps, search_limits);
        judgement.configurations += result.configurations;
        if (result.verdict == SearchVerdict::Found) continue;
        if (const auto fault = fault_among(steps, result, search_limits, limits.shrink_work_max)) {
            judgement.verdict = Verdict::NotLinearizable;
            judgement.key = key;
            judgement.counterexample =
                explain(operations, shrink_history(*fault, search_limits, limits.shrink_work_max));
            return judgement;
        }
        if (judgement.verdict == Verdict::Unknown) continue;
        judgement.verdict = Verdict::Unknown;
        judgement.key = key;
    }
    return judgement;
}

std::string report(const Judgement& judgement) {
    switch (judgement.verdict) {
        case Verdict::Linearizable:
            return "linearizable (" + std::to_string(judgement.configurations) + " configurations)\n";
        case Verdict::Unknown:
            return "unknown: key " + display(std::string_view(judgement.key)) +
                   " needs more configurations than the limit allows\n";
        case Verdict::NotLinearizable:
            return "not linearizable\n" + (judgement.counterexample ? report(*judgement.counterexample) : "");
    }
    std::unreachable();
}

}  // namespace quorate::sim
