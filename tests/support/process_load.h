#pragma once

// Clients that write without pause and remember what they were told, and the verdict on what the cluster
// holds in the end.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/process_cluster.h"

namespace quorate::test {

/// What became of each attempt. An attempt writes a key of its own, with the key as its value, and is never
/// repeated: so the keys that are there in the end are the attempts that were applied.
struct Attempts {
    std::size_t value_bytes_min = 0;  ///< the values of shorter keys are filled up
    std::vector<std::string> acknowledged;
    std::vector<std::string> refused;     ///< surely not applied: never sent, or the answer says so
    std::vector<std::string> unknown;     ///< may have been applied, once
    std::vector<std::string> unexpected;  ///< answers that no server should give, as text
};

class Load {
 public:
    Load(const Cluster& cluster, std::size_t writers, std::size_t value_bytes_min = 0);
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;
    ~Load() { stop(); }

    [[nodiscard]] std::size_t acknowledged() const { return acknowledged_; }
    /// That many writes more than now have been acknowledged.
    [[nodiscard]] bool wait_for(std::size_t more) const;
    /// How long from now until a write is acknowledged that is begun from now on.
    [[nodiscard]] std::optional<std::chrono::milliseconds> time_to_next_write();

    void stop();
    /// After stop().
    [[nodiscard]] const Attempts& attempts() const { return attempts_; }

 private:
    using Clock = std::chrono::steady_clock;

    void write_until_stopped(std::size_t writer);
    void acknowledge(Clock::time_point begun);

    const Cluster& cluster_;
    const std::size_t value_bytes_min_;
    std::atomic<bool> stopping_ = false;
    std::atomic<std::size_t> acknowledged_ = 0;
    std::mutex mutex_;  ///< of what follows, but for threads_
    Attempts attempts_;
    Clock::time_point watched_from_;
    std::optional<Clock::time_point> first_acknowledged_;
    std::vector<std::thread> threads_;
};

/// Checks, from every node, or from these: each acknowledged write is there; no refused one is; nothing else
/// is; and nothing was applied twice, since the store's revision, which every applied write raises by one, is
/// the number of keys.
void expect_exactly_the_attempts(const Cluster& cluster, const Attempts& attempts,
                                 std::vector<std::size_t> nodes = {});

}  // namespace quorate::test
