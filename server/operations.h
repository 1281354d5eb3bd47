#pragma once

// What clients wait for, each with the deadline at which it is answered anyway.

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace quorate::server {

using OperationId = std::uint64_t;
/// Of what the node writes of itself: nobody waits for it.
inline constexpr OperationId kNobodysOperation = 0;

/// Operations in flight, by id, in the order of their beginning. Every operation has the same time, so the
/// oldest is always the next to expire.
template <class Operation>
class Operations {
 public:
    /// Ids count up from `first_id`, at least 1, and are never reused.
    Operations(OperationId first_id, std::uint64_t timeout_ms)
        : next_id_(first_id), timeout_ms_(timeout_ms) {}

    [[nodiscard]] bool empty() const { return operations_.empty(); }
    [[nodiscard]] std::size_t size() const { return operations_.size(); }

    OperationId add(Operation operation, std::uint64_t now_ms) {
        const OperationId id = next_id_++;
        operations_.emplace(id, Waiting{now_ms + timeout_ms_, std::move(operation)});
        return id;
    }

    /// Null when it has been answered.
    [[nodiscard]] Operation* find(OperationId id) {
        const auto found = operations_.find(id);
        return found == operations_.end() ? nullptr : &found->second.operation;
    }

    [[nodiscard]] std::optional<Operation> take(OperationId id) {
        auto node = operations_.extract(id);
        if (node.empty()) return std::nullopt;
        return std::move(node.mapped().operation);
    }

    /// Takes out everything for which `wanted(operation)` holds.
    template <class Wanted>
    [[nodiscard]] std::vector<Operation> take_if(Wanted wanted) {
        std::vector<Operation> taken;
        for (auto it = operations_.begin(); it != operations_.end();) {
            const auto here = it++;
            if (wanted(here->second.operation))
                taken.push_back(std::move(operations_.extract(here).mapped().operation));
        }
        return taken;
    }

    /// Takes out everything whose time has come.
    [[nodiscard]] std::vector<Operation> take_expired(std::uint64_t now_ms) {
        std::vector<Operation> expired;
        while (!operations_.empty() && operations_.begin()->second.deadline_ms <= now_ms)
            expired.push_back(std::move(operations_.extract(operations_.begin()).mapped().operation));
        return expired;
    }

 private:
    struct Waiting {
        std::uint64_t deadline_ms;
        Operation operation;
    };

    std::map<OperationId, Waiting> operations_;  ///< the later begun, the later due
    OperationId next_id_;
    std::uint64_t timeout_ms_;
};

}  // namespace quorate::server
