#pragma once

// A data directory that somebody else may be using: no lock, and nothing that could write.

#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/open_files.h"
#include "wal/disk.h"

namespace quorate::io {

class DirectoryReader final : public wal::DiskReader {
 public:
    /// The directory must exist.
    [[nodiscard]] static std::expected<std::unique_ptr<DirectoryReader>, wal::DiskFailure> open(
        const std::string& path);

    std::expected<std::vector<wal::FileStatus>, wal::DiskFailure> list() override;
    std::expected<void, wal::DiskFailure> read(std::string_view file, std::uint64_t offset,
                                               std::span<char> out) override;

 private:
    DirectoryReader(int directory_fd, std::string path);

    Descriptor directory_;
    std::string path_;
};

}  // namespace quorate::io
