#pragma once

// A recording: all that one life of a node was told, and all that its ports answered it. From it alone the
// node is run again (sim/node_replay.h).
//
//   offset  size
//        0     8  magic "QRTREC\r\n"
//        8     4  format version = 4
//       12     4  header bytes N
//       16     4  CRC32C over bytes 0..15 and the header
//       20     N  header, see recording_header.h
// then blocks, one behind the other:
//        0     4  CRC32C over bytes 4..15: with it a length that lies is not taken for a tail that is cut off
//        4     4  records bytes M, 1 to kBlockBytesMax
//        8     4  number of the block, from 0
//       12     4  CRC32C over the records
//       16     M  whole records
// Behind the record Refused or End nothing follows.
//
// A record is a byte that says its kind, then:
//   Tick            u64 now in ms
//   Request         u64 exchange | text method | text target | u32 count, each: text name, text value | text
//                   body
//   Frame           u64 from | text frame (frame.h), whole
//   PeerLost        u64 peer
//   DiskCompleted   u64 job | result
//   TurnEnded       u64 clock in ms
//   StopBegun       nothing
//   a call of a port       u32 hash of its arguments | what it answered: see PortCall
//   Digest          u64 term | u64 commit index | u64 applied index | u64 revision | u64 chain | u8 has
//                   engine | u64 | u8 has store | u64
//   Refused         u32 exit code
//   End             u8 EndReason
// with result = u8 0 when it went well, else u8 1 + DiskError | text file | text detail.
// Little-endian; a text is a u32 count of bytes and the bytes.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/types.h"
#include "server/bytes.h"
#include "server/http_message.h"
#include "server/node_digest.h"
#include "server/peer_codec.h"
#include "wal/disk.h"
#include "wal/entry.h"
#include "wal/format.h"

namespace quorate::server {

inline constexpr std::string_view kRecordingMagic = "QRTREC\r\n";
inline constexpr std::uint32_t kRecordingVersion = 4;
inline constexpr std::size_t kRecordingPreambleBytes = 20;
inline constexpr std::size_t kBlockHeadBytes = 16;
/// Recovery reads a segment at once, and what it read is one record.
inline constexpr std::size_t kBlockBytesMax = wal::kSegmentBytesMax + 3 * wal::kPayloadBytesMax;

/// Numbers are part of the format: never renumber.
enum class RecordKind : std::uint8_t {
    // What the node was told.
    Tick = 1,
    Request = 2,
    Frame = 3,
    PeerLost = 4,
    DiskCompleted = 5,
    TurnEnded = 6,
    StopBegun = 7,
    // What it asked of its ports.
    SetPeers = 16,
    SendFrame = 17,
    Respond = 18,
    WantsAnswer = 19,
    Log = 20,
    RequestTurn = 21,
    Fail = 22,
    Lock = 23,
    List = 24,
    Read = 25,
    Run = 26,
    Submit = 27,
    BeginParts = 28,
    WantsPart = 29,
    SendPart = 30,
    // What was true of it.
    Digest = 32,
    Refused = 33,
    End = 34,
};

[[nodiscard]] std::string_view to_string(RecordKind kind);

struct TickInput {
    std::uint64_t now_ms = 0;
};
struct RequestInput {
    HttpExchange exchange = 0;
    HttpRequest request;
};
struct FrameInput {
    engine::ServerId from;
    PeerFrame frame;
};
struct PeerLostInput {
    engine::ServerId peer;
};
struct DiskCompletedInput {
    wal::DiskCompletion completion;
};
struct TurnEndedInput {
    std::uint64_t clock_ms = 0;
};
struct StopBegunInput {};

using Input = std::variant<TickInput, RequestInput, FrameInput, PeerLostInput, DiskCompletedInput,
                           TurnEndedInput, StopBegunInput>;

/// Input's alternatives stand in the order of their kinds.
[[nodiscard]] RecordKind kind_of(const Input& input);

/// A call of a port with its answer, of which each kind has its own part.
struct PortCall {
    RecordKind kind = RecordKind::Submit;
    std::uint32_t arguments = 0;              ///< hash_arguments()
    bool yes = false;                         ///< of SendFrame, WantsAnswer, WantsPart and SendPart
    std::optional<wal::DiskFailure> failure;  ///< of Lock, List, Read and Run
    std::vector<wal::FileStatus> files;       ///< of List
    std::string bytes;                        ///< of Read, without the zeros at its end
};

/// The node did not start.
struct RefusedMark {
    std::uint32_t exit_code = 0;
};

enum class EndReason : std::uint8_t {
    Stopped = 1,      ///< the process was asked to stop, and did
    SizeReached = 2,  ///< the next record would have passed --record-max-mb; the node went on
};
struct EndMark {
    EndReason reason = EndReason::Stopped;
};

using RecordedItem = std::variant<Input, PortCall, NodeDigest, RefusedMark, EndMark>;

/// Total and strict; nothing when the bytes are no record, and the reader has failed then.
[[nodiscard]] std::optional<RecordedItem> decode_record(ByteReader& reader);

/// Appends one record.
class RecordEncoder {
 public:
    explicit RecordEncoder(std::string& out) : out_(out) {}

    void tick(std::uint64_t now_ms);
    void request(HttpExchange exchange, const HttpRequest& request);
    void frame(engine::ServerId from, const PeerFrame& frame);
    void peer_lost(engine::ServerId peer);
    void disk_completed(const wal::DiskCompletion& completion);
    void turn_ended(std::uint64_t clock_ms);
    void stop_begun();

    void call(RecordKind which, std::uint32_t arguments);
    void call(RecordKind which, std::uint32_t arguments, bool yes);
    void call(RecordKind which, std::uint32_t arguments,
              const std::expected<void, wal::DiskFailure>& outcome);
    void list(std::uint32_t arguments,
              const std::expected<std::vector<wal::FileStatus>, wal::DiskFailure>& files);
    void read(std::uint32_t arguments, const std::expected<void, wal::DiskFailure>& outcome,
              std::string_view bytes);

    void digest(const NodeDigest& digest);
    void refused(std::uint32_t exit_code);
    void end(EndReason reason);

 private:
    ByteWriter& kind(RecordKind kind) { return out_.u8(static_cast<std::uint8_t>(kind)); }
    void result(const std::expected<void, wal::DiskFailure>& outcome);

    ByteWriter out_;
};

}  // namespace quorate::server
