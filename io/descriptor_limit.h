#pragma once

// How many descriptors this process may have, and what the HTTP server may take of them.

#include <cstdint>

#include "io/http_guard.h"

namespace quorate::io {

/// With fewer nothing is sure to work.
inline constexpr std::uint64_t kDescriptorsMin = 64;

/// Raises the limit of this process as far as it may. The limit in force.
[[nodiscard]] std::uint64_t raise_descriptor_limit();

/// `limits` with so few connections that the rest of the process never lacks a descriptor for them.
[[nodiscard]] HttpLimits within_descriptors(HttpLimits limits, std::uint64_t descriptors);

}  // namespace quorate::io
