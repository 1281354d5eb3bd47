#pragma once

// The network between nodes: connections that carry frames in order, until something happens to them.

#include <cstdint>
#include <string>
#include <vector>

#include "sim/dice.h"
#include "sim/event_queue.h"
#include "sim/plan.h"

namespace quorate::sim {

/// Effects of faults, by kind: a fault that never bites shows as a zero.
struct Effects {
    std::vector<std::uint64_t> counts = std::vector<std::uint64_t>(kFaultKindCount);
    void add(FaultKind kind, std::uint64_t count = 1) { counts[static_cast<std::size_t>(kind)] += count; }
    [[nodiscard]] std::uint64_t of(FaultKind kind) const { return counts[static_cast<std::size_t>(kind)]; }
};

class VirtualNetwork {
 public:
    VirtualNetwork(const Plan& plan, EventQueue& queue, Effects& effects);
    VirtualNetwork(const VirtualNetwork&) = delete;
    VirtualNetwork& operator=(const VirtualNetwork&) = delete;
    ~VirtualNetwork() = default;

    /// False: the connection is down. A frame that is sent may be lost all the same.
    bool send(std::uint64_t now_us, std::size_t from, std::size_t to, std::string frame);
    /// Whether the frame that arrives now, sent over connection number `connection`, is let in.
    [[nodiscard]] bool lets_in(std::size_t from, std::size_t to, std::uint64_t connection) const;
    /// Whether a frame of Raft's that arrives now does so twice.
    [[nodiscard]] bool duplicates();

    /// The nodes of the mask and the others hear each other only as `others` says, until allow().
    void isolate(std::uint64_t mask, Outsiders others) { isolate_by(mask, others, 1); }
    void allow(std::uint64_t mask, Outsiders others) { isolate_by(mask, others, UINT64_MAX); }

    [[nodiscard]] bool is_up(std::size_t from, std::size_t to) const { return link(from, to).is_up; }
    [[nodiscard]] bool is_blocked(std::size_t from, std::size_t to) const;
    void connect(std::size_t from, std::size_t to);
    /// What is under way is lost. True if it was up.
    bool disconnect(std::size_t from, std::size_t to);
    void begin(const FaultLine& line);
    void end(std::uint64_t now_us, const FaultLine& line);

 private:
    struct Link {
        bool is_up = false;
        std::uint64_t connection = 0;   ///< counts them
        std::uint64_t last_us = 0;      ///< when the frame before arrives
        std::uint64_t partitioned = 0;  ///< so many faults stop it
        std::uint64_t one_way = 0;
        std::uint64_t clogged = 0;
        std::uint64_t slow_us = 0;
        std::vector<std::string> held;  ///< while clogged
    };
    [[nodiscard]] Link& link(std::size_t from, std::size_t to) { return links_[from * nodes_ + to]; }
    [[nodiscard]] const Link& link(std::size_t from, std::size_t to) const {
        return links_[from * nodes_ + to];
    }
    [[nodiscard]] std::uint64_t* count_of(const FaultLine& line);
    [[nodiscard]] std::uint64_t* amount_of(const FaultLine& line);
    void block(const FaultLine& line, std::uint64_t add);
    void isolate_by(std::uint64_t mask, Outsiders others, std::uint64_t add);
    void transmit(std::uint64_t now_us, std::size_t from, std::size_t to, std::string frame);

    EventQueue& queue_;
    Effects& effects_;
    Dice dice_;
    std::size_t nodes_;
    std::uint64_t latency_us_min_;
    std::uint64_t latency_us_max_;
    std::vector<Link> links_;
    std::uint64_t loss_ = 0;
    std::uint64_t duplication_ = 0;
    std::uint64_t corruption_ = 0;
    std::uint64_t reorder_us_ = 0;
};

}  // namespace quorate::sim
