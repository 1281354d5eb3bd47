// quorate-sim: runs the simulator from the command line.

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "engine/format.h"
#include "sim/campaign.h"
#include "sim/history_json.h"
#include "sim/linearizability.h"
#include "sim/shrink.h"
#include "sim/storm.h"
#include "sim/world.h"

namespace quorate::sim {
namespace {

enum Exit : std::uint8_t { Passed = 0, Broken = 1, Usage = 2, Unusable = 3 };

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point began) {
    return std::chrono::duration<double>(Clock::now() - began).count();
}

/// A seed, or the name of a scenario file.
struct Source {
    std::string text;
    Plan plan;
};

int say_unusable(std::string_view what) {
    fmt::print(stderr, "quorate-sim: {}\n", what);
    return Unusable;
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::expected<std::string, std::string> read_file(const std::string& name) {
    std::ifstream file(name, std::ios::binary);
    if (!file) return std::unexpected(fmt::format("cannot read {}", name));
    return std::string(std::istreambuf_iterator<char>(file), {});
}

std::expected<Source, std::string> load(const std::string& text) {
    if (const auto seed = parse_number(text)) return Source{text, make_plan(*seed)};
    const auto content = read_file(text);
    if (!content) return std::unexpected(content.error() + ": give a seed or a scenario file");
    auto plan = plan_from_json(*content);
    if (!plan) return std::unexpected(fmt::format("{}: {}", text, plan.error()));
    return Source{text, std::move(*plan)};
}

void print_violation(const Violation& violation, std::string_view source) {
    fmt::print("BROKEN  {}\n        {}\n        at {}.{:06} s; replay: quorate-sim replay {}\n",
               violation.property, violation.text, violation.at_us / 1'000'000, violation.at_us % 1'000'000,
               source);
}

/// What many runs add up to.
struct Totals {
    std::uint64_t runs = 0;
    std::uint64_t broken = 0;
    std::uint64_t virtual_us = 0;
    std::uint64_t events = 0;
    std::uint64_t committed = 0;
    std::uint64_t done = 0;
    std::uint64_t refused = 0;
    std::uint64_t unknown = 0;
    std::uint64_t leaders = 0;
    Effects effects;
    NoteSet notes;
    Answers answers;

    void add(const RunResult& r) {
        ++runs;
        broken += r.violation ? 1U : 0U;
        virtual_us += r.virtual_us;
        events += r.events;
        committed += r.committed;
        done += r.done;
        refused += r.refused;
        unknown += r.unknown;
        leaders += r.leaders;
        for (std::size_t i = 0; i < r.effects.counts.size(); ++i) effects.counts[i] += r.effects.counts[i];
        notes |= r.notes;
        for (std::size_t i = 0; i < r.answers.counts.size(); ++i) answers.counts[i] += r.answers.counts[i];
    }
};

/// Notes that no run of this world can reach, or hardly any, each for its reason.
constexpr engine::NoteKind kUnreachable[] = {
    engine::NoteKind::CampaignRefusedNotVoter,       // no learners yet
    engine::NoteKind::AppendConflictsWithCommitted,  // only a broken leader sends such
    engine::NoteKind::MessageOfStrangerIgnored,      // members do not change yet
    engine::NoteKind::MessageMalformed,              // frames are whole or dropped
    engine::NoteKind::TransferOrderIgnored,          // only an order that is very late
    engine::NoteKind::PeerNeedsSnapshot,             // no snapshots yet
    engine::NoteKind::SnapshotAccepted,
    engine::NoteKind::SnapshotIgnoredOlder,
    engine::NoteKind::LogCompacted,
    engine::NoteKind::MembershipAdopted,
    engine::NoteKind::MembershipRolledBack,
};

/// Below this many runs a kind may be missed by chance.
constexpr std::uint64_t kRunsForFloors = 2000;
/// Each kind of fault and of answer shows at least once in so many runs, on average.
constexpr std::uint64_t kRunsForEffect = 100;

std::vector<std::string> unreached(const Totals& totals) {
    std::vector<std::string> missing;
    // A fault that hardly ever bites tests as little as one that never does.
    const std::uint64_t floor = std::max<std::uint64_t>(1, totals.runs / kRunsForEffect);
    for (std::size_t i = 0; i < kFaultKindCount; ++i) {
        if (totals.effects.counts[i] < floor)
            missing.push_back(fmt::format("fault {}", to_string(static_cast<FaultKind>(i))));
    }
    const auto want = [&](RequestKind kind, int status) {
        if (totals.answers.of(kind, status) < floor)
            missing.push_back(fmt::format("{} answered with {}", to_string(kind), status));
    };
    for (std::size_t i = 0; i < kRequestKindCount; ++i) want(static_cast<RequestKind>(i), 200);
    want(RequestKind::Get, 404);
    want(RequestKind::StaleGet, 404);
    want(RequestKind::PutIf, 412);
    for (std::size_t i = 0; i < engine::kNoteKindCount; ++i) {
        const auto kind = static_cast<engine::NoteKind>(i);
        if (!totals.notes[i] && std::ranges::find(kUnreachable, kind) == std::end(kUnreachable))
            missing.push_back(fmt::format("note {}", engine::to_string(kind)));
    }
    return missing;
}

void print_totals(const Totals& t, double seconds) {
    fmt::print(
        "{} runs, {} broken; {:.2f} virtual hours in {:.1f} s ({:.0f} times real time), {:.1f} million "
        "events ({:.2f} million/s)\n",
        t.runs, t.broken, static_cast<double>(t.virtual_us) / 3.6e9, seconds,
        static_cast<double>(t.virtual_us) / 1e6 / seconds, static_cast<double>(t.events) / 1e6,
        static_cast<double>(t.events) / 1e6 / seconds);
    fmt::print(
        "operations: {} done, {} refused, {} of unknown outcome; {} entries committed, {} elections\neffects "
        "of faults:",
        t.done, t.refused, t.unknown, t.committed, t.leaders);
    for (std::size_t i = 0; i < kFaultKindCount; ++i)
        fmt::print(" {}={}", to_string(static_cast<FaultKind>(i)), t.effects.counts[i]);
    fmt::print("\n");
}

int run_seeds(const std::string& seeds, unsigned jobs, bool hashes, bool keep_going, bool twice) {
    const std::size_t dots = seeds.find("..");
    const auto first = parse_number(std::string_view(seeds).substr(0, dots));
    const auto last =
        dots == std::string::npos ? first : parse_number(std::string_view(seeds).substr(dots + 2));
    if (!first || !last || *first > *last) {
        fmt::print(stderr, "quorate-sim: --seeds {}: give A..B with A <= B, or one seed\n", seeds);
        return Usage;
    }
    Totals totals;
    std::map<std::uint64_t, std::uint64_t> hash_of;
    const auto began = Clock::now();
    const bool has_bar = ::isatty(STDERR_FILENO) != 0;
    const std::uint64_t count = *last - *first + 1;
    run_campaign(
        {*first, *last, jobs, twice},
        [&](std::uint64_t seed, RunResult&& result) {
            totals.add(result);
            if (hashes) hash_of[seed] = result.trace_hash;
            if (!result.violation) return true;
            if (has_bar) fmt::print(stderr, "\r\x1b[K");
            fmt::print("seed {}: ", seed);
            print_violation(*result.violation, std::to_string(seed));
            return keep_going;
        },
        [&] {
            if (!has_bar) return true;
            const double seconds = seconds_since(began);
            fmt::print(stderr, "\r\x1b[K[{:3}%] {} runs, {:.1f} virtual h, {:.2f} M events/s, {} broken",
                       100 * totals.runs / count, totals.runs, static_cast<double>(totals.virtual_us) / 3.6e9,
                       static_cast<double>(totals.events) / 1e6 / seconds, totals.broken);
            return true;
        });
    if (has_bar) fmt::print(stderr, "\r\x1b[K");
    for (const auto& [seed, hash] : hash_of) fmt::print("{} {:016x}\n", seed, hash);
    if (hashes) return totals.broken > 0 ? Broken : Passed;
    print_totals(totals, seconds_since(began));
    if (totals.broken > 0) return Broken;
    const auto missing = unreached(totals);
    if (!missing.empty()) {
        fmt::print("never reached:");
        for (const std::string& name : missing) fmt::print(" {};", name);
        fmt::print("\n");
        if (totals.runs >= kRunsForFloors) return Broken;
    }
    return Passed;
}

int replay(const std::vector<std::string>& sources, bool trace, std::uint64_t until, std::size_t verbose) {
    int code = Passed;
    for (const std::string& text : sources) {
        const auto source = load(text);
        if (!source) return say_unusable(source.error());
        RunOptions options;
        options.events_max = until;
        if (trace) options.trace = [](std::string_view line) { fmt::print("{}\n", line); };
        if (verbose != 0)
            options.log = [&](std::size_t node, std::string_view line) {
                if (node == verbose) fmt::print("node {} {}\n", node, line);
            };
        const RunResult result = run(source->plan, options);
        if (trace) continue;
        fmt::print("{}: {} events, {:.3f} virtual s, {} faults, {} operations, trace {:016x}: {}\n", text,
                   result.events, static_cast<double>(result.virtual_us) / 1e6, source->plan.faults.size(),
                   source->plan.operations.size(), result.trace_hash, result.violation ? "broken" : "holds");
        if (!result.violation) continue;
        print_violation(*result.violation, text);
        code = Broken;
    }
    return code;
}

int shrink_source(const std::string& text, const std::string& output, std::uint64_t trials_max) {
    const auto source = load(text);
    if (!source) return say_unusable(source.error());
    const Trial trial = [](const Plan& plan) {
        const RunResult result = run_apart(plan);
        return result.violation ? result.violation->property : std::string();
    };
    const std::string property = trial(source->plan);
    if (property.empty())
        return say_unusable(fmt::format("{} breaks nothing: there is nothing to shrink", text));
    const auto began = Clock::now();
    const Shrunk shrunk = shrink(source->plan, property, trial, trials_max);
    const std::string name = output.empty() ? fmt::format("{}.scenario.json", text) : output;
    std::ofstream file(name, std::ios::binary);
    file << to_json(shrunk.plan);
    file.close();
    if (!file) return say_unusable(fmt::format("cannot write {}", name));
    fmt::print("{}: {} faults and {} operations, from {} and {}; {} runs in {:.1f} s\n", property,
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
            print_violation(*result.violation, "(bench)");
            return Broken;
        }
    }
    return Passed;
}

int check_history(const std::string& name) {
    const auto content = read_file(name);
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

int start(int argc, char** argv) {
    CLI::App app{"Runs Quorate's nodes in a virtual world, and judges what they do.", "quorate-sim"};
    app.footer(
        "Exit codes: 0 everything held; 1 a property is broken; 2 bad usage; 3 a file cannot be used.");
    app.require_subcommand(1);

    std::string seeds = "1..1000";
    unsigned jobs = std::max(1U, std::thread::hardware_concurrency());
    bool hashes = false;
    bool keep_going = false;
    CLI::App* run_command = app.add_subcommand("run", "Run a range of seeds");
    run_command->add_option("--seeds", seeds, "A..B, both included")->capture_default_str();
    run_command->add_option("--jobs", jobs, "Processes side by side")
        ->capture_default_str()
        ->check(CLI::Range(1, 256));
    run_command->add_flag("--hashes", hashes, "Print each seed's trace hash and nothing else");
    bool twice = false;
    run_command->add_flag("--twice", twice, "Run each seed twice and compare the traces");
    run_command->add_flag("--keep-going", keep_going, "Do not stop at the first failure");

    std::vector<std::string> sources;
    bool trace = false;
    std::uint64_t until = UINT64_MAX;
    std::size_t verbose = 0;
    CLI::App* replay_command = app.add_subcommand("replay", "Run one seed or scenario file again");
    replay_command->add_option("SEED|FILE", sources, "Seeds or scenario files")->required();
    replay_command->add_flag("--trace", trace, "Print a line of JSON for each event, with each node's view");
    replay_command->add_option("--until", until, "Stop after so many events");
    replay_command->add_option("--verbose", verbose, "Print the log of this node (from 1)");

    std::string source;
    std::string output;
    std::uint64_t trials_max = 20'000;
    CLI::App* shrink_command = app.add_subcommand("shrink", "Make a failing seed or scenario small");
    shrink_command->add_option("SEED|FILE", source, "What fails")->required();
    shrink_command->add_option("--output", output, "Scenario file to write; default: SEED.scenario.json");
    shrink_command->add_option("--trials", trials_max, "Runs at most")->capture_default_str();

    std::uint64_t seconds = 3600;
    CLI::App* bench_command =
        app.add_subcommand("bench", "Measure virtual against real time, with 3 and 5 nodes");
    bench_command->add_option("--seconds", seconds, "Virtual seconds")
        ->capture_default_str()
        ->check(CLI::Range(1, 1'000'000));

    std::string history;
    CLI::App* check_command = app.add_subcommand("check", "Judge a recorded history: is it linearizable?");
    check_command->add_option("FILE", history, "JSON lines, an operation each: docs/history-format.md")
        ->required();

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? Passed : Usage;
    }
    if (run_command->parsed()) return run_seeds(seeds, jobs, hashes, keep_going, twice);
    if (replay_command->parsed()) return replay(sources, trace, until, verbose);
    if (shrink_command->parsed()) return shrink_source(source, output, trials_max);
    if (check_command->parsed()) return check_history(history);
    return bench(seconds);
}

}  // namespace
}  // namespace quorate::sim

// What may escape is a lack of memory or of a reader: nothing to do but end.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) { return quorate::sim::start(argc, argv); }
