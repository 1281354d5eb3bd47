#include "sim/node_replay.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "engine/overloaded.h"
#include "server/port_arguments.h"

namespace quorate::sim {

using server::hash_arguments;
using server::RecordedItem;
using server::RecordKind;

namespace {

RecordKind kind_of(const RecordedItem& item) {
    return std::visit(engine::Overloaded{
                          [](const server::Input& input) { return server::kind_of(input); },
                          [](const server::PortCall& call) { return call.kind; },
                          [](const server::NodeDigest&) { return RecordKind::Digest; },
                          [](const server::RefusedMark&) { return RecordKind::Refused; },
                          [](const server::EndMark&) { return RecordKind::End; },
                      },
                      item);
}

/// Both ports, which answer what was answered then. From the first difference on, and behind the recording's
/// end, they answer that nothing works, and nobody looks any more.
class RecordedPorts final : public server::Environment, public wal::Disk {
 public:
    RecordedPorts(server::RecordingReader& reader, const NodeReplayOptions& options, NodeReplay& result)
        : reader_(reader), options_(options), result_(result) {}

    /// The next record, without taking it; null when there is none, and from the first difference on.
    RecordedItem* peek();
    void drop() { next_.reset(); }
    void diverge(std::string text);
    /// The node was told this, or nothing yet.
    void set_input(std::string_view kind) { input_kind_ = kind; }
    void set_now(std::uint64_t now_ms) { now_ms_ = now_ms; }
    /// Whether the job has been asked for and not completed; now it is.
    [[nodiscard]] bool complete(wal::DiskJobId job) { return jobs_.erase(job) > 0; }
    [[nodiscard]] bool has_failed() const { return has_failed_; }
    [[nodiscard]] const server::AppliedChain& chain() const { return chain_; }

    void set_peers(const std::vector<server::PeerAddress>& peers) override {
        take(RecordKind::SetPeers, hash_arguments(peers), [] { return std::string(); });
    }
    bool send_frame(engine::ServerId to, std::string frame) override {
        const auto call = take(RecordKind::SendFrame, hash_arguments(to, frame),
                               [&] { return fmt::format("to {}, {} bytes", to.value, frame.size()); });
        return call && call->yes;
    }
    void respond(server::HttpExchange exchange, server::HttpResponse response) override {
        take(RecordKind::Respond, hash_arguments(exchange, response), [&] {
            return fmt::format("exchange {}, status {}: {}", exchange, response.status,
                               response.body.substr(0, 100));
        });
    }
    bool wants_answer(server::HttpExchange exchange, std::size_t bytes) override {
        const auto call = take(RecordKind::WantsAnswer, hash_arguments(exchange, bytes),
                               [&] { return fmt::format("exchange {}, {} bytes", exchange, bytes); });
        return call && call->yes;
    }
    void begin_parts(server::HttpExchange exchange, server::HttpResponse response) override {
        take(RecordKind::BeginParts, hash_arguments(exchange, response),
             [&] { return fmt::format("exchange {}, status {}", exchange, response.status); });
    }
    bool wants_part(server::HttpExchange exchange, std::size_t bytes) override {
        const auto call = take(RecordKind::WantsPart, hash_arguments(exchange, bytes),
                               [&] { return fmt::format("exchange {}, {} bytes", exchange, bytes); });
        return call && call->yes;
    }
    bool send_part(server::HttpExchange exchange, std::string bytes, server::AnswerPart part) override {
        const auto call =
            take(RecordKind::SendPart, hash_arguments(exchange, bytes, static_cast<std::uint64_t>(part)),
                 [&] { return fmt::format("exchange {}, {} bytes", exchange, bytes.size()); });
        return call && call->yes;
    }
    void log(server::LogLevel level, std::string_view line) override {
        const auto call =
            take(RecordKind::Log, hash_arguments(level, line), [&] { return std::string(line); });
        if (call && options_.log) options_.log(now_ms_, level, line);
    }
    void request_turn() override {
        take(RecordKind::RequestTurn, hash_arguments(), [] { return std::string(); });
    }
    void fail(int exit_code, std::string_view line) override {
        const auto call = take(RecordKind::Fail, hash_arguments(static_cast<std::uint64_t>(exit_code), line),
                               [&] { return fmt::format("exit code {}: {}", exit_code, line); });
        // Else it is our own answers that it fails on.
        if (!call) return;
        has_failed_ = true;
        result_.last_words = line;
        if (options_.log) options_.log(now_ms_, server::LogLevel::Error, line);
    }
    void met(server::Situation) override {}
    void engine_stepped(const engine::Output&) override {}
    void entry_applied(engine::LogIndex index, const wal::LogEntry& entry) override {
        chain_.add(index, entry);
    }
    void store_replaced(engine::LogIndex, const server::StateMachine&) override {}

    std::expected<void, wal::DiskFailure> lock() override {
        return result_of(take(RecordKind::Lock, hash_arguments(), [] { return std::string(); }));
    }
    std::expected<std::vector<wal::FileStatus>, wal::DiskFailure> list() override {
        auto call = take(RecordKind::List, hash_arguments(), [] { return std::string(); });
        if (!call || call->failure) return std::unexpected(failure_of(call));
        return std::move(call->files);
    }
    std::expected<void, wal::DiskFailure> read(std::string_view file, std::uint64_t offset,
                                               std::span<char> out) override {
        const auto call = take(RecordKind::Read, hash_arguments(file, offset, out.size()), [&] {
            return fmt::format("{} bytes of {} from {}", out.size(), file, offset);
        });
        if (!call || call->failure) return std::unexpected(failure_of(call));
        const std::size_t size = std::min(out.size(), call->bytes.size());
        std::ranges::copy(call->bytes.substr(0, size), out.begin());
        std::ranges::fill(out.subspan(size), '\0');
        return {};
    }
    std::expected<void, wal::DiskFailure> run(std::span<const wal::DiskOperation> operations) override {
        return result_of(take(RecordKind::Run, hash_arguments(operations),
                              [&] { return fmt::format("{} operations", operations.size()); }));
    }
    void submit(wal::DiskJob job) override {
        take(RecordKind::Submit, hash_arguments(job),
             [&] { return fmt::format("job {}, {} operations", job.id, job.operations.size()); });
        jobs_.insert(job.id);
    }
    void met(wal::Situation) override {}

 private:
    // The answer to this call, when it is the one that was recorded. `describe` says what was asked.
    template <class Describe>
    std::optional<server::PortCall> take(RecordKind kind, std::uint32_t arguments, Describe describe) {
        RecordedItem* item = peek();
        if (item == nullptr) return std::nullopt;
        auto* call = std::get_if<server::PortCall>(item);
        if (call == nullptr || call->kind != kind || call->arguments != arguments) {
            const RecordKind recorded = kind_of(*item);
            diverge(fmt::format("recorded {}{}, replayed {} ({})", to_string(recorded),
                                recorded == kind ? " of other arguments" : "", to_string(kind), describe()));
            return std::nullopt;
        }
        ++result_.calls;
        std::optional<server::PortCall> taken(std::move(*call));
        drop();
        return taken;
    }

    static wal::DiskFailure failure_of(const std::optional<server::PortCall>& call) {
        return call ? call->failure.value_or(wal::DiskFailure{})
                    : wal::DiskFailure{wal::DiskError::Failed, {}, "the recording holds no answer"};
    }
    static std::expected<void, wal::DiskFailure> result_of(const std::optional<server::PortCall>& call) {
        if (!call || call->failure) return std::unexpected(failure_of(call));
        return {};
    }

    server::RecordingReader& reader_;
    const NodeReplayOptions& options_;
    NodeReplay& result_;
    std::optional<RecordedItem> next_;
    bool is_over_ = false;
    std::string input_kind_ = "opening";
    std::uint64_t now_ms_ = 0;
    std::set<wal::DiskJobId> jobs_;
    server::AppliedChain chain_;
    bool has_failed_ = false;
};

RecordedItem* RecordedPorts::peek() {
    if (next_) return &*next_;
    if (is_over_) return nullptr;
    auto next = reader_.next();
    if (!next) result_.problem = std::move(next.error());
    std::optional<RecordedItem> item = next ? std::move(*next) : std::nullopt;
    if (!item) {
        is_over_ = true;
        return nullptr;
    }
    ++result_.records;
    if (const auto* end = std::get_if<server::EndMark>(&*item)) {
        const bool is_stop = end->reason == server::EndReason::Stopped;
        result_.end = is_stop ? RecordingEnd::Stopped : RecordingEnd::SizeReached;
        is_over_ = true;
        return nullptr;
    }
    return &next_.emplace(std::move(*item));
}

void RecordedPorts::diverge(std::string text) {
    result_.divergence = Divergence{result_.inputs, input_kind_, result_.records, std::move(text)};
    next_.reset();
    is_over_ = true;
}

class Replay {
 public:
    Replay(const server::RecordingHeader& header, server::RecordingReader& reader,
           const NodeReplayOptions& options)
        : options_(options), ports_(reader, options, result_) {
        result_.header = header;
    }

    NodeReplay run(const server::RecordingReader& reader) {
        ports_.set_now(result_.header.loop_ms);
        if (open()) go_on();
        if (node_ && !result_.divergence) sum_up();
        result_.torn_bytes = reader.torn_bytes();
        return std::move(result_);
    }

 private:
    // False: there is no node to go on with.
    bool open() {
        auto node = server::Node::open(result_.header.config, ports_, ports_);
        const RecordedItem* item = ports_.peek();
        if (item == nullptr) return false;  // killed while it started, or at odds
        if (!node) {
            const auto* refused = std::get_if<server::RefusedMark>(item);
            const auto code = static_cast<std::uint32_t>(node.error().code);
            if (refused == nullptr || refused->exit_code != code) {
                ports_.diverge(fmt::format("recorded {}, replayed a refusal to start, exit code {}: {}",
                                           to_string(kind_of(*item)), code, node.error().message));
                return false;
            }
            result_.end = RecordingEnd::Refused;
            result_.last_words = node.error().message;
            ports_.drop();
            return false;
        }
        node_ = std::move(*node);
        result_.first_term = node_->raft().current_term().value;
        if (!std::holds_alternative<server::NodeDigest>(*item)) {
            ports_.diverge(
                fmt::format("recorded {}, replayed the end of the opening", to_string(kind_of(*item))));
            return false;
        }
        return true;
    }

    void go_on() {
        while (const RecordedItem* item = ports_.peek()) {
            if (const auto* digest = std::get_if<server::NodeDigest>(item)) {
                compare(*digest);
                continue;
            }
            if (!std::holds_alternative<server::Input>(*item)) {
                const std::string_view recorded = to_string(kind_of(*item));
                return ports_.diverge(fmt::format("recorded {}, replayed nothing more", recorded));
            }
            if (result_.inputs == options_.inputs_max) {
                result_.end = RecordingEnd::Until;
                return;
            }
            server::Input input = std::get<server::Input>(*item);
            ports_.drop();
            ++result_.inputs;
            ++result_.inputs_of[input.index()];
            ports_.set_input(to_string(server::kind_of(input)));
            std::visit([this](auto& told) { tell(told); }, input);
        }
        if (ports_.has_failed()) result_.end = RecordingEnd::Failed;
    }

    void tell(const server::TickInput& input) {
        if (result_.inputs_of[0] == 1) result_.first_ms = input.now_ms;
        result_.last_ms = input.now_ms;
        ports_.set_now(input.now_ms);
        node_->tick(input.now_ms);
    }
    void tell(const server::RequestInput& input) { node_->request_received(input.exchange, input.request); }
    void tell(server::FrameInput& input) { node_->frame_received(input.from, std::move(input.frame)); }
    void tell(const server::PeerLostInput& input) { node_->peer_lost(input.peer); }
    void tell(const server::DiskCompletedInput& input) {
        // The node relies on its disk to name jobs that it has given.
        if (!ports_.complete(input.completion.id))
            return ports_.diverge(fmt::format(
                "recorded the end of disk job {}, which the replay has not begun", input.completion.id));
        node_->disk_completed(input.completion);
    }
    void tell(const server::TurnEndedInput& input) { node_->turn_ended(input.clock_ms); }
    void tell(const server::StopBegunInput&) { node_->begin_stop(); }

    void compare(const server::NodeDigest& recorded) {
        const std::string differs = difference(recorded, digest_of(*node_, ports_.chain(), recorded));
        if (!differs.empty()) {
            return ports_.diverge(fmt::format("{} (equal behind input {})", differs, result_.digest_input));
        }
        ++result_.digests;
        result_.digest_input = result_.inputs;
        ports_.drop();
    }

    void sum_up() {
        result_.last_term = node_->raft().current_term().value;
        result_.role = node_->raft().role();
        result_.applied_index = node_->applied_index().value;
        result_.commit_index = node_->raft().commit_index().value;
        result_.revision = node_->store().revision();
        result_.keys = node_->store().size();
    }

    const NodeReplayOptions& options_;
    NodeReplay result_;
    RecordedPorts ports_;
    std::unique_ptr<server::Node> node_;
};

}  // namespace

NodeReplay replay_node(const server::RecordingHeader& header, server::RecordingReader& reader,
                       const NodeReplayOptions& options) {
    return Replay(header, reader, options).run(reader);
}

}  // namespace quorate::sim
