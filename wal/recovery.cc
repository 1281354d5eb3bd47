#include "wal/recovery.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "wal/copies.h"
#include "wal/log_scan.h"
#include "wal/segment_walk.h"

namespace quorate::wal {

namespace {

class Recovery {
 public:
    Recovery(Disk& disk, LogOptions options) : disk_(disk), options_(std::move(options)) {}
    Recovery(const Recovery&) = delete;
    Recovery& operator=(const Recovery&) = delete;
    ~Recovery() = default;

    std::expected<RecoveredLog, Refusal> run();

 private:
    std::expected<bool, Refusal> check_identity();
    std::expected<void, Refusal> check_nothing_promised();
    std::expected<void, Refusal> create();
    std::expected<void, Refusal> read_vote();
    std::expected<void, Refusal> read_segments();
    void mend_tail(const LogScan& scan, std::string_view last_segment);
    void mend_vote();
    std::expected<void, Refusal> perform();

    std::expected<std::string, Refusal> read_file(std::uint64_t sequence);
    void warn(std::string warning) { result_.recovered.warnings.push_back(std::move(warning)); }

    Disk& disk_;
    LogOptions options_;
    std::vector<FileStatus> files_;
    std::vector<DiskOperation> operations_;  ///< what has to be written before the log may be used
    std::array<bool, 2> is_vote_readable_{};
    std::array<std::string, 2> vote_blocks_;  ///< of those that are readable
    RecoveredLog result_;
};

std::expected<RecoveredLog, Refusal> Recovery::run() {
    if (const auto locked = disk_.lock(); !locked) return std::unexpected(directory_refusal(locked.error()));
    auto listed = disk_.list();
    if (!listed) return std::unexpected(disk_refusal(listed.error()));
    files_ = std::move(*listed);
    const auto is_ours = check_identity();
    if (!is_ours) return std::unexpected(is_ours.error());
    if (!*is_ours) {
        if (auto checked = check_nothing_promised(); !checked) return std::unexpected(checked.error());
        disk_.met(files_.empty() ? Situation::DirectoryCreated : Situation::CreationRepeated);
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
                        text(file, ": this data directory belongs to ", name_of(*identity), ", not to ",
                             name_of(options_.identity),
                             ": name the right directory, or the right node and cluster")});
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
    }
    for (const std::uint64_t sequence : segments_of(files_)) {
        if (sequence > 1) return refuse(segment_name(sequence), "a part of the log");
        const auto bytes = read_file(sequence);
        if (!bytes) return std::unexpected(bytes.error());
        // It gets its name when its header is durable.
        const auto header = decode_header(std::string_view(*bytes).substr(0, kBlockBytes));
        if (!header || header->identity != options_.identity || header->file_bytes != bytes->size())
            return refuse(segment_name(sequence), "what is no new segment of this node");
        if (used_bytes(*bytes) > kRecordsOffset) return refuse(segment_name(sequence), "log entries");
    }
    return {};
}

std::expected<void, Refusal> Recovery::create() {
    const std::uint64_t file_bytes = segment_file_bytes(options_.segment_bytes, 0);
    const std::uint64_t salt = segment_salt(options_.salt, 1);
    const std::string header = encode_header({1, file_bytes, {}, 0, 0, salt, options_.identity});
    operations_.emplace_back(CreateZeroed{spare_name(1), file_bytes});
    operations_.emplace_back(WriteAt{spare_name(1), 0, header});
    operations_.emplace_back(SyncFile{spare_name(1)});
    operations_.emplace_back(RenameFile{spare_name(1), segment_name(1)});
    operations_.emplace_back(SyncDirectory{});

    result_.salts = {salt};
    result_.tail = {1, salt, file_bytes, kRecordsOffset, block_crc(header), kRecordsOffset};
    result_.vote = {1, owner_of(options_.identity), {}, result_.tail.durable_mark()};
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
    return {};
}

std::expected<void, Refusal> Recovery::read_segments() {
    LogScan scan(options_.identity, result_.vote.mark, result_.vote.hard_state.current_term);
    const std::vector<std::uint64_t> sequences = segments_of(files_);
    std::string bytes;
    for (std::uint64_t expected = 1; expected <= std::max<std::uint64_t>(sequences.size(), 1); ++expected) {
        if (sequences.empty() || sequences[expected - 1] != expected) {
            return std::unexpected(damage(segment_name(expected), 0,
                                          "expected this segment, seen no such file",
                                          text("the entries behind entry ", scan.log().last().index.value)));
        }
        auto read = read_file(expected);
        if (!read) return std::unexpected(read.error());
        bytes = std::move(*read);
        if (const auto added = scan.add_segment(expected, bytes); !added)
            return std::unexpected(refusal(added.error()));
    }
    if (const auto checked = scan.check_end(bytes); !checked)
        return std::unexpected(refusal(checked.error()));
    mend_tail(scan, bytes);
    result_.last = scan.log().last();
    ScannedLog log = scan.take_log();
    result_.recovered.entries = std::move(log.entries);
    result_.recovered.memberships = std::move(log.memberships);
    result_.index = std::move(log.index);
    result_.salts = std::move(log.salts);
    return {};
}

// What was read may still lie in the kernel's cache alone, even marked clean after a failed sync: everything
// that no evidence proves durable is written again, byte for byte, which tears nothing. Behind it zeros, so
// that no remains of the torn write are ever taken for records.
void Recovery::mend_tail(const LogScan& scan, std::string_view last_segment) {
    Tail tail = scan.tail();
    const std::string file = segment_name(tail.sequence);
    const std::uint64_t used = used_bytes(last_segment);
    if (used > tail.end) {
        disk_.met(Situation::TornTailCut);
        warn(text(
            file, ": offset ", tail.end, ": cut ", used - tail.end, " bytes behind entry ",
            scan.log().last().index.value, " (term ", scan.log().last().term.value,
            "). Either a crash interrupted a write, which then was not acknowledged; or the disk has damaged "
            "the last write, which may have been: compare this node's log with the other members' if there "
            "was no crash"));
    }
    if (tail.end > tail.durable) disk_.met(Situation::TailWrittenAgain);
    std::string bytes(last_segment.substr(tail.durable, tail.end - tail.durable));
    if (used > tail.end) bytes.append(used - tail.end, '\0');
    if (!bytes.empty()) operations_.emplace_back(WriteAt{file, tail.durable, std::move(bytes)});
    operations_.emplace_back(SyncFile{file});
    operations_.emplace_back(SyncDirectory{});
    tail.durable = tail.end;
    result_.tail = tail;
}

void Recovery::mend_vote() {
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
    result_.vote.mark = result_.tail.durable_mark();
    ++result_.vote.sequence;
    write_copies(kVoteName, encode_vote(result_.vote), operations_, other);
}

std::expected<void, Refusal> Recovery::perform() {
    if (const auto done = disk_.run(operations_); !done) return std::unexpected(disk_refusal(done.error()));
    return {};
}

std::expected<std::string, Refusal> Recovery::read_file(std::uint64_t sequence) {
    const std::string file = segment_name(sequence);
    const auto status = std::ranges::find(files_, file, &FileStatus::name);
    if (status->size > kSegmentFileBytesMax) {
        return std::unexpected(damage(file, kSegmentFileBytesMax,
                                      text("expected a segment, seen a file of ", status->size, " bytes"),
                                      "all entries from this segment on"));
    }
    std::string bytes(status->size, '\0');
    if (const auto done = disk_.read(file, 0, bytes); !done)
        return std::unexpected(disk_refusal(done.error()));
    return bytes;
}

}  // namespace

std::expected<RecoveredLog, Refusal> recover(Disk& disk, const LogOptions& options) {
    return Recovery(disk, options).run();
}

}  // namespace quorate::wal
