#pragma once

// Servers that are nothing but engines, their disks and a network between them, moved one small step at a
// time. A list of steps is a whole history: it can be drawn from a seed, generated, or cut down to the few
// steps that matter.

#include <array>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "engine/raft.h"
#include "tests/property/raft_oracle.h"
#include "tests/property/stored_log.h"

namespace quorate::engine::test {

/// Servers of a world are 1..servers.
struct WorldShape {
    std::uint32_t servers = 3;
    Membership membership;  ///< of servers 1..servers, in force from the start
    Config config;          ///< `self` and `seed` are each server's own
    std::uint64_t seed = 1;
};

/// A shape for every taste: 1 to 7 servers, even numbers too, learners, joint configurations, tight windows.
[[nodiscard]] WorldShape draw_shape(std::uint64_t seed);

enum class StepKind : std::uint8_t {
    Tick,           ///< `amount` ticks pass at `server`
    Deliver,        ///< message `amount` of those under way arrives
    Duplicate,      ///< message `amount` arrives, and stays under way
    Lose,           ///< message `amount` is lost
    Persist,        ///< the oldest write of `server` is durable
    Settle,         ///< all that is under way now arrives in order, and all writes end
    Propose,        ///< 1..3 entries at `server`
    Read,           ///< at `server`
    Transfer,       ///< `server` is asked to give the lead to `peer`, or to anybody when `amount` is odd
    Unreachable,    ///< `server` loses its connection to `peer`
    SnapshotFails,  ///< `server` believes that a snapshot did not reach `peer`
    Compact,  ///< `server` has a snapshot of all that it applied, and forgets all but `amount` entries of it
    Crash,    ///< `server` stops; of its unfinished writes `amount` land
    Restart,  ///< `server`, should it be down
    Partition,  ///< the bits of `amount` say on which side each server is
    Heal,       ///< everybody reaches everybody
};
inline constexpr std::uint32_t kStepKinds = 16;

struct Step {
    StepKind kind = StepKind::Tick;
    std::uint32_t server = 0;  ///< taken modulo the number of servers, as is `peer`
    std::uint32_t peer = 0;
    std::uint32_t amount = 0;  ///< taken modulo what there is
};

/// Steps that cannot happen now (a crash of a server that is down) do nothing, so every list of steps is a
/// history.
class RaftWorld {
 public:
    explicit RaftWorld(const WorldShape& shape);

    void apply(const Step& step);
    /// Ends every fault and gives the servers 600 ticks to commit a new entry and to apply it everywhere.
    void require_recovery();
    /// What only whole histories show: Log Matching between all pairs.
    void require_log_matching();

    /// The first rule that was broken; empty while there is none.
    [[nodiscard]] const std::string& violation() const { return oracle_.violation(); }
    [[nodiscard]] const RaftOracle& oracle() const { return oracle_; }
    [[nodiscard]] std::uint32_t servers() const { return static_cast<std::uint32_t>(servers_.size()); }
    [[nodiscard]] bool is_up(std::uint32_t server) const { return servers_[server].raft.has_value(); }
    [[nodiscard]] std::size_t under_way() const { return network_.size(); }
    [[nodiscard]] std::size_t writes_of(std::uint32_t server) const { return servers_[server].writes.size(); }

 private:
    struct Envelope {
        ServerId from;
        ServerId to;
        Message message;
        std::vector<StoredEntry> entries;
    };

    void tick(ServerState& server, std::uint32_t ticks);
    void propose(ServerState& server, std::uint32_t count);
    void read(ServerState& server);
    void compact(ServerState& server, std::uint32_t kept);
    void crash(ServerState& server, std::size_t landing);
    void restart(ServerState& server);
    void persist_next(ServerState& server);
    void deliver(const Envelope& envelope);
    void take(std::size_t position, bool is_lost, bool stays);
    void settle();

    /// `offered` are the payloads that this event brings, the first of them at `offered_first` (zero: at the
    /// index that the engine gives to a proposal).
    void step(ServerState& server, const Event& event, std::vector<StoredEntry> offered = {},
              LogIndex offered_first = {});
    void obey(ServerState& server, const Action& action, RoleName role_before);
    void obey_persist(ServerState& server, const PersistLog& persist, RoleName role_before);
    void obey_send(ServerState& server, const SendMessage& send);
    void obey_install(ServerState& server, const InstallReceivedSnapshot& install);

    WorldShape shape_;
    std::vector<ServerState> servers_;
    std::deque<Envelope> network_;
    std::uint32_t sides_ = 0;  ///< bit i: the side of server i + 1
    std::uint64_t payloads_ = 0;
    std::uint64_t requests_ = 0;
    std::uint64_t steps_ = 0;
    std::vector<StoredEntry> offered_;
    LogIndex offered_first_;
    RaftOracle oracle_;
};

}  // namespace quorate::engine::test
