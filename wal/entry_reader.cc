#include "wal/entry_reader.h"

#include "wal/format.h"

namespace quorate::wal {

using engine::LogIndex;

std::expected<std::vector<LogEntry>, Refusal> read_entries(DiskReader& disk, const EntryIndex& index,
                                                           const Segments& segments, LogIndex first,
                                                           LogIndex last, std::uint64_t bytes_max) {
    const EntryRange range = index.range(first, last, bytes_max);
    const std::uint64_t base = range.offsets.front();
    const std::string file = segment_name(range.sequence);
    std::string bytes(range.end - base, '\0');
    if (const auto done = disk.read(file, base, bytes); !done)
        return std::unexpected(read_refusal(done.error()));
    std::vector<LogEntry> entries;
    entries.reserve(range.offsets.size());
    for (const std::uint64_t offset : range.offsets) {
        const LogIndex expected = first.plus(entries.size());
        const auto record = decode_record(bytes, offset, segments.at(range.sequence).salt, base);
        if (!record || record->head.index != expected) {
            return std::unexpected(damage(file, offset,
                                          "expected the record that was there before, seen other bytes",
                                          text("entry ", expected.value)));
        }
        entries.push_back({record->head.term, record->head.kind, std::string(record->payload)});
    }
    return entries;
}

}  // namespace quorate::wal
