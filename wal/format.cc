#include "wal/format.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <concepts>
#include <cstring>

#include <xxhash.h>

#include "engine/check.h"
#include "wal/checksum.h"

namespace quorate::wal {

static_assert(std::endian::native == std::endian::little, "integers are stored as they lie in memory");

namespace {

constexpr std::array<std::string_view, 4> kMagics = {"QRsegmnt", "QRident1", "QRvote01", "QRsnapsh"};
constexpr std::size_t kVersionAt = 8;
constexpr std::size_t kCrcAt = 12;
constexpr std::size_t kBodyAt = 16;
constexpr std::size_t kNameBytesMax = 64;
constexpr std::size_t kHeaderIdentityAt = 72;
constexpr std::string_view kSegmentPrefix = "log-";
constexpr std::string_view kSparePrefix = "spare-";
constexpr std::string_view kSnapshotPrefix = "snapshot-";
constexpr std::size_t kSequenceDigits = 16;

template <std::unsigned_integral T>
void put(std::string& bytes, std::size_t at, T value) {
    ENGINE_CHECK(at + sizeof value <= bytes.size());
    std::memcpy(bytes.data() + at, &value, sizeof value);
}

template <std::unsigned_integral T>
T get(std::string_view bytes, std::size_t at) {
    ENGINE_CHECK(at + sizeof(T) <= bytes.size());
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
}

std::string_view magic_of(BlockKind kind) { return kMagics[static_cast<std::size_t>(kind)]; }

std::string new_block(BlockKind kind) {
    std::string block(kBlockBytes, '\0');
    std::ranges::copy(magic_of(kind), block.begin());
    put(block, kVersionAt, kFormatVersion);
    return block;
}

std::uint32_t crc_of_block(std::string block) {
    put(block, kCrcAt, std::uint32_t{0});
    return crc32c(block);
}

void seal(std::string& block) { put(block, kCrcAt, crc_of_block(block)); }

std::expected<void, BlockProblem> check_block(std::string_view block, BlockKind kind) {
    if (block.size() != kBlockBytes || !block.starts_with(magic_of(kind)) ||
        get<std::uint32_t>(block, kCrcAt) != crc_of_block(std::string(block))) {
        return std::unexpected(BlockProblem::Unreadable);
    }
    if (get<std::uint32_t>(block, kVersionAt) != kFormatVersion)
        return std::unexpected(BlockProblem::UnknownVersion);
    return {};
}

void put_name(std::string& block, std::size_t at, std::string_view name) {
    ENGINE_CHECK(!name.empty() && name.size() <= kNameBytesMax);
    put(block, at, static_cast<std::uint8_t>(name.size()));
    std::ranges::copy(name, block.begin() + static_cast<std::ptrdiff_t>(at) + 1);
}

void put_identity(std::string& block, std::size_t at, const Identity& identity) {
    put_name(block, at, identity.cluster_id);
    put_name(block, at + 1 + kNameBytesMax, identity.node_id);
}

std::string get_name(std::string_view block, std::size_t at) {
    const std::size_t size = std::min<std::size_t>(get<std::uint8_t>(block, at), kNameBytesMax);
    return std::string(block.substr(at + 1, size));
}

Identity get_identity(std::string_view block, std::size_t at) {
    return {get_name(block, at), get_name(block, at + 1 + kNameBytesMax)};
}

bool is_record_type(std::uint8_t type) {
    return type == static_cast<std::uint8_t>(RecordType::Entry) ||
           type == static_cast<std::uint8_t>(RecordType::Replacement);
}

bool is_entry_kind(std::uint8_t kind) {
    return kind >= static_cast<std::uint8_t>(engine::EntryKind::NoOp) &&
           kind <= static_cast<std::uint8_t>(engine::EntryKind::Membership);
}

std::string numbered(std::string_view prefix, std::uint64_t sequence) {
    std::array<char, kSequenceDigits> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), sequence, 16).ptr;
    const auto count = static_cast<std::size_t>(end - digits.data());
    std::string name(prefix);
    name.append(kSequenceDigits - count, '0').append(digits.data(), count);
    return name;
}

std::optional<std::uint64_t> parse_numbered(std::string_view prefix, std::string_view file) {
    if (!file.starts_with(prefix)) return std::nullopt;
    const std::string_view digits = file.substr(prefix.size());
    std::uint64_t sequence = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), sequence, 16);
    if (parsed.ec != std::errc{} || sequence == 0 || numbered(prefix, sequence) != file) return std::nullopt;
    return sequence;
}

}  // namespace

std::string encode_identity(const Identity& identity) {
    std::string block = new_block(BlockKind::Identity);
    put_identity(block, kBodyAt, identity);
    seal(block);
    return block;
}

std::expected<Identity, BlockProblem> decode_identity(std::string_view block) {
    if (const auto checked = check_block(block, BlockKind::Identity); !checked)
        return std::unexpected(checked.error());
    return get_identity(block, kBodyAt);
}

std::uint64_t owner_of(const Identity& identity) {
    const std::string block = encode_identity(identity);
    return XXH64(block.data() + kBodyAt, kBlockBytes - kBodyAt, 0);
}

std::string encode_vote(const VoteRecord& vote) {
    std::string block = new_block(BlockKind::Vote);
    put(block, 16, vote.sequence);
    put(block, 24, vote.owner);
    put(block, 32, vote.hard_state.current_term.value);
    put(block, 40, vote.hard_state.voted_for.value);
    put(block, 48, vote.mark.sequence);
    put(block, 56, vote.mark.offset);
    put(block, 64, vote.mark.crc);
    put(block, 68, static_cast<std::uint32_t>(vote.lost));
    put(block, 72, vote.commit_index.value);
    seal(block);
    return block;
}

std::expected<VoteRecord, BlockProblem> decode_vote(std::string_view block) {
    if (const auto checked = check_block(block, BlockKind::Vote); !checked)
        return std::unexpected(checked.error());
    VoteRecord vote;
    vote.sequence = get<std::uint64_t>(block, 16);
    vote.owner = get<std::uint64_t>(block, 24);
    vote.hard_state.current_term = engine::Term(get<std::uint64_t>(block, 32));
    vote.hard_state.voted_for = engine::ServerId(get<std::uint64_t>(block, 40));
    vote.mark = {get<std::uint64_t>(block, 48), get<std::uint64_t>(block, 56), get<std::uint32_t>(block, 64)};
    const auto lost = get<std::uint32_t>(block, 68);
    if (lost > static_cast<std::uint32_t>(Lost::LastBatch))
        return std::unexpected(BlockProblem::UnknownVersion);
    vote.lost = static_cast<Lost>(lost);
    vote.commit_index = engine::LogIndex(get<std::uint64_t>(block, 72));
    return vote;
}

std::string encode_header(const SegmentHeader& header) {
    std::string block = new_block(BlockKind::Segment);
    put(block, 16, header.sequence);
    put(block, 24, header.file_bytes);
    put(block, 32, header.base.index.value);
    put(block, 40, header.base.term.value);
    put(block, 48, header.previous_end);
    put(block, 56, header.previous_crc);
    put(block, 60, std::uint32_t{header.begins_anew});
    put(block, 64, header.salt);
    put_identity(block, kHeaderIdentityAt, header.identity);
    seal(block);
    return block;
}

std::expected<SegmentHeader, BlockProblem> decode_header(std::string_view block) {
    if (const auto checked = check_block(block, BlockKind::Segment); !checked)
        return std::unexpected(checked.error());
    SegmentHeader header;
    header.sequence = get<std::uint64_t>(block, 16);
    header.file_bytes = get<std::uint64_t>(block, 24);
    header.base = {engine::LogIndex(get<std::uint64_t>(block, 32)),
                   engine::Term(get<std::uint64_t>(block, 40))};
    header.previous_end = get<std::uint64_t>(block, 48);
    header.previous_crc = get<std::uint32_t>(block, 56);
    header.salt = get<std::uint64_t>(block, 64);
    header.identity = get_identity(block, kHeaderIdentityAt);
    header.begins_anew = get<std::uint32_t>(block, 60) == 1;
    return header;
}

std::uint64_t segment_salt(std::uint64_t salt, std::uint64_t sequence) {
    return XXH64(&sequence, sizeof sequence, salt);
}

std::uint32_t block_crc(std::string_view block) { return get<std::uint32_t>(block, kCrcAt); }

std::uint32_t encode_record(const RecordHead& head, std::string_view payload, std::string& out) {
    ENGINE_CHECK(head.payload_bytes == payload.size() && payload.size() <= kPayloadBytesMax);
    const std::size_t start = out.size();
    out.append(kHeadBytes, '\0').append(payload);
    put(out, start + 4, head.payload_bytes);
    put(out, start + 8, static_cast<std::uint8_t>(head.type));
    put(out, start + 9, static_cast<std::uint8_t>(head.kind));
    put(out, start + 12, head.previous_crc);
    put(out, start + 16, head.index.value);
    put(out, start + 24, head.term.value);
    put(out, start + 32, head.salt);
    put(out, start + 40, head.durable);
    const std::uint32_t crc = crc32c(std::string_view(out).substr(start + sizeof(std::uint32_t)));
    put(out, start, crc);
    return crc;
}

std::optional<RecordView> decode_record(std::string_view bytes, std::uint64_t offset, std::uint64_t salt,
                                        std::uint64_t base) {
    if (offset < base || offset - base > bytes.size()) return std::nullopt;
    const std::string_view rest = bytes.substr(offset - base);
    // The salt first: it alone rejects zeros and almost everything else that is no record.
    if (rest.size() < kHeadBytes || get<std::uint64_t>(rest, 32) != salt) return std::nullopt;
    const auto payload_bytes = get<std::uint32_t>(rest, 4);
    const auto type = get<std::uint8_t>(rest, 8);
    const auto kind = get<std::uint8_t>(rest, 9);
    const auto durable = get<std::uint64_t>(rest, 40);
    if (payload_bytes > kPayloadBytesMax || payload_bytes > rest.size() - kHeadBytes) return std::nullopt;
    if (!is_record_type(type) || !is_entry_kind(kind) || get<std::uint16_t>(rest, 10) != 0)
        return std::nullopt;
    if (durable < kRecordsOffset || durable > offset) return std::nullopt;

    RecordView record;
    record.crc = get<std::uint32_t>(rest, 0);
    if (crc32c(rest.substr(4, kHeadBytes - 4 + payload_bytes)) != record.crc) return std::nullopt;
    record.head = {static_cast<RecordType>(type),
                   static_cast<engine::EntryKind>(kind),
                   payload_bytes,
                   get<std::uint32_t>(rest, 12),
                   engine::LogIndex(get<std::uint64_t>(rest, 16)),
                   engine::Term(get<std::uint64_t>(rest, 24)),
                   salt,
                   durable};
    record.payload = rest.substr(kHeadBytes, payload_bytes);
    record.end = offset + kHeadBytes + payload_bytes;
    return record;
}

std::optional<std::uint64_t> salt_of_first_record(std::string_view segment) {
    if (segment.size() < kRecordsOffset + kHeadBytes) return std::nullopt;
    const auto salt = get<std::uint64_t>(segment, kRecordsOffset + 32);
    if (!decode_record(segment, kRecordsOffset, salt)) return std::nullopt;
    return salt;
}

std::string encode_snapshot_header(const SnapshotHeader& header) {
    std::string block = new_block(BlockKind::Snapshot);
    put(block, 16, header.meta.last.index.value);
    put(block, 24, header.meta.last.term.value);
    put(block, 32, header.meta.chunks);
    put(block, 40, header.meta.bytes);
    put(block, 48, header.meta.hash);
    put_identity(block, kHeaderIdentityAt, header.identity);
    seal(block);
    return block;
}

std::expected<SnapshotHeader, BlockProblem> decode_snapshot_header(std::string_view block) {
    if (const auto checked = check_block(block, BlockKind::Snapshot); !checked)
        return std::unexpected(checked.error());
    const engine::EntryId last{engine::LogIndex(get<std::uint64_t>(block, 16)),
                               engine::Term(get<std::uint64_t>(block, 24))};
    const SnapshotMeta meta{last, get<std::uint64_t>(block, 32), get<std::uint64_t>(block, 40),
                            get<std::uint64_t>(block, 48)};
    return SnapshotHeader{meta, get_identity(block, kHeaderIdentityAt)};
}

std::uint32_t encode_chunk(std::uint64_t number, engine::LogIndex index, std::string_view payload,
                           std::string& out) {
    ENGINE_CHECK(payload.size() <= kChunkBytesMax);
    const std::size_t start = out.size();
    out.append(kChunkHeadBytes, '\0');
    put(out, start + 4, static_cast<std::uint32_t>(payload.size()));
    put(out, start + 8, number);
    put(out, start + 16, index.value);
    const std::uint32_t crc = crc_of_chunk(std::string_view(out).substr(start), payload);
    put(out, start, crc);
    out.append(payload);
    return crc;
}

ChunkHead decode_chunk_head(std::string_view bytes) {
    return {get<std::uint32_t>(bytes, 0), get<std::uint32_t>(bytes, 4), get<std::uint64_t>(bytes, 8),
            engine::LogIndex(get<std::uint64_t>(bytes, 16))};
}

std::uint32_t crc_of_chunk(std::string_view head, std::string_view payload) {
    return crc32c(payload,
                  crc32c(head.substr(sizeof(std::uint32_t), kChunkHeadBytes - sizeof(std::uint32_t))));
}

std::uint64_t hash_of_chunks(std::uint64_t hash, std::uint32_t crc) { return XXH64(&crc, sizeof crc, hash); }

std::string segment_name(std::uint64_t sequence) { return numbered(kSegmentPrefix, sequence); }
std::string spare_name(std::uint64_t sequence) { return numbered(kSparePrefix, sequence); }

std::optional<std::uint64_t> parse_segment_name(std::string_view file) {
    return parse_numbered(kSegmentPrefix, file);
}
std::optional<std::uint64_t> parse_spare_name(std::string_view file) {
    return parse_numbered(kSparePrefix, file);
}

std::string snapshot_name(engine::LogIndex last) { return numbered(kSnapshotPrefix, last.value); }

std::optional<engine::LogIndex> parse_snapshot_name(std::string_view file) {
    const auto index = parse_numbered(kSnapshotPrefix, file);
    return index ? std::optional(engine::LogIndex(*index)) : std::nullopt;
}

}  // namespace quorate::wal
