#pragma once

// What a node can meet beyond its engine and its log, told to who watches it (Environment::met): which of
// these tests and simulations have reached measures what they cover. They change nothing.

#include <cstdint>

namespace quorate::server {

#define QUORATE_NODE_SITUATIONS(X)                                        \
    /* writes */                                                          \
    X(WritesBatched)                                                      \
    X(WriteForwarded)                                                     \
    X(ForwardedWriteTaken)                                                \
    X(ForwardedWriteRefused)                                              \
    X(LeaderOfWriteLost) /* it was forwarded; the link broke */           \
    X(WriteCutFromLog)   /* its place is given to another in this log */  \
    X(WriteLostItsPlace) /* another's entry was committed there */        \
    X(WriteTimedOut)                                                      \
    X(WriteDecidedLate) /* after its client was told that nobody knows */ \
    X(ConditionFailed)                                                    \
    X(WriteRepeated) /* it was answered before */                         \
    X(SessionExpired)                                                     \
    X(RefusedAnswersFull)                                                 \
    X(AnswersForgotten)                                                   \
    /* reads */                                                           \
    X(StaleReadServed)                                                    \
    X(LeaseReadTaken) /* nobody was asked */                              \
    X(LeaseNotHeld)   /* a majority was */                                \
    X(PastRead)                                                           \
    X(PastForgotten)                                                      \
    X(HistoryForgotten)                                                   \
    X(ReadWaitedForApply)                                                 \
    X(ReadAskedAgain) /* of a new leader */                               \
    X(ReadLeaderUnreachable)                                              \
    X(ReadRefused)                                                        \
    X(ReadRefusedBehind) /* for want of room */                           \
    X(ReadTimedOut)                                                       \
    /* entries */                                                         \
    X(EntriesReadForPeer) /* from the disk */                             \
    X(EntriesReadToApply)                                                 \
    X(ApplyPutOff) /* the rest in a later turn */                         \
    /* snapshots */                                                       \
    X(SnapshotBegun)                                                      \
    X(SnapshotKept)                                                       \
    X(LogKeptForFollower)                                                 \
    X(SnapshotLacksRoom)                                                  \
    X(SnapshotLoaded)                                                     \
    X(SnapshotGivenUp) /* it is damaged */                                \
    X(SnapshotOffered)                                                    \
    X(SnapshotChunkSent)                                                  \
    X(SnapshotSendEnded) /* its receiver is not heard any more */         \
    X(SnapshotSilent)    /* its sender is not */                          \
    X(SnapshotReceived)                                                   \
    X(SnapshotResumed)   /* it is offered again, and goes on */           \
    X(SnapshotReplaced)  /* another one is offered */                     \
    X(SnapshotNotNeeded) /* the log has come so far meanwhile */          \
    X(SnapshotInstalled)                                                  \
    /* recovery from peers */                                             \
    X(TermLearned)                                                        \
    X(VoteFloorLearned)                                                   \
    X(RecoveredFromPeers)                                                 \
    /* members */                                                         \
    X(Introduced)        /* by who knows a newer configuration */         \
    X(IntroducedByOlder) /* who has to be answered all the same */        \
    X(LearnerPromoted)                                                    \
    X(JointConfigurationLeft)                                             \
    X(RemovedFromCluster)                                                 \
    /* refusals and hand-over */                                          \
    X(RefusedOverloaded)                                                  \
    X(RefusedStopping)                                                    \
    X(RefusedDiskFull)                                                    \
    X(WritesAwaitRoom)                                                    \
    X(LeadershipOffered)  /* for want of room */                          \
    X(LeadershipDeclined) /* likewise */                                  \
    X(StopHandsOver)

enum class Situation : std::uint8_t {
#define QUORATE_SITUATION_ENUMERATOR(name) name,
    QUORATE_NODE_SITUATIONS(QUORATE_SITUATION_ENUMERATOR)
#undef QUORATE_SITUATION_ENUMERATOR
};

}  // namespace quorate::server
