// What it costs to make and to read the bytes that servers send each other and keep.
//
//   build/release/bin/codec_bench

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "engine/check.h"
#include "server/command.h"
#include "server/peer_codec.h"
#include "server/snapshot_codec.h"

namespace quorate::server {
namespace {

const std::string kValue(256, 'v');

Command put_of(const std::string& key) { return {.operations = {{Operation::Kind::Put, key, kValue}}}; }

std::vector<wal::LogEntry> entries_of(std::int64_t count) {
    return {static_cast<std::size_t>(count),
            wal::LogEntry{engine::Term(2), engine::EntryKind::Command, std::string(256, 'p')}};
}

std::string append_frame(const std::vector<wal::LogEntry>& entries) {
    const engine::AppendEntries append{engine::Term(2),
                                       {engine::LogIndex(1000), engine::Term(2)},
                                       static_cast<std::uint32_t>(entries.size()),
                                       engine::LogIndex(1000)};
    std::vector<const wal::LogEntry*> sent;
    for (const wal::LogEntry& entry : entries) sent.push_back(&entry);
    return encode_frame(append, sent);
}

// Items are entries.
void count(benchmark::State& state, std::int64_t items, std::size_t bytes) {
    state.SetItemsProcessed(state.iterations() * items);
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes));
}

void encode_append(benchmark::State& state) {
    const std::vector<wal::LogEntry> entries = entries_of(state.range(0));
    for (auto _ : state) benchmark::DoNotOptimize(append_frame(entries));
    count(state, state.range(0), append_frame(entries).size());
}
BENCHMARK(encode_append)->Arg(1)->Arg(64);

void decode_append(benchmark::State& state) {
    const std::string frame = append_frame(entries_of(state.range(0)));
    FrameReader reader;
    for (auto _ : state) {
        reader.feed(frame);
        const auto decoded = next_peer_frame(reader);
        ENGINE_CHECK(decoded && *decoded);
    }
    count(state, state.range(0), frame.size());
}
BENCHMARK(decode_append)->Arg(1)->Arg(64);

void encode_put(benchmark::State& state) {
    const Command command = put_of("user/000000000001/profile");
    for (auto _ : state) benchmark::DoNotOptimize(encode_command(command));
    count(state, 1, encode_command(command).size());
}
BENCHMARK(encode_put);

void decode_put(benchmark::State& state) {
    const std::string bytes = encode_command(put_of("user/000000000001/profile"));
    for (auto _ : state) {
        const auto command = decode_command(bytes);
        ENGINE_CHECK(command);
    }
    count(state, 1, bytes.size());
}
BENCHMARK(decode_put);

constexpr std::uint64_t kChunkBytes = std::uint64_t{256} << 10;
constexpr std::int64_t kKeys = 10'000;

/// A pinned store's snapshot, without its head.
std::vector<std::string> chunks_of(const StateMachine& store, const Pin& pin) {
    SnapshotEncoder encoder(pin, kChunkBytes);
    std::vector<std::string> chunks;
    while (!encoder.is_complete()) {
        if (auto chunk = encoder.next_chunk(store)) chunks.push_back(std::move(*chunk));
    }
    return chunks;
}

/// Without a past.
StateMachine filled() {
    StateMachine store;
    for (std::int64_t i = 0; i < kKeys; ++i) store.apply(put_of("key/" + std::to_string(kKeys + i)));
    store.apply({.forget_through = store.revision()});
    return store;
}

std::size_t bytes_of(const std::vector<std::string>& chunks) {
    std::size_t bytes = 0;
    for (const std::string& chunk : chunks) bytes += chunk.size();
    return bytes;
}

void encode_snapshot(benchmark::State& state) {
    StateMachine store = filled();
    const Pin pin = store.pin();
    for (auto _ : state) benchmark::DoNotOptimize(chunks_of(store, pin));
    count(state, kKeys, bytes_of(chunks_of(store, pin)));
}
BENCHMARK(encode_snapshot)->Unit(benchmark::kMillisecond);

void decode_snapshot(benchmark::State& state) {
    StateMachine store = filled();
    const Pin pin = store.pin();
    const ClusterMembers members{{{engine::ServerId(1), "n1", "h:1", MemberRole::Voter}}};
    const std::string head = encode_snapshot_head(
        {pin.revision, pin.oldest_revision, engine::LogIndex(1), members, members, pin.answers_forgotten});
    const std::vector<std::string> chunks = chunks_of(store, pin);
    for (auto _ : state) {
        SnapshotDecoder decoder;
        ENGINE_CHECK(decoder.add(head));
        for (const std::string& chunk : chunks) ENGINE_CHECK(decoder.add(chunk));
        const StateMachine read = decoder.take_store();
        ENGINE_CHECK(read.size() == kKeys);
    }
    count(state, kKeys, bytes_of(chunks));
}
BENCHMARK(decode_snapshot)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace quorate::server
