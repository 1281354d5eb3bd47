// Which sorted map the store is built on: put, get and range over a million keys with values of 256 bytes,
// and the memory they take.
//
//   build/release/bin/state_machine_bench --benchmark_repetitions=3

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include <absl/container/btree_map.h>
#include <benchmark/benchmark.h>
#include <malloc.h>

#include "server/state_machine.h"

namespace quorate::server {
namespace {

constexpr std::uint64_t kKeys = 1'000'000;

std::string key_of(std::uint64_t number) {
    std::string digits = std::to_string(number);
    return "user/" + std::string(12 - digits.size(), '0') + digits + "/profile";
}

// Visits every number below kKeys once, in an order that is not the keys'.
std::uint64_t scattered(std::uint64_t i) { return i * 7'368'787 % kKeys; }

using StdMap = std::map<std::string, Record, std::less<>>;
using BtreeMap = absl::btree_map<std::string, Record, std::less<>>;
// A B-tree moves its slots about: small ones move faster.
using BtreeOfPointers = absl::btree_map<std::string, std::unique_ptr<Record>, std::less<>>;

void put(auto& map, std::string&& key) { map[std::move(key)] = {std::string(256, 'v'), 1, 1, 1}; }
void put(BtreeOfPointers& map, std::string&& key) {
    map[std::move(key)] = std::make_unique<Record>(Record{std::string(256, 'v'), 1, 1, 1});
}
const Record* record_of(const Record& record) { return &record; }
const Record* record_of(const std::unique_ptr<Record>& record) { return record.get(); }

template <class Map>
Map filled() {
    Map map;
    for (std::uint64_t i = 0; i < kKeys; ++i) put(map, key_of(scattered(i)));
    return map;
}

template <class Map>
void fill(benchmark::State& state) {
    for (auto _ : state) {
        const std::size_t before = mallinfo2().uordblks;
        const Map map = filled<Map>();
        state.counters["bytes_each"] = static_cast<double>(mallinfo2().uordblks - before) / kKeys;
        benchmark::DoNotOptimize(map.size());
    }
    state.counters["ns_each"] = benchmark::Counter(
        kKeys * 1e-9, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

template <class Map>
void overwrite(benchmark::State& state) {
    Map map = filled<Map>();
    std::uint64_t i = 0;
    for (auto _ : state) put(map, key_of(scattered(++i % kKeys)));
}

template <class Map>
void get(benchmark::State& state) {
    const Map map = filled<Map>();
    std::uint64_t i = 0;
    for (auto _ : state) {
        const std::string key = key_of(scattered(++i % kKeys));
        benchmark::DoNotOptimize(record_of(map.find(std::string_view(key))->second)->mod_revision);
    }
}

template <class Map>
void range_of_1000(benchmark::State& state) {
    const Map map = filled<Map>();
    std::uint64_t i = 0;
    for (auto _ : state) {
        const std::string start = key_of(scattered(++i) % (kKeys - 1000));
        std::size_t bytes = 0;
        auto entry = map.lower_bound(std::string_view(start));
        for (int n = 0; n < 1000; ++n, ++entry)
            bytes += entry->first.size() + record_of(entry->second)->value.size();
        benchmark::DoNotOptimize(bytes);
    }
}

// Copies the store, as a simulator does that keeps states to return to.
template <class Map>
void copy(benchmark::State& state) {
    const Map map = filled<Map>();
    for (auto _ : state) {
        Map other = map;
        benchmark::DoNotOptimize(other);
    }
}

// A fixed count of iterations, or each benchmark would fill its map again and again to find one.
#define QUORATE_BENCH(Map)                                              \
    BENCHMARK(fill<Map>)->Unit(benchmark::kMillisecond)->Iterations(1); \
    BENCHMARK(overwrite<Map>)->Iterations(1'000'000);                   \
    BENCHMARK(get<Map>)->Iterations(1'000'000);                         \
    BENCHMARK(range_of_1000<Map>)->Unit(benchmark::kMicrosecond)->Iterations(10'000)
QUORATE_BENCH(StdMap);
QUORATE_BENCH(BtreeMap);
QUORATE_BENCH(BtreeOfPointers);
BENCHMARK(copy<StdMap>)->Unit(benchmark::kMillisecond)->Iterations(2);
BENCHMARK(copy<BtreeMap>)->Unit(benchmark::kMillisecond)->Iterations(2);

}  // namespace
}  // namespace quorate::server

BENCHMARK_MAIN();
