// A data directory as a crash, a bad disk or a stranger may leave it. Opening it ends in a log that was
// really written, or in a refusal that says why; never in anything else. Opening once more must find the
// same, and the log must go on working.
//
// Input: a byte for one of three ways, then
//   damaged    a short history (writes, cuts, marks), and damage to what it left. What is recovered must be
//   the
//              log as it stood after some entry: the whole of it when nothing was damaged, or when a mark had
//              said that all of it was durable.
//   power cut  a history that ends in the middle of its writes, and which of the unsynced sectors survive.
//   What
//              was confirmed must be there.
//   raw        the files themselves.

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>

#include "fuzz/fuzz.h"
#include "sim/virtual_disk.h"
#include "wal/log.h"

namespace quorate::fuzz {
namespace {

using engine::EntryKind;
using engine::HardState;
using engine::LogIndex;
using engine::PersistTicket;
using engine::ServerId;
using engine::Term;
using wal::LogEntry;

constexpr std::uint64_t kSegmentBytes = 16U << 10;
const wal::LogOptions kOptions{.identity = {"fuzz", "n1"}, .segment_bytes = kSegmentBytes, .salt = 1};

using sim::VirtualDisk;
using Files = VirtualDisk::Image;

// What a log may hold: the entries and the vote.
struct State {
    std::vector<LogEntry> entries;
    HardState hard_state;

    bool operator==(const State&) const = default;
};

// Writes a history and keeps the state after each of its records.
class Writer {
 public:
    Writer(VirtualDisk& disk, wal::Log& log, State state) : disk_(disk), log_(log), state_(std::move(state)) {
        next_index_ = LogIndex(state_.entries.size() + 1);
        // Damage to the very first batch, before any mark, looks like a start that a crash interrupted.
        entries_after_ = {{}, state_.entries};
        hard_states_.push_back(state_.hard_state);
    }

    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;
    ~Writer() = default;

    // `count` entries, in place of the last `cut` ones.
    void append(std::uint8_t count, std::uint8_t cut, std::uint8_t bytes, bool new_term) {
        if (count == 0 && !new_term) return;
        std::optional<HardState> hard_state;
        if (new_term) {
            state_.hard_state = {state_.hard_state.current_term.next(), ServerId(bytes)};
            hard_state = state_.hard_state;
            hard_states_.push_back(state_.hard_state);
        }
        if (count > 0)
            state_.entries.resize(state_.entries.size() - std::min<std::size_t>(cut, state_.entries.size()));
        const LogIndex first(state_.entries.size() + 1);
        const bool cuts = count > 0 && cut > 0 && first < next_index_;
        std::vector<LogEntry> entries;
        for (std::uint8_t i = 0; i < count; ++i) {
            entries.push_back({state_.hard_state.current_term, EntryKind::Command,
                               std::string(std::size_t{bytes} * (i + 1U), static_cast<char>(bytes))});
            state_.entries.push_back(entries.back());
            entries_after_.push_back(state_.entries);
        }
        next_index_ = LogIndex(state_.entries.size() + 1);
        log_.persist(++ticket_, hard_state, cuts ? first : LogIndex(), first, entries);
    }

    void mark() {
        settle();
        log_.on_idle();
        settle();
    }

    // Everything that was asked for is done and confirmed.
    void settle() {
        log_.flush();
        while (complete_one()) log_.flush();
        FUZZ_REQUIRE(log_.idle());
        confirmed_entries_ = entries_after_.size() - 1;
        confirmed_hard_states_ = hard_states_.size() - 1;
    }

    // The power goes after so many operations of what was asked for and not confirmed.
    void lose_power(std::uint64_t operations) {
        disk_.cut_power_after(operations);
        log_.flush();
        while (complete_one()) log_.flush();
    }

    // The log was like this once: since it was last confirmed, or ever.
    enum class Since : std::uint8_t { Confirmed, Ever };
    [[nodiscard]] bool was(const State& found, Since since) const {
        const bool ever = since == Since::Ever;
        const auto entries =
            entries_after_.begin() + (ever ? 0 : static_cast<std::ptrdiff_t>(confirmed_entries_));
        const auto hard_states =
            hard_states_.begin() + (ever ? 0 : static_cast<std::ptrdiff_t>(confirmed_hard_states_));
        return std::find(entries, entries_after_.end(), found.entries) != entries_after_.end() &&
               std::find(hard_states, hard_states_.end(), found.hard_state) != hard_states_.end();
    }
    [[nodiscard]] const State& state() const { return state_; }

 private:
    struct Ticket {
        std::uint64_t value = 0;
        PersistTicket operator++() { return PersistTicket(++value); }
    };

    // False: no job is waiting, or the power is off.
    bool complete_one() {
        for (const wal::DiskLane lane : {wal::DiskLane::Log, wal::DiskLane::Background}) {
            if (const auto completion = disk_.complete_next(lane)) {
                FUZZ_REQUIRE(log_.on_completed(*completion));
                return true;
            }
        }
        return false;
    }

    VirtualDisk& disk_;
    wal::Log& log_;
    State state_;
    LogIndex next_index_;
    Ticket ticket_;
    std::vector<std::vector<LogEntry>> entries_after_;
    std::vector<HardState> hard_states_;
    std::size_t confirmed_entries_ = 0;
    std::size_t confirmed_hard_states_ = 0;
};

// What was recovered, with the payloads read back: shapes and payloads must agree.
std::optional<State> read_back(const wal::Opened& opened) {
    State state{{}, opened.recovered.hard_state};
    const LogIndex last(opened.recovered.entries.size());
    for (LogIndex next(1); next <= last; next = LogIndex(state.entries.size() + 1)) {
        auto some = opened.log->read(next, last, 1000);
        if (!some) return std::nullopt;
        FUZZ_REQUIRE(!some->empty() && state.entries.size() + some->size() <= last.value);
        std::ranges::move(*some, std::back_inserter(state.entries));
    }
    FUZZ_REQUIRE(std::ranges::equal(state.entries, opened.recovered.entries, {}, &LogEntry::shape));
    return state;
}

void require_refusal(const wal::Refusal& refusal) {
    FUZZ_REQUIRE(!refusal.message.empty() && refusal.message.find('\n') == std::string::npos);
    FUZZ_REQUIRE(refusal.code != wal::RefusalCode::Locked && refusal.code != wal::RefusalCode::NoSpace);
}

// Opens, and opens what that left; both must agree, and what is written then is there at the third time.
std::optional<State> open_thrice(const Files& files) {
    VirtualDisk disk(files);
    auto first = wal::Log::open(disk, kOptions);
    if (!first) {
        require_refusal(first.error());
        return std::nullopt;
    }
    const auto state = read_back(*first);
    FUZZ_REQUIRE(state);

    VirtualDisk again(disk.written());
    auto second = wal::Log::open(again, kOptions);
    FUZZ_REQUIRE(second && second->recovered.warnings.empty());
    const auto same = read_back(*second);
    FUZZ_REQUIRE(same == state);

    Writer writer(again, *second->log, *state);
    writer.settle();
    writer.append(2, 0, 100, true);
    writer.mark();
    VirtualDisk third_disk(again.written());
    const auto third = wal::Log::open(third_disk, kOptions);
    FUZZ_REQUIRE(third);
    const auto longer = read_back(*third);
    FUZZ_REQUIRE(longer == writer.state());
    return state;
}

constexpr std::size_t kStepsMax = 24;

void write_history(Bytes& input, Writer& writer) {
    const std::size_t steps = input.byte() % kStepsMax;
    for (std::size_t step = 0; step < steps; ++step) {
        const std::uint8_t what = input.byte();
        switch (what % 4) {
            case 0: writer.append(input.byte() % 8, 0, input.byte(), what >= 128); break;
            case 1: writer.append(input.byte() % 8, input.byte() % 4, input.byte(), what >= 128); break;
            case 2: writer.mark(); break;
            default: writer.settle(); break;
        }
    }
}

// Overwrites, zeroes, cuts off, copies within, removes or duplicates.
void damage(Bytes& input, Files& files) {
    while (!input.empty() && !files.empty()) {
        const auto file = std::next(files.begin(), input.byte() % static_cast<std::ptrdiff_t>(files.size()));
        std::string& bytes = file->second;
        const std::size_t at = bytes.empty() ? 0 : input.pair() % bytes.size();
        const std::size_t room = bytes.size() - at;
        switch (const std::uint8_t what = input.byte(); what % 6) {
            case 0: {
                const std::string_view some = input.take(std::min<std::size_t>(1 + what / 6, room));
                bytes.replace(at, some.size(), some);
                break;
            }
            case 1:
                bytes.replace(at, std::min<std::size_t>(512, room), std::min<std::size_t>(512, room), '\0');
                break;
            case 2: bytes.resize(at); break;
            case 3: {
                const std::string block = bytes.substr(bytes.empty() ? 0 : input.pair() % bytes.size(),
                                                       std::min<std::size_t>(512, room));
                bytes.replace(at, block.size(), block);
                break;
            }
            case 4: files.erase(file); break;
            default:
                files.insert_or_assign(
                    std::next(files.begin(), what % static_cast<std::ptrdiff_t>(files.size()))->first,
                    std::string(bytes));
                break;
        }
    }
}

// Whether the copies of the vote, which say how far the log is durable, are as they were.
bool votes_are_whole(const Files& before, const Files& after) {
    return std::ranges::all_of(before, [&](const auto& file) {
        const auto found = after.find(file.first);
        return !file.first.starts_with("vote-") || (found != after.end() && found->second == file.second);
    });
}

bool nothing_is_whole(const Files& before, const Files& after) {
    return std::ranges::none_of(before, [&](const auto& file) {
        const auto found = after.find(file.first);
        return !file.first.starts_with("spare-") && found != after.end() && found->second == file.second;
    });
}

wal::Opened start(VirtualDisk& disk, const State& first) {
    auto fresh = wal::Log::open(disk, kOptions);
    FUZZ_REQUIRE(fresh && fresh->recovered.entries.empty());
    FUZZ_REQUIRE(fresh->log->bootstrap(first.hard_state, first.entries.front()));
    return std::move(*fresh);
}

// A log with one entry on an empty disk, and everything that came of it.
struct Used {
    State first{{LogEntry{Term(1), EntryKind::Membership, "members"}}, {Term(1), ServerId(1)}};
    VirtualDisk disk;
    wal::Opened opened = start(disk, first);
    Writer writer{disk, *opened.log, first};

    Used() { writer.settle(); }
};

void open_damaged(Bytes& input) {
    Used used;
    Writer& writer = used.writer;
    write_history(input, writer);
    writer.settle();
    const bool marked = input.byte() % 2 == 0;
    if (marked) writer.mark();

    const Files before = used.disk.written();
    Files after = before;
    damage(input, after);
    const std::optional<State> found = open_thrice(after);
    if (after == before) FUZZ_REQUIRE(found);
    if (!found) return;
    // Of a directory in which nothing is whole, nobody can tell that it was ever used.
    if (nothing_is_whole(before, after) && found->entries.empty() && found->hard_state == HardState{}) return;
    if (after == before || (marked && votes_are_whole(before, after))) {
        FUZZ_REQUIRE(*found == writer.state());
    } else {
        FUZZ_REQUIRE(writer.was(*found, Writer::Since::Ever));
    }
}

// A crash is no damage: what was confirmed is there, whatever became of the rest, and nothing is refused.
void open_after_power_cut(Bytes& input) {
    Used used;
    Writer& writer = used.writer;
    write_history(input, writer);
    writer.lose_power(input.byte() % 16);

    const auto draw = [&input] { return input.byte() % 2 == 0; };
    const std::optional<State> found = open_thrice(used.disk.after_crash(draw, draw));
    FUZZ_REQUIRE(found);
    FUZZ_REQUIRE(writer.was(*found, Writer::Since::Confirmed));
}

void open_raw(Bytes& input) {
    const char* const names[] = {"identity-a",           "identity-b",           "vote-a",  "vote-b",
                                 "log-0000000000000001", "log-0000000000000002", "spare-1", "log-x"};
    Files files;
    while (!input.empty()) {
        const std::uint8_t which = input.byte();
        files.insert_or_assign(names[which % std::size(names)], std::string(input.take(input.pair())));
    }
    (void)open_thrice(files);
}

}  // namespace
}  // namespace quorate::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    quorate::fuzz::Bytes input(data, size);
    switch (input.byte() % 3) {
        case 0: quorate::fuzz::open_damaged(input); break;
        case 1: quorate::fuzz::open_after_power_cut(input); break;
        default: quorate::fuzz::open_raw(input); break;
    }
    return 0;
}
