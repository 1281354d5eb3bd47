#pragma once

// What may happen ever so often, and is worth a log line only now and then.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace quorate::server {

/// Says whether a thing is due again: once in `period_ms` for each name. When `names_max` of them have been
/// due within a period, others are not until one of those is old enough: what is logged is bounded, whoever
/// makes the names up.
class Seldom {
 public:
    Seldom(std::uint64_t period_ms, std::size_t names_max) : period_ms_(period_ms), names_max_(names_max) {}

    [[nodiscard]] bool is_due(std::uint64_t now_ms, std::string name) {
        std::erase_if(told_, [&](const Told& told) { return now_ms - told.at_ms >= period_ms_; });
        const bool is_told = std::ranges::find(told_, name, &Told::name) != told_.end();
        if (is_told || told_.size() >= names_max_) return false;
        told_.push_back({std::move(name), now_ms});
        return true;
    }

 private:
    struct Told {
        std::string name;
        std::uint64_t at_ms = 0;
    };

    std::uint64_t period_ms_;
    std::size_t names_max_;
    std::vector<Told> told_;  ///< within the last period
};

}  // namespace quorate::server
