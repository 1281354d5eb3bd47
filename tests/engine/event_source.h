#pragma once

// Events without end for one engine: whatever peers might say, true or not, and what its caller might do, by
// the rules.

#include <cstdint>
#include <vector>

#include "engine/raft.h"

namespace quorate::engine::test {

class EventSource {
 public:
    explicit EventSource(std::uint64_t seed) : random_(seed) {}

    /// The next event for `raft`; what it points to lives until the next call.
    [[nodiscard]] Event next(const Raft& raft);
    /// What the last event led to: the caller's side of the contract depends on it.
    void saw(const Output& output);

 private:
    [[nodiscard]] std::uint32_t below(std::uint32_t bound) { return random_.between(0, bound - 1); }
    [[nodiscard]] ServerId peer() { return ServerId(2 + below(3)); }
    [[nodiscard]] Term term_near(const Raft& raft);
    [[nodiscard]] LogIndex index_near(const Raft& raft);
    [[nodiscard]] EntryId entry_near(const Raft& raft);
    [[nodiscard]] Message message(const Raft& raft);
    [[nodiscard]] Message append_entries(const Raft& raft);
    [[nodiscard]] Message answer(const Raft& raft);
    [[nodiscard]] Event by_the_caller(const Raft& raft);

    Random random_;
    PersistTicket asked_;
    PersistTicket completed_;
    std::vector<EntryShape> entries_;
    std::vector<MembershipAt> memberships_;
    std::vector<ProposedEntry> proposed_;
};

}  // namespace quorate::engine::test
