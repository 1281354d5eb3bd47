#pragma once

// The system calls that a process makes on its files and sockets, each of which a test may let fail. The
// kernel holds every one of them up until it is decided here (seccomp_unotify(2)), so that what a test says
// takes effect at an exact call, and nothing depends on time.

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace quorate::test {

/// A call that the process was about to make.
struct SystemCall {
    std::string name;  ///< the kernel's: "pwrite64"
    std::string file;  ///< last part of the path: "log-0000000000000001"; of a socket "socket:[4711]"
    int error = 0;     ///< that it failed with at our word; 0: it went on into the kernel
};

enum class FaultLasts : std::uint8_t { ForOneCall, UntilCleared };

/// Calls of that name fail, on files whose names begin so.
struct Fault {
    std::string call;
    std::string file_begin;
    int error = 0;
    std::size_t spared = 0;  ///< so many of them go on first
    FaultLasts lasts = FaultLasts::ForOneCall;
};

/// Watches one process: Process takes it at its start. Outlives the process, whose calls nobody would answer
/// any more.
class SystemCallFaults {
 public:
    SystemCallFaults();
    SystemCallFaults(const SystemCallFaults&) = delete;
    SystemCallFaults& operator=(const SystemCallFaults&) = delete;
    ~SystemCallFaults();

    /// From now on.
    void fail(const Fault& fault);
    void clear();
    /// Until now, in the order in which they began. A call has ended when another one of its thread is seen.
    [[nodiscard]] std::vector<SystemCall> seen() const;
    [[nodiscard]] bool has_failed_one() const;

    /// In the child, last before its exec: makes no other calls than the system's.
    void enter() const;
    /// In the parent, after the fork.
    void watch();
    /// Why the process is not watched; empty: it is.
    [[nodiscard]] const std::string& refusal() const { return refusal_; }

 private:
    void answer_calls();
    [[nodiscard]] bool answer_call();
    [[nodiscard]] int decide(std::string_view name, const std::string& file);

    std::array<int, 2> sockets_{-1, -1};  ///< the child sends its listener over the second
    int stop_fd_ = -1;
    int listener_ = -1;
    std::string refusal_;
    mutable std::mutex mutex_;  ///< of the next two
    std::vector<Fault> faults_;
    std::vector<SystemCall> seen_;
    std::thread thread_;
};

/// Why no process can be watched here; empty: it can.
[[nodiscard]] std::string no_system_call_faults();

}  // namespace quorate::test
