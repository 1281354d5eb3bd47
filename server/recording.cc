#include "server/recording.h"

#include <utility>

namespace quorate::server {

namespace {

constexpr wal::DiskError kDiskErrorLast = wal::DiskError::Failed;

std::optional<wal::DiskFailure> decode_failure(ByteReader& reader) {
    const std::uint8_t code = reader.u8();
    if (code == 0) return std::nullopt;
    if (code - 1 > static_cast<int>(kDiskErrorLast)) reader.fail();
    wal::DiskFailure failure;
    failure.error = reader.failed() ? wal::DiskError::Failed : static_cast<wal::DiskError>(code - 1);
    failure.file = reader.text(kBlockBytesMax);
    failure.detail = reader.text(kBlockBytesMax);
    return failure;
}

RequestInput decode_request(ByteReader& reader) {
    RequestInput input;
    input.exchange = reader.u64();
    input.request.method = reader.text(kBlockBytesMax);
    input.request.target = reader.text(kBlockBytesMax);
    const std::uint32_t count = reader.count(8);
    input.request.headers.reserve(count);
    for (std::uint32_t i = 0; i < count; ++i) {
        std::string name(reader.text(kBlockBytesMax));
        input.request.headers.push_back({std::move(name), std::string(reader.text(kBlockBytesMax))});
    }
    input.request.body = reader.text(kBlockBytesMax);
    return input;
}

FrameInput decode_frame_input(ByteReader& reader) {
    FrameInput input;
    input.from = engine::ServerId(reader.u64());
    FrameReader frames;
    frames.feed(reader.text(kFrameHeadBytes + kFramePayloadBytesMax));
    auto next = next_peer_frame(frames);
    std::optional<PeerFrame> frame = next ? std::move(*next) : std::nullopt;
    if (frame) {
        input.frame = std::move(*frame);
    } else {
        reader.fail();
    }
    return input;
}

DiskCompletedInput decode_completion(ByteReader& reader) {
    DiskCompletedInput input;
    input.completion.id = reader.u64();
    if (auto failure = decode_failure(reader)) input.completion.result = std::unexpected(std::move(*failure));
    return input;
}

PortCall decode_call(RecordKind kind, ByteReader& reader) {
    PortCall call;
    call.kind = kind;
    call.arguments = reader.u32();
    switch (kind) {
        case RecordKind::SendFrame:
        case RecordKind::WantsAnswer:
        case RecordKind::WantsPart:
        case RecordKind::SendPart: call.yes = reader.boolean(); break;
        case RecordKind::Lock:
        case RecordKind::Run: call.failure = decode_failure(reader); break;
        case RecordKind::List:
            call.failure = decode_failure(reader);
            if (call.failure) break;
            for (std::uint32_t left = reader.count(12); left > 0; --left) {
                std::string name(reader.text(kBlockBytesMax));
                call.files.push_back({std::move(name), reader.u64()});
            }
            break;
        case RecordKind::Read:
            call.failure = decode_failure(reader);
            if (!call.failure) call.bytes = reader.text(kBlockBytesMax);
            break;
        case RecordKind::SetPeers:
        case RecordKind::Respond:
        case RecordKind::BeginParts:
        case RecordKind::Log:
        case RecordKind::RequestTurn:
        case RecordKind::Fail:
        case RecordKind::Submit: break;
        case RecordKind::Tick:
        case RecordKind::Request:
        case RecordKind::Frame:
        case RecordKind::PeerLost:
        case RecordKind::DiskCompleted:
        case RecordKind::TurnEnded:
        case RecordKind::StopBegun:
        case RecordKind::Digest:
        case RecordKind::Refused:
        case RecordKind::End: reader.fail(); break;
    }
    return call;
}

NodeDigest decode_digest(ByteReader& reader) {
    NodeDigest digest;
    digest.term = reader.u64();
    digest.commit_index = reader.u64();
    digest.applied_index = reader.u64();
    digest.revision = reader.u64();
    digest.applied_chain = reader.u64();
    for (std::optional<std::uint64_t>* part : {&digest.engine, &digest.store}) {
        const bool is_there = reader.boolean();
        const std::uint64_t value = reader.u64();
        if (is_there) *part = value;
    }
    return digest;
}

RecordedItem decode_any(RecordKind kind, ByteReader& reader) {
    switch (kind) {
        case RecordKind::Tick: return Input(TickInput{reader.u64()});
        case RecordKind::Request: return Input(decode_request(reader));
        case RecordKind::Frame: return Input(decode_frame_input(reader));
        case RecordKind::PeerLost: return Input(PeerLostInput{engine::ServerId(reader.u64())});
        case RecordKind::DiskCompleted: return Input(decode_completion(reader));
        case RecordKind::TurnEnded: return Input(TurnEndedInput{reader.u64()});
        case RecordKind::StopBegun: return Input(StopBegunInput{});
        case RecordKind::SetPeers:
        case RecordKind::SendFrame:
        case RecordKind::Respond:
        case RecordKind::WantsAnswer:
        case RecordKind::BeginParts:
        case RecordKind::WantsPart:
        case RecordKind::SendPart:
        case RecordKind::Log:
        case RecordKind::RequestTurn:
        case RecordKind::Fail:
        case RecordKind::Lock:
        case RecordKind::List:
        case RecordKind::Read:
        case RecordKind::Run:
        case RecordKind::Submit: return decode_call(kind, reader);
        case RecordKind::Digest: return decode_digest(reader);
        case RecordKind::Refused: return RefusedMark{reader.u32()};
        case RecordKind::End: return EndMark{reader.enumerator(EndReason::Stopped, EndReason::SizeReached)};
    }
    reader.fail();
    return EndMark{};
}

}  // namespace

std::string_view to_string(RecordKind kind) {
    switch (kind) {
        case RecordKind::Tick: return "tick";
        case RecordKind::Request: return "request";
        case RecordKind::Frame: return "frame";
        case RecordKind::PeerLost: return "peer-lost";
        case RecordKind::DiskCompleted: return "disk-completed";
        case RecordKind::TurnEnded: return "turn-ended";
        case RecordKind::StopBegun: return "stop-begun";
        case RecordKind::SetPeers: return "set_peers";
        case RecordKind::SendFrame: return "send_frame";
        case RecordKind::Respond: return "respond";
        case RecordKind::WantsAnswer: return "wants_answer";
        case RecordKind::Log: return "log";
        case RecordKind::RequestTurn: return "request_turn";
        case RecordKind::Fail: return "fail";
        case RecordKind::Lock: return "lock";
        case RecordKind::List: return "list";
        case RecordKind::Read: return "read";
        case RecordKind::Run: return "run";
        case RecordKind::Submit: return "submit";
        case RecordKind::BeginParts: return "begin_parts";
        case RecordKind::WantsPart: return "wants_part";
        case RecordKind::SendPart: return "send_part";
        case RecordKind::Digest: return "digest";
        case RecordKind::Refused: return "refused";
        case RecordKind::End: return "end";
    }
    return "unknown";
}

RecordKind kind_of(const Input& input) {
    static_assert(std::variant_size_v<Input> == static_cast<std::size_t>(RecordKind::StopBegun));
    return static_cast<RecordKind>(input.index() + 1);
}

std::optional<RecordedItem> decode_record(ByteReader& reader) {
    RecordedItem record = decode_any(static_cast<RecordKind>(reader.u8()), reader);
    if (reader.failed()) return std::nullopt;
    return record;
}

void RecordEncoder::tick(std::uint64_t now_ms) { kind(RecordKind::Tick).u64(now_ms); }

void RecordEncoder::request(HttpExchange exchange, const HttpRequest& request) {
    kind(RecordKind::Request).u64(exchange).text(request.method).text(request.target);
    out_.u32(static_cast<std::uint32_t>(request.headers.size()));
    for (const HttpHeader& header : request.headers) out_.text(header.name).text(header.value);
    out_.text(request.body);
}

void RecordEncoder::frame(engine::ServerId from, const PeerFrame& frame) {
    kind(RecordKind::Frame).u64(from.value).text(encode_frame(frame));
}

void RecordEncoder::peer_lost(engine::ServerId peer) { kind(RecordKind::PeerLost).u64(peer.value); }

void RecordEncoder::disk_completed(const wal::DiskCompletion& completion) {
    kind(RecordKind::DiskCompleted).u64(completion.id);
    result(completion.result);
}

void RecordEncoder::turn_ended(std::uint64_t clock_ms) { kind(RecordKind::TurnEnded).u64(clock_ms); }

void RecordEncoder::stop_begun() { kind(RecordKind::StopBegun); }

void RecordEncoder::call(RecordKind which, std::uint32_t arguments) { kind(which).u32(arguments); }

void RecordEncoder::call(RecordKind which, std::uint32_t arguments, bool yes) {
    kind(which).u32(arguments).u8(yes ? 1 : 0);
}

void RecordEncoder::call(RecordKind which, std::uint32_t arguments,
                         const std::expected<void, wal::DiskFailure>& outcome) {
    kind(which).u32(arguments);
    result(outcome);
}

void RecordEncoder::list(std::uint32_t arguments,
                         const std::expected<std::vector<wal::FileStatus>, wal::DiskFailure>& files) {
    kind(RecordKind::List).u32(arguments);
    if (!files) return result(std::unexpected(files.error()));
    result({});
    out_.u32(static_cast<std::uint32_t>(files->size()));
    for (const wal::FileStatus& file : *files) out_.text(file.name).u64(file.size);
}

void RecordEncoder::read(std::uint32_t arguments, const std::expected<void, wal::DiskFailure>& outcome,
                         std::string_view bytes) {
    kind(RecordKind::Read).u32(arguments);
    result(outcome);
    // A segment is zeros behind its last record.
    if (outcome) out_.text(bytes.substr(0, bytes.find_last_not_of('\0') + 1));
}

void RecordEncoder::digest(const NodeDigest& digest) {
    kind(RecordKind::Digest)
        .u64(digest.term)
        .u64(digest.commit_index)
        .u64(digest.applied_index)
        .u64(digest.revision)
        .u64(digest.applied_chain);
    for (const std::optional<std::uint64_t>& part : {digest.engine, digest.store})
        out_.u8(part ? 1 : 0).u64(part.value_or(0));
}

void RecordEncoder::refused(std::uint32_t exit_code) { kind(RecordKind::Refused).u32(exit_code); }

void RecordEncoder::end(EndReason reason) { kind(RecordKind::End).u8(static_cast<std::uint8_t>(reason)); }

void RecordEncoder::result(const std::expected<void, wal::DiskFailure>& outcome) {
    if (outcome) {
        out_.u8(0);
        return;
    }
    const wal::DiskFailure& failure = outcome.error();
    out_.u8(static_cast<std::uint8_t>(1 + static_cast<std::uint8_t>(failure.error)))
        .text(failure.file)
        .text(failure.detail);
}

}  // namespace quorate::server
