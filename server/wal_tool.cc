#include "server/wal_tool.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "server/backup.h"
#include "server/command.h"
#include "server/members.h"
#include "server/snapshot_codec.h"
#include "server/snapshot_keeper.h"
#include "server/state_machine.h"
#include "wal/entry_reader.h"
#include "wal/intact_end.h"
#include "wal/snapshot_file.h"
#include "wal/survey.h"

namespace quorate::server {

using engine::LogIndex;

namespace {

/// Of the log, read at once.
constexpr std::uint64_t kReadBytesMax = 1U << 20;

std::string_view text_of(wal::FindingKind kind) {
    switch (kind) {
        case wal::FindingKind::Damage: return "damaged";
        case wal::FindingKind::Unfinished: return "being written or torn";
        case wal::FindingKind::UnknownFormat: return "unknown format";
        case wal::FindingKind::Unreadable: return "cannot be read";
    }
    std::unreachable();
}

std::string line_of(const wal::Finding& finding) {
    std::string what = fmt::format("{}: {}", text_of(finding.kind), finding.what);
    if (finding.file.empty()) return what;
    std::string line = fmt::format("{}: offset {}: {}", finding.file, finding.offset, what);
    if (!finding.behind || finding.behind->index == LogIndex{}) return line;
    return fmt::format("{}, behind entry {} (term {})", line, finding.behind->index.value,
                       finding.behind->term.value);
}

bool has_lost_entries(const wal::Survey& survey) {
    const auto vote = survey.copies.vote();
    return vote && (vote->lost == wal::Lost::Entries || vote->lost == wal::Lost::TermAndEntries);
}

WalToolExit exit_for(const wal::Survey& survey) {
    if (survey.has(wal::FindingKind::Damage) || has_lost_entries(survey)) return WalToolExit::Damaged;
    const bool is_seen_in_part =
        survey.has(wal::FindingKind::UnknownFormat) || survey.has(wal::FindingKind::Unreadable);
    return is_seen_in_part ? WalToolExit::Unreadable : WalToolExit::Sound;
}

std::optional<wal::Survey> survey(wal::DiskReader& disk, const WalToolOutput& output) {
    auto surveyed = wal::survey(disk, is_known_payload);
    if (surveyed) return std::move(*surveyed);
    output.remark(line_of(surveyed.error()));
    return std::nullopt;
}

// Empty: nothing is.
std::string what_is_lost(const wal::Survey& survey) {
    const auto vote = survey.copies.vote();
    if (!vote || vote->lost == wal::Lost::Nothing) return {};
    return "this node has lost something of its log, and gets it from the other nodes when it runs: what is "
           "here "
           "need not be all";
}

// For who asked for something else: what is wrong with its source.
void remark_findings(const wal::Survey& survey, const WalToolOutput& output) {
    if (const std::string lost = what_is_lost(survey); !lost.empty()) output.remark(lost);
    for (const wal::Finding& finding : survey.findings) output.remark(line_of(finding));
}

void remark_findings_and_end(const wal::Survey& survey, const WalToolOutput& output) {
    remark_findings(survey, output);
    if (!survey.has(wal::FindingKind::Damage)) return;
    const engine::EntryId last = survey.log.last();
    output.remark(fmt::format("the log is taken as far as it is intact: through entry {} (term {})",
                              last.index.value, last.term.value));
}

template <class Ordinal>
std::string range_text(Ordinal first, Ordinal last) {
    return first == last ? std::to_string(first.value) : fmt::format("{}-{}", first.value, last.value);
}

std::string entries_text(const wal::ScannedLog& log) {
    if (log.entries.empty()) return "no entries";
    return fmt::format("entries {}, terms {}", range_text(log.base.index.next(), log.last().index),
                       range_text(log.entries.front().term, log.entries.back().term));
}

// A line for the snapshot; its chunks are read one by one.
std::string line_of(wal::DiskReader& disk, const wal::SnapshotMeta& snapshot) {
    std::string line =
        fmt::format("snapshot: through entry {} (term {}), {} chunks, {} bytes, ", snapshot.last.index.value,
                    snapshot.last.term.value, snapshot.chunks, snapshot.bytes);
    wal::SnapshotReader reader(disk, snapshot);
    std::optional<SnapshotHead> head;
    std::uint64_t keys = 0;
    while (reader.number() < snapshot.chunks) {
        const auto chunk = reader.next();
        if (!chunk) return line + "damaged\n";
        if (!head) {
            head = decode_snapshot_head(*chunk);
            if (!head) return line + "of a version that this program cannot read\n";
            continue;
        }
        keys += count_snapshot_keys(*chunk).value_or(0);
    }
    return line + fmt::format("{} keys, revision {}\n", keys, head ? head->revision : 0);
}

std::string_view text_of(wal::Lost lost) {
    switch (lost) {
        case wal::Lost::Nothing: return "";
        case wal::Lost::Entries: return ", entries lost";
        case wal::Lost::TermAndEntries: return ", term and entries lost";
        case wal::Lost::LastBatch: return ", last write in doubt";
    }
    std::unreachable();
}

std::string inspection(wal::DiskReader& disk, const wal::Survey& survey) {
    std::string out;
    if (const auto& identity = survey.copies.identity)
        out += fmt::format("directory: node '{}' of cluster '{}'\n", identity->node_id, identity->cluster_id);
    if (const auto vote = survey.copies.vote()) {
        const engine::ServerId voted_for = vote->hard_state.voted_for;
        out += fmt::format(
            "vote: term {}, voted for {}, change {}{}; log durable through {} offset {}, committed through "
            "entry "
            "{}\n",
            vote->hard_state.current_term.value,
            voted_for == engine::kNobody ? std::string("nobody") : std::to_string(voted_for.value),
            vote->sequence, text_of(vote->lost), wal::segment_name(vote->mark.sequence), vote->mark.offset,
            vote->commit_index.value);
    }
    std::uint64_t payload_bytes = 0;
    for (const engine::EntryShape& entry : survey.log.entries) payload_bytes += entry.bytes;
    for (const wal::SnapshotMeta& snapshot : survey.snapshots) out += line_of(disk, snapshot);
    out += fmt::format("log: {}, {} bytes of content\n\n", entries_text(survey.log), payload_bytes);

    constexpr std::string_view kRow = "{:<22}  {:>12}  {:>12}  {:>10}  {:>8}  {:<21}  {}\n";
    out +=
        fmt::format(fmt::runtime(kRow), "file", "bytes", "used", "records", "replaced", "entries", "terms");
    for (const wal::SegmentSummary& segment : survey.segments) {
        const bool has_records = segment.records > 0;
        out += fmt::format(fmt::runtime(kRow), wal::segment_name(segment.sequence), segment.file_bytes,
                           segment.end, segment.records, segment.replacements,
                           has_records ? range_text(segment.index_min, segment.index_max) : "-",
                           has_records ? range_text(segment.term_min, segment.term_max) : "-");
    }
    for (const wal::FileStatus& file : survey.others)
        out += fmt::format(fmt::runtime(kRow), file.name, file.size, "-", "-", "-", "-", "-");
    return out;
}

std::string verdict(const wal::Survey& survey) {
    const std::size_t findings = survey.findings.size() + survey.findings_omitted;
    std::string what = fmt::format("{}, {} segment{}", entries_text(survey.log), survey.segments.size(),
                                   survey.segments.size() == 1 ? "" : "s");
    if (const std::size_t snapshots = survey.snapshots.size(); snapshots > 0)
        what += fmt::format(", {} snapshot{}", snapshots, snapshots == 1 ? "" : "s");
    switch (exit_for(survey)) {
        case WalToolExit::Sound:
            return findings == 0 ? fmt::format("sound: {}\n", what)
                                 : fmt::format("sound: {}; being written or torn: {}\n", what, findings);
        case WalToolExit::Damaged:
            if (!survey.has(wal::FindingKind::Damage)) return fmt::format("entries are lost: {}\n", what);
            return fmt::format("damaged: findings: {}; intact from the beginning: {}\n", findings, what);
        case WalToolExit::Unreadable:
        case WalToolExit::Usage: break;
    }
    return fmt::format("not all of it can be read: findings: {}; read: {}\n", findings, what);
}

// What lies there is gone with its segment: a node that runs forgets the beginning of its log, which is no
// damage.
bool was_forgotten_meanwhile(wal::DiskReader& disk, const wal::EntryIndex& index, LogIndex entry) {
    const std::string segment = wal::segment_name(index.range(entry, entry, 1).sequence);
    const auto files = disk.list();
    return files && std::ranges::find(*files, segment, &wal::FileStatus::name) == files->end();
}

// Each entry from first to last, in order. False: it ended before.
bool for_each_entry(wal::DiskReader& disk, const wal::ScannedLog& log, LogIndex first, LogIndex last,
                    const WalToolOutput& output,
                    const std::function<bool(LogIndex, const wal::LogEntry&)>& take) {
    for (LogIndex next = first; next <= last;) {
        const auto entries = wal::read_entries(disk, log.index, log.segments, next, last, kReadBytesMax);
        if (!entries) {
            output.remark(was_forgotten_meanwhile(disk, log.index, next)
                              ? fmt::format("the node has forgotten this part of its log meanwhile, as it "
                                            "may when a snapshot has it: "
                                            "what is read ends before entry {}; begin again",
                                            next.value)
                              : entries.error().message);
            return false;
        }
        for (const wal::LogEntry& entry : *entries) {
            if (!take(next, entry)) return false;
            next = next.next();
        }
    }
    return true;
}

// A store, the entry that it is behind, and the log that goes on there; null: none does.
struct State {
    StateMachine store;
    LogIndex index;
    const wal::ScannedLog* log = nullptr;
};

std::optional<State> load(wal::DiskReader& disk, const wal::SnapshotMeta& snapshot) {
    SnapshotLoader loader(disk, snapshot);
    while (!loader.has_all()) {
        if (!loader.load_chunk()) return std::nullopt;
    }
    return State{loader.take_store(), snapshot.last.index};
}

bool goes_on_behind(const wal::ScannedLog& log, engine::EntryId last) {
    // Where no segment tells the base's term, a snapshot is all that does.
    return log.holds(last) || log.base == engine::EntryId{last.index, {}};
}

// The newest that is told at or before `to`, and the log that goes on behind it: from its beginning through
// the first damage, or from behind the last damage on (`end`).
std::optional<State> begin_of(wal::DiskReader& disk, const wal::Survey& seen,
                              const std::optional<wal::ScannedLog>& end, LogIndex to,
                              const WalToolOutput& output) {
    for (auto snapshot = seen.snapshots.rbegin(); snapshot != seen.snapshots.rend(); ++snapshot) {
        if (snapshot->last.index > to) continue;
        auto state = load(disk, *snapshot);
        if (!state) continue;
        if (goes_on_behind(seen.log, snapshot->last)) state->log = &seen.log;
        if (end && goes_on_behind(*end, snapshot->last)) state->log = &*end;
        return state;
    }
    if (seen.log.base.index > LogIndex{}) {
        const bool is_later = !seen.snapshots.empty() && seen.snapshots.back().last.index > to;
        output.remark(fmt::format(
            "the log goes on behind entry {}, and no whole snapshot from there on is {}",
            seen.log.base.index.value,
            is_later ? "at or before what was asked for: give a later --to, or leave it out" : "here"));
        return std::nullopt;
    }
    if (seen.log.entries.empty() && seen.has(wal::FindingKind::Damage)) {
        output.remark("nothing of the log is intact from its first entry on, and no snapshot is here");
        return std::nullopt;
    }
    if (seen.log.entries.empty()) return State{{}, {}, &seen.log};
    const auto first =
        wal::read_entries(disk, seen.log.index, seen.log.segments, LogIndex(1), LogIndex(1), 1);
    const auto members = first ? decode_members(first->front().payload) : std::nullopt;
    if (!members || members->origin == 0) return State{{}, {}, &seen.log};
    output.remark(
        "this directory was restored from a backup, and no snapshot that holds it is whole: the log alone "
        "does not have its keys");
    return std::nullopt;
}

}  // namespace

WalToolExit inspect_log(wal::DiskReader& disk, const WalToolOutput& output) {
    const auto seen = survey(disk, output);
    if (!seen) return WalToolExit::Unreadable;
    if (!output.print(inspection(disk, *seen))) return WalToolExit::Unreadable;
    remark_findings_and_end(*seen, output);
    return exit_for(*seen);
}

WalToolExit dump_log(wal::DiskReader& disk, const DumpOptions& options, const WalToolOutput& output) {
    const auto seen = survey(disk, output);
    if (!seen) return WalToolExit::Unreadable;
    const LogIndex first = std::max(options.from, seen->log.base.index.next());
    const LogIndex last = std::min(options.to, seen->log.last().index);
    if (first > last && !seen->log.entries.empty())
        output.remark(
            fmt::format("none of the entries that were asked for is here: {}", entries_text(seen->log)));
    const bool is_done =
        for_each_entry(disk, seen->log, first, last, output, [&](LogIndex index, const wal::LogEntry& entry) {
            return output.print(log_line(index, entry, options.values));
        });
    if (!is_done) return WalToolExit::Unreadable;
    remark_findings_and_end(*seen, output);
    return exit_for(*seen);
}

WalToolExit verify_log(wal::DiskReader& disk, const WalToolOutput& output) {
    const auto seen = survey(disk, output);
    if (!seen) return WalToolExit::Unreadable;
    std::string lines;
    for (const wal::Finding& finding : seen->findings) lines += line_of(finding) + '\n';
    if (seen->findings_omitted > 0) lines += fmt::format("and {} more\n", seen->findings_omitted);
    if (const std::string lost = what_is_lost(*seen); !lost.empty()) lines += lost + '\n';
    if (!output.print(lines + verdict(*seen))) return WalToolExit::Unreadable;
    return exit_for(*seen);
}

WalToolExit export_keys(wal::DiskReader& disk, LogIndex to, const WalToolOutput& output) {
    const auto seen = survey(disk, output);
    if (!seen) return WalToolExit::Unreadable;
    std::optional<wal::ScannedLog> intact_end;
    const bool is_whole = !seen->has(wal::FindingKind::Damage) && !seen->has(wal::FindingKind::Unreadable);
    if (!is_whole) intact_end = wal::read_intact_end(disk, *seen);
    auto state = begin_of(disk, *seen, intact_end, to, output);
    if (!state) {
        remark_findings(*seen, output);
        return std::max(exit_for(*seen), WalToolExit::Unreadable);
    }
    StateMachine& store = state->store;
    const LogIndex end = state->log != nullptr ? state->log->last().index : state->index;
    const LogIndex last = std::min(to, end);
    const bool is_done =
        state->log == nullptr ||
        for_each_entry(disk, *state->log, state->index.next(), last, output,
                       [&](LogIndex index, const wal::LogEntry& entry) {
                           if (entry.kind != engine::EntryKind::Command) return true;
                           const auto command = decode_command(entry.payload);
                           if (!command) {
                               output.remark(fmt::format(
                                   "entry {} is a command that this version cannot read", index.value));
                               return false;
                           }
                           store.apply(*command);
                           store.apply({{}, {}, store.revision()});  // the present is all that is asked for
                           store.free_some();
                           return true;
                       });
    if (!is_done) return WalToolExit::Unreadable;
    const std::string cluster = seen->copies.identity ? seen->copies.identity->cluster_id : std::string();
    BackupEncoder encoder(cluster, store, store.pin_present());
    while (!encoder.is_complete()) {
        if (!output.print(encoder.next_part(store, kBackupPartBytes))) return WalToolExit::Unreadable;
    }
    remark_findings(*seen, output);
    std::string_view which = ", the last of this log, which need not have been committed";
    if (!is_whole) which = ", the last that is intact, which need not have been committed";
    if (state->log == nullptr) which = ", where the newest whole snapshot ends: no log goes on behind it";
    if (last < end) which = "";
    output.remark(fmt::format("{} keys at revision {}: the state after entry {}{}", store.size(),
                              store.revision(), last.value, which));
    return exit_for(*seen);
}

}  // namespace quorate::server
