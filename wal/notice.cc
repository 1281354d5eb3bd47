#include "wal/notice.h"

#include <algorithm>
#include <string>

namespace quorate::wal {

namespace {

std::expected<void, Refusal> perform(Disk& disk, const std::vector<DiskOperation>& operations) {
    if (const auto done = disk.run(operations); !done) return std::unexpected(disk_refusal(done.error()));
    return {};
}

}  // namespace

bool has_notice(const std::vector<FileStatus>& files, std::string_view notice) {
    return std::ranges::find(files, notice, &FileStatus::name) != files.end();
}

std::expected<void, Refusal> put_notice(Disk& disk, std::string_view notice) {
    const auto files = disk.list();
    if (!files) return std::unexpected(read_refusal(files.error()));
    std::vector<DiskOperation> operations;
    for (const FileStatus& file : *files) {
        if (file.is_file() && file.name != notice) operations.emplace_back(RemoveFile{file.name});
    }
    if (!has_notice(*files, notice)) operations.emplace_back(CreateZeroed{std::string(notice), 1});
    operations.emplace_back(SyncDirectory{});
    return perform(disk, operations);
}

std::expected<void, Refusal> remove_notice(Disk& disk, std::string_view notice) {
    return perform(disk, {RemoveFile{std::string(notice)}, SyncDirectory{}});
}

}  // namespace quorate::wal
