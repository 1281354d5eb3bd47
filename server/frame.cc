#include "server/frame.h"

#include <utility>

#include <isa-l/crc.h>

#include "engine/check.h"
#include "server/bytes.h"

namespace quorate::server {

namespace {

constexpr std::uint32_t kMagic = 0x46545251;  // "QRTF" in the order of its bytes
constexpr std::uint8_t kFrameVersion = 1;
constexpr std::size_t kChecksumAt = 12;
/// What has room without another allocation: all that carries no entry.
constexpr std::size_t kPayloadBytesUsual = 64;

std::uint32_t checksum(std::string_view head, std::string_view payload) {
    const auto extend = [](std::uint32_t crc, std::string_view bytes) {
        // The library reads only, and takes no const pointer.
        auto* data = reinterpret_cast<unsigned char*>(
            const_cast<char*>(bytes.data()));  // NOLINT(cppcoreguidelines-pro-type-const-cast)
        return crc32_iscsi(data, static_cast<int>(bytes.size()), crc);
    };
    return ~extend(extend(~std::uint32_t{0}, head), payload);
}

}  // namespace

std::string_view to_string(FrameError error) {
    switch (error) {
        case FrameError::NotAFrame: return "not a frame of this protocol";
        case FrameError::UnknownVersion: return "a frame of another version of the protocol";
        case FrameError::TooLong: return "a frame longer than any may be";
        case FrameError::Damaged: return "a frame whose checksum differs";
        case FrameError::UnknownPayload: return "a frame whose content cannot be read";
    }
    std::unreachable();
}

std::string begin_frame(std::size_t more_bytes) {
    std::string frame;
    frame.reserve(kFrameHeadBytes + kPayloadBytesUsual + more_bytes);
    frame.resize(kFrameHeadBytes);
    return frame;
}

void finish_frame(std::string& frame, std::uint8_t type) {
    const std::size_t payload_bytes = frame.size() - kFrameHeadBytes;
    ENGINE_CHECK(payload_bytes <= kFramePayloadBytesMax);
    store_little_endian(frame.data(), kMagic);
    frame[4] = static_cast<char>(kFrameVersion);
    frame[5] = static_cast<char>(type);
    store_little_endian(frame.data() + 8, static_cast<std::uint32_t>(payload_bytes));
    const std::string_view all = frame;
    store_little_endian(frame.data() + kChecksumAt,
                        checksum(all.substr(0, kChecksumAt), all.substr(kFrameHeadBytes)));
}

void FrameReader::feed(std::string_view bytes) {
    if (error_) return;
    bytes_.erase(0, std::exchange(begin_, 0));
    bytes_.append(bytes);
}

std::expected<std::optional<RawFrame>, FrameError> FrameReader::next() {
    if (error_) return std::unexpected(*error_);
    auto frame = first_frame(std::string_view(bytes_).substr(begin_));
    if (!frame) {
        error_ = frame.error();
        bytes_ = {};
        begin_ = 0;
        return frame;
    }
    if (const std::optional<RawFrame>& whole = *frame) begin_ += kFrameHeadBytes + whole->payload.size();
    return frame;
}

std::expected<std::optional<RawFrame>, FrameError> first_frame(std::string_view bytes) {
    if (bytes.size() < kFrameHeadBytes) return std::nullopt;
    ByteReader head(bytes.substr(0, kFrameHeadBytes));
    const std::uint32_t magic = head.u32();
    const std::uint8_t version = head.u8();
    const std::uint8_t type = head.u8();
    const std::uint16_t zero = head.u16();
    const std::uint32_t payload_bytes = head.u32();
    const std::uint32_t expected_checksum = head.u32();
    if (magic != kMagic) return std::unexpected(FrameError::NotAFrame);
    if (version != kFrameVersion) return std::unexpected(FrameError::UnknownVersion);
    if (zero != 0) return std::unexpected(FrameError::Damaged);
    if (payload_bytes > kFramePayloadBytesMax) return std::unexpected(FrameError::TooLong);
    if (bytes.size() - kFrameHeadBytes < payload_bytes) return std::nullopt;

    const std::string_view payload = bytes.substr(kFrameHeadBytes, payload_bytes);
    if (checksum(bytes.substr(0, kChecksumAt), payload) != expected_checksum)
        return std::unexpected(FrameError::Damaged);
    return RawFrame{type, payload};
}

}  // namespace quorate::server
