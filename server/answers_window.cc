#include "server/answers_window.h"

#include <algorithm>

namespace quorate::server {

namespace {

/// In one call, so that no turn is long.
constexpr std::uint64_t kForgottenAtOnce = 8192;

}  // namespace

std::uint64_t AnswersWindow::forget_through(const AnsweredWrites& answers) const {
    std::uint64_t through = std::clamp(ages_.expired(), answers.forgotten(), answers.last());
    // An eighth, and at least one, is kept free for what is under way.
    const std::uint64_t known_max = limits_.count_max - limits_.count_max / 8 - 1;
    if (answers.size() <= known_max) return through;
    const std::uint64_t surplus = std::min(answers.size() - known_max, kForgottenAtOnce);
    const std::uint64_t last = answers.forgotten() + surplus;
    while (through < last && answers.at(through + 1).has_session) ++through;
    return through;
}

}  // namespace quorate::server
