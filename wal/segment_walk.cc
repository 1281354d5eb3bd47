#include "wal/segment_walk.h"

#include <algorithm>
#include <array>
#include <utility>

namespace quorate::wal {

namespace {

/// Most of a segment is zeros: so many of them are passed at a time.
constexpr std::array<char, 4096> kZeros{};
constexpr std::string_view kZeroBlock(kZeros.data(), kZeros.size());

}  // namespace

std::vector<std::uint64_t> segments_of(std::span<const FileStatus> files) {
    std::vector<std::uint64_t> sequences;
    for (const FileStatus& file : files) {
        if (const auto sequence = parse_segment_name(file.name)) sequences.push_back(*sequence);
    }
    std::ranges::sort(sequences);
    return sequences;
}

std::string name_of(const Identity& identity) {
    return text("node '", identity.node_id, "' of cluster '", identity.cluster_id, "'");
}

std::string belongs_to_another(const Identity& owner, const Identity& self) {
    return text("this data directory belongs to ", name_of(owner), ", not to ", name_of(self),
                ": name the right directory, or the right node and cluster");
}

Flaw unknown_format(std::string file, engine::EntryId behind) {
    return {RefusalCode::UnknownFormat, std::move(file), 0,
            "written in a format that this version does not know", behind};
}

std::optional<RecordView> next_record(std::string_view segment, const Tail& tail) {
    auto record = decode_record(segment, next_head(tail.end), tail.salt);
    if (!record || record->head.previous_crc != tail.crc) return std::nullopt;
    return record;
}

void pass(const RecordView& record, Tail& tail) {
    tail.end = record.end;
    tail.crc = record.crc;
    tail.durable = std::max(tail.durable, record.head.durable);
}

// Looks at every multiple of 8, since torn and damaged bytes have no order.
//
// A client may send a payload full of heads with every number in them right, each claiming all that follows
// for its payload: it can neither pass for evidence nor make this long, for it does not know the salt. The
// heads that carry it are ours, and since no byte of a segment is used twice, their payloads do not overlap:
// every byte is checksummed about once.
std::optional<RecordView> find_record(std::string_view segment, std::uint64_t end, std::uint64_t salt,
                                      std::uint64_t durable_beyond) {
    const std::uint64_t used = used_bytes(segment);
    for (std::uint64_t offset = (end + 7) / 8 * 8; offset < used && offset + kHeadBytes <= segment.size();) {
        const auto record = decode_record(segment, offset, salt);
        if (record && record->head.durable > durable_beyond) return record;
        offset = record ? (record->end + 7) / 8 * 8 : offset + 8;
    }
    return std::nullopt;
}

std::uint64_t used_bytes(std::string_view segment) {
    while (segment.ends_with(kZeroBlock)) segment.remove_suffix(kZeroBlock.size());
    const std::size_t last = segment.find_last_not_of('\0');
    return last == std::string_view::npos ? 0 : last + 1;
}

std::expected<SegmentHeader, Flaw> read_header(std::uint64_t sequence, std::string_view segment,
                                               engine::EntryId behind) {
    auto header = decode_header(segment.substr(0, kBlockBytes));
    if (header) return std::move(*header);
    if (header.error() == BlockProblem::UnknownVersion)
        return std::unexpected(unknown_format(segment_name(sequence), behind));
    return std::unexpected(Flaw{RefusalCode::Damage, segment_name(sequence), 0,
                                "expected a segment header, seen none that is valid", behind});
}

std::expected<void, Flaw> check_size(const SegmentHeader& header, std::uint64_t sequence,
                                     std::uint64_t file_bytes, engine::EntryId behind) {
    if (header.file_bytes == file_bytes) return {};
    return std::unexpected(
        Flaw{RefusalCode::Damage, segment_name(sequence), std::min(header.file_bytes, file_bytes),
             text("expected a file of ", header.file_bytes, " bytes, seen ", file_bytes), behind});
}

std::expected<void, Flaw> check_header(const SegmentHeader& header, std::uint64_t sequence,
                                       std::uint64_t file_bytes, const Identity& identity,
                                       const Before& before) {
    const std::string file = segment_name(sequence);
    const auto flaw = [&](const std::string& where, std::uint64_t offset, std::string what,
                          RefusalCode code = RefusalCode::Damage) {
        return std::unexpected(
            Flaw{code, where, offset, std::move(what), before.last.value_or(engine::EntryId{})});
    };
    if (header.identity != identity) {
        return flaw(file, 0, text("belongs to ", name_of(header.identity), ", not to ", name_of(identity)),
                    RefusalCode::WrongIdentity);
    }
    if (header.sequence != sequence) {
        return flaw(
            file, 0,
            text("expected the header of segment ", sequence, ", seen that of segment ", header.sequence));
    }
    if (auto sized = check_size(header, sequence, file_bytes, before.last.value_or(engine::EntryId{}));
        !sized)
        return sized;
    // The next segment was begun only when this one was durable to its end.
    if (before.tail) {
        const Tail& tail = *before.tail;
        const std::uint64_t previous_end = tail.sequence == 0 ? 0 : tail.end;
        if (header.previous_end != previous_end || header.previous_crc != tail.crc) {
            return flaw(tail.sequence == 0 ? file : segment_name(tail.sequence), previous_end,
                        text("expected valid records through offset ", header.previous_end, ", as ", file,
                             " says, seen them through offset ", previous_end));
        }
    }
    if (before.last && header.base != *before.last) {
        return flaw(file, 0,
                    text("expected the segment that follows entry ", before.last->index.value,
                         ", seen one that follows entry ", header.base.index.value));
    }
    return {};
}

Tail first_tail(const SegmentHeader& header, std::string_view segment) {
    return {header.sequence, header.salt, segment.size(), kRecordsOffset, block_crc(segment), kRecordsOffset};
}

}  // namespace quorate::wal
