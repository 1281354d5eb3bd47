#include "server/restore.h"

#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "server/first_members.h"
#include "server/snapshot_codec.h"
#include "server/snapshot_keeper.h"
#include "server/told_members.h"
#include "wal/log.h"
#include "wal/notice.h"
#include "wal/snapshot_file.h"

namespace quorate::server {

using engine::LogIndex;

namespace {

using Files = std::vector<wal::FileStatus>;
using Done = std::expected<void, wal::Refusal>;

using TakePair = std::function<Done(const BackupPair&)>;

class Restore {
 public:
    Restore(const NodeConfig& config, wal::Disk& disk, std::string_view file, const BackupOpener& open)
        : config_(config), disk_(disk), file_(file), open_(open) {}
    Restore(const Restore&) = delete;
    Restore& operator=(const Restore&) = delete;
    ~Restore() = default;

    std::expected<Restored, wal::Refusal> run();

 private:
    Done read(const TakePair& take);
    Done fill();
    Done write_snapshot();
    Done perform(const std::vector<wal::DiskOperation>& operations);
    [[nodiscard]] wal::Identity identity() const { return {config_.cluster_id, config_.self.name}; }
    [[nodiscard]] std::uint64_t origin_of(const Files& files);
    [[nodiscard]] ClusterMembers members() const {
        ClusterMembers members = config_.members;
        members.origin = hash_;
        return members;
    }
    [[nodiscard]] std::unexpected<wal::Refusal> refuse(std::string_view why) const {
        return std::unexpected(
            wal::Refusal{wal::RefusalCode::Configuration, fmt::format("{}: {}", file_, why)});
    }

    const NodeConfig& config_;
    wal::Disk& disk_;
    std::string_view file_;
    const BackupOpener& open_;
    BackupHead head_;
    std::uint64_t hash_ = 0;
};

std::expected<Restored, wal::Refusal> Restore::run() {
    if (const auto locked = disk_.lock(); !locked)
        return std::unexpected(wal::directory_refusal(locked.error()));
    const auto files = disk_.list();
    if (!files) return std::unexpected(wal::read_refusal(files.error()));
    if (auto whole = read([](const BackupPair&) { return Done(); }); !whole)
        return std::unexpected(whole.error());
    if (const std::uint64_t wanted = config_.members.origin; wanted != 0 && wanted != hash_)
        return refuse("the cluster that this node joins began with another backup: name that one");
    if (!files->empty() && !wal::has_notice(*files, wal::kRestoringName)) {
        // Whoever starts a node again, by the same command line, means to go on.
        if (origin_of(*files) == hash_) return Restored{head_, true};
        return refuse(
            "the data directory is not empty, and was not made from this backup: nothing in it was changed. "
            "To go "
            "on with what is there leave the restore out; to begin a new cluster from the backup name an "
            "empty "
            "directory on each of its nodes");
    }
    if (config_.recovers_from_peers != 0) {
        if (auto why = refusal_to_begin_anew(config_, {})) return std::unexpected(std::move(*why));
    }
    if (auto begun = wal::put_notice(disk_, wal::kRestoringName); !begun)
        return std::unexpected(begun.error());
    if (auto filled = fill(); !filled) return std::unexpected(filled.error());
    return Restored{head_, false};
}

// The second time it must be the same.
Done Restore::read(const TakePair& take) {
    auto source = open_();
    if (!source) return refuse(source.error() + "; name a backup, as GET /admin/backup gives it");
    BackupReader reader(std::move(*source));
    const auto head = reader.head();
    if (!head) return refuse(head.error());
    for (;;) {
        const auto pair = reader.next();
        if (!pair) return refuse(pair.error());
        const std::optional<BackupPair>& next = *pair;
        if (!next) break;
        if (auto taken = take(*next); !taken) return taken;
    }
    if (hash_ != 0 && hash_ != reader.hash())
        return refuse("it has changed while it was read: restore it again when nobody writes to it");
    head_ = *head;
    hash_ = reader.hash();
    return {};
}

Done Restore::fill() {
    wal::LogOptions options{identity(), config_.segment_bytes, config_.log_salt,
                            config_.recovers_from_peers != 0};
    options.is_restoring = true;
    auto opened = wal::Log::open(disk_, options);
    if (!opened) return std::unexpected(opened.error());
    if (auto written = opened->log->bootstrap(kFirstHardState, first_entry(members())); !written)
        return written;
    if (auto written = write_snapshot(); !written) return written;
    return wal::remove_notice(disk_, wal::kRestoringName);
}

Done Restore::write_snapshot() {
    wal::SnapshotWriter writer(wal::kTakenName, {LogIndex(1), kFirstHardState.current_term}, identity());
    if (auto begun = perform(writer.begin()); !begun) return begun;
    // Sessions of the cluster that the backup is of are none of this one's: its numbers begin where none of
    // theirs are.
    const std::uint64_t answers_forgotten = hash_ >> 1U;
    const SnapshotHead head{head_.revision, head_.revision, LogIndex(1),
                            members(),      members(),      answers_forgotten};
    if (auto added = perform(writer.add(encode_snapshot_head(head))); !added) return added;
    std::string chunk;
    const auto add_chunk = [&] { return perform(writer.add(std::exchange(chunk, {}))); };
    auto read_again = read([&](const BackupPair& pair) {
        append_snapshot_key(chunk, pair.key, pair.record);
        return chunk.size() < config_.snapshots.chunk_bytes ? Done() : add_chunk();
    });
    if (!read_again) return read_again;
    if (!chunk.empty()) {
        if (auto added = add_chunk(); !added) return added;
    }
    return perform(writer.finish());
}

// Every snapshot tells it; 0: none does.
std::uint64_t Restore::origin_of(const Files& files) {
    for (const wal::FileStatus& file : files) {
        if (!wal::parse_snapshot_name(file.name)) continue;
        const auto meta = wal::read_snapshot_meta(disk_, file, identity());
        if (!meta) continue;
        SnapshotLoader loader(disk_, *meta);
        if (loader.load_chunk()) return loader.head().first_members.origin;
    }
    return 0;
}

Done Restore::perform(const std::vector<wal::DiskOperation>& operations) {
    if (const auto done = disk_.run(operations); !done)
        return std::unexpected(wal::disk_refusal(done.error()));
    return {};
}

}  // namespace

std::expected<Restored, wal::Refusal> restore(const NodeConfig& config, wal::Disk& disk,
                                              std::string_view file, const BackupOpener& open) {
    return Restore(config, disk, file, open).run();
}

}  // namespace quorate::server
