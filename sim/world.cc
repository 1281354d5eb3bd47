#include "sim/world.h"

#include <algorithm>
#include <bit>
#include <utility>

#include <fmt/format.h>
#include <xxhash.h>

#include "engine/check.h"
#include "engine/format.h"
#include "server/frame.h"
#include "sim/client.h"
#include "sim/promises.h"
#include "wal/format.h"

namespace quorate::sim {

namespace {

constexpr std::uint64_t kMs = 1000;
constexpr std::uint64_t kSecond = 1'000'000;
/// A turn of the loop takes in what arrives within it.
constexpr std::uint64_t kTurnUsMax = 100;
constexpr std::uint64_t kDialMs = 100;
constexpr std::uint64_t kClientPauseMs = 20;
/// Attempts of one operation before its client gives up.
constexpr std::uint64_t kTriesMax = 200;
/// A disk that hangs comes back.
constexpr std::uint64_t kDiskJobUsMax = 8 * kSecond;
/// A run takes some ten thousand events.
constexpr std::uint64_t kEventsMax = 20'000'000;
/// How long a stopping process may take, as in quorated.
constexpr std::uint64_t kStopUsMax = 8 * kSecond;

enum class Phase : std::uint8_t {
    Storm,
    Core,      ///< only the core is up, and has to serve
    Recovery,  ///< all that can come back has come back, and has to agree
    Quiet,     ///< nothing happens, and nobody has a reason to stand for election
    Over,
};

class World final : public Surroundings {
 public:
    World(const Plan& plan, const RunOptions& options)
        : plan_(plan),
          options_(options),
          dice_(Dice::salted(plan.seed, 2)),
          network_(plan, queue_, result_.effects),
          promises_(plan.shape.nodes),
          faults_(plan.faults) {
        for (std::size_t i = 0; i < plan.shape.nodes; ++i)
            hosts_.push_back(std::make_unique<Host>(i, plan, *this));
        clients_.resize(plan.shape.clients);
        for (const OperationLine& line : plan.operations) clients_[line.client].lines.push_back(line);
        last_served_us_.resize(plan.shape.nodes);
    }

    RunResult run();

    // Surroundings
    bool send_frame(std::size_t from, engine::ServerId to, std::string frame) override;
    void respond(std::size_t node, server::HttpExchange exchange, server::HttpResponse response) override;
    void job_submitted(std::size_t node, wal::DiskLane lane) override;
    void turn_wanted(std::size_t node) override;
    void log_line(std::size_t node, server::LogLevel level, std::string_view line) override;
    void stepped(std::size_t node, const engine::Output& output) override;
    void applied(std::size_t node, engine::LogIndex index, const wal::LogEntry& entry) override;

 private:
    struct WaitingExchange {
        std::size_t node = 0;
        std::size_t client = 0;
        std::uint64_t token = 0;
    };
    struct ArrivingResponse {
        std::size_t client = 0;
        std::uint64_t token = 0;
        std::optional<server::HttpResponse> response;  ///< none: the connection broke
    };

    void hash(std::uint64_t number) { hash_ = (hash_ ^ number) * 0x9fb21c651e98df25U + (hash_ >> 29U); }
    void hash(std::string_view bytes) { hash(XXH3_64bits(bytes.data(), bytes.size())); }
    void trace(const Event& event);

    void handle(Event& event);
    [[nodiscard]] bool is_deferred(const Event& event);
    /// Something has happened to the node: its turn will end, and what it could not do is dealt with.
    void touched(std::size_t node);
    void handle_tick(std::size_t node, std::uint64_t life);
    void handle_turn_end(std::size_t node);
    void handle_disk_done(std::size_t node, wal::DiskLane lane);
    void handle_frame(std::size_t from, std::size_t to, std::uint64_t connection, const std::string& bytes);
    void break_connection(std::size_t from, std::size_t to);
    void dial(std::size_t from, std::size_t to);

    void start_node(std::size_t node);
    void node_ended(std::size_t node, bool peers_hear);
    void process_failed(std::size_t node);
    void schedule_start(std::size_t node, std::uint64_t delay_us);

    [[nodiscard]] const FaultLine& meet_leader(std::size_t index);
    void begin_fault(std::size_t index, bool has_waited);
    void end_fault(const FaultLine& line);
    void rot(std::size_t node, std::uint64_t draw);

    void client_acts(std::size_t client);
    void attempt_next(std::size_t client);
    void deliver_request(std::size_t node, std::size_t client, std::uint64_t token);
    void deliver_response(const ArrivingResponse& arrived);
    void operation_ends(std::size_t client);
    void client_waits(std::size_t client, std::uint64_t us);
    [[nodiscard]] std::size_t node_to_ask(const OperationLine& line, std::uint64_t tries) const;

    void phase_ends(std::uint64_t phase);
    [[nodiscard]] bool choose_core();
    void isolate(std::uint64_t mask);
    [[nodiscard]] Outsiders outsiders() const { return static_cast<Outsiders>(plan_.shape.outsiders); }
    void begin_core();
    void begin_recovery();
    void check_progress();
    [[nodiscard]] bool is_core(std::size_t node) const { return ((core_mask_ >> node) & 1U) != 0; }
    [[nodiscard]] bool agrees() const;
    /// Long enough for an election, and for an operation whose time runs out soon.
    [[nodiscard]] std::uint64_t quiet_us() const {
        const std::uint64_t timeout_ms = plan_.shape.operation_timeout_ms;
        return std::max(3 * plan_.shape.election_max_ms, timeout_ms <= 3000 ? timeout_ms + 500 : 0) * kMs;
    }
    void check_answered();
    [[nodiscard]] std::uint64_t patience_us() const {
        return 30 * plan_.shape.election_max_ms * kMs + 60 * kSecond;
    }

    const Plan& plan_;
    const RunOptions& options_;
    RunResult result_;
    EventQueue queue_;
    Dice dice_;
    VirtualNetwork network_;
    Referee referee_;
    Promises promises_;
    std::uint64_t now_us_ = 0;
    std::uint64_t hash_ = 0x51ed270b27a1f96fU;

    std::vector<FaultLine> faults_;  ///< of the plan, each with its node once it has begun
    std::vector<std::unique_ptr<Host>> hosts_;
    Promises::Engines engines_;
    std::vector<Client> clients_;
    std::uint64_t next_number_ = 1;                            ///< attempts, tokens and exchanges
    std::map<server::HttpExchange, WaitingExchange> waiting_;  ///< at the nodes
    std::map<std::uint64_t, ArrivingResponse> arriving_;       ///< by number

    Phase phase_ = Phase::Storm;
    std::uint64_t phase_began_us_ = 0;
    std::uint64_t core_mask_ = 0;
    std::uint64_t isolated_mask_ = 0;            ///< who hears the others only as outsiders() says; 0: nobody
    std::vector<std::uint64_t> last_served_us_;  ///< when a node last answered an operation for good
};

RunResult World::run() {
    for (std::size_t i = 0; i < hosts_.size(); ++i)
        queue_.push(dice_.between(0, 50 * kMs),
                    {EventKind::NodeStarts, static_cast<std::uint32_t>(i), 0, 0, {}});
    for (std::size_t i = 0; i < clients_.size(); ++i) client_waits(i, dice_.between(0, 500 * kMs));
    for (std::size_t i = 0; i < plan_.faults.size(); ++i)
        queue_.push(plan_.faults[i].at_us, {EventKind::FaultBegins, 0, 0, i, {}});
    queue_.push(plan_.shape.storm_us, {EventKind::PhaseEnds, 0, 0, 0, {}});

    while (phase_ != Phase::Over && !referee_.violation() && result_.events < options_.events_max) {
        ENGINE_CHECK(!queue_.empty());
        now_us_ = queue_.next_us();
        referee_.set_now(now_us_);
        Event event = queue_.pop();
        if (is_deferred(event)) continue;
        ++result_.events;
        hash(now_us_ ^ (std::uint64_t{event.a} << 48U) ^ (std::uint64_t{event.b} << 56U));
        hash(static_cast<std::uint64_t>(event.kind) + (event.c << 8U));
        if (options_.trace) trace(event);
        handle(event);
        if (result_.events == kEventsMax)
            referee_.violate("Endless", fmt::format("{} events, and no end", kEventsMax));
    }
    result_.violation = referee_.violation();
    result_.trace_hash = hash_;
    result_.virtual_us = now_us_;
    result_.committed = referee_.committed();
    return std::move(result_);
}

void World::trace(const Event& event) {
    static constexpr std::string_view kNames[] = {
        "Tick",     "TurnEnd",    "DiskDone",   "FrameArrives", "LinkDials", "LinkLost", "Request",
        "Response", "ClientActs", "NodeStarts", "FaultBegins",  "FaultEnds", "PhaseEnds"};
    std::string line =
        fmt::format(R"({{"event":{},"us":{},"kind":"{}","a":{},"b":{},"c":{})", result_.events, now_us_,
                    kNames[static_cast<std::size_t>(event.kind)], event.a + 1, event.b + 1, event.c);
    if (event.kind == EventKind::FaultBegins || event.kind == EventKind::FaultEnds)
        line += fmt::format(R"(,"fault":"{}")", to_string(faults_[event.c].kind));
    line += R"(,"nodes":[)";
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
        if (i > 0) line += ',';
        if (!hosts_[i]->is_up()) {
            line += R"({"up":false})";
            continue;
        }
        const engine::Raft& raft = hosts_[i]->node().raft();
        line += fmt::format(
            R"({{"role":"{}","term":{},"leader":{},"last":{},"durable":{},"commit":{},"applied":{}}})",
            engine::to_string(raft.role()), raft.current_term().value, raft.leader().value,
            raft.log().last_index().value, raft.durable_index().value, raft.commit_index().value,
            hosts_[i]->node().applied_index().value);
    }
    options_.trace(line + "]}");
}

// A process that stands still misses nothing: all of it waits. A dead life's events are void.
bool World::is_deferred(const Event& event) {
    const bool belongs_to_life = event.kind == EventKind::Tick || event.kind == EventKind::TurnEnd ||
                                 event.kind == EventKind::DiskDone || event.kind == EventKind::LinkLost;
    const bool arrives = event.kind == EventKind::Request || event.kind == EventKind::FrameArrives;
    if (!belongs_to_life && !arrives) return false;
    const Host& host = *hosts_[event.kind == EventKind::FrameArrives ? event.b : event.a];
    if (belongs_to_life && (!host.is_up() || host.life() != event.c)) return true;
    if (!host.is_up() || host.paused_until_us <= now_us_) return false;
    result_.effects.add(FaultKind::Pause);
    queue_.push(host.paused_until_us, Event(event));
    return true;
}

void World::handle(Event& event) {
    switch (event.kind) {
        case EventKind::Tick: return handle_tick(event.a, event.c);
        case EventKind::TurnEnd: return handle_turn_end(event.a);
        case EventKind::DiskDone: return handle_disk_done(event.a, static_cast<wal::DiskLane>(event.b));
        case EventKind::FrameArrives: return handle_frame(event.a, event.b, event.c, event.bytes);
        case EventKind::LinkDials: return dial(event.a, event.b);
        case EventKind::LinkLost:
            hosts_[event.a]->node().peer_lost(engine::ServerId(event.b + 1));
            return touched(event.a);
        case EventKind::Request: return deliver_request(event.a, event.b, event.c);
        case EventKind::Response: {
            const auto arrived = arriving_.extract(event.c);
            return deliver_response(arrived.mapped());
        }
        case EventKind::ClientActs:
            if (clients_[event.a].token == event.c) client_acts(event.a);
            return;
        case EventKind::NodeStarts:
            // Who is not of the core comes back when the core has served.
            if (hosts_[event.a]->state() == HostState::Down && hosts_[event.a]->life() == event.c &&
                (phase_ != Phase::Core || is_core(event.a)))
                start_node(event.a);
            return;
        case EventKind::FaultBegins: return begin_fault(event.c, event.b == 1);
        case EventKind::FaultEnds: return end_fault(faults_[event.c]);
        case EventKind::PhaseEnds: return phase_ends(event.c);
    }
}

// ---- nodes

void World::touched(std::size_t node) {
    if (hosts_[node]->failure()) return process_failed(node);
    referee_.look_at(node, hosts_[node]->node().raft());
    turn_wanted(node);
}

void World::turn_wanted(std::size_t node) {
    Host& host = *hosts_[node];
    if (std::exchange(host.turn_is_due, true)) return;
    queue_.push(now_us_ + dice_.between(0, kTurnUsMax),
                {EventKind::TurnEnd, static_cast<std::uint32_t>(node), 0, host.life(), {}});
}

void World::handle_tick(std::size_t node, std::uint64_t life) {
    Host& host = *hosts_[node];
    queue_.push(host.next_tick_us(now_us_), {EventKind::Tick, static_cast<std::uint32_t>(node), 0, life, {}});
    host.node().tick(host.local_ms(now_us_));
    touched(node);
}

void World::handle_turn_end(std::size_t node) {
    Host& host = *hosts_[node];
    host.turn_is_due = false;
    host.node().turn_ended();
    if (host.failure()) return process_failed(node);
    referee_.look_at(node, host.node().raft());
    if (host.is_stopping && host.node().is_quiet()) {
        host.kill(dice_);
        result_.effects.add(FaultKind::Stop);
        node_ended(node, true);
    }
}

void World::job_submitted(std::size_t node, wal::DiskLane lane) {
    Host& host = *hosts_[node];
    std::uint64_t us = dice_.between(plan_.shape.sync_us_min, plan_.shape.sync_us_max);
    if (host.disk_slowness > 1) {
        us = std::min(us * host.disk_slowness, kDiskJobUsMax);
        result_.effects.add(FaultKind::DiskSlow);
    }
    std::uint64_t& free_at_us = host.lane_free_at_us[static_cast<std::size_t>(lane)];
    free_at_us = std::max(now_us_, free_at_us) + us;
    if (const auto line = std::exchange(host.ends_in_next_job, std::nullopt))
        queue_.push(free_at_us - dice_.between(0, us), {EventKind::FaultBegins, 0, 1, *line, {}});
    queue_.push(free_at_us, {EventKind::DiskDone,
                             static_cast<std::uint32_t>(node),
                             static_cast<std::uint32_t>(lane),
                             host.life(),
                             {}});
}

void World::handle_disk_done(std::size_t node, wal::DiskLane lane) {
    Host& host = *hosts_[node];
    const auto completion = host.disk().complete_next(lane);
    if (host.disk().power_is_off()) {
        result_.effects.add(FaultKind::PowerCutAtDisk);
        host.cut_power(dice_);
        node_ended(node, false);
        return schedule_start(node, dice_.between(0, 2 * kSecond));
    }
    if (!completion) return;
    if (!completion->result) {
        const bool is_full = completion->result.error().error == wal::DiskError::NoSpace;
        result_.effects.add(is_full ? FaultKind::DiskFull : FaultKind::SyncFails);
    }
    hash(completion->id + (completion->result ? 0 : 1));
    host.node().disk_completed(*completion);
    touched(node);
}

void World::start_node(std::size_t node) {
    Host& host = *hosts_[node];
    const auto refusal = host.start(now_us_);
    if (host.lost_power) {
        result_.effects.add(FaultKind::PowerCutAtDisk);
        host.cut_power(dice_);
        return schedule_start(node, dice_.between(0, kSecond));
    }
    if (refusal) {
        if (refusal->code == wal::RefusalCode::IoFailed || refusal->code == wal::RefusalCode::NoSpace) {
            result_.effects.add(refusal->code == wal::RefusalCode::IoFailed ? FaultKind::ReadFails
                                                                            : FaultKind::DiskFull);
            return schedule_start(node, kSecond);
        }
        log_line(node, server::LogLevel::Error, refusal->message);
        if (host.is_damaged) {
            result_.effects.add(FaultKind::Rot);
            return host.die();
        }
        return referee_.violate("Recovery",
                                fmt::format("node {} refuses its directory: {}", node + 1, refusal->message));
    }
    referee_.node_started(node);
    if (const auto breach = promises_.started(node, host.node().raft()))
        return referee_.violate(breach->property, breach->text);
    queue_.push(host.next_tick_us(now_us_),
                {EventKind::Tick, static_cast<std::uint32_t>(node), 0, host.life(), {}});
    for (std::size_t peer = 0; peer < hosts_.size(); ++peer) {
        if (peer == node) continue;
        queue_.push(now_us_ + dice_.between(0, 10 * kMs), {EventKind::LinkDials,
                                                           static_cast<std::uint32_t>(node),
                                                           static_cast<std::uint32_t>(peer),
                                                           0,
                                                           {}});
        // Whoever still believed in the old connection hears of its end now.
        break_connection(peer, node);
    }
    touched(node);
}

// Its process has ended. After a power cut nobody hears of it.
void World::node_ended(std::size_t node, bool peers_hear) {
    for (std::size_t peer = 0; peer < hosts_.size(); ++peer) {
        if (peer == node) continue;
        network_.disconnect(node, peer);
        if (peers_hear) break_connection(peer, node);
    }
    std::erase_if(waiting_, [&](const auto& entry) {
        const auto& [exchange, waiting] = entry;
        if (waiting.node != node) return false;
        const std::uint64_t number = next_number_++;
        arriving_[number] = {waiting.client, waiting.token, std::nullopt};
        queue_.push(now_us_ + dice_.between(plan_.shape.latency_us_min, plan_.shape.latency_us_max),
                    {EventKind::Response, static_cast<std::uint32_t>(waiting.client), 0, number, {}});
        return true;
    });
}

// The node says that its process must stop: the disk failed it.
void World::process_failed(std::size_t node) {
    Host& host = *hosts_[node];
    const wal::Refusal failure = *host.failure();
    log_line(node, server::LogLevel::Error, failure.message);
    host.kill(dice_);
    node_ended(node, true);
    if (failure.code == wal::RefusalCode::IoFailed) return schedule_start(node, dice_.between(0, kSecond));
    if (host.is_damaged) {
        result_.effects.add(FaultKind::Rot);
        return host.die();
    }
    referee_.violate("Recovery", fmt::format("node {} stops: {}", node + 1, failure.message));
}

void World::schedule_start(std::size_t node, std::uint64_t delay_us) {
    queue_.push(now_us_ + delay_us,
                {EventKind::NodeStarts, static_cast<std::uint32_t>(node), 0, hosts_[node]->life(), {}});
}

// ---- network

bool World::send_frame(std::size_t from, engine::ServerId to, std::string frame) {
    hash(frame);
    return network_.send(now_us_, from, to.value - 1, std::move(frame));
}

void World::handle_frame(std::size_t from, std::size_t to, std::uint64_t connection,
                         const std::string& bytes) {
    if (!hosts_[to]->is_up() || !network_.lets_in(from, to, connection)) return;
    server::FrameReader reader;
    reader.feed(bytes);
    auto frame = server::next_peer_frame(reader);
    if (!frame || !*frame) return break_connection(from, to);  // it was corrupt
    // Streams repeat nothing; Raft's own messages must bear it all the same.
    if (std::holds_alternative<server::RaftFrame>(**frame) && network_.duplicates()) {
        queue_.push(now_us_ + dice_.between(0, 200 * kMs),
                    {EventKind::FrameArrives, static_cast<std::uint32_t>(from),
                     static_cast<std::uint32_t>(to), connection, bytes});
    }
    hosts_[to]->node().frame_received(engine::ServerId(from + 1), std::move(**frame));
    touched(to);
}

void World::break_connection(std::size_t from, std::size_t to) {
    if (!network_.disconnect(from, to) || !hosts_[from]->is_up()) return;
    queue_.push(now_us_ + dice_.between(0, kMs), {EventKind::LinkLost,
                                                  static_cast<std::uint32_t>(from),
                                                  static_cast<std::uint32_t>(to),
                                                  hosts_[from]->life(),
                                                  {}});
    queue_.push(
        now_us_ + dice_.between(1, kDialMs) * kMs,
        {EventKind::LinkDials, static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(to), 0, {}});
}

void World::dial(std::size_t from, std::size_t to) {
    if (!hosts_[from]->is_up() || network_.is_up(from, to) || hosts_[to]->state() == HostState::Dead) return;
    if (!hosts_[to]->is_up() || hosts_[to]->paused_until_us > now_us_ || network_.is_blocked(from, to) ||
        network_.is_blocked(to, from)) {
        queue_.push(
            now_us_ + dice_.between(kDialMs / 2, kDialMs) * kMs,
            {EventKind::LinkDials, static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(to), 0, {}});
        return;
    }
    const server::HttpRequest greeting{
        "GET", "/raft/peer", hosts_[from]->node().greeting_to(std::to_string(to + 1)), {}};
    const auto who = hosts_[to]->node().check_greeting(greeting);
    if (!who || *who != engine::ServerId(from + 1)) {
        return referee_.violate("Greeting", fmt::format("node {} refuses node {}", to + 1, from + 1));
    }
    network_.connect(from, to);
}

// ---- what is watched

void World::stepped(std::size_t node, const engine::Output& output) {
    engines_.clear();
    for (const auto& host : hosts_) engines_.push_back(host->is_up() ? &host->node().raft() : nullptr);
    if (const auto breach = promises_.stepped(node, output, engines_))
        referee_.violate(breach->property, breach->text);
    for (const engine::Note& note : output.notes) {
        result_.notes.set(static_cast<std::size_t>(note.kind));
        if (note.kind == engine::NoteKind::ElectionWon) ++result_.leaders;
        if (phase_ == Phase::Quiet && (note.kind == engine::NoteKind::ElectionTimeoutElapsed ||
                                       note.kind == engine::NoteKind::ElectionTimedOut)) {
            referee_.violate("Stability",
                             fmt::format("node {} stands for election, and all is well", node + 1));
        }
        hash(static_cast<std::uint64_t>(note.kind) ^ (note.index.value << 16U) ^ (note.term.value << 40U));
    }
}

void World::applied(std::size_t node, engine::LogIndex index, const wal::LogEntry& entry) {
    hash(index.value ^ (entry.term.value << 32U));
    referee_.entry_applied(node, hosts_[node]->node().raft(), index, entry);
}

void World::log_line(std::size_t node, server::LogLevel, std::string_view line) {
    if (options_.log)
        options_.log(node + 1, fmt::format("{}.{:06} {}", now_us_ / kSecond, now_us_ % kSecond, line));
}

// ---- clients

void World::client_waits(std::size_t client, std::uint64_t us) {
    clients_[client].token = next_number_++;
    queue_.push(now_us_ + us,
                {EventKind::ClientActs, static_cast<std::uint32_t>(client), 0, clients_[client].token, {}});
}

// A pause is over, or the time of an attempt.
void World::client_acts(std::size_t client) {
    Client& c = clients_[client];
    if (c.is_done()) return;
    if (c.attempt) {
        const bool is_write = !c.attempt->attempt.writes.empty();
        c.attempt.reset();
        if (is_write) {
            ++result_.unknown;
            return operation_ends(client);
        }
    }
    attempt_next(client);
}

std::size_t World::node_to_ask(const OperationLine& line, std::uint64_t tries) const {
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
        const std::size_t node = (line.node + tries + i) % hosts_.size();
        if (phase_ != Phase::Core || is_core(node)) return node;
    }
    return line.node;
}

void World::attempt_next(std::size_t client) {
    Client& c = clients_[client];
    if (c.tries == 0) c.began_us = now_us_;
    if (c.tries >= kTriesMax) return operation_ends(client);
    const OperationLine& line = c.lines[c.next];
    c.node = node_to_ask(line, c.tries++);
    if (!hosts_[c.node]->is_up()) return client_waits(client, kClientPauseMs * kMs);
    c.attempt = prepare(line, next_number_++, referee_);
    client_waits(client, plan_.shape.client_timeout_ms * kMs);
    queue_.push(now_us_ + dice_.between(plan_.shape.latency_us_min, plan_.shape.latency_us_max),
                {EventKind::Request,
                 static_cast<std::uint32_t>(c.node),
                 static_cast<std::uint32_t>(client),
                 c.token,
                 {}});
}

void World::deliver_request(std::size_t node, std::size_t client, std::uint64_t token) {
    Client& c = clients_[client];
    if (c.token != token || !c.attempt) return;  // its time is over
    if (!hosts_[node]->is_up()) {
        // Connection refused: nothing happened.
        c.attempt.reset();
        return client_waits(client, kClientPauseMs * kMs);
    }
    const server::HttpExchange exchange = next_number_++;
    waiting_[exchange] = {node, client, token};
    hosts_[node]->node().request_received(exchange, c.attempt->request);
    touched(node);
}

void World::respond(std::size_t node, server::HttpExchange exchange, server::HttpResponse response) {
    hash(static_cast<std::uint64_t>(response.status));
    hash(response.body);
    const auto waiting = waiting_.extract(exchange);
    if (waiting.empty())
        return referee_.violate("Answers",
                                fmt::format("node {} answered exchange {} twice", node + 1, exchange));
    const auto [asked, client, token] = waiting.mapped();
    ENGINE_CHECK(asked == node);
    const std::uint64_t number = next_number_++;
    arriving_[number] = {client, token, std::move(response)};
    queue_.push(now_us_ + dice_.between(plan_.shape.latency_us_min, plan_.shape.latency_us_max),
                {EventKind::Response,
                 static_cast<std::uint32_t>(client),
                 static_cast<std::uint32_t>(node),
                 number,
                 {}});
}

void World::deliver_response(const ArrivingResponse& arrived) {
    Client& c = clients_[arrived.client];
    if (c.token != arrived.token || !c.attempt) return;  // its client has given up
    const PreparedAttempt attempt = std::move(*c.attempt);
    c.attempt.reset();
    const bool is_write = !attempt.attempt.writes.empty();
    const Fate fate = arrived.response ? referee_.judge(attempt.attempt, *arrived.response) : Fate::Unknown;
    switch (fate) {
        case Fate::Done:
            ++result_.done;
            result_.answers.add(c.lines[c.next].kind, arrived.response->status);
            if (!attempt.attempt.is_stale_read) last_served_us_[c.node] = now_us_;
            return operation_ends(arrived.client);
        case Fate::Unknown:
            if (is_write) {
                ++result_.unknown;
                return operation_ends(arrived.client);
            }
            [[fallthrough]];
        case Fate::Refused: ++result_.refused; return client_waits(arrived.client, kClientPauseMs * kMs);
    }
}

void World::operation_ends(std::size_t client) {
    Client& c = clients_[client];
    c.tries = 0;
    ++c.next;
    // After the storm nobody dawdles: what is left shall be over in a bounded time.
    const std::uint64_t pause_us_max = phase_ == Phase::Storm ? UINT64_MAX : 10 * kMs;
    client_waits(client, c.is_done() ? 0 : std::min(c.lines[c.next].pause_us, pause_us_max));
}

// ---- faults

// The line of the fault, with the node's number in it.
const FaultLine& World::meet_leader(std::size_t index) {
    FaultLine& line = faults_[index];
    if (line.node != kTheLeader) return line;
    line.node = dice_.pick(hosts_.size());
    engine::Term newest;
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
        if (!hosts_[i]->is_up() || hosts_[i]->node().raft().role() != engine::RoleName::Leader) continue;
        const engine::Term term = hosts_[i]->node().raft().current_term();
        if (term > newest) line.node = i;
        newest = std::max(newest, term);
    }
    if (line.kind == FaultKind::Partition) line.amount = std::uint64_t{1} << line.node;
    return line;
}

void World::begin_fault(std::size_t index, bool has_waited) {
    if (phase_ != Phase::Storm) return;
    const FaultLine& line = meet_leader(index);
    Host& host = *hosts_[line.node];
    if ((line.kind == FaultKind::Kill || line.kind == FaultKind::PowerCut) && line.amount > 0 &&
        !has_waited) {
        if (host.is_up()) host.ends_in_next_job = index;
        return;
    }
    const auto ends = [&] {
        queue_.push(std::min(now_us_ + line.duration_us, plan_.shape.storm_us),
                    {EventKind::FaultEnds, 0, 0, index, {}});
    };
    switch (line.kind) {
        case FaultKind::Loss:
        case FaultKind::Duplicate:
        case FaultKind::Reorder:
        case FaultKind::Corrupt:
        case FaultKind::Slow:
        case FaultKind::Partition:
        case FaultKind::OneWay:
        case FaultKind::Clog: network_.begin(line); return ends();
        case FaultKind::Disconnect:
            if (network_.is_up(line.node, line.peer)) result_.effects.add(line.kind);
            return break_connection(line.node, line.peer);
        case FaultKind::Kill:
            if (!host.is_up()) return;
            result_.effects.add(line.kind);
            host.kill(dice_);
            node_ended(line.node, true);
            return schedule_start(line.node, line.duration_us);
        case FaultKind::PowerCut:
            if (host.state() == HostState::Dead) return;
            result_.effects.add(line.kind, host.cut_power(dice_));
            node_ended(line.node, false);
            return schedule_start(line.node, line.duration_us);
        case FaultKind::PowerCutAtDisk:
            // Also of one that is down: in the midst of its recovery, or of the creation of its files.
            if (host.state() != HostState::Dead) host.disk().cut_power_after(line.amount + 1);
            return;
        case FaultKind::Pause:
            if (host.is_up())
                host.paused_until_us = std::min(now_us_ + line.duration_us, plan_.shape.storm_us);
            return;
        case FaultKind::Stop:
            if (!host.is_up() || host.is_stopping) return;
            host.is_stopping = true;
            host.node().begin_stop();
            touched(line.node);
            return ends();
        case FaultKind::ClockJump:
            if (!host.is_up()) return;
            host.jump_clock(line.amount);
            return result_.effects.add(line.kind);
        case FaultKind::ClockDrift:
            host.set_clock_rate(now_us_, line.amount);
            result_.effects.add(line.kind);
            return ends();
        case FaultKind::DiskSlow: host.disk_slowness = std::max<std::uint64_t>(1, line.amount); return ends();
        case FaultKind::SyncFails:
            if (host.is_up()) host.disk().fail_operation(line.amount, wal::DiskError::Failed);
            return;
        case FaultKind::DiskFull: host.set_free_bytes(line.amount); return ends();
        case FaultKind::ReadFails: host.set_reads_fail(true); return ends();
        case FaultKind::Rot:
            if (host.state() == HostState::Dead) return;
            rot(line.node, line.amount);
            if (!host.is_up()) return;
            host.kill(dice_);
            node_ended(line.node, true);
            return schedule_start(line.node, line.duration_us);
        case FaultKind::DiskLost:
            if (host.state() == HostState::Dead) return;
            result_.effects.add(line.kind);
            if (host.is_up()) {
                host.kill(dice_);
                node_ended(line.node, true);
            }
            return host.die();
    }
}

void World::end_fault(const FaultLine& line) {
    Host& host = *hosts_[line.node];
    network_.end(now_us_, line);
    if (line.kind == FaultKind::ClockDrift) host.set_clock_rate(now_us_, kAlways);
    if (line.kind == FaultKind::DiskSlow) host.disk_slowness = 1;
    if (line.kind == FaultKind::DiskFull) host.set_free_bytes(std::nullopt);
    if (line.kind == FaultKind::ReadFails) host.set_reads_fail(false);
    if (line.kind == FaultKind::Stop) {
        if (host.is_up() && host.is_stopping) {
            host.kill(dice_);
            node_ended(line.node, true);
        }
        if (!host.is_up()) schedule_start(line.node, 0);
    }
}

// Only what is proven durable rots here: what stands behind the mark may, after a crash, be taken for a torn
// write (docs/log-format.md, the known limit).
void World::rot(std::size_t node, std::uint64_t draw) {
    Host& host = *hosts_[node];
    Dice dice(draw);
    std::string block(wal::kBlockBytes, '\0');
    if (!host.disk().read("vote-a", 0, block)) return;
    const auto vote = wal::decode_vote(block);
    if (dice.pick(4) == 0 || !vote || vote->mark.sequence == 0) {
        // One copy of two: it must be mended without a word of complaint.
        static constexpr std::string_view kCopies[] = {"vote-a", "identity-b"};
        const std::string_view copy = kCopies[dice.pick(2)];
        if (host.disk().rot(copy, dice.pick(wal::kBlockBytes), static_cast<unsigned>(dice.pick(8))))
            result_.effects.add(FaultKind::Rot);
        return;
    }
    host.is_damaged = true;
    const std::uint64_t sequence = dice.between(1, vote->mark.sequence);
    const std::string file = wal::segment_name(sequence);
    const std::uint64_t end = sequence == vote->mark.sequence ? vote->mark.offset : plan_.shape.segment_bytes;
    host.disk().rot(file, dice.between(0, end - 1), static_cast<unsigned>(dice.pick(8)));
}

// ---- storm, then calm

void World::phase_ends(std::uint64_t phase) {
    if (phase == 0) return begin_core();
    check_progress();
}

// The plan's core without those that died, and others in their place. False: too few are left to ask anything
// of them.
bool World::choose_core() {
    const std::uint64_t wanted = plan_.shape.core_mask != 0 ? plan_.shape.core_mask : UINT64_MAX;
    const std::size_t quorum = hosts_.size() / 2 + 1;
    core_mask_ = 0;
    for (const std::uint64_t choice : {wanted, UINT64_MAX}) {
        for (std::size_t i = 0; i < hosts_.size(); ++i) {
            if (hosts_[i]->state() == HostState::Dead || ((choice >> i) & 1U) == 0) continue;
            if (choice == wanted || static_cast<std::size_t>(std::popcount(core_mask_)) < quorum)
                core_mask_ |= std::uint64_t{1} << i;
        }
    }
    if (static_cast<std::size_t>(std::popcount(core_mask_)) >= quorum) return true;
    phase_ = Phase::Over;
    return false;
}

void World::begin_core() {
    phase_ = Phase::Core;
    phase_began_us_ = now_us_;
    if (!choose_core()) return;
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
        Host& host = *hosts_[i];
        host.paused_until_us = 0;
        host.disk().fail_operation(UINT64_MAX, wal::DiskError::Failed);
        host.disk().cut_power_after(UINT64_MAX);
        if (is_core(i)) {
            if (host.is_up() && host.is_stopping) {
                host.kill(dice_);
                node_ended(i, true);
            }
            if (!host.is_up()) schedule_start(i, 0);
        } else if (host.is_up() && (outsiders() == Outsiders::Down || host.is_stopping)) {
            host.kill(dice_);
            node_ended(i, true);
        }
    }
    isolate(core_mask_);
    queue_.push(now_us_ + 100 * kMs, {EventKind::PhaseEnds, 0, 0, 1, {}});
}

// The nodes of the mask go on without the others; 0: with all.
void World::isolate(std::uint64_t mask) {
    if (isolated_mask_ != 0) network_.allow(isolated_mask_, outsiders());
    isolated_mask_ = outsiders() == Outsiders::Down ? 0 : mask;
    if (isolated_mask_ != 0) network_.isolate(isolated_mask_, outsiders());
}

void World::begin_recovery() {
    isolate(0);
    phase_ = Phase::Recovery;
    phase_began_us_ = now_us_;
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
        if (hosts_[i]->state() == HostState::Down) schedule_start(i, 0);
    }
}

// Asked every 100 ms once the storm is over.
void World::check_progress() {
    const bool is_late = now_us_ - phase_began_us_ > patience_us();
    if (phase_ == Phase::Core) {
        // A damaged disk may show only now.
        if (!choose_core()) return;
        if (isolated_mask_ != 0 && isolated_mask_ != core_mask_) isolate(core_mask_);
        for (std::size_t i = 0; i < hosts_.size(); ++i) {
            if (is_core(i) && hosts_[i]->state() == HostState::Down) schedule_start(i, 0);
        }
        // Each node of the core answers an operation that needs a majority.
        bool all_served = true;
        for (std::size_t i = 0; i < hosts_.size(); ++i) {
            if (is_core(i))
                all_served = all_served && last_served_us_[i] >= phase_began_us_ && last_served_us_[i] > 0;
        }
        if (all_served) {
            begin_recovery();
        } else if (is_late) {
            referee_.violate(
                "Liveness",
                fmt::format(
                    "the storm is over for the nodes {:b}, and after {} s of calm one of them serves nobody",
                    core_mask_, patience_us() / kSecond));
        } else {
            // Clients that have nothing left to do go on asking.
            for (std::size_t i = 0; i < clients_.size(); ++i) {
                Client& c = clients_[i];
                if (!c.is_done()) continue;
                for (std::size_t node = 0; node < hosts_.size(); ++node) {
                    if (!is_core(node) ||
                        (last_served_us_[node] >= phase_began_us_ && last_served_us_[node] > 0))
                        continue;
                    OperationLine line;
                    line.kind = node % 2 == 0 ? OperationKind::Put : OperationKind::Get;
                    line.client = i;
                    line.node = node;
                    c.lines.push_back(line);
                    break;
                }
                if (!c.is_done()) client_waits(i, 0);
            }
        }
    } else if (phase_ == Phase::Quiet) {
        if (now_us_ - phase_began_us_ > quiet_us()) {
            check_answered();
            phase_ = Phase::Over;
        }
    } else if (agrees()) {
        phase_ = Phase::Quiet;
        phase_began_us_ = now_us_;
    } else if (is_late) {
        referee_.violate("Convergence",
                         fmt::format("after {} s of calm the nodes do not agree", patience_us() / kSecond));
    }
    if (phase_ != Phase::Over) queue_.push(now_us_ + 100 * kMs, {EventKind::PhaseEnds, 0, 0, 1, {}});
}

// Nobody waits for ever, whether or not its client still does.
void World::check_answered() {
    if (plan_.shape.operation_timeout_ms > 3000 || waiting_.empty()) return;
    referee_.violate("Answers", fmt::format("node {} has never answered exchange {}",
                                            waiting_.begin()->second.node + 1, waiting_.begin()->first));
}

// All that live have applied the same, and nothing is left to apply.
bool World::agrees() const {
    std::optional<std::uint64_t> digest;
    for (const auto& host : hosts_) {
        if (host->state() == HostState::Dead) continue;
        if (!host->is_up()) return false;
        const server::Node& node = host->node();
        if (node.applied_index() != node.raft().log().last_index() ||
            node.raft().durable_index() != node.raft().log().last_index() ||
            node.applied_index().value != referee_.committed() || node.raft().leader() == engine::kNobody)
            return false;
        if (std::exchange(digest, node.store().digest()).value_or(node.store().digest()) !=
            node.store().digest())
            return false;
    }
    return std::ranges::all_of(clients_, [](const Client& c) { return c.is_done(); });
}

}  // namespace

RunResult run(const Plan& plan, const RunOptions& options) { return World(plan, options).run(); }

}  // namespace quorate::sim
