#pragma once

// A file that stands under its name whole, or not at all.

#include <expected>
#include <memory>
#include <string>
#include <string_view>

namespace quorate::io {

/// Written as NAME.tmp, which becomes NAME when it is finished. Until then, whatever NAME was stays.
class WholeFile {
 public:
    /// An error, here and below, says what the system says. Refused: where NAME is there and no regular file,
    /// and while another process writes the same one.
    [[nodiscard]] static std::expected<std::unique_ptr<WholeFile>, std::string> create(
        const std::string& name);

    WholeFile(const WholeFile&) = delete;
    WholeFile& operator=(const WholeFile&) = delete;
    /// Removes what is not finished.
    ~WholeFile();

    [[nodiscard]] std::expected<void, std::string> write(std::string_view bytes);
    /// It is on the disk under its name afterwards. At the end, once.
    [[nodiscard]] std::expected<void, std::string> finish();

 private:
    WholeFile(std::string name, int descriptor);

    std::string name_;
    std::string temporary_;
    int descriptor_;
    bool is_finished_ = false;
};

}  // namespace quorate::io
