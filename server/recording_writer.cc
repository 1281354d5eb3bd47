#include "server/recording_writer.h"

#include <algorithm>
#include <utility>

#include "server/bytes.h"
#include "wal/checksum.h"

namespace quorate::server {

namespace {

/// A block is handed on when it has so many bytes, or earlier when its owner says so.
constexpr std::size_t kBlockBytesWanted = 256U << 10;
/// A block that had to be larger does not keep its memory.
constexpr std::size_t kBlockBytesKept = 4U << 20;
/// The end's own record, which may need a block of its own.
constexpr std::size_t kEndBytes = kBlockHeadBytes + 2;

}  // namespace

RecordingWriter::RecordingWriter(Sink sink, std::uint64_t bytes_max)
    : sink_(std::move(sink)),
      bytes_max_(bytes_max),
      block_(kBlockHeadBytes, '\0'),
      complete_(kBlockHeadBytes) {}

std::expected<void, std::string> RecordingWriter::begin(const RecordingHeader& header) {
    const std::string bytes = encode_recording_header(header);
    written_bytes_ = bytes.size();
    return sink_(bytes);
}

void RecordingWriter::added() {
    if (written_bytes_ + block_.size() + kEndBytes > bytes_max_ || block_.size() > kBlockBytesMax) {
        block_.resize(complete_);
        end(EndReason::SizeReached);
        return;
    }
    complete_ = block_.size();
    if (complete_ >= kBlockBytesWanted) flush();
}

void RecordingWriter::end(EndReason reason) {
    if (stop_) return;
    RecordEncoder(block_).end(reason);
    complete_ = block_.size();
    flush();
    if (!stop_)
        stop_ = Stop{false,
                     reason == EndReason::SizeReached ? "it has reached its size" : "its node has stopped"};
}

// Calls nothing that takes memory.
std::string_view RecordingWriter::seal() {
    const auto put = [this](std::size_t at, std::uint32_t number) {
        std::string bytes;  // so short that it takes no memory
        ByteWriter(bytes).u32(number);
        std::ranges::copy(bytes, block_.begin() + static_cast<std::ptrdiff_t>(at));
    };
    const std::string_view bytes = std::string_view(block_).substr(0, complete_);
    put(4, static_cast<std::uint32_t>(complete_ - kBlockHeadBytes));
    put(8, block_number_);
    put(12, wal::crc32c(bytes.substr(kBlockHeadBytes)));
    put(0, wal::crc32c(bytes.substr(4, kBlockHeadBytes - 4)));
    return bytes;
}

std::string_view RecordingWriter::last_block() {
    return stop_ || is_handing_on_ || complete_ == kBlockHeadBytes ? std::string_view() : seal();
}

void RecordingWriter::flush() {
    if (stop_ || complete_ == kBlockHeadBytes) return;
    is_handing_on_ = true;
    const std::string_view bytes = seal();
    if (auto written = sink_(bytes); !written) stop_ = Stop{true, std::move(written.error())};
    written_bytes_ += bytes.size();
    ++block_number_;
    if (block_.capacity() > kBlockBytesKept) std::string().swap(block_);
    block_.resize(kBlockHeadBytes);
    complete_ = kBlockHeadBytes;
    is_handing_on_ = false;
}

}  // namespace quorate::server
