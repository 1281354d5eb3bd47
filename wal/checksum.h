#pragma once

#include <cstdint>
#include <string_view>

namespace quorate::wal {

/// CRC32C (Castagnoli), by the processor's instruction where it has one. Part of every format on disk.
[[nodiscard]] std::uint32_t crc32c(std::string_view bytes);

}  // namespace quorate::wal
