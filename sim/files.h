#pragma once

// A part of quorate-sim's shell: files whole and bounded, and standard output that is not lost in silence.

#include <cstddef>
#include <cstdio>
#include <expected>
#include <functional>
#include <string>
#include <string_view>

namespace quorate::sim {

/// All of the file, or what is wrong with it: a device may have no end.
[[nodiscard]] std::expected<std::string, std::string> read_file(const std::string& name,
                                                                std::size_t bytes_max);
[[nodiscard]] bool write_file(const std::string& name, std::string_view content);

/// One line of many. Where they are lost it throws, which ends the work of `printing`.
void print_line(std::FILE* file, std::string_view line);

/// Whether everything that was printed until now got to standard output: otherwise more is of no use.
[[nodiscard]] bool is_printed();

/// Does `work` and returns its code, unless what was printed did not get to standard output: this is said,
/// and Unusable.
[[nodiscard]] int printing(const std::function<int()>& work);

}  // namespace quorate::sim
