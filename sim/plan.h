#pragma once

// What a run is made of: the world's numbers, what its clients do, and what goes wrong when. A plan is data:
// it is drawn from a seed (storm.h), made smaller (shrink.h), and written to a scenario file and read back.

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace quorate::sim {

/// Of virtual time, which is counted in microseconds.
inline constexpr std::uint64_t kMs = 1000;

/// Kind, and what its line means: `node` is concerned for `duration_us` (where it lasts), with `peer` and
/// `amount` as said.
#define QUORATE_FAULT_KINDS(X)                                                                             \
    X(Loss)           /* every link loses `amount` millionths of the frames */                             \
    X(Duplicate)      /* every link delivers `amount` millionths of Raft's frames twice */                 \
    X(Reorder)        /* frames overtake each other, by up to `amount` us */                               \
    X(Slow)           /* the link from `node` to `peer` takes `amount` us more */                          \
    X(Corrupt)        /* every link flips a bit in `amount` millionths of the frames */                    \
    X(Partition)      /* the nodes in the bit mask `amount` and the others do not hear each other */       \
    X(OneWay)         /* `peer` does not hear `node` */                                                    \
    X(Clog)           /* what `node` sends `peer` arrives when it is over */                               \
    X(Disconnect)     /* the connection from `node` to `peer` breaks */                                    \
    X(Kill)           /* the process ends; its files stay; starts after the duration; with an `amount`,    \
                         while the next disk job runs, else at once */                                     \
    X(PowerCut)       /* the same, and what was not synced is lost, torn or there */                       \
    X(PowerCutAtDisk) /* power goes `amount` disk operations later */                                      \
    X(Pause)          /* the process stands still */                                                       \
    X(Stop)           /* asked to stop gracefully; starts after the duration */                            \
    X(ClockJump)      /* its clock jumps forward by `amount` ms */                                         \
    X(ClockDrift)     /* its clock runs `amount` millionths of its speed: 500,000 is half as fast */       \
    X(DiskSlow)       /* disk operations take `amount` times as long */                                    \
    X(SyncFails)      /* the disk operation after `amount` more fails */                                   \
    X(DiskFull)       /* no more than `amount` bytes are free */                                           \
    X(ReadFails)      /* log files cannot be read at the next start; with an `amount`, one read of them    \
                         fails once while the process runs */                                              \
    X(Rot) /* one bit changes in what is durable; `amount` chooses which; `peer` 1: in the last write; the \
              node is killed */                                                                            \
    X(DiskLost) /* the node dies for good, with its disk */

enum class FaultKind : std::uint8_t {
#define QUORATE_FAULT_ENUMERATOR(name) name,
    QUORATE_FAULT_KINDS(QUORATE_FAULT_ENUMERATOR)
#undef QUORATE_FAULT_ENUMERATOR
};
#define QUORATE_FAULT_COUNT(name) +1
inline constexpr std::size_t kFaultKindCount = 0 QUORATE_FAULT_KINDS(QUORATE_FAULT_COUNT);
#undef QUORATE_FAULT_COUNT

[[nodiscard]] std::string_view to_string(FaultKind kind);

/// In place of a node: whoever leads when the fault begins. For faults of one node and of what it sends, and
/// for a Partition, which then cuts it off together with `amount` others.
inline constexpr std::uint64_t kTheLeader = 255;
[[nodiscard]] bool may_befall_the_leader(FaultKind kind);

struct FaultLine {
    std::uint64_t at_us = 0;
    FaultKind kind = FaultKind::Loss;
    std::uint64_t node = 0;  ///< nodes are numbered from 0
    std::uint64_t peer = 0;
    std::uint64_t duration_us = 0;
    std::uint64_t amount = 0;

    bool operator==(const FaultLine&) const = default;
};

enum class RequestKind : std::uint8_t {
    Put,
    Get,
    Delete,
    Range,
    Batch,
    StaleGet,
    PutIf,
    Transfer,
    PastGet,
    PastRange,
    DeleteIf,
    Snapshot,  ///< of the node that is asked
    Backup,
    LeaseGet,  ///< where clock_drift_ppm is set
    Join,      ///< the node of number `bytes` becomes a member
    Leave,     ///< the node of number `bytes` does not belong any more
    Replace,   ///< the learner of number `bytes` takes the place of the member of number `limit`
};
inline constexpr std::size_t kRequestKindCount = static_cast<std::size_t>(RequestKind::Replace) + 1;

[[nodiscard]] std::string_view to_string(RequestKind kind);
[[nodiscard]] constexpr bool is_write(RequestKind kind) {
    return kind == RequestKind::Put || kind == RequestKind::PutIf || kind == RequestKind::Delete ||
           kind == RequestKind::DeleteIf || kind == RequestKind::Batch;
}
[[nodiscard]] constexpr bool changes_members(RequestKind kind) { return kind >= RequestKind::Join; }

/// How a client sends a write.
enum class Sending : std::uint8_t {
    Plain,      ///< who does not know what has become of it may write another value then
    Once,       ///< with an Idempotency-Key, until it is answered
    InSession,  ///< the same, in a session
};

/// One operation of one client, which does its own in order.
struct OperationLine {
    std::uint64_t client = 0;
    RequestKind kind = RequestKind::Get;
    std::uint64_t key = 0;       ///< Transfer: the node that shall lead, from 1; 0: any
    std::uint64_t last_key = 0;  ///< Range: inclusive; Batch: every key from `key` on is put or deleted
    std::uint64_t node = 0;      ///< whom it asks first
    std::uint64_t bytes = 0;     ///< of a value written; of the past: so many revisions back
    std::uint64_t pause_us = 0;  ///< before it begins, after the one before has ended
    std::uint64_t limit = 0;     ///< Range: entries of a page at most, up to 1,000; 0: the node's own
    std::uint64_t once = 0;      ///< of a write, a Sending

    bool operator==(const OperationLine&) const = default;
};

/// Whether a Batch deletes this key of its own, which it puts else: each third, and another one in another
/// line.
[[nodiscard]] bool deletes_in_batch(const OperationLine& line, std::uint64_t key);

/// Who is not of the core, while the core has to serve without it.
enum class Outsiders : std::uint8_t {
    Down,
    CutOff,  ///< they and the core do not hear each other
    Deaf,    ///< they do not hear the core
    Mute,    ///< the core does not hear them
};

/// A size or a count that bounds nothing in a run.
inline constexpr std::uint64_t kBoundless = UINT32_MAX;

/// The world's numbers: name, default, the smallest and the largest that a plan may ask for
#define QUORATE_SHAPE_FIELDS(X)                                                                            \
    X(nodes, 3, 1, 9)                                                                                      \
    X(first, 0, 0, 9) /* so many of them are the cluster's first members, the others may join; 0: all */   \
    X(clients, 4, 1, 64)                                                                                   \
    X(keys, 8, 1, 1024)                                                                                    \
    X(storm_us, 10'000'000, 0, 600'000'000) /* faults begin and end within it */                           \
    X(core_mask, 0, 0, 511)                 /* who must serve when it is over; 0: all */                   \
    X(outsiders, 0, 0, 3)                   /* what becomes of the others until it serves, an Outsiders */ \
    X(cold_start, 0, 0, 1)                  /* 1: all of the core are killed when the storm is over */     \
    X(tick_ms, 10, 1, 20'000)                                                                              \
    X(heartbeat_ms, 100, 1, 20'000)                                                                        \
    X(election_min_ms, 500, 1, 60'000)                                                                     \
    X(election_max_ms, 1000, 1, 60'000)                                                                    \
    /* Half of what the calm takes at most: who waited longer would look like who is not served */         \
    X(operation_timeout_ms, 5000, 200, 30'000)                                                             \
    X(client_timeout_ms, 6000, 100, 30'000)                                                                \
    X(segment_bytes, 65536, 8192, 67'108'864)                                                              \
    X(append_entries_max, 1024, 1, kBoundless)                                                             \
    X(append_bytes_max, 1048576, 1, kBoundless)                                                            \
    X(inflight_appends_max, 64, 1, kBoundless)                                                             \
    X(inflight_bytes_max, 16777216, 1, kBoundless)                                                         \
    X(catch_up_bytes_per_tick_max, 4194304, 1, kBoundless)                                                 \
    X(uncommitted_bytes_max, 67108864, 1, kBoundless)                                                      \
    X(operations_max, 16384, 1, kBoundless)                                                                \
    X(cache_bytes_max, 16777216, 0, kBoundless)                                                            \
    X(apply_bytes_max, 4194304, 1, kBoundless)                                                             \
    X(history_changes_max, 10000, 0, kBoundless)                                                           \
    X(history_bytes_max, 67108864, 0, kBoundless)                                                          \
    X(history_age_ms_max, 600000, 1, kBoundless)                                                           \
    X(answers_max, 1000000, 1, kBoundless)                                                                 \
    X(answers_age_ms_max, 300000, 1, kBoundless)                                                           \
    X(snapshot_entries_max, 1000000, 1, kBoundless)                                                        \
    X(snapshot_bytes_max, 268435456, 1, kBoundless)                                                        \
    X(snapshot_chunk_bytes, 262144, 1, 4'194'304)                                                          \
    X(clock_drift_ppm, 0, 0, 900'000) /* the nodes are told that no clock drifts further; 0: nothing */    \
    X(recovers, 0, 0, 1) /* 1: who lost what it promised is started again to recover it from the others */ \
    X(latency_us_min, 200, 0, 10'000'000) /* of a frame, one way */                                        \
    X(latency_us_max, 1000, 0, 10'000'000)                                                                 \
    X(sync_us_min, 100, 0, 10'000'000) /* of a disk job */                                                 \
    X(sync_us_max, 2000, 0, 10'000'000)

struct Shape {
#define QUORATE_SHAPE_FIELD(name, value, least, most) std::uint64_t name = value;
    QUORATE_SHAPE_FIELDS(QUORATE_SHAPE_FIELD)
#undef QUORATE_SHAPE_FIELD

    bool operator==(const Shape&) const = default;
};

struct Plan {
    std::uint64_t seed = 1;  ///< of every draw that the lines leave open
    Shape shape;
    std::vector<FaultLine> faults;  ///< ascending in time
    std::vector<OperationLine> operations;

    /// So many nodes are the cluster's first members.
    [[nodiscard]] std::uint64_t first_members() const { return shape.first != 0 ? shape.first : shape.nodes; }
    /// Not all nodes are members all the time.
    [[nodiscard]] bool changes_members() const;
    /// No clock drifts further than the nodes are told.
    [[nodiscard]] bool keeps_clock_bound() const;

    bool operator==(const Plan&) const = default;
};

/// What no world can have, if the plan asks for it: the field, its value and what is allowed.
[[nodiscard]] std::optional<std::string> out_of_bounds(const Plan& plan);

/// A scenario file: JSON, with only what differs from the defaults.
[[nodiscard]] std::string to_json(const Plan& plan);
/// The plan, or what is wrong with the text and where.
[[nodiscard]] std::expected<Plan, std::string> plan_from_json(std::string_view text);

}  // namespace quorate::sim
