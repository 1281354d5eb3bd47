// The storm, and the calm in which liveness can be judged.

#include <algorithm>
#include <bit>
#include <utility>

#include <fmt/format.h>

#include "sim/world_state.h"

namespace quorate::sim {

void World::phase_ends(std::uint64_t phase) {
    if (phase == 0) return begin_core();
    check_progress();
}

bool World::is_sound(const Host& host) {
    return host.state() != HostState::Dead && !host.is_lost && !(host.is_up() && host.node().is_recovering());
}

// The plan's core without those that died or lost what they promised, or may have, and others in their place.
// Too few of them: all, if nobody has died or lost its log, for those in doubt must hear all others.
// False: too few are left to ask anything of them.
bool World::choose_core() {
    if (members_change_) return choose_core_of_members();
    const std::uint64_t wanted = plan_.shape.core_mask != 0 ? plan_.shape.core_mask : UINT64_MAX;
    const std::size_t quorum = hosts_.size() / 2 + 1;
    core_mask_ = 0;
    for (const std::uint64_t choice : {wanted, UINT64_MAX}) {
        for (std::size_t i = 0; i < hosts_.size(); ++i) {
            if (!is_sound(*hosts_[i]) || ((choice >> i) & 1U) == 0) continue;
            if (choice == wanted || static_cast<std::size_t>(std::popcount(core_mask_)) < quorum)
                core_mask_ |= std::uint64_t{1} << i;
        }
    }
    if (static_cast<std::size_t>(std::popcount(core_mask_)) >= quorum) return true;
    core_mask_ = (std::uint64_t{1} << hosts_.size()) - 1;
    if (std::ranges::none_of(
            hosts_, [](const auto& host) { return host->state() == HostState::Dead || host->is_lost; }))
        return true;
    phase_ = Phase::Over;
    return false;
}

// All that are sound, if they can decide by each configuration that may be in force.
bool World::choose_core_of_members() {
    core_mask_ = 0;
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
        if (is_sound(*hosts_[i])) core_mask_ |= std::uint64_t{1} << i;
    }
    const bool can_all =
        can_decide(referee_.membership()) && std::ranges::all_of(hosts_, [&](const auto& host) {
            return !host->is_up() || can_decide(host->node().raft().membership());
        });
    if (!can_all) phase_ = Phase::Over;
    return can_all;
}

bool World::can_decide(const engine::Membership& membership) const {
    return is_decided(membership, [&](engine::ServerId id) {
        const Host& host = *hosts_[node_of(id)];
        return host.member().id == id && is_sound(host);
    });
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
        host.next_read_fails = false;
        if (is_core(i)) {
            if (host.is_up() && (host.is_stopping || plan_.shape.cold_start != 0)) {
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
    const bool is_late = now_us_ - phase_began_us_ > patience_us_;
    if (phase_ == Phase::Core) {
        // A damaged disk may show only now.
        if (!choose_core()) return;
        if (isolated_mask_ != 0 && isolated_mask_ != core_mask_) isolate(core_mask_);
        for (std::size_t i = 0; i < hosts_.size(); ++i) {
            if (is_core(i) && hosts_[i]->state() == HostState::Down) schedule_start(i, 0);
        }
        // Each node of the core answers an operation that needs a majority.
        const auto unserved = first_unserved();
        if (!unserved) {
            begin_recovery();
        } else if (is_late) {
            referee_.violate(
                "Liveness",
                fmt::format(
                    "the storm is over for the nodes {:b}, and after {} s of calm one of them serves nobody",
                    core_mask_, patience_us_ / kSecond));
        } else {
            ask(*unserved);
        }
    } else if (phase_ == Phase::Quiet) {
        if (now_us_ - phase_began_us_ > quiet_us()) {
            check_answered();
            phase_ = Phase::Over;
        }
    } else if (const auto what = disagreement(); !what) {
        phase_ = Phase::Quiet;
        phase_began_us_ = now_us_;
    } else if (is_late) {
        referee_.violate("Convergence", fmt::format("after {} s of calm the nodes do not agree: {}",
                                                    patience_us_ / kSecond, *what));
    }
    if (phase_ != Phase::Over) queue_.push(now_us_ + 100 * kMs, {EventKind::PhaseEnds, 0, 0, 1, {}});
}

// Of the core, in this phase.
std::optional<std::size_t> World::first_unserved() const {
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
        if (is_core(i) && is_member(i) && (last_served_us_[i] < phase_began_us_ || last_served_us_[i] == 0))
            return i;
    }
    return std::nullopt;
}

// A client that has nothing left to do goes on asking, now this node. One alone: where a round takes one
// entry, the writes of many at once each wait longer than the node lets them.
void World::ask(std::size_t node) {
    if (!asker_) {
        const auto idle = std::ranges::find_if(clients_, [](const Client& c) { return c.is_done(); });
        if (idle == clients_.end()) return;
        asker_ = static_cast<std::size_t>(idle - clients_.begin());
    }
    Client& c = clients_[*asker_];
    if (!c.is_done()) return;
    OperationLine line;
    line.kind = node % 2 == 0 ? RequestKind::Put : RequestKind::Get;
    line.client = *asker_;
    line.node = node;
    c.lines.push_back(line);
    client_waits(*asker_, 0);
}

// Nobody waits for ever, whether or not its client still does. But a disk that hung may be at it yet.
void World::check_answered() {
    if (plan_.shape.operation_timeout_ms > 3000) return;
    for (const auto& [exchange, waiting] : waiting_) {
        if (std::ranges::max(hosts_[waiting.node]->lane_free_at_us) > now_us_) continue;
        return referee_.violate(
            "Answers", fmt::format("node {} has never answered exchange {}", waiting.node + 1, exchange));
    }
}

// All members that live have applied the same, and nothing is left to apply: else what is missing. The stores
// come last: a digest is a pass over all that a store holds, its past too.
std::optional<std::string> World::disagreement() const {
    for (std::size_t i = 0; i < clients_.size(); ++i) {
        if (!clients_[i].is_done())
            return fmt::format("client {} is at its {}", i,
                               to_string(clients_[i].lines[clients_[i].next].kind));
    }
    std::optional<std::uint64_t> digest;
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
        const Host& host = *hosts_[i];
        if (host.state() == HostState::Dead || !is_member(i)) continue;
        if (!host.is_up()) return fmt::format("node {} is down", i + 1);
        const server::Node& node = host.node();
        const engine::Raft& raft = node.raft();
        if (node.applied_index() != raft.log().last_index() ||
            raft.durable_index() != raft.log().last_index() ||
            node.applied_index().value != referee_.committed() || raft.leader() == engine::kNobody)
            return fmt::format(
                "node {} has applied entry {} of {}, {} are committed, and it follows server {}", i + 1,
                node.applied_index().value, raft.log().last_index().value, referee_.committed(),
                raft.leader().value);
    }
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
        if (hosts_[i]->state() == HostState::Dead || !is_member(i)) continue;
        const std::uint64_t own = hosts_[i]->node().store().digest();
        if (digest.value_or(own) != own) return fmt::format("the store of node {} differs", i + 1);
        digest = own;
    }
    return std::nullopt;
}

}  // namespace quorate::sim
