#pragma once

// A node together with who drives it: everything that a node is told goes through here, so that a recorder
// misses nothing.

#include <cstdint>
#include <expected>
#include <memory>

#include "server/node.h"
#include "server/recorder.h"

namespace quorate::server {

/// Node's functions that change it, each told to the recorder first; the rest is asked of node(). As pure as
/// the node. Calls must not nest: a port that wants to tell the node something does so later.
class NodeDriver {
 public:
    NodeDriver(const NodeDriver&) = delete;
    NodeDriver& operator=(const NodeDriver&) = delete;
    ~NodeDriver() = default;

    /// Node::open(). With a recorder, which has begun and outlives this, the ports are those behind it.
    [[nodiscard]] static std::expected<std::unique_ptr<NodeDriver>, wal::Refusal> open(
        const NodeConfig& config, wal::Disk& disk, Environment& environment, Recorder* recorder);

    [[nodiscard]] const Node& node() const { return *node_; }

    void tick(std::uint64_t now_ms);
    void request_received(HttpExchange exchange, const HttpRequest& request);
    void frame_received(engine::ServerId from, PeerFrame&& frame);
    void peer_lost(engine::ServerId peer);
    void disk_completed(const wal::DiskCompletion& completion);
    void turn_ended(std::uint64_t clock_ms);
    void begin_stop();
    /// The node's life is over: closes its recording.
    void finish();

 private:
    NodeDriver(std::unique_ptr<Node> node, Recorder* recorder)
        : node_(std::move(node)), recorder_(recorder) {}

    void done() {
        if (recorder_ != nullptr) recorder_->input_done(*node_);
    }

    std::unique_ptr<Node> node_;
    Recorder* recorder_;  ///< null: nothing is recorded
};

}  // namespace quorate::server
