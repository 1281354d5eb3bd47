#pragma once

// What clients wait for, each with the deadline at which it is answered anyway.

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace quorate::server {

using OperationId = std::uint64_t;

/// Operations in flight, by id, in the order of their beginning. Every operation has the same time, so the
/// oldest is always the next to expire.
template <class Operation>
class Operations {
 public:
    /// Ids count up from `first_id`, and are never reused.
    Operations(OperationId first_id, std::uint64_t timeout_ms)
        : next_id_(first_id), timeout_ms_(timeout_ms) {}

    [[nodiscard]] bool empty() const { return operations_.empty(); }
    [[nodiscard]] std::size_t size() const { return operations_.size(); }

    OperationId add(Operation operation, std::uint64_t now_ms) {
        const OperationId id = next_id_++;
        operations_.emplace(id, std::move(operation));
        deadlines_.push_back({now_ms + timeout_ms_, id});
        return id;
    }

    /// Null when it has been answered.
    [[nodiscard]] Operation* find(OperationId id) {
        const auto found = operations_.find(id);
        return found == operations_.end() ? nullptr : &found->second;
    }

    [[nodiscard]] std::optional<Operation> take(OperationId id) {
        auto node = operations_.extract(id);
        if (node.empty()) return std::nullopt;
        return std::move(node.mapped());
    }

    /// Takes out everything for which `wanted(operation)` holds.
    template <class Wanted>
    [[nodiscard]] std::vector<Operation> take_if(Wanted wanted) {
        std::vector<Operation> taken;
        for (auto it = operations_.begin(); it != operations_.end();) {
            const auto here = it++;
            if (wanted(here->second)) taken.push_back(std::move(operations_.extract(here).mapped()));
        }
        return taken;
    }

    /// Takes out everything whose time has come.
    [[nodiscard]] std::vector<Operation> take_expired(std::uint64_t now_ms) {
        std::vector<Operation> expired;
        while (!deadlines_.empty() && deadlines_.front().at_ms <= now_ms) {
            const OperationId id = deadlines_.front().id;
            deadlines_.pop_front();
            if (auto operation = take(id)) expired.push_back(std::move(*operation));
        }
        return expired;
    }

 private:
    struct Deadline {
        std::uint64_t at_ms;
        OperationId id;
    };

    std::map<OperationId, Operation> operations_;
    std::deque<Deadline> deadlines_;  ///< ascending; those of answered operations stay until their time
    OperationId next_id_;
    std::uint64_t timeout_ms_;
};

}  // namespace quorate::server
