#pragma once

// A key of the store as the search for a linearization sees it: a register of small numbers.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sim/history.h"

namespace quorate::sim {

/// Each value of a key has a number; this one means that the key is absent.
inline constexpr std::uint32_t kAbsent = 0;

/// The time of return of what has not returned: it never obliges anything to come after.
inline constexpr std::uint64_t kNever = UINT64_MAX;

struct RegisterState {
    std::uint32_t value = kAbsent;
    /// `revision` is the one at which the value was written. Otherwise the value's own, unless it is absent,
    /// is higher.
    bool exact = false;
    std::uint64_t revision = 0;

    bool operator==(const RegisterState&) const = default;
};

/// What an operation did to the register.
struct Step {
    enum class Kind : std::uint8_t {
        Read,      ///< saw `expected`
        Mismatch,  ///< saw anything but `expected`
        Write,     ///< set `written`, whatever was there
        Cas,       ///< saw `expected` and set `written`
    };
    Kind kind = Kind::Read;
    bool open = false;  ///< has not returned: may have happened or not. Only a Write or a Cas.
    std::uint32_t expected = kAbsent;
    std::uint32_t written = kAbsent;
    std::optional<std::uint64_t> revision;
    std::uint64_t call = 0;
    std::uint64_t ret = kNever;
    std::size_t source = 0;  ///< of the operation, in the history that the step was made from

    [[nodiscard]] bool writes() const { return kind == Kind::Write || kind == Kind::Cas; }
    /// Needs the register to hold `expected`.
    [[nodiscard]] bool observes() const { return kind == Kind::Read || kind == Kind::Cas; }

    bool operator==(const Step&) const = default;
};

/// The state after the step, or nothing where the step contradicts the state.
[[nodiscard]] std::optional<RegisterState> apply(const Step& step, const RegisterState& state);

/// Those of a history's operations that say something: not what was never applied, and no read that has not
/// returned. All must be on one key. `values` receives the value of each number.
[[nodiscard]] std::vector<Step> steps_of(std::span<const Operation* const> operations,
                                         std::vector<std::optional<std::string>>& values);

}  // namespace quorate::sim
