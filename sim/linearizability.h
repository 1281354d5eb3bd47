#pragma once

// Is a history linearizable: can each operation be given one moment between its call and its return at which
// it took effect, so that every answer is right? What a client was not told about may have taken effect at
// any moment after the call, or never.
//
// Keys are judged one by one, which is as good as together (Herlihy and Wing, 1990: a history is linearizable
// exactly when it is for each object). So a batch may be recorded as an operation for each of its keys; that
// it took effect on all of them *at once* is then not checked, and neither is a range read as one.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "sim/counterexample.h"
#include "sim/history.h"

namespace quorate::sim {

struct LinearizabilityLimits {
    /// For a key: pairs of what has been placed and the state then. A history without contradictions takes
    /// little more than one for each operation; one that needs millions has many equal values and much at the
    /// same time.
    std::size_t configurations_max = 2'000'000;
    /// That these may take, for a key.
    std::size_t bytes_max = std::size_t{512} << 20;
    /// For making a counterexample small, and for a fault that a key's search was too long to find: in steps
    /// of about a microsecond, for each.
    std::size_t shrink_work_max = 4'000'000;
};

enum class Verdict : std::uint8_t {
    Linearizable,
    NotLinearizable,
    Unknown,  ///< for some key the limits were reached, and no fault was found; the others are linearizable
};

struct Judgement {
    Verdict verdict = Verdict::Linearizable;
    std::string key;                 ///< unless Linearizable: the first in byte order that has this verdict
    std::size_t configurations = 0;  ///< that were visited for all keys
    std::optional<Counterexample> counterexample;  ///< when NotLinearizable

    bool operator==(const Judgement&) const = default;
};

/// Equal histories and limits give equal judgements, everywhere. Requires operations without a fault
/// (history.h).
[[nodiscard]] Judgement judge_linearizability(std::span<const Operation> history,
                                              const LinearizabilityLimits& limits = {});

/// For people: the verdict in a line, and the counterexample where there is one. Ends with LF.
[[nodiscard]] std::string report(const Judgement& judgement);

}  // namespace quorate::sim
