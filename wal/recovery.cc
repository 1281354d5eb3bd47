#include "wal/recovery.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "wal/copies.h"
#include "wal/log_scan.h"
#include "wal/notice.h"
#include "wal/segment_walk.h"
#include "wal/snapshot_file.h"

namespace quorate::wal {

namespace {

class Recovery {
 public:
    Recovery(Disk& disk, LogOptions options) : disk_(disk), options_(std::move(options)) {}
    Recovery(const Recovery&) = delete;
    Recovery& operator=(const Recovery&) = delete;
    ~Recovery() = default;

    std::expected<RecoveredLog, Refusal> run();
    std::expected<RecoveredLog, Refusal> begin_anew_from_peers(const Refusal& why);

 private:
    std::expected<RecoveredLog, Refusal> read_or_create();
    [[nodiscard]] std::expected<void, Refusal> may_begin_anew() const {
        if (!options_.recovers_from_peers || !options_.may_begin_anew) return {};
        return options_.may_begin_anew();
    }
    std::expected<bool, Refusal> check_identity();
    [[nodiscard]] std::expected<void, Refusal> check_not_foreign() const;
    std::expected<void, Refusal> check_nothing_promised();
    std::expected<void, Refusal> create();
    std::expected<void, Refusal> read_vote();
    std::expected<void, Refusal> read_segments();
    void mend_tail(const LogScan& scan, std::string_view last_segment);
    void note_cut(const LogScan& scan, std::uint64_t bytes);
    std::expected<void, Refusal> find_snapshots();
    std::expected<void, Refusal> fit_to_snapshots(ScannedLog& log);
    void begin_anew(engine::EntryId base);
    void begin_segment(engine::EntryId base, bool begins_anew);
    void mend_vote();
    void write_vote();
    std::expected<void, Refusal> perform();

    std::expected<void, Refusal> list_files();
    std::expected<void, Refusal> read_file(std::uint64_t sequence, std::string& bytes);
    void warn(std::string warning) { result_.recovered.warnings.push_back(std::move(warning)); }

    Disk& disk_;
    LogOptions options_;
    std::vector<FileStatus> files_;
    std::vector<std::string> others_;        ///< what is no file
    std::vector<DiskOperation> operations_;  ///< what has to be written before the log may be used
    std::array<bool, 2> is_vote_readable_{};
    std::array<std::string, 2> vote_blocks_;  ///< of those that are readable
    std::optional<Flaw> damaged_snapshot_;    ///< the newest
    RecoveredLog result_;
};

std::expected<RecoveredLog, Refusal> Recovery::run() {
    if (!options_.is_restoring) {
        if (const auto locked = disk_.lock(); !locked)
            return std::unexpected(directory_refusal(locked.error()));
    }
    auto found = read_or_create();
    const bool is_lost =
        !found && options_.recovers_from_peers &&
        (found.error().code == RefusalCode::Damage || found.error().code == RefusalCode::MetaUnreadable);
    if (!is_lost) return found;
    if (auto asked = may_begin_anew(); !asked) return std::unexpected(asked.error());
    return Recovery(disk_, options_).begin_anew_from_peers(found.error());
}

std::expected<void, Refusal> Recovery::list_files() {
    auto listed = disk_.list();
    if (!listed) return std::unexpected(read_refusal(listed.error()));
    for (FileStatus& each : *listed) {
        if (each.is_file()) {
            files_.push_back(std::move(each));
            continue;
        }
        if (stands_in_for_ours(each)) {
            each.name.pop_back();
            return std::unexpected(disk_refusal({DiskError::NotAFile, each.name, std::string(kNotAFile)}));
        }
        others_.push_back(std::move(each.name));
    }
    if (has_notice(files_, kRestoringName) && !options_.is_restoring) {
        return std::unexpected(Refusal{
            RefusalCode::Configuration,
            text(kRestoringName,
                 ": a restore into this data directory was interrupted, and it does not hold all of the "
                 "backup: restore it again (--restore), or name another directory")});
    }
    for (const FileStatus& file : files_) {
        if (file.name.starts_with(kDamagedPrefix)) result_.recovered.damaged.push_back(file.name);
    }
    return {};
}

std::expected<RecoveredLog, Refusal> Recovery::read_or_create() {
    if (auto listed = list_files(); !listed) return std::unexpected(listed.error());
    const auto is_ours = check_identity();
    if (!is_ours) return std::unexpected(is_ours.error());
    if (!*is_ours) {
        if (options_.expects_log) {
            return std::unexpected(Refusal{RefusalCode::Configuration,
                                           "--force-new-cluster: this data directory holds no log: name the "
                                           "directory of a survivor"});
        }
        if (auto checked = check_not_foreign(); !checked) return std::unexpected(checked.error());
        if (auto checked = check_nothing_promised(); !checked) return std::unexpected(checked.error());
        if (auto asked = may_begin_anew(); !asked) return std::unexpected(asked.error());
        disk_.met(files_.empty() ? Situation::DirectoryCreated : Situation::CreationRepeated);
        if (options_.recovers_from_peers || !result_.recovered.damaged.empty())
            result_.vote.lost = Lost::TermAndEntries;
        if (auto created = create(); !created) return std::unexpected(created.error());
        return std::move(result_);
    }
    if (auto read = read_vote(); !read) return std::unexpected(read.error());
    if (auto read = read_segments(); !read) return std::unexpected(read.error());
    mend_vote();
    if (auto done = perform(); !done) return std::unexpected(done.error());
    return std::move(result_);
}

// True: the directory belongs to this node. False: it names no owner.
std::expected<bool, Refusal> Recovery::check_identity() {
    const auto blocks = read_copies(disk_, files_, kIdentityName);
    if (!blocks) return std::unexpected(blocks.error());
    std::array<bool, 2> is_readable{};
    for (const Copy copy : {Copy::A, Copy::B}) {
        const auto at = static_cast<std::size_t>(copy);
        const std::string file = copy_name(kIdentityName, copy);
        const auto identity = decode_identity((*blocks)[at]);
        is_readable[at] = identity.has_value();
        if (!identity && identity.error() == BlockProblem::UnknownVersion)
            return std::unexpected(refusal(unknown_format(file)));
        if (identity && *identity != options_.identity) {
            return std::unexpected(
                Refusal{RefusalCode::WrongIdentity,
                        text(file, ": ", belongs_to_another(*identity, options_.identity))});
        }
    }
    if (!is_readable[0] && !is_readable[1]) return false;
    if (is_readable[0] && is_readable[1]) return true;
    const Copy lost = is_readable[0] ? Copy::B : Copy::A;
    disk_.met(Situation::IdentityCopyMended);
    warn(text(copy_name(kIdentityName, lost), ": not readable, written again from the other copy"));
    create_copy(kIdentityName, lost, operations_);
    operations_.emplace_back(WriteAt{copy_name(kIdentityName, lost), 0, encode_identity(options_.identity)});
    operations_.emplace_back(SyncFile{copy_name(kIdentityName, lost)});
    return true;
}

// A name that was given by mistake must not become a data directory. What an interrupted creation has left is
// ours.
std::expected<void, Refusal> Recovery::check_not_foreign() const {
    if (std::ranges::any_of(files_, [](const FileStatus& file) { return is_of_a_log(file.name); })) return {};
    if (files_.empty() && others_.empty()) return {};
    return std::unexpected(Refusal{
        RefusalCode::Configuration,
        text("holds ", files_.empty() ? others_.front() : files_.front().name,
             " and no data of a node: a new node begins on a directory that is empty or missing: name "
             "another one, or move away what is in it")});
}

// Without an owner the directory is new, or its creation was interrupted: the identity is written last. But
// what holds a vote or an entry has been used.
std::expected<void, Refusal> Recovery::check_nothing_promised() {
    const auto refuse = [](std::string_view file, std::string_view what) {
        return std::unexpected(Refusal{RefusalCode::MetaUnreadable,
                                       text("identity-a, identity-b: neither copy is readable, yet ", file,
                                            " holds ", what, ": ", kLostDirectoryAdvice)});
    };
    const auto votes = read_copies(disk_, files_, kVoteName);
    if (!votes) return std::unexpected(votes.error());
    for (const Copy copy : {Copy::A, Copy::B}) {
        const auto vote = decode_vote((*votes)[static_cast<std::size_t>(copy)]);
        const bool is_initial =
            vote ? vote->hard_state == engine::HardState{} && vote->owner == owner_of(options_.identity)
                 : vote.error() == BlockProblem::Unreadable;
        if (!is_initial) return refuse(copy_name(kVoteName, copy), "a vote or a term");
        // A loss that was recorded stays one, though the crash came before the rest.
        if (vote && vote->lost != Lost::Nothing) result_.vote.lost = Lost::TermAndEntries;
    }
    for (const std::uint64_t sequence : segments_of(files_)) {
        if (sequence > 1) return refuse(segment_name(sequence), "a part of the log");
        std::string bytes;
        if (const auto read = read_file(sequence, bytes); !read) return std::unexpected(read.error());
        // It gets its name when its header is durable.
        const auto header = decode_header(std::string_view(bytes).substr(0, kBlockBytes));
        if (!header || header->identity != options_.identity || header->file_bytes != bytes.size())
            return refuse(segment_name(sequence), "what is no new segment of this node");
        if (used_bytes(bytes) > kRecordsOffset) return refuse(segment_name(sequence), "log entries");
    }
    for (const FileStatus& file : files_) {
        if (parse_snapshot_name(file.name)) return refuse(file.name, "a snapshot");
    }
    return {};
}

// That entries are missing is on disk before any of them goes. Then the node has a new log, and what was
// there has other names.
std::expected<RecoveredLog, Refusal> Recovery::begin_anew_from_peers(const Refusal& why) {
    if (auto listed = list_files(); !listed) return std::unexpected(listed.error());
    const auto vote = read_vote();
    const bool has_vote = vote.has_value();
    if (!has_vote && vote.error().code != RefusalCode::MetaUnreadable) return std::unexpected(vote.error());
    if (!has_vote) result_.vote.lost = Lost::TermAndEntries;
    if (result_.vote.lost != Lost::TermAndEntries) result_.vote.lost = Lost::Entries;
    ++result_.vote.sequence;
    result_.vote.owner = owner_of(options_.identity);
    disk_.met(has_vote ? Situation::EntriesLost : Situation::TermLost);
    std::string_view cause = why.message;
    if (cause.ends_with(kLostDirectoryAdvice)) cause.remove_suffix(kLostDirectoryAdvice.size());
    warn(text(
        cause,
        "this node begins its log anew and takes it from the other nodes, as --recover-from-peers says"));
    // First the one that is not readable: what the other holds is in force until then.
    create_copies(kVoteName, encode_vote(result_.vote), operations_,
                  is_vote_readable_[0] ? Copy::B : Copy::A);
    for (const FileStatus& file : files_) {
        if (!parse_segment_name(file.name) && !parse_snapshot_name(file.name)) continue;
        // Beside what was damaged before, if the node has not recovered from that.
        std::string kept = file.name;
        auto& damaged = result_.recovered.damaged;
        do {
            kept.insert(0, kDamagedPrefix);
        } while (std::ranges::find(damaged, kept) != damaged.end());
        operations_.emplace_back(RenameFile{file.name, kept});
        damaged.push_back(std::move(kept));
    }
    operations_.emplace_back(SyncDirectory{});
    if (auto created = create(); !created) return std::unexpected(created.error());
    return std::move(result_);
}

std::expected<void, Refusal> Recovery::create() {
    begin_segment({}, false);
    result_.vote = {result_.vote.sequence + 1, owner_of(options_.identity), result_.vote.hard_state,
                    result_.tail.durable_mark(), result_.vote.lost};
    result_.recovered.hard_state = result_.vote.hard_state;
    result_.recovered.lost = result_.vote.lost;
    create_copies(kVoteName, encode_vote(result_.vote), operations_);
    create_copies(kIdentityName, encode_identity(options_.identity), operations_);
    result_.recovered.fresh = true;
    return perform();
}

std::expected<void, Refusal> Recovery::read_vote() {
    const auto blocks = read_copies(disk_, files_, kVoteName);
    if (!blocks) return std::unexpected(blocks.error());
    std::optional<VoteRecord> newest;
    for (const Copy copy : {Copy::A, Copy::B}) {
        const auto at = static_cast<std::size_t>(copy);
        const auto vote = decode_vote((*blocks)[at]);
        if (!vote && vote.error() == BlockProblem::UnknownVersion)
            return std::unexpected(refusal(unknown_format(copy_name(kVoteName, copy))));
        if (!vote || vote->owner != owner_of(options_.identity)) continue;
        is_vote_readable_[at] = true;
        vote_blocks_[at] = (*blocks)[at];
        if (!newest || vote->sequence > newest->sequence) newest = *vote;
    }
    if (!newest) {
        return std::unexpected(Refusal{
            RefusalCode::MetaUnreadable,
            text("vote-a, vote-b: offset 0: expected the term and vote of this node, seen no readable copy: "
                 "this node may have voted and must not forget it: ",
                 kLostDirectoryAdvice)});
    }
    result_.vote = *newest;
    result_.recovered.hard_state = newest->hard_state;
    result_.recovered.lost = newest->lost;
    return {};
}

std::expected<void, Refusal> Recovery::read_segments() {
    LogScan scan(options_.identity, result_.vote.mark, result_.vote.hard_state.current_term);
    if (auto found = find_snapshots(); !found) return found;
    const std::vector<std::uint64_t> sequences = segments_of(files_);
    // The first ones may have been removed, when a snapshot covered them. Whether one does is seen below.
    const bool is_compacted = !sequences.empty() && !result_.recovered.snapshots.empty();
    const std::uint64_t first = is_compacted ? sequences.front() : 1;
    if (first > 1) disk_.met(Situation::LogFoundCompacted);
    std::string bytes;
    for (std::uint64_t expected = first; expected < first + std::max<std::uint64_t>(sequences.size(), 1);
         ++expected) {
        const bool is_there = !sequences.empty() && sequences[expected - first] == expected;
        if (!is_there && expected == 1 && damaged_snapshot_)
            return std::unexpected(refusal(*damaged_snapshot_));
        if (!is_there) {
            return std::unexpected(damage(segment_name(expected), 0,
                                          "expected this segment, seen no such file",
                                          text("the entries behind entry ", scan.log().last().index.value)));
        }
        if (auto read = read_file(expected, bytes); !read) return read;
        if (const auto added = scan.add_segment(expected, bytes, bytes.size()); !added)
            return std::unexpected(refusal(added.error()));
    }
    if (const auto checked = scan.check_end(bytes); !checked)
        return std::unexpected(refusal(checked.error()));
    mend_tail(scan, bytes);
    result_.last = scan.log().last();
    ScannedLog log = scan.take_log();
    result_.segments = std::move(log.segments);
    result_.first_live = log.first_live;
    if (auto fitted = fit_to_snapshots(log); !fitted) return fitted;
    // A snapshot may have become durable before the term that it came in. It proves that the term was
    // reached, and entries of it follow.
    if (engine::HardState& known = result_.vote.hard_state; result_.last.term > known.current_term) {
        known = {result_.last.term, engine::kNobody};
        result_.recovered.hard_state = known;
    }
    result_.vote.commit_index = std::min(result_.vote.commit_index, result_.last.index);
    const auto& snapshots = result_.recovered.snapshots;
    const engine::LogIndex covered = snapshots.empty() ? engine::LogIndex{} : snapshots.back().last.index;
    result_.recovered.commit_index = std::max(result_.vote.commit_index, covered);
    if (result_.vote.commit_index > covered) disk_.met(Situation::CommitIndexFound);
    result_.recovered.base = log.base;
    result_.recovered.entries = std::move(log.entries);
    result_.recovered.memberships = std::move(log.memberships);
    result_.index = std::move(log.index);
    return {};
}

// In the order of their names, which is that of their entries. One that is damaged is not needed when another
// one or the log has what it held.
std::expected<void, Refusal> Recovery::find_snapshots() {
    for (const FileStatus& file : files_) {
        if (file.name == kTakenName || file.name == kReceivedName)
            result_.recovered.useless.push_back(file.name);
        if (!parse_snapshot_name(file.name)) continue;
        auto meta = read_snapshot_meta(disk_, file, options_.identity);
        // Later, when it is loaded, it would be too late to begin anew.
        if (meta && options_.recovers_from_peers) {
            if (auto checked = check_chunks(disk_, *meta); !checked) meta = std::unexpected(checked.error());
        }
        if (meta) {
            result_.recovered.snapshots.push_back(*meta);
        } else if (meta.error().code != RefusalCode::Damage) {
            return std::unexpected(refusal(meta.error()));
        } else {
            warn(text(file.name, ": not used: ", meta.error().what));
            damaged_snapshot_ = meta.error();
            result_.recovered.useless.push_back(file.name);
        }
    }
    return {};
}

// A snapshot of its own store is made when the log is durable through its last entry, so the log holds that.
// One that came from a leader may be durable when the log still knows nothing of it: the log then ends below,
// or goes on with entries that were never committed.
std::expected<void, Refusal> Recovery::fit_to_snapshots(ScannedLog& log) {
    const auto& snapshots = result_.recovered.snapshots;
    const engine::EntryId newest = snapshots.empty() ? engine::EntryId{} : snapshots.back().last;
    if (newest.index < log.base.index && damaged_snapshot_)
        return std::unexpected(refusal(*damaged_snapshot_));
    if (newest.index < log.base.index) {
        return std::unexpected(damage(
            snapshot_name(log.base.index), 0,
            text("expected a snapshot through entry ", log.base.index.value,
                 " or later, behind which the log goes on, seen none after entry ", newest.index.value),
            text("the entries up to ", log.base.index.value)));
    }
    // Nothing that is needed now: but somebody or something takes files away.
    if (const auto cut_off = log.cut_off(snapshots); cut_off && !damaged_snapshot_)
        warn(text(cut_off->file, ": not used: ", cut_off->what));
    if (snapshots.empty() || log.holds(newest)) return {};
    disk_.met(Situation::LogReplacedAtStart);
    begin_anew(newest);
    log = ScannedLog{};
    log.base = newest;
    log.index.begin_behind(newest.index);
    return {};
}

void Recovery::begin_anew(engine::EntryId base) {
    begin_segment(base, true);
    result_.first_live = result_.tail.sequence;
    result_.last = base;
}

// Behind the tail, or the first of all. Its header is durable before it has its name.
void Recovery::begin_segment(engine::EntryId base, bool begins_anew) {
    const std::uint64_t sequence = result_.tail.sequence + 1;
    const std::uint64_t previous_end = sequence == 1 ? 0 : result_.tail.end;
    const std::uint64_t file_bytes = segment_file_bytes(options_.segment_bytes, 0);
    const SegmentHeader header{sequence,          file_bytes,       base,
                               previous_end,      result_.tail.crc, segment_salt(options_.salt, sequence),
                               options_.identity, begins_anew};
    const std::string block = encode_header(header);
    operations_.emplace_back(CreateZeroed{spare_name(sequence), file_bytes});
    operations_.emplace_back(WriteAt{spare_name(sequence), 0, block});
    operations_.emplace_back(SyncFile{spare_name(sequence)});
    operations_.emplace_back(RenameFile{spare_name(sequence), segment_name(sequence)});
    operations_.emplace_back(SyncDirectory{});
    result_.tail = {sequence, header.salt, file_bytes, kRecordsOffset, block_crc(block), kRecordsOffset};
    result_.segments[sequence] = {header.salt, base.index};
}

// What was read may still lie in the kernel's cache alone, even marked clean after a failed sync: everything
// that no evidence proves durable is written again, byte for byte, which tears nothing. Behind it zeros, so
// that no remains of the torn write are ever taken for records.
void Recovery::mend_tail(const LogScan& scan, std::string_view last_segment) {
    Tail tail = scan.tail();
    const std::string file = segment_name(tail.sequence);
    const std::uint64_t used = used_bytes(last_segment);
    if (used > tail.end) note_cut(scan, used - tail.end);
    if (tail.end > tail.durable) disk_.met(Situation::TailWrittenAgain);
    std::string bytes(last_segment.substr(tail.durable, tail.end - tail.durable));
    if (used > tail.end) bytes.append(used - tail.end, '\0');
    if (!bytes.empty()) operations_.emplace_back(WriteAt{file, tail.durable, std::move(bytes)});
    operations_.emplace_back(SyncFile{file});
    operations_.emplace_back(SyncDirectory{});
    tail.durable = tail.end;
    result_.tail = tail;
}

// That a write was cut off is on the disk before it is: a crash must not make a log that may lack something
// look whole.
void Recovery::note_cut(const LogScan& scan, std::uint64_t bytes) {
    disk_.met(Situation::TornTailCut);
    warn(text(
        segment_name(scan.tail().sequence), ": offset ", scan.tail().end, ": cut ", bytes,
        " bytes behind entry ", scan.log().last().index.value, " (term ", scan.log().last().term.value,
        "). Either a crash interrupted a write, which then was not acknowledged; or the disk has damaged "
        "the last write, which may have been"));
    if (result_.vote.lost == Lost::Nothing) {
        disk_.met(Situation::LastBatchDoubted);
        result_.vote.lost = Lost::LastBatch;
    }
    // Also a doubt that was read: it may lie in the kernel's cache alone.
    write_vote();
}

void Recovery::mend_vote() {
    result_.recovered.lost = result_.vote.lost;
    result_.vote.mark = result_.tail.durable_mark();
    write_vote();
}

void Recovery::write_vote() {
    // The copy that is overwritten first may be torn by a crash: the other one must be on the disk by then.
    // Like the log's end it may lie in the cache alone, marked clean, so that a sync alone would not write
    // it.
    const Copy kept = is_vote_readable_[1] ? Copy::B : Copy::A;
    const Copy other = kept == Copy::B ? Copy::A : Copy::B;
    operations_.emplace_back(
        WriteAt{copy_name(kVoteName, kept), 0, vote_blocks_[static_cast<std::size_t>(kept)]});
    operations_.emplace_back(SyncFile{copy_name(kVoteName, kept)});
    if (!is_vote_readable_[static_cast<std::size_t>(other)]) {
        disk_.met(Situation::VoteCopyMended);
        warn(text(copy_name(kVoteName, other), ": not readable, written again from the other copy"));
        create_copy(kVoteName, other, operations_);
    }
    ++result_.vote.sequence;
    const std::string block = encode_vote(result_.vote);
    write_copies(kVoteName, block, operations_, other);
    is_vote_readable_ = {true, true};
    vote_blocks_ = {block, block};
}

std::expected<void, Refusal> Recovery::perform() {
    if (const auto done = disk_.run(operations_); !done) return std::unexpected(disk_refusal(done.error()));
    return {};
}

// Into the memory of the segment before: fresh pages cost more than what is read into them, and two segments
// at once may be more than there is room for.
std::expected<void, Refusal> Recovery::read_file(std::uint64_t sequence, std::string& bytes) {
    const std::string file = segment_name(sequence);
    const auto status = std::ranges::find(files_, file, &FileStatus::name);
    if (status->size > kSegmentFileBytesMax) {
        return std::unexpected(damage(file, kSegmentFileBytesMax,
                                      text("expected a segment, seen a file of ", status->size, " bytes"),
                                      "all entries from this segment on"));
    }
    if (bytes.capacity() < status->size) std::string().swap(bytes);
    bytes.resize(status->size);
    if (const auto done = disk_.read(file, 0, bytes); !done)
        return std::unexpected(read_refusal(done.error()));
    return {};
}

}  // namespace

std::expected<RecoveredLog, Refusal> recover(Disk& disk, const LogOptions& options) {
    return Recovery(disk, options).run();
}

}  // namespace quorate::wal
