// What the log costs without its disk: entries from persist() to the bytes of a disk job and back.
//
//   build/release/bin/append_bench

#include <algorithm>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <benchmark/benchmark.h>

#include "engine/check.h"
#include "wal/checksum.h"
#include "wal/log.h"

namespace quorate::wal {
namespace {

using engine::LogIndex;
using engine::PersistTicket;
using engine::Term;

constexpr std::size_t kEntryBytes = 256;
constexpr std::uint64_t kEntriesKept = std::uint64_t{1} << 18;

/// Takes all that is written, and is done at once.
class Sink final : public Disk {
 public:
    std::expected<void, DiskFailure> lock() override { return {}; }
    std::expected<std::vector<FileStatus>, DiskFailure> list() override { return {}; }
    std::expected<void, DiskFailure> read(std::string_view, std::uint64_t, std::span<char>) override {
        return std::unexpected(DiskFailure{DiskError::NotFound, {}, {}});
    }
    std::expected<void, DiskFailure> run(std::span<const DiskOperation>) override { return {}; }
    void submit(DiskJob job) override {
        for (const DiskOperation& operation : job.operations) {
            if (const auto* write = std::get_if<WriteAt>(&operation)) bytes_written += write->bytes.size();
        }
        done.push_back(job.id);
    }
    void met(Situation) override {}

    std::vector<DiskJobId> done;
    std::uint64_t bytes_written = 0;
};

/// The tickets that are durable now.
PersistTicket complete_jobs(Log& log, Sink& disk) {
    PersistTicket durable;
    while (!disk.done.empty()) {
        for (const DiskJobId id : std::exchange(disk.done, {})) {
            const auto ticket = log.on_completed({id, {}});
            ENGINE_CHECK(ticket);
            durable = std::max(durable, *ticket);
        }
    }
    return durable;
}

// As a leader's turn: one PersistLog of so many entries, one job.
void append(benchmark::State& state) {
    Sink disk;
    auto opened = Log::open(disk, {.identity = {"cluster", "n1"}, .salt = 1});
    ENGINE_CHECK(opened);
    Log& log = *opened->log;
    ENGINE_CHECK(log.bootstrap({Term(1), {}}, {Term(1), engine::EntryKind::NoOp, {}}));
    const std::vector<LogEntry> entries(
        static_cast<std::size_t>(state.range(0)),
        LogEntry{Term(1), engine::EntryKind::Command, std::string(kEntryBytes, 'p')});
    PersistTicket ticket;
    LogIndex compacted;
    disk.bytes_written = 0;
    for (auto _ : state) {
        ticket = ticket.next();
        log.persist(ticket, std::nullopt, {}, log.last_index().next(), entries);
        PersistTicket durable;
        while (durable < ticket) {  // a segment that is full waits for the next one
            log.flush();
            durable = std::max(durable, complete_jobs(log, disk));
        }
        if (log.last_index().past(compacted) < kEntriesKept) continue;
        compacted = log.last_index();
        log.compact(compacted);
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
    state.SetBytesProcessed(static_cast<std::int64_t>(disk.bytes_written));
    state.counters["entry"] = benchmark::Counter(static_cast<double>(state.items_processed()),
                                                 benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(append)->Arg(1)->Arg(16)->Arg(64);

void checksum(benchmark::State& state) {
    const std::string bytes(static_cast<std::size_t>(state.range(0)), 'b');
    for (auto _ : state) benchmark::DoNotOptimize(crc32c(bytes));
    state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(checksum)->Arg(256)->Arg(16 << 10)->Arg(1 << 20);

}  // namespace
}  // namespace quorate::wal
