#pragma once

// How a write ended, at the leader or as it told the node that forwarded it.

#include <variant>

#include "server/apply_result.h"

namespace quorate::server {

/// It is committed and applied, or was refused in its place in the log because its condition did not hold.
struct WriteApplied {
    ApplyResult result;
    bool operator==(const WriteApplied&) const = default;
};
/// The node that was asked does not lead: nothing happened.
struct WriteNotLeader {
    bool operator==(const WriteNotLeader&) const = default;
};
/// Too much is under way: nothing happened.
struct WriteOverloaded {
    bool operator==(const WriteOverloaded&) const = default;
};
/// Another term's entry stands where the write stood: nothing happened, and nothing will.
struct WriteNotApplied {
    bool operator==(const WriteNotApplied&) const = default;
};
/// The leader's disk has no room: nothing happened.
struct WriteDiskFull {
    bool operator==(const WriteDiskFull&) const = default;
};
/// The store knows as many answers as it may: the write has an Idempotency-Key that is new, and nothing
/// happened.
struct WriteAnswersFull {
    bool operator==(const WriteAnswersFull&) const = default;
};
/// The time is over and nobody knows: it may have happened, or happen later.
struct WriteUnknown {
    bool operator==(const WriteUnknown&) const = default;
};

using WriteOutcome = std::variant<WriteApplied, WriteNotLeader, WriteOverloaded, WriteNotApplied,
                                  WriteDiskFull, WriteAnswersFull, WriteUnknown>;

}  // namespace quorate::server
