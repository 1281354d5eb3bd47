#pragma once

// How long a run may last before something must have gone wrong: in virtual time the calm after its storm, in
// events all of it.

#include <cstdint>

#include "sim/plan.h"

namespace quorate::sim {

/// For the core to serve, and then for all to agree with every client done, if no write waits for others.
[[nodiscard]] std::uint64_t patience_us(const Shape& shape);

/// The same with the log's own time. Where windows let few entries be on the way, the log takes few a round,
/// and what was proposed before stands in it before what is proposed now, though its clients have long been
/// told that nobody knows. Ten clients whose writes wait longer than an operation may take (seed 18496: 70 ms
/// an entry, one on the way at a time, operation_timeout_ms 570) so write most of it twice. While the log is
/// busy it takes an entry a round; while it is not, the clients get on as in the time above. All writes of
/// the plan are counted, for a follower that comes back late may need them all. And a snapshot that a client
/// orders takes a job for each chunk (seed 624: 300 of them, 80 ms each).
[[nodiscard]] std::uint64_t patience_us(const Plan& plan);

/// A run without an end is told from a long one. Most take some ten thousand events; in fair weather, with
/// its operations, three for each tick of a node.
[[nodiscard]] std::uint64_t events_max(const Plan& plan);

}  // namespace quorate::sim
