// Snapshots: the one that a node loads at its start, those that it takes of its store, and what it may forget
// after them. Thesis chapter 5.

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "engine/check.h"
#include "server/http_answers.h"
#include "server/node.h"

namespace quorate::server {

using engine::LogIndex;

namespace {

/// After a lack of room, before a snapshot is received, or another one taken;
constexpr std::uint64_t kNoRoomPauseMs = 10'000;
/// before one is taken, each further lack of room doubles that, up to this.
constexpr std::uint64_t kNoRoomPauseMsMax = 40'000;

}  // namespace

void Node::load_snapshot() {
    ENGINE_CHECK(loading_);
    if (const auto loaded = loading_->load_chunk(); !loaded) return give_up_loading(loaded.error());
    if (!loading_->has_all()) return environment_.request_turn();
    environment_.met(Situation::SnapshotLoaded);
    applied_index_ = loading_->meta().last.index;
    store_ = loading_->take_store();
    loading_.reset();
    environment_.log(LogLevel::Info, fmt::format("loaded the snapshot through entry {}: {} keys, revision {}",
                                                 applied_index_.value, store_.size(), store_.revision()));
    environment_.store_replaced(applied_index_, store_);
    environment_.request_turn();
}

// With the log behind it, it has everything that the newest one holds.
bool Node::has_older_snapshot() const {
    const auto& kept = snapshots_.kept();
    return kept.size() > 1 && kept[kept.size() - 2].last.index >= raft_.log().base().index;
}

// The snapshot before it, or the whole log, has everything that it held. One that this process may not read
// is none the worse for it, and is not removed.
void Node::give_up_loading(const wal::Flaw& flaw) {
    const bool has_older = has_older_snapshot();
    const bool is_needed = !has_older && raft_.log().base().index > LogIndex{};
    if (is_needed || flaw.code == wal::RefusalCode::Configuration) return fail(wal::refusal(flaw));
    environment_.met(Situation::SnapshotGivenUp);
    environment_.log(LogLevel::Warning,
                     fmt::format("{}: offset {}: not used: {}", flaw.file, flaw.offset, flaw.what));
    snapshots_.drop_newest();
    loading_.reset();
    if (has_older) loading_.emplace(disk_, snapshots_.kept().back());
    environment_.request_turn();
}

bool Node::wants_snapshot() const {
    const LogIndex newest = snapshots_.newest_index();
    if (snapshots_.is_making() || snapshots_.received() != nullptr || applied_index_ <= newest ||
        now_ms_ < snapshot_wait_until_ms_)
        return false;
    if (!snapshot_calls_.empty()) return true;
    // What a start applies is on the disk already; where all start at once, the machine has more urgent work.
    // And who is forced to be a cluster of its own has the entry that says so in the first one.
    if (applied_index_ < replay_through_) return false;
    return applied_index_.past(newest) >= config_.snapshots.entries_max ||
           bytes_since_snapshot_ >= config_.snapshots.bytes_max;
}

void Node::keep_snapshots() {
    if (has_failed_ || loading_) return;
    store_.free_some();
    if (old_store_ && !old_store_->discard_some()) old_store_.reset();
    if (wants_snapshot() && !is_stopping_) {
        bytes_in_snapshot_ = std::exchange(bytes_since_snapshot_, 0);
        environment_.met(Situation::SnapshotBegun);
        snapshots_.take(store_, {applied_index_, raft_.log().term_at(applied_index_)}, snapshot_head(),
                        config_.snapshots.chunk_bytes);
    }
    if (has_to_forget_) forget_log();
    if (snapshots_.kept().size() > 2) {
        std::set<LogIndex> in_use{raft_.log().base().index};
        for (const auto& [to, outgoing] : outgoing_snapshots_)
            in_use.insert(outgoing.reader.meta().last.index);
        snapshots_.keep_two(in_use);
    }
    if (snapshots_.go_on(store_, raft_.durable_index())) environment_.request_turn();
}

SnapshotHead Node::snapshot_head() const {
    const auto& [index, members] = *std::prev(known_members_.at.upper_bound(applied_index_));
    return {.revision = store_.revision(),
            .oldest_revision = store_.oldest_revision(),
            .members_index = index,
            .members = members,
            .first_members = first_members(),
            .answers_forgotten = store_.answers().forgotten()};
}

void Node::snapshot_job_completed(const wal::DiskCompletion& completion) {
    const auto outcome = snapshots_.on_completed(completion, store_);
    if (!outcome) return fail(outcome.error());
    switch (*outcome) {
        case SnapshotOutcome::Pending: return;
        case SnapshotOutcome::Received: return environment_.met(Situation::SnapshotReceived);
        case SnapshotOutcome::Kept: return snapshot_kept();
        case SnapshotOutcome::NoRoom:
        case SnapshotOutcome::NoRoomToReceive: break;
    }
    environment_.met(Situation::SnapshotLacksRoom);
    bytes_since_snapshot_ += std::exchange(bytes_in_snapshot_, 0);
    // Each try takes what room there is, which the log may need, until it fails.
    snapshot_pause_ms_ = std::clamp(2 * snapshot_pause_ms_, kNoRoomPauseMs, kNoRoomPauseMsMax);
    snapshot_wait_until_ms_ = now_ms_ + snapshot_pause_ms_;
    receive_wait_until_ms_ = now_ms_ + kNoRoomPauseMs;  // no longer: without it this node cannot follow
    const wal::DiskFailure& lacking = completion.result.error();
    environment_.log(LogLevel::Error,
                     fmt::format("{}: {}: no room for {} until there is", lacking.file, lacking.detail,
                                 *outcome == SnapshotOutcome::NoRoomToReceive
                                     ? "the snapshot that the leader sends: this node does not follow"
                                     : "a snapshot: the log goes on growing"));
    answer_snapshot_calls(LogIndex(UINT64_MAX), no_room_for_snapshot(lacking));
}

void Node::snapshot_kept() {
    environment_.met(Situation::SnapshotKept);
    bytes_in_snapshot_ = 0;
    snapshot_pause_ms_ = 0;
    has_put_off_forgetting_ = std::exchange(has_to_forget_, true);
    const wal::SnapshotMeta& newest = snapshots_.kept().back();
    environment_.log(LogLevel::Info, fmt::format("snapshot through entry {}: {} bytes",
                                                 newest.last.index.value, newest.bytes));
    answer_snapshot_calls(newest.last.index, snapshot_taken(newest));
}

// The log is kept back to the snapshot before the newest: whenever one is kept, and after a start, since a
// crash may have come before.
void Node::forget_log() {
    const auto& kept = snapshots_.kept();
    // What was received and is not installed says nothing of this log.
    if (snapshots_.received() != nullptr) return;
    LogIndex through = kept.size() > 1 ? kept[kept.size() - 2].last.index : LogIndex{};
    // Who receives one goes on behind it, and needs the log from there until it has caught up.
    for (const auto& [to, outgoing] : outgoing_snapshots_)
        through = std::min(through, outgoing.reader.meta().last.index);
    if (through > std::min(applied_index_, raft_.durable_index())) return;
    // Whoever catches up is sent the log at a pace, and shall not be overtaken by this: but the log neither
    // grows for ever nor takes the room that writes need, and there are snapshots.
    const auto* leader = raft_.as_leader();
    const auto needs_it = [&](const engine::Progress& progress) {
        return progress.state == engine::ProgressState::Replicate && progress.match_index < through &&
               is_heard(progress.id);
    };
    if (leader != nullptr && !has_put_off_forgetting_ && log_->out_of_space() == nullptr &&
        std::ranges::any_of(leader->progress, needs_it))
        return environment_.met(Situation::LogKeptForFollower);
    has_to_forget_ = false;
    log_->compact(through);
    if (through <= raft_.log().base().index) return;
    step(engine::SnapshotCompleted{{through, raft_.log().term_at(through)}, through});
    // What is in force at the log's base stays; before the first is kept, its base is before all of them.
    auto& known = known_members_.at;
    if (const auto after = known.upper_bound(raft_.log().base().index); after != known.begin())
        known.erase(known.begin(), std::prev(after));
}

void Node::answer_snapshot_calls(LogIndex through, const HttpResponse& answer) {
    const auto end = snapshot_calls_.upper_bound(through);
    for (auto call = snapshot_calls_.begin(); call != end; ++call) environment_.respond(call->second, answer);
    snapshot_calls_.erase(snapshot_calls_.begin(), end);
}

}  // namespace quorate::server
