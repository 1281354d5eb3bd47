#pragma once

// What servers say to each other. Every message carries the sender's term, and none a payload: AppendEntries
// names a range of the log, to which the sender's caller attaches the entries and from which the receiver's
// caller keeps them.

#include <cstdint>
#include <variant>

#include "engine/entry.h"
#include "engine/types.h"

namespace quorate::engine {

/// Numbers are part of the wire format: never renumber.
enum class CampaignKind : std::uint8_t {
    PreVote = 1,   ///< asks who would vote, changes nobody's state; thesis §9.6
    Election = 2,  ///< after a PreVote was won; thesis §3.4
    Transfer = 3,  ///< on the leader's word, so stickiness does not apply; thesis §3.10
};

/// Thesis §3.4. For PreVote, `term` is the term that the sender would campaign in.
struct RequestVote {
    Term term;
    CampaignKind kind = CampaignKind::PreVote;
    EntryId last_entry;

    bool operator==(const RequestVote&) const = default;
};

/// `term` is the term of the request, so that a late answer counts for no other campaign.
struct VoteGranted {
    Term term;
    CampaignKind kind = CampaignKind::PreVote;

    bool operator==(const VoteGranted&) const = default;
};

/// `request_term` names the campaign; `term` is the refusing server's own.
struct VoteRefused {
    Term term;
    CampaignKind kind = CampaignKind::PreVote;
    Term request_term;

    bool operator==(const VoteRefused&) const = default;
};

/// Thesis §3.5. Entries are those at previous.index + 1 and on, `entry_count` of them.
struct AppendEntries {
    Term term;
    EntryId previous;
    std::uint32_t entry_count = 0;
    LogIndex leader_commit;

    bool operator==(const AppendEntries&) const = default;
};

/// Everything through match_index equals the leader's log *and is durable* on the sender.
struct AppendAccepted {
    Term term;
    LogIndex match_index;

    bool operator==(const AppendAccepted&) const = default;
};

/// The log does not hold `rejected`. The hint lets the leader skip whole terms (thesis §3.5, end): everything
/// that the follower holds from conflict.index on and through rejected.index has term conflict.term or later,
/// and the follower's last entry is last_index. When the log is too short, conflict is its last entry.
struct AppendRefused {
    Term term;
    EntryId rejected;
    EntryId conflict;
    LogIndex last_index;

    bool operator==(const AppendRefused&) const = default;
};

/// "I still lead." Carries no log position, so it can be neither a wrong match nor a wrong commit; its round
/// number also confirms reads, thesis §6.4.
struct Heartbeat {
    Term term;
    Round round;
    LogIndex commit_index{};  ///< tells how far a follower's store is behind; nothing is committed by it

    bool operator==(const Heartbeat&) const = default;
};

/// received_index is the highest index that is known to match the leader's log, from this term's appends or
/// because it is committed, durable or not: it tells the leader which appends were lost, and never counts for
/// commitment. match_index is what of it is durable:
/// it repeats the last acknowledgement, which may have been lost. commit_index tells whether news of
/// commitment was lost.
struct HeartbeatReply {
    Term term;
    Round round;
    LogIndex received_index;
    LogIndex match_index;
    LogIndex commit_index;

    bool operator==(const HeartbeatReply&) const = default;
};

/// "Your term is over": the answer to a leader's message of an earlier term.
struct StaleTerm {
    Term term;

    bool operator==(const StaleTerm&) const = default;
};

/// The leader's order to campaign at once, thesis §3.10.
struct TimeoutNow {
    Term term;

    bool operator==(const TimeoutNow&) const = default;
};

/// A follower asks for an index at which to read, thesis §6.4.
struct ReadIndexRequest {
    Term term;
    RequestId request;

    bool operator==(const ReadIndexRequest&) const = default;
};

struct ReadIndexReply {
    Term term;
    RequestId request;
    LogIndex read_index;

    bool operator==(const ReadIndexReply&) const = default;
};

/// The sender does not lead in `term`, or cannot confirm it.
struct ReadIndexRefused {
    Term term;
    RequestId request;

    bool operator==(const ReadIndexRefused&) const = default;
};

/// The log up to last_entry is replaced by a snapshot, thesis §5.3. The caller streams its bytes; the
/// receiver's caller passes this on only when all of them have arrived and are durable, together with the
/// membership that it holds.
struct InstallSnapshot {
    Term term;
    EntryId last_entry;

    bool operator==(const InstallSnapshot&) const = default;
};

using Message = std::variant<RequestVote, VoteGranted, VoteRefused, AppendEntries, AppendAccepted,
                             AppendRefused, Heartbeat, HeartbeatReply, StaleTerm, TimeoutNow,
                             ReadIndexRequest, ReadIndexReply, ReadIndexRefused, InstallSnapshot>;

}  // namespace quorate::engine
