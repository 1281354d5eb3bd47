#include "wal/snapshot_file.h"

#include <algorithm>
#include <utility>

#include "engine/check.h"
#include "wal/segment_walk.h"

namespace quorate::wal {

using engine::EntryId;
using engine::LogIndex;

SnapshotWriter::SnapshotWriter(std::string_view file, EntryId last, Identity identity)
    : file_(file), identity_(std::move(identity)), meta_{last, 0, 0, 0} {}

std::vector<DiskOperation> SnapshotWriter::begin() const { return {CreateZeroed{file_, kChunksOffset}}; }

std::vector<DiskOperation> SnapshotWriter::add(std::string_view payload) {
    ENGINE_CHECK(payload.size() <= kChunkBytesMax);
    const std::uint64_t offset = kChunksOffset + meta_.chunks * kChunkHeadBytes + meta_.bytes;
    std::string bytes;
    const std::uint32_t crc = encode_chunk(meta_.chunks, meta_.last.index, payload, bytes);
    meta_.hash = hash_of_chunks(meta_.hash, crc);
    ++meta_.chunks;
    meta_.bytes += payload.size();
    return {WriteAt{file_, offset, std::move(bytes)}, SyncFile{file_}};
}

std::vector<DiskOperation> SnapshotWriter::finish() const {
    return {WriteAt{file_, 0, encode_snapshot_header({meta_, identity_})}, SyncFile{file_},
            RenameFile{file_, snapshot_name(meta_.last.index)}, SyncDirectory{}};
}

Flaw SnapshotReader::flaw(std::string what) const {
    return {RefusalCode::Damage, snapshot_name(meta_.last.index), offset_, std::move(what), {}};
}

std::expected<void, Flaw> SnapshotReader::read(std::uint64_t offset, std::string& bytes) {
    const auto done = disk_->read(snapshot_name(meta_.last.index), offset, bytes);
    if (done) return {};
    Flaw found = flaw(text("chunk ", number_, " cannot be read: ", done.error().detail));
    found.code = code_of_read(done.error());
    return std::unexpected(std::move(found));
}

// The bytes of the next chunk's head.
std::expected<std::string, Flaw> SnapshotReader::read_head() {
    std::string bytes(kChunkHeadBytes, '\0');
    if (const auto done = read(offset_, bytes); !done) return std::unexpected(done.error());
    const ChunkHead head = decode_chunk_head(bytes);
    if (head.number != number_ || head.index != meta_.last.index || head.payload_bytes > kChunkBytesMax)
        return std::unexpected(flaw(text("expected chunk ", number_, ", seen other bytes")));
    return bytes;
}

std::expected<std::string, Flaw> SnapshotReader::next() {
    ENGINE_CHECK(number_ < meta_.chunks);
    const auto bytes = read_head();
    if (!bytes) return std::unexpected(bytes.error());
    const ChunkHead head = decode_chunk_head(*bytes);
    std::string payload(head.payload_bytes, '\0');
    if (const auto done = read(offset_ + kChunkHeadBytes, payload); !done)
        return std::unexpected(done.error());
    if (crc_of_chunk(*bytes, payload) != head.crc)
        return std::unexpected(flaw(text("expected chunk ", number_, ", seen one with another checksum")));
    hash_ = hash_of_chunks(hash_, head.crc);
    if (number_ + 1 == meta_.chunks && reads_all_ && hash_ != meta_.hash)
        return std::unexpected(flaw("expected the chunks whose hash the header tells, seen others"));
    ++number_;
    offset_ += kChunkHeadBytes + payload.size();
    return payload;
}

std::expected<void, Flaw> SnapshotReader::seek(std::uint64_t number) {
    ENGINE_CHECK(number <= meta_.chunks);
    if (number < number_) *this = SnapshotReader(*disk_, meta_);
    for (; number_ < number; ++number_) {
        const auto bytes = read_head();
        if (!bytes) return std::unexpected(bytes.error());
        offset_ += kChunkHeadBytes + decode_chunk_head(*bytes).payload_bytes;
        reads_all_ = false;
    }
    return {};
}

std::expected<SnapshotMeta, Flaw> read_snapshot_meta(DiskReader& disk, const FileStatus& file,
                                                     const Identity& identity) {
    const auto flaw = [&](RefusalCode code, std::string what) {
        return std::unexpected(Flaw{code, file.name, 0, std::move(what), {}});
    };
    std::string block(std::min<std::uint64_t>(file.size, kBlockBytes), '\0');
    if (const auto done = disk.read(file.name, 0, block); !done) {
        return flaw(code_of_read(done.error()),
                    text("expected the header of a snapshot, seen none: ", done.error().detail));
    }
    const auto header = decode_snapshot_header(block);
    if (!header && header.error() == BlockProblem::UnknownVersion)
        return std::unexpected(unknown_format(file.name));
    if (!header)
        return flaw(RefusalCode::Damage, "expected the header of a snapshot, seen none that is valid");
    if (header->identity != identity) {
        return flaw(RefusalCode::WrongIdentity,
                    text("belongs to ", name_of(header->identity), ", not to ", name_of(identity)));
    }
    const SnapshotMeta& meta = header->meta;
    const std::uint64_t bytes = kChunksOffset + meta.chunks * kChunkHeadBytes + meta.bytes;
    if (const std::string name = snapshot_name(meta.last.index); name != file.name)
        return flaw(RefusalCode::Damage, text("holds what should be named ", name));
    if (file.size != bytes) {
        return flaw(RefusalCode::Damage, text("expected a snapshot through entry ", meta.last.index.value,
                                              " of ", bytes, " bytes, as its header says, seen ", file.size));
    }
    return meta;
}

std::expected<void, Flaw> check_chunks(DiskReader& disk, const SnapshotMeta& snapshot) {
    SnapshotReader reader(disk, snapshot);
    while (reader.number() < snapshot.chunks) {
        if (const auto chunk = reader.next(); !chunk) return std::unexpected(chunk.error());
    }
    return {};
}

}  // namespace quorate::wal
