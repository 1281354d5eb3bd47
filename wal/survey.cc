#include "wal/survey.h"

#include <algorithm>
#include <string>
#include <utility>

#include "engine/check.h"
#include "wal/copies.h"
#include "wal/notice.h"
#include "wal/segment_walk.h"
#include "wal/snapshot_file.h"

namespace quorate::wal {

using engine::EntryId;
using engine::Term;

namespace {

/// Segments may get their names while the directory is listed.
constexpr int kListsMax = 4;

constexpr std::string_view kStrayBehindHeader =
    "expected zeros behind the header, seen other bytes; nothing is kept there";

FindingKind kind_of(const Flaw& flaw) {
    if (is_unread(flaw)) return FindingKind::Unreadable;
    return flaw.code == RefusalCode::UnknownFormat ? FindingKind::UnknownFormat : FindingKind::Damage;
}

std::string gap_before(const RecordView& next) {
    return text("expected a valid record, seen none before the one at offset ", offset_of(next), " (entry ",
                next.head.index.value, ", term ", next.head.term.value, ")");
}

class Surveyor {
 public:
    Surveyor(DiskReader& disk, const PayloadCheck& is_known) : disk_(&disk), is_known_(&is_known) {}

    std::expected<Survey, Finding> run();
    /// A node that runs has removed a snapshot, or a segment that one covers, since they were listed.
    [[nodiscard]] bool has_lost_files() const;

 private:
    std::expected<void, Finding> list();
    void survey_snapshots();
    void find_what_is_missing();
    void survey_segments();
    [[nodiscard]] std::optional<Identity> identity_of_first_header();
    void missing(std::uint64_t first, std::uint64_t last);
    void survey_segment(std::uint64_t sequence, bool is_last);
    [[nodiscard]] bool read_segment(std::uint64_t sequence);
    void fit_to_header(std::uint64_t sequence);
    [[nodiscard]] bool read_behind(std::uint64_t end);
    void refresh_term();
    [[nodiscard]] std::expected<void, Flaw> scan(std::uint64_t sequence, bool is_last);
    [[nodiscard]] std::expected<void, Flaw> check_end();
    [[nodiscard]] std::optional<Tail> open_behind_damage(std::uint64_t sequence);
    void walk_behind_damage(Tail& tail, bool is_last);
    [[nodiscard]] bool is_durable_beyond(const Tail& tail, bool is_last) const;
    void visit(const RecordView& record, const Tail& before);
    void pass_mark(const Tail& tail);
    void check_what_is_unused(const Tail& tail, bool is_last);
    void settle_stray(std::uint64_t sequence);
    void finish();

    [[nodiscard]] std::size_t findings_count() const {
        return result_.findings.size() + result_.findings_omitted;
    }
    [[nodiscard]] bool has_finding(FindingKind kind, std::string_view file, std::uint64_t offset) const;
    void report(FindingKind kind, std::string file, std::uint64_t offset, std::string what);
    void report(const Flaw& flaw);

    DiskReader* disk_;
    const PayloadCheck* is_known_;
    std::vector<FileStatus> files_;
    std::vector<std::uint64_t> sequences_;
    Survey result_;

    Mark mark_;  ///< of the vote
    bool has_met_mark_ = false;
    LogScan scan_{{}, std::nullopt, {}};
    bool is_intact_ = true;            ///< up to here: scan_ goes on
    std::optional<Tail> tail_;         ///< of the segment at hand, or of the one before; nothing: not known
    EntryId last_;                     ///< of the records seen
    std::string bytes_;                ///< of the segment at hand
    std::uint64_t file_bytes_ = 0;     ///< as its header says
    std::optional<Flaw> wrong_size_;   ///< of its file
    std::size_t findings_before_ = 0;  ///< the segment at hand
    std::optional<std::uint64_t> stray_;  ///< not zero, behind the records of the segment before
};

std::expected<Survey, Finding> Surveyor::run() {
    if (auto listed = list(); !listed) return std::unexpected(listed.error());
    if (std::ranges::none_of(files_, is_of_a_log, &FileStatus::name)) {
        return std::unexpected(Finding{FindingKind::Unreadable,
                                       {},
                                       0,
                                       "no data directory: it holds none of the files of one",
                                       std::nullopt});
    }
    // The vote goes first: the log that is read after it reaches its mark, whatever is written meanwhile.
    result_.copies = survey_copies(*disk_, files_, [this] { return identity_of_first_header(); });
    if (auto listed = list(); !listed) return std::unexpected(listed.error());
    const auto vote = result_.copies.vote();
    std::optional<Mark> mark;
    Term term(UINT64_MAX);  // not known: any will do
    if (vote) {
        mark = vote->mark;
        term = vote->hard_state.current_term;
    }
    mark_ = mark.value_or(Mark{});
    has_met_mark_ = !mark;
    scan_ = LogScan(result_.copies.identity.value_or(Identity{}), mark, term,
                    [this](const RecordView& record, const Tail& before) { visit(record, before); });
    survey_snapshots();
    survey_segments();
    find_what_is_missing();
    finish();
    return std::move(result_);
}

bool Surveyor::has_lost_files() const {
    const auto now = disk_->list();
    if (!now) return false;
    return std::ranges::any_of(files_, [&](const FileStatus& file) {
        return (parse_snapshot_name(file.name) || parse_segment_name(file.name) || is_notice(file.name)) &&
               std::ranges::find(*now, file.name, &FileStatus::name) == now->end();
    });
}

std::expected<void, Finding> Surveyor::list() {
    for (int lists = 0; lists < kListsMax; ++lists) {
        auto files = disk_->list();
        if (!files) {
            return std::unexpected(
                Finding{FindingKind::Unreadable, {}, 0, files.error().detail, std::nullopt});
        }
        files_ = std::move(*files);
        sequences_ = segments_of(files_);
        if (sequences_.empty() || sequences_.back() - sequences_.front() + 1 == sequences_.size()) break;
    }
    result_.others.clear();
    for (const FileStatus& file : files_) {
        if (!is_small_file(file.name) && !parse_segment_name(file.name) && !parse_snapshot_name(file.name))
            result_.others.push_back(file);
        if (!stands_in_for_ours(file)) continue;
        const std::string name = file.name.substr(0, file.name.size() - 1);
        if (!is_small_file(name)) report(FindingKind::Unreadable, name, 0, std::string(kNotAFile));
    }
    return {};
}

std::optional<Identity> Surveyor::identity_of_first_header() {
    for (const std::uint64_t sequence : sequences_) {
        std::string block(kBlockBytes, '\0');
        if (!disk_->read(segment_name(sequence), 0, block)) continue;
        if (const auto header = decode_header(block)) return header->identity;
    }
    return std::nullopt;
}

// Every chunk is read: a node reads it only when it needs the snapshot.
void Surveyor::survey_snapshots() {
    for (const FileStatus& file : files_) {
        if (!parse_snapshot_name(file.name)) continue;
        const auto meta = read_snapshot_meta(*disk_, file, result_.copies.identity.value_or(Identity{}));
        if (!meta) {
            report(meta.error());
            continue;
        }
        result_.snapshots.push_back(*meta);
        std::string padding(kChunksOffset - kBlockBytes, '\0');
        const bool is_read = disk_->read(file.name, kBlockBytes, padding).has_value();
        if (const std::size_t stray = padding.find_first_not_of('\0'); is_read && stray != std::string::npos)
            report(FindingKind::Damage, file.name, kBlockBytes + stray, std::string(kStrayBehindHeader));
        if (const auto checked = check_chunks(*disk_, *meta); !checked) report(checked.error());
    }
}

// What no file that is there can tell by itself.
void Surveyor::find_what_is_missing() {
    const engine::LogIndex base = scan_.log().base.index;
    const engine::LogIndex newest =
        result_.snapshots.empty() ? engine::LogIndex{} : result_.snapshots.back().last.index;
    const bool may_be_unread = std::ranges::any_of(result_.findings, [&](const Finding& finding) {
        const auto snapshot = parse_snapshot_name(finding.file);
        return finding.kind == FindingKind::Unreadable && snapshot && *snapshot >= base;
    });
    if (is_intact_ && base > newest && !may_be_unread) {
        report(FindingKind::Damage, snapshot_name(base), 0,
               text("expected a snapshot through entry ", base.value,
                    " or later, behind which the log goes on, seen none after entry ", newest.value));
    }
    const bool is_any_wrong = std::ranges::any_of(
        result_.findings, [](const Finding& f) { return parse_snapshot_name(f.file).has_value(); });
    const auto cut_off = scan_.log().cut_off(result_.snapshots);
    if (is_intact_ && !is_any_wrong && cut_off) report(*cut_off);
    for (const auto& [notice, what] :
         {std::pair(kRestoringName, "a restore"), std::pair(kJoiningName, "a first start with --join")}) {
        if (!has_notice(files_, notice)) continue;
        report(FindingKind::Damage, std::string(notice), 0,
               text(what, " was interrupted, or is under way: what is here is not all of it"));
    }
}

void Surveyor::survey_segments() {
    // The first ones may have been removed, when a snapshot covered them.
    const bool is_compacted = !sequences_.empty() && !result_.snapshots.empty();
    std::uint64_t expected = is_compacted ? sequences_.front() : 1;
    for (const std::uint64_t sequence : sequences_) {
        if (sequence != expected) missing(expected, sequence - 1);
        settle_stray(sequence);
        survey_segment(sequence, sequence == sequences_.back());
        expected = sequence + 1;
    }
}

void Surveyor::missing(std::uint64_t first, std::uint64_t last) {
    settle_stray(0);
    report(FindingKind::Damage, segment_name(first), 0,
           first == last
               ? std::string("expected this segment, seen no such file")
               : text("expected this segment and all up to ", segment_name(last), ", seen no such files"));
    is_intact_ = false;
    tail_.reset();
}

void Surveyor::survey_segment(std::uint64_t sequence, bool is_last) {
    const auto status = std::ranges::find(files_, segment_name(sequence), &FileStatus::name);
    findings_before_ = findings_count();
    result_.segments.push_back({sequence, status->size, 0, 0, 0, {}, {}, {}, {}});
    if (!read_segment(sequence)) {
        is_intact_ = false;
        tail_.reset();
        return;
    }
    refresh_term();
    if (is_intact_) {
        const auto followed = scan(sequence, is_last);
        if (followed) {
            tail_ = scan_.tail();
        } else {
            report(followed.error());
            has_met_mark_ = scan_.has_met_mark();
            const bool is_open = scan_.tail().sequence == sequence;
            tail_ = is_open ? std::optional(scan_.tail()) : open_behind_damage(sequence);
            is_intact_ = false;
        }
    } else {
        tail_ = open_behind_damage(sequence);
    }
    if (wrong_size_) report(*wrong_size_);
    if (!tail_) return;
    if (!is_intact_) walk_behind_damage(*tail_, is_last);
    result_.segments.back().end = tail_->end;
    check_what_is_unused(*tail_, is_last);
}

bool Surveyor::read_segment(std::uint64_t sequence) {
    const std::string file = segment_name(sequence);
    const std::uint64_t size = result_.segments.back().file_bytes;
    bytes_.clear();
    wrong_size_.reset();
    if (size > kSegmentFileBytesMax) {
        report(FindingKind::Damage, file, kSegmentFileBytesMax,
               text("expected a segment, seen a file of ", size, " bytes"));
        return false;
    }
    bytes_.resize(size);
    if (const auto done = disk_->read(file, 0, bytes_); !done) {
        report(FindingKind::Unreadable, file, 0, done.error().detail);
        return false;
    }
    fit_to_header(sequence);
    return true;
}

// A file of another size is read as far as it goes, and no further than its header says.
void Surveyor::fit_to_header(std::uint64_t sequence) {
    file_bytes_ = bytes_.size();
    const auto header = decode_header(std::string_view(bytes_).substr(0, kBlockBytes));
    if (!header) return;
    auto sized = check_size(*header, sequence, file_bytes_, {});
    if (sized) return;
    wrong_size_ = std::move(sized.error());
    file_bytes_ = header->file_bytes;
    bytes_.resize(std::min(bytes_.size(), std::max(file_bytes_, kRecordsOffset)));
}

bool Surveyor::read_behind(std::uint64_t end) {
    const std::string file = segment_name(result_.segments.back().sequence);
    return end <= bytes_.size() && disk_->read(file, end, std::span(bytes_).subspan(end)).has_value();
}

// A node writes a term before the first entry of it: for entries that have been read, the vote that is read
// after them is the one to ask.
void Surveyor::refresh_term() {
    if (result_.copies.identity)
        scan_.raise_term(read_term(*disk_, files_, owner_of(*result_.copies.identity)));
}

std::expected<void, Flaw> Surveyor::scan(std::uint64_t sequence, bool is_last) {
    if (auto added = scan_.add_segment(sequence, bytes_, file_bytes_); !added) return added;
    if (is_last) return check_end();
    const Tail& tail = scan_.tail();
    const auto behind = find_record(bytes_, tail.end, tail.salt, 0);
    if (!behind) return {};  // whether this is the end, the next header says
    return std::unexpected(
        Flaw{RefusalCode::Damage, segment_name(sequence), next_head(tail.end), gap_before(*behind), last_});
}

// A running node may have written two batches while the segment was read, of which the second is in what was
// read late and the first is not in what was read early. But when proof of a place has been read, the place
// itself had been written before that: a second read finds it, or it is damaged.
std::expected<void, Flaw> Surveyor::check_end() {
    for (;;) {
        auto checked = scan_.check_end(bytes_);
        if (checked) return checked;
        const std::uint64_t end = scan_.tail().end;
        if (!read_behind(end)) return checked;
        refresh_term();
        if (auto followed = scan_.follow(bytes_); !followed) return followed;
        if (scan_.tail().end == end) return checked;
    }
}

// Nothing: there is no telling which records are the segment's.
std::optional<Tail> Surveyor::open_behind_damage(std::uint64_t sequence) {
    const auto header = read_header(sequence, bytes_, last_);
    if (!header) {
        report(header.error());
        if (header.error().code == RefusalCode::UnknownFormat) return std::nullopt;
        const auto salt = salt_of_first_record(bytes_);
        if (!salt) return std::nullopt;
        const auto first = decode_record(bytes_, kRecordsOffset, *salt);
        return Tail{sequence, *salt, bytes_.size(), kRecordsOffset, first->head.previous_crc, kRecordsOffset};
    }
    Before before{tail_, std::nullopt};
    if (tail_) before.last = last_;
    if (const auto checked = check_header(*header, sequence, file_bytes_,
                                          result_.copies.identity.value_or(Identity{}), before);
        !checked)
        report(checked.error());
    Tail tail = first_tail(*header, bytes_);
    tail.sequence = sequence;
    return tail;
}

void Surveyor::walk_behind_damage(Tail& tail, bool is_last) {
    for (;;) {
        pass_mark(tail);
        if (const auto record = next_record(bytes_, tail)) {
            visit(*record, tail);
            pass(*record, tail);
            continue;
        }
        if (!is_durable_beyond(tail, is_last)) break;
        const auto next = find_record(bytes_, tail.end, tail.salt, 0);
        if (!next) break;
        report(FindingKind::Damage, segment_name(tail.sequence), next_head(tail.end), gap_before(*next));
        tail.end = offset_of(*next);
        visit(*next, tail);
        pass(*next, tail);
    }
    if (has_met_mark_ || mark_.sequence != tail.sequence) return;
    has_met_mark_ = true;  // its place has been reached, and is told to be damaged
    if (mark_.offset > tail.end || findings_before_ == findings_count()) {
        report(FindingKind::Damage, segment_name(tail.sequence), next_head(tail.end),
               text("expected the log that was durable through offset ", mark_.offset,
                    ", as the vote record says, seen valid records through offset ", tail.end));
    }
}

// Whether something proves that the log did not end here.
bool Surveyor::is_durable_beyond(const Tail& tail, bool is_last) const {
    if (!is_last) return true;
    if (!has_met_mark_ && mark_.sequence == tail.sequence && mark_.offset > tail.end) return true;
    return find_record(bytes_, tail.end, tail.salt, tail.end).has_value();
}

void Surveyor::visit(const RecordView& record, const Tail& before) {
    const std::uint64_t offset = offset_of(record);
    const std::size_t stray = std::string_view(bytes_).substr(0, offset).find_first_not_of('\0', before.end);
    if (stray != std::string_view::npos) {
        report(FindingKind::Damage, segment_name(before.sequence), stray,
               "expected zeros between two records, seen other bytes; nothing is kept there");
    }
    SegmentSummary& segment = result_.segments.back();
    const RecordHead& head = record.head;
    const bool is_first = segment.records++ == 0;
    if (head.type == RecordType::Replacement) ++segment.replacements;
    segment.index_min = is_first ? head.index : std::min(segment.index_min, head.index);
    segment.index_max = std::max(segment.index_max, head.index);
    segment.term_min = is_first ? head.term : std::min(segment.term_min, head.term);
    segment.term_max = std::max(segment.term_max, head.term);
    last_ = {head.index, head.term};
    if (!(*is_known_)(head.kind, record.payload)) {
        report(FindingKind::UnknownFormat, segment_name(before.sequence), offset,
               text("entry ", head.index.value, " is intact, and holds nothing that this version can use"));
    }
    Tail after = before;
    pass(record, after);
    pass_mark(after);
}

void Surveyor::pass_mark(const Tail& tail) {
    if (Mark{tail.sequence, tail.end, tail.crc} == mark_) has_met_mark_ = true;
}

void Surveyor::check_what_is_unused(const Tail& tail, bool is_last) {
    const std::string_view bytes = bytes_;
    const std::string file = segment_name(tail.sequence);
    const std::size_t stray = bytes.substr(0, kRecordsOffset).find_first_not_of('\0', kBlockBytes);
    if (stray != std::string_view::npos) {
        report(FindingKind::Damage, file, stray, std::string(kStrayBehindHeader));
    }
    if (used_bytes(bytes) <= tail.end) return;
    const std::size_t behind = bytes.find_first_not_of('\0', tail.end);
    if (!is_last) {
        stray_ = behind;
        return;
    }
    if (has_finding(FindingKind::Damage, file, next_head(tail.end))) return;  // the same bytes
    report(FindingKind::Unfinished, file, behind,
           text("expected zeros behind the last record, which ends at offset ", tail.end,
                ", seen other bytes up to offset ", used_bytes(bytes), ", which nothing proves durable"));
}

// `sequence`: the segment that comes next; its header says where the records of the one before end. Zero:
// nobody says so.
void Surveyor::settle_stray(std::uint64_t sequence) {
    const auto stray = std::exchange(stray_, std::nullopt);
    if (!stray || !tail_) return;
    if (sequence != 0) {
        std::string block(kBlockBytes, '\0');
        const bool is_read = disk_->read(segment_name(sequence), 0, block).has_value();
        const auto header = decode_header(block);
        // A record that is not there any more: told with the header.
        if (is_read && header && header->previous_end > tail_->end) return;
    }
    report(FindingKind::Damage, segment_name(tail_->sequence), *stray,
           "expected zeros behind the last record, seen other bytes");
}

void Surveyor::finish() {
    const CopySurvey& copies = result_.copies;
    const bool is_empty = result_.segments.size() <= 1 && last_ == EntryId{};
    // The identity is written last of all that a new directory holds.
    const bool is_in_creation = !copies.identity_findings.empty() && is_empty && copies.is_initial();
    if (sequences_.empty() && !is_in_creation) missing(1, 1);
    if (!has_met_mark_ && mark_.sequence > (sequences_.empty() ? 0 : sequences_.back())) {
        report(FindingKind::Damage, segment_name(mark_.sequence), 0,
               text("expected the log that was durable through offset ", mark_.offset,
                    " of it, as the vote record says, seen no such file"));
    }
    std::vector<Finding> small = copies.identity_findings;
    small.insert(small.end(), copies.vote_findings.begin(), copies.vote_findings.end());
    for (Finding& finding : small) {
        if (is_in_creation && finding.kind == FindingKind::Damage) finding.kind = FindingKind::Unfinished;
    }
    result_.findings.insert(result_.findings.begin(), small.begin(), small.end());
    result_.log = scan_.take_log();
}

bool Surveyor::has_finding(FindingKind kind, std::string_view file, std::uint64_t offset) const {
    return std::ranges::any_of(result_.findings, [&](const Finding& finding) {
        return finding.kind == kind && finding.file == file && finding.offset == offset;
    });
}

void Surveyor::report(FindingKind kind, std::string file, std::uint64_t offset, std::string what) {
    if (has_finding(kind, file, offset)) return;
    if (result_.findings.size() == kFindingsMax) {
        ++result_.findings_omitted;
        return;
    }
    const std::optional<EntryId> behind = parse_snapshot_name(file) ? std::nullopt : std::optional(last_);
    result_.findings.push_back({kind, std::move(file), offset, std::move(what), behind});
}

void Surveyor::report(const Flaw& flaw) { report(kind_of(flaw), flaw.file, flaw.offset, flaw.what); }

}  // namespace

bool Survey::has(FindingKind kind) const {
    return std::ranges::any_of(findings, [&](const Finding& finding) { return finding.kind == kind; });
}

std::expected<Survey, Finding> survey(DiskReader& disk, const PayloadCheck& is_known) {
    // What is missing because it was removed is no damage, and what is left is whole.
    for (int surveys = 1;; ++surveys) {
        Surveyor surveyor(disk, is_known);
        auto seen = surveyor.run();
        const bool is_wrong = seen && (seen->has(FindingKind::Damage) || seen->has(FindingKind::Unreadable));
        if (!is_wrong || surveys == kListsMax || !surveyor.has_lost_files()) return seen;
    }
}

}  // namespace quorate::wal
