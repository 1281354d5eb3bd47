#include "server/node_driver.h"

#include <utility>

namespace quorate::server {

std::expected<std::unique_ptr<NodeDriver>, wal::Refusal> NodeDriver::open(const NodeConfig& config,
                                                                          wal::Disk& disk,
                                                                          Environment& environment,
                                                                          Recorder* recorder) {
    auto node = recorder != nullptr ? Node::open(config, *recorder, *recorder)
                                    : Node::open(config, disk, environment);
    if (!node) {
        if (recorder != nullptr) recorder->refused(node.error());
        return std::unexpected(std::move(node.error()));
    }
    if (recorder != nullptr) recorder->opened(**node);
    return std::unique_ptr<NodeDriver>(new NodeDriver(std::move(*node), recorder));
}

void NodeDriver::tick(std::uint64_t now_ms) {
    if (recorder_ != nullptr) recorder_->tick(now_ms);
    node_->tick(now_ms);
    done();
}

void NodeDriver::request_received(HttpExchange exchange, const HttpRequest& request) {
    if (recorder_ != nullptr) recorder_->request_received(exchange, request);
    node_->request_received(exchange, request);
    done();
}

void NodeDriver::frame_received(engine::ServerId from, PeerFrame&& frame) {
    if (recorder_ != nullptr) recorder_->frame_received(from, frame);
    node_->frame_received(from, std::move(frame));
    done();
}

void NodeDriver::peer_lost(engine::ServerId peer) {
    if (recorder_ != nullptr) recorder_->peer_lost(peer);
    node_->peer_lost(peer);
    done();
}

void NodeDriver::disk_completed(const wal::DiskCompletion& completion) {
    if (recorder_ != nullptr) recorder_->disk_completed(completion);
    node_->disk_completed(completion);
    done();
}

// What this turn has brought leaves the process: an incident of the next turn finds it in the file.
void NodeDriver::turn_ended(std::uint64_t clock_ms) {
    if (recorder_ != nullptr) recorder_->turn_ended(clock_ms);
    node_->turn_ended(clock_ms);
    done();
    if (recorder_ != nullptr) recorder_->flush();
}

void NodeDriver::begin_stop() {
    if (recorder_ != nullptr) recorder_->stop_begun();
    node_->begin_stop();
    done();
}

void NodeDriver::finish() {
    if (recorder_ != nullptr) recorder_->finish(*node_);
}

}  // namespace quorate::server
