#include "sim/value_conflict.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace quorate::sim {

namespace {

// A value and what has to do with it.
struct Cluster {
    std::uint32_t value = kAbsent;
    std::uint32_t producers = 0;
    bool is_seen = false;
    std::uint64_t first_return = kNever;
    std::uint64_t last_call = 0;
    std::uint64_t first_producer_call = kNever;
    std::uint64_t first_seen_return = kNever;
};

std::vector<Cluster> clusters_of(std::span<const Step> steps) {
    std::vector<Cluster> clusters(1);
    // The register is absent before anything is called, as if something had set it.
    clusters[kAbsent].producers = 1;
    clusters[kAbsent].first_return = 0;
    clusters[kAbsent].first_producer_call = 0;
    const auto at = [&](std::uint32_t value) -> Cluster& {
        for (auto next = static_cast<std::uint32_t>(clusters.size()); next <= value; ++next) {
            clusters.push_back({.value = next});
        }
        return clusters[value];
    };
    for (const Step& step : steps) {
        if (step.writes()) {
            Cluster& cluster = at(step.written);
            ++cluster.producers;
            cluster.first_producer_call = std::min(cluster.first_producer_call, step.call);
            cluster.first_return = std::min(cluster.first_return, step.ret);
            cluster.last_call = std::max(cluster.last_call, step.call);
        }
        if (step.observes() && !step.open) {
            Cluster& cluster = at(step.expected);
            cluster.is_seen = true;
            cluster.first_return = std::min(cluster.first_return, step.ret);
            cluster.first_seen_return = std::min(cluster.first_seen_return, step.ret);
            cluster.last_call = std::max(cluster.last_call, step.call);
        }
    }
    return clusters;
}

// A step that returned before another one was called, and tells a higher revision.
std::optional<ValueConflict> find_fallen_revision(std::span<const Step> steps) {
    std::vector<const Step*> by_revision;
    for (const Step& step : steps) {
        if (step.revision) by_revision.push_back(&step);
    }
    std::ranges::sort(by_revision, std::greater(),
                      [](const Step* step) { return std::pair(*step->revision, step->source); });
    const auto value_of = [](const Step& step) { return step.writes() ? step.written : step.expected; };
    const Step* higher = nullptr;  // of those with a higher revision, the one that returned first
    for (auto same = by_revision.begin(); same != by_revision.end();) {
        const auto next = std::find_if(same, by_revision.end(),
                                       [&](const Step* step) { return step->revision != (*same)->revision; });
        for (auto i = same; i != next && higher != nullptr; ++i) {
            if (higher->ret < (*i)->call) return ValueConflict{value_of(*higher), value_of(**i)};
        }
        for (; same != next; ++same) {
            if (higher == nullptr || (*same)->ret < higher->ret) higher = *same;
        }
    }
    return std::nullopt;
}

}  // namespace

std::optional<ValueConflict> find_conflict(std::span<const Step> steps) {
    if (const auto fallen = find_fallen_revision(steps)) return fallen;
    std::vector<Cluster> clusters = clusters_of(steps);
    std::erase_if(clusters, [](const Cluster& cluster) { return !cluster.is_seen; });
    for (const Cluster& cluster : clusters) {
        if (cluster.producers == 0 || cluster.first_seen_return < cluster.first_producer_call) {
            return ValueConflict{cluster.value, cluster.value};
        }
    }
    std::erase_if(clusters, [](const Cluster& cluster) { return cluster.producers > 1; });
    // Those that are in the register for some time for sure: between a return and a later call.
    std::vector<Cluster> lasting;
    for (const Cluster& cluster : clusters) {
        if (cluster.first_return < cluster.last_call) lasting.push_back(cluster);
    }
    std::ranges::sort(lasting, {}, &Cluster::first_return);
    for (std::size_t i = 1; i < lasting.size(); ++i) {
        if (lasting[i].first_return < lasting[i - 1].last_call) {
            return ValueConflict{lasting[i - 1].value, lasting[i].value};
        }
    }
    // These do not overlap, so only the last one that begins before another cluster's last call can surround
    // it.
    for (const Cluster& cluster : clusters) {
        if (cluster.first_return < cluster.last_call) continue;
        const auto after = std::ranges::lower_bound(lasting, cluster.last_call, {}, &Cluster::first_return);
        if (after == lasting.begin()) continue;
        const Cluster& around = *(after - 1);
        if (cluster.first_return < around.last_call) return ValueConflict{around.value, cluster.value};
    }
    return std::nullopt;
}

// Take an order of all steps, and from it those that stay. What is left out sets other values, and a step
// that saw one of the two is not right behind it.
std::vector<Step> steps_of_conflict(std::span<const Step> steps, const ValueConflict& conflict) {
    const auto concerns = [&](std::uint32_t value) {
        return value == conflict.first || value == conflict.second;
    };
    std::vector<Step> kept;
    for (Step step : steps) {
        const bool sets = step.writes() && concerns(step.written);
        const bool sees = step.observes() && !step.open && concerns(step.expected);
        if (!sets && !sees) continue;
        if (step.kind == Step::Kind::Cas && !sees) {
            step.kind = Step::Kind::Write;
            step.expected = kAbsent;
        } else if (step.kind == Step::Kind::Cas && !sets) {
            step.kind = Step::Kind::Read;
            step.written = kAbsent;
            step.revision.reset();
        }
        kept.push_back(step);
    }
    return kept;
}

}  // namespace quorate::sim
