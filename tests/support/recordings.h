#pragma once

// Recordings in memory.

#include <algorithm>
#include <cstddef>
#include <expected>
#include <span>
#include <string>
#include <string_view>

#include "server/recording_reader.h"
#include "server/recording_writer.h"

namespace quorate::test {

/// A source of these bytes, which outlive it.
inline server::RecordingReader::Source source_of(std::string_view bytes) {
    return [bytes](std::span<char> out) mutable {
        const std::size_t count = std::min(out.size(), bytes.size());
        std::ranges::copy(bytes.substr(0, count), out.begin());
        bytes.remove_prefix(count);
        return count;
    };
}

/// A sink that appends to `bytes`, which outlives it.
inline server::RecordingWriter::Sink sink_of(std::string& bytes) {
    return [&bytes](std::string_view more) -> std::expected<void, std::string> {
        bytes += more;
        return {};
    };
}

}  // namespace quorate::test
