#include "sim/plan_replay.h"

#include <cstdio>
#include <span>
#include <string_view>

#include <fmt/format.h>

#include "sim/apart.h"
#include "sim/files.h"
#include "sim/history_json.h"
#include "sim/world.h"

namespace quorate::sim {

namespace {

// Of a trace standard output holds nothing else: a line of JSON is an event.
std::FILE* words_of(const ReplayFlags& flags) { return flags.trace ? stderr : stdout; }

Exit run_and_tell(const std::string& source, const Plan& plan, const ReplayFlags& flags, Moment& moment) {
    std::FILE* const words = words_of(flags);
    RunOptions options;
    options.events_max = flags.until;
    options.moment = &moment;
    std::string history;
    if (!flags.history.empty())
        options.history = [&](std::span<const Operation> operations) {
            history = render_history(operations);
        };
    if (flags.trace) options.trace = [](std::string_view line) { print_line(stdout, line); };
    if (flags.verbose != 0)
        options.log = [&](std::size_t node, std::string_view line) {
            if (node == flags.verbose) print_line(words, fmt::format("node {} {}", node, line));
        };
    const RunResult result = run(plan, options);
    if (!flags.history.empty() && !write_file(flags.history, history)) {
        fmt::print(stderr, "quorate-sim: cannot write {}\n", flags.history);
        return Unusable;
    }
    const std::string_view so_far =
        result.violation || result.violation || result.events < flags.until ? "" : ", so far";
    fmt::print(words, "{}: {} events, {:.3f} virtual s, {} faults, {} operations, trace {:016x}: {}{}\n",
               source, result.events, static_cast<double>(result.virtual_us) / 1e6, plan.faults.size(),
               plan.operations.size(), result.trace_hash, result.violation ? "broken" : "holds", so_far);
    if (!result.violation) return Passed;
    print_violation(words, *result.violation, source);
    return Broken;
}

}  // namespace

void print_violation(std::FILE* file, const Violation& violation, std::string_view source) {
    const Moment& at = violation.at;
    fmt::print(file,
               "BROKEN  {}\n        {}\n        at event {}, {}.{:06} s{}; replay: quorate-sim replay {}\n",
               violation.property, violation.text, at.event, at.us / 1'000'000, at.us % 1'000'000,
               at.node == 0 ? "" : fmt::format(", node {}", at.node), source);
}

Exit replay_plan(const std::string& source, const Plan& plan, const ReplayFlags& flags) {
    LastWords words;
    const auto code =
        words.wait(words.start([&] { return run_and_tell(source, plan, flags, words.moment()); }));
    if (code) return static_cast<Exit>(*code);
    print_violation(words_of(flags), words.crash(), source);
    return Broken;
}

}  // namespace quorate::sim
