#include "server/peer_codec.h"

#include <tuple>
#include <type_traits>
#include <utility>

#include "engine/check.h"
#include "engine/overloaded.h"
#include "server/bytes.h"

namespace quorate::server {

using engine::CampaignKind;
using engine::EntryId;
using engine::EntryKind;
using engine::LogIndex;
using engine::RequestId;
using engine::Round;
using engine::Term;

namespace {

/// Numbers are part of the wire format: never renumber.
enum class FrameType : std::uint8_t {
    RequestVote = 1,
    VoteGranted = 2,
    VoteRefused = 3,
    AppendEntries = 4,
    AppendAccepted = 5,
    AppendRefused = 6,
    Heartbeat = 7,
    HeartbeatReply = 8,
    StaleTerm = 9,
    TimeoutNow = 10,
    ReadIndexRequest = 11,
    ReadIndexReply = 12,
    ReadIndexRefused = 13,
    InstallSnapshot = 14,
    ForwardWrite = 32,
    ForwardWriteReply = 33,
    HealthRequest = 34,
    HealthReply = 35,
    SnapshotOffer = 36,
    SnapshotWanted = 37,
    SnapshotChunk = 38,
    Introduction = 39,
};

/// Numbers are part of the wire format: never renumber.
enum class OutcomeCode : std::uint8_t {
    Applied = 1,
    NotLeader = 2,
    Overloaded = 3,
    NotApplied = 4,
    DiskFull = 5,
    Unknown = 6,
    AnswersFull = 7,
};

// A message on the wire is its fields in this order, for the writer and the reader alike. Structured bindings
// name all of them, so that a message that gains a field does not compile until it is listed here.
auto fields(engine::RequestVote& message) {
    auto& [term, kind, last_entry] = message;
    return std::tie(term, kind, last_entry);
}
auto fields(engine::VoteGranted& message) {
    auto& [term, kind] = message;
    return std::tie(term, kind);
}
auto fields(engine::VoteRefused& message) {
    auto& [term, kind, request_term] = message;
    return std::tie(term, kind, request_term);
}
auto fields(engine::AppendEntries& message) {
    auto& [term, previous, entry_count, leader_commit] = message;
    return std::tie(term, previous, entry_count, leader_commit);
}
auto fields(engine::AppendAccepted& message) {
    auto& [term, match_index] = message;
    return std::tie(term, match_index);
}
auto fields(engine::AppendRefused& message) {
    auto& [term, rejected, conflict, last_index] = message;
    return std::tie(term, rejected, conflict, last_index);
}
auto fields(engine::Heartbeat& message) {
    auto& [term, round, commit_index] = message;
    return std::tie(term, round, commit_index);
}
auto fields(engine::HeartbeatReply& message) {
    auto& [term, round, received_index, match_index, commit_index] = message;
    return std::tie(term, round, received_index, match_index, commit_index);
}
auto fields(engine::StaleTerm& message) {
    auto& [term] = message;
    return std::tie(term);
}
auto fields(engine::TimeoutNow& message) {
    auto& [term] = message;
    return std::tie(term);
}
auto fields(engine::ReadIndexRequest& message) {
    auto& [term, request] = message;
    return std::tie(term, request);
}
auto fields(engine::ReadIndexReply& message) {
    auto& [term, request, read_index] = message;
    return std::tie(term, request, read_index);
}
auto fields(engine::ReadIndexRefused& message) {
    auto& [term, request] = message;
    return std::tie(term, request);
}
auto fields(engine::InstallSnapshot& message) {
    auto& [term, last_entry] = message;
    return std::tie(term, last_entry);
}

constexpr FrameType type_of(const engine::RequestVote&) { return FrameType::RequestVote; }
constexpr FrameType type_of(const engine::VoteGranted&) { return FrameType::VoteGranted; }
constexpr FrameType type_of(const engine::VoteRefused&) { return FrameType::VoteRefused; }
constexpr FrameType type_of(const engine::AppendEntries&) { return FrameType::AppendEntries; }
constexpr FrameType type_of(const engine::AppendAccepted&) { return FrameType::AppendAccepted; }
constexpr FrameType type_of(const engine::AppendRefused&) { return FrameType::AppendRefused; }
constexpr FrameType type_of(const engine::Heartbeat&) { return FrameType::Heartbeat; }
constexpr FrameType type_of(const engine::HeartbeatReply&) { return FrameType::HeartbeatReply; }
constexpr FrameType type_of(const engine::StaleTerm&) { return FrameType::StaleTerm; }
constexpr FrameType type_of(const engine::TimeoutNow&) { return FrameType::TimeoutNow; }
constexpr FrameType type_of(const engine::ReadIndexRequest&) { return FrameType::ReadIndexRequest; }
constexpr FrameType type_of(const engine::ReadIndexReply&) { return FrameType::ReadIndexReply; }
constexpr FrameType type_of(const engine::ReadIndexRefused&) { return FrameType::ReadIndexRefused; }
constexpr FrameType type_of(const engine::InstallSnapshot&) { return FrameType::InstallSnapshot; }

template <class Tag>
void write(ByteWriter& writer, engine::Ordinal<Tag> number) {
    writer.u64(number.value);
}
void write(ByteWriter& writer, std::uint32_t number) { writer.u32(number); }
void write(ByteWriter& writer, CampaignKind kind) { writer.u8(static_cast<std::uint8_t>(kind)); }
void write(ByteWriter& writer, const EntryId& entry) { writer.u64(entry.index.value).u64(entry.term.value); }
void write(ByteWriter& writer, const wal::LogEntry& entry) {
    writer.u64(entry.term.value).u8(static_cast<std::uint8_t>(entry.kind)).text(entry.payload);
}
constexpr std::size_t kEntryBytesMin = 8 + 1 + 4;

template <class Tag>
void read(ByteReader& reader, engine::Ordinal<Tag>& number) {
    number.value = reader.u64();
}
void read(ByteReader& reader, std::uint32_t& number) { number = reader.u32(); }
void read(ByteReader& reader, CampaignKind& kind) {
    kind = reader.enumerator(CampaignKind::PreVote, CampaignKind::Transfer);
}
void read(ByteReader& reader, EntryId& entry) {
    entry.index.value = reader.u64();
    entry.term.value = reader.u64();
}
void read(ByteReader& reader, wal::LogEntry& entry) {
    entry.term.value = reader.u64();
    entry.kind = reader.enumerator(EntryKind::NoOp, EntryKind::Membership);
    entry.payload = reader.text(wal::kPayloadBytesMax);
}

template <class Message>
std::optional<PeerFrame> read_message(ByteReader& reader) {
    Message message;
    std::apply([&](auto&... field) { (read(reader, field), ...); }, fields(message));
    RaftFrame frame{message, {}};
    if constexpr (std::is_same_v<Message, engine::AppendEntries>) {
        if (message.entry_count > reader.rest_bytes() / kEntryBytesMin) return std::nullopt;
        frame.entries.resize(message.entry_count);
        for (wal::LogEntry& entry : frame.entries) read(reader, entry);
    }
    return frame;
}

void write_outcome(ByteWriter& writer, const WriteOutcome& outcome) {
    const auto write_code = [&](OutcomeCode code) { writer.u8(static_cast<std::uint8_t>(code)); };
    std::visit(engine::Overloaded{
                   [&](const WriteApplied& applied) {
                       write_code(OutcomeCode::Applied);
                       writer.u64(applied.result.revision).u32(applied.result.deleted);
                       writer.u8(applied.result.condition_failed ? 1 : 0).u64(applied.result.mod_revision);
                       writer.u8(static_cast<std::uint8_t>(applied.result.standing));
                       writer.u64(applied.result.session);
                   },
                   [&](const WriteNotLeader&) { write_code(OutcomeCode::NotLeader); },
                   [&](const WriteOverloaded&) { write_code(OutcomeCode::Overloaded); },
                   [&](const WriteNotApplied&) { write_code(OutcomeCode::NotApplied); },
                   [&](const WriteDiskFull&) { write_code(OutcomeCode::DiskFull); },
                   [&](const WriteAnswersFull&) { write_code(OutcomeCode::AnswersFull); },
                   [&](const WriteUnknown&) { write_code(OutcomeCode::Unknown); },
               },
               outcome);
}

WriteOutcome read_outcome(ByteReader& reader) {
    switch (reader.enumerator(OutcomeCode::Applied, OutcomeCode::AnswersFull)) {
        case OutcomeCode::Applied: {
            ApplyResult result;
            result.revision = reader.u64();
            result.deleted = reader.u32();
            result.condition_failed = reader.boolean();
            result.mod_revision = reader.u64();
            result.standing =
                reader.enumerator(ApplyResult::Standing::Applied, ApplyResult::Standing::SessionExpired);
            result.session = reader.u64();
            return WriteApplied{result};
        }
        case OutcomeCode::NotLeader: return WriteNotLeader{};
        case OutcomeCode::Overloaded: return WriteOverloaded{};
        case OutcomeCode::NotApplied: return WriteNotApplied{};
        case OutcomeCode::DiskFull: return WriteDiskFull{};
        case OutcomeCode::Unknown: return WriteUnknown{};
        case OutcomeCode::AnswersFull: return WriteAnswersFull{};
    }
    std::unreachable();
}

std::optional<PeerFrame> read_health_reply(ByteReader& reader) {
    HealthReply reply;
    reply.request = reader.u64();
    auto health = decode_health(reader.text(kFramePayloadBytesMax));
    if (!health) return std::nullopt;
    reply.health = std::move(*health);
    return reply;
}

std::optional<PeerFrame> read_payload(std::uint8_t type, ByteReader& reader) {
    switch (static_cast<FrameType>(type)) {
        case FrameType::RequestVote: return read_message<engine::RequestVote>(reader);
        case FrameType::VoteGranted: return read_message<engine::VoteGranted>(reader);
        case FrameType::VoteRefused: return read_message<engine::VoteRefused>(reader);
        case FrameType::AppendEntries: return read_message<engine::AppendEntries>(reader);
        case FrameType::AppendAccepted: return read_message<engine::AppendAccepted>(reader);
        case FrameType::AppendRefused: return read_message<engine::AppendRefused>(reader);
        case FrameType::Heartbeat: return read_message<engine::Heartbeat>(reader);
        case FrameType::HeartbeatReply: return read_message<engine::HeartbeatReply>(reader);
        case FrameType::StaleTerm: return read_message<engine::StaleTerm>(reader);
        case FrameType::TimeoutNow: return read_message<engine::TimeoutNow>(reader);
        case FrameType::ReadIndexRequest: return read_message<engine::ReadIndexRequest>(reader);
        case FrameType::ReadIndexReply: return read_message<engine::ReadIndexReply>(reader);
        case FrameType::ReadIndexRefused: return read_message<engine::ReadIndexRefused>(reader);
        case FrameType::InstallSnapshot: return read_message<engine::InstallSnapshot>(reader);
        case FrameType::ForwardWrite: {
            const std::uint64_t request = reader.u64();
            const engine::Term term(reader.u64());
            return ForwardWrite{request, term, std::string(reader.text(wal::kPayloadBytesMax))};
        }
        case FrameType::ForwardWriteReply: {
            const std::uint64_t request = reader.u64();
            return ForwardWriteReply{request, read_outcome(reader)};
        }
        case FrameType::HealthRequest: return HealthRequest{reader.u64()};
        case FrameType::HealthReply: return read_health_reply(reader);
        case FrameType::SnapshotOffer: {
            SnapshotOffer offer;
            offer.term = engine::Term(reader.u64());
            read(reader, offer.snapshot.last);
            offer.snapshot.chunks = reader.u64();
            offer.snapshot.bytes = reader.u64();
            offer.snapshot.hash = reader.u64();
            return offer;
        }
        case FrameType::SnapshotWanted: {
            const engine::LogIndex last(reader.u64());
            return SnapshotWanted{last, reader.u64()};
        }
        case FrameType::SnapshotChunk: {
            const engine::LogIndex last(reader.u64());
            const std::uint64_t chunk = reader.u64();
            return SnapshotChunk{last, chunk, std::string(reader.text(wal::kChunkBytesMax))};
        }
        case FrameType::Introduction: {
            const engine::LogIndex index(reader.u64());
            auto members = decode_members(reader.text(kFramePayloadBytesMax));
            if (!members) return std::nullopt;
            return Introduction{index, std::move(*members)};
        }
    }
    return std::nullopt;  // a type that this version does not know
}

// A frame of this type with the payload that `write_payload` writes: some numbers, and `more_bytes`.
template <class WritePayload>
std::string framed(FrameType type, const WritePayload& write_payload, std::size_t more_bytes = 0) {
    std::string frame = begin_frame(more_bytes);
    ByteWriter writer(frame);
    write_payload(writer);
    finish_frame(frame, static_cast<std::uint8_t>(type));
    return frame;
}

}  // namespace

std::string encode_frame(const engine::Message& message, std::span<const wal::LogEntry* const> entries) {
    const auto* append = std::get_if<engine::AppendEntries>(&message);
    ENGINE_CHECK(entries.size() == (append != nullptr ? append->entry_count : 0));
    std::size_t entries_bytes = 0;
    for (const wal::LogEntry* entry : entries) entries_bytes += kEntryBytesMin + entry->payload.size();
    return std::visit(
        [&](auto copy) {
            return framed(
                type_of(copy),
                [&](ByteWriter& writer) {
                    std::apply([&](const auto&... field) { (write(writer, field), ...); }, fields(copy));
                    for (const wal::LogEntry* entry : entries) write(writer, *entry);
                },
                entries_bytes);
        },
        message);
}

std::string encode_frame(const PeerFrame& frame) {
    return std::visit(
        engine::Overloaded{
            [](const RaftFrame& raft) {
                std::vector<const wal::LogEntry*> entries;
                entries.reserve(raft.entries.size());
                for (const wal::LogEntry& entry : raft.entries) entries.push_back(&entry);
                return encode_frame(raft.message, entries);
            },
            [](const ForwardWrite& forward) {
                return framed(FrameType::ForwardWrite, [&](ByteWriter& writer) {
                    writer.u64(forward.request).u64(forward.term.value).text(forward.command);
                });
            },
            [](const ForwardWriteReply& reply) {
                return framed(FrameType::ForwardWriteReply, [&](ByteWriter& writer) {
                    writer.u64(reply.request);
                    write_outcome(writer, reply.outcome);
                });
            },
            [](const HealthRequest& request) {
                return framed(FrameType::HealthRequest,
                              [&](ByteWriter& writer) { writer.u64(request.request); });
            },
            [](const HealthReply& reply) {
                return framed(FrameType::HealthReply, [&](ByteWriter& writer) {
                    writer.u64(reply.request).text(encode_health(reply.health));
                });
            },
            [](const SnapshotOffer& offer) {
                return framed(FrameType::SnapshotOffer, [&](ByteWriter& writer) {
                    const auto& [last, chunks, bytes, hash] = offer.snapshot;
                    writer.u64(offer.term.value);
                    write(writer, last);
                    writer.u64(chunks).u64(bytes).u64(hash);
                });
            },
            [](const SnapshotWanted& wanted) {
                return framed(FrameType::SnapshotWanted,
                              [&](ByteWriter& writer) { writer.u64(wanted.last.value).u64(wanted.chunk); });
            },
            [](const SnapshotChunk& chunk) {
                return framed(FrameType::SnapshotChunk, [&](ByteWriter& writer) {
                    writer.u64(chunk.last.value).u64(chunk.chunk).text(chunk.payload);
                });
            },
            [](const Introduction& introduction) {
                return framed(FrameType::Introduction, [&](ByteWriter& writer) {
                    writer.u64(introduction.index.value).text(encode_members(introduction.members));
                });
            },
        },
        frame);
}

std::optional<PeerFrame> decode_frame(const RawFrame& frame) {
    ByteReader reader(frame.payload);
    auto decoded = read_payload(frame.type, reader);
    if (!reader.finished()) return std::nullopt;
    return decoded;
}

std::expected<std::optional<PeerFrame>, FrameError> next_peer_frame(FrameReader& reader) {
    const std::expected<std::optional<RawFrame>, FrameError> next = reader.next();
    if (!next) return std::unexpected(next.error());
    const std::optional<RawFrame>& raw = *next;
    if (!raw) return std::nullopt;
    auto frame = decode_frame(*raw);
    if (!frame) return std::unexpected(FrameError::UnknownPayload);
    return frame;
}

}  // namespace quorate::server
