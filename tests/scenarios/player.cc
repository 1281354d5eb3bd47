#include "tests/scenarios/player.h"

#include <algorithm>
#include <array>

#include "engine/format.h"
#include "tests/scenarios/said.h"
#include "tests/scenarios/transcript.h"

namespace quorate::scenario {

using namespace engine;  // NOLINT(google-build-using-namespace): every other word here is the engine's

namespace {

// A settled network talks no more; one that still does after so many rounds never will.
constexpr int kSettleRoundsMax = 1000;
// Of ticks and of messages: a slip of the pen must not run for hours.
constexpr std::uint64_t kCountMax = 100'000;

std::string text_of(ServerId id) { return std::to_string(id.value); }

class Player {
 public:
    Player() {
        config_.self = ServerId(1);  // for is_valid(); every server has its own
    }
    void perform(const std::string& line);
    [[nodiscard]] Played result() const { return {transcript_.text(), transcript_.notes()}; }

 private:
    using Link = EngineCluster::Link;
    struct Command {
        std::string_view name;
        void (Player::*run)(Words&);
        bool is_echoed = true;
    };
    static const std::array<Command, 37> kCommands;

    // Setting up
    void do_config(Words& words);
    void do_servers(Words& words);
    void do_show(Words& words) { transcript_.show(words); }
    void do_log(Words& words);
    void do_elect(Words& words);
    // Time
    void do_tick(Words& words);
    void do_timeout(Words& words);
    void do_heartbeat(Words& words);
    void do_forget_leader(Words& words);
    // Clients
    void do_propose(Words& words);
    void do_read(Words& words);
    void do_transfer(Words& words);
    void do_change(Words& words);
    // Disks
    void do_persist(Words& words);
    void do_persist_one(Words& words);
    void do_crash(Words& words);
    void do_restart(Words& words);
    void do_lose(Words& words);
    void do_tear(Words& words);
    void do_floor(Words& words);
    void do_recovered(Words& words);
    void do_snapshot(Words& words);
    // The network
    void do_deliver(Words& words) { for_messages(words, &EngineCluster::deliver); }
    void do_drop(Words& words) { for_messages(words, &EngineCluster::drop); }
    void do_duplicate(Words& words) { for_messages(words, &EngineCluster::duplicate); }
    void do_reorder(Words& words) { for_messages(words, &EngineCluster::reorder); }
    void do_isolate(Words& words);
    void do_rejoin(Words& words);
    void do_unreachable(Words& words);
    void do_install(Words& words);
    void do_snapshot_failed(Words& words);
    void do_say(Words& words);
    // Both
    void do_settle(Words& words);
    // Looking
    void do_state(Words& words);
    void do_progress(Words& words);
    void do_membership(Words& words);
    void do_disk(Words& words);

    void for_messages(Words& words, void (EngineCluster::*act)(Link));
    void settle();
    void elect(ServerId id);
    /// Ticks until `is_over` says so, at most `ticks_max` times. Whether it did.
    template <class IsOver>
    bool tick_until(ServerId id, std::uint32_t ticks_max, IsOver is_over);

    [[nodiscard]] EngineCluster& cluster();
    [[nodiscard]] const Server& known(ServerId id);
    [[nodiscard]] const Server& up(ServerId id);
    [[nodiscard]] const Server& leading(ServerId id);
    [[nodiscard]] ServerId take_server(Words& words);
    /// `all`, or the servers up to the first word that is no number.
    [[nodiscard]] std::vector<ServerId> take_servers(Words& words);
    [[nodiscard]] std::vector<ServerId> take_servers_up(Words& words);
    /// FROM->TO; a star is zero.
    [[nodiscard]] static Link take_link(Words& words);
    [[nodiscard]] Link take_link_between_servers(Words& words);
    [[nodiscard]] static std::uint64_t take_count(Words& words, std::string_view what);

    Config config_;
    std::optional<EngineCluster> cluster_;
    Transcript transcript_;
    bool is_quiet_ = false;
    bool has_begun_ = false;   ///< a command was run that is no setting up
    bool has_spoken_ = false;  ///< the last step wrote a note
};

const std::array<Player::Command, 37> Player::kCommands{{
    {"config", &Player::do_config, false},
    {"servers", &Player::do_servers, false},
    {"show", &Player::do_show, false},
    {"log", &Player::do_log, false},
    {"elect", &Player::do_elect},
    {"tick", &Player::do_tick},
    {"timeout", &Player::do_timeout},
    {"heartbeat", &Player::do_heartbeat},
    {"forget-leader", &Player::do_forget_leader},
    {"propose", &Player::do_propose},
    {"read", &Player::do_read},
    {"transfer", &Player::do_transfer},
    {"change", &Player::do_change},
    {"persist", &Player::do_persist},
    {"persist-one", &Player::do_persist_one},
    {"crash", &Player::do_crash},
    {"restart", &Player::do_restart},
    {"lose", &Player::do_lose},
    {"tear", &Player::do_tear},
    {"floor", &Player::do_floor},
    {"recovered", &Player::do_recovered},
    {"snapshot", &Player::do_snapshot},
    {"deliver", &Player::do_deliver},
    {"drop", &Player::do_drop},
    {"duplicate", &Player::do_duplicate},
    {"reorder", &Player::do_reorder},
    {"isolate", &Player::do_isolate},
    {"rejoin", &Player::do_rejoin},
    {"unreachable", &Player::do_unreachable},
    {"install", &Player::do_install},
    {"snapshot-failed", &Player::do_snapshot_failed},
    {"say", &Player::do_say},
    {"settle", &Player::do_settle},
    {"state", &Player::do_state},
    {"progress", &Player::do_progress},
    {"membership", &Player::do_membership},
    {"disk", &Player::do_disk},
}};

void Player::perform(const std::string& line) {
    constexpr std::string_view kQuietly = "quietly ";
    const bool is_quiet = line.starts_with(kQuietly);
    is_quiet_ = is_quiet;
    Words words(is_quiet ? line.substr(kQuietly.size()) : line);
    const std::string name = words.take("a command");
    const auto* command = std::ranges::find(kCommands, name, &Command::name);
    if (command == kCommands.end()) throw ScenarioError("there is no command '" + name + "'");
    if (command->is_echoed) {
        static_cast<void>(cluster());
        has_begun_ = true;
        transcript_.add_line("> " + line);
    }
    (this->*command->run)(words);
    words.require_end();
}

// Setting up

void Player::do_config(Words& words) {
    if (cluster_) throw ScenarioError("config belongs above servers");
    const std::array<std::pair<std::string_view, std::uint32_t*>, 8> numbers{
        {{"election_timeout_ticks_min", &config_.election_timeout_ticks_min},
         {"election_timeout_ticks_max", &config_.election_timeout_ticks_max},
         {"heartbeat_ticks", &config_.heartbeat_ticks},
         {"append_entries_max", &config_.append_entries_max},
         {"append_bytes_max", &config_.append_bytes_max},
         {"inflight_appends_max", &config_.inflight_appends_max},
         {"persist_stall_ticks_max", &config_.persist_stall_ticks_max},
         {"pending_reads_max", &config_.pending_reads_max}}};
    while (!words.is_empty()) {
        const std::string word = words.take("a number of the configuration");
        const std::size_t equals = std::min(word.find('='), word.size());
        const std::string name = word.substr(0, equals);
        const std::uint64_t value =
            parse_number(equals < word.size() ? word.substr(equals + 1) : "", "NAME=VALUE's value");
        const auto* number =
            std::ranges::find(numbers, name, &std::pair<std::string_view, std::uint32_t*>::first);
        if (name == "inflight_bytes_max") {
            config_.inflight_bytes_max = value;
        } else if (name == "catch_up_bytes_per_tick_max") {
            config_.catch_up_bytes_per_tick_max = value;
        } else if (name == "uncommitted_bytes_max") {
            config_.uncommitted_bytes_max = value;
        } else if (number == numbers.end() || value > kCountMax * kCountMax || value > UINT32_MAX) {
            throw ScenarioError("the configuration has no '" + word + "'");
        } else {
            *number->second = static_cast<std::uint32_t>(value);
        }
    }
}

// servers 1 2 3  learners 4  outgoing 1 2 5  spare 6  leader 1  show roles
void Player::do_servers(Words& words) {
    if (cluster_) throw ScenarioError("the servers are there already");
    if (!config_.is_valid()) throw ScenarioError("the configuration is not valid, see engine/config.h");
    Membership membership;
    ServerId leader;
    std::vector<ServerId> spare;
    const auto ids_into = [&words](std::vector<ServerId>& ids) {
        while (!words.is_empty() && is_number(*words.peek())) ids.emplace_back(words.take_number("a server"));
    };
    ids_into(membership.voters);
    while (!words.is_empty()) {
        if (words.take_if("outgoing"))
            ids_into(membership.voters_outgoing);
        else if (words.take_if("learners"))
            ids_into(membership.learners);
        else if (words.take_if("spare"))
            ids_into(spare);
        else if (words.take_if("leader"))
            leader = ServerId(words.take_number("the leader"));
        else if (words.take_if("show"))
            transcript_.show(words);
        else
            words.require_end();
    }
    if (!membership.is_well_formed()) throw ScenarioError("the members are not well-formed");
    cluster_.emplace(membership, config_, [this](const Server& server, const Output& output) {
        has_spoken_ = !output.notes.empty();
        if (!is_quiet_) transcript_.add_step(server, output);
    });
    for (const ServerId id : spare) {
        if (id == kNobody || cluster_->find(id) != nullptr)
            throw ScenarioError("server " + text_of(id) + " is no spare one");
        cluster_->add_server(id);
    }
    if (leader == kNobody) return;
    is_quiet_ = true;
    elect(leader);
}

// log ID TERMS...  [term T] [voted_for ID]: index 1 is the bootstrap entry, of term 1.
void Player::do_log(Words& words) {
    if (has_begun_ || !cluster_) throw ScenarioError("a log belongs between servers and the first event");
    const ServerId id = take_server(words);
    std::vector<StoredEntry> entries{known(id).log.at(LogIndex(1))};
    if (words.take_number("the first entry's term") != 1)
        throw ScenarioError("the first entry is the bootstrap entry: its term is 1");
    while (!words.is_empty() && is_number(*words.peek())) {
        const Term term(words.take_number("an entry's term"));
        if (term < entries.back().shape.term) throw ScenarioError("terms do not fall along a log");
        entries.push_back(made_up_entry({LogIndex(entries.size() + 1), term}));
    }
    HardState hard_state{entries.back().shape.term, kNobody};
    if (words.take_if("term")) hard_state.current_term = Term(words.take_number("the term"));
    if (words.take_if("voted_for")) hard_state.voted_for = take_server(words);
    if (hard_state.current_term < entries.back().shape.term)
        throw ScenarioError("the current term is not below the last entry's");
    cluster().reset(id, hard_state, std::move(entries));
}

void Player::do_elect(Words& words) {
    const ServerId id = take_server(words);
    is_quiet_ = true;
    elect(id);
}

void Player::elect(ServerId id) {
    static_cast<void>(up(id));
    if (!tick_until(id, config_.election_timeout_ticks_max, [this] { return has_spoken_; }))
        throw ScenarioError("server " + text_of(id) + " does not campaign");
    settle();
    if (up(id).raft->role() != RoleName::Leader)
        throw ScenarioError("server " + text_of(id) + " does not win");
}

// Time

template <class IsOver>
bool Player::tick_until(ServerId id, std::uint32_t ticks_max, IsOver is_over) {
    for (std::uint32_t i = 0; i < ticks_max; ++i) {
        cluster().step(id, TickElapsed{});
        if (is_over()) return true;
    }
    return false;
}

void Player::do_tick(Words& words) {
    const std::vector<ServerId> ids = take_servers_up(words);
    const std::uint64_t count = take_count(words, "the number of ticks");
    for (std::uint64_t i = 0; i < count; ++i) {
        for (const ServerId id : ids) cluster().step(id, TickElapsed{});
    }
}

void Player::do_timeout(Words& words) {
    const ServerId id = take_server(words);
    if (up(id).raft->role() == RoleName::Leader)
        throw ScenarioError("server " + text_of(id) + " leads: it has no election timeout");
    if (!tick_until(id, config_.election_timeout_ticks_max, [this] { return has_spoken_; }))
        throw ScenarioError("the election timeout of server " + text_of(id) + " does not elapse");
}

void Player::do_heartbeat(Words& words) {
    const ServerId id = take_server(words);
    const Round before = leading(id).raft->as_leader()->round;
    const auto has_beaten = [&] {
        const Leader* leader = up(id).raft->as_leader();
        return leader == nullptr || leader->round > before;
    };
    static_cast<void>(tick_until(id, config_.heartbeat_ticks, has_beaten));
}

void Player::do_forget_leader(Words& words) {
    const ServerId id = take_server(words);
    if (up(id).raft->role() != RoleName::Follower || up(id).raft->leader() == kNobody)
        throw ScenarioError("server " + text_of(id) + " follows nobody");
    const auto has_forgotten = [&] {
        return up(id).raft->ticks_since_leader() >= config_.election_timeout_ticks_min;
    };
    if (!has_forgotten())
        static_cast<void>(tick_until(id, config_.election_timeout_ticks_min, has_forgotten));
}

// Clients

void Player::do_propose(Words& words) {
    const ServerId id = take_server(words);
    static_cast<void>(up(id));
    std::uint64_t bytes = 0;
    std::vector<std::string> entries;
    while (!words.is_empty() && *words.peek() != "bytes") entries.push_back(words.take("an entry"));
    if (words.take_if("bytes")) bytes = words.take_number("the bytes of each entry");
    if (entries.empty()) throw ScenarioError("an entry is missing");
    if (bytes > UINT32_MAX) throw ScenarioError("so large an entry does not exist");
    cluster().propose(id, entries, static_cast<std::uint32_t>(bytes));
}

void Player::do_read(Words& words) {
    const ServerId id = take_server(words);
    const RequestId request(words.take_number("the request"));
    static_cast<void>(up(id));
    cluster().step(id, ReadRequested{request});
}

void Player::do_transfer(Words& words) {
    const ServerId id = take_server(words);
    const RequestId request(words.take_number("the request"));
    const ServerId target = words.take_if("to") ? ServerId(words.take_number("the target")) : kNobody;
    static_cast<void>(up(id));
    cluster().step(id, TransferRequested{request, target});
}

// change ID VOTERS[:OUTGOING[:LEARNERS]]
void Player::do_change(Words& words) {
    const ServerId id = take_server(words);
    const Membership membership = parse_membership(words.take("the members"));
    if (!up(id).raft->membership().may_become(membership))
        throw ScenarioError("the configuration may not become that one: see Membership::may_become");
    cluster().change_membership(id, membership);
}

// Disks

void Player::do_persist(Words& words) {
    const bool is_all = words.peek() != nullptr && *words.peek() == "all";
    for (const ServerId id : take_servers_up(words)) {
        const std::size_t writes = up(id).writes.size();
        if (writes == 0 && !is_all)
            throw ScenarioError("server " + text_of(id) + " has nothing being written");
        cluster().persist(id, writes);
    }
}

void Player::do_persist_one(Words& words) {
    const ServerId id = take_server(words);
    if (up(id).writes.empty()) throw ScenarioError("server " + text_of(id) + " has nothing being written");
    cluster().persist(id, 1);
}

void Player::do_crash(Words& words) {
    for (const ServerId id : take_servers_up(words)) cluster().crash(id);
}

void Player::do_restart(Words& words) {
    for (const ServerId id : take_servers(words)) {
        if (known(id).raft) throw ScenarioError("server " + text_of(id) + " is up");
        cluster().restart(id);
    }
}

void Player::do_lose(Words& words) {
    for (const ServerId id : take_servers(words)) {
        if (known(id).raft) throw ScenarioError("server " + text_of(id) + " is up");
        cluster().lose(id);
    }
}

void Player::do_tear(Words& words) {
    const ServerId id = take_server(words);
    if (known(id).raft) throw ScenarioError("server " + text_of(id) + " is up");
    if (!words.take_if("from")) throw ScenarioError("which entries are gone: from INDEX");
    const LogIndex from(words.take_number("the first that is gone"));
    const StoredLog& log = known(id).disk.log;
    if (from <= log.base.index || from > log.last_index())
        throw ScenarioError("server " + text_of(id) + " does not hold entry " + std::to_string(from.value));
    cluster().tear(id, from);
}

void Player::do_floor(Words& words) {
    const ServerId id = take_server(words);
    if (known(id).missing != Missing::LastBatch)
        throw ScenarioError("server " + text_of(id) + " is not in doubt");
    cluster().step(id, VoteFloorLearned{parse_entry_id(words.take("the floor"), "the floor")});
}

void Player::do_recovered(Words& words) {
    for (const ServerId id : take_servers_up(words)) {
        if (known(id).missing == Missing::Nothing)
            throw ScenarioError("server " + text_of(id) + " has lost nothing");
        cluster().step(id, RecoveryCompleted{});
    }
}

void Player::do_snapshot(Words& words) {
    const Server& server = up(take_server(words));
    const LogIndex last(words.take_number("the last index"));
    const LogIndex compact(words.take_if("compact") ? words.take_number("where to compact") : last.value);
    if (last > server.raft->commit_index() || last <= server.disk.snapshot.last_entry.index)
        throw ScenarioError("a snapshot ends behind the last one and not behind what is committed");
    if (compact > last || compact > server.raft->durable_index())
        throw ScenarioError("only what is in the snapshot and durable may be compacted");
    cluster().take_snapshot(server.id, last, compact);
}

// The network

void Player::for_messages(Words& words, void (EngineCluster::*act)(Link)) {
    do {
        const Link wanted = take_link(words);
        std::uint64_t count_max = kCountMax;
        if (words.peek() != nullptr && words.peek()->starts_with('x'))
            count_max = parse_number(words.take("the count").substr(1), "xCOUNT");
        else if (act == &EngineCluster::duplicate || act == &EngineCluster::reorder)
            count_max = 1;
        bool has_acted = false;
        for (const Link& link : cluster().busy_links()) {
            if (wanted.first != kNobody && wanted.first != link.first) continue;
            if (wanted.second != kNobody && wanted.second != link.second) continue;
            const std::size_t count = std::min<std::size_t>(cluster().under_way(link), count_max);
            for (std::size_t i = 0; i < count; ++i) (cluster().*act)(link);
            has_acted = has_acted || count > 0;
        }
        if (!has_acted) throw ScenarioError("nothing is under way there");
    } while (!words.is_empty());
}

void Player::do_isolate(Words& words) {
    for (const ServerId id : take_servers(words)) cluster().set_isolated(id, true);
}

void Player::do_rejoin(Words& words) {
    for (const ServerId id : take_servers(words)) cluster().set_isolated(id, false);
}

void Player::do_unreachable(Words& words) {
    const Link link = take_link_between_servers(words);
    static_cast<void>(up(link.first));
    cluster().step(link.first, PeerUnreachable{link.second});
}

void Player::do_install(Words& words) {
    const Link link = take_link_between_servers(words);
    static_cast<void>(up(link.second));
    if (!cluster().install_snapshot(link))
        throw ScenarioError("server " + text_of(link.first) + " was never asked for that snapshot");
}

void Player::do_snapshot_failed(Words& words) {
    const Link link = take_link_between_servers(words);
    static_cast<void>(up(link.first));
    cluster().step(link.first, SnapshotSendFailed{link.second});
}

void Player::do_say(Words& words) {
    const Link link = take_link(words);
    if (link.first == kNobody || link.first == link.second)
        throw ScenarioError("one server speaks to another");
    static_cast<void>(up(link.second));
    cluster().receive(link, parse_packet(words));
}

// Both

void Player::do_settle(Words& words) {
    words.require_end();
    settle();
}

void Player::settle() {
    for (int round = 0; round < kSettleRoundsMax; ++round) {
        if (cluster().is_quiet()) return;
        for (const auto& [id, server] : cluster().servers()) cluster().persist(id, server.writes.size());
        for (const Link& link : cluster().busy_links()) {
            const std::size_t count = cluster().under_way(link);
            for (std::size_t i = 0; i < count; ++i) cluster().deliver(link);
        }
    }
    throw ScenarioError("the servers do not come to rest");
}

// Looking

void Player::do_state(Words& words) {
    for (const ServerId id : take_servers(words)) {
        const Server& server = known(id);
        if (!server.raft) {
            transcript_.add_line("  " + text_of(id) + " is down");
            continue;
        }
        const Raft& raft = *server.raft;
        std::string text = "  " + text_of(id) + " " + std::string(to_string(raft.role()));
        if (raft.leader() != kNobody && raft.leader() != id) text += " of " + text_of(raft.leader());
        text += " " + to_text(raft.hard_state()) + " log";
        if (server.log.base.index > LogIndex{}) text += " (" + to_text(server.log.base) + ")";
        const std::string entries = to_text(server.log, raft.log().first_index(), raft.log().last_index());
        if (!entries.empty()) text += " " + entries;
        transcript_.add_line(text + " commit " + std::to_string(raft.commit_index().value) + " durable " +
                             std::to_string(raft.durable_index().value));
    }
}

void Player::do_progress(Words& words) {
    const ServerId id = take_server(words);
    for (const Progress& progress : leading(id).raft->as_leader()->progress)
        transcript_.add_line("  " + text_of(id) + " of " + text_of(progress.id) + ": " + to_text(progress));
}

void Player::do_membership(Words& words) {
    for (const ServerId id : take_servers_up(words)) {
        const Raft& raft = *up(id).raft;
        transcript_.add_line("  " + text_of(id) + " " + to_text(raft.membership()) + " since index " +
                             std::to_string(raft.membership_index().value));
    }
}

void Player::do_disk(Words& words) {
    for (const ServerId id : take_servers(words)) {
        const Disk& disk = known(id).disk;
        std::string text = "  " + text_of(id) + " " + to_text(disk.hard_state);
        if (disk.snapshot.last_entry.index > LogIndex{})
            text += " snapshot " + to_text(disk.snapshot.last_entry);
        const std::string entries = to_text(disk.log, disk.log.base.index.next(), disk.log.last_index());
        transcript_.add_line(text + (entries.empty() ? "" : " log " + entries));
    }
}

// Words that name something

EngineCluster& Player::cluster() {
    if (!cluster_) throw ScenarioError("there are no servers yet: servers 1 2 3");
    return *cluster_;
}

const Server& Player::known(ServerId id) {
    const Server* server = cluster().find(id);
    if (server == nullptr) throw ScenarioError("there is no server " + text_of(id));
    return *server;
}

const Server& Player::up(ServerId id) {
    if (!known(id).raft) throw ScenarioError("server " + text_of(id) + " is down");
    return known(id);
}

const Server& Player::leading(ServerId id) {
    if (up(id).raft->as_leader() == nullptr) throw ScenarioError("server " + text_of(id) + " does not lead");
    return known(id);
}

ServerId Player::take_server(Words& words) {
    const ServerId id(words.take_number("the server"));
    return known(id).id;
}

std::vector<ServerId> Player::take_servers(Words& words) {
    std::vector<ServerId> ids;
    if (words.take_if("all")) {
        for (const auto& [id, server] : cluster().servers()) ids.push_back(id);
        return ids;
    }
    do {
        ids.push_back(take_server(words));
    } while (!words.is_empty() && is_number(*words.peek()));
    return ids;
}

std::vector<ServerId> Player::take_servers_up(Words& words) {
    const bool is_all = words.peek() != nullptr && *words.peek() == "all";
    std::vector<ServerId> ids = take_servers(words);
    if (is_all) std::erase_if(ids, [this](ServerId id) { return !known(id).raft; });
    for (const ServerId id : ids) static_cast<void>(up(id));
    return ids;
}

Player::Link Player::take_link(Words& words) {
    const std::string word = words.take("FROM->TO");
    const std::size_t arrow = word.find("->");
    if (arrow == std::string::npos) throw ScenarioError("a link must be FROM->TO, not '" + word + "'");
    const auto id = [](const std::string& text) {
        return text == "*" ? kNobody : ServerId(parse_number(text, "a server"));
    };
    return {id(word.substr(0, arrow)), id(word.substr(arrow + 2))};
}

Player::Link Player::take_link_between_servers(Words& words) {
    const Link link = take_link(words);
    return {known(link.first).id, known(link.second).id};
}

std::uint64_t Player::take_count(Words& words, std::string_view what) {
    if (words.peek() == nullptr || !words.peek()->starts_with('x')) return 1;
    const std::uint64_t count = parse_number(words.take(what).substr(1), what);
    if (count > kCountMax) throw ScenarioError(std::string(what) + " is too large");
    return count;
}

}  // namespace

Played play(const Scenario& scenario) {
    Player player;
    for (const ScenarioLine& line : scenario.commands) {
        try {
            player.perform(line.text);
        } catch (const std::runtime_error& error) {  // ScenarioError, SafetyViolation
            throw ScenarioError(place(scenario.file, line.number) + error.what());
        }
    }
    return player.result();
}

}  // namespace quorate::scenario
