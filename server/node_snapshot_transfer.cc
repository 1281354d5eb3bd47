// A snapshot's way from a leader to a follower whose log ends too far back: it is offered, the follower asks
// for one chunk after the other, and goes on where it was when a link breaks. One chunk at a time is under
// way, and none before the one before it is on the follower's disk: it never fills a link.

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "engine/check.h"
#include "server/http_answers.h"
#include "server/node.h"

namespace quorate::server {

using engine::LogIndex;
using engine::ServerId;

namespace {

/// Between two offers to a follower that is not heard.
constexpr std::uint64_t kOfferPauseMs = 500;
/// Without hearing anything of a snapshot for so long, it is given up, by who sends it and by who receives
/// it.
constexpr std::uint64_t kSilenceMsMax = 10'000;

}  // namespace

void Node::perform(const engine::SendSnapshot& action, Payloads&) {
    const auto& kept = snapshots_.kept();
    ENGINE_CHECK(!kept.empty());  // the log begins behind one
    outgoing_snapshots_.erase(action.to);
    outgoing_snapshots_.emplace(action.to,
                                OutgoingSnapshot{wal::SnapshotReader(disk_, kept.back()), now_ms_, now_ms_});
    offer_snapshot(action.to);
}

void Node::offer_snapshot(ServerId to) {
    environment_.met(Situation::SnapshotOffered);
    OutgoingSnapshot& outgoing = outgoing_snapshots_.at(to);
    outgoing.offered_ms = now_ms_;
    environment_.send_frame(to, encode_frame(SnapshotOffer{raft_.current_term(), outgoing.reader.meta()}));
}

// Each tick: a frame may have been lost, or the receiver, or our leadership.
void Node::care_for_snapshots() {
    if (raft_.role() != engine::RoleName::Leader) outgoing_snapshots_.clear();
    std::vector<ServerId> lost;
    for (auto& [to, outgoing] : outgoing_snapshots_) {
        const auto& followers = raft_.as_leader()->progress;
        const auto progress = std::ranges::find(followers, to, &engine::Progress::id);
        if (progress == followers.end() || progress->state != engine::ProgressState::Snapshot ||
            now_ms_ - outgoing.heard_ms >= kSilenceMsMax) {
            lost.push_back(to);
        } else if (now_ms_ - std::max(outgoing.heard_ms, outgoing.offered_ms) >= kOfferPauseMs) {
            offer_snapshot(to);
        }
    }
    for (const ServerId to : lost) {
        environment_.met(Situation::SnapshotSendEnded);
        outgoing_snapshots_.erase(to);
        step(engine::SnapshotSendFailed{to});
    }
    const ReceivedSnapshot* received = snapshots_.received();
    if (received == nullptr) return;
    const bool is_covered = received->meta.last.index <= raft_.commit_index();
    if (!is_covered && now_ms_ - snapshot_heard_ms_ < kSilenceMsMax) return;
    environment_.met(is_covered ? Situation::SnapshotNotNeeded : Situation::SnapshotSilent);
    snapshots_.forget_received(is_covered);
}

void Node::on_frame(ServerId from, SnapshotWanted&& frame) {
    const auto found = outgoing_snapshots_.find(from);
    if (found == outgoing_snapshots_.end() || raft_.role() != engine::RoleName::Leader) return;
    OutgoingSnapshot& outgoing = found->second;
    const wal::SnapshotMeta& snapshot = outgoing.reader.meta();
    if (frame.last != snapshot.last.index || frame.chunk > snapshot.chunks) return;
    outgoing.heard_ms = now_ms_;
    if (frame.chunk == snapshot.chunks) {
        environment_.send_frame(
            from, encode_frame(engine::InstallSnapshot{raft_.current_term(), snapshot.last}, {}));
        return;
    }
    std::expected<std::string, wal::Flaw> chunk;
    if (const auto found_it = outgoing.reader.seek(frame.chunk); found_it) {
        chunk = outgoing.reader.next();
    } else {
        chunk = std::unexpected(found_it.error());
    }
    if (!chunk && wal::is_unread(chunk.error())) return fail(wal::refusal(chunk.error()));
    if (!chunk) {
        // The store is whole: the next snapshot of it takes the place of this one.
        environment_.log(LogLevel::Error,
                         fmt::format("{}: offset {}: damaged: {}; taking another snapshot",
                                     chunk.error().file, chunk.error().offset, chunk.error().what));
        bytes_since_snapshot_ = config_.snapshots.bytes_max;
        if (snapshots_.kept().back() == snapshot && has_older_snapshot()) snapshots_.drop_newest();
        outgoing_snapshots_.erase(found);
        return step(engine::SnapshotSendFailed{from});
    }
    environment_.met(Situation::SnapshotChunkSent);
    environment_.send_frame(from, encode_frame(SnapshotChunk{frame.last, frame.chunk, std::move(*chunk)}));
}

void Node::on_frame(ServerId from, SnapshotOffer&& frame) {
    const wal::SnapshotMeta& snapshot = frame.snapshot;
    const bool is_well_formed = snapshot.chunks > 0 && snapshot.last.term <= frame.term &&
                                snapshot.last.index.value <= engine::kReachMax;
    const bool is_needed = is_well_formed && frame.term == raft_.current_term() && from == raft_.leader() &&
                           snapshot.last.index > raft_.commit_index() && now_ms_ >= receive_wait_until_ms_;
    if (!is_needed) return;
    snapshot_from_ = from;
    snapshot_heard_ms_ = now_ms_;
    chunk_asked_.reset();
    const ReceivedSnapshot* received = snapshots_.received();
    if (received != nullptr && received->meta == snapshot) {
        environment_.met(Situation::SnapshotResumed);
        return;
    }
    if (received != nullptr) {
        environment_.met(Situation::SnapshotReplaced);
        snapshots_.forget_received(false);
    }
    if (snapshot.last.index <= snapshots_.newest_index()) return;
    environment_.log(
        LogLevel::Info,
        fmt::format("receiving the snapshot through entry {} ({} bytes): the log here ends at {}",
                    snapshot.last.index.value, snapshot.bytes, raft_.log().last_index().value));
    snapshots_.receive(store_, snapshot);
}

// At the end of a turn: one chunk at a time, and none twice but after another offer.
void Node::want_chunk() {
    const auto chunk = has_failed_ ? std::nullopt : snapshots_.wanted_chunk();
    if (!chunk || chunk_asked_ == chunk) return;
    chunk_asked_ = chunk;
    environment_.send_frame(snapshot_from_,
                            encode_frame(SnapshotWanted{snapshots_.received()->meta.last.index, *chunk}));
}

void Node::on_frame(ServerId from, SnapshotChunk&& frame) {
    const ReceivedSnapshot* received = snapshots_.received();
    const bool is_wanted = received != nullptr && from == snapshot_from_ &&
                           frame.last == received->meta.last.index && frame.chunk < received->meta.chunks &&
                           snapshots_.wanted_chunk() == frame.chunk;
    if (!is_wanted) return;
    snapshot_heard_ms_ = now_ms_;
    if (snapshots_.add_chunk(frame.payload)) return;
    environment_.log(
        LogLevel::Error,
        fmt::format("chunk {} of the snapshot through entry {} cannot be read by this version ({}): "
                    "it was not taken; run the same version on all members",
                    frame.chunk, frame.last.value, QUORATE_VERSION));
}

void Node::on_install(ServerId from, const engine::InstallSnapshot& install) {
    const ReceivedSnapshot* received = snapshots_.received();
    const bool is_here = received != nullptr && received->meta.last == install.last_entry &&
                         snapshots_.wanted_chunk() == received->meta.chunks;
    if (!is_here) return;
    const SnapshotHead& head = received->decoder.head();
    const std::array members{engine::MembershipAt{head.members_index, head.members.membership()}};
    step(engine::MessageReceived{from, install, {}, members});
}

void Node::perform(const engine::InstallReceivedSnapshot& action, Payloads&) {
    ENGINE_CHECK(snapshots_.received() != nullptr && snapshots_.received()->meta.last == action.last_entry);
    environment_.met(Situation::SnapshotInstalled);
    install(snapshots_.take_received(), action.log);
}

void Node::install(ReceivedSnapshot received, engine::LogAfterInstall after) {
    const engine::EntryId last = received.meta.last;
    const SnapshotHead& head = received.decoder.head();
    const std::uint64_t lineage = std::max(known_members_.lineage(), head.first_members.lineage);
    known_members_.first = head.first_members;
    auto& known = known_members_.at;
    const bool keeps_suffix = after == engine::LogAfterInstall::KeepSuffix;
    known.erase(known.begin(), keeps_suffix ? known.upper_bound(last.index) : known.end());
    known[head.members_index] = head.members;
    known_members_.first.lineage = lineage;

    loading_.reset();
    break_off_backups("the store was replaced by a snapshot of the leader");
    old_store_ = std::exchange(store_, received.decoder.take_store());
    applied_index_ = last.index;
    commit_index_ = std::max(commit_index_, last.index);
    replay_through_ = LogIndex{};
    bytes_since_snapshot_ = 0;
    if (!keeps_suffix) {
        cache_ = EntryCache(last.index.next());
        log_->begin_anew(last);
    }
    // Writes that the snapshot covers may be in it, and those that are cut may live on in another log.
    const auto end = keeps_suffix ? undecided_.upper_bound(last.index) : undecided_.end();
    std::vector<OperationId> operations;
    for (auto write = undecided_.begin(); write != end; ++write)
        operations.push_back(write->second.operation);
    undecided_.erase(undecided_.begin(), end);
    for (const OperationId operation : operations) decide_write(operation, WriteUnknown{});
    environment_.log(LogLevel::Info,
                     fmt::format("installed the snapshot through entry {}: {} keys, revision {}",
                                 last.index.value, store_.size(), store_.revision()));
    environment_.store_replaced(last.index, store_);
    adopt_members();
    answer_snapshot_calls(last.index, snapshot_taken(received.meta));
}

}  // namespace quorate::server
