#pragma once

// What quoratectl does, from its command line to its exit code, behind ports.

#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "server/ctl_call.h"
#include "server/ctl_commands.h"

namespace quorate::server {

/// A file that is there under its name only when it is finished.
struct CtlFileSink {
    std::function<std::expected<void, std::string>(std::string_view bytes)> write;
    std::function<std::expected<void, std::string>()> finish;
};

struct CtlPorts {
    CtlNetwork network;
    /// To standard output; false: nobody takes it.
    std::function<bool(std::string_view bytes)> print;
    /// To standard error: a line without its LF.
    std::function<void(std::string_view line)> remark;
    /// All of a file, or of standard input for "-".
    std::function<std::expected<std::string, std::string>(const std::string& name)> read_file;
    std::function<std::expected<CtlFileSink, std::string>(const std::string& name)> create_file;
    bool prints_to_terminal = false;
};

struct CtlTask {
    std::vector<std::string> endpoints;
    std::uint64_t timeout_ms = 0;
    bool prints_json = false;
    std::string write_key;  ///< drawn by chance: the Idempotency-Key of what is written
    CtlLine line;
};

[[nodiscard]] CtlExit run_ctl(const CtlTask& task, const CtlPorts& ports);

}  // namespace quorate::server
