#pragma once

// Reads a recording, block by block: never more than one is held.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "server/recording.h"
#include "server/recording_header.h"

namespace quorate::server {

struct RecordingProblem {
    enum class Kind : std::uint8_t {
        NotARecording,
        OtherVersion,  ///< of the format
        Damaged,
    };
    Kind kind = Kind::Damaged;
    std::uint64_t offset = 0;  ///< in the file, of what cannot be read
    std::string line;          ///< for a person: what, and what to do
};

class RecordingReader {
 public:
    /// Fills `out` from where it left off; fewer bytes at the end of the file alone.
    using Source = std::function<std::size_t(std::span<char> out)>;

    explicit RecordingReader(Source source);

    /// First of all, once.
    [[nodiscard]] std::expected<RecordingHeader, RecordingProblem> header();
    /// The next record; nothing at the end, which may be that of the last whole block.
    [[nodiscard]] std::expected<std::optional<RecordedItem>, RecordingProblem> next();

    /// At the end: so many bytes of a block that was never finished stand behind the last whole one.
    [[nodiscard]] std::uint64_t torn_bytes() const { return torn_bytes_; }

 private:
    [[nodiscard]] bool fill(std::string& bytes, std::size_t size);
    [[nodiscard]] bool only_zeros_follow(std::string_view from);
    [[nodiscard]] std::expected<bool, RecordingProblem> next_block();
    [[nodiscard]] std::unexpected<RecordingProblem> damaged(std::string_view what) const;

    Source source_;
    std::uint64_t offset_ = 0;        ///< in the file, of what is read next
    std::uint64_t block_offset_ = 0;  ///< of the block that is read
    std::uint32_t block_number_ = 0;
    std::string block_;
    std::size_t rest_ = 0;  ///< bytes of the block that are still to be decoded, at its end
    std::uint64_t torn_bytes_ = 0;
};

}  // namespace quorate::server
