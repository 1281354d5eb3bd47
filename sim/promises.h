#pragma once

// What nodes have told each other, and what a crash must therefore not undo: votes, terms and acknowledged
// entries. Kept from the messages that leave a node, whatever its code believes of its own disk, and held
// against what it finds there when it starts again.

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/raft.h"
#include "wal/format.h"

namespace quorate::sim {

/// What is broken, if anything: a property's name, and how it shows.
struct Breach {
    std::string property;
    std::string text;
};

/// Whether a majority of each set of voters agrees. Not the engine's own count, which may be what is wrong.
template <class Agrees>
bool is_decided(const engine::Membership& membership, Agrees agrees) {
    const auto by_majority_of = [&](const std::vector<engine::ServerId>& voters) {
        return 2 * static_cast<std::size_t>(std::ranges::count_if(voters, agrees)) > voters.size();
    };
    return by_majority_of(membership.voters) &&
           (membership.voters_outgoing.empty() || by_majority_of(membership.voters_outgoing));
}

class Promises {
 public:
    /// The engines of the nodes that are up, by node; null: it is down.
    using Engines = std::vector<const engine::Raft*>;

    explicit Promises(std::size_t nodes) : nodes_(nodes) {}

    /// The node was removed, and goes on with nothing and by another name.
    void begun_anew(std::size_t node);

    /// The node's engine has made a step; nothing of it has been done yet.
    [[nodiscard]] std::optional<Breach> stepped(std::size_t node, const engine::Output& output,
                                                const Engines& engines);
    /// The node has recovered what its disk holds.
    [[nodiscard]] std::optional<Breach> started(std::size_t node, const engine::Raft& raft, wal::Lost lost,
                                                bool is_damaged);

 private:
    struct Promised {
        engine::ServerId id;  ///< as who it was started
        engine::Term term;    ///< it takes part in no earlier one
        std::map<engine::Term, engine::ServerId> votes;
        engine::Term votes_lost;  ///< its votes up to this term it may have forgotten, if it gives no others
        engine::Term followed;    ///< the last one whose leader it has acknowledged entries to
        bool has_to_learn = false;          ///< it does not know its term
        std::vector<engine::Term> entries;  ///< terms of the entries that it said it holds, 1 first
    };

    [[nodiscard]] std::optional<Breach> voted(std::size_t node, engine::Term term,
                                              engine::ServerId candidate);
    [[nodiscard]] std::optional<Breach> raised(std::size_t node, const engine::Output& output,
                                               const engine::Raft& raft);
    [[nodiscard]] std::optional<Breach> helped(std::size_t node, engine::Term term,
                                               engine::ServerId candidate, const engine::Raft& raft);
    [[nodiscard]] std::optional<Breach> elected(std::size_t node, const engine::Raft& raft) const;
    [[nodiscard]] std::optional<Breach> acknowledged(std::size_t node, engine::Term term,
                                                     engine::LogIndex match, const Engines& engines);
    [[nodiscard]] std::optional<Breach> committed(std::size_t node, engine::LogIndex last,
                                                  const Engines& engines);
    [[nodiscard]] std::optional<Breach> stored(std::size_t node, const engine::PersistLog& persist,
                                               const engine::Raft& raft);
    void installed(std::size_t node, engine::LogIndex last, const engine::Raft& raft);
    [[nodiscard]] std::optional<Breach> learned(std::size_t node, engine::Term term);
    [[nodiscard]] std::optional<Breach> recovered(std::size_t node, const engine::Raft& raft);
    void promise(std::size_t node, engine::LogIndex through, const engine::Raft& raft);
    [[nodiscard]] bool could_lead_without(std::size_t node, engine::EntryId entry,
                                          const Engines& engines) const;

    [[nodiscard]] const Promised* of(engine::ServerId id) const;

    std::vector<Promised> nodes_;
    std::map<engine::ServerId, Promised> gone_;  ///< by names that are not used any more
    std::vector<engine::Term> committed_;  ///< terms of the entries that leaders have committed, 1 first
    std::set<engine::Term> begun_;         ///< terms in which somebody has stood
    /// Who would vote for the server in the term.
    std::map<std::pair<engine::Term, engine::ServerId>, std::set<engine::ServerId>> pre_votes_;
    /// Log Matching: the entry before each entry that was ever in a log, and its size.
    std::map<std::pair<engine::LogIndex, engine::Term>, std::pair<engine::Term, std::uint32_t>> entries_;
};

}  // namespace quorate::sim
