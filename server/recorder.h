#pragma once

// The flight recorder: stands between a node and its two ports, and writes down all that passes.
// docs/flight-recorder.md tells what for.

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/environment.h"
#include "server/node.h"
#include "server/node_digest.h"
#include "server/recording_writer.h"
#include "wal/disk.h"

namespace quorate::server {

/// Both ports of the node, in front of the real ones, which outlive it. What the node was told comes through
/// NodeDriver. When it cannot write any more it says so once in the node's log, and passes everything on as
/// before: the node does not notice.
class Recorder final : public Environment, public wal::Disk {
 public:
    Recorder(RecordingWriter::Sink sink, std::uint64_t bytes_max, Environment& environment, wal::Disk& disk);

    /// First of all: writes the header. An error: nothing is recorded.
    [[nodiscard]] std::expected<void, std::string> begin(const RecordingHeader& header);

    // NodeDriver's: what comes in, before the node gets it, and what is true behind it.
    void tick(std::uint64_t now_ms);
    void request_received(HttpExchange exchange, const HttpRequest& request);
    void frame_received(engine::ServerId from, const PeerFrame& frame);
    void peer_lost(engine::ServerId peer);
    void disk_completed(const wal::DiskCompletion& completion);
    void turn_ended(std::uint64_t clock_ms);
    void stop_begun();
    void opened(const Node& node);
    void refused(const wal::Refusal& refusal);
    void input_done(const Node& node);

    /// Hands on what is buffered. Does not take memory, so that a signal's handler may call it.
    void flush() { writer_.flush(); }
    /// RecordingWriter::last_block().
    [[nodiscard]] std::string_view last_block() { return writer_.last_block(); }
    /// The process stops, or the node's life is over. Nothing is recorded any more.
    void finish(const Node& node);

    // Environment
    void set_peers(const std::vector<PeerAddress>& peers) override;
    bool send_frame(engine::ServerId to, std::string frame) override;
    void respond(HttpExchange exchange, HttpResponse response) override;
    bool wants_answer(HttpExchange exchange, std::size_t bytes) override;
    void begin_parts(HttpExchange exchange, HttpResponse response) override;
    bool wants_part(HttpExchange exchange, std::size_t bytes) override;
    bool send_part(HttpExchange exchange, std::string bytes, AnswerPart part) override;
    void log(LogLevel level, std::string_view line) override;
    void request_turn() override;
    void fail(int exit_code, std::string_view line) override;
    void met(Situation situation) override { environment_.met(situation); }
    void engine_stepped(const engine::Output& output) override;
    void entry_applied(engine::LogIndex index, const wal::LogEntry& entry) override;
    void store_replaced(engine::LogIndex index, const StateMachine& store) override {
        environment_.store_replaced(index, store);
    }

    // wal::Disk
    std::expected<void, wal::DiskFailure> lock() override;
    std::expected<std::vector<wal::FileStatus>, wal::DiskFailure> list() override;
    std::expected<void, wal::DiskFailure> read(std::string_view file, std::uint64_t offset,
                                               std::span<char> out) override;
    std::expected<void, wal::DiskFailure> run(std::span<const wal::DiskOperation> operations) override;
    void submit(wal::DiskJob job) override;
    void met(wal::Situation situation) override { disk_.met(situation); }

 private:
    template <class Encode>
    void add(const Encode& encode);
    void mark(const Node& node, DigestDepth depth);
    void tell_stop(const RecordingWriter::Stop& stop);

    RecordingWriter writer_;
    Environment& environment_;
    wal::Disk& disk_;
    AppliedChain chain_;
    std::uint64_t inputs_ = 0;
    std::uint64_t next_digest_ = 0;  ///< behind this input
    bool stop_told_ = false;
};

}  // namespace quorate::server
