#include "server/frame.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/server/generators.h"

namespace quorate::server::test {
namespace {

struct Frame {
    std::uint8_t type = 0;
    std::string payload;
    bool operator==(const Frame&) const = default;
};

std::string encoded(const Frame& frame) {
    std::string bytes = begin_frame();
    bytes += frame.payload;
    finish_frame(bytes, frame.type);
    return bytes;
}

// Feeds the pieces and collects all frames, until an error.
struct Received {
    std::vector<Frame> frames;
    std::optional<FrameError> error;
};

Received receive(const std::vector<std::string_view>& pieces) {
    FrameReader reader;
    Received received;
    for (const std::string_view piece : pieces) {
        reader.feed(piece);
        while (true) {
            const auto next = reader.next();
            if (!next) received.error = next.error();
            if (!next || !*next) break;
            received.frames.push_back({(*next)->type, std::string((*next)->payload)});
        }
    }
    return received;
}

RC_GTEST_PROP(Frame, ComeOutWhereverTheStreamIsSplit, ()) {
    std::vector<Frame> frames;
    std::string stream;
    for (std::size_t i = number_up_to(5); i > 0; --i) {
        frames.push_back({static_cast<std::uint8_t>(number_up_to(255)), any_bytes()});
        stream += encoded(frames.back());
    }
    std::vector<std::string_view> pieces;
    for (std::string_view rest = stream; !rest.empty();) {
        const std::size_t size = 1 + number_up_to(rest.size() - 1);
        pieces.push_back(rest.substr(0, size));
        rest.remove_prefix(size);
    }
    const Received received = receive(pieces);
    RC_ASSERT(!received.error);
    RC_ASSERT(received.frames == frames);
}

RC_GTEST_PROP(Frame, AFlippedBitIsFoundAndEndsTheStream, ()) {
    const std::string bytes = with_flipped_bit(encoded({7, any_bytes()}));
    const std::string good = encoded({8, "good"});
    // A length that has become larger waits for bytes that are not the frame's: enough of them must not help.
    std::string stream = bytes;
    while (stream.size() < kFramePayloadBytesMax + 2 * kFrameHeadBytes && stream.size() < 4096)
        stream += good;
    RC_ASSERT(receive({stream}).frames.empty());
}

TEST(Frame, EveryFlippedBitOfAHeadIsFound) {
    const std::string good = encoded({7, "payload"});
    for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
        std::string bytes = good;
        bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
        EXPECT_TRUE(receive({bytes}).frames.empty()) << bit;
    }
}

TEST(Frame, ErrorsSayWhatIsWrong) {
    const std::string good = encoded({7, "payload"});
    const auto with = [&](std::size_t at, char byte) {
        std::string bytes = good;
        bytes[at] = byte;
        return bytes;
    };
    EXPECT_EQ(receive({good}).error, std::nullopt);
    EXPECT_EQ(receive({"GET / HTTP/1.1\r\n"}).error, FrameError::NotAFrame);
    EXPECT_EQ(receive({with(4, 2)}).error, FrameError::UnknownVersion);
    EXPECT_EQ(receive({with(6, 1)}).error, FrameError::Damaged);
    EXPECT_EQ(receive({with(5, 8)}).error, FrameError::Damaged) << "the type is under the checksum";
    EXPECT_EQ(receive({with(12, static_cast<char>(good[12] + 1))}).error, FrameError::Damaged);
    EXPECT_EQ(receive({with(20, 'x')}).error, FrameError::Damaged);
}

TEST(Frame, ALengthIsJudgedBeforeItsBytesArrive) {
    std::string head = encoded({7, ""});
    head[11] = '\x7f';
    EXPECT_EQ(receive({head}).error, FrameError::TooLong);
    const std::string largest(kFramePayloadBytesMax, 'x');
    EXPECT_EQ(receive({encoded({7, largest})}).frames, (std::vector<Frame>{{7, largest}}));
}

TEST(Frame, AfterAnErrorNothingComes) {
    FrameReader reader;
    reader.feed("not a frame at all");
    EXPECT_FALSE(reader.next());
    reader.feed(encoded({7, "good"}));
    ASSERT_FALSE(reader.next());
    EXPECT_EQ(reader.next().error(), FrameError::NotAFrame);
}

TEST(Frame, BytesAreThoseOfTheTable) {
    // The checksum was computed bit by bit, by another program.
    EXPECT_EQ(encoded({7, "ab"}), std::string("QRTF\x01\x07\0\0\x02\0\0\0", 12) + "\x05\x9bj!" + "ab");
}

}  // namespace
}  // namespace quorate::server::test
