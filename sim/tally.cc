#include "sim/tally.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace quorate::sim {

namespace {

/// Marks that no run of this world can reach, or hardly any, each for its reason.
constexpr std::size_t kUnreachable[] = {
    mark_of(engine::NoteKind::AppendConflictsWithCommitted),  // only a broken leader sends such
    mark_of(engine::NoteKind::MessageMalformed),              // frames are whole or dropped
    mark_of(engine::NoteKind::MessageOfStrangerIgnored),      // the node drops what a removed one says
    mark_of(engine::NoteKind::MembershipProposalRefused),     // the node refuses its client before
    mark_of(engine::NoteKind::TransferOrderIgnored),          // only an order that is very late
    mark_of(engine::NoteKind::VoteRefusedNeverAMember),       // nobody starts two directories by one name
};

/// Each kind of fault and of answer shows at least once in so many runs, on average.
constexpr std::uint64_t kRunsForEffect = 100;

double millions(std::uint64_t number) { return static_cast<double>(number) / 1e6; }
double hours(std::uint64_t us) { return static_cast<double>(us) / 3.6e9; }

}  // namespace

void Tally::add(const RunResult& r) {
    ++runs_;
    broken_ += r.violation ? 1U : 0U;
    virtual_us_ += r.virtual_us;
    events_ += r.events;
    committed_ += r.committed;
    done_ += r.done;
    refused_ += r.refused;
    unknown_ += r.unknown;
    leaders_ += r.leaders;
    for (std::size_t i = 0; i < r.effects.counts.size(); ++i) effects_.counts[i] += r.effects.counts[i];
    for (std::size_t i = 0; i < kMarkCount; ++i) runs_of_mark_[i] += r.marks[i] ? 1U : 0U;
    for (std::size_t i = 0; i < r.answers.counts.size(); ++i) answers_.counts[i] += r.answers.counts[i];
}

std::string Tally::progress(std::uint64_t count, double seconds) const {
    return fmt::format("[{:3}%] {} runs, {:.1f} virtual h, {:.2f} M events/s, {} broken", 100 * runs_ / count,
                       runs_, hours(virtual_us_), millions(events_) / seconds, broken_);
}

std::string Tally::summary(double seconds) const {
    const auto reached = std::ranges::count_if(runs_of_mark_, [](std::uint64_t runs) { return runs > 0; });
    return fmt::format(
        "{} runs, {} broken; {:.2f} virtual hours in {:.1f} s ({:.0f} times real time), {:.1f} million "
        "events "
        "({:.2f} million/s)\noperations: {} done, {} refused, {} of unknown outcome; {} entries committed, "
        "{} "
        "elections\n{} of {} marks reached (--marks lists them)\neffects of faults: {}\n",
        runs_, broken_, hours(virtual_us_), seconds, millions(virtual_us_) / seconds, millions(events_),
        millions(events_) / seconds, done_, refused_, unknown_, committed_, leaders_, reached, kMarkCount,
        effects(SIZE_MAX));
}

std::string Tally::effects(std::size_t width) const {
    std::string lines;
    std::size_t column = 0;
    for (std::size_t i = 0; i < kFaultKindCount; ++i) {
        const std::string word =
            fmt::format("{}={}", to_string(static_cast<FaultKind>(i)), effects_.counts[i]);
        if (i > 0) lines += column + word.size() >= width ? '\n' : ' ';
        column = lines.ends_with('\n') ? 0 : column;
        lines += word;
        column += word.size() + 1;
    }
    return lines;
}

std::string Tally::marks() const {
    std::vector<std::size_t> order(kMarkCount);
    for (std::size_t mark = 0; mark < kMarkCount; ++mark) order[mark] = mark;
    std::ranges::sort(order, {}, [&](std::size_t mark) { return std::pair(runs_of_mark_[mark], mark); });
    std::string lines;
    for (const std::size_t mark : order)
        lines += fmt::format("{:>8}  {}\n", runs_of_mark_[mark], kMarkNames[mark]);
    return lines;
}

std::vector<std::string> Tally::unreached() const {
    std::vector<std::string> missing;
    // A fault that hardly ever bites tests as little as one that never does.
    const std::uint64_t floor = std::max<std::uint64_t>(1, runs_ / kRunsForEffect);
    for (std::size_t i = 0; i < kFaultKindCount; ++i) {
        if (effects_.counts[i] < floor)
            missing.push_back(fmt::format("fault {}", to_string(static_cast<FaultKind>(i))));
    }
    const auto want = [&](RequestKind kind, int status) {
        if (answers_.of(kind, status) < floor)
            missing.push_back(fmt::format("{} answered with {}", to_string(kind), status));
    };
    for (std::size_t i = 0; i < kRequestKindCount; ++i) want(static_cast<RequestKind>(i), 200);
    want(RequestKind::Get, 404);
    want(RequestKind::StaleGet, 404);
    want(RequestKind::PastGet, 404);
    want(RequestKind::PastGet, 410);
    want(RequestKind::PastRange, 410);
    want(RequestKind::PutIf, 412);
    want(RequestKind::DeleteIf, 412);
    want(RequestKind::Transfer, 400);
    for (std::size_t i = 0; i < kMarkCount; ++i) {
        if (runs_of_mark_[i] == 0 && std::ranges::find(kUnreachable, i) == std::end(kUnreachable))
            missing.push_back(fmt::format("mark {}", kMarkNames[i]));
    }
    return missing;
}

}  // namespace quorate::sim
