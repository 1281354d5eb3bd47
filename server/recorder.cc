#include "server/recorder.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "server/port_arguments.h"

namespace quorate::server {

namespace {

/// From one digest to the next: at least so many inputs, and more when the log is long, so that its digest,
/// a pass over its shape, costs each input no more than the share of so many entries.
constexpr std::uint64_t kInputsPerDigestMin = 256;
constexpr std::uint64_t kEntriesPerInputMax = 64;

}  // namespace

Recorder::Recorder(RecordingWriter::Sink sink, std::uint64_t bytes_max, Environment& environment,
                   wal::Disk& disk)
    : writer_(std::move(sink), bytes_max), environment_(environment), disk_(disk) {}

std::expected<void, std::string> Recorder::begin(const RecordingHeader& header) {
    return writer_.begin(header);
}

template <class Encode>
void Recorder::add(const Encode& encode) {
    writer_.add(encode);
    const std::optional<RecordingWriter::Stop>& stop = writer_.stop();
    if (stop && !stop_told_) tell_stop(*stop);
}

// To the real log: the node's own lines are its doing, this one is not.
void Recorder::tell_stop(const RecordingWriter::Stop& stop) {
    stop_told_ = true;
    environment_.log(stop.is_failure ? LogLevel::Error : LogLevel::Warning,
                     fmt::format("the recording ends here, after {} bytes and {} inputs: {}; serving goes on",
                                 writer_.bytes_written(), inputs_, stop.line));
}

void Recorder::mark(const Node& node, DigestDepth depth) {
    add([&](RecordEncoder& to) { to.digest(digest_of(node, chain_, depth)); });
}

void Recorder::tick(std::uint64_t now_ms) {
    add([&](RecordEncoder& to) { to.tick(now_ms); });
}

void Recorder::request_received(HttpExchange exchange, const HttpRequest& request) {
    add([&](RecordEncoder& to) { to.request(exchange, request); });
}

void Recorder::frame_received(engine::ServerId from, const PeerFrame& frame) {
    add([&](RecordEncoder& to) { to.frame(from, frame); });
}

void Recorder::peer_lost(engine::ServerId peer) {
    add([&](RecordEncoder& to) { to.peer_lost(peer); });
}

void Recorder::disk_completed(const wal::DiskCompletion& completion) {
    add([&](RecordEncoder& to) { to.disk_completed(completion); });
}

void Recorder::turn_ended(std::uint64_t clock_ms) {
    add([&](RecordEncoder& to) { to.turn_ended(clock_ms); });
}

void Recorder::stop_begun() {
    add([](RecordEncoder& to) { to.stop_begun(); });
}

void Recorder::opened(const Node& node) {
    mark(node, DigestDepth::Cheap);
    writer_.flush();
}

void Recorder::refused(const wal::Refusal& refusal) {
    add([&](RecordEncoder& to) { to.refused(static_cast<std::uint32_t>(refusal.code)); });
    writer_.flush();
}

void Recorder::input_done(const Node& node) {
    if (writer_.stop()) return;
    if (++inputs_ < next_digest_) return;
    mark(node, DigestDepth::Cheap);
    const engine::LogShape& log = node.raft().log();
    const std::uint64_t entries = log.last_index().past(log.base().index);
    next_digest_ = inputs_ + std::max(kInputsPerDigestMin, entries / kEntriesPerInputMax);
}

void Recorder::finish(const Node& node) {
    mark(node, DigestDepth::Full);
    writer_.end(EndReason::Stopped);
    const std::optional<RecordingWriter::Stop>& stop = writer_.stop();
    if (stop && stop->is_failure && !stop_told_) tell_stop(*stop);
    stop_told_ = true;
}

void Recorder::set_peers(const std::vector<PeerAddress>& peers) {
    add([&](RecordEncoder& to) { to.call(RecordKind::SetPeers, hash_arguments(peers)); });
    environment_.set_peers(peers);
}

bool Recorder::send_frame(engine::ServerId to, std::string frame) {
    if (writer_.stop()) return environment_.send_frame(to, std::move(frame));
    const std::uint32_t arguments = hash_arguments(to, frame);
    const bool is_sent = environment_.send_frame(to, std::move(frame));
    add([&](RecordEncoder& encoder) { encoder.call(RecordKind::SendFrame, arguments, is_sent); });
    return is_sent;
}

void Recorder::respond(HttpExchange exchange, HttpResponse response) {
    add([&](RecordEncoder& to) { to.call(RecordKind::Respond, hash_arguments(exchange, response)); });
    environment_.respond(exchange, std::move(response));
}

bool Recorder::wants_answer(HttpExchange exchange, std::size_t bytes) {
    const bool is_wanted = environment_.wants_answer(exchange, bytes);
    add([&](RecordEncoder& to) {
        to.call(RecordKind::WantsAnswer, hash_arguments(exchange, bytes), is_wanted);
    });
    return is_wanted;
}

void Recorder::begin_parts(HttpExchange exchange, HttpResponse response) {
    add([&](RecordEncoder& to) { to.call(RecordKind::BeginParts, hash_arguments(exchange, response)); });
    environment_.begin_parts(exchange, std::move(response));
}

bool Recorder::wants_part(HttpExchange exchange, std::size_t bytes) {
    const bool is_wanted = environment_.wants_part(exchange, bytes);
    add([&](RecordEncoder& to) {
        to.call(RecordKind::WantsPart, hash_arguments(exchange, bytes), is_wanted);
    });
    return is_wanted;
}

bool Recorder::send_part(HttpExchange exchange, std::string bytes, AnswerPart part) {
    if (writer_.stop()) return environment_.send_part(exchange, std::move(bytes), part);
    const std::uint32_t arguments = hash_arguments(exchange, bytes, static_cast<std::uint64_t>(part));
    const bool is_sent = environment_.send_part(exchange, std::move(bytes), part);
    add([&](RecordEncoder& to) { to.call(RecordKind::SendPart, arguments, is_sent); });
    return is_sent;
}

void Recorder::log(LogLevel level, std::string_view line) {
    add([&](RecordEncoder& to) { to.call(RecordKind::Log, hash_arguments(level, line)); });
    environment_.log(level, line);
}

void Recorder::request_turn() {
    add([](RecordEncoder& to) { to.call(RecordKind::RequestTurn, hash_arguments()); });
    environment_.request_turn();
}

// The process ends within the call: this is the last chance to write.
void Recorder::fail(int exit_code, std::string_view line) {
    add([&](RecordEncoder& to) {
        to.call(RecordKind::Fail, hash_arguments(static_cast<std::uint64_t>(exit_code), line));
    });
    writer_.flush();
    environment_.fail(exit_code, line);
}

void Recorder::engine_stepped(const engine::Output& output) { environment_.engine_stepped(output); }

void Recorder::entry_applied(engine::LogIndex index, const wal::LogEntry& entry) {
    if (!writer_.stop()) chain_.add(index, entry);
    environment_.entry_applied(index, entry);
}

std::expected<void, wal::DiskFailure> Recorder::lock() {
    auto result = disk_.lock();
    add([&](RecordEncoder& to) { to.call(RecordKind::Lock, hash_arguments(), result); });
    return result;
}

std::expected<std::vector<wal::FileStatus>, wal::DiskFailure> Recorder::list() {
    auto files = disk_.list();
    add([&](RecordEncoder& to) { to.list(hash_arguments(), files); });
    return files;
}

std::expected<void, wal::DiskFailure> Recorder::read(std::string_view file, std::uint64_t offset,
                                                     std::span<char> out) {
    auto result = disk_.read(file, offset, out);
    add([&](RecordEncoder& to) {
        to.read(hash_arguments(file, offset, out.size()), result, {out.data(), out.size()});
    });
    return result;
}

std::expected<void, wal::DiskFailure> Recorder::run(std::span<const wal::DiskOperation> operations) {
    auto result = disk_.run(operations);
    add([&](RecordEncoder& to) { to.call(RecordKind::Run, hash_arguments(operations), result); });
    return result;
}

void Recorder::submit(wal::DiskJob job) {
    add([&](RecordEncoder& to) { to.call(RecordKind::Submit, hash_arguments(job)); });
    disk_.submit(std::move(job));
}

}  // namespace quorate::server
