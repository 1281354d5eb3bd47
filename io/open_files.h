#pragma once

// The open files of a directory: a dozen descriptors, however many files there are.

#include <cstddef>
#include <expected>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace quorate::io {

/// Closes itself.
class Descriptor {
 public:
    explicit Descriptor(int fd) : fd_(fd) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor();

    [[nodiscard]] int fd() const { return fd_; }

 private:
    int fd_;
};

/// Thread-safe. Files that were written to stay open, so that writing the log and the vote goes on when the
/// process can have no further descriptor; and one descriptor is kept, or a file that was read open, so that
/// there is always one for a file that is there. An error is an errno.
class OpenFiles {
 public:
    /// Stays open while it is held, also when its file has been closed, replaced or removed here.
    using Held = std::shared_ptr<const Descriptor>;
    using Opened = std::expected<Held, int>;

    OpenFiles() = default;
    OpenFiles(const OpenFiles&) = delete;
    OpenFiles& operator=(const OpenFiles&) = delete;
    ~OpenFiles();

    /// Before anything else. Not owned.
    void set_directory(int directory_fd);

    [[nodiscard]] Opened to_read(std::string_view file);
    [[nodiscard]] Opened to_write(std::string_view file);
    /// A new, empty file, for writing; an old one of that name loses its content.
    [[nodiscard]] Opened create(std::string_view file);
    void renamed(std::string_view from, std::string_view to);
    void close(std::string_view file);

 private:
    struct File {
        std::string name;
        Held descriptor;
    };
    using Files = std::vector<File>;  ///< the one that was used last stands last

    [[nodiscard]] static Held take(Files& files, std::string_view name);
    [[nodiscard]] Opened open(std::string_view file, int flags, std::size_t kept);
    [[nodiscard]] Opened open_at_any_price(std::string_view file);
    void keep_spare();
    void keep_written(std::string_view file, const Held& descriptor);
    void keep_read(std::string_view file, const Held& descriptor);

    int directory_fd_ = -1;
    int spare_fd_ = -1;  ///< of nothing: given up for a file that must be opened
    std::mutex mutex_;
    Files written_;
    Files read_;
};

}  // namespace quorate::io
