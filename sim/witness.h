#pragma once

// Turns what the simulated clients ask and are told into a history, which is then judged by nothing but
// itself (linearizability.h): a second opinion beside the referee's, which knows the committed log.

#include <cstdint>
#include <optional>
#include <vector>

#include "server/http_message.h"
#include "sim/history.h"
#include "sim/referee.h"

namespace quorate::sim {

class Witness {
 public:
    /// As many operations may be seen, for all that is known.
    explicit Witness(std::size_t operations) { history_.reserve(operations); }

    /// An attempt is over: `response` came at `now_us`, or none has. Reads without an answer, stale reads,
    /// ranges and what was refused say nothing. Of a write whose condition was a revision only its success is
    /// told.
    void saw(std::uint64_t client, const Attempt& attempt, Fate fate, std::uint64_t called_us,
             std::uint64_t now_us, const server::HttpResponse* response);

    [[nodiscard]] const std::vector<Operation>& history() const { return history_; }

 private:
    std::vector<Operation> history_;
};

}  // namespace quorate::sim
