#pragma once

// Facts that the engine is told. A list of events is a complete replay.

#include <cstdint>
#include <span>
#include <variant>

#include "engine/membership.h"
#include "engine/message.h"

namespace quorate::engine {

/// One tick of Config's unit has passed.
struct TickElapsed {};

/// A server said something. `entries` are an AppendEntries' entries, in order, and `memberships` the decoded
/// configurations among them (also an InstallSnapshot's one); both are empty otherwise. The spans are read
/// during step() only. The caller has proven who the sender is and that the counts agree (entry_count ==
/// entries.size()).
struct MessageReceived {
    ServerId from;
    Message message;
    std::span<const EntryShape> entries{};
    std::span<const MembershipAt> memberships{};
};

/// Clients want these entries in the log, in this order: all of them or none.
struct EntriesProposed {
    std::span<const ProposedEntry> entries;
};

/// The configuration shall become `membership`, which membership() may become; `bytes` is its entry's
/// payload. Answered by AcceptProposal or RefuseProposal. Thesis §4.3. Leaving a joint configuration, once it
/// is committed, is another request, which the caller of whoever leads then makes.
struct MembershipProposed {
    Membership membership;
    std::uint32_t bytes = 0;
};

/// A linearizable read wants an index to wait for, thesis §6.4. One request may stand for many clients.
struct ReadRequested {
    RequestId request;
};

/// Leadership shall move to `target`, or to the most up-to-date voter when it is kNobody. Thesis §3.10.
struct TransferRequested {
    RequestId request;
    ServerId target;
};

/// The PersistLog with this ticket, and every earlier one, is durable.
struct PersistCompleted {
    PersistTicket ticket;
};

/// The connection to a server broke: what is in flight to it may be lost.
struct PeerUnreachable {
    ServerId peer;
};

/// A snapshot through `last_entry` is durable here, and entries through `compact_through` (not beyond it) may
/// be forgotten.
struct SnapshotCompleted {
    EntryId last_entry;
    LogIndex compact_through;
};

/// Sending a snapshot to `peer` has ended without its acceptance: try again later.
struct SnapshotSendFailed {
    ServerId peer;
};

/// While Missing::LastBatch: every entry that this server may have acknowledged, and that is or will be
/// committed, is in every log that is at least as up to date as one that ends with `floor`. Each replaces the
/// one before.
struct VoteFloorLearned {
    EntryId floor;
};

/// What this server once acknowledged is in its log again: see Missing. Once, for a server that lacks
/// something.
struct RecoveryCompleted {};

using Event = std::variant<TickElapsed, MessageReceived, EntriesProposed, MembershipProposed, ReadRequested,
                           TransferRequested, PersistCompleted, PeerUnreachable, SnapshotCompleted,
                           SnapshotSendFailed, VoteFloorLearned, RecoveryCompleted>;

}  // namespace quorate::engine
