// Processes, their disks, and the connections between them.

#include <algorithm>
#include <bit>
#include <utility>

#include <fmt/format.h>

#include "engine/check.h"
#include "server/frame.h"
#include "sim/world_state.h"
#include "wal/copy_survey.h"

namespace quorate::sim {

namespace {

bool has_readable_vote(VirtualDisk& disk) {
    const auto no_header = [] { return std::optional<wal::Identity>(); };
    return wal::survey_copies(disk, disk.list().value_or(std::vector<wal::FileStatus>{}), no_header)
        .vote()
        .has_value();
}

}  // namespace

void World::touched(std::size_t node) {
    if (hosts_[node]->failure()) return process_failed(node);
    referee_.look_at(node, hosts_[node]->node().raft());
    for (const server::QueueUse& queue : hosts_[node]->node().queues()) referee_.look_at(node, queue);
    turn_wanted(node);
}

void World::turn_wanted(std::size_t node) {
    Host& host = *hosts_[node];
    if (std::exchange(host.turn_is_due, true)) return;
    queue_.push(now_us_ + dice_.between(0, kTurnUsMax),
                {EventKind::TurnEnd, static_cast<std::uint32_t>(node), 0, host.life(), {}});
}

void World::handle_tick(std::size_t node, std::uint64_t life) {
    Host& host = asked(node);
    queue_.push(host.next_tick_us(now_us_), {EventKind::Tick, static_cast<std::uint32_t>(node), 0, life, {}});
    host.driver().tick(host.local_ms(now_us_));
    // Mostly nothing else comes in the turn of the loop in which the timer fires.
    if (host.failure() || host.turn_is_due || dice_.pick(4) == 0) return touched(node);
    handle_turn_end(node);
}

void World::handle_turn_end(std::size_t node) {
    Host& host = asked(node);
    host.turn_is_due = false;
    host.driver().turn_ended(host.local_ms(now_us_));
    if (host.failure()) return process_failed(node);
    referee_.look_at(node, host.node().raft());
    referee_.look_at(node, host.node().cached());
    if (host.node().raft().role() == engine::RoleName::Leader) check_leases();
    if (members_change_ && host.node().members().membership() != host.node().raft().membership())
        return referee_.violate("Membership",
                                fmt::format("node {} and its engine know other members", node + 1));
    if (host.is_lost && !host.node().is_recovering()) {
        host.is_lost = false;
        host.is_damaged = false;
    }
    if (host.is_stopping && host.node().is_quiet()) {
        host.kill(dice_);
        result_.effects.add(FaultKind::Stop);
        return node_ended(node, true);
    }
    if (host.node().is_removed() && !std::exchange(host.has_seen_removal, true)) begin_anew(node);
}

// Some machines are used again, by another name; others stay as they are, and must disturb nobody.
void World::begin_anew(std::size_t node) {
    Host& host = *hosts_[node];
    constexpr std::uint64_t kNamesMax = 90;
    if (phase_ != Phase::Storm || host.member().id.value > kNamesMax || dice_.pick(3) == 0) return;
    reached(mark_of(Situation::NodeBegunAnew));
    host.kill(dice_);
    node_ended(node, true);
    host.begin_anew();
    members_[node] = host.member();
    promises_.begun_anew(node);
    referee_.node_started(node);
    schedule_start(node, dice_.between(0, kSecond));
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
    Host& host = asked(node);
    const auto completion = host.disk().complete_next(lane);
    if (host.disk().power_is_off()) {
        result_.effects.add(FaultKind::PowerCutAtDisk);
        host.cut_power(dice_);
        node_ended(node, false);
        return schedule_start(node, dice_.between(0, 2 * kSecond));
    }
    if (!completion) return;
    if (lane == wal::DiskLane::Background)
        result_.disk_bytes_max = std::max(result_.disk_bytes_max, host.disk().size());
    if (!completion->result) {
        const bool is_full = completion->result.error().error == wal::DiskError::NoSpace;
        result_.effects.add(is_full ? FaultKind::DiskFull : FaultKind::SyncFails);
    }
    hash(completion->id + (completion->result ? 0 : 1));
    host.driver().disk_completed(*completion);
    touched(node);
}

void World::start_node(std::size_t node) {
    Host& host = asked(node);
    const auto refusal = host.start();
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
        if (host.is_damaged || (host.has_rotten_copy && !has_readable_vote(host.disk()))) {
            result_.effects.add(FaultKind::Rot);
            return lose(node, kSecond);
        }
        return referee_.violate("Recovery",
                                fmt::format("node {} refuses its directory: {}", node + 1, refusal->message));
    }
    host.has_rotten_copy = false;
    // Also when a crash came before it was on disk that nothing is lost any more.
    host.is_lost = host.node().is_recovering() && host.node().lost() != wal::Lost::LastBatch;
    referee_.node_started(node);
    if (const auto breach = promises_.started(node, host.node().raft(), host.node().lost(), host.is_damaged))
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
        streams_.erase(exchange);
        reaches_client(waiting, std::nullopt);
        return true;
    });
}

// The node says that its process must stop: the disk failed it.
void World::process_failed(std::size_t node) {
    Host& host = *hosts_[node];
    const wal::Refusal failure = host.failure().value_or(wal::Refusal{});
    log_line(node, server::LogLevel::Error, failure.message);
    if (std::exchange(host.read_has_failed, false)) {
        result_.effects.add(FaultKind::ReadFails);
        reached(mark_of(Situation::ReadFailedInRun));
    }
    host.kill(dice_);
    node_ended(node, true);
    if (failure.code == wal::RefusalCode::IoFailed) return schedule_start(node, dice_.between(0, kSecond));
    if (host.is_damaged) {
        result_.effects.add(FaultKind::Rot);
        return lose(node, kSecond);
    }
    referee_.violate("Recovery", fmt::format("node {} stops: {}", node + 1, failure.message));
}

void World::schedule_start(std::size_t node, std::uint64_t delay_us) {
    queue_.push(now_us_ + delay_us,
                {EventKind::NodeStarts, static_cast<std::uint32_t>(node), 0, hosts_[node]->life(), {}});
}

bool World::send_frame(std::size_t from, engine::ServerId to, std::string frame) {
    hash(frame);
    // A node that has begun anew is reached by its old name no more.
    return hosts_[node_of(to)]->member().id == to &&
           network_.send(now_us_, from, node_of(to), std::move(frame));
}

void World::handle_frame(std::size_t from, std::size_t to, std::uint64_t connection,
                         const std::string& bytes) {
    if (!hosts_[to]->is_up() || !network_.lets_in(from, to, connection)) return;
    const auto read = server::first_frame(bytes);
    const std::optional<server::RawFrame> whole = read ? *read : std::nullopt;
    auto frame = whole ? server::decode_frame(*whole) : std::nullopt;
    if (!frame) return break_connection(from, to);  // it was corrupt
    // Streams repeat nothing; Raft's own messages must bear it all the same.
    if (std::holds_alternative<server::RaftFrame>(*frame) && network_.duplicates()) {
        queue_.push_frame(now_us_ + dice_.between(0, 200 * kMs),
                          {EventKind::FrameArrives,
                           static_cast<std::uint32_t>(from),
                           static_cast<std::uint32_t>(to),
                           connection,
                           {}},
                          bytes);
    }
    asked(to).driver().frame_received(hosts_[from]->member().id, std::move(*frame));
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
        "GET", "/raft/peer", hosts_[from]->node().greeting_to(hosts_[to]->member().name), {}};
    const auto who = asked(to).node().check_greeting(greeting);
    // It tries again, as long as it is up.
    if (!who && who.error().code == "removed_member" && !is_member(from)) {
        queue_.push(
            now_us_ + kSecond,
            {EventKind::LinkDials, static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(to), 0, {}});
        return;
    }
    if (!who || *who != hosts_[from]->member().id) {
        return referee_.violate("Greeting", fmt::format("node {} refuses node {}", to + 1, from + 1));
    }
    network_.connect(from, to);
}

}  // namespace quorate::sim
