#include "wal/notice.h"

#include <algorithm>
#include <string>

#include "wal/copies.h"
#include "wal/format.h"
#include "wal/snapshot_file.h"

namespace quorate::wal {

namespace {

std::expected<void, Refusal> perform(Disk& disk, const std::vector<DiskOperation>& operations) {
    if (const auto done = disk.run(operations); !done) return std::unexpected(disk_refusal(done.error()));
    return {};
}

}  // namespace

bool is_notice(std::string_view name) { return name == kRestoringName || name == kJoiningName; }

bool is_of_a_log(std::string_view name) {
    return parse_segment_name(name) || parse_spare_name(name) || parse_snapshot_name(name) ||
           name == kTakenName || name == kReceivedName || is_notice(name) ||
           name.starts_with(kDamagedPrefix) || is_small_file(name);
}

// What was damaged and is kept belongs to who looks at it.
bool stands_in_for_ours(const FileStatus& file) {
    return !file.is_file() && !file.name.starts_with(kDamagedPrefix) &&
           is_of_a_log(std::string_view(file.name).substr(0, file.name.size() - 1));
}

bool has_notice(const std::vector<FileStatus>& files, std::string_view notice) {
    return std::ranges::find(files, notice, &FileStatus::name) != files.end();
}

std::expected<void, Refusal> put_notice(Disk& disk, std::string_view notice) {
    const auto files = disk.list();
    if (!files) return std::unexpected(read_refusal(files.error()));
    std::vector<DiskOperation> operations;
    if (files->empty()) {
        operations.emplace_back(CreateZeroed{std::string(notice), 1});
    } else if (!has_notice(*files, notice)) {
        return std::unexpected(Refusal{RefusalCode::Configuration,
                                       text("holds ", files->front().name,
                                            ", which another process has put there meanwhile: start again")});
    }
    for (const FileStatus& file : *files) {
        if (file.is_file() && file.name != notice) operations.emplace_back(RemoveFile{file.name});
    }
    operations.emplace_back(SyncDirectory{});
    return perform(disk, operations);
}

std::expected<void, Refusal> remove_notice(Disk& disk, std::string_view notice) {
    return perform(disk, {RemoveFile{std::string(notice)}, SyncDirectory{}});
}

}  // namespace quorate::wal
