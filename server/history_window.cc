#include "server/history_window.h"

#include <algorithm>

namespace quorate::server {

namespace {

// Samples of a whole age: what expires does so within a sixteenth of it.
constexpr std::uint64_t kSamplesOfAnAge = 16;

}  // namespace

void HistoryWindow::note_time(std::uint64_t now_ms, std::uint64_t revision) {
    const bool is_due =
        samples_.empty() || (samples_.back().revision != revision &&
                             now_ms - samples_.back().at_ms >= limits_.age_ms_max / kSamplesOfAnAge);
    if (is_due) samples_.push_back({now_ms, revision});
    while (!samples_.empty() && now_ms - samples_.front().at_ms >= limits_.age_ms_max) {
        expired_revision_ = samples_.front().revision;
        samples_.pop_front();
    }
}

std::uint64_t HistoryWindow::forget_through(const KeyHistory& history) const {
    const auto changes = history.changes();
    if (changes.empty()) return 0;
    std::uint64_t through = changes.front().revision <= expired_revision_ ? expired_revision_ : 0;
    if (changes.size() > limits_.changes_max + limits_.changes_max / 8) {
        const std::size_t surplus = changes.size() - static_cast<std::size_t>(limits_.changes_max);
        through = std::max(through, changes[static_cast<std::ptrdiff_t>(surplus) - 1].revision);
    }
    if (history.bytes() > limits_.bytes_max + limits_.bytes_max / 8) {
        std::uint64_t bytes = history.bytes();
        for (auto change = changes.begin(); bytes > limits_.bytes_max; ++change) {
            bytes -= change->bytes();
            through = std::max(through, change->revision);
        }
    }
    return through;
}

}  // namespace quorate::server
