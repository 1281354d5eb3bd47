// quorated: the only place where everything meets.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "io/crash_hook.h"
#include "io/descriptor_limit.h"
#include "io/directory_reader.h"
#include "io/disk_worker.h"
#include "io/file_pieces.h"
#include "io/http_client.h"
#include "io/http_server.h"
#include "io/loop.h"
#include "io/peer_link.h"
#include "io/recording_file.h"
#include "io/standard_descriptors.h"
#include "io/timer.h"
#include "server/frame.h"
#include "server/join.h"
#include "server/node.h"
#include "server/node_driver.h"
#include "server/options.h"
#include "server/peer_codec.h"
#include "server/problem.h"
#include "server/recorder.h"
#include "server/refusal_text.h"
#include "server/restore.h"
#include "server/seldom.h"
#include "wal/notice.h"

namespace quorate::server {
namespace {

/// How long a graceful stop waits for what is under way: longer than any client operation may take.
constexpr std::uint64_t kStopMsMax = 8000;

/// How often a refused peer is told of, by its address and the reason.
constexpr std::uint64_t kRefusedPeerMs = 60'000;
constexpr std::size_t kRefusedPeersMax = 64;

/// A turn of the event loop that is told of, and how often one is.
constexpr std::uint64_t kLongTurnUs = 100'000;
constexpr std::uint64_t kLongTurnPeriodMs = 10'000;

spdlog::level::level_enum level_of(LogLevel level) {
    switch (level) {
        case LogLevel::Debug: return spdlog::level::debug;
        case LogLevel::Info: return spdlog::level::info;
        case LogLevel::Warning: return spdlog::level::warn;
        case LogLevel::Error: return spdlog::level::err;
    }
    std::unreachable();
}

NodeConfig node_config(const Options& options) {
    std::random_device entropy;
    const auto draw = [&] { return (std::uint64_t{entropy()} << 32) | entropy(); };
    NodeConfig config;
    config.cluster_id = options.cluster_id;
    config.self = options.self;
    config.members = options.members;
    config.limits = options.limits;
    config.history = options.history;
    config.answers = options.answers;
    config.snapshots = options.snapshots;
    config.segment_bytes = options.segment_bytes;
    config.recovers_from_peers = options.recovers_from_peers ? 1 : 0;
    config.gives_up = options.gives_up;
    config.clock_drift_ppm = options.clock_drift_ppm;
    config.takes_tail_for_torn = options.takes_tail_for_torn ? 1 : 0;
    config.incarnation = draw();
    config.log_salt = draw();
    config.raft.self = options.self.id;
    config.raft.seed = draw();
    config.tick_ms = std::max(1U, options.heartbeat_ms / 4);  // fine enough, and an idle node seldom wakes
    const auto ticks = [&](std::uint32_t ms) { return (ms + config.tick_ms - 1) / config.tick_ms; };
    config.raft.heartbeat_ticks = ticks(options.heartbeat_ms);
    config.raft.catch_up_bytes_per_tick_max = options.catch_up_bytes_per_s * config.tick_ms / 1000;
    config.raft.election_timeout_ticks_min = ticks(options.election_min_ms);
    config.raft.election_timeout_ticks_max =
        std::max(ticks(options.election_max_ms), config.raft.election_timeout_ticks_min + 1);
    config.raft.persist_stall_ticks_max = ticks(std::max(3000U, 3 * options.election_max_ms));
    return config;
}

/// The process: a node, its ports to the world, and the loop that drives them.
class Process final : public Environment, public io::HttpHandler {
 public:
    Process(const Options& options, std::uint64_t descriptors)
        : options_(options),
          descriptors_(descriptors),
          http_limits_(io::within_descriptors(http_limits(options), descriptors)),
          config_(node_config(options)),
          disk_(loop_, options.data_dir,
                [this](const wal::DiskCompletion& done) { driver_->disk_completed(done); }),
          http_(loop_, http_limits_, *this),
          tick_timer_(loop_),
          stop_timer_(loop_) {}

    int run() {
        spdlog::info("connections_max={} reserve_max={} descriptors={} connections_per_address_max={}",
                     http_limits_.connections_max, http_limits_.reserve_max, descriptors_,
                     http_limits_.connections_per_address_max);
        // Before anything can fail, so that whatever does can be told to belong to this node and directory.
        spdlog::info("quorated {} starting: node={} cluster={} data_dir={}", QUORATE_VERSION,
                     options_.self.name, options_.cluster_id, options_.data_dir);
        // First of all, since it may fail: a start that fails shall leave no trace, least of all a directory
        // that belongs to a name given by mistake. Whoever connects waits until the loop runs.
        const auto port = http_.listen(options_.host, options_.port);
        if (!port)
            return refuse(static_cast<int>(wal::RefusalCode::Configuration),
                          port.error() + "; choose another --host or --port, or stop who has it");
        if (const int code = join(); code != EXIT_SUCCESS) return code;
        if (const auto begun = begin_recording(); !begun)
            return refuse(static_cast<int>(wal::RefusalCode::Configuration),
                          begun.error() + "; name another file by --record, or leave it out");
        if (const int code = restore_backup(); code != EXIT_SUCCESS) return code;
        auto driver = NodeDriver::open(config_, disk_, *this, recorder_.get());
        if (!driver) return refuse_directory(driver.error());
        driver_ = std::move(*driver);
        if (is_joining_) {
            if (const auto ended = wal::remove_notice(disk_, wal::kJoiningName); !ended)
                return refuse_directory(ended.error());
        }
        make_links();
        spdlog::info("quorated {} node={} cluster={} listening on {}:{} data_dir={} members={}",
                     QUORATE_VERSION, options_.self.name, options_.cluster_id, options_.host, *port,
                     options_.data_dir, node().members().members.size());
        tell_of_lease();
        tick_timer_.start(config_.tick_ms, config_.tick_ms, [this] { driver_->tick(loop_.now_ms()); });
        loop_.on_turn_end([this] { end_turn(); });
        loop_.on_termination([this] { begin_stop(); });
        busy_us_ = loop_.busy_us();
        loop_.run();
        driver_->finish();
        spdlog::info("stopped: the longest turn of the event loop took {:.1f} ms, while it loaded {:.1f} ms",
                     longest_turn_ms_, longest_load_ms_);
        return EXIT_SUCCESS;
    }

    // Environment
    void set_peers(const std::vector<PeerAddress>& peers) override {
        peers_ = peers;
        // The node that tells is still being made when it tells for the first time.
        if (driver_) make_links();
    }
    bool send_frame(engine::ServerId to, std::string frame) override {
        const auto link = links_.find(to);
        return link != links_.end() && link->second->send(frame);
    }
    void respond(HttpExchange exchange, HttpResponse response) override {
        http_.respond(exchange, std::move(response));
    }
    bool wants_answer(HttpExchange exchange, std::size_t bytes) override {
        return http_.wants_answer(exchange, bytes);
    }
    void begin_parts(HttpExchange exchange, HttpResponse response) override {
        http_.begin_parts(exchange, response);
    }
    bool wants_part(HttpExchange exchange, std::size_t bytes) override {
        return http_.wants_part(exchange, bytes);
    }
    bool send_part(HttpExchange exchange, std::string bytes, AnswerPart part) override {
        return http_.send_part(exchange, std::move(bytes), part);
    }
    void log(LogLevel level, std::string_view line) override { spdlog::log(level_of(level), "{}", line); }
    void request_turn() override { loop_.request_turn(); }
    void met(Situation) override {}
    void engine_stepped(const engine::Output&) override {}
    void entry_applied(engine::LogIndex, const wal::LogEntry&) override {}
    void store_replaced(engine::LogIndex, const StateMachine&) override {}
    void fail(int exit_code, std::string_view line) override {
        // At once and without clean-up: what is not durable must not become visible by any later step.
        refuse_directory({static_cast<wal::RefusalCode>(exit_code), std::string(line)});
        spdlog::shutdown();
        std::_Exit(exit_code);
    }

    // HttpHandler
    void on_request(HttpExchange exchange, const HttpRequest& request) override {
        driver_->request_received(exchange, request);
    }
    std::optional<HttpResponse> on_upgrade(io::PeerConnection connection,
                                           const HttpRequest& request) override {
        const auto from = node().check_greeting(request);
        if (!from) {
            const auto& [code, detail] = from.error();
            const std::string address = http_.address_of(connection);
            if (refused_peers_.is_due(loop_.now_ms(), fmt::format("{} {}", address, code)))
                spdlog::warn("a peer at {} is refused: {}: {}", address, code, detail);
            return problem(421, code, detail);
        }
        inbound_.insert_or_assign(connection, Inbound{*from, {}});
        return std::nullopt;
    }
    void on_peer_bytes(io::PeerConnection connection, std::string_view bytes) override {
        const auto found = inbound_.find(connection);
        if (found == inbound_.end()) return;
        found->second.reader.feed(bytes);
        for (;;) {
            auto next = next_peer_frame(found->second.reader);
            if (!next) {
                spdlog::warn("peer connection closed: {}", to_string(next.error()));
                return http_.close_peer(connection);
            }
            std::optional<PeerFrame>& frame = *next;
            if (!frame) return;
            driver_->frame_received(found->second.from, *std::move(frame));
        }
    }
    void on_peer_closed(io::PeerConnection connection) override { inbound_.erase(connection); }
    void on_trouble(std::string_view line) override { spdlog::warn("{}", line); }

 private:
    struct Inbound {
        engine::ServerId from;
        FrameReader reader;
    };

    static io::HttpLimits http_limits(const Options& options) {
        io::HttpLimits limits;
        limits.body_bytes_max = std::max(options.limits.value_bytes_max, options.limits.batch_bytes_max);
        return limits;
    }

    // One line for people and for programs, on standard error and in the exit code.
    static int refuse(int exit_code, std::string_view line) {
        spdlog::error("exit_code={} {}", exit_code, line);
        return exit_code;
    }

    int refuse_directory(const wal::Refusal& refusal) const {
        const ClusterMembers& members = driver_ ? node().members() : config_.members;
        return refuse(static_cast<int>(refusal.code),
                      refusal_text(refusal, options_.data_dir, members, options_.self.id));
    }

    // Until somebody lets it in: who starts a node before its cluster means to wait. Not recorded: a
    // recording begins with the node.
    int join() {
        if (options_.join.empty()) return begin_without_join();
        {
            io::DiskWorker disk(loop_, options_.data_dir, [](const wal::DiskCompletion&) {});
            if (const auto locked = disk.lock(); !locked)
                return refuse_directory(wal::directory_refusal(locked.error()));
            const auto files = disk.list();
            if (!files) return refuse_directory(wal::read_refusal(files.error()));
            const std::string_view notice =
                options_.restore.empty() ? wal::kJoiningName : wal::kRestoringName;
            if (!files->empty() && !wal::has_notice(*files, notice)) {
                config_.has_joined = 1;
                spdlog::info("--join: going on with the data directory that is there");
                return EXIT_SUCCESS;
            }
        }
        io::HttpClient client({});
        const AskOther ask = [&](std::string_view address,
                                 const HttpRequest& request) -> std::expected<HttpResponse, std::string> {
            auto answer = client.request(address, request);
            if (!answer) return std::unexpected(std::move(answer.error().text));
            return std::move(*answer);
        };
        for (;;) {
            auto joined = join_cluster(options_.join, options_.cluster_id, options_.self,
                                       !options_.restore.empty(), ask);
            if (joined) {
                config_.members = std::move(joined->first);
                spdlog::info("joining: {} has a place in the cluster of {} members, and gets the log now",
                             options_.self.name, joined->members.members.size());
                return mark_as_joining();
            }
            if (joined.error().is_final)
                return refuse(static_cast<int>(wal::RefusalCode::Configuration), joined.error().text);
            spdlog::warn("not joined yet: {}; trying again", joined.error().text);
            std::this_thread::sleep_for(std::chrono::seconds(1));
        }
    }

    int begin_without_join() {
        const auto there = io::DirectoryReader::open(options_.data_dir);
        if (!there && there.error().error == wal::DiskError::NotFound) return EXIT_SUCCESS;
        if (!there) return refuse_directory(wal::directory_refusal(there.error()));
        const auto files = (*there)->list();
        if (!files) return refuse_directory(wal::read_refusal(files.error()));
        if (!wal::has_notice(*files, wal::kJoiningName)) return EXIT_SUCCESS;
        return refuse_directory({wal::RefusalCode::Configuration,
                                 fmt::format("{}: the first start with --join was interrupted before the log "
                                             "was there: start again with --join",
                                             wal::kJoiningName)});
    }

    // A restore has a mark of its own.
    int mark_as_joining() {
        if (!options_.restore.empty()) return EXIT_SUCCESS;
        io::DiskWorker disk(loop_, options_.data_dir, [](const wal::DiskCompletion&) {});
        if (const auto locked = disk.lock(); !locked)
            return refuse_directory(wal::directory_refusal(locked.error()));
        if (const auto marked = wal::put_notice(disk, wal::kJoiningName); !marked)
            return refuse_directory(marked.error());
        is_joining_ = true;
        return EXIT_SUCCESS;
    }

    /// Not recorded: a recording begins with the node.
    int restore_backup() {
        if (options_.restore.empty()) return EXIT_SUCCESS;
        io::DiskWorker disk(loop_, options_.data_dir, [](const wal::DiskCompletion&) {});
        const auto restored = restore(config_, disk, options_.restore, [this, reads = 0]() mutable {
            spdlog::info("{} {}", reads++ == 0 ? "checking" : "filling the directory from", options_.restore);
            return io::read_in_pieces(options_.restore);
        });
        if (!restored) return refuse_directory(restored.error());
        if (restored->was_there) {
            spdlog::info("the data directory was made from {} before: going on with it", options_.restore);
        } else {
            // A node by itself is refused that flag: nobody else would have what it has forgotten.
            spdlog::warn("restored {} keys at revision {} of cluster '{}' from {}{}", restored->backup.keys,
                         restored->backup.revision, restored->backup.cluster_id, options_.restore,
                         config_.members.members.size() == 1
                             ? std::string(": what was written after that backup is not in it")
                             : fmt::format(": every other node of this new cluster must be started with the "
                                           "same backup. If '{}' has run in this new cluster before, stop "
                                           "it, empty its directory, and add --recover-from-peers: it has "
                                           "forgotten its votes and what it acknowledged",
                                           options_.self.name));
        }
        return EXIT_SUCCESS;
    }

    [[nodiscard]] const Node& node() const { return driver_->node(); }

    std::expected<void, std::string> begin_recording() {
        if (options_.record.empty()) return {};
        auto file = io::RecordingFile::create(options_.record, kRecordingMagic);
        if (!file) return std::unexpected(std::move(file.error()));
        recording_ = std::move(*file);
        recorder_ =
            std::make_unique<Recorder>([this](std::string_view bytes) { return recording_->write(bytes); },
                                       options_.record_bytes_max, *this, disk_);
        const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
        const auto unix_ms = std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count();
        if (auto begun = recorder_->begin(
                {QUORATE_VERSION, static_cast<std::uint64_t>(unix_ms), loop_.now_ms(), config_});
            !begun)
            return begun;
        // The turn in which a check fails is the one that its reader wants most.
        crash_hook_.emplace([this] { recording_->write_last(recorder_->last_block()); });
        spdlog::info("recording into {}, at most {} bytes", options_.record, options_.record_bytes_max);
        return {};
    }

    void make_links() {
        std::map<engine::ServerId, std::unique_ptr<io::PeerLink>> links;
        for (const PeerAddress& peer : peers_) {
            if (auto kept = links_.extract(peer.id); !kept.empty() && addresses_[peer.id] == peer.address) {
                links.insert(std::move(kept));
                continue;
            }
            const engine::ServerId id = peer.id;
            const std::string name = peer.name;
            addresses_[id] = peer.address;
            links[id] = std::make_unique<io::PeerLink>(
                loop_, peer.address, node().greeting_to(peer.name), config_.raft.seed + id.value,
                io::PeerLink::Callbacks{
                    [name] { spdlog::info("link to {} is up", name); },
                    [this, id, name] {
                        spdlog::info("link to {} is down", name);
                        driver_->peer_lost(id);
                    },
                    [name](const std::string& why) { spdlog::warn("{} refuses us: {}", name, why); }});
        }
        links_ = std::move(links);
    }

    void end_turn() {
        driver_->turn_ended(io::Loop::clock_ms());
        tell_of_room();
        for (const auto& [id, link] : links_) link->flush();
        http_.flush();
        tell_of_long_turn();
        if (is_stopping_ && node().is_quiet() && http_.is_drained()) loop_.stop();
    }

    // Meanwhile nobody was answered: the process had no processor, or this program has a defect.
    void tell_of_long_turn() {
        const std::uint64_t busy_us = loop_.busy_us();
        const std::uint64_t turn_us = busy_us - std::exchange(busy_us_, busy_us);
        double& longest = std::exchange(has_loaded_, node().is_ready()) ? longest_turn_ms_ : longest_load_ms_;
        longest = std::max(longest, static_cast<double>(turn_us) / 1e3);
        if (turn_us >= kLongTurnUs && long_turns_.is_due(loop_.now_ms(), ""))
            spdlog::warn("a turn of the event loop took {} ms: every request waited for it", turn_us / 1000);
    }

    void tell_of_lease() const {
        if (config_.clock_drift_ppm == 0) return;
        const std::uint64_t lease = lease_ms(config_.raft, config_.tick_ms, config_.clock_drift_ppm);
        const std::uint64_t heartbeat_ms = std::uint64_t{config_.raft.heartbeat_ticks} * config_.tick_ms;
        spdlog::log(
            lease > heartbeat_ms ? spdlog::level::info : spdlog::level::warn,
            "reads with consistency=lease: each heartbeat, one in {} ms, gives a lease of {} ms, if the "
            "clocks of all nodes run right within {} ppm",
            heartbeat_ms, lease, config_.clock_drift_ppm);
    }

    // The node knows no directory, and says nothing when there is room again.
    void tell_of_room() {
        const wal::DiskFailure* lacking = node().room_lacking();
        const bool did_lack = std::exchange(lacks_room_, lacking != nullptr);
        if (did_lack == lacks_room_) return;
        if (lacks_room_)
            return spdlog::error(
                "data directory {}: {}: {}: no room for the log: until there is, this node takes no writes "
                "when it leads",
                options_.data_dir, lacking->file, lacking->detail);
        spdlog::info("data directory {}: there is room for the log again", options_.data_dir);
    }

    void begin_stop() {
        if (std::exchange(is_stopping_, true)) return;
        spdlog::info("stopping: handing leadership over, finishing what is under way");
        driver_->begin_stop();
        http_.stop();
        stop_timer_.start(kStopMsMax, 0, [this] {
            spdlog::warn("stopping with requests under way: their clients are cut off");
            loop_.stop();
        });
    }

    Options options_;
    std::uint64_t descriptors_;
    io::HttpLimits http_limits_;
    NodeConfig config_;
    io::Loop loop_;
    io::DiskWorker disk_;
    io::HttpServer http_;
    io::Timer tick_timer_;
    io::Timer stop_timer_;
    std::unique_ptr<io::RecordingFile> recording_;
    std::unique_ptr<Recorder> recorder_;  ///< null without --record
    std::optional<io::CrashHook> crash_hook_;
    std::unique_ptr<NodeDriver> driver_;
    std::vector<PeerAddress> peers_;
    std::map<engine::ServerId, std::unique_ptr<io::PeerLink>> links_;
    std::map<engine::ServerId, std::string> addresses_;
    std::map<io::PeerConnection, Inbound> inbound_;
    /// A node that is refused tries again for ever, and anybody can greet.
    Seldom refused_peers_{kRefusedPeerMs, kRefusedPeersMax};
    Seldom long_turns_{kLongTurnPeriodMs, 1};
    std::uint64_t busy_us_ = 0;  ///< at the end of the last turn
    bool has_loaded_ = false;    ///< at the end of the last turn
    double longest_turn_ms_ = 0;
    double longest_load_ms_ = 0;
    bool is_joining_ = false;  ///< this start has begun to
    bool lacks_room_ = false;
    bool is_stopping_ = false;
};

int start(int argc, char** argv) {
    const auto options = parse_options(argc, argv, [](const char* name) { return std::getenv(name); });
    if (!options) {
        std::fputs(options.error().text.c_str(), options.error().to_stdout ? stdout : stderr);
        return options.error().code;
    }
    spdlog::set_default_logger(spdlog::stderr_logger_st("quorated"));
    spdlog::set_level(level_of(options->log_level));
    spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%f%z %l %v");
    spdlog::flush_on(spdlog::level::info);
    const std::uint64_t descriptors = io::raise_descriptor_limit();
    if (descriptors < io::kDescriptorsMin) {
        const auto code = static_cast<int>(wal::RefusalCode::Configuration);
        spdlog::error(
            "exit_code={} this process may have {} descriptors, and needs {} at least, for few connections: "
            "raise the limit (ulimit -n), then start again",
            code, descriptors, io::kDescriptorsMin);
        return code;
    }
    return Process(*options, descriptors).run();
}

}  // namespace
}  // namespace quorate::server

int main(int argc, char** argv) {
    quorate::io::hold_standard_descriptors();
    return quorate::server::start(argc, argv);
}
