#pragma once

// Records in the making: the bytes of one write into one segment.

#include <cstdint>
#include <string>

#include "wal/disk.h"
#include "wal/format.h"

namespace quorate::wal {

/// The end of the log: the segment in use and where its next record goes.
struct Tail {
    std::uint64_t sequence = 0;
    std::uint64_t salt = 0;                  ///< of the segment
    std::uint64_t file_bytes = 0;            ///< size of the segment's file
    std::uint64_t end = kRecordsOffset;      ///< end of the last record
    std::uint32_t crc = 0;                   ///< of the last record; of the header when there is none
    std::uint64_t durable = kRecordsOffset;  ///< a returned sync covers everything before this offset

    [[nodiscard]] Mark durable_mark() const;  ///< needs durable == end
};

/// A segment's bytes from the tail on.
class Batch {
 public:
    explicit Batch(const Tail& tail) : tail_(tail), offset_(tail.end) {}

    [[nodiscard]] bool fits(std::size_t payload_bytes) const;
    /// Appends an entry that fits; returns the offset of its record.
    std::uint64_t add(RecordType type, engine::LogIndex index, const LogEntry& entry);

    [[nodiscard]] bool empty() const { return bytes_.empty(); }
    [[nodiscard]] std::size_t size() const { return bytes_.size(); }
    /// The tail once the batch is written.
    [[nodiscard]] const Tail& tail() const { return tail_; }
    [[nodiscard]] WriteAt take_write();

 private:
    Tail tail_;
    std::uint64_t offset_;  ///< of the first byte
    std::string bytes_;
};

/// Size of a file that holds at least `segment_bytes` bytes and a record of this size.
[[nodiscard]] std::uint64_t segment_file_bytes(std::uint64_t segment_bytes, std::size_t payload_bytes);

}  // namespace quorate::wal
