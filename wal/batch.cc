#include "wal/batch.h"

#include <algorithm>
#include <utility>

#include "engine/check.h"

namespace quorate::wal {

Mark Tail::durable_mark() const {
    ENGINE_CHECK(durable == end);
    return {sequence, end, crc};
}

bool Batch::fits(std::size_t payload_bytes) const {
    return next_head(tail_.end) + kHeadBytes + payload_bytes <= tail_.file_bytes;
}

std::uint64_t Batch::add(RecordType type, engine::LogIndex index, const LogEntry& entry) {
    ENGINE_CHECK(fits(entry.payload.size()));
    const std::uint64_t offset = next_head(tail_.end);
    bytes_.resize(offset - offset_);  // zeros between the records
    const RecordHead head{type,  entry.kind, entry.shape().bytes, tail_.crc,
                          index, entry.term, tail_.salt,          tail_.durable};
    tail_.crc = encode_record(head, entry.payload, bytes_);
    tail_.end = offset_ + bytes_.size();
    return offset;
}

WriteAt Batch::take_write() { return {segment_name(tail_.sequence), offset_, std::exchange(bytes_, {})}; }

std::uint64_t segment_file_bytes(std::uint64_t segment_bytes, std::size_t payload_bytes) {
    const std::uint64_t least = std::max(segment_bytes, kRecordsOffset + kHeadBytes + payload_bytes);
    return (least + kSegmentGranule - 1) / kSegmentGranule * kSegmentGranule;
}

}  // namespace quorate::wal
