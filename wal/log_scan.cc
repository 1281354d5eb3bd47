#include "wal/log_scan.h"

#include <algorithm>

#include "wal/segment_walk.h"

namespace quorate::wal {

using engine::EntryId;
using engine::LogIndex;
using engine::Term;

LogScan::LogScan(Identity identity, const std::optional<Mark>& mark, Term term, RecordVisitor visitor)
    : identity_(std::move(identity)),
      mark_(mark.value_or(Mark{})),
      term_(term),
      visitor_(std::move(visitor)),
      has_met_mark_(!mark.has_value()) {}

std::expected<void, Flaw> LogScan::add_segment(std::uint64_t sequence, std::string_view bytes,
                                               std::uint64_t file_bytes) {
    const auto header = read_header(sequence, bytes, log_.last());
    if (!header) return std::unexpected(header.error());
    // Nothing is left of what came before the first segment that is not the first of all.
    const bool is_first_left = tail_.sequence == 0 && sequence > 1;
    Before before;
    if (!is_first_left) before.tail = tail_;
    if (!is_first_left && !header->begins_anew) before.last = log_.last();
    if (auto checked = check_header(*header, sequence, file_bytes, identity_, before); !checked)
        return checked;
    if (is_first_left || header->begins_anew) {
        log_.base = header->base;
        log_.entries.clear();
        log_.memberships.clear();
        log_.index.begin_behind(header->base.index);
        log_.first_live = sequence;
        log_.begins_anew = header->begins_anew;
    }
    tail_ = first_tail(*header, bytes);
    log_.segments.emplace(sequence, SegmentInfo{header->salt, header->base.index});
    pass_mark();
    return follow(bytes);
}

std::expected<void, Flaw> LogScan::follow(std::string_view bytes) {
    for (;;) {
        const auto record = next_record(bytes, tail_);
        if (!record) return {};
        if (auto added = add_record(*record); !added) return added;
        if (visitor_) visitor_(*record, tail_);
        pass(*record, tail_);
        pass_mark();
    }
}

// The record is intact and in its place; what it says must still make sense, or something wrote it that is
// not this program.
std::expected<void, Flaw> LogScan::add_record(const RecordView& record) {
    const RecordHead& head = record.head;
    const std::uint64_t offset = offset_of(record);
    const bool replaces = head.type == RecordType::Replacement;
    const LogIndex next = log_.last().index.next();
    const bool index_fits = replaces ? head.index > LogIndex{} && head.index < next : head.index == next;
    // What is replaced may have been forgotten, when it had been cut before the segments that held it went.
    const bool is_below_base = index_fits && head.index <= log_.base.index;
    const Term previous = index_fits && !is_below_base ? log_.term_at(head.index.previous()) : Term{};
    if (!index_fits || head.term < previous || head.term > term_) {
        return std::unexpected(
            flaw(segment_name(tail_.sequence), offset,
                 text("expected ", replaces ? "a replacement of one of the entries up to " : "entry ",
                      replaces ? log_.last().index.value : next.value, " with a term of ", previous.value,
                      " to ", term_.value, " (the one recorded with the vote), seen entry ", head.index.value,
                      " of term ", head.term.value)));
    }
    if (is_below_base) log_.base = {head.index.previous(), Term{}};
    if (replaces) {
        log_.entries.resize(head.index.past(log_.base.index) - 1);
        while (!log_.memberships.empty() && log_.memberships.back() >= head.index)
            log_.memberships.pop_back();
    }
    log_.entries.push_back({head.term, head.kind, head.payload_bytes});
    if (head.kind == engine::EntryKind::Membership) log_.memberships.push_back(head.index);
    log_.index.place(head.index, tail_.sequence, offset, record.end);
    return {};
}

std::expected<void, Flaw> LogScan::check_end(std::string_view last_segment) const {
    const std::string file = segment_name(tail_.sequence);
    const std::uint64_t offset = next_head(tail_.end);
    if (!has_met_mark_) {
        return std::unexpected(flaw(
            mark_.sequence > tail_.sequence ? segment_name(mark_.sequence) : file,
            mark_.sequence > tail_.sequence ? 0 : offset,
            text("expected the log that was durable through offset ", mark_.offset, " of ",
                 segment_name(mark_.sequence),
                 ", as the vote record says, seen valid records through offset ", tail_.end, " of ", file)));
    }
    const auto proof = find_record(last_segment, tail_.end, tail_.salt, tail_.end);
    if (!proof) return {};
    return std::unexpected(flaw(
        file, offset,
        text("expected a valid record, since the one at offset ", offset_of(*proof), " (entry ",
             proof->head.index.value, ", term ", proof->head.term.value,
             ") was written when the log was durable through offset ", proof->head.durable, ", seen none")));
}

Term ScannedLog::term_at(LogIndex at) const {
    return at == base.index ? base.term : entries[at.past(base.index) - 1].term;
}

EntryId ScannedLog::last() const {
    const LogIndex at = base.index.plus(entries.size());
    return {at, term_at(at)};
}

bool ScannedLog::holds(EntryId entry) const {
    return entry.index >= base.index && entry.index <= last().index && term_at(entry.index) == entry.term;
}

std::optional<Flaw> ScannedLog::cut_off(std::span<const SnapshotMeta> snapshots) const {
    if (begins_anew || snapshots.size() < 2) return std::nullopt;
    const LogIndex older = snapshots[snapshots.size() - 2].last.index;
    const LogIndex newest = snapshots.back().last.index;
    if (older >= base.index || newest < base.index) return std::nullopt;
    return Flaw{
        RefusalCode::Damage,
        snapshot_name(older),
        0,
        text("expected the log to go on behind it, seen it go on behind entry ", base.index.value, ": ",
             segment_name(first_live - 1), " is missing; ", snapshot_name(newest), " has what it held"),
        {}};
}

Flaw LogScan::flaw(std::string file, std::uint64_t offset, std::string what) const {
    return {RefusalCode::Damage, std::move(file), offset, std::move(what), log_.last()};
}

void LogScan::pass_mark() {
    if (Mark{tail_.sequence, tail_.end, tail_.crc} != mark_) return;
    has_met_mark_ = true;
    tail_.durable = std::max(tail_.durable, tail_.end);
}

}  // namespace quorate::wal
