// quorate-sim: runs the simulator from the command line.

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "sim/campaign.h"
#include "sim/exit.h"
#include "sim/files.h"
#include "sim/history_json.h"
#include "sim/linearizability.h"
#include "sim/plan_replay.h"
#include "sim/replay_command.h"
#include "sim/shrink.h"
#include "sim/storm.h"
#include "sim/tally.h"
#include "sim/world.h"

namespace quorate::sim {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kExitCodes =
    "Exit codes: 0 what was run, replayed or judged holds; 1 a property is broken (shrink has made small "
    "what "
    "breaks it), or a replay is not what was recorded; 2 bad usage; 3 no verdict: a file cannot be read or "
    "written, or is no scenario, history or recording, or a history is too hard to judge; 130 or 143 run was "
    "ended by SIGINT or SIGTERM, and has summed up what it had done.";
/// Much more than a scenario or a history needs that keeps to the limits of its lines.
constexpr std::size_t kScenarioBytesMax = std::size_t{32} << 20;
constexpr std::size_t kHistoryBytesMax = std::size_t{256} << 20;
/// Characters in a line of the progress bar.
constexpr std::size_t kBarWidth = 100;

double seconds_since(Clock::time_point began) {
    return std::chrono::duration<double>(Clock::now() - began).count();
}

/// A seed, or the name of a scenario file.
struct Source {
    std::string text;
    Plan plan;
};

Exit say(Exit code, std::string_view what) {
    fmt::print(stderr, "quorate-sim: {}\n", what);
    return code;
}
Exit say_unusable(std::string_view what) { return say(Unusable, what); }

std::optional<std::uint64_t> parse_number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::expected<Source, std::string> load(const std::string& text) {
    if (const auto seed = parse_number(text)) return Source{text, make_plan(*seed)};
    const auto content = read_file(text, kScenarioBytesMax);
    if (!content) return std::unexpected(content.error() + ": give a seed or a scenario file");
    auto plan = plan_from_json(*content);
    if (!plan) return std::unexpected(fmt::format("{}: {}", text, plan.error()));
    return Source{text, std::move(*plan)};
}

/// Redrawn in place while a batch runs, when somebody looks.
class ProgressBar {
 public:
    void draw(const std::string& text) {
        if (!is_seen_) return;
        clear();
        fmt::print(stderr, "{}", text);
        lines_ = static_cast<std::size_t>(std::ranges::count(text, '\n'));
        is_drawn_ = true;
    }
    void clear() {
        if (!std::exchange(is_drawn_, false)) return;
        if (lines_ > 0) fmt::print(stderr, "\x1b[{}A", lines_);
        fmt::print(stderr, "\r\x1b[J");
    }

 private:
    bool is_seen_ = ::isatty(STDERR_FILENO) != 0;
    bool is_drawn_ = false;
    std::size_t lines_ = 0;
};

/// SIGINT or SIGTERM, once somebody has had enough of a batch; 0: nobody.
volatile std::sig_atomic_t end_signal = 0;

/// Printed in the order of the seeds, as soon as all before them are known.
class Hashes {
 public:
    explicit Hashes(std::uint64_t first_seed) : next_(first_seed) {}

    void add(std::uint64_t seed, std::uint64_t hash) {
        waiting_[seed] = hash;
        for (; !waiting_.empty() && waiting_.begin()->first == next_; ++next_) print_first();
    }
    /// Those behind a seed that was not run to its end, too.
    void print_rest() {
        while (!waiting_.empty()) print_first();
    }

 private:
    void print_first() {
        const auto first = waiting_.extract(waiting_.begin());
        print_line(stdout, fmt::format("{} {:016x}", first.key(), first.mapped()));
    }

    std::uint64_t next_;
    std::map<std::uint64_t, std::uint64_t> waiting_;
};

struct RunCommand {
    std::string seeds = "1..1000";
    unsigned jobs = std::max(1U, std::thread::hardware_concurrency());
    bool hashes = false;
    bool keep_going = false;
    bool twice = false;
    bool marks = false;
};

int run_seeds(const RunCommand& command) {
    const std::string_view seeds = command.seeds;
    const std::size_t dots = seeds.find("..");
    const auto first = parse_number(seeds.substr(0, dots));
    const auto last = dots == std::string_view::npos ? first : parse_number(seeds.substr(dots + 2));
    if (!first || !last || *first > *last || *last == UINT64_MAX) {
        fmt::print(stderr, "quorate-sim: --seeds {}: give A..B with A <= B < 2^64 - 1, or one seed\n", seeds);
        return Usage;
    }
    Tally tally;
    ProgressBar bar;
    Hashes hashes(*first);
    std::FILE* const words = command.hashes ? stderr : stdout;
    const auto began = Clock::now();
    const std::uint64_t count = *last - *first + 1;
    for (const int number : {SIGINT, SIGTERM}) std::signal(number, [](int signal) { end_signal = signal; });
    run_campaign(
        {*first, *last, command.jobs, command.twice},
        [&](std::uint64_t seed, RunResult&& result) {
            tally.add(result);
            if (command.hashes) hashes.add(seed, result.trace_hash);
            if (!result.violation) return true;
            bar.clear();
            fmt::print(words, "seed {}: ", seed);
            print_violation(words, *result.violation, std::to_string(seed));
            std::fflush(words);
            return command.keep_going;
        },
        [&] {
            bar.draw(tally.progress(count, seconds_since(began)) + '\n' + tally.effects(kBarWidth));
            return end_signal == 0 && is_printed();
        });
    bar.clear();
    hashes.print_rest();
    if (end_signal != 0)
        fmt::print(stderr, "quorate-sim: ended by signal {} after {} of {} runs\n", end_signal, tally.runs(),
                   count);
    const int code = end_signal != 0 ? Interrupted + end_signal : tally.broken() > 0 ? Broken : Passed;
    if (command.hashes) return code;
    fmt::print("{}", tally.summary(seconds_since(began)));
    if (command.marks) fmt::print("runs that reached each mark:\n{}", tally.marks());
    if (code != Passed) return code;
    const auto missing = tally.unreached();
    if (!missing.empty()) {
        fmt::print("never reached: {}\n", fmt::join(missing, "; "));
        if (tally.runs() >= kRunsForFloors) return Broken;
    }
    return Passed;
}

int replay(const std::vector<std::string>& sources, const ReplayFlags& flags) {
    if (sources.size() > 1 && !flags.history.empty())
        return say(Usage, "--history takes the history of one seed or scenario, not of several");
    Exit code = Passed;
    for (const std::string& text : sources) {
        const auto source = load(text);
        if (!source) return say_unusable(source.error());
        const std::uint64_t nodes = source->plan.shape.nodes;
        if (flags.verbose > nodes)
            return say(Usage,
                       fmt::format("--verbose {}: {} has the nodes 1 to {}", flags.verbose, text, nodes));
        code = std::max(code, replay_plan(text, source->plan, flags));
        if (code > Broken) break;
    }
    return code;
}

int shrink_source(const std::string& text, const std::string& output, std::uint64_t trials_max) {
    const auto source = load(text);
    if (!source) return say_unusable(source.error());
    const std::string failure = failure_of(source->plan);
    if (failure.empty()) {
        fmt::print("{}: holds: there is nothing to shrink\n", text);
        return Passed;
    }
    const auto began = Clock::now();
    const Shrunk shrunk = shrink(source->plan, failure, failure_of, trials_max);
    const std::string name = output.empty() ? fmt::format("{}.scenario.json", text) : output;
    if (!write_file(name, to_json(shrunk.plan))) return say_unusable(fmt::format("cannot write {}", name));
    fmt::print("{}: {} faults and {} operations, from {} and {}; {} runs in {:.1f} s\n", failure,
               shrunk.plan.faults.size(), shrunk.plan.operations.size(), source->plan.faults.size(),
               source->plan.operations.size(), shrunk.trials, seconds_since(began));
    fmt::print("replay: quorate-sim replay {}\n", name);
    return Broken;
}

int bench(std::uint64_t seconds) {
    for (const std::uint64_t nodes : {std::uint64_t{3}, std::uint64_t{5}}) {
        const Plan plan = make_fair_weather(nodes, seconds, 1);
        const auto began = Clock::now();
        const RunResult result = run(plan);
        const double real = seconds_since(began);
        fmt::print(
            "{} nodes: {:.0f} virtual s in {:.3f} s: {:.0f} times real time, {:.2f} million events/s, {} "
            "operations, checkers on\n",
            nodes, static_cast<double>(result.virtual_us) / 1e6, real,
            static_cast<double>(result.virtual_us) / 1e6 / real,
            static_cast<double>(result.events) / 1e6 / real, result.done);
        if (result.violation) {
            print_violation(stdout, *result.violation, "(bench)");
            return Broken;
        }
    }
    return Passed;
}

int check_history(const std::string& name) {
    const auto content = read_file(name, kHistoryBytesMax);
    if (!content) return say_unusable(content.error());
    const auto history = parse_history(*content);
    if (!history)
        return say_unusable(fmt::format("{}:{}: {}", name, history.error().line, history.error().message));
    const auto began = Clock::now();
    const Judgement judgement = judge_linearizability(*history);
    fmt::print("{}: {} operations, {} configurations in {:.2f} s\n{}", name, history->size(),
               judgement.configurations, seconds_since(began), report(judgement));
    switch (judgement.verdict) {
        case Verdict::Linearizable: return Passed;
        case Verdict::NotLinearizable: return Broken;
        case Verdict::Unknown: return Unusable;
    }
    std::unreachable();
}

// CLI's own checks take such a number for a fraction, and what is too large for the largest.
CLI::Validator whole(std::uint64_t least, std::uint64_t most = UINT64_MAX) {
    const auto check = [=](std::string& text) {
        const auto value = parse_number(text);
        if (!value || *value < least || *value > most)
            return fmt::format("{}: a whole number from {} to {}", text, least, most);
        text = std::to_string(*value);
        return std::string();
    };
    return {check, ""};
}

void add_replay_options(CLI::App& command, std::vector<std::string>& sources, ReplayFlags& flags) {
    command.add_option("SEED|FILE", sources, "Seeds or scenario files")->required();
    command.add_flag(
        "--trace", flags.trace,
        "Print a line of JSON for each event, with each node's view; all else goes to standard error");
    command.add_option("--until", flags.until, "Stop after so many events")->check(whole(0));
    command.add_option("--verbose", flags.verbose, "Print the log of this node (from 1)")->check(whole(1));
    command.add_option("--history", flags.history,
                       "Write what the clients of one seed asked and were told to this file, for check");
}

// Or it is only the help that was asked for.
int parse_failed(const CLI::App& app, const CLI::ParseError& error) {
    std::ostringstream out;
    std::ostringstream complaint;
    const int code = app.exit(error, out, complaint);
    fmt::print("{}", out.str());
    fmt::print(stderr, "{}", complaint.str());
    return code == 0 ? Passed : Usage;
}

// CLI11 would only say that it misses a subcommand.
bool is_known(const CLI::App& app, const std::string& word) {
    std::vector<std::string> names;
    for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
    if (app.get_option_no_throw(word) != nullptr || std::ranges::find(names, word) != names.end())
        return true;
    say(Usage, fmt::format("'{}' is no subcommand: {}; see --help", word, fmt::join(names, ", ")));
    return false;
}

int start(int argc, char** argv) {
    CLI::App app{"Runs Quorate's nodes in a virtual world, and judges what they do.", "quorate-sim"};
    app.footer(kExitCodes);
    app.require_subcommand(1);
    app.set_version_flag("--version", "quorate-sim " QUORATE_VERSION, "Say which version this is");

    RunCommand run_options;
    CLI::App* run_command = app.add_subcommand("run", "Run a range of seeds");
    run_command->add_option("--seeds", run_options.seeds, "A..B, both included")->capture_default_str();
    run_command->add_option("--jobs", run_options.jobs, "Processes side by side")
        ->capture_default_str()
        ->check(whole(1, 256));
    run_command->add_flag(
        "--hashes", run_options.hashes,
        "Print each seed's trace hash and nothing else: what breaks is told on standard error");
    run_command->add_flag("--twice", run_options.twice, "Run each seed twice and compare the traces");
    run_command->add_flag("--keep-going", run_options.keep_going, "Do not stop at the first failure");
    run_command->add_flag("--marks", run_options.marks, "Print how many runs reached each mark of the code");

    std::vector<std::string> sources;
    ReplayFlags replay_flags;
    CLI::App* replay_command = app.add_subcommand("replay", "Run one seed or scenario file again");
    add_replay_options(*replay_command, sources, replay_flags);

    std::string source;
    std::string output;
    std::uint64_t trials_max = 20'000;
    CLI::App* shrink_command = app.add_subcommand("shrink", "Make a failing seed or scenario small");
    shrink_command->add_option("SEED|FILE", source, "What fails")->required();
    shrink_command->add_option("--output", output, "Scenario file to write; default: SEED.scenario.json");
    shrink_command->add_option("--trials", trials_max, "Runs at most")
        ->capture_default_str()
        ->check(whole(0));

    std::uint64_t seconds = 3600;
    CLI::App* bench_command =
        app.add_subcommand("bench", "Measure virtual against real time, with 3 and 5 nodes");
    bench_command->add_option("--seconds", seconds, "Virtual seconds")
        ->capture_default_str()
        ->check(whole(1, 100'000));

    std::string history;
    CLI::App* check_command = app.add_subcommand("check", "Judge a recorded history: is it linearizable?");
    check_command->add_option("FILE", history, "JSON lines, an operation each: docs/history-format.md")
        ->required();

    std::string recording;
    bool node_log = false;
    std::uint64_t inputs_max = UINT64_MAX;
    CLI::App* replay_node_command = app.add_subcommand(
        "replay-node", "Run a node again from what quorated --record has written, and compare");
    replay_node_command->add_option("FILE", recording, "The recording")->required();
    replay_node_command->add_flag("--verbose", node_log, "Print the node's log lines with their times");
    replay_node_command->add_option("--until", inputs_max, "Stop after so many inputs")->check(whole(0));

    if (argc > 1 && !is_known(app, argv[1])) return Usage;
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return parse_failed(app, error);
    }
    if (run_command->parsed()) return run_seeds(run_options);
    if (replay_command->parsed()) return replay(sources, replay_flags);
    if (shrink_command->parsed()) return shrink_source(source, output, trials_max);
    if (replay_node_command->parsed()) return replay_recording(recording, {node_log, inputs_max});
    if (check_command->parsed()) return check_history(history);
    return bench(seconds);
}

}  // namespace
}  // namespace quorate::sim

// What may escape is a lack of memory: nothing to do but end.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) {
    return quorate::sim::printing([&] { return quorate::sim::start(argc, argv); });
}
