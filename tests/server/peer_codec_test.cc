#include "server/peer_codec.h"

#include <cstring>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/server/generators.h"

namespace quorate::server::test {
namespace {

template <class Ordinal>
Ordinal any() {
    return Ordinal(any_number());
}

engine::EntryId any_entry_id() { return {any<engine::LogIndex>(), any<engine::Term>()}; }
engine::CampaignKind any_kind() { return static_cast<engine::CampaignKind>(1 + number_up_to(2)); }

RaftFrame any_append() {
    RaftFrame frame;
    const auto count = static_cast<std::uint32_t>(number_up_to(4));
    frame.message =
        engine::AppendEntries{any<engine::Term>(), any_entry_id(), count, any<engine::LogIndex>()};
    for (std::uint32_t i = 0; i < count; ++i) {
        frame.entries.push_back(
            {any<engine::Term>(), static_cast<engine::EntryKind>(1 + number_up_to(2)), any_bytes()});
    }
    return frame;
}

NodeHealth any_health() {
    NodeHealth health = NodeHealth::down(any_bytes(), any_bytes());
    health.up = true;
    health.role = static_cast<engine::RoleName>(number_up_to(3));
    health.leader_id = any_bytes();
    health.leader_addr = any_bytes();
    for (std::uint64_t* number :
         {&health.term, &health.commit_index, &health.last_index, &health.durable_entry_term,
          &health.durable_index, &health.durable_term, &health.applied_index, &health.snapshot_index,
          &health.revision, &health.keys, &health.bytes}) {
        *number = any_number();
    }
    health.storage = static_cast<StorageState>(1 + number_up_to(1));
    health.version = any_bytes();
    return health;
}

WriteOutcome any_outcome() {
    switch (number_up_to(6)) {
        case 0: return WriteNotLeader{};
        case 1: return WriteOverloaded{};
        case 2: return WriteNotApplied{};
        case 3: return WriteDiskFull{};
        case 4: return WriteUnknown{};
        case 5: return WriteAnswersFull{};
        default:
            return WriteApplied{{any_number(), static_cast<std::uint32_t>(any_number()), number_up_to(1) == 1,
                                 any_number(), static_cast<ApplyResult::Standing>(number_up_to(3)),
                                 any_number()}};
    }
}

constexpr std::size_t kFrameKinds = 18;

// One of each kind of frame.
PeerFrame any_frame(std::size_t kind) {
    using namespace engine;  // NOLINT(google-build-using-namespace): every message, by name
    const auto term = any<Term>();
    const auto index = any<LogIndex>();
    const auto request = any<RequestId>();
    switch (kind) {
        case 0: return RaftFrame{RequestVote{term, any_kind(), any_entry_id()}, {}};
        case 1: return RaftFrame{VoteGranted{term, any_kind()}, {}};
        case 2: return RaftFrame{VoteRefused{term, any_kind(), any<Term>()}, {}};
        case 3: return any_append();
        case 4: return RaftFrame{AppendAccepted{term, index}, {}};
        case 5: return RaftFrame{AppendRefused{term, any_entry_id(), any_entry_id(), index}, {}};
        case 6: return RaftFrame{Heartbeat{term, any<Round>(), index}, {}};
        case 7:
            return RaftFrame{HeartbeatReply{term, any<Round>(), index, any<LogIndex>(), any<LogIndex>()}, {}};
        case 8: return RaftFrame{StaleTerm{term}, {}};
        case 9: return RaftFrame{TimeoutNow{term}, {}};
        case 10: return RaftFrame{ReadIndexRequest{term, request}, {}};
        case 11: return RaftFrame{ReadIndexReply{term, request, index}, {}};
        case 12: return RaftFrame{ReadIndexRefused{term, request}, {}};
        case 13: return RaftFrame{InstallSnapshot{term, any_entry_id()}, {}};
        case 14: return ForwardWrite{any_number(), term, any_bytes()};
        case 15: return ForwardWriteReply{any_number(), any_outcome()};
        case 16: return HealthRequest{any_number()};
        default: return HealthReply{any_number(), any_health()};
    }
}

RawFrame raw(const std::string& frame) {
    return {static_cast<std::uint8_t>(frame[5]), std::string_view(frame).substr(kFrameHeadBytes)};
}

RC_GTEST_PROP(PeerCodec, EveryFrameComesBack, ()) {
    for (std::size_t kind = 0; kind < kFrameKinds; ++kind) {
        const PeerFrame frame = any_frame(kind);
        FrameReader reader;
        reader.feed(encode_frame(frame));
        const auto read = next_peer_frame(reader);
        RC_ASSERT(read.has_value());
        RC_ASSERT(read->has_value());
        RC_ASSERT(**read == frame);
        const auto rest = next_peer_frame(reader);
        RC_ASSERT(rest.has_value() && !rest->has_value());
    }
}

RC_GTEST_PROP(PeerCodec, APayloadThatIsCutOrContinuedIsRefused, ()) {
    for (std::size_t kind = 0; kind < kFrameKinds; ++kind) {
        const std::string bytes = encode_frame(any_frame(kind));
        const RawFrame whole = raw(bytes);
        for (std::size_t size = 0; size < whole.payload.size(); ++size) {
            RC_ASSERT(!decode_frame({whole.type, whole.payload.substr(0, size)}));
        }
        RC_ASSERT(!decode_frame({whole.type, std::string(whole.payload) + '\0'}));
    }
}

// With the checksum out of the way: what decodes at all has one encoding only.
RC_GTEST_PROP(PeerCodec, ForeignPayloadsGiveAFrameOrNothing, ()) {
    for (std::size_t kind = 0; kind < kFrameKinds; ++kind) {
        const std::string bytes = encode_frame(any_frame(kind));
        const std::string payload = with_flipped_bit(bytes.substr(kFrameHeadBytes));
        if (const auto frame = decode_frame({raw(bytes).type, payload}))
            RC_ASSERT(raw(encode_frame(*frame)).payload == payload);
        const std::string foreign = any_bytes();
        static_cast<void>(decode_frame({raw(bytes).type, foreign}));
    }
}

TEST(PeerCodec, RefusesUnknownTypes) {
    std::size_t known = 0;
    for (int type = 0; type < 256; ++type) {
        if (decode_frame({static_cast<std::uint8_t>(type), std::string(8, '\0')})) ++known;
    }
    EXPECT_EQ(known, 3U) << "StaleTerm, TimeoutNow and HealthRequest are eight bytes";
}

TEST(PeerCodec, RefusesValuesOutOfRange) {
    using engine::CampaignKind;
    const auto refused = [](const PeerFrame& frame, std::size_t at, char byte) {
        std::string bytes = encode_frame(frame);
        EXPECT_TRUE(decode_frame(raw(bytes)));
        bytes[kFrameHeadBytes + at] = byte;
        return !decode_frame(raw(bytes));
    };
    const PeerFrame granted = RaftFrame{engine::VoteGranted{engine::Term(1), CampaignKind::Election}, {}};
    EXPECT_TRUE(refused(granted, 8, 0));
    EXPECT_TRUE(refused(granted, 8, 4));
    const PeerFrame append =
        RaftFrame{engine::AppendEntries{{}, {}, 1, {}}, {{{}, engine::EntryKind::Command, "x"}}};
    EXPECT_TRUE(refused(append, 24, 0)) << "fewer entries than there are";
    EXPECT_TRUE(refused(append, 24, 2)) << "more entries than there are";
    EXPECT_TRUE(refused(append, 27, '\x7f')) << "very many more";
    EXPECT_TRUE(refused(append, 44, 4)) << "an unknown kind of entry";
    const PeerFrame reply = ForwardWriteReply{1, WriteApplied{}};
    EXPECT_TRUE(refused(reply, 8, 0));
    EXPECT_TRUE(refused(reply, 8, 7));
    EXPECT_TRUE(refused(reply, 8 + 1 + 8 + 4, 2)) << "neither true nor false";
}

TEST(PeerCodec, AFrameThatCannotBeReadClosesTheConnection) {
    std::string bytes = begin_frame();
    finish_frame(bytes, 99);
    FrameReader reader;
    reader.feed(bytes);
    const auto read = next_peer_frame(reader);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error(), FrameError::UnknownPayload);
}

TEST(PeerCodec, TheLargestEntryFitsIntoAFrame) {
    const RaftFrame frame{engine::AppendEntries{{}, {}, 1, {}},
                          {{{}, engine::EntryKind::Command, std::string(wal::kPayloadBytesMax, 'x')}}};
    FrameReader reader;
    reader.feed(encode_frame(frame));
    const auto read = next_peer_frame(reader);
    ASSERT_TRUE(read && *read);
    EXPECT_TRUE(**read == PeerFrame(frame));
}

TEST(Health, TextsAreCutBeforeTheyAreSent) {
    NodeHealth health;
    health.version = std::string(600, 'v');
    const auto read = decode_health(encode_health(health));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->version, std::string(512, 'v'));
}

}  // namespace
}  // namespace quorate::server::test
