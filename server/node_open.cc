// Where a node begins: on what its directory holds, or at the first entry of a new cluster.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/check.h"
#include "server/first_members.h"
#include "server/forced_members.h"
#include "server/node.h"
#include "server/refusal_text.h"
#include "server/told_members.h"

namespace quorate::server {

using engine::LogIndex;

namespace {

std::string began_empty(const NodeConfig& config) {
    return fmt::format(
        "the data directory was empty: it is now that of '{}', a member of a new cluster of {}. If '{}' was "
        "a "
        "member of this cluster before, stop it: it has forgotten its votes and what it acknowledged; see "
        "docs/operations.md, A node of a cluster",
        config.self.name, config.members.members.size(), config.self.name);
}

// Why a log without entries must not begin as that of a new cluster.
std::optional<wal::Refusal> refusal_of_empty(const NodeConfig& config, engine::Term term, bool is_lost,
                                             bool knows_cluster) {
    if (!is_lost && term > kFirstHardState.current_term) {
        return wal::Refusal{
            wal::RefusalCode::Damage,
            fmt::format("the log is empty, yet its node has been in term {}: entries are missing: {}",
                        term.value, wal::kLostDirectoryAdvice)};
    }
    if (!config.gives_up.empty()) {
        return wal::Refusal{wal::RefusalCode::Configuration,
                            "--force-new-cluster: the log is empty: use the directory of a survivor"};
    }
    if (config.has_joined == 0 || knows_cluster) return std::nullopt;
    return wal::Refusal{
        wal::RefusalCode::Configuration,
        "the first start with --join was interrupted before the log was there: empty the data "
        "directory, and start again with --join"};
}

bool has_lost_entries(const wal::Recovered& recovered) {
    return recovered.lost == wal::Lost::Entries || recovered.lost == wal::Lost::TermAndEntries;
}

// Before anything is set aside, and again where that was done by a start that a crash has ended before its
// first entry.
std::expected<void, wal::Refusal> may_begin_anew(const NodeConfig& config, wal::DiskReader& disk,
                                                 std::optional<ToldMembers>& told) {
    auto heard = what_is_told(disk, config);
    if (!heard) return std::unexpected(std::move(heard.error()));
    if (auto why = refusal_to_begin_anew(config, *heard)) return std::unexpected(std::move(*why));
    told = std::move(heard->members);
    return {};
}

std::expected<wal::Opened, wal::Refusal> open_log(const NodeConfig& config, wal::Disk& disk,
                                                  std::optional<ToldMembers>& told) {
    // A survivor that is forced goes on with what it has, or not at all.
    const bool may_recover = config.recovers_from_peers != 0 && config.gives_up.empty();
    wal::LogOptions options{{config.cluster_id, config.self.name},
                            config.segment_bytes,
                            config.log_salt,
                            may_recover,
                            !config.gives_up.empty()};
    options.may_begin_anew = [&] { return may_begin_anew(config, disk, told); };
    return wal::Log::open(disk, options);
}

// With the first entry of its cluster: as what is left tells it, or as the flags do.
std::expected<void, wal::Refusal> begin_log(const NodeConfig& config, wal::Disk& disk,
                                            std::optional<ToldMembers>& told, wal::Opened& opened,
                                            Environment& environment) {
    wal::Recovered& recovered = opened.recovered;
    const bool is_lost = has_lost_entries(recovered);
    if (is_lost && !told) {
        if (auto asked = may_begin_anew(config, disk, told); !asked) return asked;
    }
    if (auto why = refusal_of_empty(config, recovered.hard_state.current_term, is_lost, told.has_value()))
        return std::unexpected(std::move(*why));
    const wal::LogEntry first = first_entry(told ? told->first : config.members);
    if (recovered.hard_state.current_term < kFirstHardState.current_term)
        recovered.hard_state = kFirstHardState;
    if (auto written = opened.log->bootstrap(recovered.hard_state, first); !written)
        return std::unexpected(written.error());
    const bool joins = config.members.find(config.self.id) == nullptr;
    if (!is_lost && !joins && config.members.members.size() > 1)
        environment.log(LogLevel::Warning, began_empty(config));
    recovered.entries.push_back(first.shape());
    recovered.memberships.emplace_back(1);
    return {};
}

// Who is alone has nobody to ask, and who starts the node may know better. Absent: what is lost stays so.
std::optional<std::string_view> end_of_doubt(const NodeConfig& config, wal::Lost lost,
                                             const ClusterMembers& members) {
    const bool is_told = config.takes_tail_for_torn != 0;
    const engine::Membership membership = members.membership();
    if (lost == wal::Lost::LastBatch && membership.voters == std::vector{config.self.id} &&
        !membership.is_joint())
        return "the last write was cut off, and may have been acknowledged: no other node can tell, so this "
               "one "
               "goes on without it";
    if (lost == wal::Lost::LastBatch && is_told)
        return "the last write was cut off, and is taken for torn, as --accept-torn-tail says: leave the "
               "flag out "
               "from the next start on";
    if (lost == wal::Lost::Nothing && is_told)
        return "no write is in doubt: leave --accept-torn-tail out, or the next doubt is passed over";
    return std::nullopt;
}

}  // namespace

std::expected<std::unique_ptr<Node>, wal::Refusal> Node::open(const NodeConfig& config, wal::Disk& disk,
                                                              Environment& environment) {
    std::optional<ToldMembers> told;
    auto opened = open_log(config, disk, told);
    if (!opened) return std::unexpected(opened.error());
    wal::Recovered& recovered = opened->recovered;
    for (const std::string& warning : recovered.warnings) environment.log(LogLevel::Warning, warning);

    const bool is_empty = recovered.entries.empty() && recovered.snapshots.empty();
    const bool is_lost = has_lost_entries(recovered);
    if (is_empty) {
        if (auto begun = begin_log(config, disk, told, *opened, environment); !begun)
            return std::unexpected(begun.error());
    }

    engine::InitialState initial;
    initial.may_have_heard_leader = !is_empty || is_lost;
    initial.hard_state = recovered.hard_state;
    KnownMembers known;
    if (recovered.base.index == LogIndex{}) {
        const auto entries = opened->log->read(LogIndex(1), LogIndex(1), wal::kPayloadBytesMax);
        if (!entries) return std::unexpected(entries.error());
        if (auto first = decode_members(entries->front().payload)) known.first = std::move(*first);
    }
    if (auto read = read_base(disk, recovered, config.self.id, environment, initial.snapshot, known); !read)
        return std::unexpected(read.error());
    if (!known.at.empty()) {
        const auto& [index, members] = *known.at.begin();
        initial.snapshot_membership = engine::MembershipAt{index, members.membership()};
    }
    initial.commit_index = recovered.commit_index;
    std::vector<engine::MembershipAt> memberships;
    for (const LogIndex index : recovered.memberships) {
        if (index <= initial.snapshot.index) continue;
        auto entries = opened->log->read(index, index, wal::kPayloadBytesMax);
        if (!entries) return std::unexpected(entries.error());
        auto members = decode_members(entries->front().payload);
        if (!members) return std::unexpected(unreadable_entry(index, "list of members"));
        memberships.push_back({index, members->membership()});
        known.at[index] = std::move(*members);
    }
    // What is lost may have told of members that joined since.
    if (const auto why = is_lost
                             ? std::nullopt
                             : other_first_members(config.members, known.first, known.at.rbegin()->second))
        return std::unexpected(wal::Refusal{wal::RefusalCode::WrongIdentity, *why});
    if (auto done = force(config, *opened, initial, memberships, known, environment); !done)
        return std::unexpected(done.error());
    initial.entries = std::span(recovered.entries).subspan(initial.snapshot.index.past(recovered.base.index));
    initial.memberships = memberships;
    if (const auto word = end_of_doubt(config, recovered.lost, known.at.rbegin()->second)) {
        environment.log(LogLevel::Warning, *word);
        recovered.lost = wal::Lost::Nothing;
        opened->log->set_lost(recovered.lost);
    }
    if (is_lost) initial.missing = engine::Missing::Entries;
    if (recovered.lost == wal::Lost::LastBatch) initial.missing = engine::Missing::LastBatch;
    return std::unique_ptr<Node>(
        new Node(config, disk, environment, std::move(*opened), initial, std::move(known)));
}

// What the engine writes next, without which it does nothing, is durable only when this is.
std::expected<void, wal::Refusal> Node::force(const NodeConfig& config, wal::Opened& opened,
                                              engine::InitialState& initial,
                                              std::vector<engine::MembershipAt>& memberships,
                                              KnownMembers& known, Environment& environment) {
    wal::Recovered& recovered = opened.recovered;
    engine::EntryId last{recovered.base.index.plus(recovered.entries.size()), recovered.base.term};
    if (!recovered.snapshots.empty()) last.term = recovered.snapshots.back().last.term;
    if (!recovered.entries.empty()) last.term = recovered.entries.back().term;
    const ClusterMembers& newest = known.at.rbegin()->second;
    const auto forced = forced_members(config, newest, known.lineage(), last, recovered.lost);
    if (!forced) return std::unexpected(forced.error());
    const std::optional<ClusterMembers>& alone = *forced;
    if (!alone) return {};
    // Others may have led in it: their entries never meet this one, for the lineages differ.
    initial.hard_state = {std::max(initial.hard_state.current_term, last.term).next(), engine::kNobody};
    const wal::LogEntry entry{initial.hard_state.current_term, engine::EntryKind::Membership,
                              encode_members(*alone)};
    const LogIndex index = last.index.next();
    environment.log(
        LogLevel::Warning,
        fmt::format("--force-new-cluster: from entry {} on this node is a cluster of its own. What "
                    "only {} had acknowledged is lost. Stop them for good, and never start their "
                    "directories again; leave the flag out from the next start on",
                    index.value, config.gives_up));
    opened.log->persist({}, initial.hard_state, {}, index, std::span(&entry, 1));
    recovered.entries.push_back(entry.shape());
    memberships.push_back({index, alone->membership()});
    known.at[index] = *alone;
    return {};
}

Node::Node(const NodeConfig& config, wal::Disk& disk, Environment& environment, wal::Opened opened,
           const engine::InitialState& initial, KnownMembers known_members)
    : config_(config),
      environment_(environment),
      log_(std::move(opened.log)),
      raft_(config.raft, initial),
      cache_(raft_.log().last_index().next()),
      known_members_(std::move(known_members)),
      lease_(config.clock_drift_ppm == 0 ? 0 : lease_ms(config.raft, config.tick_ms, config.clock_drift_ppm)),
      lost_{.what = opened.recovered.lost,
            .damaged = std::move(opened.recovered.damaged),
            .own_term = raft_.current_term()},
      snapshots_(disk, {config.cluster_id, config.self.name}, std::move(opened.recovered.snapshots),
                 std::move(opened.recovered.useless)),
      disk_(disk),
      commit_index_(raft_.commit_index()),
      replay_through_(raft_.log().last_index()),
      serves_from_(std::max(commit_index_, LogIndex(1))),
      operations_(config.incarnation, config.operation_timeout_ms),
      nodes_queries_(config.incarnation, config.health_timeout_ms),
      next_request_(config.incarnation),
      history_window_(config.history),
      answers_window_(config.answers) {
    ENGINE_CHECK(config.incarnation > kNobodysOperation);
    if (!snapshots_.kept().empty()) loading_.emplace(disk_, snapshots_.kept().back());
    // Who joins a cluster of a new lineage is to have it from the snapshot already.
    if (!config.gives_up.empty()) bytes_since_snapshot_ = config.snapshots.bytes_max;
    if (!is_recovering()) snapshots_.remove(std::exchange(lost_.damaged, {}));
    adopt_members();
    for (const std::string& line : other_addresses(config_.members, members_))
        environment_.log(LogLevel::Warning, line);
}

// Behind the oldest snapshot that the log on disk reaches back to, so that there is a tail for slow
// followers, and should the newest be damaged, for us.
std::expected<void, wal::Refusal> Node::read_base(wal::Disk& disk, wal::Recovered& recovered,
                                                  engine::ServerId self, Environment& environment,
                                                  engine::EntryId& base, KnownMembers& known) {
    auto& snapshots = recovered.snapshots;
    if (recovered.base.index == LogIndex{}) {
        if (known.first.origin == 0) return {};  // the log has everything
        if (snapshots.empty()) {
            return std::unexpected(wal::Refusal{
                wal::RefusalCode::Damage,
                fmt::format("{}: expected the snapshot that this directory was restored with, or "
                            "a later one, seen none: {}",
                            wal::snapshot_name(LogIndex(1)), restored_advice(known.first, self))});
        }
    }
    const auto drop_oldest = [&] {
        recovered.useless.push_back(wal::snapshot_name(snapshots.front().last.index));
        snapshots.erase(snapshots.begin());
    };
    while (snapshots.front().last.index < recovered.base.index) drop_oldest();
    for (;;) {
        SnapshotLoader first_chunk(disk, snapshots.front());
        const auto loaded = first_chunk.load_chunk();
        if (loaded) {
            const SnapshotHead& head = first_chunk.head();
            base = snapshots.front().last;
            known.first = head.first_members;
            known.at[head.members_index] = head.members;
            return {};
        }
        if (snapshots.size() == 1 || wal::is_unread(loaded.error()))
            return std::unexpected(wal::refusal(loaded.error()));
        environment.log(LogLevel::Warning,
                        fmt::format("{}: not used: {}", loaded.error().file, loaded.error().what));
        drop_oldest();
    }
}

}  // namespace quorate::server
