#include "wal/copies.h"

#include <algorithm>
#include <utility>

#include "wal/format.h"

namespace quorate::wal {

std::string copy_name(std::string_view name, Copy copy) { return text(name, copy == Copy::A ? "-a" : "-b"); }

bool is_small_file(std::string_view name) {
    return std::ranges::any_of(kCopies, [&](Copy copy) {
        return name == copy_name(kIdentityName, copy) || name == copy_name(kVoteName, copy);
    });
}

std::expected<std::string, DiskFailure> read_copy(DiskReader& disk, std::span<const FileStatus> files,
                                                  std::string_view name, Copy copy) {
    const std::string file = copy_name(name, copy);
    const auto status = std::ranges::find(files, file, &FileStatus::name);
    if (status == files.end() || status->size < kBlockBytes) return std::string();
    std::string block(kBlockBytes, '\0');
    if (const auto done = disk.read(file, 0, block); !done) return std::unexpected(done.error());
    return block;
}

std::expected<std::array<std::string, 2>, Refusal> read_copies(DiskReader& disk,
                                                               std::span<const FileStatus> files,
                                                               std::string_view name) {
    std::array<std::string, 2> blocks;
    for (const Copy copy : kCopies) {
        auto block = read_copy(disk, files, name, copy);
        if (!block) return std::unexpected(read_refusal(block.error()));
        blocks[static_cast<std::size_t>(copy)] = std::move(*block);
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

void create_copies(std::string_view name, const std::string& block, std::vector<DiskOperation>& operations,
                   Copy first) {
    for (const Copy copy : {first, first == Copy::A ? Copy::B : Copy::A}) {
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
