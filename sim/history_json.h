#pragma once

// Histories as text, a JSON object a line: docs/history-format.md. Read strictly: a history that is misread
// could be judged wrongly, and nobody would know.

#include <cstddef>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/history.h"

namespace quorate::sim {

/// Room for a Cas of two of the largest values (4 MiB), each byte of them escaped.
inline constexpr std::size_t kHistoryLineBytesMax = std::size_t{64} << 20;
/// A hundred times what a long test records.
inline constexpr std::size_t kHistoryOperationsMax = 1'000'000;

struct HistoryError {
    std::size_t line = 0;  ///< from 1
    std::string message;

    bool operator==(const HistoryError&) const = default;
};

/// One line, without its LF. The error says what is wrong with it.
[[nodiscard]] std::expected<Operation, std::string> parse_operation(std::string_view line);

/// All of it, or the first error. The last line may lack its LF, a line may end in CR; there are no empty
/// lines, and there is at least one.
[[nodiscard]] std::expected<std::vector<Operation>, HistoryError> parse_history(std::string_view text);

/// One line, with its LF. parse_operation() gives the same operation. Requires one without a fault.
void append_operation(std::string& out, const Operation& operation);
[[nodiscard]] std::string render_history(std::span<const Operation> history);

}  // namespace quorate::sim
