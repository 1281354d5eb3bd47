// Faults: what each line of the plan does.

#include <algorithm>
#include <bit>
#include <utility>

#include <fmt/format.h>

#include "sim/world_state.h"
#include "wal/format.h"
#include "wal/segment_walk.h"

namespace quorate::sim {

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
    if (line.kind == FaultKind::Partition) {
        std::uint64_t mask = 0;
        for (std::uint64_t i = 0; i <= std::min<std::uint64_t>(line.amount, hosts_.size() - 1); ++i)
            mask |= std::uint64_t{1} << ((line.node + i) % hosts_.size());
        line.amount = mask;
    }
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
        case FaultKind::PowerCut:
        case FaultKind::Rot:
        case FaultKind::DiskLost:
            if (host.state() != HostState::Dead) end_process(line);
            return;
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
            asked(line.node).driver().begin_stop();
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
        case FaultKind::ReadFails:
            if (line.amount == 0) {
                host.set_reads_fail(true);
                return ends();
            }
            host.next_read_fails = true;
            return;
    }
}

// The node is not dead yet.
void World::end_process(const FaultLine& line) {
    Host& host = *hosts_[line.node];
    const bool was_up = host.is_up();
    if (line.kind == FaultKind::PowerCut) {
        result_.effects.add(line.kind, host.cut_power(dice_));
        node_ended(line.node, false);
        return schedule_start(line.node, line.duration_us);
    }
    if (line.kind == FaultKind::Rot) rot(line);
    if (line.kind == FaultKind::DiskLost || (line.kind == FaultKind::Kill && was_up))
        result_.effects.add(line.kind);
    if (was_up) {
        host.kill(dice_);
        node_ended(line.node, true);
    }
    if (line.kind == FaultKind::DiskLost) {
        host.lose_disk();
        // The one other of two can not tell in which terms this node may have voted.
        if (plan_.first_members() == 2 && line.node < 2) return host.die();
        return lose(line.node, line.duration_us);
    }
    if (was_up) schedule_start(line.node, line.duration_us);
}

// It has lost what it promised.
void World::lose(std::size_t node, std::uint64_t delay_us) {
    Host& host = *hosts_[node];
    if (plan_.shape.recovers == 0 || hosts_.size() == 1) return host.die();
    host.is_lost = true;
    schedule_start(node, delay_us);
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

void World::rot(const FaultLine& line) {
    Host& host = *hosts_[line.node];
    Dice dice(line.amount);
    std::string block(wal::kBlockBytes, '\0');
    if (!host.disk().read("vote-a", 0, block)) return;
    const auto vote = wal::decode_vote(block);
    if (line.peer == 1 && vote) {
        host.is_damaged = true;
        return rot_last_write(host, dice, vote->mark);
    }
    if (dice.pick(4) == 0 || !vote || vote->mark.sequence == 0) {
        // One copy of two: it must be mended without a word of complaint, unless a crash tears the other.
        static constexpr std::string_view kCopies[] = {"vote-a", "identity-b"};
        const std::string_view copy = kCopies[dice.pick(2)];
        const std::uint64_t offset = dice.pick(wal::kBlockBytes);
        if (!host.disk().rot(copy, offset, static_cast<unsigned>(dice.pick(8)))) return;
        host.has_rotten_copy = true;
        return result_.effects.add(FaultKind::Rot);
    }
    host.is_damaged = true;
    std::vector<wal::FileStatus> durable;
    for (const wal::FileStatus& file : host.disk().list().value_or(std::vector<wal::FileStatus>{})) {
        const auto segment = wal::parse_segment_name(file.name);
        if (wal::parse_snapshot_name(file.name) || (segment && *segment < vote->mark.sequence))
            durable.push_back(file);
        if (segment && *segment == vote->mark.sequence) durable.push_back({file.name, vote->mark.offset});
    }
    if (durable.empty()) return;
    const wal::FileStatus& file = durable[dice.pick(durable.size())];
    // Named, for the order in which a call's arguments are drawn is the compiler's.
    const auto bit = static_cast<unsigned>(dice.pick(8));
    host.disk().rot(file.name, dice.between(0, file.size - 1), bit);
    if (dice.pick(8) != 0) return;
    for (const std::string_view copy : {"vote-a", "vote-b"})
        host.disk().rot(copy, dice.pick(wal::kBlockBytes), bit);
}

// Mostly nothing proves that it was durable, and it is taken for a torn one.
void World::rot_last_write(Host& host, Dice& dice, const wal::Mark& proven) {
    std::string last;
    for (const wal::FileStatus& file : host.disk().list().value_or(std::vector<wal::FileStatus>{})) {
        if (wal::parse_segment_name(file.name)) last = file.name;
    }
    if (last.empty()) return;
    const std::uint64_t used = wal::used_bytes(host.disk().written().at(last));
    const std::uint64_t begin = wal::parse_segment_name(last) == proven.sequence ? proven.offset : 0;
    if (begin >= used) return;
    const std::uint64_t offset = used - 1 - dice.skewed(0, used - 1 - begin);
    host.disk().rot(last, offset, static_cast<unsigned>(dice.pick(8)));
}

}  // namespace quorate::sim
