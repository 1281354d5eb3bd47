#pragma once

// The file that a flight recorder writes to.

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

namespace quorate::io {

/// Earlier recordings that are kept beside the newest: a node that crashes and is started again, by whoever
/// looks after it, shall not write over what led to the crash.
inline constexpr int kRecordingsKept = 3;

class RecordingFile {
 public:
    RecordingFile(const RecordingFile&) = delete;
    RecordingFile& operator=(const RecordingFile&) = delete;
    ~RecordingFile();

    /// Makes the file anew, mode 0600. A recording that is there becomes PATH.1, PATH.1 becomes PATH.2, and
    /// so on; the oldest goes. What does not begin with `magic` is not touched, nor what another process
    /// records into. An error is a sentence for a person.
    [[nodiscard]] static std::expected<std::unique_ptr<RecordingFile>, std::string> create(
        const std::string& path, std::string_view magic);

    /// Behind what was written before. When it cannot be done, nothing of `bytes` is left in the file. Not
    /// synced: it outlives the process, not the machine. Calls nothing but the system, unless it fails.
    [[nodiscard]] std::expected<void, std::string> write(std::string_view bytes);

 private:
    RecordingFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

    std::string path_;
    int fd_;
    std::uint64_t size_ = 0;
};

}  // namespace quorate::io
