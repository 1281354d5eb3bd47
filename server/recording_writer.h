#pragma once

// Gathers records in blocks (recording.h) and hands them on.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "server/recording.h"
#include "server/recording_header.h"

namespace quorate::server {

class RecordingWriter {
 public:
    /// Keeps the bytes behind those it was given before, or says in words why it cannot.
    using Sink = std::function<std::expected<void, std::string>(std::string_view)>;

    /// Why nothing is written any more.
    struct Stop {
        bool is_failure = false;  ///< else an end is recorded
        std::string line;
    };

    RecordingWriter(Sink sink, std::uint64_t bytes_max);

    [[nodiscard]] std::expected<void, std::string> begin(const RecordingHeader& header);

    /// `encode` gets a RecordEncoder for one record. Nothing once it has stopped.
    template <class Encode>
    void add(const Encode& encode) {
        if (stop_) return;
        RecordEncoder encoder(block_);
        encode(encoder);
        added();
    }
    /// Records the end and hands it on. Nothing once it has stopped, and it has then.
    void end(EndReason reason);
    /// Hands on what is complete.
    void flush();
    /// The block that flush() would hand on, for who can call it no more, in a signal's handler: takes no
    /// memory. Empty while a block is handed on, of which nobody knows how much has been kept.
    [[nodiscard]] std::string_view last_block();

    /// Set for good once it has stopped.
    [[nodiscard]] const std::optional<Stop>& stop() const { return stop_; }
    [[nodiscard]] std::uint64_t bytes_written() const { return written_bytes_; }

 private:
    void added();
    [[nodiscard]] std::string_view seal();

    Sink sink_;
    std::uint64_t bytes_max_;
    std::string block_;     ///< begins with room for its head
    std::size_t complete_;  ///< the end of its last whole record
    std::uint32_t block_number_ = 0;
    std::uint64_t written_bytes_ = 0;
    std::optional<Stop> stop_;
    bool is_handing_on_ = false;
};

}  // namespace quorate::server
