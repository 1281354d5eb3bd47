#include "server/node_digest.h"

#include <fmt/format.h>

#include "server/hash.h"
#include "server/node.h"

namespace quorate::server {

namespace {

// Measured with g++ 12 -O2: 1.6 ns an entry of the log's shape; up to 0.2 us a key of the store, and 0.1 ns a
// byte of it.
constexpr std::uint64_t kEntriesCheapMax = 500'000;
constexpr std::uint64_t kKeysCheapMax = 1000;
constexpr std::uint64_t kBytesCheapMax = std::uint64_t{1} << 20;
constexpr std::uint64_t kTimesForFull = 1000;

NodeDigest indexes(const Node& node, const AppliedChain& chain) {
    NodeDigest digest;
    digest.term = node.raft().current_term().value;
    digest.commit_index = node.raft().commit_index().value;
    digest.applied_index = node.applied_index().value;
    digest.revision = node.store().revision();
    digest.applied_chain = chain.value();
    return digest;
}

std::string differs(std::string_view what, std::uint64_t recorded, std::uint64_t replayed) {
    return fmt::format("{} recorded {:#x}, replayed {:#x}", what, recorded, replayed);
}

}  // namespace

void AppliedChain::add(engine::LogIndex index, const wal::LogEntry& entry) {
    digest_.add(index.value)
        .add(entry.term.value)
        .add(static_cast<std::uint64_t>(entry.kind))
        .add(hash64(entry.payload));
}

NodeDigest digest_of(const Node& node, const AppliedChain& chain, DigestDepth depth) {
    const std::uint64_t times = depth == DigestDepth::Full ? kTimesForFull : 1;
    const StateMachine& store = node.store();
    NodeDigest digest = indexes(node, chain);
    const engine::LogShape& log = node.raft().log();
    if (log.last_index().past(log.base().index) <= kEntriesCheapMax * times)
        digest.engine = node.raft().digest();
    if (store.size() <= kKeysCheapMax * times && store.bytes() <= kBytesCheapMax * times)
        digest.store = store.digest();
    return digest;
}

NodeDigest digest_of(const Node& node, const AppliedChain& chain, const NodeDigest& like) {
    NodeDigest digest = indexes(node, chain);
    if (like.engine) digest.engine = node.raft().digest();
    if (like.store) digest.store = node.store().digest();
    return digest;
}

std::string difference(const NodeDigest& recorded, const NodeDigest& replayed) {
    if (recorded.term != replayed.term)
        return fmt::format("term: recorded {}, replayed {}", recorded.term, replayed.term);
    if (recorded.commit_index != replayed.commit_index)
        return fmt::format("commit index: recorded {}, replayed {}", recorded.commit_index,
                           replayed.commit_index);
    if (recorded.applied_index != replayed.applied_index)
        return fmt::format("applied index: recorded {}, replayed {}", recorded.applied_index,
                           replayed.applied_index);
    if (recorded.applied_chain != replayed.applied_chain)
        return differs("digest of the applied entries:", recorded.applied_chain, replayed.applied_chain);
    if (recorded.revision != replayed.revision)
        return fmt::format("revision: recorded {}, replayed {}", recorded.revision, replayed.revision);
    if (recorded.engine != replayed.engine)
        return differs("digest of the engine:", recorded.engine.value_or(0), replayed.engine.value_or(0));
    if (recorded.store != replayed.store)
        return differs("digest of the store:", recorded.store.value_or(0), replayed.store.value_or(0));
    return {};
}

}  // namespace quorate::server
