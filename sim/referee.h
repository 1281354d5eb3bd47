#pragma once

// Watches everything and knows the rules. It keeps its own model of the store, fed by what the first node
// applies at each index, and holds every other node, every answer to a client and every leader against it.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/raft.h"
#include "server/command.h"
#include "server/http_message.h"
#include "server/node.h"
#include "wal/entry.h"

namespace quorate::sim {

/// How far a run has come.
struct Moment {
    std::uint64_t event = 0;  ///< counted from 1
    std::uint64_t us = 0;
    std::size_t node = 0;  ///< which does something, counted from 1; 0: none

    bool operator==(const Moment&) const = default;
};

/// A property that does not hold, and where it showed.
struct Violation {
    std::string property;
    std::string text;
    Moment at;  ///< the world knows it, the referee does not

    bool operator==(const Violation&) const = default;
};

/// One try of a client's operation. A write's value begins with its number, so that it is known wherever it
/// turns up.
struct Attempt {
    std::uint64_t number = 0;
    std::uint64_t floor_revision = 0;  ///< the highest revision in an answer that came before it began
    std::vector<server::Operation> writes;
    std::vector<std::string> reads;  ///< keys
    bool is_stale_read = false;
    bool is_range = false;
    std::uint64_t limit = 0;                     ///< entries of a range's page at most; 0: the node's own
    std::optional<std::uint64_t> past_revision;  ///< of a read: what it looks at
    bool is_order = false;                       ///< to lead or to snapshot: neither reads nor writes
    bool is_backup = false;
    std::optional<std::uint64_t> if_revision;  ///< If-Match, or If-None-Match: * when 0
    std::string once;                          ///< its Idempotency-Key, if any
    std::optional<std::uint64_t> session;
    /// Sent before, and not answered: what is said of one try is not said of the others.
    bool may_have_happened = false;
};

enum class Fate : std::uint8_t {
    Done,     ///< answered: it took effect, or read what it read
    Refused,  ///< answered: nothing happened, and nothing will
    Unknown,  ///< may have happened, or happen later
};

class Referee {
 public:
    /// `first` is the cluster's first configuration.
    explicit Referee(engine::Membership first = {}) : membership_(std::move(first)) {}

    /// The newest that is committed.
    [[nodiscard]] const engine::Membership& membership() const { return membership_; }
    /// The first violation, if any.
    [[nodiscard]] const std::optional<Violation>& violation() const { return violation_; }
    void violate(std::string_view property, std::string text);

    // Nodes.
    void node_started(std::size_t node) { applied_of(node) = 0; }
    /// By that of a snapshot through `index`.
    void store_replaced(std::size_t node, engine::LogIndex index, const server::StateMachine& store);
    /// After each step of its engine.
    void look_at(std::size_t node, const engine::Raft& raft);
    /// `store` is the node's, after it.
    void entry_applied(std::size_t node, const engine::Raft& raft, engine::LogIndex index,
                       const wal::LogEntry& entry, const server::StateMachine& store);

    /// Bounded Memory.
    void look_at(std::size_t node, const server::QueueUse& queue) {
        if (queue.held > queue.held_max) too_much(node, queue);
    }

    // Clients.
    [[nodiscard]] std::uint64_t highest_answered() const { return highest_answered_; }
    /// `response` answers the attempt; says what became of it.
    [[nodiscard]] Fate judge(const Attempt& attempt, const server::HttpResponse& response);

    [[nodiscard]] std::uint64_t committed() const { return chain_.size(); }
    [[nodiscard]] std::uint64_t revision() const { return revision_; }
    /// Mod revision of the key now; 0 when absent.
    [[nodiscard]] std::uint64_t mod_revision(std::string_view key) const;

 private:
    struct Committed {
        engine::Term term;
        std::uint64_t payload_hash = 0;
        engine::Term seen_in_term;            ///< of the first node that applied it
        std::uint64_t revision = 0;           ///< of the store, after it
        std::uint64_t forgotten = 0;          ///< what was there before this revision
        std::uint64_t answers = 0;            ///< given until then to writes that must happen once,
        std::uint64_t answers_forgotten = 0;  ///< and so many of them are not known any more
    };
    // A key from one revision on; no value: absent.
    struct Version {
        std::uint64_t revision = 0;
        std::optional<std::string> value;
    };

    void too_much(std::size_t node, const server::QueueUse& queue);
    [[nodiscard]] std::uint64_t& applied_of(std::size_t node);
    [[nodiscard]] Fate refused(const Attempt& attempt);
    [[nodiscard]] Fate session_expired(const Attempt& attempt);
    void apply(const server::Command& command);
    [[nodiscard]] bool happens(const server::Once& once);
    void compare(std::size_t node, engine::LogIndex index, const server::StateMachine& store,
                 std::string_view property);
    [[nodiscard]] const Version* at(std::string_view key, std::uint64_t revision) const;
    void check_read(const Attempt& attempt, const server::HttpResponse& response, std::uint64_t revision);
    void check_range(const Attempt& attempt, const server::HttpResponse& response, std::uint64_t revision);
    void check_backup(const Attempt& attempt, const server::HttpResponse& response, std::uint64_t revision);
    void check_write(const Attempt& attempt, const server::HttpResponse& response, std::uint64_t revision);

    std::optional<Violation> violation_;
    engine::Membership membership_;
    std::map<engine::Term, std::size_t> leader_of_term_;
    std::vector<Committed> chain_;  ///< entry 1 first
    std::vector<std::uint64_t> applied_;
    std::uint64_t revision_ = 0;
    std::map<std::string, std::vector<Version>, std::less<>> versions_;
    std::set<std::string, std::less<>> values_applied_;
    std::set<std::string, std::less<>> values_refused_;
    std::uint64_t highest_answered_ = 0;
    std::uint64_t forgotten_ = 0;                                ///< what was there before this revision
    std::map<std::string, std::uint64_t, std::less<>> answers_;  ///< by Idempotency-Key: its last number
    std::uint64_t answers_given_ = 0;
    std::uint64_t answers_forgotten_ = 0;
};

/// What makes a write's value known again: the part before the dot.
[[nodiscard]] std::string_view value_name(std::string_view value);

}  // namespace quorate::sim
