// The byte layout, without a log around it.

#include "wal/format.h"

#include <gtest/gtest.h>

#include "wal/checksum.h"

namespace quorate::test {
namespace {

using namespace std::string_literals;
using engine::LogIndex;
using engine::ServerId;
using engine::Term;
using wal::BlockProblem;

TEST(Checksum, IsCrc32c) {
    // RFC 3720, appendix B.4.
    EXPECT_EQ(wal::crc32c(std::string(32, '\0')), 0x8A9136AAU);
    EXPECT_EQ(wal::crc32c(std::string(32, '\xFF')), 0x62A8AB43U);
    EXPECT_EQ(wal::crc32c("123456789"), 0xE3069283U);
    EXPECT_EQ(wal::crc32c(""), 0U);
}

TEST(Format, HeadsNeverCrossASector) {
    for (std::uint64_t end = 4096; end < 4096 + 2048; ++end) {
        const std::uint64_t head = wal::next_head(end);
        EXPECT_GE(head, end);
        EXPECT_LT(head - end, 8 + wal::kHeadBytes);
        EXPECT_EQ(head % 8, 0U);
        EXPECT_EQ(head / 512, (head + wal::kHeadBytes - 1) / 512);
        EXPECT_EQ(wal::next_head(head), head);
    }
}

TEST(Format, BlocksComeBackAsTheyWere) {
    const wal::Identity identity{"cluster", std::string(64, 'n')};
    EXPECT_EQ(wal::decode_identity(wal::encode_identity(identity)), identity);

    const wal::VoteRecord vote{7,
                               wal::owner_of(identity),
                               {Term(1ULL << 60), ServerId(3)},
                               {2, 4200, 0xABCDEF01},
                               wal::Lost::LastBatch,
                               LogIndex(1ULL << 59)};
    EXPECT_EQ(wal::decode_vote(wal::encode_vote(vote)), vote);

    const wal::SegmentHeader header{
        9, 1 << 20, {LogIndex(77), Term(5)}, 8000, 0x01020304, 0xFEDCBA9876543210, identity};
    EXPECT_EQ(wal::decode_header(wal::encode_header(header)), header);
}

TEST(Format, ABlockWithAnyBitChangedIsUnreadable) {
    const std::string block = wal::encode_vote({7, 1, {Term(9), ServerId(3)}, {2, 4200, 5}});
    for (std::size_t bit = 0; bit < block.size() * 8; ++bit) {
        std::string changed = block;
        changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
        const auto decoded = wal::decode_vote(changed);
        ASSERT_FALSE(decoded) << "bit " << bit;
        ASSERT_EQ(decoded.error(), BlockProblem::Unreadable) << "bit " << bit;
    }
}

TEST(Format, AnIntactBlockOfAnotherVersionSaysSo) {
    std::string block = wal::encode_identity({"cluster", "n1"});
    block[8] = 2;
    EXPECT_EQ(wal::decode_identity(block).error(), BlockProblem::Unreadable);
    block.replace(12, 4, 4, '\0');
    const std::uint32_t crc = wal::crc32c(block);
    block.replace(12, 4, reinterpret_cast<const char*>(&crc), 4);
    EXPECT_EQ(wal::decode_identity(block).error(), BlockProblem::UnknownVersion);
}

TEST(Format, OneKindOfBlockIsNotAnother) {
    EXPECT_FALSE(wal::decode_vote(wal::encode_identity({"cluster", "n1"})));
    EXPECT_FALSE(wal::decode_identity(wal::encode_header({1, 8192, {}, 0, 0, 2, {"cluster", "n1"}})));
    EXPECT_FALSE(wal::decode_header(""));
}

class ARecord : public testing::Test {
 protected:
    ARecord() : segment_(4096, '\0') { crc_ = wal::encode_record(head_, payload_, segment_); }

    const std::string payload_ = "some bytes";
    const wal::RecordHead head_{wal::RecordType::Replacement,
                                engine::EntryKind::Command,
                                10,
                                0x11223344,
                                LogIndex(5),
                                Term(6),
                                3,
                                4096};
    std::string segment_;
    std::uint32_t crc_ = 0;
};

TEST_F(ARecord, ComesBackAsItWas) {
    const auto record = wal::decode_record(segment_, 4096, 3);
    ASSERT_TRUE(record);
    EXPECT_EQ(record->head, head_);
    EXPECT_EQ(record->payload, payload_);
    EXPECT_EQ(record->crc, crc_);
    EXPECT_EQ(record->end, 4096 + 48 + 10U);
}

TEST_F(ARecord, WithAnyBitChangedIsNone) {
    for (std::size_t bit = std::size_t{4096} * 8; bit < segment_.size() * 8; ++bit) {
        std::string changed = segment_;
        changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
        ASSERT_FALSE(wal::decode_record(changed, 4096, 3)) << "bit " << bit;
    }
}

TEST_F(ARecord, OfAnotherSegmentIsNone) { EXPECT_FALSE(wal::decode_record(segment_, 4096, 4)); }

TEST_F(ARecord, ThatDoesNotEndWithinTheSegmentIsNone) {
    for (std::size_t size = 0; size < segment_.size(); ++size)
        EXPECT_FALSE(wal::decode_record(std::string_view(segment_).substr(0, size), 4096, 3));
}

TEST_F(ARecord, IsNotMadeOfZeros) {
    EXPECT_FALSE(wal::decode_record(std::string(8192, '\0'), 4096, 0));
    EXPECT_FALSE(wal::decode_record(std::string(8192, '\0'), 4096, 1));
}

TEST(Format, NamesOfFiles) {
    EXPECT_EQ(wal::segment_name(0x1f), "log-000000000000001f");
    EXPECT_EQ(wal::parse_segment_name("log-000000000000001f"), 0x1fU);
    for (const auto* name : {"log-", "log-1f", "log-000000000000001F", "log-0000000000000000",
                             "log-000000000000001f.old", "spare-000000000000001f", "vote-a"}) {
        EXPECT_FALSE(wal::parse_segment_name(name)) << name;
    }
    EXPECT_EQ(wal::spare_name(3), "spare-0000000000000003");
}

}  // namespace
}  // namespace quorate::test
