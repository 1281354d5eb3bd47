#pragma once

// quoratectl's command line.

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "server/ctl_commands.h"
#include "server/options.h"

namespace quorate::server {

struct CtlOptions {
    std::vector<std::string> endpoints;  ///< HOST:PORT, at least one
    std::uint64_t timeout_s = 10;
    bool prints_json = false;
    CtlLine line;
};

/// Pure: `lookup` stands for getenv. A mistake names what is wrong and what is allowed.
[[nodiscard]] std::expected<CtlOptions, OptionsExit> parse_ctl_options(int argc, const char* const* argv,
                                                                       const EnvironmentLookup& lookup);

}  // namespace quorate::server
