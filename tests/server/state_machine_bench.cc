// The store, and the maps that it could be built on: put, get and range over a million keys with values of
// 256 bytes, and the memory that they take.
//
//   build/release/bin/state_machine_bench --benchmark_repetitions=3

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <absl/container/btree_map.h>
#include <benchmark/benchmark.h>
#include <malloc.h>

#include "server/state_machine.h"

namespace quorate::server {
namespace {

constexpr std::size_t kKeys = 1'000'000;
constexpr std::size_t kRange = 1000;

/// In an order that is not theirs.
const std::vector<std::string>& keys() {
    static const std::vector<std::string> made = [] {
        std::vector<std::string> keys(kKeys);
        for (std::size_t i = 0; i < kKeys; ++i) {
            const std::string digits = std::to_string(i * 7'368'787 % kKeys);
            keys[i] = "user/" + std::string(12 - digits.size(), '0') + digits + "/profile";
        }
        return keys;
    }();
    return made;
}

/// With the past that a leader's HistoryLimits leave it, forgotten as Node does.
class Store {
 public:
    void put(const std::string& key) {
        put_.operations.front().key = key;
        store_.apply(put_);
        if (store_.history().changes().size() > kChangesMax + kChangesMax / 8)
            forget_through(store_.revision() - kChangesMax);
        if (store_.revision() % 64 == 0) store_.free_some();
    }
    void forget_all() {
        forget_through(store_.revision());
        while (store_.history().forgotten_bytes() > 0) store_.free_some();
    }
    [[nodiscard]] const Record* get(std::string_view key) const { return store_.get(key); }
    [[nodiscard]] std::size_t range(const std::string& start) const {
        return store_.range({.start = start, .end = {}, .after = {}, .limit = kRange}).bytes;
    }

 private:
    static constexpr std::size_t kChangesMax = 10'000;
    void forget_through(std::uint64_t revision) { store_.apply({.forget_through = revision}); }

    StateMachine store_;
    Command put_{.operations = {{Operation::Kind::Put, {}, std::string(256, 'v')}}};
};

template <template <class...> class Map>
class Plain {
 public:
    void put(std::string_view key) {
        const auto place = map_.lower_bound(key);
        const bool is_new = place == map_.end() || place->first.view() != key;
        (is_new ? map_.emplace_hint(place, key, Record{}) : place)->second = {value_, 1, 1, 1};
    }
    void forget_all() {}
    [[nodiscard]] const Record* get(std::string_view key) const { return &map_.find(key)->second; }
    [[nodiscard]] std::size_t range(std::string_view start) const {
        std::size_t bytes = 0;
        auto entry = map_.lower_bound(start);
        for (std::size_t i = 0; i < kRange && entry != map_.end(); ++i, ++entry)
            bytes += entry->first.size() + entry->second.value.size();
        return bytes;
    }

 private:
    std::string value_ = std::string(256, 'v');
    Map<PackedText, Record, ByBytes> map_;
};

template <class Subject>
Subject filled() {
    Subject subject;
    for (const std::string& key : keys()) subject.put(key);
    return subject;
}

template <class Subject>
void put_new(benchmark::State& state) {
    (void)keys();
    for (auto _ : state) {
        const std::size_t before = mallinfo2().uordblks;
        std::optional<Subject> subject(filled<Subject>());
        state.PauseTiming();
        subject->forget_all();
        state.counters["bytes_each"] = static_cast<double>(mallinfo2().uordblks - before) / kKeys;
        subject.reset();
        state.ResumeTiming();
    }
    state.counters["each"] = benchmark::Counter(
        kKeys, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

template <class Subject>
void overwrite(benchmark::State& state) {
    Subject subject = filled<Subject>();
    std::size_t i = 0;
    for (auto _ : state) subject.put(keys()[i++ % kKeys]);
}

template <class Subject>
void get(benchmark::State& state) {
    const Subject subject = filled<Subject>();
    std::size_t i = 0;
    for (auto _ : state) benchmark::DoNotOptimize(subject.get(keys()[i++ % kKeys])->mod_revision);
}

template <class Subject>
void range_of_1000(benchmark::State& state) {
    const Subject subject = filled<Subject>();
    std::size_t i = 0;
    for (auto _ : state) benchmark::DoNotOptimize(subject.range(keys()[i++ % kKeys]));
}

// A fixed count of iterations, or each benchmark would fill its map again and again to find one.
#define QUORATE_BENCH(Subject)                                                 \
    BENCHMARK(put_new<Subject>)->Unit(benchmark::kMillisecond)->Iterations(1); \
    BENCHMARK(overwrite<Subject>)->Iterations(kKeys);                          \
    BENCHMARK(get<Subject>)->Iterations(kKeys);                                \
    BENCHMARK(range_of_1000<Subject>)->Unit(benchmark::kMicrosecond)->Iterations(10'000)
QUORATE_BENCH(Store);
QUORATE_BENCH(Plain<std::map>);
QUORATE_BENCH(Plain<absl::btree_map>);

}  // namespace
}  // namespace quorate::server
