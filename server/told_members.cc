#include "server/told_members.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "server/first_members.h"
#include "server/log_line.h"
#include "server/snapshot_keeper.h"
#include "wal/copies.h"
#include "wal/entry_reader.h"
#include "wal/notice.h"
#include "wal/segment_walk.h"
#include "wal/survey.h"

namespace quorate::server {

using engine::LogIndex;
using engine::ServerId;

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
            // Whoever sets aside writes a vote that tells no term, where that is lost: it would bound the
            // log's.
            if (preferred_ == Preferred::WhatWasSetAside && name.starts_with(wal::kVoteName)) continue;
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

using Told = std::expected<WhatIsTold, wal::Refusal>;

class Listener {
 public:
    void hear(LogIndex index, const ClusterMembers& members) {
        note(members);
        if (!told_) told_ = ToldMembers{members, members, {}};
        if (index < newest_index_) return;
        newest_index_ = index;
        told_->newest = members;
    }
    // Where in the log it stands may not be known.
    void note(const ClusterMembers& members) {
        lineage_ = std::max(lineage_, members.lineage);
        for (const Member& member : members.members) {
            if (members.membership().is_voter(member.id)) voters_.insert(member.id);
        }
        removed_.insert(members.removed.begin(), members.removed.end());
    }
    [[nodiscard]] bool has_heard() const { return told_.has_value(); }
    [[nodiscard]] std::optional<ToldMembers> told() {
        if (!told_) return std::nullopt;
        told_->first.lineage = lineage_;
        std::ranges::set_difference(voters_, removed_, std::inserter(told_->voters, told_->voters.end()));
        return told_;
    }

 private:
    std::optional<ToldMembers> told_;
    LogIndex newest_index_;
    std::uint64_t lineage_ = 0;
    std::set<ServerId> voters_;
    std::set<ServerId> removed_;
};

Told told_by(wal::DiskReader& disk, const NodeConfig& config) {
    Listener listener;
    const auto seen = wal::survey(disk, [&](engine::EntryKind kind, std::string_view payload) {
        if (kind == engine::EntryKind::Membership) {
            if (const auto members = decode_members(payload)) listener.note(*members);
        }
        return is_known_payload(kind, payload);
    });
    if (!seen) return WhatIsTold{};  // it holds nothing
    const wal::Identity self{config.cluster_id, config.self.name};
    if (const auto& identity = seen->copies.identity; identity && *identity != self)
        return std::unexpected(
            wal::Refusal{wal::RefusalCode::WrongIdentity, wal::belongs_to_another(*identity, self)});
    for (const wal::SnapshotMeta& snapshot : seen->snapshots) {
        SnapshotLoader loader(disk, snapshot);
        if (!loader.load_chunk()) continue;
        listener.hear({}, loader.head().first_members);
        listener.hear(loader.head().members_index, loader.head().members);
    }
    for (const LogIndex index : seen->log.memberships) {
        // Of a log that begins behind a snapshot, nothing before that is told here.
        if (index > LogIndex(1) && !listener.has_heard()) break;
        const auto entries = wal::read_entries(disk, seen->log.index, seen->log.segments, index, index, 1);
        const auto members = entries ? decode_members(entries->front().payload) : std::nullopt;
        if (!members) break;
        listener.hear(index, *members);
    }
    const auto unread = std::ranges::find(seen->findings, wal::FindingKind::Unreadable, &wal::Finding::kind);
    if (!listener.has_heard() && unread != seen->findings.end())
        return std::unexpected(
            wal::Refusal{wal::RefusalCode::IoFailed, fmt::format("{}: {}", unread->file, unread->what)});
    const auto vote = seen->copies.vote();
    return WhatIsTold{listener.told(), !vote || vote->lost == wal::Lost::TermAndEntries};
}

}  // namespace

Told what_is_told(wal::DiskReader& disk, const NodeConfig& config) {
    BeforeSetAside now(disk, Preferred::WhatIsThere);
    auto told = told_by(now, config);
    if (!told || told->members) return told;
    BeforeSetAside before(disk, Preferred::WhatWasSetAside);
    auto told_before = told_by(before, config);
    if (told_before) told_before->is_vote_lost = told->is_vote_lost;
    return told_before;
}

std::string restored_advice(const ClusterMembers& first, ServerId self) {
    if (first.find(self) != nullptr && first.members.size() > 2)
        return "its cluster began with a backup: keep this directory as it is, and start the node on an "
               "empty one with --restore, the same backup, --recover-from-peers, and --peers, the members "
               "that the cluster began with. See docs/operations.md, Backup and restore";
    return "its cluster began with a backup, without this node or with one other at most, so that it can not "
           "begin with that again: keep this directory as it is, remove the node from the cluster, and let "
           "another one join under another name; if the rest are no majority, see docs/operations.md, When "
           "the majority is lost";
}

std::optional<wal::Refusal> refusal_to_begin_anew(const NodeConfig& config, const WhatIsTold& told) {
    const auto refuse = [](wal::RefusalCode code, std::string why) {
        return wal::Refusal{code, std::string(kRecoverFlag) + ": " + std::move(why)};
    };
    const ServerId self = config.self.id;
    const auto damage = told.is_vote_lost ? wal::RefusalCode::MetaUnreadable : wal::RefusalCode::Damage;
    if (const auto& members = told.members) {
        const ClusterMembers& first = members->first;
        if (first.origin != 0) return refuse(damage, restored_advice(first, self));
        if (auto why = other_first_members(config.members, first, members->newest))
            return wal::Refusal{wal::RefusalCode::WrongIdentity, std::move(*why)};
        if (members->newest.has_removed(self))
            return refuse(wal::RefusalCode::Configuration,
                          "this node was removed from its cluster, and has nothing to recover");
        if (std::ranges::none_of(members->voters, [self](ServerId id) { return id != self; }))
            return refuse(
                damage,
                "no other voter of this node's cluster is named here: one that is alone has nobody to "
                "recover from. Keep this directory as it is; see docs/operations.md, A node that is alone");
    }
    // Who has lost its vote keeps silent until a majority of those has told their terms: node_recovery.cc.
    const ClusterMembers& first = told.members ? told.members->first : config.members;
    const auto voters = first.membership().voters;
    const auto others =
        static_cast<std::size_t>(std::ranges::count_if(voters, [&](ServerId id) { return id != self; }));
    if (!told.members && others == 0)
        return refuse(wal::RefusalCode::Configuration,
                      "nothing here tells which members this node's cluster has: name those that it began "
                      "with by --peers. A node that is alone has nobody to recover from, and in the place of "
                      "one that came by --join and has lost its directory another one joins, under another "
                      "name");
    if (told.is_vote_lost && 2 * others <= voters.size())
        return refuse(
            wal::RefusalCode::MetaUnreadable,
            "this node has lost its vote, and the others that its cluster began with are too few to "
            "tell in which terms it may have voted: remove it from the cluster, and let another one "
            "join under another name; where the rest are no majority, see docs/operations.md, When the "
            "majority is lost");
    return std::nullopt;
}

}  // namespace quorate::server
