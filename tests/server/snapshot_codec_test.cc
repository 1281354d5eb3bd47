#include "server/snapshot_codec.h"

#include <deque>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/server/generators.h"

namespace quorate::server::test {
namespace {

constexpr std::uint64_t kChunkBytes = std::uint64_t{256} << 10;

SnapshotHead head_of(const Pin& pin) {
    return {pin.revision,
            pin.oldest_revision,
            engine::LogIndex(1),
            {{{engine::ServerId(1), "n1", "h:1", MemberRole::Voter}}},
            {{{engine::ServerId(1), "n1", "h:1", MemberRole::Voter}}},
            pin.answers_forgotten};
}

std::vector<std::string> chunks_of(StateMachine& store) {
    const Pin pin = store.pin();
    std::vector<std::string> chunks{encode_snapshot_head(head_of(pin))};
    SnapshotEncoder encoder(pin, kChunkBytes);
    while (!encoder.is_complete()) {
        if (auto chunk = encoder.next_chunk(store)) chunks.push_back(std::move(*chunk));
    }
    store.unpin(pin);
    return chunks;
}

std::optional<StateMachine> read_back(const std::vector<std::string>& chunks) {
    SnapshotDecoder decoder;
    for (const std::string& chunk : chunks) {
        if (!decoder.add(chunk)) return std::nullopt;
    }
    return decoder.take_store();
}

// A write, or something that is to be forgotten.
Command any_step() {
    switch (number_up_to(9)) {
        case 0: return {.forget_through = 1 + number_up_to(20)};
        case 1: return {.forget_answers_through = 1 + number_up_to(10)};
        default: return any_command();
    }
}

// However the store changes while its chunks are made, and however few keys may be looked at at once, they
// hold what it was, and are the same.
RC_GTEST_PROP(SnapshotCodec, HoldsTheStoreAsItWasWhenItWasPinned, ()) {
    StateMachine store;
    const auto change = [&] {
        for (std::size_t i = number_up_to(10); i > 0; --i) store.apply(any_step());
    };
    change();
    const StateMachine then = store;
    const Pin pin = store.pin();
    SnapshotDecoder decoder;
    RC_ASSERT(decoder.add(encode_snapshot_head(head_of(pin))));
    change();
    const std::size_t chunk_bytes = 1 + number_up_to(200);
    SnapshotEncoder at_once(pin, chunk_bytes);
    std::deque<std::string> chunks;
    while (!at_once.is_complete()) {
        if (auto chunk = at_once.next_chunk(store)) chunks.push_back(std::move(*chunk));
    }
    SnapshotEncoder encoder(pin, chunk_bytes, 1 + number_up_to(5));
    while (!encoder.is_complete()) {
        if (const auto chunk = encoder.next_chunk(store)) {
            RC_ASSERT(decoder.add(*chunk));
            RC_ASSERT(!chunks.empty() && chunks.front() == *chunk);
            chunks.pop_front();
        }
        change();
        store.free_some();
    }
    RC_ASSERT(chunks.empty());
    RC_ASSERT(decoder.take_store().digest() == then.digest());
    const std::uint64_t digest = store.digest();
    store.unpin(pin);
    RC_ASSERT(store.digest() == digest);
}

TEST(SnapshotCodec, ALargeStoreHasManyChunksAndAKeyMayHaveSeveral) {
    StateMachine store;
    for (int i = 0; i < 40; ++i)
        store.apply(
            {{{Operation::Kind::Put, "hot", std::string(100'000, static_cast<char>('a' + i % 26))}}, {}});
    for (int i = 0; i < 10'000; ++i)
        store.apply({{{Operation::Kind::Put, "k" + std::to_string(i), std::string(50, 'v')}}, {}});
    const auto chunks = chunks_of(store);
    EXPECT_GT(chunks.size(), 15U);
    for (const std::string& chunk : chunks) EXPECT_LT(chunk.size(), 500'000U);
    const auto copy = read_back(chunks);
    ASSERT_TRUE(copy);
    EXPECT_EQ(copy->digest(), store.digest());
    EXPECT_EQ(copy->bytes(), store.bytes());
    EXPECT_EQ(chunks_of(store), chunks) << "the same on every node";
}

// What it reads has passed a checksum, which proves no good will.
RC_GTEST_PROP(SnapshotCodec, AnyBytesAreReadOrRefused, ()) {
    StateMachine store;
    for (std::size_t i = number_up_to(6); i > 0; --i) store.apply(any_command());
    SnapshotDecoder decoder;
    for (const std::string& chunk : chunks_of(store)) {
        if (!decoder.add(with_flipped_bit(chunk))) return;
    }
    RC_ASSERT(decoder.take_store().size() <= store.size() + 1);
}

TEST(SnapshotCodec, WhatIsNoChunkIsRefused) {
    StateMachine store;
    for (const char* key : {"a", "b", "a"}) store.apply({{{Operation::Kind::Put, key, "value"}}, {}});
    const auto chunks = chunks_of(store);
    ASSERT_EQ(chunks.size(), 2U);
    for (std::size_t size = 0; size < chunks[0].size(); ++size)
        EXPECT_FALSE(SnapshotDecoder().add(chunks[0].substr(0, size))) << size;
    SnapshotDecoder empty;
    ASSERT_TRUE(empty.add(chunks[0]));
    EXPECT_FALSE(empty.add(""));
    SnapshotDecoder twice;
    ASSERT_TRUE(twice.add(chunks[0]));
    ASSERT_TRUE(twice.add(chunks[1]));
    EXPECT_FALSE(twice.add(chunks[1])) << "keys come once, in order";
}

}  // namespace
}  // namespace quorate::server::test
