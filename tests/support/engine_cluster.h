#pragma once

// Engines, their disks and a network between them, where nothing moves unless told: no message arrives, no
// write ends, no time passes. Four of the thesis's safety properties (Fig. 3.2) are checked after every step.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "engine/raft.h"

namespace quorate::scenario {

/// An entry with what only the engine's caller keeps: the payload, a word, or the decoded configuration.
struct StoredEntry {
    engine::EntryShape shape;
    std::string word;
    std::optional<engine::Membership> membership;

    bool operator==(const StoredEntry&) const = default;
};

/// The entries behind `base`.
struct StoredLog {
    engine::EntryId base;
    std::vector<StoredEntry> entries;

    [[nodiscard]] engine::LogIndex last_index() const { return base.index.plus(entries.size()); }
    [[nodiscard]] bool has(engine::LogIndex i) const { return i > base.index && i <= last_index(); }
    [[nodiscard]] const StoredEntry& at(engine::LogIndex i) const {
        return entries.at(i.past(base.index) - 1);
    }
    [[nodiscard]] engine::Term term_at(engine::LogIndex i) const {
        return i == base.index ? base.term : at(i).shape.term;
    }
    [[nodiscard]] bool holds(engine::EntryId id) const {
        return id == base || (has(id.index) && at(id.index).shape.term == id.term);
    }
    void truncate_from(engine::LogIndex i);
    /// Requires holds(through).
    void compact_through(engine::EntryId through);
};

struct Snapshot {
    engine::EntryId last_entry;
    engine::MembershipAt membership;
};

/// A PersistLog on its way, or the order to go on behind an installed snapshot.
struct DiskWrite {
    engine::PersistTicket ticket;
    std::optional<engine::HardState> hard_state;
    engine::LogIndex truncate_from;
    std::vector<StoredEntry> entries;
    std::optional<engine::EntryId> restart_behind;  ///< then all but the ticket is empty
};

/// What a crash leaves. A snapshot is durable before the engine hears of it.
struct Disk {
    engine::HardState hard_state;
    Snapshot snapshot;  ///< index zero: none
    StoredLog log;

    void apply(const DiskWrite& write);
    /// What recovery does: the snapshot wins over a log that does not reach it.
    void recover();
};

/// One server: its engine while it is up, its log in memory, its disk.
struct Server {
    engine::ServerId id;
    std::optional<engine::Raft> raft{};  ///< none while it is down
    StoredLog log{};
    engine::MembershipAt base_membership{};  ///< in force at log.base
    std::deque<DiskWrite> writes{};
    Disk disk{};
    std::uint64_t lives = 0;
    engine::Missing missing = engine::Missing::Nothing;  ///< until it has recovered

    [[nodiscard]] engine::MembershipAt membership_at(engine::LogIndex index) const;
};

struct Packet {
    engine::Message message;
    std::vector<StoredEntry> entries{};                         ///< of an AppendEntries
    std::optional<engine::MembershipAt> snapshot_membership{};  ///< of an InstallSnapshot
};

/// A safety property does not hold: what() says which and where.
struct SafetyViolation : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class EngineCluster {
 public:
    using Link = std::pair<engine::ServerId, engine::ServerId>;  ///< from, to
    /// Called after every step with what it asked for, performed already.
    using Observer = std::function<void(const Server&, const engine::Output&)>;

    /// All servers of `membership` are up, with the bootstrap entry that holds it (index 1, term 1) durable
    /// and no vote given. `config` is each server's but for `self` and `seed`.
    EngineCluster(const engine::Membership& membership, const engine::Config& config, Observer observer);

    /// One more, which is in no configuration yet: its log begins as all others' do.
    void add_server(engine::ServerId id);

    [[nodiscard]] const std::map<engine::ServerId, Server>& servers() const { return servers_; }
    /// Null when there is no such server.
    [[nodiscard]] const Server* find(engine::ServerId id) const;
    [[nodiscard]] std::size_t under_way(Link link) const;
    [[nodiscard]] bool is_quiet() const;  ///< nothing under way, nothing being written

    /// Puts `server` back to the start of a life with this on its disk.
    void reset(engine::ServerId id, engine::HardState hard_state, std::vector<StoredEntry> entries);

    // Events. The server must be up.
    void step(engine::ServerId id, const engine::Event& event);
    void propose(engine::ServerId id, const std::vector<std::string>& words, std::uint32_t bytes_each);
    void change_membership(engine::ServerId id, const engine::Membership& membership);
    /// Requires that the engine's own conditions hold: committed, and durable where compacted.
    void take_snapshot(engine::ServerId id, engine::LogIndex last, engine::LogIndex compact_through);
    void crash(engine::ServerId id);
    /// It starts again with its vote and nothing else, and has to recover.
    void lose(engine::ServerId id);
    /// It starts again without the entries from there on: its last write, which may have been acknowledged.
    void tear(engine::ServerId id, engine::LogIndex from);
    void restart(engine::ServerId id);

    // The disk. Writes end in order; the engine hears of the last one.
    void persist(engine::ServerId id, std::size_t writes_max);

    // The network.
    /// The oldest message arrives. One to a server that is down vanishes.
    void deliver(Link link);
    void drop(Link link);
    void duplicate(Link link);  ///< the oldest comes again, after all that is under way
    void reorder(Link link);    ///< the oldest comes after all that is under way
    /// This arrives at once, whoever made it up; link.first need not be a server.
    void receive(Link link, const Packet& packet);
    void set_isolated(engine::ServerId id, bool isolated);  ///< what it sends and gets vanishes
    /// The newest snapshot of link.first arrives. False when link.first was never asked to send one.
    [[nodiscard]] bool install_snapshot(Link link);
    /// The links with something under way, in order of sender and receiver.
    [[nodiscard]] std::vector<Link> busy_links() const;

 private:
    Server& at(engine::ServerId id) { return servers_.at(id); }
    void start(Server& server, bool may_have_heard_leader = false);
    void run(Server& server, const engine::Event& event, const std::vector<StoredEntry>& offered);
    void perform(Server& server, const engine::Action& action, engine::LogIndex offered_first,
                 const std::vector<StoredEntry>& offered);
    void perform_persist(Server& server, const engine::PersistLog& persist, engine::LogIndex offered_first,
                         const std::vector<StoredEntry>& offered);
    void perform_send(Server& server, const engine::SendMessage& send);
    void perform_commit(const Server& server, const engine::CommitEntries& commit);
    void perform_install(Server& server, const engine::InstallReceivedSnapshot& install);
    void check_leader(const Server& server);
    void check_log_matching() const;

    // A committed entry and the term in which it was first known to be.
    struct Committed {
        StoredEntry entry;
        engine::Term in_term;
    };

    engine::Config config_;
    engine::Membership first_membership_;
    Observer observer_;
    std::map<engine::ServerId, Server> servers_;
    std::map<Link, std::deque<Packet>> network_;
    std::map<Link, engine::Term> snapshots_asked_;
    std::set<engine::ServerId> isolated_;
    const Packet* arriving_ = nullptr;  ///< the packet of the step that runs
    std::map<engine::Term, engine::ServerId> leader_of_term_;
    std::map<engine::LogIndex, Committed> committed_;
};

}  // namespace quorate::scenario
