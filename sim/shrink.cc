#include "sim/shrink.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace quorate::sim {

namespace {

/// What a smaller plan does by chance is another matter: a few other seeds get the same chance.
constexpr std::uint64_t kSeedsTried = 3;

class Shrinker {
 public:
    Shrinker(Plan plan, std::string failure, const Trial& trial, std::uint64_t trials_max)
        : best_(std::move(plan)), failure_(std::move(failure)), trial_(trial), trials_max_(trials_max) {}

    Shrinker(const Shrinker&) = delete;
    Shrinker& operator=(const Shrinker&) = delete;
    ~Shrinker() = default;

    Shrunk shrink() {
        for (bool smaller = true; smaller && !is_spent();) {
            smaller = drop_lines(&Plan::faults);
            smaller = drop_lines(&Plan::operations) || smaller;
            smaller = shorten_storm() || smaller;
            smaller = simplify_shape() || smaller;
            smaller = fewer_nodes() || smaller;
            smaller = fewer_clients() || smaller;
            smaller = simplify_lines() || smaller;
        }
        return {std::move(best_), trials_};
    }

 private:
    [[nodiscard]] bool is_spent() const { return trials_ >= trials_max_; }

    // Whether the candidate still fails; then it is the best.
    bool adopt(Plan candidate) {
        // A world that cannot be would fail in a way of its own.
        if (candidate == best_ || out_of_bounds(candidate)) return false;
        for (std::uint64_t i = 0; i <= kSeedsTried && !is_spent(); ++i) {
            ++trials_;
            if (trial_(candidate) == failure_) {
                best_ = std::move(candidate);
                return true;
            }
            candidate.seed = best_.seed + i + 1;
        }
        return false;
    }

    template <class Line>
    bool drop_lines(std::vector<Line> Plan::* lines) {
        bool dropped = false;
        for (std::size_t chunk = std::max<std::size_t>(1, (best_.*lines).size() / 2);; chunk /= 2) {
            for (std::size_t begin = 0; begin < (best_.*lines).size() && !is_spent();) {
                Plan candidate = best_;
                auto& all = candidate.*lines;
                const auto first = all.begin() + static_cast<std::ptrdiff_t>(begin);
                all.erase(first, first + static_cast<std::ptrdiff_t>(std::min(chunk, all.size() - begin)));
                if (adopt(std::move(candidate))) {
                    dropped = true;
                } else {
                    begin += chunk;
                }
            }
            if (chunk <= 1) return dropped;
        }
    }

    bool shorten_storm() {
        bool shorter = false;
        for (;;) {
            Plan candidate = best_;
            candidate.shape.storm_us /= 2;
            if (candidate.shape.storm_us < 100'000 || !adopt(std::move(candidate))) return shorter;
            shorter = true;
        }
    }

    bool simplify_shape() {
        bool simpler = false;
        const Shape usual;
        const auto reset = [&](std::uint64_t Shape::* field) {
            Plan candidate = best_;
            candidate.shape.*field = usual.*field;
            simpler = adopt(std::move(candidate)) || simpler;
        };
#define QUORATE_SHAPE_RESET(name, value, least, most)                                                       \
    if (&Shape::name != &Shape::nodes && &Shape::name != &Shape::clients && &Shape::name != &Shape::keys && \
        &Shape::name != &Shape::storm_us)                                                                   \
        reset(&Shape::name);
        QUORATE_SHAPE_FIELDS(QUORATE_SHAPE_RESET)
#undef QUORATE_SHAPE_RESET
        return simpler;
    }

    // Two fewer, so that the majority is one smaller; what befell those that go befalls others.
    bool fewer_nodes() {
        Plan candidate = best_;
        if (candidate.shape.nodes < 3) return false;
        const std::uint64_t nodes = candidate.shape.nodes -= 2;
        candidate.shape.first = std::min(candidate.shape.first, nodes);
        candidate.shape.core_mask &= (std::uint64_t{1} << nodes) - 1;
        for (FaultLine& line : candidate.faults) {
            const bool is_link = line.node != line.peer;
            if (line.node != kTheLeader) line.node %= nodes;
            line.peer %= nodes;
            if (line.kind == FaultKind::Partition && line.node != kTheLeader)
                line.amount &= (std::uint64_t{1} << nodes) - 1;
            if (is_link && line.node == line.peer) line.peer = (line.peer + 1) % nodes;
        }
        for (OperationLine& line : candidate.operations) line.node %= nodes;
        return adopt(std::move(candidate));
    }

    bool fewer_clients() {
        std::vector<std::uint64_t> used;
        used.reserve(best_.operations.size());
        for (const OperationLine& line : best_.operations) used.push_back(line.client);
        std::ranges::sort(used);
        used.erase(std::ranges::unique(used).begin(), used.end());
        Plan candidate = best_;
        candidate.shape.clients = std::max<std::uint64_t>(1, used.size());
        for (OperationLine& line : candidate.operations)
            line.client =
                static_cast<std::uint64_t>(std::ranges::lower_bound(used, line.client) - used.begin());
        return adopt(std::move(candidate));
    }

    // Each line by itself: shorter, smaller, sooner.
    bool simplify_lines() {
        bool simpler = false;
        const auto attempt = [&](auto change) {
            Plan candidate = best_;
            change(candidate);
            simpler = adopt(std::move(candidate)) || simpler;
        };
        for (std::size_t i = 0; i < best_.faults.size() && !is_spent(); ++i) {
            attempt([i](Plan& plan) { plan.faults[i].duration_us /= 2; });
            attempt([i](Plan& plan) {
                plan.faults[i].amount = std::min<std::uint64_t>(plan.faults[i].amount, 1);
            });
        }
        for (std::size_t i = 0; i < best_.operations.size() && !is_spent(); ++i) {
            attempt([i](Plan& plan) {
                plan.operations[i].bytes = 0;
                plan.operations[i].key = 0;
                plan.operations[i].last_key = 0;
            });
            attempt([i](Plan& plan) { plan.operations[i].pause_us = 0; });
        }
        return simpler;
    }

    Plan best_;
    std::string failure_;
    const Trial& trial_;
    std::uint64_t trials_max_;
    std::uint64_t trials_ = 0;
};

}  // namespace

Shrunk shrink(const Plan& plan, const std::string& failure, const Trial& trial, std::uint64_t trials_max) {
    return Shrinker(plan, failure, trial, trials_max).shrink();
}

}  // namespace quorate::sim
