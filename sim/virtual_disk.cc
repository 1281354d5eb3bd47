#include "sim/virtual_disk.h"

#include <algorithm>
#include <utility>

namespace quorate::sim {

using wal::DiskCompletion;
using wal::DiskError;
using wal::DiskFailure;
using wal::DiskJob;
using wal::DiskLane;

namespace {

std::unexpected<DiskFailure> failure(DiskError error, std::string_view file, std::string_view detail) {
    return std::unexpected(DiskFailure{error, std::string(file), std::string(detail)});
}

}  // namespace

// A job writes to a file and syncs it.
VirtualDisk::File* VirtualDisk::find(std::string_view name) {
    if (last_found_ == names_.end() || last_found_->first != name) last_found_ = names_.find(name);
    return last_found_ != names_.end() ? last_found_->second.get() : nullptr;
}

VirtualDisk::VirtualDisk(const Image& image) {
    for (const auto& [name, bytes] : image) names_[name] = std::make_shared<File>(File{bytes, {}, {}});
    durable_names_ = names_;
}

std::expected<void, DiskFailure> VirtualDisk::lock() {
    if (std::exchange(is_locked_, true)) return failure(DiskError::Locked, "", "lock: already held");
    return {};
}

std::expected<std::vector<wal::FileStatus>, DiskFailure> VirtualDisk::list() {
    std::vector<wal::FileStatus> files;
    for (const auto& [name, file] : names_) files.push_back({name, file->written.size()});
    return files;
}

std::expected<void, DiskFailure> VirtualDisk::read(std::string_view file, std::uint64_t offset,
                                                   std::span<char> out) {
    const File* const found = find(file);
    if (found == nullptr) return failure(DiskError::NotFound, file, "open: no such file");
    if (unreadable_.contains(file)) return failure(DiskError::Failed, file, "read: input/output error");
    const std::string& bytes = found->written;
    if (offset > bytes.size() || out.size() > bytes.size() - offset)
        return failure(DiskError::NotFound, file, "read: past the end");
    std::ranges::copy(std::string_view(bytes).substr(offset, out.size()), out.begin());
    return {};
}

std::expected<void, DiskFailure> VirtualDisk::run(std::span<const wal::DiskOperation> operations) {
    for (const wal::DiskOperation& operation : operations) {
        if (auto done = perform(operation); !done) return done;
    }
    return {};
}

void VirtualDisk::submit(DiskJob job) { lanes_[job.lane].push_back(std::move(job)); }

std::optional<DiskCompletion> VirtualDisk::complete_next(DiskLane lane) {
    auto& jobs = lanes_[lane];
    if (jobs.empty() || power_is_off()) return std::nullopt;
    const DiskJob job = std::move(jobs.front());
    jobs.pop_front();
    auto result = run(job.operations);
    if (power_is_off() && !result) return std::nullopt;
    return DiskCompletion{job.id, std::move(result)};
}

const std::deque<DiskJob>& VirtualDisk::waiting(DiskLane lane) const {
    static const std::deque<DiskJob> none;
    const auto found = lanes_.find(lane);
    return found == lanes_.end() ? none : found->second;
}

void VirtualDisk::fail_operation(std::uint64_t n, DiskError error, bool for_good) {
    fail_in_ = n;
    fail_with_ = error;
    fails_for_good_ = for_good;
}

void VirtualDisk::kill_process() {
    is_locked_ = false;
    lanes_.clear();
    power_left_.reset();
}

bool VirtualDisk::rot(std::string_view file, std::uint64_t offset, unsigned bit) {
    File* const rotten = find(file);
    if (rotten == nullptr || offset >= rotten->written.size()) return false;
    const auto flip = [&](char& byte) {
        byte = static_cast<char>(static_cast<unsigned char>(byte) ^ (1U << (bit % 8)));
    };
    flip(rotten->written[offset]);
    for (auto* sectors : {&rotten->dirty, &rotten->dropped}) {
        const auto sector = std::ranges::find(*sectors, offset / kSectorBytes, &SectorAt::number);
        if (sector != sectors->end()) flip(sector->content[offset % kSectorBytes]);
    }
    return true;
}

void VirtualDisk::run_part(DiskLane lane, std::size_t operations) {
    auto& jobs = lanes_[lane];
    if (jobs.empty()) return;
    const auto& all = jobs.front().operations;
    for (const wal::DiskOperation& operation : std::span(all).first(std::min(operations, all.size()))) {
        if (!perform(operation)) break;
    }
    jobs.pop_front();
}

std::expected<void, DiskFailure> VirtualDisk::perform(const wal::DiskOperation& operation) {
    const bool loses_power = power_left_ == 1;
    if (power_is_off()) return failure(DiskError::Failed, "", "the power is off");
    if (power_left_) --*power_left_;
    ++operations_done_;
    if (fail_in_ && (*fail_in_)-- == 0) {
        fail_in_ = fails_for_good_ ? std::optional<std::uint64_t>(0) : std::nullopt;
        if (const auto* sync = std::get_if<wal::SyncFile>(&operation)) {
            File& file = *names_.at(sync->file);
            // None is in both: what is written again is not dropped any more.
            file.dropped.insert(file.dropped.end(), file.dirty.begin(), file.dirty.end());
            std::ranges::sort(file.dropped, {}, &SectorAt::number);
            file.dirty.clear();
        }
        return failure(fail_with_, "some-file", "input/output error");
    }
    auto done = std::visit([&](const auto& o) { return apply(o); }, operation);
    // The last operation has happened, and nobody was told.
    if (loses_power) return failure(DiskError::Failed, "", "the power is off");
    return done;
}

std::expected<void, DiskFailure> VirtualDisk::apply(const wal::WriteAt& write) {
    File* const file = find(write.file);
    if (file == nullptr) return failure(DiskError::NotFound, write.file, "open: no such file");
    file->written.resize(std::max<std::size_t>(file->written.size(), write.offset + write.bytes.size()));
    if (write.bytes.empty()) return {};
    const std::size_t last = (write.offset + write.bytes.size() - 1) / kSectorBytes;
    for (std::size_t sector = write.offset / kSectorBytes; sector <= last; ++sector) {
        const auto at = std::ranges::lower_bound(file->dirty, sector, {}, &SectorAt::number);
        if (at != file->dirty.end() && at->number == sector) continue;
        SectorAt& dirty = *file->dirty.insert(at, {sector, {}});
        const auto dropped = std::ranges::find(file->dropped, sector, &SectorAt::number);
        if (dropped != file->dropped.end()) {
            dirty = *dropped;
            file->dropped.erase(dropped);
        } else {
            file->written.copy(dirty.content.data(), kSectorBytes, sector * kSectorBytes);
        }
    }
    file->written.replace(write.offset, write.bytes.size(), write.bytes);
    return {};
}

std::expected<void, DiskFailure> VirtualDisk::apply(const wal::SyncFile& sync) {
    File* const file = find(sync.file);
    if (file == nullptr) return failure(DiskError::NotFound, sync.file, "open: no such file");
    ++syncs_done_;
    file->dirty.clear();
    return {};
}

std::expected<void, DiskFailure> VirtualDisk::apply(const wal::CreateZeroed& create) {
    const auto old = names_.find(create.file);
    const std::uint64_t freed = old == names_.end() ? 0 : old->second->written.size();
    if (size() - freed + create.size > capacity_) {
        names_.erase(create.file);
        rename_changed();
        return failure(DiskError::NoSpace, create.file, "write: no space left on device");
    }
    names_[create.file] = std::make_shared<File>(File{std::string(create.size, '\0'), {}, {}});
    rename_changed();
    return {};
}

std::expected<void, DiskFailure> VirtualDisk::apply(const wal::RenameFile& rename) {
    const auto found = names_.find(rename.from);
    if (found == names_.end()) return failure(DiskError::NotFound, rename.from, "rename: no such file");
    names_[rename.to] = found->second;
    names_.erase(rename.from);
    rename_changed();
    return {};
}

std::expected<void, DiskFailure> VirtualDisk::apply(const wal::RemoveFile& remove) {
    names_.erase(remove.file);
    rename_changed();
    return {};
}

std::expected<void, DiskFailure> VirtualDisk::apply(const wal::SyncDirectory&) {
    durable_names_ = names_;
    name_history_.clear();
    return {};
}

void VirtualDisk::rename_changed() {
    last_found_ = names_.end();
    name_history_.push_back(names_);
}

std::uint64_t VirtualDisk::size() const {
    std::uint64_t bytes = 0;
    for (const auto& [name, file] : names_) bytes += file->written.size();
    return bytes;
}

VirtualDisk::Image VirtualDisk::after_crash(const std::function<bool()>& keeps_sector,
                                            const std::function<bool()>& keeps_change,
                                            const std::function<std::size_t()>& torn_bytes) const {
    const Names* names = &durable_names_;
    for (const Names& changed : name_history_) {
        if (!keeps_change()) break;
        names = &changed;
    }
    Image image;
    for (const auto& [name, file] : *names) {
        std::string bytes = file->written;
        const auto keep = [&](std::size_t sector, const Sector& before, std::size_t kept) {
            const std::size_t begin = sector * kSectorBytes + kept;
            if (kept >= kSectorBytes || begin >= bytes.size()) return;
            const std::size_t lost = std::min(kSectorBytes - kept, bytes.size() - begin);
            bytes.replace(begin, lost, &before[kept], lost);
        };
        for (const auto& [sector, before] : file->dirty)
            keep(sector, before, keeps_sector() ? kSectorBytes : torn_bytes());
        // The write that failed may have been begun.
        for (const auto& [sector, before] : file->dropped) keep(sector, before, torn_bytes());
        image[name] = std::move(bytes);
    }
    return image;
}

VirtualDisk::Image VirtualDisk::written() const {
    Image image;
    for (const auto& [name, file] : names_) image[name] = file->written;
    return image;
}

}  // namespace quorate::sim
