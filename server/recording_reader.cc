#include "server/recording_reader.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "server/bytes.h"
#include "wal/checksum.h"

namespace quorate::server {

namespace {

/// A length that lies takes no more memory than this beyond what the file really has.
constexpr std::size_t kPieceBytes = 1U << 20;
constexpr std::size_t kHeaderBytesMax = 1U << 20;

}  // namespace

RecordingReader::RecordingReader(Source source) : source_(std::move(source)) {}

// False: the file ends before.
bool RecordingReader::fill(std::string& bytes, std::size_t size) {
    bytes.clear();
    while (bytes.size() < size) {
        const std::size_t begin = bytes.size();
        bytes.resize(begin + std::min(kPieceBytes, size - begin));
        const std::size_t read = source_(std::span(bytes).subspan(begin));
        offset_ += read;
        if (begin + read < bytes.size()) {
            bytes.resize(begin + read);
            return false;
        }
    }
    return true;
}

std::expected<RecordingHeader, RecordingProblem> RecordingReader::header() {
    const auto problem = [](RecordingProblem::Kind kind, std::uint64_t offset, std::string line) {
        return std::unexpected(RecordingProblem{kind, offset, std::move(line)});
    };
    std::string preamble;
    const bool is_whole = fill(preamble, kRecordingPreambleBytes);
    if (!preamble.starts_with(kRecordingMagic)) {
        return problem(RecordingProblem::Kind::NotARecording, 0,
                       "this is no recording: give a file that quorated --record has written");
    }
    ByteReader reader(std::string_view(preamble).substr(kRecordingMagic.size()));
    const std::uint32_t version = reader.u32();
    const std::uint32_t size = reader.u32();
    const std::uint32_t checksum = reader.u32();
    if (is_whole && version != kRecordingVersion) {
        return problem(RecordingProblem::Kind::OtherVersion, kRecordingMagic.size(),
                       fmt::format("a recording of format {}, and this program reads format {}: use the "
                                   "quorate-sim that was built with the quorated that wrote it",
                                   version, kRecordingVersion));
    }
    std::string body;
    if (!is_whole || size > kHeaderBytesMax || !fill(body, size) ||
        wal::crc32c(preamble.substr(0, kRecordingPreambleBytes - 4) + body) != checksum)
        return problem(RecordingProblem::Kind::Damaged, 0,
                       "its header is not whole: nothing in it can be replayed");
    auto header = decode_recording_header(body);
    if (!header) {
        return problem(RecordingProblem::Kind::Damaged, kRecordingPreambleBytes,
                       "its header names a configuration that no node of this version can have: use the "
                       "quorate-sim that was built with the quorated that wrote it");
    }
    block_offset_ = offset_;
    return std::move(*header);
}

std::expected<std::optional<RecordedItem>, RecordingProblem> RecordingReader::next() {
    if (rest_ == 0) {
        const auto more = next_block();
        if (!more) return std::unexpected(more.error());
        if (!*more) return std::nullopt;
    }
    const std::string_view rest = std::string_view(block_).substr(block_.size() - rest_);
    ByteReader reader(rest);
    auto record = decode_record(reader);
    if (!record)
        return damaged(fmt::format("byte {} of the block is no record, though its checksum is right",
                                   kBlockHeadBytes + block_.size() - rest_));
    rest_ = reader.rest_bytes();
    if (std::holds_alternative<RefusedMark>(*record) || std::holds_alternative<EndMark>(*record)) {
        if (rest_ > 0) return damaged("records stand behind the one that ends the recording");
        block_offset_ = offset_;
        std::string more;
        if (fill(more, 1)) return damaged("bytes stand behind the end of the recording");
    }
    return record;
}

// False: there is none. What ends with the file was being written when the process died, or the machine: a
// block that its own head shows to go beyond the end, or blocks that the file system had not written yet,
// which are zeros.
std::expected<bool, RecordingProblem> RecordingReader::next_block() {
    block_offset_ = offset_;
    std::string head;
    if (!fill(head, kBlockHeadBytes)) {
        torn_bytes_ = head.size();
        return false;
    }
    ByteReader reader(head);
    const std::uint32_t checksum = reader.u32();
    const std::uint32_t size = reader.u32();
    const std::uint32_t number = reader.u32();
    const std::uint32_t records_checksum = reader.u32();
    if (wal::crc32c(head.substr(4)) != checksum) {
        if (!only_zeros_follow(head))
            return damaged("the checksum of the block's head differs from its bytes");
        torn_bytes_ = offset_ - block_offset_;
        return false;
    }
    if (number != block_number_)
        return damaged(fmt::format("expected block {}, seen block {}", block_number_, number));
    if (size == 0 || size > kBlockBytesMax)
        return damaged(fmt::format("expected the length of a block, seen {}", size));
    if (!fill(block_, size)) {
        torn_bytes_ = offset_ - block_offset_;
        return false;
    }
    if (wal::crc32c(block_) != records_checksum)
        return damaged("the checksum of the block's records differs from their bytes");
    ++block_number_;
    rest_ = block_.size();
    return true;
}

bool RecordingReader::only_zeros_follow(std::string_view from) {
    std::string more(from);
    for (bool is_more = true; is_more;) {
        if (more.find_first_not_of('\0') != std::string::npos) return false;
        is_more = fill(more, kPieceBytes);
    }
    return more.find_first_not_of('\0') == std::string::npos;
}

std::unexpected<RecordingProblem> RecordingReader::damaged(std::string_view what) const {
    return std::unexpected(RecordingProblem{
        RecordingProblem::Kind::Damaged, block_offset_,
        fmt::format("damaged: {}. What stands before it is whole and has been replayed; take the file from "
                    "its source again if this is a copy",
                    what)});
}

}  // namespace quorate::server
