#pragma once

// Frames: how bytes between servers are cut into pieces that are whole and unharmed.
//
//   offset  size
//        0     4  magic "QRTF"
//        4     1  version = 1
//        5     1  type, see peer_codec.cc
//        6     2  zero
//        8     4  payload bytes, at most kFramePayloadBytesMax
//       12     4  CRC32C over bytes 0..11 and the payload
//       16     …  payload
// Little-endian.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "wal/entry.h"

namespace quorate::server {

inline constexpr std::size_t kFrameHeadBytes = 16;
/// One entry of the largest size travels alone; an append of many ends far below.
inline constexpr std::size_t kFramePayloadBytesMax = wal::kPayloadBytesMax + (std::size_t{64} << 10);

/// Each means: close the connection. They differ in what is worth saying about it.
enum class FrameError : std::uint8_t {
    NotAFrame,       ///< wrong magic: something else speaks here
    UnknownVersion,  ///< another version of the protocol
    TooLong,
    Damaged,         ///< the checksum differs
    UnknownPayload,  ///< whole, but nothing that this version understands
};

[[nodiscard]] std::string_view to_string(FrameError error);

struct RawFrame {
    std::uint8_t type = 0;
    std::string_view payload;  ///< into what was read; of a reader: valid until it is fed or asked again
};

/// Starts a frame with room for its head, a payload of some numbers, and `more_bytes`; append the payload,
/// then finish_frame().
[[nodiscard]] std::string begin_frame(std::size_t more_bytes = 0);
void finish_frame(std::string& frame, std::uint8_t type);

/// The frame that `bytes` begin with; nothing: they are not all of it yet. A length is checked before its
/// bytes are waited for.
[[nodiscard]] std::expected<std::optional<RawFrame>, FrameError> first_frame(std::string_view bytes);

/// Cuts a stream of bytes, split anywhere, into frames. After an error it gives nothing but that error.
class FrameReader {
 public:
    /// Ask next() until it gives nothing before feeding more: then no more than one frame and one feed are
    /// held.
    void feed(std::string_view bytes);
    /// The next whole frame, or nothing yet.
    [[nodiscard]] std::expected<std::optional<RawFrame>, FrameError> next();

 private:
    std::string bytes_;
    std::size_t begin_ = 0;  ///< what comes before has been given out
    std::optional<FrameError> error_;
};

}  // namespace quorate::server
