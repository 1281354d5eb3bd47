#include "sim/virtual_network.h"

#include <algorithm>
#include <utility>

namespace quorate::sim {

namespace {

/// Bound of what a clogged link holds back; beyond it frames are lost, as in a full send queue.
constexpr std::size_t kHeldMax = 512;

}  // namespace

VirtualNetwork::VirtualNetwork(const Plan& plan, EventQueue& queue, Effects& effects)
    : queue_(queue),
      effects_(effects),
      dice_(Dice::salted(plan.seed, 1)),
      nodes_(plan.shape.nodes),
      latency_us_min_(plan.shape.latency_us_min),
      latency_us_max_(plan.shape.latency_us_max),
      links_(nodes_ * nodes_) {}

bool VirtualNetwork::is_blocked(std::size_t from, std::size_t to) const {
    return link(from, to).partitioned + link(from, to).one_way > 0;
}

bool VirtualNetwork::send(std::uint64_t now_us, std::size_t from, std::size_t to, std::string frame) {
    Link& l = link(from, to);
    if (!l.is_up) return false;
    if (is_blocked(from, to)) {
        effects_.add(l.partitioned > 0 ? FaultKind::Partition : FaultKind::OneWay);
        return true;
    }
    if (loss_ > 0 && dice_.chance(loss_)) {
        effects_.add(FaultKind::Loss);
        return true;
    }
    if (l.clogged > 0) {
        effects_.add(FaultKind::Clog);
        if (l.held.size() < kHeldMax) l.held.push_back(std::move(frame));
        return true;
    }
    transmit(now_us, from, to, std::move(frame));
    return true;
}

void VirtualNetwork::transmit(std::uint64_t now_us, std::size_t from, std::size_t to, std::string frame) {
    Link& l = link(from, to);
    std::uint64_t at_us = now_us + dice_.between(latency_us_min_, latency_us_max_);
    if (l.slow_us > 0) {
        at_us += l.slow_us;
        effects_.add(FaultKind::Slow);
    }
    if (reorder_us_ > 0) {
        at_us += dice_.between(0, reorder_us_);
        if (at_us < l.last_us) effects_.add(FaultKind::Reorder);
    } else {
        at_us = std::max(at_us, l.last_us);
    }
    l.last_us = std::max(l.last_us, at_us);
    if (corruption_ > 0 && dice_.chance(corruption_)) {
        char& byte = frame[dice_.pick(frame.size())];
        byte = static_cast<char>(static_cast<unsigned char>(byte) ^ (1U << dice_.pick(8)));
        effects_.add(FaultKind::Corrupt);
    }
    queue_.push_frame(at_us,
                      {EventKind::FrameArrives,
                       static_cast<std::uint32_t>(from),
                       static_cast<std::uint32_t>(to),
                       l.connection,
                       {}},
                      std::move(frame));
}

bool VirtualNetwork::lets_in(std::size_t from, std::size_t to, std::uint64_t connection) const {
    return link(from, to).is_up && link(from, to).connection == connection;
}

bool VirtualNetwork::duplicates() {
    const bool yes = duplication_ > 0 && dice_.chance(duplication_);
    if (yes) effects_.add(FaultKind::Duplicate);
    return yes;
}

void VirtualNetwork::connect(std::size_t from, std::size_t to) {
    Link& l = link(from, to);
    l.is_up = true;
    ++l.connection;
    l.held.clear();
}

bool VirtualNetwork::disconnect(std::size_t from, std::size_t to) {
    Link& l = link(from, to);
    l.held.clear();
    return std::exchange(l.is_up, false);
}

// The mask's nodes and the others do not hear each other.
void VirtualNetwork::block(const FaultLine& line, std::uint64_t add) {
    for (std::size_t from = 0; from < nodes_; ++from) {
        for (std::size_t to = 0; to < nodes_; ++to) {
            if (((line.amount >> from) & 1U) != ((line.amount >> to) & 1U)) link(from, to).partitioned += add;
        }
    }
}

void VirtualNetwork::isolate_by(std::uint64_t mask, Outsiders others, std::uint64_t add) {
    for (std::size_t from = 0; from < nodes_; ++from) {
        for (std::size_t to = 0; to < nodes_; ++to) {
            const bool inward = ((mask >> from) & 1U) == 0 && ((mask >> to) & 1U) != 0;
            const bool outward = ((mask >> from) & 1U) != 0 && ((mask >> to) & 1U) == 0;
            if ((inward && others != Outsiders::Deaf) || (outward && others != Outsiders::Mute))
                link(from, to).one_way += add;
        }
    }
}

// Every one of these counts, so that two that overlap end one by one.
std::uint64_t* VirtualNetwork::count_of(const FaultLine& line) {
    Link& l = link(line.node, line.peer);
    if (line.kind == FaultKind::OneWay) return &l.one_way;
    if (line.kind == FaultKind::Clog) return &l.clogged;
    return nullptr;
}

std::uint64_t* VirtualNetwork::amount_of(const FaultLine& line) {
    if (line.kind == FaultKind::Loss) return &loss_;
    if (line.kind == FaultKind::Duplicate) return &duplication_;
    if (line.kind == FaultKind::Corrupt) return &corruption_;
    if (line.kind == FaultKind::Reorder) return &reorder_us_;
    if (line.kind == FaultKind::Slow) return &link(line.node, line.peer).slow_us;
    return nullptr;
}

void VirtualNetwork::begin(const FaultLine& line) {
    if (std::uint64_t* count = count_of(line)) ++*count;
    if (std::uint64_t* amount = amount_of(line)) *amount += line.amount;
    if (line.kind == FaultKind::Partition) block(line, 1);
}

void VirtualNetwork::end(std::uint64_t now_us, const FaultLine& line) {
    if (std::uint64_t* count = count_of(line)) --*count;
    if (std::uint64_t* amount = amount_of(line)) *amount -= line.amount;
    if (line.kind == FaultKind::Partition) block(line, UINT64_MAX);
    Link& l = link(line.node, line.peer);
    if (line.kind != FaultKind::Clog || l.clogged > 0) return;
    for (std::string& frame : std::exchange(l.held, {}))
        transmit(now_us, line.node, line.peer, std::move(frame));
}

}  // namespace quorate::sim
