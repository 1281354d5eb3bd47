#pragma once

// xxHash: stable across platforms and releases, not cryptographic.

#include <cstdint>
#include <string_view>

namespace quorate::server {

/// XXH64 with seed 0. Part of what members agree on (ids, digests): never change it.
[[nodiscard]] std::uint64_t hash64(std::string_view bytes);

}  // namespace quorate::server
