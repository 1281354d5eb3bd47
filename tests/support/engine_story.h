#pragma once

// A cluster of engines with verbs for a test that tells a story: S1 times out, what it says arrives, S2's
// disk is done. All that the servers asked for and noted is kept until it is forgotten.

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "tests/support/engine_cluster.h"
#include "tests/support/lone_server.h"

namespace quorate::engine::test {

class EngineStory {
 public:
    /// A server's log is what `EngineCluster` starts with: the configuration at index 1, in term 1.
    explicit EngineStory(const Membership& membership, const Config& config = short_timeouts());

    [[nodiscard]] const Raft& raft(ServerId id) const;
    [[nodiscard]] scenario::EngineCluster& cluster() { return cluster_; }
    /// The words of the entries of `id` through its commit_index; "-" for what carries none.
    [[nodiscard]] std::vector<std::string> committed_words(ServerId id) const;

    /// Puts `id` at the start of a life with a log of these terms, in `current_term`. The first entry is the
    /// configuration; entries of equal index and term carry equal words, on every server.
    void give_log(ServerId id, const std::vector<std::uint64_t>& terms, std::uint64_t current_term);

    void tick(ServerId id, std::uint32_t count = 1);
    /// Ticks until `id` starts another campaign.
    void time_out(ServerId id);
    /// `id` has not heard its leader for so long that it would vote for another; it does not campaign itself.
    void end_lease(ServerId id);
    /// All that is under way from `from` to `to` now arrives.
    void deliver(ServerId from, ServerId to);
    /// All that is under way from `from` to `to` now is lost.
    void lose(ServerId from, ServerId to);
    /// All that `id` is writing is durable.
    void persist(ServerId id);
    /// Everything arrives and is durable, also what that leads to. No time passes.
    void settle();
    void isolate(ServerId id) { cluster_.set_isolated(id, true); }
    void rejoin(ServerId id) { cluster_.set_isolated(id, false); }
    /// `id` times out and, when all has arrived, leads.
    void elect(ServerId id);
    void propose(ServerId id, const std::string& word) { cluster_.propose(id, {word}, 0); }

    /// What came out from here on counts.
    void forget() { seen_.clear(); }
    [[nodiscard]] std::size_t times_noted(ServerId id, NoteKind kind) const;
    [[nodiscard]] bool noted(ServerId id, NoteKind kind) const { return times_noted(id, kind) > 0; }
    template <class A>
    [[nodiscard]] std::vector<A> actions(ServerId id) const {
        std::vector<A> found;
        for (const Seen& seen : seen_) {
            if (seen.id != id) continue;
            for (const Action& action : seen.output.actions) {
                if (const A* one = std::get_if<A>(&action)) found.push_back(*one);
            }
        }
        return found;
    }
    template <class M>
    [[nodiscard]] std::vector<M> sent(ServerId from, ServerId to) const {
        std::vector<M> found;
        for (const auto& send : actions<SendMessage>(from)) {
            if (const M* message = std::get_if<M>(&send.message); message != nullptr && send.to == to)
                found.push_back(*message);
        }
        return found;
    }

 private:
    struct Seen {
        ServerId id;
        Output output;
    };

    Membership membership_;
    std::vector<Seen> seen_;
    scenario::EngineCluster cluster_;
};

}  // namespace quorate::engine::test
