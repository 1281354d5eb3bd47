#include "server/snapshot_keeper.h"

#include <utility>

#include "engine/check.h"

namespace quorate::server {

namespace {

/// Should the newest be damaged, the one before and the log behind it have everything.
constexpr std::size_t kKept = 2;

}  // namespace

SnapshotKeeper::SnapshotKeeper(wal::Disk& disk, wal::Identity identity, std::vector<wal::SnapshotMeta> found,
                               std::vector<std::string> useless)
    : disk_(&disk), identity_(std::move(identity)), kept_(std::move(found)), to_remove_(std::move(useless)) {}

void SnapshotKeeper::drop_newest() {
    to_remove_.push_back(wal::snapshot_name(kept_.back().last.index));
    kept_.pop_back();
}

void SnapshotKeeper::keep_two(const std::set<engine::LogIndex>& in_use) {
    for (auto snapshot = kept_.begin(); kept_.end() - snapshot > static_cast<std::ptrdiff_t>(kKept);) {
        if (in_use.contains(snapshot->last.index)) {
            ++snapshot;
            continue;
        }
        to_remove_.push_back(wal::snapshot_name(snapshot->last.index));
        snapshot = kept_.erase(snapshot);
    }
}

void SnapshotKeeper::remove(const std::vector<std::string>& files) {
    to_remove_.insert(to_remove_.end(), files.begin(), files.end());
}

void SnapshotKeeper::take(StateMachine& store, engine::EntryId last, const SnapshotHead& head,
                          std::uint64_t chunk_bytes) {
    ENGINE_CHECK(!making_ && last.index > newest_index());
    making_.emplace(Making{wal::SnapshotWriter(wal::kTakenName, last, identity_), true,
                           SnapshotEncoder(store.pin(), chunk_bytes), encode_snapshot_head(head)});
}

void SnapshotKeeper::receive(StateMachine& store, const wal::SnapshotMeta& meta) {
    ENGINE_CHECK(meta.last.index > newest_index());
    unpin(store);
    if (making_) give_up();
    making_.emplace(Making{wal::SnapshotWriter(wal::kReceivedName, meta.last, identity_), false, {}, {}});
    received_.emplace(ReceivedSnapshot{meta, {}});
}

std::optional<std::uint64_t> SnapshotKeeper::wanted_chunk() const {
    if (!received_ || job_) return std::nullopt;
    if (!making_) return received_->meta.chunks;
    const std::uint64_t next = making_->writer.meta().chunks;
    return making_->next_chunk || next == received_->meta.chunks ? std::nullopt : std::optional(next);
}

bool SnapshotKeeper::add_chunk(std::string_view chunk) {
    ENGINE_CHECK(making_ && received_ && wanted_chunk());
    if (received_->decoder.add(chunk) &&
        received_->decoder.head().members_index <= received_->meta.last.index) {
        making_->next_chunk = chunk;
        return true;
    }
    give_up();
    return false;
}

ReceivedSnapshot SnapshotKeeper::take_received() {
    ENGINE_CHECK(received_ && !making_);
    ReceivedSnapshot received = std::move(*received_);
    received_.reset();
    return received;
}

void SnapshotKeeper::forget_received(bool is_covered) {
    if (!received_) return;
    if (making_) return give_up();
    if (!is_covered) drop_newest();
    received_.reset();
}

void SnapshotKeeper::unpin(StateMachine& store) {
    if (!making_ || !making_->encoder) return;
    store.unpin(making_->encoder->pin());
    making_->encoder.reset();
}

// A job that is running for it may still give it its name.
void SnapshotKeeper::give_up() {
    ENGINE_CHECK(making_);
    to_remove_.emplace_back(making_->is_own ? wal::kTakenName : wal::kReceivedName);
    if (making_->is_finishing) to_remove_.push_back(wal::snapshot_name(making_->writer.meta().last.index));
    is_job_vain_ = job_.has_value();
    making_.reset();
    received_.reset();
}

bool SnapshotKeeper::go_on(StateMachine& store, engine::LogIndex durable) {
    if (job_) return false;
    if (!to_remove_.empty()) {
        // One name at a time, so that a crash leaves the newer ones.
        std::string oldest = std::move(to_remove_.front());
        to_remove_.erase(to_remove_.begin());
        submit({wal::RemoveFile{std::move(oldest)}, wal::SyncDirectory{}});
    } else if (making_) {
        return go_on_making(store, durable);
    }
    return false;
}

bool SnapshotKeeper::go_on_making(StateMachine& store, engine::LogIndex durable) {
    ENGINE_CHECK(making_);
    Making& making = *making_;
    if (!std::exchange(making.has_begun, true)) {
        submit(making.writer.begin());
        return false;
    }
    if (!making.next_chunk && making.encoder) {
        making.next_chunk = making.encoder->next_chunk(store);
        if (making.encoder->is_complete()) unpin(store);
    }
    if (making.next_chunk) {
        submit(making.writer.add(*making.next_chunk));
        making.next_chunk.reset();
        return false;
    }
    if (making.encoder) return true;
    if (!has_all(durable)) return false;
    making.is_finishing = true;
    submit(making.writer.finish());
    return false;
}

bool SnapshotKeeper::has_all(engine::LogIndex durable) {
    ENGINE_CHECK(making_);
    const wal::SnapshotMeta& made = making_->writer.meta();
    if (making_->is_own) return durable >= made.last.index;
    ENGINE_CHECK(received_);
    if (made.chunks < received_->meta.chunks) return false;
    if (made == received_->meta) return true;
    give_up();  // the chunks are other ones than was said
    return false;
}

std::expected<SnapshotOutcome, wal::Refusal> SnapshotKeeper::on_completed(
    const wal::DiskCompletion& completion, StateMachine& store) {
    ENGINE_CHECK(job_ == completion.id);
    job_.reset();
    const bool is_vain = std::exchange(is_job_vain_, false);
    if (!completion.result) {
        const wal::DiskFailure& failure = completion.result.error();
        if (failure.error != wal::DiskError::NoSpace) return std::unexpected(wal::disk_refusal(failure));
        if (is_vain || !making_) return SnapshotOutcome::Pending;
        const bool is_own = making_->is_own;
        unpin(store);
        give_up();
        return is_own ? SnapshotOutcome::NoRoom : SnapshotOutcome::NoRoomToReceive;
    }
    if (is_vain || !making_ || !making_->is_finishing) return SnapshotOutcome::Pending;
    const bool is_own = making_->is_own;
    kept_.push_back(making_->writer.meta());
    making_.reset();
    return is_own ? SnapshotOutcome::Kept : SnapshotOutcome::Received;
}

void SnapshotKeeper::submit(std::vector<wal::DiskOperation> operations) {
    job_ = next_job_++;
    disk_->submit({*job_, wal::DiskLane::Background, std::move(operations)});
}

std::expected<void, wal::Flaw> SnapshotLoader::load_chunk() {
    const auto chunk = reader_.next();
    if (!chunk) return std::unexpected(chunk.error());
    if (decoder_.add(*chunk)) return {};
    return std::unexpected(wal::Flaw{wal::RefusalCode::UnknownFormat,
                                     wal::snapshot_name(meta().last.index),
                                     {},
                                     "chunk " + std::to_string(reader_.number() - 1) +
                                         " cannot be read by this version (" QUORATE_VERSION ")",
                                     meta().last});
}

}  // namespace quorate::server
