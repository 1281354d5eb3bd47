#include "server/told_members.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "server/first_members.h"
#include "server/log_line.h"
#include "server/snapshot_keeper.h"
#include "wal/entry_reader.h"
#include "wal/notice.h"
#include "wal/survey.h"

namespace quorate::server {

using engine::LogIndex;

namespace {

enum class Preferred : std::uint8_t { WhatIsThere, WhatWasSetAside };

// A directory as it was before its log, or a part of it, was set aside by a start that a crash has ended.
class BeforeSetAside final : public wal::DiskReader {
 public:
    BeforeSetAside(wal::DiskReader& disk, Preferred preferred) : disk_(disk), preferred_(preferred) {}

    std::expected<std::vector<wal::FileStatus>, wal::DiskFailure> list() override {
        auto files = disk_.list();
        if (!files) return files;
        file_of_.clear();
        std::map<std::string, wal::FileStatus> listed;
        for (wal::FileStatus& file : *files) {
            std::string name = file.name;
            const bool was_set_aside = name.starts_with(wal::kDamagedPrefix);
            if (was_set_aside) name.erase(0, wal::kDamagedPrefix.size());
            if (listed.contains(name) && was_set_aside != (preferred_ == Preferred::WhatWasSetAside))
                continue;
            file_of_[name] = std::exchange(file.name, name);
            listed[name] = std::move(file);
        }
        files->clear();
        for (auto& [name, file] : listed) files->push_back(std::move(file));
        return files;
    }
    std::expected<void, wal::DiskFailure> read(std::string_view file, std::uint64_t offset,
                                               std::span<char> out) override {
        const auto found = file_of_.find(std::string(file));
        return disk_.read(found != file_of_.end() ? found->second : file, offset, out);
    }

 private:
    wal::DiskReader& disk_;
    Preferred preferred_;
    std::map<std::string, std::string> file_of_;  ///< by the name that it had
};

std::optional<ToldMembers> told_by(wal::DiskReader& disk) {
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

}  // namespace

std::optional<ToldMembers> told_members(wal::DiskReader& disk) {
    for (const Preferred preferred : {Preferred::WhatIsThere, Preferred::WhatWasSetAside}) {
        BeforeSetAside before(disk, preferred);
        if (auto told = told_by(before)) return told;
    }
    return std::nullopt;
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
