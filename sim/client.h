#pragma once

// A client of the simulated cluster: does its operations one after the other, asks another node when one is
// away, and tries again what was refused.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/http_message.h"
#include "server/members.h"
#include "sim/plan.h"
#include "sim/referee.h"

namespace quorate::sim {

/// "k0007"
[[nodiscard]] std::string key_name(std::uint64_t key);

/// A try of an operation as it goes to a node.
struct PreparedAttempt {
    Attempt attempt;
    server::HttpRequest request;
};

/// `number` names the attempt among all of a run, and `members` are the nodes as they are now. A range begins
/// behind `after`, if that is a key. `session` is the client's.
[[nodiscard]] PreparedAttempt prepare(const OperationLine& line, std::uint64_t number, const Referee& referee,
                                      const std::vector<server::Member>& members,
                                      const std::string& after = {}, std::uint64_t session = 0);

struct Client {
    std::vector<OperationLine> lines;
    std::size_t next = 0;     ///< line
    std::uint64_t tries = 0;  ///< of this line
    std::string after;        ///< the last key of the page before, when a range goes on
    std::uint64_t began_us = 0;
    /// What it waits for: its attempt's answer, or the end of a pause. Never reused.
    std::uint64_t token = 0;
    std::optional<PreparedAttempt> attempt;  ///< on its way
    std::optional<PreparedAttempt> again;    ///< the same, which is to be sent once more
    std::uint64_t called_us = 0;             ///< when it was first sent
    std::uint64_t session = 0;               ///< that its next writes belong to
    std::size_t node = 0;                    ///< whom it asked

    [[nodiscard]] bool is_done() const { return next == lines.size(); }
};

}  // namespace quorate::sim
