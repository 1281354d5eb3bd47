#include "wal/checksum.h"

#include <algorithm>
#include <cstddef>

#include <isa-l/crc.h>

namespace quorate::wal {

std::uint32_t crc32c(std::string_view bytes, std::uint32_t before) {
    // The library counts in int, takes bytes that it does not change as changeable, and leaves the inversions
    // of the standard to its caller.
    constexpr std::size_t kPieceBytesMax = 1U << 30;
    std::uint32_t state = ~before;
    while (!bytes.empty()) {
        const std::string_view piece = bytes.substr(0, std::min(bytes.size(), kPieceBytesMax));
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast)
        auto* data = reinterpret_cast<unsigned char*>(const_cast<char*>(piece.data()));
        state = crc32_iscsi(data, static_cast<int>(piece.size()), state);
        bytes.remove_prefix(piece.size());
    }
    return ~state;
}

}  // namespace quorate::wal
