// Recordings: what is written is read, and what was harmed is told apart from what was cut off.

#include "server/recording.h"

#include <variant>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/recording_reader.h"
#include "server/recording_writer.h"
#include "tests/support/recordings.h"

namespace quorate::server::test {
namespace {

using quorate::test::sink_of;
using quorate::test::source_of;
using testing::HasSubstr;

constexpr std::uint64_t kBytesMax = std::uint64_t{1} << 30;

RecordingHeader some_header() {
    RecordingHeader header{"9.8.7", 1'700'000'000'123, 42, {}};
    header.config.cluster_id = "c";
    header.config.members.members = {{engine::ServerId(1), "1", "h1:1", MemberRole::Voter},
                                     {engine::ServerId(2), "2", "h2:2", MemberRole::Voter}};
    header.config.self = header.config.members.members[1];
    header.config.raft.self = engine::ServerId(2);
    header.config.raft.seed = UINT64_MAX;
    header.config.limits.range_bytes_max = 12345;
    header.config.apply_bytes_max = 54321;
    header.config.incarnation = 77;
    return header;
}

std::string written(const std::vector<std::function<void(RecordEncoder&)>>& records,
                    std::uint64_t bytes_max = kBytesMax) {
    std::string bytes;
    RecordingWriter writer(sink_of(bytes), bytes_max);
    EXPECT_TRUE(writer.begin(some_header()));
    for (const auto& record : records) writer.add(record);
    writer.flush();
    return bytes;
}

struct ReadBack {
    std::vector<RecordedItem> records;
    std::optional<RecordingProblem> problem;
    std::uint64_t torn_bytes = 0;
};

ReadBack read_back(std::string_view bytes) {
    ReadBack result;
    RecordingReader reader(source_of(bytes));
    if (const auto header = reader.header(); !header) {
        result.problem = header.error();
        return result;
    }
    for (;;) {
        auto next = reader.next();
        if (!next) {
            result.problem = next.error();
            break;
        }
        if (!*next) break;
        result.records.push_back(std::move(**next));
    }
    result.torn_bytes = reader.torn_bytes();
    return result;
}

template <class Kind>
const Kind& as_input(const RecordedItem& item) {
    return std::get<Kind>(std::get<Input>(item));
}

TEST(Recording, TheHeaderHoldsTheWholeConfiguration) {
    const RecordingHeader header = some_header();
    const std::string bytes = written({});
    RecordingReader reader(source_of(bytes));
    const auto read = reader.header();
    ASSERT_TRUE(read) << read.error().line;
    EXPECT_EQ(read->program_version, "9.8.7");
    EXPECT_EQ(read->unix_ms, header.unix_ms);
    EXPECT_EQ(read->loop_ms, 42U);
    EXPECT_EQ(encode_recording_header(*read), encode_recording_header(header));
    EXPECT_EQ(read->config.raft, header.config.raft);
    EXPECT_EQ(read->config.limits, header.config.limits);
    EXPECT_EQ(read->config.self, header.config.self);
    EXPECT_EQ(read->config.apply_bytes_max, 54321U);
}

TEST(Recording, EveryInputComesBack) {
    const HttpRequest request{
        "PUT", "/kv/a?x=%00", {{"Host", "h"}, {"If-Match", "\"3\""}}, std::string("\0b", 2)};
    const PeerFrame frame = ForwardWrite{9, engine::Term(3), "command"};
    const wal::DiskFailure failure{wal::DiskError::NoSpace, "log-1", "pwrite: full"};
    const std::string bytes = written({
        [](RecordEncoder& to) { to.tick(123); },
        [&](RecordEncoder& to) { to.request(7, request); },
        [&](RecordEncoder& to) { to.frame(engine::ServerId(3), frame); },
        [](RecordEncoder& to) { to.peer_lost(engine::ServerId(4)); },
        [](RecordEncoder& to) { to.disk_completed({5, {}}); },
        [&](RecordEncoder& to) { to.disk_completed({6, std::unexpected(failure)}); },
        [](RecordEncoder& to) { to.turn_ended(9); },
        [](RecordEncoder& to) { to.stop_begun(); },
    });
    const ReadBack back = read_back(bytes);
    ASSERT_FALSE(back.problem) << back.problem->line;
    ASSERT_EQ(back.records.size(), 8U);
    EXPECT_EQ(as_input<TickInput>(back.records[0]).now_ms, 123U);
    EXPECT_EQ(as_input<RequestInput>(back.records[1]).exchange, 7U);
    EXPECT_EQ(as_input<RequestInput>(back.records[1]).request, request);
    EXPECT_EQ(as_input<FrameInput>(back.records[2]).from, engine::ServerId(3));
    EXPECT_EQ(as_input<FrameInput>(back.records[2]).frame, frame);
    EXPECT_EQ(as_input<PeerLostInput>(back.records[3]).peer, engine::ServerId(4));
    EXPECT_TRUE(as_input<DiskCompletedInput>(back.records[4]).completion.result);
    EXPECT_EQ(as_input<DiskCompletedInput>(back.records[5]).completion.id, 6U);
    EXPECT_EQ(as_input<DiskCompletedInput>(back.records[5]).completion.result.error(), failure);
    EXPECT_EQ(kind_of(std::get<Input>(back.records[6])), RecordKind::TurnEnded);
    EXPECT_EQ(kind_of(std::get<Input>(back.records[7])), RecordKind::StopBegun);
}

TEST(Recording, EveryAnswerAndMarkComesBack) {
    const wal::DiskFailure failure{wal::DiskError::Failed, "f", "pread: broken"};
    const std::vector<wal::FileStatus> files{{"a", 1}, {"b", std::uint64_t{1} << 40}};
    NodeDigest digest{1, 2, 3, 4, 5, 6, std::nullopt};
    const std::string bytes = written({
        [](RecordEncoder& to) { to.call(RecordKind::Respond, 0xffffffff); },
        [](RecordEncoder& to) { to.call(RecordKind::SendFrame, 1, true); },
        [&](RecordEncoder& to) { to.call(RecordKind::Run, 2, std::unexpected(failure)); },
        [&](RecordEncoder& to) { to.list(3, files); },
        [&](RecordEncoder& to) { to.list(3, std::unexpected(failure)); },
        [](RecordEncoder& to) { to.read(4, {}, std::string("x\0y\0\0\0\0", 7)); },
        [](RecordEncoder& to) { to.read(4, {}, std::string(100, '\0')); },
        [&](RecordEncoder& to) { to.read(4, std::unexpected(failure), "not told"); },
        [&](RecordEncoder& to) { to.digest(digest); },
        [](RecordEncoder& to) { to.end(EndReason::SizeReached); },
    });
    const ReadBack back = read_back(bytes);
    ASSERT_FALSE(back.problem) << back.problem->line;
    ASSERT_EQ(back.records.size(), 10U);
    const auto call = [&](std::size_t i) { return std::get<PortCall>(back.records[i]); };
    EXPECT_EQ(call(0).kind, RecordKind::Respond);
    EXPECT_EQ(call(0).arguments, 0xffffffffU);
    EXPECT_TRUE(call(1).yes);
    EXPECT_EQ(call(2).failure, failure);
    EXPECT_EQ(call(3).files, files);
    EXPECT_EQ(call(4).failure, failure);
    EXPECT_EQ(call(5).bytes, std::string("x\0y", 3)) << "zeros at the end are left out";
    EXPECT_EQ(call(6).bytes, "");
    EXPECT_EQ(call(7).failure, failure);
    EXPECT_EQ(std::get<NodeDigest>(back.records[8]), digest);
    EXPECT_EQ(std::get<EndMark>(back.records[9]).reason, EndReason::SizeReached);
    const ReadBack refused = read_back(written({[](RecordEncoder& to) { to.refused(15); }}));
    EXPECT_EQ(std::get<RefusedMark>(refused.records.at(0)).exit_code, 15U);
}

TEST(Recording, BlocksEndWhereTheWriterIsFlushedAndWhenTheyAreFull) {
    std::string bytes;
    std::vector<std::size_t> pieces;
    RecordingWriter writer(
        [&](std::string_view more) -> std::expected<void, std::string> {
            bytes += more;
            pieces.push_back(more.size());
            return {};
        },
        kBytesMax);
    ASSERT_TRUE(writer.begin(some_header()));
    writer.flush();
    EXPECT_EQ(pieces.size(), 1U) << "an empty block is none";
    writer.add([](RecordEncoder& to) { to.tick(1); });
    writer.flush();
    EXPECT_EQ(pieces.size(), 2U);
    const HttpRequest large{"PUT", "/kv/a", {}, std::string(100'000, 'x')};
    for (int i = 0; i < 6; ++i) writer.add([&](RecordEncoder& to) { to.request(1, large); });
    EXPECT_EQ(pieces.size(), 4U);
    writer.flush();
    EXPECT_EQ(writer.bytes_written(), bytes.size());
    const ReadBack back = read_back(bytes);
    EXPECT_FALSE(back.problem);
    EXPECT_EQ(back.records.size(), 7U);
}

// A cut anywhere: whole blocks before it are read, and the rest is a torn tail and no error.
TEST(Recording, ATornTailIsTold) {
    std::string bytes;
    std::vector<std::size_t> ends;
    RecordingWriter writer(sink_of(bytes), kBytesMax);
    ASSERT_TRUE(writer.begin(some_header()));
    ends.push_back(bytes.size());
    for (std::uint64_t i = 0; i < 4; ++i) {
        writer.add([&](RecordEncoder& to) { to.tick(i); });
        writer.add([&](RecordEncoder& to) { to.turn_ended(9); });
        writer.flush();
        ends.push_back(bytes.size());
    }
    for (std::size_t size = ends.front(); size <= bytes.size(); ++size) {
        const ReadBack back = read_back(std::string_view(bytes).substr(0, size));
        ASSERT_FALSE(back.problem) << size << ": " << back.problem->line;
        const auto next = std::ranges::upper_bound(ends, size);
        EXPECT_EQ(back.records.size(), 2 * static_cast<std::size_t>(next - ends.begin() - 1)) << size;
        EXPECT_EQ(back.torn_bytes, size - *(next - 1)) << size;
    }
    const ReadBack zeros = read_back(bytes + std::string(5000, '\0'));
    EXPECT_FALSE(zeros.problem);
    EXPECT_EQ(zeros.records.size(), 8U);
    EXPECT_EQ(zeros.torn_bytes, 5000U) << "what a file system leaves of blocks that it did not write";
}

// Never a tail that a crash cut off, though nothing whole stands behind the last block.
TEST(Recording, AFlippedBitIsDamageWhereverItIs) {
    std::string bytes;
    std::vector<std::size_t> ends;
    RecordingWriter writer(sink_of(bytes), kBytesMax);
    ASSERT_TRUE(writer.begin(some_header()));
    ends.push_back(bytes.size());
    for (std::uint64_t i = 0; i < 3; ++i) {
        writer.add([&](RecordEncoder& to) { to.tick(i); });
        writer.flush();
        ends.push_back(bytes.size());
    }
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        const std::size_t at = bit / 8;
        std::string harmed = bytes;
        harmed[at] = static_cast<char>(harmed[at] ^ (1 << bit % 8));
        const ReadBack back = read_back(harmed);
        ASSERT_TRUE(back.problem) << "bit " << bit % 8 << " of byte " << at;
        EXPECT_FALSE(back.problem->line.empty());
        if (at < ends.front()) {
            EXPECT_LE(back.problem->offset, at);
            continue;
        }
        EXPECT_EQ(back.problem->kind, RecordingProblem::Kind::Damaged) << at;
        const auto block = std::ranges::upper_bound(ends, at) - 1;
        EXPECT_EQ(back.problem->offset, *block) << at;
        EXPECT_EQ(back.records.size(), static_cast<std::size_t>(block - ends.begin())) << at;
    }
}

TEST(Recording, WhatStandsBehindTheEndIsDamage) {
    const auto end = [](RecordEncoder& to) { to.end(EndReason::Stopped); };
    const auto refused = [](RecordEncoder& to) { to.refused(15); };
    for (const std::function<void(RecordEncoder&)>& last :
         {std::function<void(RecordEncoder&)>(end), std::function<void(RecordEncoder&)>(refused)}) {
        const std::string bytes = written({[](RecordEncoder& to) { to.tick(1); }, last});
        EXPECT_EQ(read_back(bytes).records.size(), 2U);
        for (const std::string& more : {std::string(1, '\0'), std::string(5000, '\0'), std::string("x"),
                                        bytes.substr(written({}).size())}) {
            const ReadBack back = read_back(bytes + more);
            ASSERT_TRUE(back.problem);
            EXPECT_EQ(back.problem->offset, bytes.size());
            EXPECT_THAT(back.problem->line, HasSubstr("bytes stand behind the end of the recording"));
        }
        const ReadBack within = read_back(written({last, last}));
        ASSERT_TRUE(within.problem);
        EXPECT_THAT(within.problem->line, HasSubstr("records stand behind the one that ends"));
    }
}

TEST(Recording, TheWriterWritesNothingBehindTheEnd) {
    std::string bytes;
    RecordingWriter writer(sink_of(bytes), kBytesMax);
    ASSERT_TRUE(writer.begin(some_header()));
    writer.end(EndReason::Stopped);
    const std::string ended = bytes;
    writer.add([](RecordEncoder& to) { to.turn_ended(9); });
    writer.end(EndReason::Stopped);
    writer.flush();
    EXPECT_EQ(bytes, ended);
    EXPECT_EQ(read_back(bytes).records.size(), 1U);
    ASSERT_TRUE(writer.stop());
    EXPECT_FALSE(writer.stop()->is_failure);
}

TEST(Recording, ABlockThatIsMissingIsDamage) {
    std::vector<std::string> pieces;
    RecordingWriter writer(
        [&](std::string_view more) -> std::expected<void, std::string> {
            pieces.emplace_back(more);
            return {};
        },
        kBytesMax);
    ASSERT_TRUE(writer.begin(some_header()));
    for (std::uint64_t i = 0; i < 3; ++i) {
        writer.add([&](RecordEncoder& to) { to.tick(i); });
        writer.flush();
    }
    const ReadBack back = read_back(pieces[0] + pieces[1] + pieces[3]);
    ASSERT_TRUE(back.problem);
    EXPECT_EQ(back.records.size(), 1U);
    EXPECT_EQ(back.problem->offset, pieces[0].size() + pieces[1].size());
    EXPECT_THAT(back.problem->line, HasSubstr("expected block 1, seen block 2"));
}

TEST(Recording, WhatIsNoRecordingOrOfALaterVersionIsRefused) {
    const auto problem = [](std::string_view bytes) {
        RecordingReader reader(source_of(bytes));
        const auto header = reader.header();
        EXPECT_FALSE(header);
        return header ? RecordingProblem{} : header.error();
    };
    using Kind = RecordingProblem::Kind;
    EXPECT_EQ(problem("").kind, Kind::NotARecording);
    EXPECT_EQ(problem("{\"seed\": 4711, \"shape\": {}}").kind, Kind::NotARecording);
    const std::string bytes = written({});
    std::string later = bytes;
    later[8] = 5;
    EXPECT_EQ(problem(later).kind, Kind::OtherVersion);
    EXPECT_THAT(problem(later).line, HasSubstr("format 5, and this program reads format 4"));
    EXPECT_EQ(problem(std::string_view(bytes).substr(0, 15)).kind, Kind::Damaged);
    EXPECT_EQ(problem(std::string_view(bytes).substr(0, bytes.size() - 1)).kind, Kind::Damaged);
}

TEST(Recording, AConfigurationThatNoNodeCanHaveIsRefused) {
    const auto is_refused = [](const RecordingHeader& header) {
        const std::string bytes = encode_recording_header(header);
        RecordingReader reader(source_of(bytes));
        return !reader.header();
    };
    RecordingHeader header = some_header();
    header.config.raft.heartbeat_ticks = 0;
    EXPECT_TRUE(is_refused(header));
    header = some_header();
    header.config.incarnation = 0;
    EXPECT_TRUE(is_refused(header));
    EXPECT_FALSE(is_refused(some_header()));
}

TEST(Recording, EndsWithAMarkBeforeItPassesItsSize) {
    for (const std::uint64_t bytes_max : {500U, 501U, 550U, 1000U}) {
        std::string bytes;
        RecordingWriter writer(sink_of(bytes), bytes_max);
        ASSERT_TRUE(writer.begin(some_header()));
        std::size_t added = 0;
        for (; !writer.stop(); ++added) {
            writer.add([&](RecordEncoder& to) { to.tick(added); });
            if (added % 3 == 0) writer.flush();
        }
        EXPECT_FALSE(writer.stop()->is_failure);
        writer.add([](RecordEncoder& to) { to.turn_ended(9); });
        writer.flush();
        EXPECT_LE(bytes.size(), bytes_max);
        const ReadBack back = read_back(bytes);
        ASSERT_FALSE(back.problem) << back.problem->line;
        EXPECT_EQ(back.records.size(), added);
        EXPECT_EQ(std::get<EndMark>(back.records.back()).reason, EndReason::SizeReached);
    }
}

// What a signal's handler writes when the process breaks.
TEST(Recording, TheLastBlockIsWhatHasNotBeenHandedOn) {
    std::string bytes;
    std::string seen = "nothing asked";
    RecordingWriter* self = nullptr;
    RecordingWriter writer(
        [&](std::string_view more) -> std::expected<void, std::string> {
            // It breaks in here: nobody knows how much of the block has been kept.
            if (self != nullptr) seen = self->last_block();
            bytes += more;
            return {};
        },
        kBytesMax);
    ASSERT_TRUE(writer.begin(some_header()));
    EXPECT_EQ(writer.last_block(), "");
    self = &writer;
    writer.add([](RecordEncoder& to) { to.tick(1); });
    writer.flush();
    EXPECT_EQ(seen, "");
    EXPECT_EQ(writer.last_block(), "");
    writer.add([](RecordEncoder& to) { to.tick(2); });
    writer.add([](RecordEncoder& to) { to.tick(3); });
    bytes += writer.last_block();
    const ReadBack back = read_back(bytes);
    EXPECT_FALSE(back.problem);
    EXPECT_EQ(back.records.size(), 3U);
}

TEST(Recording, ASinkThatFailsEndsIt) {
    int calls = 0;
    RecordingWriter writer(
        [&](std::string_view) -> std::expected<void, std::string> {
            if (++calls < 3) return {};
            return std::unexpected("the disk is full");
        },
        kBytesMax);
    ASSERT_TRUE(writer.begin(some_header()));
    for (int i = 0; i < 5; ++i) {
        writer.add([](RecordEncoder& to) { to.turn_ended(9); });
        writer.flush();
    }
    EXPECT_EQ(calls, 3) << "it is not tried again";
    ASSERT_TRUE(writer.stop());
    EXPECT_TRUE(writer.stop()->is_failure);
    EXPECT_EQ(writer.stop()->line, "the disk is full");
}

}  // namespace
}  // namespace quorate::server::test
