#include "tests/sim/history_generator.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "engine/random.h"

namespace quorate::sim {

namespace {

struct Planned {
    Operation operation;
    std::uint64_t effect = 0;
    std::size_t number = 0;
    bool takes_effect = true;
};

struct Register {
    std::optional<std::string> value;
    std::uint64_t revision = 0;
    std::vector<std::optional<std::string>> past{std::nullopt};
};

class Generator {
 public:
    Generator(const HistoryShape& shape, std::uint64_t seed) : shape_(shape), random_(seed) {}

    std::vector<Operation> run() {
        std::vector<Planned> plan;
        std::vector<std::uint64_t> free_from(shape_.clients, 1);
        for (std::size_t i = 0; i < shape_.operations; ++i) {
            const auto client =
                static_cast<std::uint32_t>(std::ranges::min_element(free_from) - free_from.begin());
            plan.push_back(planned(client, free_from[client]));
            plan.back().number = i;
            const Operation& operation = plan.back().operation;
            const std::uint64_t seen_until = operation.ret.value_or(operation.call + shape_.latency_max);
            free_from[client] = seen_until + 1 + random_.between(0, shape_.pause_max);
        }
        std::ranges::sort(plan, {}, [](const Planned& each) { return std::pair(each.effect, each.number); });
        std::vector<Operation> history;
        for (Planned& each : plan) {
            perform(each);
            history.push_back(std::move(each.operation));
        }
        return history;
    }

 private:
    bool chance(std::uint32_t of, std::uint32_t in) { return random_.between(1, in) <= of; }

    Planned planned(std::uint32_t client, std::uint64_t from) {
        Planned each;
        Operation& operation = each.operation;
        operation.client = client + 1;
        operation.key = "k" + std::to_string(random_.between(1, shape_.keys));
        operation.call = from;
        each.effect = from + random_.between(0, shape_.latency_max);
        if (chance(shape_.unknown_permille, 1000)) {
            each.takes_effect = chance(1, 2);
            each.effect += random_.between(0, shape_.latency_max * 20);
        } else {
            operation.outcome = Outcome::Ok;
            operation.ret = each.effect + random_.between(0, shape_.latency_max);
        }
        const std::uint32_t draw = random_.between(0, 99);
        const std::uint32_t deletes = shape_.reads_percent + shape_.deletes_percent;
        if (draw < shape_.reads_percent) {
            operation.kind = OperationKind::Get;
        } else if (draw < deletes) {
            operation.kind = OperationKind::Delete;
        } else {
            operation.kind = draw < deletes + shape_.cas_percent ? OperationKind::Cas : OperationKind::Put;
            operation.value = new_value();
        }
        return each;
    }

    std::string new_value() {
        ++written_;
        return "v" + std::to_string(shape_.values == 0 ? written_ : random_.between(1, shape_.values));
    }

    void perform(Planned& each) {
        Operation& operation = each.operation;
        Register& at = registers_[operation.key];
        const bool told = operation.outcome == Outcome::Ok;
        bool writes = each.takes_effect;
        if (operation.kind == OperationKind::Get) {
            if (told) operation.value = at.value;
            writes = false;
        }
        if (operation.kind == OperationKind::Cas) {
            const auto last = static_cast<std::uint32_t>(at.past.size() - 1);
            operation.expected =
                at.past[chance(1, 2) ? last : random_.between(last - std::min(last, 3U), last)];
            if (operation.expected != at.value) {
                writes = false;
                if (told) operation.outcome = Outcome::ConditionFailed;
            }
        }
        if (writes) write(at, operation.value);
        if (shape_.with_revisions && operation.outcome == Outcome::Ok) {
            operation.revision = operation.value ? at.revision : store_revision_;
        }
    }

    void write(Register& at, const std::optional<std::string>& value) {
        if (value || at.value) at.revision = ++store_revision_;
        at.value = value;
        at.past.push_back(value);
    }

    HistoryShape shape_;
    engine::Random random_;
    std::uint64_t written_ = 0;
    std::uint64_t store_revision_ = 0;
    std::map<std::string, Register> registers_;
};

}  // namespace

std::vector<Operation> linearizable_history(const HistoryShape& shape, std::uint64_t seed) {
    return Generator(shape, seed).run();
}

}  // namespace quorate::sim
