#pragma once

// Imperatives that the engine gives. The caller may perform every action at once, in order: what depends on
// durability is held back by the engine until PersistCompleted. A failed write is not an event: the process
// stops.

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "engine/entry.h"
#include "engine/message.h"
#include "engine/note.h"

namespace quorate::engine {

enum class RoleName : std::uint8_t { Follower, PreCandidate, Candidate, Leader };

/// Send `message` to `to`; it may be lost. For AppendEntries, attach the entries that it names.
struct SendMessage {
    ServerId to;
    Message message;

    bool operator==(const SendMessage&) const = default;
};

/// Make this durable, in this order and all of it: the hard state if present, then forget every entry from
/// truncate_from on (zero: none), then append the entries first..last (none when last < first). Their
/// payloads are those of the event being stepped: proposals in order, or the message's entries. Answer with
/// PersistCompleted{ticket}.
struct PersistLog {
    PersistTicket ticket;
    std::optional<HardState> hard_state;
    LogIndex truncate_from;
    LogIndex first;
    LogIndex last;

    bool operator==(const PersistLog&) const = default;
};

/// The proposal stands in the log at first..last in `term`. That is no promise: it is decided when
/// CommitEntries covers it, and it has failed for good when another term's entry is committed at its index.
struct AcceptProposal {
    LogIndex first;
    LogIndex last;
    Term term;

    bool operator==(const AcceptProposal&) const = default;
};

enum class RefusalReason : std::uint8_t {
    NotLeader,     ///< ask `leader`, when it is known
    Transferring,  ///< leadership is about to move; try again in a moment
    Overloaded,    ///< too much is uncommitted already
    /// Of a configuration: the newest one is not committed, or nothing of this leader's term is yet
    ChangeInProgress,
};

struct RefuseProposal {
    RefusalReason reason = RefusalReason::NotLeader;
    ServerId leader;

    bool operator==(const RefuseProposal&) const = default;
};

/// Entries first..last are committed: apply them in order. Given once for each entry while the process lives.
struct CommitEntries {
    LogIndex first;
    LogIndex last;

    bool operator==(const CommitEntries&) const = default;
};

/// Serve the read once the state machine has applied read_index.
struct AnswerRead {
    RequestId request;
    LogIndex read_index;

    bool operator==(const AnswerRead&) const = default;
};

/// No index can be had now; `leader` when another is known.
struct RefuseRead {
    RequestId request;
    RefusalReason reason = RefusalReason::NotLeader;
    ServerId leader;

    bool operator==(const RefuseRead&) const = default;
};

enum class TransferOutcome : std::uint8_t {
    Done,         ///< another term has begun: this server does not lead any more
    NoTarget,     ///< not the leader, or the target is no other voter that stays, or has not been heard of
                  ///< lately
    SteppedDown,  ///< this server gave up leading for another reason; nobody has taken over yet
    TimedOut,     ///< the target did not take over within an election timeout; this server leads on
    Replaced,     ///< a later request took its place
};

struct AnswerTransfer {
    RequestId request;
    TransferOutcome outcome = TransferOutcome::NoTarget;

    bool operator==(const AnswerTransfer&) const = default;
};

/// The role, the term or the known leader has changed; `reason` is the note that says why.
struct AnnounceRole {
    RoleName role = RoleName::Follower;
    Term term;
    ServerId leader;
    NoteKind reason{};

    bool operator==(const AnnounceRole&) const = default;
};

/// `to` needs entries that the log no longer has: stream the newest snapshot to it, then send InstallSnapshot
/// with this term.
struct SendSnapshot {
    ServerId to;
    Term term;

    bool operator==(const SendSnapshot&) const = default;
};

enum class LogAfterInstall : std::uint8_t {
    KeepSuffix,  ///< the log holds last_entry: what stands behind it stays
    DiscardAll,  ///< it does not: the log is empty and goes on at last_entry.index + 1
};

/// Replace the state machine, and the log through last_entry, by the snapshot that came with the message
/// being stepped.
struct InstallReceivedSnapshot {
    EntryId last_entry;
    LogAfterInstall log = LogAfterInstall::DiscardAll;

    bool operator==(const InstallReceivedSnapshot&) const = default;
};

using Action =
    std::variant<SendMessage, PersistLog, AcceptProposal, RefuseProposal, CommitEntries, AnswerRead,
                 RefuseRead, AnswerTransfer, AnnounceRole, SendSnapshot, InstallReceivedSnapshot>;

/// What one step asked for. Reuse one object: clear() keeps the memory, so that steps allocate nothing.
struct Output {
    std::vector<Action> actions;
    std::vector<Note> notes;

    void clear() {
        actions.clear();
        notes.clear();
    }
};

}  // namespace quorate::engine
