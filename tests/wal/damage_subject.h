#pragma once

// A small log with everything in it that a log has, to be damaged.

#include <cstdint>
#include <string>
#include <string_view>

#include "tests/wal/log_user.h"
#include "wal/survey.h"

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

/// Any payload of an entry is as it should be.
inline const wal::PayloadCheck kAnything = [](engine::EntryKind, std::string_view) { return true; };

/// What a survey found, a line each.
[[nodiscard]] std::string text_of(const wal::Survey& survey);

}  // namespace quorate::test
