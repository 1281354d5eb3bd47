#include "tests/support/process_cluster.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace quorate::test {

namespace {

using Json = nlohmann::json;

constexpr std::chrono::milliseconds kAskAgain{5};
constexpr std::chrono::milliseconds kHealthTimeout{1000};
constexpr std::size_t kLogBytesShown = 6000;
constexpr std::string_view kOwnPath = "{node}";

bool is_free(std::uint16_t port) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(port);
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool bound = ::bind(socket, reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0;
    ::close(socket);
    return bound;
}

// execve wants pointers to what it will not change.
std::vector<char*> pointers(const std::vector<std::string>& texts) {
    std::vector<char*> result;
    result.reserve(texts.size() + 1);
    for (const std::string& text : texts)
        result.push_back(const_cast<char*>(text.c_str()));  // NOLINT(cppcoreguidelines-pro-type-const-cast)
    result.push_back(nullptr);
    return result;
}

std::vector<std::string> with_sanitizer_options(std::vector<std::string> environment) {
    for (const char* name : {"ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS"}) {
        if (const char* value = std::getenv(name)) environment.push_back(std::string(name) + "=" + value);
    }
    return environment;
}

}  // namespace

bool eventually(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::sleep_for(kAskAgain);
    }
    return true;
}

std::string bytes_of(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::map<std::string, std::filesystem::file_time_type> times_of_files(
    const std::filesystem::path& directory) {
    std::map<std::string, std::filesystem::file_time_type> times;
    for (const auto& entry : std::filesystem::directory_iterator(directory))
        times[entry.path().filename().string()] = entry.last_write_time();
    return times;
}

TemporaryDirectory::TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "quorate-test-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory: " + pattern);
    path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::vector<std::uint16_t> free_ports(std::size_t count) {
    // Tests run side by side: each process looks in a block of its own, and goes on in it from call to call.
    static std::uint32_t next = static_cast<std::uint32_t>(getpid()) * 32;
    std::vector<std::uint16_t> ports;
    while (ports.size() < count) {
        const auto port = static_cast<std::uint16_t>(10000 + next++ % 22000);
        if (is_free(port)) ports.push_back(port);
    }
    return ports;
}

Process::Process(const std::vector<std::string>& command, const std::vector<std::string>& environment,
                 const std::filesystem::path& output, SystemCallFaults* faults) {
    // All memory is taken before the fork: behind it only the system's calls are safe.
    const std::vector<char*> arguments = pointers(command);
    const std::vector<std::string> whole_environment = with_sanitizer_options(environment);
    const std::vector<char*> variables = pointers(whole_environment);
    pid_ = fork();
    if (pid_ < 0) throw std::runtime_error("fork failed");
    if (pid_ == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        const int in = open("/dev/null", O_RDONLY);
        const int out = open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(in, STDIN_FILENO);
        dup2(out, STDOUT_FILENO);
        dup2(out, STDERR_FILENO);
        if (faults != nullptr) faults->enter();
        execve(arguments[0], arguments.data(), variables.data());
        _exit(127);
    }
    if (faults != nullptr) faults->watch();
}

Process::~Process() {
    if (ending_) return;
    ::kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
}

void Process::signal(int number) const {
    if (!ending_) ::kill(pid_, number);
}

void Process::pause() const {
    signal(SIGSTOP);
    siginfo_t info{};
    if (!ending_) ::waitid(P_PID, static_cast<id_t>(pid_), &info, WSTOPPED | WEXITED | WNOWAIT);
}

bool Process::has_children() const {
    const std::string id = std::to_string(pid_);
    std::ifstream children("/proc/" + id + "/task/" + id + "/children");
    return children.get() != std::ifstream::traits_type::eof();
}

bool Process::limit_file_bytes(std::uint64_t bytes) const {
    rlimit limit{};
    if (ending_ || ::prlimit(pid_, RLIMIT_FSIZE, nullptr, &limit) != 0) return false;
    limit.rlim_cur = bytes;
    return ::prlimit(pid_, RLIMIT_FSIZE, &limit, nullptr) == 0;
}

bool Process::running() {
    int status = 0;
    if (!ending_ && waitpid(pid_, &status, WNOHANG) == pid_) {
        ending_ = WIFEXITED(status) ? Ending{WEXITSTATUS(status), 0} : Ending{-1, WTERMSIG(status)};
    }
    return !ending_;
}

std::optional<Ending> Process::wait() {
    (void)eventually([this] { return !running(); });
    return ending_;
}

Outcome run_program(const std::string& program, const std::vector<std::string>& arguments,
                    const std::vector<std::string>& environment) {
    const TemporaryDirectory directory;
    const std::filesystem::path output = directory.path() / "output";
    std::vector<std::string> command{program};
    command.insert(command.end(), arguments.begin(), arguments.end());
    Process process(command, environment, output);
    const std::optional<Ending> ending = process.wait();
    return {ending, bytes_of(output)};
}

Outcome run_quorated(const std::vector<std::string>& flags, const std::vector<std::string>& environment) {
    return run_program(QUORATED_PATH, flags, environment);
}

Outcome run_simulator(const std::vector<std::string>& arguments) {
    return run_program(QUORATE_SIM_PATH, arguments, {});
}

Outcome run_wal_tool(const std::vector<std::string>& arguments) {
    return run_program(QUORATE_WAL_PATH, arguments, {});
}

Cluster::Cluster(std::size_t size, std::size_t spare, std::vector<std::string> flags)
    : flags_(std::move(flags)), first_(size) {
    for (const std::uint16_t port : free_ports(size + spare)) {
        Node node;
        node.name = "n" + std::to_string(nodes_.size() + 1);
        node.address = "127.0.0.1:" + std::to_string(port);
        node.directory = directory_.path() / node.name;
        if (nodes_.size() < first_) {
            const char* const separator = peers_.empty() ? "" : ",";
            peers_ += separator + node.name + "=" + node.address;
            first_addresses_ += separator + node.address;
        }
        nodes_.push_back(std::move(node));
    }
    for (std::size_t node = 0; node < first_; ++node) start(node);
}

Cluster::~Cluster() {
    if (!testing::Test::HasFailure()) return;
    for (std::size_t node = 0; node < size(); ++node) {
        const std::string text = log(node);
        std::cout << "--- log of " << nodes_[node].name << " (its end)\n"
                  << text.substr(text.size() - std::min(text.size(), kLogBytesShown)) << "\n";
    }
}

std::string Cluster::log(std::size_t node) const {
    return bytes_of(directory_.path() / (nodes_[node].name + ".log"));
}

std::vector<std::string> Cluster::flags_of(std::size_t node) const {
    const std::string& address = nodes_[node].address;
    std::vector<std::string> flags{"--node-id",  nodes_[node].name,
                                   "--port",     address.substr(address.rfind(':') + 1),
                                   "--data-dir", nodes_[node].directory.string()};
    if (node >= first_) flags.insert(flags.end(), {"--join", first_addresses_});
    if (node < first_ && first_ > 1) flags.insert(flags.end(), {"--peers", peers_});
    for (std::string flag : flags_) {
        const std::size_t at = flag.find(kOwnPath);
        if (at != std::string::npos) flag.replace(at, kOwnPath.size(), nodes_[node].directory.string());
        flags.push_back(std::move(flag));
    }
    // Ever new files of the default size, full of zeros, would take most of the tests' time.
    if (std::ranges::find(flags_, "--segment-mb") == flags_.end())
        flags.insert(flags.end(), {"--segment-mb", "16"});
    return flags;
}

void Cluster::start(std::size_t node, SystemCallFaults* faults, const std::vector<std::string>& more) {
    std::vector<std::string> command{QUORATED_PATH};
    const std::vector<std::string> flags = flags_of(node);
    command.insert(command.end(), flags.begin(), flags.end());
    command.insert(command.end(), more.begin(), more.end());
    nodes_[node].process = std::make_unique<Process>(
        command, std::vector<std::string>{}, directory_.path() / (nodes_[node].name + ".log"), faults);
}

void Cluster::kill(std::size_t node) {
    nodes_[node].process->signal(SIGKILL);
    (void)nodes_[node].process->wait();
}

Json Cluster::health(std::size_t node) const {
    HttpClient client(HttpClient::Connections::Fresh, kHealthTimeout);
    const Reply reply = client.get(nodes_[node].address, "/raft/health");
    return reply.status == 200 ? Json::parse(reply.body, nullptr, false) : Json();
}

std::size_t Cluster::wait_for_leader(std::optional<std::size_t> other_than) {
    HttpClient client(HttpClient::Connections::Fresh);
    std::size_t leader = 0;
    bool any_runs = true;
    const bool found = eventually([&] {
        any_runs = false;
        for (std::size_t node = 0; node < size(); ++node) {
            if (node == other_than || !nodes_[node].process || !nodes_[node].process->running()) continue;
            any_runs = true;
            const Json said = health(node);
            if (!said.is_object() || said.value("role", "") != "leader") continue;
            // A leader that was overtaken unawares cannot answer a read at its own address.
            if (client.get(nodes_[node].address, "/kv/no-such-key?forward=false").status != 404) continue;
            leader = node;
            return true;
        }
        return !any_runs;
    });
    if (!any_runs) throw std::runtime_error("all nodes have ended");
    if (!found) throw std::runtime_error("no leader within the time that a test waits");
    return leader;
}

std::size_t Cluster::some_follower() { return (wait_for_leader() + 1) % size(); }

bool Cluster::wait_until_caught_up(std::size_t node) {
    const Json leader = health(wait_for_leader());
    const auto commit = leader.value("commitIndex", std::uint64_t{0});
    return eventually([&] {
        const Json said = health(node);
        return said.is_object() && said.value("appliedIndex", std::uint64_t{0}) >= commit;
    });
}

std::vector<std::pair<std::string, std::string>> Cluster::everything(std::size_t node) const {
    std::vector<std::pair<std::string, std::string>> pairs;
    HttpClient client;
    std::string after;
    while (true) {
        const Reply page = client.get(nodes_[node].address,
                                      "/kv/range?limit=5000" + (after.empty() ? "" : "&after=" + after));
        if (page.status != 200)
            throw std::runtime_error("range: " + std::to_string(page.status) + " " + page.body +
                                     page.failure);
        for (std::size_t from = 0; from < page.body.size();) {
            const std::size_t end = page.body.find('\n', from);
            const Json pair = Json::parse(page.body.substr(from, end - from));
            pairs.emplace_back(pair.at("k").get<std::string>(), pair.at("v").get<std::string>());
            from = end + 1;
        }
        after = page.header("quorate-next");
        if (after.empty()) return pairs;
    }
}

}  // namespace quorate::test
