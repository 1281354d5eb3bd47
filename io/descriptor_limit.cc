#include "io/descriptor_limit.h"

#include <algorithm>

#include <sys/resource.h>

namespace quorate::io {

namespace {

/// The connections in reserve (64), links to the other members (31), a dozen files, the loop's own and the
/// standard ones.
constexpr std::uint64_t kReservedDescriptors = 128;

}  // namespace

std::uint64_t raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
    const rlimit raised{limit.rlim_max, limit.rlim_max};
    return ::setrlimit(RLIMIT_NOFILE, &raised) == 0 ? limit.rlim_max : limit.rlim_cur;
}

HttpLimits within_descriptors(HttpLimits limits, std::uint64_t descriptors) {
    const std::uint64_t others = std::min(kReservedDescriptors, descriptors / 4 * 3);
    limits.connections_max = std::min<std::uint64_t>(limits.connections_max, descriptors - others);
    limits.connections_per_address_max =
        std::min(limits.connections_per_address_max, limits.connections_max - limits.connections_max / 4);
    limits.reserve_max = std::min<std::uint64_t>(limits.reserve_max, others / 2);
    return limits;
}

}  // namespace quorate::io
