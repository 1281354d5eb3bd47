#pragma once

// A disk in memory that keeps what is durable apart from what is merely written, and does what disks do at
// their worst: loses power between two operations and between two sectors, fails, fills up, rots.

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "wal/disk.h"

namespace quorate::sim {

class VirtualDisk final : public wal::Disk {
 public:
    static constexpr std::size_t kSectorBytes = 512;
    /// File name to content: what a disk holds after a clean stop, or at the start.
    using Image = std::map<std::string, std::string, std::less<>>;

    VirtualDisk() = default;
    explicit VirtualDisk(const Image& image);

    // wal::Disk
    std::expected<void, wal::DiskFailure> lock() override;
    std::expected<std::vector<wal::FileStatus>, wal::DiskFailure> list() override;
    std::expected<void, wal::DiskFailure> read(std::string_view file, std::uint64_t offset,
                                               std::span<char> out) override;
    std::expected<void, wal::DiskFailure> run(std::span<const wal::DiskOperation> operations) override;
    void submit(wal::DiskJob job) override;
    void met(wal::Situation) override {}

    // Jobs, which wait until they are told to run.
    /// Runs the oldest job of the lane to its end; nothing when there is none, or when the power is off.
    std::optional<wal::DiskCompletion> complete_next(wal::DiskLane lane);
    /// The jobs that wait in the lane, oldest first.
    [[nodiscard]] const std::deque<wal::DiskJob>& waiting(wal::DiskLane lane) const;
    /// Of all lanes and of run(), since construction.
    [[nodiscard]] std::uint64_t operations_done() const { return operations_done_; }
    [[nodiscard]] std::uint64_t syncs_done() const { return syncs_done_; }

    // Faults.
    /// The `n`th operation from now on (0: the next) fails, and every later one if `for_good`. A sync that
    /// fails drops what was to be synced, as kernels do: it stays readable, and no later sync writes it.
    void fail_operation(std::uint64_t n, wal::DiskError error, bool for_good = false);
    /// Bytes that files may take in all; CreateZeroed beyond it fails with NoSpace.
    void set_capacity(std::uint64_t bytes) { capacity_ = bytes; }
    /// Reads of the file fail.
    void fail_reads_of(std::string file) { unreadable_.insert(std::move(file)); }
    /// After `n` more operations the power goes: the last of them has happened, and nobody is told.
    void cut_power_after(std::uint64_t n) { power_left_ = n; }
    [[nodiscard]] bool power_is_off() const { return power_left_ == 0; }
    /// Reads of every file succeed again.
    void heal_reads() { unreadable_.clear(); }
    /// One bit of the file changes, in the cache and on the disk. False: the file does not reach so far.
    bool rot(std::string_view file, std::uint64_t offset, unsigned bit);
    /// Performs the first `operations` of the oldest job of the lane, and no more of it: nobody is told.
    void run_part(wal::DiskLane lane, std::size_t operations);
    /// Files' bytes in all.
    [[nodiscard]] std::uint64_t size() const;
    /// The process that held the lock is gone, with all that it had submitted. The system goes on with what
    /// it has in its cache; a power cut that was ordered is off.
    void kill_process();

    /// What is on the disk after a crash: of every sector that was written and not synced, the new content
    /// where `keeps_sector` says so, and as many of the directory's unsynced changes, in order, as
    /// `keeps_change` allows before its first false.
    /// Of a sector that is lost, or that a failed sync has dropped, `torn_bytes` say, the first bytes are
    /// new.
    [[nodiscard]] Image after_crash(
        const std::function<bool()>& keeps_sector, const std::function<bool()>& keeps_change,
        const std::function<std::size_t()>& torn_bytes = [] { return std::size_t{0}; }) const;
    /// What the next process of a system that goes on finds: everything written.
    [[nodiscard]] Image written() const;

 private:
    using Sector = std::array<char, kSectorBytes>;
    struct SectorAt {
        std::size_t number = 0;
        Sector content{};
    };
    using Sectors = std::vector<SectorAt>;  ///< ascending: one tree of them would be allocated for each write
    /// What is durable is what is written, but for some sectors: their durable content is kept here.
    struct File {
        std::string written;
        Sectors dirty;    ///< the next sync writes these
        Sectors dropped;  ///< a failed sync has dropped these
    };
    using Names = std::map<std::string, std::shared_ptr<File>, std::less<>>;

    [[nodiscard]] File* find(std::string_view name);

    std::expected<void, wal::DiskFailure> perform(const wal::DiskOperation& operation);
    std::expected<void, wal::DiskFailure> apply(const wal::WriteAt& write);
    std::expected<void, wal::DiskFailure> apply(const wal::SyncFile& sync);
    std::expected<void, wal::DiskFailure> apply(const wal::CreateZeroed& create);
    std::expected<void, wal::DiskFailure> apply(const wal::RenameFile& rename);
    std::expected<void, wal::DiskFailure> apply(const wal::RemoveFile& remove);
    std::expected<void, wal::DiskFailure> apply(const wal::SyncDirectory& sync);
    void rename_changed();

    Names names_;
    Names::iterator last_found_ = names_.end();
    Names durable_names_;
    std::vector<Names> name_history_;  ///< after each unsynced change of the directory
    std::map<wal::DiskLane, std::deque<wal::DiskJob>> lanes_;
    std::set<std::string, std::less<>> unreadable_;
    std::optional<std::uint64_t> fail_in_;
    std::optional<std::uint64_t> power_left_;
    wal::DiskError fail_with_ = wal::DiskError::Failed;
    bool fails_for_good_ = false;
    std::uint64_t capacity_ = UINT64_MAX;
    std::uint64_t operations_done_ = 0;
    std::uint64_t syncs_done_ = 0;
    bool is_locked_ = false;
};

}  // namespace quorate::sim
