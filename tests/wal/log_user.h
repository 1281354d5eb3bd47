#pragma once

// A log and somebody who uses it and remembers what was asked of it and what was acknowledged, so that what a
// recovery brings back can be judged.

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/virtual_disk.h"
#include "wal/log.h"

namespace quorate::test {

using sim::VirtualDisk;

/// What a log holds.
struct LogContent {
    engine::HardState hard_state;
    std::vector<wal::LogEntry> entries;  ///< from index 1, or from behind what a snapshot covers

    bool operator==(const LogContent&) const = default;
};

/// Everything that was ever asked of a log.
class History {
 public:
    void vote(const engine::HardState& hard_state);
    void write(engine::LogIndex index, const wal::LogEntry& entry);
    /// Everything so far gets this ticket.
    void ticket(engine::PersistTicket ticket);
    void acknowledge(engine::PersistTicket ticket);
    /// The process is gone: what `content` holds is what counts from now on.
    void resume_with(const LogContent& content);

    /// Whether a log may hold `content` after a crash: all that was acknowledged, and of the rest a prefix.
    [[nodiscard]] bool allows(const LogContent& content) const;
    /// What was acknowledged, and nothing else.
    [[nodiscard]] LogContent acknowledged() const;
    /// All that was asked for.
    [[nodiscard]] LogContent all() const;

 private:
    struct Write {
        engine::LogIndex index;
        wal::LogEntry entry;
    };
    struct Ticket {
        engine::PersistTicket ticket;
        std::size_t votes = 0;
        std::size_t writes = 0;
    };

    static void apply(const Write& write, std::vector<wal::LogEntry>& entries);
    [[nodiscard]] LogContent content_after(std::size_t votes, std::size_t writes) const;

    LogContent base_;
    std::vector<engine::HardState> votes_;
    std::vector<Write> writes_;
    std::vector<Ticket> tickets_;
    std::size_t votes_acknowledged_ = 0;
    std::size_t writes_acknowledged_ = 0;
};

inline const wal::Identity kTestIdentity{"cluster", "n1"};

class LogUser {
 public:
    explicit LogUser(VirtualDisk& disk, std::uint64_t segment_bytes = wal::kSegmentBytesMin,
                     const wal::Identity& identity = kTestIdentity, std::uint64_t salt = 1)
        : disk_(disk), options_{identity, segment_bytes, salt} {}

    LogUser(const LogUser&) = delete;
    LogUser& operator=(const LogUser&) = delete;
    ~LogUser() = default;

    /// Recovers, and reads every entry back.
    [[nodiscard]] std::expected<LogContent, wal::Refusal> open();

    // Each queues one persist().
    void vote(std::uint64_t term, std::uint64_t voted_for);
    void append(std::size_t count, std::size_t payload_bytes);
    /// Cuts from the entry that is `back` from the last (0: the last), and puts `count` in its place.
    void replace(std::size_t back, std::size_t count, std::size_t payload_bytes);

    /// Lets every job run until nothing is left to do. False when the power went or the log refused to go on.
    bool settle();
    /// One job of the lane, and its completion.
    bool complete_next(wal::DiskLane lane);

    [[nodiscard]] wal::Log& log() { return *log_; }
    [[nodiscard]] const wal::Recovered& recovered() const { return recovered_; }
    [[nodiscard]] const std::optional<wal::Refusal>& refusal() const { return refusal_; }
    [[nodiscard]] engine::PersistTicket acknowledged() const { return acknowledged_; }
    [[nodiscard]] History& history() { return history_; }
    void inherit(const History& history) { history_ = history; }

 private:
    void persist(std::optional<engine::HardState> hard_state, engine::LogIndex truncate_from,
                 engine::LogIndex first, const std::vector<wal::LogEntry>& entries);
    [[nodiscard]] std::vector<wal::LogEntry> new_entries(std::size_t count, std::size_t payload_bytes);

    VirtualDisk& disk_;
    wal::LogOptions options_;
    std::unique_ptr<wal::Log> log_;
    wal::Recovered recovered_;
    History history_;
    engine::HardState hard_state_;
    engine::PersistTicket last_ticket_;
    engine::PersistTicket acknowledged_;
    std::uint64_t entries_made_ = 0;
    std::optional<wal::Refusal> refusal_;
};

/// A stream of numbers that is the same everywhere (splitmix64).
class Dice {
 public:
    explicit Dice(std::uint64_t seed) : state_(seed) {}
    std::uint64_t roll() {
        std::uint64_t z = (state_ += 0x9E3779B97F4A7C15U);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
        return z ^ (z >> 31);
    }
    std::uint64_t below(std::uint64_t bound) { return roll() % bound; }
    bool flip() { return below(2) == 0; }

 private:
    std::uint64_t state_;
};

}  // namespace quorate::test
