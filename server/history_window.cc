#include "server/history_window.h"

#include <algorithm>

namespace quorate::server {

std::uint64_t HistoryWindow::forget_through(const KeyHistory& history) const {
    const auto changes = history.changes();
    if (changes.empty()) return 0;
    std::uint64_t through = changes.front().revision <= ages_.expired() ? ages_.expired() : 0;
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
