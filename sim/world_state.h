#pragma once

// The world's state, and all that can happen in it. Each chapter has a file: world.cc (running and watching),
// world_nodes.cc (processes, disks and connections), world_clients.cc, world_faults.cc and world_phases.cc.

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <xxhash.h>

#include "sim/client.h"
#include "sim/event_queue.h"
#include "sim/host.h"
#include "sim/patience.h"
#include "sim/promises.h"
#include "sim/referee.h"
#include "sim/virtual_network.h"
#include "sim/witness.h"
#include "sim/world.h"
#include "wal/format.h"

namespace quorate::sim {

inline constexpr std::uint64_t kSecond = 1'000'000;
/// A turn of the loop takes in what arrives within it.
inline constexpr std::uint64_t kTurnUsMax = 100;
inline constexpr std::uint64_t kDialMs = 100;
inline constexpr std::uint64_t kClientPauseMs = 20;
inline constexpr std::uint64_t kPauseDoublingsMax = 8;
/// Attempts of one operation before its client gives up.
inline constexpr std::uint64_t kTriesMax = 200;
/// That a client whose write may have happened writes again: millionths.
inline constexpr std::uint64_t kTriesAgainChance = 500'000;
/// How long a client may take nothing of an answer in parts.
inline constexpr std::uint64_t kPartsPauseMsMax = 2000;
/// A disk that hangs comes back.
inline constexpr std::uint64_t kDiskJobUsMax = 8 * kSecond;

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
          moment_(options.moment != nullptr ? *options.moment : own_moment_),
          dice_(Dice::salted(plan.seed, 2)),
          network_(plan, queue_, result_.effects),
          referee_(members_of(plan).membership()),
          witness_(plan.operations.size()),
          promises_(plan.shape.nodes),
          faults_(plan.faults) {
        for (std::size_t i = 0; i < plan.shape.nodes; ++i)
            hosts_.push_back(std::make_unique<Host>(i, plan, *this));
        for (const auto& host : hosts_) members_.push_back(host->member());
        clients_.resize(plan.shape.clients);
        for (const OperationLine& line : plan.operations) clients_[line.client].lines.push_back(line);
        last_served_us_.resize(plan.shape.nodes);
    }

    RunResult run();

    // Surroundings
    bool send_frame(std::size_t from, engine::ServerId to, std::string frame) override;
    void respond(std::size_t node, server::HttpExchange exchange, server::HttpResponse response) override;
    void begin_parts(std::size_t node, server::HttpExchange exchange, server::HttpResponse response) override;
    bool wants_part(server::HttpExchange exchange) override;
    bool send_part(std::size_t node, server::HttpExchange exchange, std::string bytes,
                   server::AnswerPart part) override;
    void job_submitted(std::size_t node, wal::DiskLane lane) override;
    void turn_wanted(std::size_t node) override;
    void log_line(std::size_t node, server::LogLevel level, std::string_view line) override;
    void stepped(std::size_t node, const engine::Output& output) override;
    void applied(std::size_t node, engine::LogIndex index, const wal::LogEntry& entry) override;
    void store_replaced(std::size_t node, engine::LogIndex index, const server::StateMachine& store) override;
    void reached(std::size_t mark) override { result_.marks.set(mark); }
    [[nodiscard]] std::uint64_t recording_bytes_max() const override {
        return options_.record ? options_.record_bytes_max : 0;
    }
    void recorded(std::size_t node, std::uint64_t life, std::string_view bytes) override;

 private:
    struct WaitingExchange {
        std::size_t node = 0;
        std::size_t client = 0;
        std::uint64_t token = 0;
    };
    struct AnswerInParts {
        server::HttpResponse response;  ///< what has come of it
        std::uint64_t taken_from_us = 0;
    };
    struct ArrivingResponse {
        std::size_t client = 0;
        std::uint64_t token = 0;
        std::optional<server::HttpResponse> response;  ///< none: the connection broke
    };

    void hash(std::uint64_t number) { hash_ = (hash_ ^ number) * 0x9fb21c651e98df25U + (hash_ >> 29U); }
    void hash(std::string_view bytes) { hash(XXH3_64bits(bytes.data(), bytes.size())); }
    void trace(const Event& event);

    void handle(const Event& event);
    /// The host, of which something is asked now.
    Host& asked(std::size_t node) {
        moment_.node = node + 1;
        return *hosts_[node];
    }
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
    void reaches_client(const WaitingExchange& waiting, std::optional<server::HttpResponse> response);
    [[nodiscard]] bool has_taker(server::HttpExchange exchange) const;
    void node_ended(std::size_t node, bool peers_hear);
    void process_failed(std::size_t node);
    void begin_anew(std::size_t node);
    /// Of the newest committed configuration.
    [[nodiscard]] bool is_member(std::size_t node) const {
        return referee_.membership().contains(hosts_[node]->member().id);
    }
    void schedule_start(std::size_t node, std::uint64_t delay_us);

    [[nodiscard]] const FaultLine& meet_leader(std::size_t index);
    void begin_fault(std::size_t index, bool has_waited);
    void end_process(const FaultLine& line);
    void lose(std::size_t node, std::uint64_t delay_us);
    void end_fault(const FaultLine& line);
    void rot(const FaultLine& line);
    static void rot_last_write(Host& host, Dice& dice, const wal::Mark& proven);

    void client_acts(std::size_t client);
    void attempt_next(std::size_t client);
    void deliver_request(std::size_t node, std::size_t client, std::uint64_t token);
    void deliver_response(const ArrivingResponse& arrived);
    [[nodiscard]] bool remains_unknown(std::size_t client, const PreparedAttempt& attempt);
    [[nodiscard]] static std::uint64_t pause_us(const Client& client);
    bool keeps(std::size_t client, const PreparedAttempt& attempt, bool may_have_happened);
    [[nodiscard]] bool begins_session(std::size_t client, const server::HttpResponse& response);
    [[nodiscard]] bool tries_again();
    void operation_ends(std::size_t client);
    [[nodiscard]] bool goes_on(std::size_t client, const Attempt& attempt,
                               const server::HttpResponse& response);
    void client_waits(std::size_t client, std::uint64_t us);
    [[nodiscard]] std::size_t node_to_ask(const OperationLine& line, std::uint64_t tries) const;

    void phase_ends(std::uint64_t phase);
    [[nodiscard]] static bool is_sound(const Host& host);
    [[nodiscard]] bool choose_core();
    [[nodiscard]] bool choose_core_of_members();
    [[nodiscard]] bool can_decide(const engine::Membership& membership) const;
    void isolate(std::uint64_t mask);
    void check_leases();
    [[nodiscard]] Outsiders outsiders() const { return static_cast<Outsiders>(plan_.shape.outsiders); }
    void begin_core();
    void begin_recovery();
    void check_progress();
    [[nodiscard]] std::optional<std::size_t> first_unserved() const;
    void ask(std::size_t node);
    [[nodiscard]] bool is_core(std::size_t node) const { return ((core_mask_ >> node) & 1U) != 0; }
    [[nodiscard]] std::optional<std::string> disagreement() const;
    /// Long enough for an election, and for an operation whose time runs out soon.
    [[nodiscard]] std::uint64_t quiet_us() const {
        const std::uint64_t timeout_ms = plan_.shape.operation_timeout_ms;
        return std::max(3 * plan_.shape.election_max_ms, timeout_ms <= 3000 ? timeout_ms + 500 : 0) * kMs;
    }
    void check_answered();
    void take_history();
    void judge_history();

    const Plan& plan_;
    const std::uint64_t patience_us_ = patience_us(plan_);
    const bool leases_hold_ = plan_.shape.clock_drift_ppm > 0 && plan_.keeps_clock_bound();
    const bool members_change_ = plan_.changes_members();
    const RunOptions& options_;
    Moment own_moment_;
    Moment& moment_;
    RunResult result_;
    EventQueue queue_;
    Dice dice_;
    VirtualNetwork network_;
    Referee referee_;
    Witness witness_;
    Promises promises_;
    std::uint64_t now_us_ = 0;
    std::uint64_t hash_ = 0x51ed270b27a1f96fU;

    std::vector<FaultLine> faults_;  ///< of the plan, each with its node once it has begun
    std::vector<std::unique_ptr<Host>> hosts_;
    Promises::Engines engines_;
    std::vector<server::Member> members_;  ///< the nodes, by the names that they have now
    std::vector<Client> clients_;
    std::uint64_t next_number_ = 1;                            ///< attempts, tokens and exchanges
    std::map<server::HttpExchange, WaitingExchange> waiting_;  ///< at the nodes
    std::map<server::HttpExchange, AnswerInParts> streams_;    ///< some of them: their answer so far
    std::map<std::uint64_t, ArrivingResponse> arriving_;       ///< by number

    Phase phase_ = Phase::Storm;
    std::uint64_t phase_began_us_ = 0;
    std::uint64_t core_mask_ = 0;
    std::uint64_t isolated_mask_ = 0;   ///< who hears the others only as outsiders() says; 0: nobody
    std::optional<std::size_t> asker_;  ///< client that asks in the core's phase when its own are done
    std::vector<std::uint64_t> last_served_us_;  ///< when a node last answered an operation for good
};

}  // namespace quorate::sim
