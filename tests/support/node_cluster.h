#pragma once

// Whole nodes in one thread: a virtual network that delivers when told to, a clock that moves when told to,
// and a disk for each node.

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "server/frame.h"
#include "server/node.h"
#include "server/peer_codec.h"
#include "sim/virtual_disk.h"

namespace quorate::test {

using sim::VirtualDisk;

/// One node with its ports. Frames it sends wait in `outbox`; answers to clients gather in `answers`.
class NodeHost : public server::Environment {
 public:
    NodeHost(server::NodeConfig config, int number) : config_(std::move(config)), number_(number) {}

    void start() {
        config_.incarnation = (static_cast<std::uint64_t>(number_) << 40) + (++lives_ << 32);
        auto node = server::Node::open(config_, *disk, *this);
        if (node) {
            node_ = std::move(*node);
        } else {
            refusal = node.error();
        }
    }
    /// Told to recover from the others, it starts and refuses what its disk holds, and leaves that as it is.
    [[nodiscard]] wal::Refusal refusal_to_recover() {
        config_.recovers_from_peers = 1;
        const VirtualDisk::Image before = disk->written();
        stop_with(before);
        start();
        EXPECT_TRUE(refusal) << "it started";
        EXPECT_EQ(disk->written(), before);
        return refusal.value_or(wal::Refusal{});
    }
    [[nodiscard]] std::optional<wal::DiskCompletion> next_completion(wal::DiskLane lane) {
        const bool is_background = lane == wal::DiskLane::Background;
        if (disk->waiting(lane).empty() || (is_background && background_jobs_left == 0)) return std::nullopt;
        if (is_background) --background_jobs_left;
        return disk->complete_next(lane);
    }
    /// From its next start on.
    void adjust(const std::function<void(server::NodeConfig&)>& change) { change(config_); }
    /// The power goes: nothing that was not synced is left.
    void crash() {
        node_.reset();
        outbox.clear();
        const auto nothing = [] { return false; };
        disk = std::make_unique<VirtualDisk>(disk->after_crash(nothing, nothing));
    }

    /// The process is gone, and this is what its disk holds.
    void stop_with(const VirtualDisk::Image& image) {
        node_.reset();
        outbox.clear();
        failure.reset();
        refusal.reset();
        disk = std::make_unique<VirtualDisk>(image);
    }

    /// Another number after each start.
    [[nodiscard]] std::uint64_t life() const { return config_.incarnation; }
    [[nodiscard]] bool is_up() const { return node_ != nullptr && !failure; }
    [[nodiscard]] server::Node& node() { return *node_; }

    void set_peers(const std::vector<server::PeerAddress>& peers) override { peers_ = peers; }
    bool send_frame(engine::ServerId to, std::string frame) override {
        // There is a link to each peer that it has named, and to nobody else.
        if (frames_left == 0) return true;  // lost on the way
        --frames_left;
        if (cut_off.contains(to) || std::ranges::find(peers_, to, &server::PeerAddress::id) == peers_.end())
            return false;
        server::FrameReader reader;
        reader.feed(frame);
        auto read = server::next_peer_frame(reader);
        const auto* raft = std::get_if<server::RaftFrame>(&read->value());
        if (to == drops_appends_to && raft != nullptr &&
            std::holds_alternative<engine::AppendEntries>(raft->message))
            return true;
        if (auto* chunk = std::get_if<server::SnapshotChunk>(&read->value())) {
            if (snapshot_chunks_sent++ >= snapshot_chunks_let_through) return true;
            if (on_snapshot_chunk) on_snapshot_chunk(*chunk);
            frame = server::encode_frame(*chunk);
        }
        outbox.emplace_back(to, std::move(frame));
        return true;
    }
    void respond(server::HttpExchange exchange, server::HttpResponse response) override {
        answers.emplace(exchange, std::move(response));
    }
    bool wants_answer(server::HttpExchange, std::size_t bytes) override {
        asked_bytes.push_back(bytes);
        return is_answer_wanted;
    }
    void begin_parts(server::HttpExchange exchange, server::HttpResponse response) override {
        streams.emplace(exchange, Stream{std::move(response)});
    }
    bool wants_part(server::HttpExchange, std::size_t) override { return takes_parts; }
    bool send_part(server::HttpExchange exchange, std::string bytes, server::AnswerPart part) override {
        const auto found = streams.find(exchange);
        if (found == streams.end()) return false;
        EXPECT_TRUE(!bytes.empty() || part != server::AnswerPart::More) << "of HTTP's chunks it is the end";
        found->second.response.body += bytes;
        found->second.largest_part = std::max(found->second.largest_part, bytes.size());
        found->second.last = part;
        return true;
    }
    void log(server::LogLevel, std::string_view line) override { lines.emplace_back(line); }
    void request_turn() override { turn_requested = true; }
    void met(server::Situation) override {}
    void engine_stepped(const engine::Output&) override {}
    void entry_applied(engine::LogIndex, const wal::LogEntry&) override {}
    void store_replaced(engine::LogIndex, const server::StateMachine&) override {}
    void fail(int exit_code, std::string_view line) override { failure = {exit_code, std::string(line)}; }

    std::unique_ptr<VirtualDisk> disk = std::make_unique<VirtualDisk>();
    std::deque<std::pair<engine::ServerId, std::string>> outbox;
    std::map<server::HttpExchange, server::HttpResponse> answers;
    /// An answer in parts, with the body so far.
    struct Stream {
        server::HttpResponse response;
        std::size_t largest_part = 0;
        server::AnswerPart last = server::AnswerPart::More;
    };
    std::map<server::HttpExchange, Stream> streams;
    bool takes_parts = true;
    bool is_answer_wanted = true;
    std::vector<std::size_t> asked_bytes;  ///< of answers, before they were made
    std::vector<std::string> lines;
    std::set<engine::ServerId> cut_off;           ///< links that are down
    std::size_t frames_left = SIZE_MAX;           ///< so many more arrive
    std::size_t background_jobs_left = SIZE_MAX;  ///< so many more end
    std::optional<engine::ServerId> drops_appends_to;
    std::uint64_t snapshot_chunks_sent = 0;
    std::uint64_t snapshot_chunks_let_through = UINT64_MAX;         ///< the later ones are lost
    std::function<void(server::SnapshotChunk&)> on_snapshot_chunk;  ///< sees, and may change, what is sent
    std::optional<std::pair<int, std::string>> failure;
    std::optional<wal::Refusal> refusal;
    bool turn_requested = false;

 private:
    server::NodeConfig config_;
    int number_;
    std::uint64_t lives_ = 0;
    std::vector<server::PeerAddress> peers_;
    std::unique_ptr<server::Node> node_;
};

class NodeCluster {
 public:
    explicit NodeCluster(int size, const std::function<void(server::NodeConfig&)>& adjust = {}) {
        for (int i = 1; i <= size; ++i) first_.members.push_back(member_of(i));
        for (int i = 1; i <= size; ++i) add_host(adjust);
    }

    /// Another node, with an empty disk and the members that the cluster began with, as one that joins has.
    int add_host(const std::function<void(server::NodeConfig&)>& adjust = {}) {
        const int number = size() + 1;
        server::NodeConfig config;
        config.cluster_id = "test";
        config.self = member_of(number);
        config.members = first_;
        config.raft.self = config.self.id;
        config.raft.seed = static_cast<std::uint64_t>(number);
        config.segment_bytes = std::uint64_t{256} << 10;
        if (adjust) adjust(config);
        hosts_.push_back(std::make_unique<NodeHost>(config, number));
        hosts_.back()->start();
        return number;
    }

    /// Nodes are numbered from 1.
    [[nodiscard]] NodeHost& host(int number) { return *hosts_.at(static_cast<std::size_t>(number - 1)); }
    [[nodiscard]] server::Node& node(int number) { return host(number).node(); }
    [[nodiscard]] int size() const { return static_cast<int>(hosts_.size()); }

    /// Everything that is under way arrives, again and again, until nothing is.
    void settle() {
        bool moved = true;
        while (moved) {
            moved = false;
            for (const auto& from : hosts_) moved = settle_host(*from) || moved;
        }
    }

    [[nodiscard]] std::uint64_t now_ms() const { return now_ms_; }
    /// The clock goes on without anybody's tick.
    void skip(std::uint64_t ms) { now_ms_ += ms; }
    /// `ms` of virtual time pass, everything settling at each tick.
    void run_for(std::uint64_t ms) {
        for (const std::uint64_t end = now_ms_ + ms; now_ms_ < end;) {
            now_ms_ += 10;
            for (const auto& host : hosts_) {
                if (host->is_up()) host->node().tick(now_ms_);
            }
            settle();
        }
    }

    /// Runs until some node leads and says so to all that are up; zero when none does within ten virtual
    /// seconds.
    [[nodiscard]] int await_leader() {
        for (int tries = 0; tries < 1000; ++tries) {
            run_for(10);
            for (int i = 1; i <= size(); ++i) {
                if (host(i).is_up() && node(i).raft().role() == engine::RoleName::Leader && agreed_on(i))
                    return i;
            }
        }
        return 0;
    }

    /// Who leads in the highest term; zero when nobody does.
    [[nodiscard]] int leader() {
        int best = 0;
        for (int i = 1; i <= size(); ++i) {
            if (!host(i).is_up() || node(i).raft().role() != engine::RoleName::Leader) continue;
            if (best == 0 || node(i).raft().current_term() > node(best).raft().current_term()) best = i;
        }
        return best;
    }

    /// The request's number; ask answer() for what came of it.
    server::HttpExchange send(int number, std::string method, std::string target, std::string body = {},
                              std::vector<server::HttpHeader> headers = {}) {
        const server::HttpExchange exchange = ++last_exchange_;
        node(number).request_received(
            exchange, {std::move(method), std::move(target), std::move(headers), std::move(body)});
        return exchange;
    }
    /// A request, and the frames that it makes its node send: they are late, or lost, as the test will have
    /// it.
    struct Late {
        server::HttpExchange exchange;
        std::deque<std::pair<engine::ServerId, std::string>> frames;
    };
    [[nodiscard]] Late send_late(int number, std::string method, std::string target, std::string body = {}) {
        const auto exchange = send(number, std::move(method), std::move(target), std::move(body));
        node(number).turn_ended(now_ms_);
        Late late{exchange, std::exchange(host(number).outbox, {})};
        EXPECT_EQ(late.frames.size(), 1U);
        return late;
    }
    [[nodiscard]] const server::HttpResponse* answer(int number, server::HttpExchange exchange) {
        const auto found = host(number).answers.find(exchange);
        return found == host(number).answers.end() ? nullptr : &found->second;
    }
    /// Sends, lets everything settle, and returns the answer; status 0 when there is none yet.
    [[nodiscard]] server::HttpResponse request(int number, std::string method, std::string target,
                                               std::string body = {}) {
        const auto exchange = send(number, std::move(method), std::move(target), std::move(body));
        settle();
        const auto* response = answer(number, exchange);
        return response != nullptr ? *response : server::HttpResponse{0, {}, {}};
    }

    void cut(int a, int b) {
        host(a).cut_off.insert(server::server_id_of(std::to_string(b)));
        host(b).cut_off.insert(server::server_id_of(std::to_string(a)));
    }
    void isolate(int number) {
        for (int other = 1; other <= size(); ++other) {
            if (other != number) cut(number, other);
        }
    }
    void heal() {
        for (const auto& host : hosts_) host->cut_off.clear();
    }

 private:
    static server::Member member_of(int number) {
        const std::string name = std::to_string(number);
        return {server::server_id_of(name), name, fmt::format("127.0.0.1:{}", 7070 + number),
                server::MemberRole::Voter};
    }

    bool agreed_on(int leader) {
        for (int i = 1; i <= size(); ++i) {
            const bool reachable = !host(i).cut_off.contains(server::server_id_of(std::to_string(leader)));
            if (i != leader && host(i).is_up() && reachable &&
                node(i).raft().leader() != server::server_id_of(std::to_string(leader))) {
                return false;
            }
        }
        return true;
    }

    bool settle_host(NodeHost& from) {
        if (!from.is_up()) return false;
        bool moved = false;
        for (bool busy = true; busy;) {
            from.turn_requested = false;
            from.node().turn_ended(now_ms_);
            busy = from.turn_requested;
            for (const auto lane : {wal::DiskLane::Log, wal::DiskLane::Background}) {
                while (auto completion = from.next_completion(lane)) {
                    from.node().disk_completed(*completion);
                    busy = true;
                    if (!from.is_up()) return true;
                }
            }
            moved = moved || busy;
        }
        moved = moved || !from.outbox.empty();
        const engine::ServerId sender = from.node().raft().config().self;
        for (auto& [to, bytes] : std::exchange(from.outbox, {})) {
            // A member may not have been started yet.
            if (to.value > hosts_.size() || !host(static_cast<int>(to.value)).is_up()) continue;
            NodeHost& receiver = host(static_cast<int>(to.value));
            if (!is_linked(from, receiver, std::to_string(to.value))) continue;
            server::FrameReader reader;
            reader.feed(bytes);
            auto frame = server::next_peer_frame(reader);
            receiver.node().frame_received(sender, std::move(frame->value()));
        }
        return moved;
    }

    // A link is greeted once, and lasts as long as both lives.
    bool is_linked(NodeHost& from, NodeHost& to, std::string_view name) {
        const std::pair lives{from.life(), to.life()};
        if (links_.contains(lives)) return true;
        const auto greeted =
            to.node().check_greeting({"GET", "/raft/peer", from.node().greeting_to(name), {}});
        if (greeted) links_.insert(lives);
        return greeted.has_value();
    }

    std::set<std::pair<std::uint64_t, std::uint64_t>> links_;
    server::ClusterMembers first_;
    std::vector<std::unique_ptr<NodeHost>> hosts_;
    std::uint64_t now_ms_ = 0;
    server::HttpExchange last_exchange_ = 0;
};

/// Some other node of a cluster.
/// The body of a batch: PUT of `count` keys that are new, from this number on.
inline std::string batch_of_new(std::size_t first, std::size_t count) {
    std::string lines;
    for (std::size_t i = first; i < first + count; ++i) lines += "PUT new" + std::to_string(i) + " x\n";
    return lines;
}

inline int other_than(int number) { return number == 1 ? 2 : 1; }

inline std::string header(const server::HttpResponse& response, std::string_view name) {
    for (const auto& h : response.headers) {
        if (h.name == name) return h.value;
    }
    return "absent";
}

/// What `host` says to a greeting: "welcome", or the code of its refusal.
inline std::string answer_to_greeting(const server::Node& host, std::vector<server::HttpHeader> headers) {
    const auto who = host.check_greeting({"GET", "/raft/peer", std::move(headers), {}});
    return who ? "welcome" : std::string(who.error().code);
}

}  // namespace quorate::test
