#pragma once

// The text form of POST /kv/batch. One operation a line:
//
//   PUT <key> <value>      the key ends at the first space behind it; the value is the rest of the line as it
//   stands, spaces included,
//                          and may be empty, but the space before it must be there
//   DEL <key>
//
// Lines end in LF; the last one may go without. There are no escapes: a key with a space or LF and a value
// with LF cannot be said in this form. A CR before the LF is refused, since nobody could tell whether it
// belongs to the value. No empty lines.

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>

#include "server/command.h"

namespace quorate::server {

struct BatchLimits {
    std::size_t operations_max = 10'000;
    std::size_t key_bytes_max = 4096;
    std::size_t value_bytes_max = std::size_t{4} << 20;
};

/// An error names the line, from 1, and what is wrong with it.
[[nodiscard]] std::expected<Command, std::string> parse_batch(std::string_view body,
                                                              const BatchLimits& limits);

}  // namespace quorate::server
