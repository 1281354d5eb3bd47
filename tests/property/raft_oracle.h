#pragma once

// What must hold in every history, judged by an observer who sees all servers, memories and disks at once.
// The five safety properties are those of thesis Fig. 3.2; the rest are the promises that they rest on.

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/raft.h"
#include "tests/property/stored_log.h"

namespace quorate::engine::test {

/// One server: its engine while it is up, its log in memory, its disk.
struct ServerState {
    ServerId id;
    std::optional<Raft> raft{};  ///< none while it is down
    StoredLog log{};
    std::deque<DiskWrite> writes{};
    Disk disk{};
    LogIndex applied{};
    HardState asked_hard_state{};  ///< the newest that this life has, on disk or on its way there
    std::uint64_t lives = 0;
};

class RaftOracle {
 public:
    RaftOracle(Membership membership, std::vector<StoredEntry> committed_before)
        : membership_(std::move(membership)), committed_(std::move(committed_before)) {}

    [[nodiscard]] const std::string& violation() const { return violation_; }
    [[nodiscard]] LogIndex committed() const { return LogIndex(committed_.size()); }
    [[nodiscard]] std::uint64_t elections() const { return leader_of_term_.size(); }
    [[nodiscard]] std::uint64_t reads_answered() const { return reads_answered_; }

    // The five safety properties.
    /// At most one leader can be elected in a term.
    void check_election_safety(const ServerState& server, Term term);
    /// A leader never overwrites or deletes entries in its log; it only appends.
    void check_leader_append_only(const ServerState& leader, const PersistLog& persist);
    /// If two logs contain an entry with the same index and term, they are identical through it.
    void check_log_matching(const std::vector<ServerState>& servers);
    /// An entry that was committed in a term is in the logs of the leaders of all later terms.
    void check_leader_completeness(const ServerState& leader);
    /// If a server has applied an entry at an index, no other server applies another one there. Also that a
    /// majority of every set of voters had it on disk when the first of them did.
    void check_state_machine_safety(const ServerState& server, const CommitEntries& commit,
                                    const std::vector<ServerState>& servers);

    // What they rest on.
    /// Learners never campaign, thesis §4.2.1.
    void check_role(const ServerState& server, RoleName role);
    /// The term never falls, and a vote is never changed within its term.
    void check_hard_state(const ServerState& server, const HardState& next);
    /// A vote, an acknowledgement and a campaign leave only when the disk could repeat them, and an
    /// acknowledgement covers nothing but what the leader has.
    void check_promise(const ServerState& sender, const SendMessage& send,
                       const std::vector<ServerState>& servers);
    void check_install(const ServerState& server, const InstallReceivedSnapshot& install);
    /// A read that begins now must see all that is committed now.
    void read_begins(RequestId request) { read_floor_[request] = committed(); }
    void check_read(const AnswerRead& answer);

    void fail(std::string_view rule, ServerId server, LogIndex index = {});

 private:
    [[nodiscard]] bool is_on_a_quorum_of_disks(LogIndex index, const StoredEntry& entry,
                                               const std::vector<ServerState>& servers) const;
    void check_match(const ServerState& sender, ServerId leader, const AppendAccepted& accepted,
                     const std::vector<ServerState>& servers);

    Membership membership_;
    std::vector<StoredEntry> committed_;  ///< the one true log: entry i stands at i - 1
    std::map<Term, ServerId> leader_of_term_;
    std::map<std::pair<ServerId, Term>, ServerId> vote_sent_;
    std::map<RequestId, LogIndex> read_floor_;
    std::uint64_t reads_answered_ = 0;
    std::string violation_;
};

}  // namespace quorate::engine::test
