#include "wal/log.h"

#include <algorithm>
#include <utility>

#include "engine/check.h"
#include "wal/copies.h"
#include "wal/entry_reader.h"
#include "wal/recovery.h"

namespace quorate::wal {

using engine::EntryId;
using engine::HardState;
using engine::LogIndex;
using engine::PersistTicket;

namespace {

/// A job takes no further entry beyond this: it bounds the memory of a job, the time that a later write waits
/// for it, and what recovery writes again.
constexpr std::size_t kJobBytesMax = 8U << 20;
/// Calls of flush() between two attempts to prepare a segment on a full disk. A quiet node's ticks alone make
/// some forty calls a second.
constexpr std::uint32_t kFlushesToRetry = 100;
/// With less than this part of a segment left (or a job's worth, but no more than half of it) and no next
/// one, new writes should go elsewhere: what is on its way still needs room.
constexpr std::uint64_t kReservedPart = 8;

}  // namespace

std::expected<Opened, Refusal> Log::open(Disk& disk, const LogOptions& options) {
    ENGINE_CHECK(options.segment_bytes >= kSegmentBytesMin && options.segment_bytes <= kSegmentBytesMax);
    auto recovered = recover(disk, options);
    if (!recovered) return std::unexpected(recovered.error());
    Opened opened;
    opened.recovered = std::move(recovered->recovered);
    opened.log.reset(new Log(disk, options, std::move(*recovered)));
    return opened;
}

Log::Log(Disk& disk, const LogOptions& options, RecoveredLog recovered)
    : disk_(disk),
      options_(options),
      vote_(recovered.vote),
      tail_(recovered.tail),
      last_(recovered.last),
      index_(std::move(recovered.index)),
      segments_(std::move(recovered.segments)),
      first_live_(recovered.first_live),
      queue_last_(last_.index),
      lost_(vote_.lost),
      commit_index_(vote_.commit_index),
      spare_bytes_wanted_(segment_file_bytes(options.segment_bytes, 0)) {
    ENGINE_CHECK(tail_.durable == tail_.end);
    ENGINE_CHECK(index_.last_index() == last_.index);
    ENGINE_CHECK(!segments_.empty() && segments_.rbegin()->first == tail_.sequence);
}

std::expected<void, Refusal> Log::bootstrap(const HardState& hard_state, const LogEntry& entry) {
    ENGINE_CHECK(idle() && queue_last_ == LogIndex{});
    persist({}, hard_state, {}, LogIndex(1), std::span(&entry, 1));
    const LogJob job = plan_job();
    ENGINE_CHECK(queue_.empty());  // one entry fits an empty segment
    if (const auto done = disk_.run(job.operations); !done) {
        return fail(done.error());
    }
    adopt(job);
    return {};
}

void Log::persist(PersistTicket ticket, const std::optional<HardState>& hard_state, LogIndex truncate_from,
                  LogIndex first, std::span<const LogEntry> entries) {
    ENGINE_CHECK(truncate_from == LogIndex{} || (truncate_from == first && !entries.empty()));
    if (!entries.empty()) {
        ENGINE_CHECK(truncate_from == LogIndex{} ? first == queue_last_.next() : first <= queue_last_);
        queue_last_ = first.plus(entries.size() - 1);
    }
    for (const LogEntry& entry : entries) queued_bytes_ += kHeadBytes + entry.payload.size();
    queue_.push_back({ticket, hard_state, first, {entries.begin(), entries.end()}, 0});
}

void Log::begin_anew(EntryId base) {
    queue_last_ = base.index;
    queue_.push_back({{}, std::nullopt, {}, {}, 0, base});
}

void Log::compact(LogIndex index) { compact_through_ = std::max(compact_through_, index); }

void Log::flush() {
    if (failure_) return;
    if ((!queue_.empty() || vote_.lost != lost_) && !log_job_) {
        LogJob job = plan_job();
        if (!job.operations.empty() || job.ticket > PersistTicket{}) start(std::move(job));
    }
    if (!spare_job_ && spare_bytes_ < spare_bytes_wanted_) prepare_spare();
    remove_oldest();
}

void Log::on_idle() {
    if (failure_ || !idle()) return;
    if (vote_.mark == tail_.durable_mark() && vote_.commit_index == durable_commit_index()) return;
    LogJob job = new_job();
    add_vote(job);
    disk_.met(Situation::MarkWrittenWhenIdle);
    start(std::move(job));
}

std::expected<PersistTicket, Refusal> Log::on_completed(const DiskCompletion& completion) {
    if (failure_) return std::unexpected(*failure_);
    if (completion.id == spare_job_) return spare_completed(completion);
    if (completion.id == removal_job_) {
        removal_job_.reset();
        if (!completion.result) return fail(completion.result.error());
        remove_oldest();
        return PersistTicket{};
    }
    ENGINE_CHECK(log_job_ && completion.id == log_job_->id);
    if (!completion.result) return fail(completion.result.error());
    const LogJob job = std::move(*log_job_);
    log_job_.reset();
    adopt(job);
    return job.ticket;
}

std::expected<std::vector<LogEntry>, Refusal> Log::read(LogIndex first, LogIndex last,
                                                        std::uint64_t bytes_max) const {
    return read_entries(disk_, index_, segments_, first, last, bytes_max);
}

bool Log::is_nearly_full(std::uint64_t more_bytes) const {
    const Tail& tail = log_job_ ? log_job_->batch.tail() : tail_;
    const std::uint64_t reserve =
        std::min(tail.file_bytes / 2, std::max<std::uint64_t>(tail.file_bytes / kReservedPart, kJobBytesMax));
    return tail.file_bytes + more_bytes < tail.end + queued_bytes_ + reserve;
}

const DiskFailure* Log::out_of_space() const {
    return room_lacking_ && (is_blocked_ || is_nearly_full(0)) ? &*room_lacking_ : nullptr;
}

bool Log::awaits_room() const {
    const bool is_anything_to_come = spare_bytes_ < spare_bytes_wanted_ || !idle();
    return is_anything_to_come && !room_lacking_ && is_nearly_full(spare_bytes_);
}

Log::LogJob Log::new_job() const {
    LogJob job{0, {}, {}, {}, Batch(tail_), 0, last_, vote_, std::nullopt, false};
    job.vote.mark = tail_.durable_mark();  // no job is running: everything written is durable
    job.vote.commit_index = durable_commit_index();
    return job;
}

// When no job is running. What is queued may replace what is on the disk, and be committed where that is not.
LogIndex Log::durable_commit_index() const {
    const bool replaces = std::ranges::any_of(queue_, [this](const Pending& pending) {
        return pending.begins_behind ||
               (!pending.entries.empty() && pending.first.plus(pending.placed) <= last_.index);
    });
    return replaces ? vote_.commit_index : std::min(commit_index_, last_.index);
}

Log::LogJob Log::plan_job() {
    LogJob job = new_job();
    // The newest vote of all that is queued goes first, entries of which may have to wait for room: a term or
    // vote that is on disk early harms nobody, an entry of a term that is not on disk would look like damage.
    bool has_vote = std::exchange(job.vote.lost, lost_) != lost_;
    for (Pending& pending : queue_) {
        if (!pending.hard_state) continue;
        has_vote = true;
        job.vote.hard_state = *pending.hard_state;
        pending.hard_state.reset();
    }
    if (has_vote) add_vote(job);

    is_blocked_ = false;
    if (queue_.size() > 1) disk_.met(Situation::WritesShareSync);
    while (!queue_.empty() && place_entries(queue_.front(), job)) {
        job.ticket = std::max(job.ticket, queue_.front().ticket);
        queue_.pop_front();
    }
    add_batch(job);
    return job;
}

// Returns whether all of them are in the job now.
bool Log::place_entries(Pending& pending, LogJob& job) {
    // A job begins one segment at most, and what it places before a new beginning nobody could find again.
    if (pending.begins_behind) {
        if (!job.placed.empty() || job.begun) return false;
        const EntryId before = std::exchange(job.last, *pending.begins_behind);
        if (roll(0, job, true)) return true;
        job.last = before;
        return false;
    }
    for (; pending.placed < pending.entries.size(); ++pending.placed) {
        if (job.bytes >= kJobBytesMax) return false;
        const LogEntry& entry = pending.entries[pending.placed];
        if (!job.batch.fits(entry.payload.size()) && !roll(entry.payload.size(), job, false)) {
            if (pending.placed > 0) disk_.met(Situation::EntriesSplitIntoJobs);
            return false;
        }
        const LogIndex index = pending.first.plus(pending.placed);
        if (index <= job.last.index) disk_.met(Situation::EntriesReplaced);
        const RecordType type = index <= job.last.index ? RecordType::Replacement : RecordType::Entry;
        const std::uint64_t offset = job.batch.add(type, index, entry);
        job.placed.push_back({index, job.batch.tail().sequence, offset, job.batch.tail().end});
        job.bytes += kHeadBytes + entry.payload.size();
        queued_bytes_ -= kHeadBytes + entry.payload.size();
        job.last = {index, entry.term};
    }
    return true;
}

// The segment's name proves its header, its header proves the previous segment to its end, and the vote
// proves the segment: each is durable before the next is written, so none can be missing after a crash.
bool Log::roll(std::size_t payload_bytes, LogJob& job, bool begins_anew) {
    const std::uint64_t bytes_needed = segment_file_bytes(options_.segment_bytes, payload_bytes);
    if (spare_bytes_ < bytes_needed) {
        is_blocked_ = true;
        spare_bytes_wanted_ = bytes_needed;
        return false;
    }
    disk_.met(spare_bytes_ > segment_file_bytes(options_.segment_bytes, 0) ? Situation::LargeSegmentBegun
                                                                           : Situation::SegmentBegun);
    add_batch(job);
    const Tail& full = job.batch.tail();
    const std::uint64_t sequence = full.sequence + 1;
    const SegmentHeader header{sequence,          spare_bytes_, job.last,
                               full.end,          full.crc,     segment_salt(options_.salt, sequence),
                               options_.identity, begins_anew};
    const std::string block = encode_header(header);
    const std::string spare = spare_name(header.sequence);
    job.operations.emplace_back(WriteAt{spare, 0, block});
    job.operations.emplace_back(SyncFile{spare});
    job.operations.emplace_back(RenameFile{spare, segment_name(header.sequence)});
    job.operations.emplace_back(SyncDirectory{});
    job.vote.mark = {header.sequence, kRecordsOffset, block_crc(block)};
    add_vote(job);
    job.batch = Batch(Tail{header.sequence, header.salt, header.file_bytes, kRecordsOffset, block_crc(block),
                           kRecordsOffset});
    job.begun = {header.sequence, {header.salt, header.base.index}};
    job.begins_anew = begins_anew;
    spare_bytes_ = 0;
    spare_bytes_wanted_ = segment_file_bytes(options_.segment_bytes, 0);
    return true;
}

void Log::add_vote(LogJob& job) {
    ++job.vote.sequence;
    write_copies(kVoteName, encode_vote(job.vote), job.operations);
}

void Log::add_batch(LogJob& job) {
    if (job.batch.empty()) return;
    WriteAt write = job.batch.take_write();
    std::string file = write.file;
    job.operations.emplace_back(std::move(write));
    job.operations.emplace_back(SyncFile{std::move(file)});
}

void Log::start(LogJob job) {
    job.id = next_job_++;
    DiskJob disk_job{job.id, DiskLane::Log, std::exchange(job.operations, {})};
    log_job_ = std::move(job);
    disk_.submit(std::move(disk_job));
}

void Log::adopt(const LogJob& job) {
    tail_ = job.batch.tail();
    tail_.durable = tail_.end;
    last_ = job.last;
    vote_ = job.vote;
    ENGINE_CHECK(job.begun || !job.begins_anew);
    if (job.begun) segments_.insert(*job.begun);  // one at most: there is one spare
    if (job.begun && job.begins_anew) {
        disk_.met(Situation::LogReplaced);
        index_.begin_behind(job.begun->second.base);
        first_live_ = job.begun->first;
    }
    for (const Placed& placed : job.placed)
        index_.place(placed.index, placed.sequence, placed.offset, placed.end);
    ENGINE_CHECK(index_.last_index() == last_.index);
}

void Log::prepare_spare() {
    if (flushes_to_retry_ > 0) {
        --flushes_to_retry_;
        return;
    }
    const std::uint64_t sequence = (log_job_ ? log_job_->batch.tail() : tail_).sequence + 1;
    spare_job_ = next_job_++;
    spare_bytes_ = 0;
    spare_bytes_asked_ = spare_bytes_wanted_;
    disk_.submit(
        {*spare_job_, DiskLane::Background, {CreateZeroed{spare_name(sequence), spare_bytes_asked_}}});
}

// The segment that comes next tells where the log goes on, so the last one stays.
void Log::remove_oldest() {
    if (failure_ || removal_job_ || segments_.size() < 2) return;
    const std::uint64_t oldest = segments_.begin()->first;
    const auto& [next, info] = *std::next(segments_.begin());
    const bool is_live = oldest >= first_live_;
    if (is_live && (compact_through_ == LogIndex{} || info.base > compact_through_)) return;
    disk_.met(Situation::SegmentRemoved);
    if (is_live) index_.forget_before(next, info.base);
    segments_.erase(segments_.begin());
    removal_job_ = next_job_++;
    disk_.submit({*removal_job_, DiskLane::Background, {RemoveFile{segment_name(oldest)}, SyncDirectory{}}});
}

// Final: the kernel may have dropped what it could not write, and would call the next sync a success.
std::unexpected<Refusal> Log::fail(const DiskFailure& failure) {
    disk_.met(Situation::DiskFailed);
    failure_ = disk_refusal(failure);
    // The other codes are of a start; that a file may not be used is somebody's fault at any time.
    if (failure_->code != RefusalCode::Configuration) failure_->code = RefusalCode::IoFailed;
    return std::unexpected(*failure_);
}

std::expected<PersistTicket, Refusal> Log::spare_completed(const DiskCompletion& completion) {
    spare_job_.reset();
    if (completion.result) {
        if (room_lacking_) disk_.met(Situation::RoomFoundAgain);
        spare_bytes_ = spare_bytes_asked_;
        room_lacking_.reset();
        return PersistTicket{};
    }
    if (completion.result.error().error != DiskError::NoSpace) return fail(completion.result.error());
    disk_.met(Situation::RoomLacking);
    room_lacking_ = completion.result.error();
    flushes_to_retry_ = kFlushesToRetry;
    return PersistTicket{};
}

}  // namespace quorate::wal
