#pragma once

// What many runs add up to, and whether they reached everything that such a batch should.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "sim/world.h"

namespace quorate::sim {

/// Below this many runs something may be missed by chance.
inline constexpr std::uint64_t kRunsForFloors = 2000;

class Tally {
 public:
    void add(const RunResult& result);

    [[nodiscard]] std::uint64_t runs() const { return runs_; }
    [[nodiscard]] std::uint64_t broken() const { return broken_; }

    /// One line: how far a batch of `count` runs has come, `seconds` after its beginning.
    [[nodiscard]] std::string progress(std::uint64_t count, double seconds) const;
    /// Lines for a person: the sums, and the effects of the faults.
    [[nodiscard]] std::string summary(double seconds) const;
    /// Each kind of fault and how often it had an effect, in lines of at most `width` characters.
    [[nodiscard]] std::string effects(std::size_t width) const;
    /// A line for each mark: how many of the runs reached it, the rarest first.
    [[nodiscard]] std::string marks() const;
    /// Faults that hardly ever had an effect, answers that hardly ever came, and marks that no run reached.
    [[nodiscard]] std::vector<std::string> unreached() const;

 private:
    std::uint64_t runs_ = 0;
    std::uint64_t broken_ = 0;
    std::uint64_t virtual_us_ = 0;
    std::uint64_t events_ = 0;
    std::uint64_t committed_ = 0;
    std::uint64_t done_ = 0;
    std::uint64_t refused_ = 0;
    std::uint64_t unknown_ = 0;
    std::uint64_t leaders_ = 0;
    Effects effects_;
    std::array<std::uint64_t, kMarkCount> runs_of_mark_{};
    Answers answers_;
};

}  // namespace quorate::sim
