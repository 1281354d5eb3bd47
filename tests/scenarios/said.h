#pragma once

#include "tests/scenarios/words.h"

namespace quorate::scenario {

/// A message that a scenario makes up: its name, then its fields as NAME=VALUE in any order. A field that is
/// left out is zero, but for the term, which must be there.
[[nodiscard]] Packet parse_packet(Words& words);

}  // namespace quorate::scenario
