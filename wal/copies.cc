#include "wal/copies.h"

#include <algorithm>
#include <cstdint>

#include "wal/format.h"

namespace quorate::wal {

namespace {

constexpr std::uint64_t kCopyFileBytes = 4096;
constexpr std::array<Copy, 2> kCopies = {Copy::A, Copy::B};

}  // namespace

std::string copy_name(std::string_view name, Copy copy) { return text(name, copy == Copy::A ? "-a" : "-b"); }

std::expected<std::array<std::string, 2>, Refusal> read_copies(Disk& disk, std::span<const FileStatus> files,
                                                               std::string_view name) {
    std::array<std::string, 2> blocks;
    for (std::size_t i = 0; i < kCopies.size(); ++i) {
        const std::string file = copy_name(name, kCopies[i]);
        const auto status = std::ranges::find(files, file, &FileStatus::name);
        if (status == files.end() || status->size < kBlockBytes) continue;
        blocks[i].resize(kBlockBytes);
        if (const auto done = disk.read(file, 0, blocks[i]); !done)
            return std::unexpected(disk_refusal(done.error()));
    }
    return blocks;
}

void write_copies(std::string_view name, const std::string& block, std::vector<DiskOperation>& operations,
                  Copy first) {
    for (const Copy copy : {first, first == Copy::A ? Copy::B : Copy::A}) {
        operations.emplace_back(WriteAt{copy_name(name, copy), 0, block});
        operations.emplace_back(SyncFile{copy_name(name, copy)});
    }
}

void create_copies(std::string_view name, const std::string& block, std::vector<DiskOperation>& operations) {
    for (const Copy copy : kCopies) {
        create_copy(name, copy, operations);
        operations.emplace_back(WriteAt{copy_name(name, copy), 0, block});
        operations.emplace_back(SyncFile{copy_name(name, copy)});
    }
}

void create_copy(std::string_view name, Copy copy, std::vector<DiskOperation>& operations) {
    operations.emplace_back(CreateZeroed{copy_name(name, copy), kCopyFileBytes});
    operations.emplace_back(SyncDirectory{});
}

}  // namespace quorate::wal
