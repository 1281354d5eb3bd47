#pragma once

// Real quorated processes on free ports of 127.0.0.1, each with its own data directory; stopped, killed,
// paused and started again at a test's word. When a test fails, the ends of their logs are printed.

#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "nlohmann/json.hpp"
#include "tests/support/process_http.h"
#include "tests/support/system_call_faults.h"

namespace quorate::test {

/// How long anything may take before a test gives up on it: liveness with room for a busy machine, not a
/// measurement.
inline constexpr std::chrono::seconds kPatience{60};

/// Asks again every few milliseconds until the condition holds; false when it does not within kPatience.
[[nodiscard]] bool eventually(const std::function<bool()>& condition);

/// A directory of its own under the system's temporary one, removed with everything in it.
class TemporaryDirectory {
 public:
    TemporaryDirectory();
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory();

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
    std::filesystem::path path_;
};

[[nodiscard]] std::string bytes_of(const std::filesystem::path& path);

/// When each file of a directory was last written.
[[nodiscard]] std::map<std::string, std::filesystem::file_time_type> times_of_files(
    const std::filesystem::path& directory);

/// `count` ports on which nobody listens, below the range from which the system draws outgoing ones.
[[nodiscard]] std::vector<std::uint16_t> free_ports(std::size_t count);

/// How a process has ended.
struct Ending {
    int exit_code = -1;  ///< -1: a signal ended it
    int signal = 0;
    bool operator==(const Ending&) const = default;
};

/// A child process whose output goes to a file. It dies with this object, and with the test program however
/// that ends. Start it from the test's main thread: the kernel ties it to the thread that did.
class Process {
 public:
    /// `environment` is all that it gets ("NAME=value"), the sanitizers' own variables aside; `faults`, when
    /// there are any, outlives it.
    Process(const std::vector<std::string>& command, const std::vector<std::string>& environment,
            const std::filesystem::path& output, SystemCallFaults* faults = nullptr);
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process();

    void signal(int number) const;
    /// SIGSTOP; returns when all of its threads stand still, also one that was in the middle of a write.
    void pause() const;
    /// Whether it has started a process that goes on.
    [[nodiscard]] bool has_children() const;
    /// From now on; false: the system refuses it.
    [[nodiscard]] bool limit_file_bytes(std::uint64_t bytes) const;
    [[nodiscard]] bool running();
    /// Waits for its end; nothing when it goes on beyond kPatience.
    std::optional<Ending> wait();

 private:
    pid_t pid_;
    std::optional<Ending> ending_;
};

struct Outcome {
    std::optional<Ending> ending;
    std::string output;
};

/// Runs a program until it ends.
[[nodiscard]] Outcome run_program(const std::string& program, const std::vector<std::string>& arguments,
                                  const std::vector<std::string>& environment = {});

/// Runs quorated until it ends by itself, as a refusal to start does.
[[nodiscard]] Outcome run_quorated(const std::vector<std::string>& flags,
                                   const std::vector<std::string>& environment = {});

/// The same of quorate-sim.
[[nodiscard]] Outcome run_simulator(const std::vector<std::string>& arguments);

/// The same of quorate-wal.
[[nodiscard]] Outcome run_wal_tool(const std::vector<std::string>& arguments);

class Cluster {
 public:
    /// Starts nodes n1, n2, … with `flags` each, in which "{node}" stands for what belongs to one node alone:
    /// a path without an end.
    explicit Cluster(std::size_t size, std::vector<std::string> flags = {})
        : Cluster(size, 0, std::move(flags)) {}
    /// With `spare` more, which are not started, and join the others when they are.
    Cluster(std::size_t size, std::size_t spare, std::vector<std::string> flags = {});
    Cluster(const Cluster&) = delete;
    Cluster& operator=(const Cluster&) = delete;
    ~Cluster();

    [[nodiscard]] std::size_t size() const { return nodes_.size(); }
    [[nodiscard]] const std::string& address(std::size_t node) const { return nodes_[node].address; }
    [[nodiscard]] const std::string& name(std::size_t node) const { return nodes_[node].name; }
    [[nodiscard]] const std::filesystem::path& data_directory(std::size_t node) const {
        return nodes_[node].directory;
    }
    [[nodiscard]] std::string log(std::size_t node) const;
    /// The flags that a node is started with.
    [[nodiscard]] std::vector<std::string> flags_of(std::size_t node) const;

    /// `faults`, when there are any, outlives the process; `more` flags are of this start alone.
    void start(std::size_t node, SystemCallFaults* faults = nullptr,
               const std::vector<std::string>& more = {});
    /// SIGKILL, and waits for the end.
    void kill(std::size_t node);
    void pause(std::size_t node) { nodes_[node].process->pause(); }
    void resume(std::size_t node) { nodes_[node].process->signal(SIGCONT); }
    /// SIGTERM; does not wait.
    void terminate(std::size_t node) { nodes_[node].process->signal(SIGTERM); }
    /// SIGINT; does not wait.
    void interrupt(std::size_t node) { nodes_[node].process->signal(SIGINT); }
    /// SIGHUP; does not wait.
    void hang_up(std::size_t node) { nodes_[node].process->signal(SIGHUP); }
    /// SIGABRT, as a failed check gives itself; does not wait.
    void abort(std::size_t node) { nodes_[node].process->signal(SIGABRT); }
    std::optional<Ending> wait(std::size_t node) { return nodes_[node].process->wait(); }

    /// What GET /raft/health of a node says; null when it does not answer soon.
    [[nodiscard]] nlohmann::json health(std::size_t node) const;
    /// The node that leads, as soon as one does and can answer a linearizable read. Fails the test when none
    /// does within kPatience.
    [[nodiscard]] std::size_t wait_for_leader(std::optional<std::size_t> other_than = std::nullopt);
    /// Any node that does not lead.
    [[nodiscard]] std::size_t some_follower();
    /// The node has applied everything that the leader has committed by now.
    [[nodiscard]] bool wait_until_caught_up(std::size_t node);
    /// Every pair of the store, read from this node page by page.
    [[nodiscard]] std::vector<std::pair<std::string, std::string>> everything(std::size_t node) const;

 private:
    struct Node {
        std::string name;
        std::string address;
        std::filesystem::path directory;
        std::unique_ptr<Process> process;
    };

    TemporaryDirectory directory_;
    std::vector<std::string> flags_;
    std::size_t first_;  ///< so many are the cluster's first members
    std::string peers_;
    std::string first_addresses_;
    std::vector<Node> nodes_;
};

}  // namespace quorate::test
