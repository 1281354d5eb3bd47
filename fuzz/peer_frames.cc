// Bytes from a peer: cut into frames and decoded. The same frames come out wherever the stream is split, and
// what was decoded encodes to bytes that decode to the same.
//
// Input: a byte that says how to read the rest: even = a stream (the byte seeds the split); odd = the payload
// of one frame, whose type is the next byte, so that mutations need not hit a checksum.

#include "fuzz/fuzz.h"
#include "server/peer_codec.h"

namespace quorate::fuzz {
namespace {

using server::FrameError;
using server::FrameReader;
using server::PeerFrame;

struct Received {
    std::vector<PeerFrame> frames;
    std::optional<FrameError> error;
    bool operator==(const Received&) const = default;
};

void read_all(FrameReader& reader, Received& received) {
    while (!received.error) {
        auto next = server::next_peer_frame(reader);
        if (!next) {
            received.error = next.error();
            return;
        }
        std::optional<PeerFrame>& frame = *next;
        if (!frame) return;
        received.frames.push_back(*std::move(frame));
    }
}

void require_round_trip(const PeerFrame& frame) {
    FrameReader reader;
    reader.feed(server::encode_frame(frame));
    const auto again = server::next_peer_frame(reader);
    FUZZ_REQUIRE(again && *again == frame);
}

void read_stream(std::string_view stream, std::uint8_t seed) {
    FrameReader whole_reader;
    Received whole;
    whole_reader.feed(stream);
    read_all(whole_reader, whole);

    FrameReader split_reader;
    Received pieces;
    for (const std::string_view piece : split(stream, seed, 40)) {
        split_reader.feed(piece);
        read_all(split_reader, pieces);
    }
    FUZZ_REQUIRE(whole == pieces);
    for (const PeerFrame& frame : whole.frames) require_round_trip(frame);
}

}  // namespace
}  // namespace quorate::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    quorate::fuzz::Bytes input(data, size);
    const std::uint8_t mode = input.byte();
    if (mode % 2 == 0) {
        quorate::fuzz::read_stream(input.rest(), mode);
        return 0;
    }
    const std::uint8_t type = input.byte();
    const auto frame = quorate::server::decode_frame({type, input.rest()});
    if (frame) quorate::fuzz::require_round_trip(*frame);
    return 0;
}
