// A recording from an unknown hand: reading it ends, in bounded memory, with its records or a problem that
// has a place in the file; and where it is cut decides only how far it goes.
//
// Input: a byte that says how to read the rest: even = a whole file; odd = records, which are put into a
// block behind a good header, so that mutations need not hit a checksum.

#include "tests/support/recordings.h"

#include <algorithm>
#include <utility>

#include "fuzz/fuzz.h"
#include "server/recording_reader.h"
#include "server/recording_writer.h"
#include "wal/checksum.h"

namespace quorate::fuzz {
namespace {

using server::RecordingReader;

struct Read {
    std::uint64_t records = 0;
    bool has_header = false;
    bool is_whole = false;  ///< to its end, and no problem
};

Read read_all(std::string_view bytes) {
    Read read;
    RecordingReader reader(test::source_of(bytes));
    const auto header = reader.header();
    read.has_header = header.has_value();
    if (!header) {
        FUZZ_REQUIRE(!header.error().line.empty() && header.error().offset <= bytes.size());
        return read;
    }
    for (;;) {
        const auto next = reader.next();
        if (!next) {
            FUZZ_REQUIRE(!next.error().line.empty() && next.error().offset <= bytes.size());
            return read;
        }
        if (!*next) break;
        ++read.records;
    }
    read.is_whole = true;
    FUZZ_REQUIRE(reader.torn_bytes() <= bytes.size());
    return read;
}

std::string good_header() {
    server::RecordingHeader header;
    header.config.members.members = {{engine::ServerId(1), "1", "h:1", server::MemberRole::Voter}};
    header.config.self = header.config.members.members.front();
    header.config.raft.self = header.config.self.id;
    return server::encode_recording_header(header);
}

void put_into_block(std::string& file, std::string_view records) {
    std::string head;
    server::ByteWriter(head).u32(static_cast<std::uint32_t>(records.size())).u32(0).u32(wal::crc32c(records));
    server::ByteWriter(file).u32(wal::crc32c(head));
    file += head;
    file += records;
}

void read_records(std::string_view records) {
    static const std::string header = good_header();
    std::string file = header;
    put_into_block(file, records);
    const Read whole = read_all(file);
    FUZZ_REQUIRE(whole.has_header);
    // A crash while the block was written: nothing of it counts, and it is no damage.
    const Read torn = read_all(std::string_view(file).substr(0, file.size() - 1));
    FUZZ_REQUIRE(torn.is_whole && torn.records == 0);
}

}  // namespace
}  // namespace quorate::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    quorate::fuzz::Bytes input(data, size);
    if (input.byte() % 2 == 0) {
        (void)quorate::fuzz::read_all(input.rest());
    } else {
        quorate::fuzz::read_records(input.rest());
    }
    return 0;
}
