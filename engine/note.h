#pragma once

// Why the engine did what it did. Notes change nothing: traces print them, scenarios show them, and the set
// of kinds that tests have reached measures what they cover.

#include <cstdint>

#include "engine/types.h"

namespace quorate::engine {

/// X-macro so that the kinds, their names and the coverage table cannot drift apart.
#define QUORATE_NOTE_KINDS(X)                     \
    /* roles: also the reasons of AnnounceRole */ \
    X(ElectionTimeoutElapsed)                     \
    X(PreVoteWon)                                 \
    X(PreVoteLost)                                \
    X(ElectionWon)                                \
    X(ElectionLost)                               \
    X(ElectionTimedOut)                           \
    X(HigherTermSeen)                             \
    X(LeaderOfTermFound)                          \
    X(CandidateFoundLeaderOfItsTerm)              \
    X(QuorumLost)                                 \
    X(DiskStalled)                                \
    X(TransferOrderObeyed)                        \
    X(LeaderRemoved)                              \
    /* votes */                                   \
    X(VoteGiven)                                  \
    X(PreVoteGiven)                               \
    X(VoteRefusedLeaderIsAlive)                   \
    X(TermIgnoredLeaderIsAlive)                   \
    X(VoteRefusedTermOver)                        \
    X(VoteRefusedAlreadyVoted)                    \
    X(VoteRefusedLogBehind)                       \
    X(VoteRefusedRecovering)                      \
    X(VoteRefusedNeverAMember)                    \
    X(VoteCounted)                                \
    X(VoteIgnoredOtherCampaign)                   \
    X(CampaignRefusedNotVoter)                    \
    X(CampaignRefusedRecovering)                  \
    X(CampaignWaitsForDisk)                       \
    /* log */                                     \
    X(EntriesAppended)                            \
    X(EntriesAlreadyHeld)                         \
    X(SuffixTruncated)                            \
    X(AppendRefusedLogShort)                      \
    X(AppendRefusedTermConflict)                  \
    X(AppendConflictsWithCommitted)               \
    X(LeaderMessageOfOldTerm)                     \
    X(AnswerOfOldTermIgnored)                     \
    X(AnswerIgnoredNotLeader)                     \
    X(MessageOfStrangerIgnored)                   \
    X(MessageMalformed)                           \
    X(MatchAdvanced)                              \
    X(MatchNotAdvanced)                           \
    X(NextBackedOff)                              \
    X(RefusalStale)                               \
    X(FollowerLostEntries)                        \
    X(AppendLostResent)                           \
    X(PeerProbed)                                 \
    X(PeerReplicating)                            \
    X(WindowFull)                                 \
    X(CatchUpPaced)                               \
    X(CommitAdvanced)                             \
    X(CommitHeldOldTerm)                          \
    X(AcknowledgementDroppedTermChanged)          \
    /* proposals, reads, transfer, snapshots */   \
    X(ProposalRefused)                            \
    X(ReadWaitsForOwnTermCommit)                  \
    X(ReadRoundStarted)                           \
    X(ReadConfirmed)                              \
    X(ReadForwarded)                              \
    X(ReadRefused)                                \
    X(TransferStarted)                            \
    X(TransferOrderSent)                          \
    X(TransferAborted)                            \
    X(TransferOrderIgnored)                       \
    X(PeerNeedsSnapshot)                          \
    X(SnapshotAccepted)                           \
    X(SnapshotIgnoredOlder)                       \
    X(LogCompacted)                               \
    X(VoteFloorLearned)                           \
    X(Recovered)                                  \
    X(MembershipProposalRefused)                  \
    X(MembershipAdopted)                          \
    X(MembershipRolledBack)                       \
    X(RemovedPeerTold)                            \
    X(RemovedPeerLost)

enum class NoteKind : std::uint8_t {
#define QUORATE_NOTE_ENUMERATOR(name) name,
    QUORATE_NOTE_KINDS(QUORATE_NOTE_ENUMERATOR)
#undef QUORATE_NOTE_ENUMERATOR
};

#define QUORATE_NOTE_COUNT(name) +1
inline constexpr unsigned kNoteKindCount = 0 QUORATE_NOTE_KINDS(QUORATE_NOTE_COUNT);
#undef QUORATE_NOTE_COUNT

/// Fields that mean nothing for a kind are zero.
struct Note {
    NoteKind kind{};
    ServerId peer;
    Term term;
    LogIndex index;

    bool operator==(const Note&) const = default;
};

}  // namespace quorate::engine
