#pragma once

// The engine's vocabulary: numbers that must not be mistaken for one another.

#include <compare>
#include <cstdint>

namespace quorate::engine {

/// A counter with a meaning. Two ordinals of different tags do not compare, convert or add, so a term cannot
/// be passed where an index is wanted. Arithmetic is only what the protocol needs: next, previous, distance.
template <class Tag>
struct Ordinal {
    std::uint64_t value = 0;

    constexpr Ordinal() = default;
    constexpr explicit Ordinal(std::uint64_t v) : value(v) {}

    constexpr auto operator<=>(const Ordinal&) const = default;

    [[nodiscard]] constexpr Ordinal next() const { return Ordinal(value + 1); }
    /// One less; zero stays zero.
    [[nodiscard]] constexpr Ordinal previous() const { return Ordinal(value == 0 ? 0 : value - 1); }
    [[nodiscard]] constexpr Ordinal plus(std::uint64_t count) const { return Ordinal(value + count); }
    /// How far this is past `earlier`; zero when it is not past it.
    [[nodiscard]] constexpr std::uint64_t past(Ordinal earlier) const {
        return value > earlier.value ? value - earlier.value : 0;
    }
};

/// Raft term, thesis §3.3. Zero is before every election.
using Term = Ordinal<struct TermTag>;
/// Position in the log, thesis §3.5. The first entry has index 1; zero is before the log.
using LogIndex = Ordinal<struct LogIndexTag>;
/// A server of the cluster. Zero names nobody.
using ServerId = Ordinal<struct ServerIdTag>;
/// The caller's name for a read or a transfer, handed back with the answer. Never reused, not even by a
/// server's next life: a late answer to a read of the last one would give an index from before the new one
/// was asked.
using RequestId = Ordinal<struct RequestIdTag>;
/// Number of a PersistLog action; completes in order. Zero is before the first.
using PersistTicket = Ordinal<struct PersistTicketTag>;
/// Number of a heartbeat round of one leader, thesis §6.4. Zero is before the first.
using Round = Ordinal<struct RoundTag>;

inline constexpr ServerId kNobody{};

/// No cluster gets so far one by one. A message that names a term or an index beyond it is malformed, so that
/// there is always a next one.
inline constexpr std::uint64_t kReachMax = UINT64_MAX / 2;

/// What must survive a crash besides the log, thesis Fig. 3.1. Durable before any message that depends on it
/// leaves.
struct HardState {
    Term current_term;
    ServerId voted_for;  ///< in current_term; kNobody when no vote was given

    bool operator==(const HardState&) const = default;
};

}  // namespace quorate::engine
