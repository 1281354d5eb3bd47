// Nodes of simulated worlds, recorded and run again: that nothing which a node depends on is left out.

#include "sim/node_replay.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/overloaded.h"
#include "sim/storm.h"
#include "sim/world.h"
#include "tests/support/recordings.h"

namespace quorate::sim {
namespace {

using test::sink_of;
using test::source_of;
using testing::HasSubstr;

/// By node and life.
using Recordings = std::map<std::pair<std::size_t, std::uint64_t>, std::string>;

Recordings record(const Plan& plan, RunResult* result = nullptr, std::uint64_t bytes_max = 1U << 30) {
    Recordings recordings;
    RunOptions options;
    options.record = [&](std::size_t node, std::uint64_t life, std::string_view bytes) {
        recordings[{node, life}] += bytes;
    };
    options.record_bytes_max = bytes_max;
    RunResult run_result = run(plan, options);
    if (result != nullptr) *result = std::move(run_result);
    return recordings;
}

NodeReplay replay(std::string_view bytes, const NodeReplayOptions& options = {}) {
    server::RecordingReader reader(source_of(bytes));
    const auto header = reader.header();
    EXPECT_TRUE(header) << header.error().line;
    return replay_node(*header, reader, options);
}

std::string told(const NodeReplay& replayed) {
    if (replayed.divergence)
        return "input " + std::to_string(replayed.divergence->input) + " (" +
               replayed.divergence->input_kind + "): " + replayed.divergence->text;
    return replayed.problem ? replayed.problem->line : std::string();
}

TEST(NodeReplay, EveryLifeOfEveryNodeReachesTheSameDigests) {
    std::map<RecordingEnd, int> ends;
    std::uint64_t inputs = 0;
    std::uint64_t digests = 0;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        for (const auto& [who, bytes] : record(make_plan(seed))) {
            const NodeReplay replayed = replay(bytes);
            EXPECT_EQ(told(replayed), "") << "seed " << seed << " node " << who.first;
            EXPECT_EQ(replayed.torn_bytes, 0U);
            ++ends[replayed.end];
            inputs += replayed.inputs;
            digests += replayed.digests;
        }
    }
    EXPECT_GT(ends[RecordingEnd::Stopped], 100);
    EXPECT_GT(ends[RecordingEnd::Failed], 0);
    EXPECT_GT(ends[RecordingEnd::Refused], 0);
    EXPECT_GT(ends[RecordingEnd::Open], 0) << "those that are up when the world ends";
    EXPECT_GT(inputs, 100'000U);
    EXPECT_GT(digests, 1000U);
}

TEST(NodeReplay, RecordingChangesNothing) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        RunResult recorded;
        EXPECT_FALSE(record(make_plan(seed), &recorded).empty());
        const RunResult plain = run(make_plan(seed));
        EXPECT_EQ(recorded.trace_hash, plain.trace_hash);
        EXPECT_EQ(recorded.marks, plain.marks) << "what watches the node sees it behind the recorder too";
    }
}

TEST(NodeReplay, APrefixIsReplayedAsFarAsItGoes) {
    const Recordings recordings = record(make_fair_weather(3, 5, 1));
    const std::string& bytes = recordings.begin()->second;
    const std::size_t step = bytes.size() / 97;
    std::uint64_t inputs = UINT64_MAX;
    for (std::size_t size = bytes.size(); size > 2000; size -= step) {
        const NodeReplay replayed = replay(std::string_view(bytes).substr(0, size));
        EXPECT_EQ(told(replayed), "") << size;
        EXPECT_EQ(replayed.end, RecordingEnd::Open);
        EXPECT_LE(replayed.inputs, inputs);
        inputs = replayed.inputs;
    }
}

TEST(NodeReplay, ARecordingThatHasReachedItsSizeIsReplayedAsFarAsItGoes) {
    for (const std::uint64_t bytes_max : {1000U, 2000U, 5000U, 20'000U, 50'000U}) {
        for (const auto& [who, bytes] : record(make_plan(3), nullptr, bytes_max)) {
            EXPECT_LE(bytes.size(), bytes_max);
            EXPECT_EQ(told(replay(bytes)), "") << bytes_max << " node " << who.first;
        }
    }
}

TEST(NodeReplay, StopsWhereItIsTold) {
    const Recordings recordings = record(make_fair_weather(3, 5, 1));
    std::vector<std::string> lines;
    NodeReplayOptions options;
    options.inputs_max = 1000;
    options.log = [&](std::uint64_t now_ms, server::LogLevel, std::string_view line) {
        // This world begins at 0, and what is told when a log is opened is told then.
        if (line.contains("role=")) {
            EXPECT_GT(now_ms, 0U);
        }
        lines.emplace_back(line);
    };
    const NodeReplay replayed = replay(recordings.begin()->second, options);
    EXPECT_EQ(told(replayed), "");
    EXPECT_EQ(replayed.inputs, 1000U);
    EXPECT_EQ(replayed.end, RecordingEnd::Until);
    EXPECT_THAT(lines, testing::Contains(HasSubstr("role=")));
}

// The recording, with each record passed through `change`, and left out where that says no.
template <class Change>
std::string changed(const std::string& bytes, Change change) {
    server::RecordingReader reader(source_of(bytes));
    const auto header = reader.header();
    std::string out;
    server::RecordingWriter writer(sink_of(out), 1U << 30);
    EXPECT_TRUE(header && writer.begin(*header));
    for (auto next = reader.next(); next && *next; next = reader.next()) {
        server::RecordedItem item = std::move(**next);
        if (!change(item)) continue;
        writer.add([&](server::RecordEncoder& to) {
            std::visit(
                engine::Overloaded{
                    [&](const server::Input& input) {
                        std::visit(
                            engine::Overloaded{
                                [&](const server::TickInput& i) { to.tick(i.now_ms); },
                                [&](const server::RequestInput& i) { to.request(i.exchange, i.request); },
                                [&](const server::FrameInput& i) { to.frame(i.from, i.frame); },
                                [&](const server::PeerLostInput& i) { to.peer_lost(i.peer); },
                                [&](const server::DiskCompletedInput& i) { to.disk_completed(i.completion); },
                                [&](const server::TurnEndedInput& turn) { to.turn_ended(turn.clock_ms); },
                                [&](const server::StopBegunInput&) { to.stop_begun(); },
                            },
                            input);
                    },
                    [&](const server::PortCall& call) {
                        const std::expected<void, wal::DiskFailure> result =
                            call.failure ? std::unexpected(*call.failure)
                                         : std::expected<void, wal::DiskFailure>();
                        switch (static_cast<int>(call.kind)) {
                            case static_cast<int>(server::RecordKind::SendFrame):
                            case static_cast<int>(server::RecordKind::WantsAnswer):
                            case static_cast<int>(server::RecordKind::WantsPart):
                            case static_cast<int>(server::RecordKind::SendPart):
                                return to.call(call.kind, call.arguments, call.yes);
                            case static_cast<int>(server::RecordKind::Lock):
                            case static_cast<int>(server::RecordKind::Run):
                                return to.call(call.kind, call.arguments, result);
                            case static_cast<int>(server::RecordKind::List):
                                return to.list(call.arguments, call.files);
                            case static_cast<int>(server::RecordKind::Read):
                                return to.read(call.arguments, result, call.bytes);
                            default: return to.call(call.kind, call.arguments);
                        }
                    },
                    [&](const server::NodeDigest& digest) { to.digest(digest); },
                    [&](const server::RefusedMark& mark) { to.refused(mark.exit_code); },
                    [&](const server::EndMark& mark) { to.end(mark.reason); },
                },
                item);
        });
    }
    writer.flush();
    return out;
}

template <class Kind>
Kind* as_input(server::RecordedItem& item) {
    auto* input = std::get_if<server::Input>(&item);
    return input != nullptr ? std::get_if<Kind>(input) : nullptr;
}

class TamperedRecording : public testing::Test {
 protected:
    /// The leader's, whose inputs are of every kind but a lost peer.
    std::string bytes_ = [] {
        std::string best;
        for (const auto& [who, bytes] : record(make_fair_weather(3, 5, 1))) {
            if (replay(bytes).role == engine::RoleName::Leader) best = bytes;
        }
        return best;
    }();

    template <class Change>
    Divergence divergence(Change change) {
        const NodeReplay replayed = replay(changed(bytes_, change));
        EXPECT_FALSE(replayed.problem) << replayed.problem->line;
        EXPECT_TRUE(replayed.divergence);
        return replayed.divergence.value_or(Divergence{});
    }
};

TEST_F(TamperedRecording, IsNoneWhenNothingIsChanged) {
    EXPECT_EQ(told(replay(changed(bytes_, [](const server::RecordedItem&) { return true; }))), "");
}

TEST_F(TamperedRecording, AWriteWithAnotherValueIsNoticedBeforeItIsAnswered) {
    std::uint64_t inputs = 0;
    std::uint64_t changed_input = 0;
    const Divergence d = divergence([&](server::RecordedItem& item) {
        if (std::holds_alternative<server::Input>(item)) ++inputs;
        auto* input = as_input<server::RequestInput>(item);
        // Those before it may have come when nobody led, and were refused whatever they said.
        if (input == nullptr || input->request.method != "PUT" || inputs < 1000 || changed_input != 0)
            return true;
        changed_input = inputs;
        input->request.body += "x";
        return true;
    });
    EXPECT_GE(d.input, changed_input);
    EXPECT_EQ(d.input_kind, "turn-ended");
    EXPECT_THAT(d.text, HasSubstr("recorded send_frame of other arguments, replayed send_frame (to "));
}

TEST_F(TamperedRecording, ARequestThatIsMissingIsNoticed) {
    bool is_gone = false;
    const Divergence d = divergence([&](server::RecordedItem& item) {
        if (is_gone || as_input<server::RequestInput>(item) == nullptr) return true;
        is_gone = true;
        return false;
    });
    EXPECT_NE(d.text, "");
}

TEST_F(TamperedRecording, AnAnswerThatTheNodeDidNotGiveIsNoticed) {
    bool is_done = false;
    const Divergence d = divergence([&](server::RecordedItem& item) {
        auto* call = std::get_if<server::PortCall>(&item);
        if (is_done || call == nullptr || call->kind != server::RecordKind::Respond) return true;
        is_done = true;
        ++call->arguments;
        return true;
    });
    EXPECT_THAT(d.text, HasSubstr("recorded respond of other arguments, replayed respond (exchange "));
}

TEST_F(TamperedRecording, ACallThatTheReplayDoesNotMakeIsNoticed) {
    bool is_done = false;
    const Divergence d = divergence([&](server::RecordedItem& item) {
        if (is_done || as_input<server::TickInput>(item) == nullptr) return true;
        is_done = true;
        item = server::PortCall{server::RecordKind::Log, 1, false, {}, {}, {}};
        return true;
    });
    EXPECT_EQ(d.text, "recorded log, replayed nothing more");
}

TEST_F(TamperedRecording, ADiskThatEndsAJobWhichNobodyBeganIsNoticed) {
    bool is_done = false;
    const Divergence d = divergence([&](server::RecordedItem& item) {
        auto* input = as_input<server::DiskCompletedInput>(item);
        if (is_done || input == nullptr) return true;
        is_done = true;
        input->completion.id += 1000;
        return true;
    });
    EXPECT_THAT(d.text, HasSubstr("which the replay has not begun"));
}

TEST_F(TamperedRecording, AnotherDigestIsNamed) {
    struct Row {
        std::function<void(server::NodeDigest&)> change;
        std::string text;
    };
    const std::vector<Row> rows{
        {[](server::NodeDigest& d) { ++d.term; }, "term: recorded"},
        {[](server::NodeDigest& d) { ++d.commit_index; }, "commit index: recorded"},
        {[](server::NodeDigest& d) { ++d.applied_index; }, "applied index: recorded"},
        {[](server::NodeDigest& d) { ++d.revision; }, "revision: recorded"},
        {[](server::NodeDigest& d) { ++d.applied_chain; }, "digest of the applied entries: recorded 0x"},
        {[](server::NodeDigest& d) { ++*d.engine; }, "digest of the engine: recorded 0x"},
        {[](server::NodeDigest& d) { ++*d.store; }, "digest of the store: recorded 0x"},
    };
    for (const Row& row : rows) {
        int digests = 0;
        const Divergence d = divergence([&](server::RecordedItem& item) {
            auto* digest = std::get_if<server::NodeDigest>(&item);
            if (digest != nullptr && ++digests == 3) row.change(*digest);
            return true;
        });
        EXPECT_THAT(d.text, HasSubstr(row.text));
        EXPECT_THAT(d.text, HasSubstr("equal behind input"));
    }
}

TEST_F(TamperedRecording, ABitThatFlippedInTheFileIsDamage) {
    std::string harmed = bytes_;
    harmed[harmed.size() / 2] = static_cast<char>(harmed[harmed.size() / 2] ^ 1);
    const NodeReplay replayed = replay(harmed);
    EXPECT_FALSE(replayed.divergence) << replayed.divergence->text;
    ASSERT_TRUE(replayed.problem);
    EXPECT_EQ(replayed.problem->kind, server::RecordingProblem::Kind::Damaged);
    EXPECT_GT(replayed.inputs, 0U);
}

}  // namespace
}  // namespace quorate::sim
