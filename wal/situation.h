#pragma once

// What a log can meet, told to who watches it (Disk::met): which of these tests and simulations have reached
// measures what they cover. They change nothing.

#include <cstdint>

namespace quorate::wal {

#define QUORATE_WAL_SITUATIONS(X)                                                            \
    /* recovery */                                                                           \
    X(DirectoryCreated)                                                                      \
    X(CreationRepeated) /* a crash had interrupted it */                                     \
    X(IdentityCopyMended)                                                                    \
    X(VoteCopyMended)                                                                        \
    X(TornTailCut)                                                                           \
    X(TailWrittenAgain)   /* nothing proves that it had become durable */                    \
    X(LogFoundCompacted)  /* its first segments are gone */                                  \
    X(CommitIndexFound)   /* entries are known to be committed that no snapshot covers */    \
    X(LogReplacedAtStart) /* a crash had interrupted the end of an install */                \
    X(LastBatchDoubted)   /* a write was cut off that may have been acknowledged */          \
    X(EntriesLost)        /* begun anew, to be recovered from peers: */                      \
    X(TermLost)           /* and the vote is lost too */                                     \
    /* writing */                                                                            \
    X(WritesShareSync)                                                                       \
    X(EntriesReplaced)      /* the log's end is cut, and written anew */                     \
    X(EntriesSplitIntoJobs) /* some of an append's are written, others wait for a segment */ \
    X(SegmentBegun)                                                                          \
    X(LargeSegmentBegun) /* for one large entry */                                           \
    X(MarkWrittenWhenIdle)                                                                   \
    X(SegmentRemoved)                                                                        \
    X(LogReplaced) /* by a snapshot */                                                       \
    X(RoomLacking)                                                                           \
    X(RoomFoundAgain)                                                                        \
    X(DiskFailed)

enum class Situation : std::uint8_t {
#define QUORATE_SITUATION_ENUMERATOR(name) name,
    QUORATE_WAL_SITUATIONS(QUORATE_SITUATION_ENUMERATOR)
#undef QUORATE_SITUATION_ENUMERATOR
};

}  // namespace quorate::wal
