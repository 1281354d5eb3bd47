#include "sim/host.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/check.h"
#include "wal/format.h"

namespace quorate::sim {

namespace {

server::Member member_of(std::uint64_t number) {
    const std::string name = std::to_string(number);
    return {server::server_id_of(name), name, fmt::format("10.0.0.{}:7070", number),
            server::MemberRole::Voter};
}

}  // namespace

server::ClusterMembers members_of(const Plan& plan) {
    server::ClusterMembers members;
    for (std::uint64_t i = 1; i <= plan.first_members(); ++i) members.members.push_back(member_of(i));
    return members;
}

Host::Host(std::size_t index, const Plan& plan, Surroundings& world)
    : index_(index), world_(world), seed_(plan.seed) {
    const Shape& s = plan.shape;
    const auto ticks = [&](std::uint64_t ms) {
        return static_cast<std::uint32_t>((ms + s.tick_ms - 1) / s.tick_ms);
    };
    config_.cluster_id = "sim";
    config_.members = members_of(plan);
    config_.self = member_of(index + 1);
    config_.raft.self = config_.self.id;
    config_.raft.heartbeat_ticks = ticks(s.heartbeat_ms);
    config_.raft.election_timeout_ticks_min = ticks(s.election_min_ms);
    config_.raft.election_timeout_ticks_max = ticks(s.election_max_ms);
    config_.raft.append_entries_max = static_cast<std::uint32_t>(s.append_entries_max);
    config_.raft.append_bytes_max = static_cast<std::uint32_t>(s.append_bytes_max);
    config_.raft.inflight_appends_max = static_cast<std::uint32_t>(s.inflight_appends_max);
    config_.raft.inflight_bytes_max = s.inflight_bytes_max;
    config_.raft.catch_up_bytes_per_tick_max = s.catch_up_bytes_per_tick_max;
    config_.raft.uncommitted_bytes_max = s.uncommitted_bytes_max;
    config_.raft.persist_stall_ticks_max = ticks(std::max<std::uint64_t>(3000, 3 * s.election_max_ms));
    config_.tick_ms = static_cast<std::uint32_t>(s.tick_ms);
    config_.operation_timeout_ms = static_cast<std::uint32_t>(s.operation_timeout_ms);
    config_.segment_bytes = s.segment_bytes;
    config_.operations_max = static_cast<std::uint32_t>(s.operations_max);
    config_.cache_bytes_max = s.cache_bytes_max;
    config_.history = {s.history_changes_max, s.history_bytes_max, s.history_age_ms_max};
    config_.answers = {s.answers_max, s.answers_age_ms_max};
    config_.snapshots = {s.snapshot_entries_max, s.snapshot_bytes_max, s.snapshot_chunk_bytes};
    config_.apply_bytes_max = s.apply_bytes_max;
    config_.clock_drift_ppm = static_cast<std::uint32_t>(s.clock_drift_ppm);
}

void Host::lose_disk() {
    disk_ = std::make_unique<VirtualDisk>();
    apply_disk_state();
}

void Host::begin_anew() {
    lose_disk();
    config_.self = member_of(config_.self.id.value + 10);
    config_.raft.self = config_.self.id;
}

std::optional<wal::Refusal> Host::start() {
    ++life_;
    config_.recovers_from_peers = is_lost ? 1 : 0;
    failure_.reset();
    peers_.clear();
    has_seen_removal = false;
    turn_is_due = false;
    is_stopping = false;
    paused_until_us = 0;
    lane_free_at_us = {};
    ends_in_next_job.reset();
    // Every life begins its numbers elsewhere, as the real ones do.
    Dice dice = Dice::salted(seed_, 1000 * (index_ + 1) + life_);
    config_.incarnation = (std::uint64_t{index_ + 1} << 48U) + (life_ << 32U);
    config_.raft.seed = dice.bits();
    config_.log_salt = dice.bits();
    begin_recording();
    auto driver = server::NodeDriver::open(config_, *this, *this, recorder_.get());
    lost_power = !driver && disk_->power_is_off();
    if (!driver) {
        disk_->kill_process();
        state_ = HostState::Down;
        return driver.error();
    }
    driver_ = std::move(*driver);
    state_ = HostState::Up;
    return std::nullopt;
}

void Host::begin_recording() {
    recorder_.reset();
    const std::uint64_t bytes_max = world_.recording_bytes_max();
    if (bytes_max == 0) return;
    const auto sink = [this, life = life_](std::string_view bytes) -> std::expected<void, std::string> {
        world_.recorded(index_, life, bytes);
        return {};
    };
    recorder_ = std::make_unique<server::Recorder>(sink, bytes_max, *this, *this);
    const auto begun = recorder_->begin({QUORATE_VERSION, 0, 0, config_});
    ENGINE_CHECK(begun.has_value());
}

void Host::end_process() {
    // A process that is killed does not get to say how it ended; here it does, so that a replay compares its
    // last state too.
    if (driver_) driver_->finish();
    driver_.reset();
    state_ = HostState::Down;
    ++life_;
}

void Host::kill(Dice& dice) {
    end_process();
    // The kernel finishes the call that was running; of the job's other operations it never hears.
    for (const wal::DiskLane lane : {wal::DiskLane::Log, wal::DiskLane::Background}) {
        if (!disk_->waiting(lane).empty())
            disk_->run_part(lane, dice.between(0, disk_->waiting(lane).front().operations.size()));
    }
    disk_->kill_process();
}

std::size_t Host::cut_power(Dice& dice) {
    kill(dice);
    // One cut keeps nearly nothing, another nearly everything.
    const std::uint64_t keeps = dice.pick(3) == 0 ? 0 : dice.between(0, kAlways);
    std::size_t lost = 0;
    const auto keeps_sector = [&] {
        const bool is_kept = dice.chance(keeps);
        if (!is_kept) ++lost;
        return is_kept;
    };
    // Now and then the disk was in the middle of a sector.
    const auto torn_bytes = [&] { return dice.chance(300'000) ? dice.pick(VirtualDisk::kSectorBytes) : 0; };
    disk_ = std::make_unique<VirtualDisk>(
        disk_->after_crash(keeps_sector, [&] { return dice.chance(keeps); }, torn_bytes));
    apply_disk_state();
    return lost;
}

std::uint64_t Host::local_ms(std::uint64_t now_us) const {
    return (local_offset_us_ + (now_us - rate_since_us_) * rate_millionths_ / kAlways) / 1000;
}

std::uint64_t Host::next_tick_us(std::uint64_t now_us) const {
    return now_us + std::uint64_t{config_.tick_ms} * 1000 * kAlways / rate_millionths_;
}

void Host::set_clock_rate(std::uint64_t now_us, std::uint64_t millionths) {
    local_offset_us_ += (now_us - rate_since_us_) * rate_millionths_ / kAlways;
    rate_since_us_ = now_us;
    rate_millionths_ = std::clamp<std::uint64_t>(millionths, kAlways / 100, std::uint64_t{kAlways} * 100);
}

void Host::set_free_bytes(std::optional<std::uint64_t> free) {
    free_bytes_ = free;
    apply_disk_state();
}

void Host::set_reads_fail(bool fail) {
    reads_fail_ = fail;
    apply_disk_state();
}

void Host::apply_disk_state() {
    disk_->set_capacity(free_bytes_ ? disk_->size() + *free_bytes_ : UINT64_MAX);
    disk_->heal_reads();
    if (reads_fail_) disk_->fail_reads_of(wal::segment_name(1));
}

}  // namespace quorate::sim
