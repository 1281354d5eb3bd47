#include "server/wal_tool.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "server/command.h"
#include "server/json_text.h"
#include "server/state_machine.h"
#include "wal/entry_reader.h"
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
    if (!finding.behind) return line;
    return fmt::format("{}, behind entry {} (term {})", line, finding.behind->index.value,
                       finding.behind->term.value);
}

WalToolExit exit_for(const wal::Survey& survey) {
    if (survey.has(wal::FindingKind::Damage)) return WalToolExit::Damaged;
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

// For who asked for something else: what is wrong with its source.
void remark_findings(const wal::Survey& survey, const WalToolOutput& output) {
    for (const wal::Finding& finding : survey.findings) output.remark(line_of(finding));
    if (survey.has(wal::FindingKind::Damage)) {
        const engine::EntryId last = survey.log.last();
        output.remark(fmt::format("the log is taken as far as it is intact: through entry {} (term {})",
                                  last.index.value, last.term.value));
    }
}

template <class Ordinal>
std::string range_text(Ordinal first, Ordinal last) {
    return first == last ? std::to_string(first.value) : fmt::format("{}-{}", first.value, last.value);
}

std::string entries_text(const wal::ScannedLog& log) {
    if (log.entries.empty()) return "no entries";
    return fmt::format("entries {}, terms {}", range_text(LogIndex(1), log.last().index),
                       range_text(log.entries.front().term, log.entries.back().term));
}

std::string inspection(const wal::Survey& survey) {
    std::string out;
    if (const auto& identity = survey.copies.identity)
        out += fmt::format("directory: node '{}' of cluster '{}'\n", identity->node_id, identity->cluster_id);
    if (const auto vote = survey.copies.vote()) {
        const engine::ServerId voted_for = vote->hard_state.voted_for;
        out += fmt::format(
            "vote: term {}, voted for {}, change {}; log durable through {} offset {}\n",
            vote->hard_state.current_term.value,
            voted_for == engine::kNobody ? std::string("nobody") : std::to_string(voted_for.value),
            vote->sequence, wal::segment_name(vote->mark.sequence), vote->mark.offset);
    }
    std::uint64_t payload_bytes = 0;
    for (const engine::EntryShape& entry : survey.log.entries) payload_bytes += entry.bytes;
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
    const std::string what = fmt::format("{}, {} segment{}", entries_text(survey.log), survey.segments.size(),
                                         survey.segments.size() == 1 ? "" : "s");
    switch (exit_for(survey)) {
        case WalToolExit::Sound:
            return findings == 0 ? fmt::format("sound: {}\n", what)
                                 : fmt::format("sound: {}; being written or torn: {}\n", what, findings);
        case WalToolExit::Damaged:
            return fmt::format("damaged: findings: {}; intact from the beginning: {}\n", findings, what);
        case WalToolExit::Unreadable:
        case WalToolExit::Usage: break;
    }
    return fmt::format("not all of it can be read: findings: {}; read: {}\n", findings, what);
}

// Each entry from first to last, in order. False: it ended before.
bool for_each_entry(wal::DiskReader& disk, const wal::ScannedLog& log, LogIndex first, LogIndex last,
                    const WalToolOutput& output,
                    const std::function<bool(LogIndex, const wal::LogEntry&)>& take) {
    for (LogIndex next = first; next <= last;) {
        const auto entries = wal::read_entries(disk, log.index, log.salts, next, last, kReadBytesMax);
        if (!entries) {
            output.remark(entries.error().message);
            return false;
        }
        for (const wal::LogEntry& entry : *entries) {
            if (!take(next, entry)) return false;
            next = next.next();
        }
    }
    return true;
}

}  // namespace

WalToolExit inspect_log(wal::DiskReader& disk, const WalToolOutput& output) {
    const auto seen = survey(disk, output);
    if (!seen) return WalToolExit::Unreadable;
    if (!output.print(inspection(*seen))) return WalToolExit::Unreadable;
    remark_findings(*seen, output);
    return exit_for(*seen);
}

WalToolExit dump_log(wal::DiskReader& disk, const DumpOptions& options, const WalToolOutput& output) {
    const auto seen = survey(disk, output);
    if (!seen) return WalToolExit::Unreadable;
    const LogIndex first = std::max(options.from, LogIndex(1));
    const LogIndex last = std::min(options.to, seen->log.last().index);
    const bool is_done =
        for_each_entry(disk, seen->log, first, last, output, [&](LogIndex index, const wal::LogEntry& entry) {
            return output.print(log_line(index, entry, options.values));
        });
    if (!is_done) return WalToolExit::Unreadable;
    remark_findings(*seen, output);
    return exit_for(*seen);
}

WalToolExit verify_log(wal::DiskReader& disk, const WalToolOutput& output) {
    const auto seen = survey(disk, output);
    if (!seen) return WalToolExit::Unreadable;
    std::string lines;
    for (const wal::Finding& finding : seen->findings) lines += line_of(finding) + '\n';
    if (seen->findings_omitted > 0) lines += fmt::format("and {} more\n", seen->findings_omitted);
    if (!output.print(lines + verdict(*seen))) return WalToolExit::Unreadable;
    return exit_for(*seen);
}

WalToolExit export_keys(wal::DiskReader& disk, LogIndex to, const WalToolOutput& output) {
    const auto seen = survey(disk, output);
    if (!seen) return WalToolExit::Unreadable;
    StateMachine store;
    const LogIndex last = std::min(to, seen->log.last().index);
    const bool is_done = for_each_entry(
        disk, seen->log, LogIndex(1), last, output, [&](LogIndex index, const wal::LogEntry& entry) {
            if (entry.kind != engine::EntryKind::Command) return true;
            const auto command = decode_command(entry.payload);
            if (!command) {
                output.remark(
                    fmt::format("entry {} is a command that this version cannot read", index.value));
                return false;
            }
            store.apply(*command);
            store.apply({{}, {}, store.revision()});  // the present is all that is asked for
            return true;
        });
    if (!is_done) return WalToolExit::Unreadable;
    RangeQuery query;
    for (bool more = true; more;) {
        const RangePage page = store.range(query);
        std::string lines;
        for (const RangeEntry& entry : page.entries) append_pair_line(lines, entry.key, entry.record->value);
        if (!output.print(lines)) return WalToolExit::Unreadable;
        more = page.more;
        if (more) query.after = std::string(page.entries.back().key);
    }
    remark_findings(*seen, output);
    output.remark(fmt::format(
        "{} keys at revision {}: the state after entry {}{}", store.size(), store.revision(), last.value,
        last < seen->log.last().index ? "" : ", the last of this log, which need not have been committed"));
    return exit_for(*seen);
}

}  // namespace quorate::server
