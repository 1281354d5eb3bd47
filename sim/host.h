#pragma once

// One node of the simulated world: the production node, its disk, its clock and the life of its process.

#include <algorithm>
#include <array>
#include <bitset>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/action.h"
#include "server/node.h"
#include "server/node_driver.h"
#include "server/recorder.h"
#include "sim/dice.h"
#include "sim/marks.h"
#include "sim/plan.h"
#include "sim/virtual_disk.h"

namespace quorate::sim {

/// What a host needs of the world around it.
class Surroundings {
 public:
    Surroundings() = default;
    Surroundings(const Surroundings&) = delete;
    Surroundings& operator=(const Surroundings&) = delete;
    virtual ~Surroundings() = default;

    virtual bool send_frame(std::size_t from, engine::ServerId to, std::string frame) = 0;
    virtual void respond(std::size_t node, server::HttpExchange exchange, server::HttpResponse response) = 0;
    virtual void begin_parts(std::size_t node, server::HttpExchange exchange,
                             server::HttpResponse response) = 0;
    virtual bool wants_part(server::HttpExchange exchange) = 0;
    virtual bool send_part(std::size_t node, server::HttpExchange exchange, std::string bytes,
                           server::AnswerPart part) = 0;
    virtual void job_submitted(std::size_t node, wal::DiskLane lane) = 0;
    virtual void turn_wanted(std::size_t node) = 0;
    virtual void log_line(std::size_t node, server::LogLevel level, std::string_view line) = 0;
    virtual void stepped(std::size_t node, const engine::Output& output) = 0;
    virtual void applied(std::size_t node, engine::LogIndex index, const wal::LogEntry& entry) = 0;
    virtual void store_replaced(std::size_t node, engine::LogIndex index,
                                const server::StateMachine& store) = 0;
    virtual void reached(std::size_t mark) = 0;  ///< marks.h
    /// Bytes that each recording of a node's life may have; zero: nothing is recorded.
    [[nodiscard]] virtual std::uint64_t recording_bytes_max() const = 0;
    virtual void recorded(std::size_t node, std::uint64_t life, std::string_view bytes) = 0;
};

enum class HostState : std::uint8_t {
    Up,
    Down,  ///< will start again
    Dead,  ///< never again: its disk is lost or damaged
};

class Host final : public server::Environment, public wal::Disk {
 public:
    Host(std::size_t index, const Plan& plan, Surroundings& world);

    [[nodiscard]] HostState state() const { return state_; }
    [[nodiscard]] bool is_up() const { return state_ == HostState::Up; }
    [[nodiscard]] const server::Node& node() const { return driver_->node(); }
    /// Where the node is told what happens to it.
    [[nodiscard]] server::NodeDriver& driver() { return *driver_; }
    /// Counts the starts; what belongs to an earlier life is void.
    [[nodiscard]] std::uint64_t life() const { return life_; }
    [[nodiscard]] VirtualDisk& disk() { return *disk_; }

    /// Starts the process. The refusal, if the node does not start.
    [[nodiscard]] std::optional<wal::Refusal> start();
    /// The process ends; its disk jobs have got as far as `dice` says.
    void kill(Dice& dice);
    /// The same, and the disk loses what was not synced, sector by sector as `dice` says. Returns how many
    /// sectors did not get to the disk.
    std::size_t cut_power(Dice& dice);
    void die() { state_ = HostState::Dead; }
    /// Its node has been removed: the next process finds an empty disk, and goes by another name.
    void begin_anew();
    [[nodiscard]] const server::Member& member() const { return config_.self; }
    /// The next process finds an empty one.
    void lose_disk();
    /// Why the process must stop, once it must.
    [[nodiscard]] const std::optional<wal::Refusal>& failure() const { return failure_; }

    // The clock that the node sees.
    [[nodiscard]] std::uint64_t local_ms(std::uint64_t now_us) const;
    /// Virtual time of the next tick.
    [[nodiscard]] std::uint64_t next_tick_us(std::uint64_t now_us) const;
    void set_clock_rate(std::uint64_t now_us, std::uint64_t millionths);
    void jump_clock(std::uint64_t ms) { local_offset_us_ += ms * 1000; }

    /// Something is true of the disk that its next life must meet again.
    void set_free_bytes(std::optional<std::uint64_t> free);
    void set_reads_fail(bool fail);

    std::uint64_t paused_until_us = 0;
    bool turn_is_due = false;
    bool is_stopping = false;
    bool has_seen_removal = false;  ///< its node has been removed, and knows it
    bool lost_power = false;        ///< in the last start
    bool is_damaged = false;        ///< it may refuse its directory
    bool has_rotten_copy = false;   ///< so it may when no copy is readable any more
    bool is_lost = false;           ///< it has lost what it promised, and does not have it again yet
    bool next_read_fails = false;   ///< of the running process
    bool read_has_failed = false;   ///< so
    std::uint64_t disk_slowness = 1;
    std::optional<std::size_t> ends_in_next_job;     ///< the line of the plan that wants it to
    std::array<std::uint64_t, 2> lane_free_at_us{};  ///< when the lane's last job ends

    // server::Environment
    void set_peers(const std::vector<server::PeerAddress>& peers) override { peers_ = peers; }
    bool send_frame(engine::ServerId to, std::string frame) override {
        return std::ranges::find(peers_, to, &server::PeerAddress::id) != peers_.end() &&
               world_.send_frame(index_, to, std::move(frame));
    }
    void respond(server::HttpExchange exchange, server::HttpResponse response) override {
        world_.respond(index_, exchange, std::move(response));
    }
    bool wants_answer(server::HttpExchange, std::size_t) override { return true; }
    void begin_parts(server::HttpExchange exchange, server::HttpResponse response) override {
        world_.begin_parts(index_, exchange, std::move(response));
    }
    bool wants_part(server::HttpExchange exchange, std::size_t) override {
        return world_.wants_part(exchange);
    }
    bool send_part(server::HttpExchange exchange, std::string bytes, server::AnswerPart part) override {
        return world_.send_part(index_, exchange, std::move(bytes), part);
    }
    void log(server::LogLevel level, std::string_view line) override { world_.log_line(index_, level, line); }
    void request_turn() override { world_.turn_wanted(index_); }
    void fail(int exit_code, std::string_view line) override {
        failure_ = wal::Refusal{static_cast<wal::RefusalCode>(exit_code), std::string(line)};
    }
    void engine_stepped(const engine::Output& output) override { world_.stepped(index_, output); }
    void entry_applied(engine::LogIndex index, const wal::LogEntry& entry) override {
        world_.applied(index_, index, entry);
    }
    void store_replaced(engine::LogIndex index, const server::StateMachine& store) override {
        world_.store_replaced(index_, index, store);
    }
    void met(server::Situation situation) override { world_.reached(mark_of(situation)); }

    // wal::Disk: the virtual disk, and word of each job to the world
    std::expected<void, wal::DiskFailure> lock() override { return disk_->lock(); }
    std::expected<std::vector<wal::FileStatus>, wal::DiskFailure> list() override { return disk_->list(); }
    std::expected<void, wal::DiskFailure> read(std::string_view file, std::uint64_t offset,
                                               std::span<char> out) override {
        if (is_up() && std::exchange(next_read_fails, false)) {
            read_has_failed = true;
            return std::unexpected(
                wal::DiskFailure{wal::DiskError::Failed, std::string(file), "read: input/output error"});
        }
        return disk_->read(file, offset, out);
    }
    std::expected<void, wal::DiskFailure> run(std::span<const wal::DiskOperation> operations) override {
        return disk_->run(operations);
    }
    void submit(wal::DiskJob job) override {
        const wal::DiskLane lane = job.lane;
        disk_->submit(std::move(job));
        world_.job_submitted(index_, lane);
    }
    void met(wal::Situation situation) override { world_.reached(mark_of(situation)); }

 private:
    void begin_recording();
    void end_process();
    void apply_disk_state();

    std::size_t index_;
    Surroundings& world_;
    server::NodeConfig config_;
    std::uint64_t seed_;
    HostState state_ = HostState::Down;
    std::uint64_t life_ = 0;
    std::unique_ptr<VirtualDisk> disk_ = std::make_unique<VirtualDisk>();
    std::unique_ptr<server::Recorder> recorder_;  ///< null: nobody asked for one
    std::unique_ptr<server::NodeDriver> driver_;
    std::optional<wal::Refusal> failure_;
    std::vector<server::PeerAddress> peers_;
    std::optional<std::uint64_t> free_bytes_;
    bool reads_fail_ = false;

    // local time = offset + (now - since) * rate
    std::uint64_t local_offset_us_ = 0;
    std::uint64_t rate_since_us_ = 0;
    std::uint64_t rate_millionths_ = kAlways;
};

/// The plan's cluster at its beginning: named "1", "2", …
[[nodiscard]] server::ClusterMembers members_of(const Plan& plan);
/// The node whose name this is, counted from 0: 1, 11 and 21 are three names of one node, each after it was
/// removed under the one before.
[[nodiscard]] inline std::size_t node_of(engine::ServerId id) { return (id.value - 1) % 10; }

}  // namespace quorate::sim
