#pragma once

// Why a key's history is not linearizable, for people.

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sim/history.h"
#include "sim/history_shrink.h"

namespace quorate::sim {

/// A history so small that one sees that nothing explains it.
struct Counterexample {
    std::string key;
    /// In the order of their calls. Those that were still running when the contradiction was complete are
    /// Unknown here, and a Cas is a Put where it does not matter what it expected.
    std::vector<Operation> operations;
    bool smallest = false;  ///< nothing more can be left out
    /// Indexes into operations: the longest order found that explains some of them, and those that returned
    /// and have no place behind it.
    std::vector<std::size_t> placed;
    std::vector<std::size_t> stuck;

    bool operator==(const Counterexample&) const = default;
};

/// `operations` are those that the steps were made from.
[[nodiscard]] Counterexample explain(std::span<const Operation* const> operations,
                                     const ShrunkHistory& shrunk);

/// A timeline, the order, and what stands against each operation that is stuck. Ends with LF.
[[nodiscard]] std::string report(const Counterexample& counterexample);

}  // namespace quorate::sim
