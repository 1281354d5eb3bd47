#pragma once

#include <cstdint>
#include <string_view>

namespace quorate::wal {

/// CRC32C (Castagnoli), by the processor's instruction where it has one. Part of every format on disk.
/// `before`: of the bytes in front of these.
[[nodiscard]] std::uint32_t crc32c(std::string_view bytes, std::uint32_t before = 0);

}  // namespace quorate::wal
