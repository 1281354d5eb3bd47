// The recorder between a node and its ports: that the node does not notice, and that a replay sees the same.

#include "server/recorder.h"

#include <memory>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/node_driver.h"
#include "sim/node_replay.h"
#include "tests/support/node_cluster.h"
#include "tests/support/recordings.h"

namespace quorate::test {
namespace {

using testing::Contains;
using testing::HasSubstr;

constexpr std::uint64_t kBytesMax = std::uint64_t{1} << 30;

server::NodeConfig config_of_one() {
    server::NodeConfig config;
    config.cluster_id = "test";
    config.self = {server::server_id_of("1"), "1", "127.0.0.1:7071", server::MemberRole::Voter};
    config.members.members = {config.self};
    config.raft.self = config.self.id;
    config.segment_bytes = std::uint64_t{256} << 10;
    return config;
}

/// A cluster of one, recorded.
class RecordedNode {
 public:
    explicit RecordedNode(server::RecordingWriter::Sink sink, std::uint64_t bytes_max = kBytesMax)
        : recorder_(std::move(sink), bytes_max, world_, *world_.disk) {
        EXPECT_TRUE(recorder_.begin({QUORATE_VERSION, 0, 0, config_of_one()}));
        auto opened = server::NodeDriver::open(config_of_one(), *world_.disk, world_, &recorder_);
        EXPECT_TRUE(opened);
        driver_ = std::move(*opened);
        for (int i = 0; i < 200 && driver_->node().raft().role() != engine::RoleName::Leader; ++i) tick();
    }

    void tick() {
        now_ms_ += 10;
        driver_->tick(now_ms_);
        settle();
    }
    /// The status of the answer; zero when there is none.
    int request(std::string method, std::string target, std::string body = {}) {
        driver_->request_received(++exchange_, {std::move(method), std::move(target), {}, std::move(body)});
        settle();
        const auto found = world_.answers.find(exchange_);
        return found == world_.answers.end() ? 0 : found->second.status;
    }
    void stop() {
        driver_->begin_stop();
        settle();
        driver_->finish();
    }
    [[nodiscard]] NodeHost& world() { return world_; }
    [[nodiscard]] server::NodeDriver& driver() { return *driver_; }

 private:
    void settle() {
        for (bool busy = true; busy;) {
            driver_->turn_ended(0);
            busy = false;
            for (const auto lane : {wal::DiskLane::Log, wal::DiskLane::Background}) {
                while (const auto completion = world_.disk->complete_next(lane)) {
                    driver_->disk_completed(*completion);
                    busy = true;
                }
            }
        }
    }

    NodeHost world_{config_of_one(), 1};
    server::Recorder recorder_;
    std::unique_ptr<server::NodeDriver> driver_;
    std::uint64_t now_ms_ = 0;
    server::HttpExchange exchange_ = 0;
};

sim::NodeReplay replay(std::string_view bytes) {
    server::RecordingReader reader(source_of(bytes));
    const auto header = reader.header();
    EXPECT_TRUE(header);
    return sim::replay_node(*header, reader);
}

TEST(Recorder, AReplayGetsTheAnswersThatThePortsGave) {
    std::string bytes;
    {
        RecordedNode node(sink_of(bytes));
        EXPECT_EQ(node.request("PUT", "/kv/a", "1"), 200);
        EXPECT_EQ(node.request("GET", "/kv/a"), 200);
        node.world().is_answer_wanted = false;
        EXPECT_EQ(node.request("GET", "/kv/a"), 0);
        node.world().is_answer_wanted = true;
        EXPECT_EQ(node.request("GET", "/kv/range"), 200);
        EXPECT_EQ(node.request("GET", "/admin/backup"), 0);
        EXPECT_EQ(node.world().streams.at(5).last, server::AnswerPart::Last);
        node.world().takes_parts = false;
        EXPECT_EQ(node.request("GET", "/admin/backup"), 0);
        EXPECT_EQ(node.request("GET", "/nowhere"), 404);
        node.driver().peer_lost(engine::ServerId(9));
        node.stop();
        EXPECT_EQ(node.request("PUT", "/kv/a", "2"), 503) << "what comes behind the end is not recorded";
    }
    const sim::NodeReplay replayed = replay(bytes);
    EXPECT_FALSE(replayed.divergence) << replayed.divergence->text;
    EXPECT_FALSE(replayed.problem) << replayed.problem->line;
    EXPECT_EQ(replayed.end, sim::RecordingEnd::Stopped);
    EXPECT_EQ(replayed.inputs_of[1], 7U);
    EXPECT_EQ(replayed.digest_input, replayed.inputs);
    EXPECT_EQ(replayed.keys, 1U);
    EXPECT_EQ(replayed.role, engine::RoleName::Leader);
}

TEST(Recorder, ANodeThatMustStopIsReplayedToItsLastWord) {
    std::string bytes;
    RecordedNode node(sink_of(bytes));
    node.world().disk->fail_operation(0, wal::DiskError::Failed, true);
    EXPECT_EQ(node.request("PUT", "/kv/a", "1"), 0);
    ASSERT_TRUE(node.world().failure);
    const sim::NodeReplay replayed = replay(bytes);
    EXPECT_FALSE(replayed.divergence) << replayed.divergence->text;
    EXPECT_EQ(replayed.end, sim::RecordingEnd::Failed);
    EXPECT_EQ(replayed.last_words, node.world().failure->second);
}

TEST(Recorder, ARefusalToStartIsReplayed) {
    std::string bytes;
    NodeHost world(config_of_one(), 1);
    world.disk->fail_operation(3, wal::DiskError::Failed);
    server::Recorder recorder(sink_of(bytes), kBytesMax, world, *world.disk);
    ASSERT_TRUE(recorder.begin({QUORATE_VERSION, 0, 0, config_of_one()}));
    const auto opened = server::NodeDriver::open(config_of_one(), *world.disk, world, &recorder);
    ASSERT_FALSE(opened);
    const sim::NodeReplay replayed = replay(bytes);
    EXPECT_FALSE(replayed.divergence) << replayed.divergence->text;
    EXPECT_EQ(replayed.end, sim::RecordingEnd::Refused);
    EXPECT_EQ(replayed.last_words, opened.error().message);
}

TEST(Recorder, TheNodeGoesOnWhenTheRecordingCannot) {
    std::string bytes;
    bool is_full = false;
    int tries = 0;
    RecordedNode node([&](std::string_view more) -> std::expected<void, std::string> {
        if (is_full) {
            ++tries;
            return std::unexpected("node.rec: pwrite: No space left on device");
        }
        bytes += more;
        return {};
    });
    EXPECT_EQ(node.request("PUT", "/kv/a", "1"), 200);
    is_full = true;
    for (int i = 0; i < 5; ++i) EXPECT_EQ(node.request("PUT", "/kv/a", "2"), 200);
    EXPECT_EQ(tries, 1);
    EXPECT_THAT(node.world().lines, Contains(HasSubstr("No space left on device; serving goes on")).Times(1));
    const sim::NodeReplay replayed = replay(bytes);
    EXPECT_FALSE(replayed.divergence) << replayed.divergence->text;
    EXPECT_EQ(replayed.end, sim::RecordingEnd::Open);
}

TEST(Recorder, SaysThatTheRecordingHasReachedItsSize) {
    for (const std::uint64_t bytes_max : {1000U, 1500U, 3000U, 6000U}) {
        std::string bytes;
        RecordedNode node(sink_of(bytes), bytes_max);
        for (int i = 0; i < 50; ++i) EXPECT_EQ(node.request("PUT", "/kv/a", std::string(100, 'x')), 200);
        EXPECT_LE(bytes.size(), bytes_max);
        EXPECT_THAT(node.world().lines,
                    Contains(HasSubstr("it has reached its size; serving goes on")).Times(1));
        const sim::NodeReplay replayed = replay(bytes);
        EXPECT_FALSE(replayed.divergence) << replayed.divergence->text;
        EXPECT_EQ(replayed.end, sim::RecordingEnd::SizeReached);
    }
}

}  // namespace
}  // namespace quorate::test
