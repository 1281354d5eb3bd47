#pragma once

// What two runs of a node are compared by.

#include <cstdint>
#include <optional>
#include <string>

#include "engine/digest.h"
#include "engine/types.h"
#include "wal/entry.h"

namespace quorate::server {

class Node;

/// Of every entry that a node has applied, in order.
class AppliedChain {
 public:
    void add(engine::LogIndex index, const wal::LogEntry& entry);
    [[nodiscard]] std::uint64_t value() const { return digest_.value(); }

 private:
    engine::Digest digest_;
};

struct NodeDigest {
    std::uint64_t term = 0;
    std::uint64_t commit_index = 0;
    std::uint64_t applied_index = 0;
    std::uint64_t revision = 0;
    std::uint64_t applied_chain = 0;
    std::optional<std::uint64_t> engine;  ///< Raft::digest(): a pass over the shape of the log
    std::optional<std::uint64_t> store;   ///< StateMachine::digest(): a pass over all keys and values

    bool operator==(const NodeDigest&) const = default;
};

/// Which of the passes over everything are made.
enum class DigestDepth : std::uint8_t {
    Cheap,  ///< those that take less than about a millisecond
    Full,   ///< those that take less than about a second
};

[[nodiscard]] NodeDigest digest_of(const Node& node, const AppliedChain& chain, DigestDepth depth);
/// With the passes that `like` has.
[[nodiscard]] NodeDigest digest_of(const Node& node, const AppliedChain& chain, const NodeDigest& like);

/// The first part that differs, with both values; empty when all are equal.
[[nodiscard]] std::string difference(const NodeDigest& recorded, const NodeDigest& replayed);

}  // namespace quorate::server
