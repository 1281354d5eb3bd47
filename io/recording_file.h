#pragma once

// The file that a flight recorder writes to.

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>

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
    /// so on; the oldest goes. When a file of one of these names does not begin with `magic`, or another
    /// process records into it, nothing is touched. An error is a sentence for a person.
    [[nodiscard]] static std::expected<std::unique_ptr<RecordingFile>, std::string> create(
        const std::string& path, std::string_view magic);

    /// Behind what was written before. When it cannot be done, nothing of `bytes` is left in the file. Not
    /// synced: it outlives the process, not the machine.
    [[nodiscard]] std::expected<void, std::string> write(std::string_view bytes);
    /// The same in a signal's handler: calls nothing but the system, takes no memory, and what cannot be
    /// written is lost without a word.
    void write_last(std::string_view bytes) { std::ignore = put(bytes); }

 private:
    RecordingFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

    struct Failure {
        const char* call;
        int error;
    };
    [[nodiscard]] std::expected<void, Failure> put(std::string_view bytes);

    std::string path_;
    int fd_;
    std::uint64_t size_ = 0;
};

}  // namespace quorate::io
