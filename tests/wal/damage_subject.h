#pragma once

// A small log with everything in it that a log has, to be damaged.

#include <cstdint>
#include <string_view>

#include "tests/wal/log_user.h"

namespace quorate::test {

using Image = VirtualDisk::Image;

inline constexpr std::string_view kFirstSegment = "log-0000000000000001";
inline constexpr std::string_view kLastSegment = "log-0000000000000002";

struct Subject {
    Image image;
    Image earlier;  ///< the same directory two batches before
    LogContent content;
    LogContent without_last_batch;
    std::uint64_t last_batch_offset = 0;  ///< in kLastSegment
};

// Two segments, several batches, votes, a replacement that reaches back into the first segment.
[[nodiscard]] Subject make_subject(bool goes_idle);

}  // namespace quorate::test
