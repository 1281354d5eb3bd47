#include "server/told_members.h"

#include <algorithm>
#include <utility>

#include "server/first_members.h"
#include "server/log_line.h"
#include "server/snapshot_keeper.h"
#include "wal/entry_reader.h"
#include "wal/survey.h"

namespace quorate::server {

using engine::LogIndex;

std::optional<ToldMembers> told_members(wal::DiskReader& disk) {
    const auto seen = wal::survey(disk, is_known_payload);
    if (!seen) return std::nullopt;
    std::optional<ToldMembers> told;
    std::uint64_t lineage = 0;
    const auto hear = [&](const ClusterMembers& members) {
        if (!told) told = ToldMembers{members, members};
        told->newest = members;
        lineage = std::max(lineage, members.lineage);
    };
    for (const wal::SnapshotMeta& snapshot : seen->snapshots) {
        SnapshotLoader loader(disk, snapshot);
        if (!loader.load_chunk()) continue;
        hear(loader.head().first_members);
        hear(loader.head().members);
    }
    for (const LogIndex index : seen->log.memberships) {
        // Of a log that begins behind a snapshot, nothing before that is told here.
        if (index > LogIndex(1) && !told) break;
        const auto entries = wal::read_entries(disk, seen->log.index, seen->log.segments, index, index, 1);
        const auto members = entries ? decode_members(entries->front().payload) : std::nullopt;
        if (!members) break;
        hear(*members);
    }
    if (told) told->first.lineage = lineage;
    return told;
}

std::optional<wal::Refusal> refusal_to_begin_anew(const NodeConfig& config,
                                                  const std::optional<ToldMembers>& told) {
    if (told && told->first.origin != 0)
        return wal::Refusal{wal::RefusalCode::Damage, std::string(kRestoredAdvice)};
    if (told) {
        if (auto why = other_first_members(config.members, told->first, told->newest))
            return wal::Refusal{wal::RefusalCode::WrongIdentity, std::move(*why)};
    } else if (config.members.members.size() == 1) {
        return wal::Refusal{wal::RefusalCode::Configuration,
                            "--recover-from-peers: nothing here tells which members this node's cluster has: "
                            "name those that it began with by --peers; a node that is alone has nobody to "
                            "recover from"};
    }
    return std::nullopt;
}

}  // namespace quorate::server
