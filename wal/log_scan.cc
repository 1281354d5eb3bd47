#include "wal/log_scan.h"

#include <algorithm>
#include <optional>

#include "engine/check.h"

namespace quorate::wal {

using engine::EntryId;
using engine::LogIndex;

namespace {

// The first record in `bytes` behind `end` that is valid by itself and says that the log was durable beyond
// `end`. Looks at every multiple of 8, since torn and damaged bytes have no order.
//
// A client may send a payload full of heads with every number in them right, each claiming all that follows
// for its payload: it can neither pass for evidence nor make this long, for it does not know the salt. The
// heads that carry it are ours, and since no byte of a segment is used twice, their payloads do not overlap:
// every byte is checksummed about once.
std::optional<RecordView> find_evidence(std::string_view bytes, std::uint64_t end, std::uint64_t salt) {
    for (std::uint64_t offset = (end + 7) / 8 * 8; offset + kHeadBytes <= bytes.size();) {
        const auto record = decode_record(bytes, offset, salt);
        if (record && record->head.durable > end) return record;
        offset = record ? (record->end + 7) / 8 * 8 : offset + 8;
    }
    return std::nullopt;
}

}  // namespace

std::expected<void, Refusal> LogScan::add_segment(std::uint64_t sequence, std::string_view bytes) {
    const auto header = decode_header(bytes.substr(0, kBlockBytes));
    if (!header && header.error() == BlockProblem::UnknownVersion) {
        return std::unexpected(
            Refusal{RefusalCode::UnknownFormat, text(segment_name(sequence),
                                                     ": written in a format that this version "
                                                     "does not know: start the version that wrote it")});
    }
    if (!header) {
        return std::unexpected(damage(segment_name(sequence), 0,
                                      "expected a segment header, seen none that is valid",
                                      entries_from_here()));
    }
    if (auto checked = check_header(*header, sequence, bytes.size()); !checked) return checked;

    const std::uint32_t crc = block_crc(bytes);
    tail_ = {sequence, header->salt, bytes.size(), kRecordsOffset, crc, kRecordsOffset};
    log_.salts.push_back(header->salt);
    pass_mark();
    for (;;) {
        const std::uint64_t offset = next_head(tail_.end);
        const auto record = decode_record(bytes, offset, header->salt);
        if (!record || record->head.previous_crc != tail_.crc) return {};
        if (auto added = add_record(*record, offset); !added) return added;
        tail_.end = record->end;
        tail_.crc = record->crc;
        tail_.durable = std::max(tail_.durable, record->head.durable);
        pass_mark();
    }
}

std::expected<void, Refusal> LogScan::check_header(const SegmentHeader& header, std::uint64_t sequence,
                                                   std::uint64_t file_bytes) const {
    const std::string file = segment_name(sequence);
    if (header.identity != identity_) {
        return std::unexpected(
            Refusal{RefusalCode::WrongIdentity,
                    text(file, ": offset 0: belongs to node '", header.identity.node_id, "' of cluster '",
                         header.identity.cluster_id, "', not to node '", identity_.node_id, "' of cluster '",
                         identity_.cluster_id, "': put the files of that node back where they were")});
    }
    if (header.sequence != sequence) {
        return std::unexpected(damage(
            file, 0,
            text("expected the header of segment ", sequence, ", seen that of segment ", header.sequence),
            entries_from_here()));
    }
    if (header.file_bytes != file_bytes) {
        return std::unexpected(
            damage(file, std::min(header.file_bytes, file_bytes),
                   text("expected a file of ", header.file_bytes, " bytes, seen ", file_bytes),
                   entries_from_here()));
    }
    // The next segment was begun only when this one was durable to its end.
    const std::uint64_t previous_end = tail_.sequence == 0 ? 0 : tail_.end;
    if (header.previous_end != previous_end || header.previous_crc != tail_.crc) {
        return std::unexpected(damage(tail_.sequence == 0 ? file : segment_name(tail_.sequence), previous_end,
                                      text("expected valid records through offset ", header.previous_end,
                                           ", as ", file, " says, seen them through offset ", previous_end),
                                      entries_from_here()));
    }
    if (header.base != log_.last()) {
        return std::unexpected(
            damage(file, 0,
                   text("expected the segment that follows entry ", log_.last().index.value,
                        ", seen one that follows entry ", header.base.index.value),
                   entries_from_here()));
    }
    return {};
}

// The record is intact and in its place; what it says must still make sense, or something wrote it that is
// not this program.
std::expected<void, Refusal> LogScan::add_record(const RecordView& record, std::uint64_t offset) {
    const RecordHead& head = record.head;
    const bool replaces = head.type == RecordType::Replacement;
    const LogIndex next = log_.last().index.next();
    const bool index_fits = replaces ? head.index > LogIndex{} && head.index < next : head.index == next;
    const EntryId previous = index_fits && head.index > LogIndex(1)
                                 ? EntryId{head.index.previous(), log_.entries[head.index.value - 2].term}
                                 : EntryId{};
    if (!index_fits || head.term < previous.term || head.term > term_) {
        return std::unexpected(damage(
            segment_name(tail_.sequence), offset,
            text("expected ", replaces ? "a replacement of one of the entries up to " : "entry ",
                 replaces ? log_.last().index.value : next.value, " with a term of ", previous.term.value,
                 " to ", term_.value, " (the one recorded with the vote), seen entry ", head.index.value,
                 " of term ", head.term.value),
            entries_from_here()));
    }
    if (replaces) {
        log_.entries.resize(head.index.value - 1);
        while (!log_.memberships.empty() && log_.memberships.back() >= head.index)
            log_.memberships.pop_back();
    }
    log_.entries.push_back({head.term, head.kind, head.payload_bytes});
    if (head.kind == engine::EntryKind::Membership) log_.memberships.push_back(head.index);
    log_.index.place(head.index, tail_.sequence, offset, record.end);
    return {};
}

std::expected<void, Refusal> LogScan::check_end(std::string_view last_segment) const {
    const std::string file = segment_name(tail_.sequence);
    const std::uint64_t offset = next_head(tail_.end);
    if (!has_met_mark_) {
        return std::unexpected(damage(
            mark_.sequence > tail_.sequence ? segment_name(mark_.sequence) : file,
            mark_.sequence > tail_.sequence ? 0 : offset,
            text("expected the log that was durable through offset ", mark_.offset, " of ",
                 segment_name(mark_.sequence),
                 ", as the vote record says, seen valid records through offset ", tail_.end, " of ", file),
            entries_from_here()));
    }
    const auto proof = find_evidence(last_segment, tail_.end, tail_.salt);
    if (!proof) return {};
    return std::unexpected(damage(
        file, offset,
        text("expected a valid record, since the one at offset ",
             proof->end - kHeadBytes - proof->payload.size(), " (entry ", proof->head.index.value, ", term ",
             proof->head.term.value, ") was written when the log was durable through offset ",
             proof->head.durable, ", seen none"),
        entries_from_here()));
}

EntryId ScannedLog::last() const {
    return entries.empty() ? EntryId{} : EntryId{LogIndex(entries.size()), entries.back().term};
}

std::string LogScan::entries_from_here() const {
    const EntryId id = log_.last();
    return text("the entries behind entry ", id.index.value, " (term ", id.term.value, ")");
}

void LogScan::pass_mark() {
    if (Mark{tail_.sequence, tail_.end, tail_.crc} != mark_) return;
    has_met_mark_ = true;
    tail_.durable = std::max(tail_.durable, tail_.end);
}

}  // namespace quorate::wal
