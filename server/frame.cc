#include "server/frame.h"

#include <utility>

#include <isa-l/crc.h>

#include "engine/check.h"
#include "server/bytes.h"

namespace quorate::server {

namespace {

constexpr std::uint32_t kMagic = 0x46545251;  // "QRTF" in the order of its bytes
constexpr std::uint8_t kVersion = 1;
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

std::string begin_frame() {
    std::string frame;
    frame.reserve(kFrameHeadBytes + kPayloadBytesUsual);
    frame.resize(kFrameHeadBytes);
    return frame;
}

void finish_frame(std::string& frame, std::uint8_t type) {
    const std::size_t payload_bytes = frame.size() - kFrameHeadBytes;
    ENGINE_CHECK(payload_bytes <= kFramePayloadBytesMax);
    std::string head;
    ByteWriter writer(head);
    writer.u32(kMagic).u8(kVersion).u8(type).u8(0).u8(0).u32(static_cast<std::uint32_t>(payload_bytes));
    ENGINE_CHECK(head.size() == kChecksumAt);
    writer.u32(checksum(head, std::string_view(frame).substr(kFrameHeadBytes)));
    frame.replace(0, kFrameHeadBytes, head);
}

void FrameReader::feed(std::string_view bytes) {
    if (error_) return;
    bytes_.erase(0, std::exchange(begin_, 0));
    bytes_.append(bytes);
}

std::expected<std::optional<RawFrame>, FrameError> FrameReader::next() {
    if (error_) return std::unexpected(*error_);
    const auto fail = [this](FrameError error) {
        error_ = error;
        bytes_ = {};
        begin_ = 0;
        return std::unexpected(error);
    };
    const std::string_view held = std::string_view(bytes_).substr(begin_);
    if (held.size() < kFrameHeadBytes) return std::nullopt;

    ByteReader head(held.substr(0, kFrameHeadBytes));
    const std::uint32_t magic = head.u32();
    const std::uint8_t version = head.u8();
    const std::uint8_t type = head.u8();
    const std::uint16_t zero = head.u16();
    const std::uint32_t payload_bytes = head.u32();
    const std::uint32_t expected_checksum = head.u32();
    if (magic != kMagic) return fail(FrameError::NotAFrame);
    if (version != kVersion) return fail(FrameError::UnknownVersion);
    if (zero != 0) return fail(FrameError::Damaged);
    if (payload_bytes > kFramePayloadBytesMax) return fail(FrameError::TooLong);
    if (held.size() - kFrameHeadBytes < payload_bytes) return std::nullopt;

    const std::string_view payload = held.substr(kFrameHeadBytes, payload_bytes);
    if (checksum(held.substr(0, kChecksumAt), payload) != expected_checksum) return fail(FrameError::Damaged);
    begin_ += kFrameHeadBytes + payload_bytes;
    return RawFrame{type, payload};
}

}  // namespace quorate::server
