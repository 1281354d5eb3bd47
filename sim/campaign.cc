#include "sim/campaign.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/apart.h"

namespace quorate::sim {

namespace {

using Json = nlohmann::json;

std::string encode(std::uint64_t seed, const RunResult& r) {
    Json json{{"seed", seed},
              {"hash", r.trace_hash},
              {"us", r.virtual_us},
              {"events", r.events},
              {"committed", r.committed},
              {"done", r.done},
              {"refused", r.refused},
              {"unknown", r.unknown},
              {"leaders", r.leaders},
              {"effects", r.effects.counts},
              {"marks", r.marks.to_string()},
              {"answers", r.answers.counts}};
    if (r.violation)
        json["violation"] = {r.violation->property, r.violation->text, r.violation->at.event,
                             r.violation->at.us, r.violation->at.node};
    return json.dump() + '\n';
}

std::pair<std::uint64_t, RunResult> decode(std::string_view line) {
    const Json json = Json::parse(line);
    RunResult r;
    r.trace_hash = json["hash"];
    r.virtual_us = json["us"];
    r.events = json["events"];
    r.committed = json["committed"];
    r.done = json["done"];
    r.refused = json["refused"];
    r.unknown = json["unknown"];
    r.leaders = json["leaders"];
    r.effects.counts = json["effects"].get<std::vector<std::uint64_t>>();
    r.marks = MarkSet(json["marks"].get<std::string>());
    r.answers.counts = json["answers"].get<std::vector<std::uint64_t>>();
    if (json.contains("violation")) {
        const Json& v = json["violation"];
        r.violation = Violation{
            v[0], v[1], {v[2].get<std::uint64_t>(), v[3].get<std::uint64_t>(), v[4].get<std::size_t>()}};
    }
    return {json["seed"].get<std::uint64_t>(), std::move(r)};
}

void write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd, bytes.data(), bytes.size());
        if (written < 0 && errno != EINTR) std::_Exit(EXIT_FAILURE);
        if (written > 0) bytes.remove_prefix(static_cast<std::size_t>(written));
    }
}

// The second run finds a heap that the first has left behind: what depends on an address shows.
RunResult run_twice(const Plan& plan, const RunOptions& options) {
    RunResult first = run(plan, options);
    const RunResult second = run(plan, options);
    if (!first.violation && first.trace_hash != second.trace_hash) {
        first.violation = Violation{"Determinism",
                                    fmt::format("two runs of the same plan: traces {:016x} and {:016x}",
                                                first.trace_hash, second.trace_hash),
                                    *options.moment};
    }
    return first;
}

/// A child that runs every seed that is its share, and writes a line for each.
class Worker {
 public:
    /// The one with this number of all the campaign's workers.
    Worker(const Campaign& campaign, unsigned number)
        : campaign_(campaign), next_(behind(campaign.first_seed, number)) {
        start();
    }

    [[nodiscard]] int fd() const { return fd_; }
    [[nodiscard]] bool is_done() const { return fd_ < 0; }

    // What it has to say; calls `on_result` for each run.
    bool read(const std::function<bool(std::uint64_t, RunResult&&)>& on_result) {
        std::array<char, 65536> buffer{};
        const ssize_t got = ::read(fd_, buffer.data(), buffer.size());
        if (got < 0) return true;
        if (got == 0) return ended(on_result);
        text_.append(buffer.data(), static_cast<std::size_t>(got));
        for (std::size_t end = text_.find('\n'); end != std::string::npos; end = text_.find('\n')) {
            auto [seed, result] = decode(std::string_view(text_).substr(0, end));
            text_.erase(0, end + 1);
            next_ = behind(seed, campaign_.jobs);
            if (!on_result(seed, std::move(result))) return false;
        }
        return true;
    }

    void stop() {
        if (fd_ < 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        ::close(std::exchange(fd_, -1));
    }

 private:
    // The campaign's seed so many behind this one; nothing when it has none, as at the end of all numbers.
    [[nodiscard]] std::optional<std::uint64_t> behind(std::uint64_t seed, unsigned count) const {
        if (campaign_.last_seed - seed < count) return std::nullopt;
        return seed + count;
    }

    void start() {
        std::array<int, 2> pipe{};
        if (!next_) return;
        if (::pipe2(pipe.data(), O_CLOEXEC) != 0) give_up("pipe2");
        pid_ = words_->start([&] {
            ::close(pipe[0]);
            const RunOptions options{.moment = &words_->moment()};
            for (auto seed = next_; seed; seed = behind(*seed, campaign_.jobs)) {
                const Plan plan = campaign_.plan_of(*seed);
                write_all(pipe[1],
                          encode(*seed, campaign_.twice ? run_twice(plan, options) : run(plan, options)));
            }
            return 0;
        });
        ::close(pipe[1]);
        fd_ = pipe[0];
    }

    bool ended(const std::function<bool(std::uint64_t, RunResult&&)>& on_result) {
        ::close(std::exchange(fd_, -1));
        const auto code = words_->wait(pid_);
        if (code && !next_) return true;
        // It died in the run of next_, or as its last was over: the rest is for another.
        const std::uint64_t seed = next_.value_or(campaign_.last_seed);
        next_ = behind(seed, campaign_.jobs);
        RunResult crashed;
        crashed.violation = code ? Violation{kCrash, fmt::format("its process ended with code {}", *code), {}}
                                 : words_->crash();
        const bool goes_on = on_result(seed, std::move(crashed));
        if (goes_on) start();
        return goes_on;
    }

    Campaign campaign_;
    std::optional<std::uint64_t> next_;
    std::unique_ptr<LastWords> words_ = std::make_unique<LastWords>();
    pid_t pid_ = -1;
    int fd_ = -1;
    std::string text_;
};

}  // namespace

std::string failure_of(const Plan& plan) {
    LastWords words;
    const pid_t process = words.start([&] {
        const RunResult result = run(plan, {.moment = &words.moment()});
        if (result.violation) words.say(result.violation->property);
        return 0;
    });
    const auto code = words.wait(process);
    if (code == 0) return std::string(words.said());
    if (code) return fmt::format("{}: its process ended with code {}", kCrash, *code);
    // One crash is not another: each check, and each signal, is a property of its own.
    const Violation crash = words.crash();
    return crash.property + ": " + crash.text;
}

void run_campaign(const Campaign& campaign,
                  const std::function<bool(std::uint64_t seed, RunResult&&)>& on_result,
                  const std::function<bool()>& on_pause) {
    std::vector<Worker> workers;
    workers.reserve(campaign.jobs);
    for (unsigned i = 0; i < campaign.jobs; ++i) workers.emplace_back(campaign, i);
    for (bool goes_on = true; goes_on;) {
        std::vector<pollfd> polls;
        std::vector<Worker*> polled;
        for (Worker& worker : workers) {
            if (worker.is_done()) continue;
            polls.push_back({worker.fd(), POLLIN, 0});
            polled.push_back(&worker);
        }
        if (polls.empty()) break;
        ::poll(polls.data(), polls.size(), 200);
        for (std::size_t i = 0; i < polls.size() && goes_on; ++i) {
            if (polls[i].revents != 0) goes_on = polled[i]->read(on_result);
        }
        goes_on = goes_on && on_pause();
    }
    for (Worker& worker : workers) worker.stop();
}

}  // namespace quorate::sim
