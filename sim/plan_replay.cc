#include "sim/plan_replay.h"

#include <cstdio>
#include <span>

#include <fmt/format.h>

#include "sim/apart.h"
#include "sim/files.h"
#include "sim/history_json.h"
#include "sim/world.h"

namespace quorate::sim {

namespace {

Exit run_and_tell(const std::string& source, const Plan& plan, const ReplayFlags& flags, Moment& moment) {
    RunOptions options;
    options.events_max = flags.until;
    options.moment = &moment;
    std::string history;
    if (!flags.history.empty())
        options.history = [&](std::span<const Operation> operations) {
            history = render_history(operations);
        };
    if (flags.trace) options.trace = [](std::string_view line) { fmt::print("{}\n", line); };
    if (flags.verbose != 0)
        options.log = [&](std::size_t node, std::string_view line) {
            if (node == flags.verbose) fmt::print("node {} {}\n", node, line);
        };
    const RunResult result = run(plan, options);
    if (!flags.history.empty() && !write_file(flags.history, history)) {
        fmt::print(stderr, "quorate-sim: cannot write {}\n", flags.history);
        return Unusable;
    }
    const Exit code = result.violation ? Broken : Passed;
    if (flags.trace) return code;
    fmt::print("{}: {} events, {:.3f} virtual s, {} faults, {} operations, trace {:016x}: {}\n", source,
               result.events, static_cast<double>(result.virtual_us) / 1e6, plan.faults.size(),
               plan.operations.size(), result.trace_hash, result.violation ? "broken" : "holds");
    if (result.violation) print_violation(*result.violation, source);
    return code;
}

}  // namespace

void print_violation(const Violation& violation, std::string_view source) {
    const Moment& at = violation.at;
    fmt::print("BROKEN  {}\n        {}\n        at event {}, {}.{:06} s{}; replay: quorate-sim replay {}\n",
               violation.property, violation.text, at.event, at.us / 1'000'000, at.us % 1'000'000,
               at.node == 0 ? "" : fmt::format(", node {}", at.node), source);
}

Exit replay_plan(const std::string& source, const Plan& plan, const ReplayFlags& flags) {
    LastWords words;
    const auto code =
        words.wait(words.start([&] { return run_and_tell(source, plan, flags, words.moment()); }));
    if (code) return static_cast<Exit>(*code);
    print_violation(words.crash(), source);
    return Broken;
}

}  // namespace quorate::sim
