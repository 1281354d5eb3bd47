// quorate-wal: looks into a data directory, also a running node's, and changes nothing.

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "io/directory_reader.h"
#include "server/wal_tool.h"

namespace quorate::server {
namespace {

bool print(std::string_view text) { return std::fwrite(text.data(), 1, text.size(), stdout) == text.size(); }

void remark(std::string_view line) { fmt::print(stderr, "quorate-wal: {}\n", line); }

constexpr const char* kExitCodes =
    "Exit codes: 0 sound; 1 damaged; 2 bad usage; 3 cannot be read: no such directory, no permission, no "
    "data directory, a format of another version; or the output cannot be written.";

// CLI11 alone takes -1 for a large number.
const CLI::Validator& index_check() {
    static const CLI::Validator check(
        [](const std::string& text) {
            std::uint64_t value = 0;
            const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
            const bool is_index = error == std::errc() && end == text.data() + text.size() && value > 0;
            return is_index ? std::string() : fmt::format("'{}' is no index: a number from 1", text);
        },
        "INDEX");
    return check;
}

/// `code`, unless somebody has not taken the output.
WalToolExit written(WalToolExit code) {
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
    remark("the output cannot be written");
    return WalToolExit::Unreadable;
}

/// The flags, and which command they are for.
struct Arguments {
    Arguments() {
        app.footer(kExitCodes);
        app.require_subcommand(1);
        dump_command->add_option("--from", dump_options.from.value, "First index")->check(index_check());
        dump_command->add_option("--to", dump_options.to.value, "Last index")->check(index_check());
        dump_command->add_flag("--values", shows_values, "With the values, not only their sizes");
        export_command->add_option("--to", export_to.value, "Leave out the entries behind this index")
            ->check(index_check());
    }

    CLI::App* add(const std::string& name, const std::string& what) {
        CLI::App* command = app.add_subcommand(name, what);
        command->footer(kExitCodes);
        command->add_option("DIR", directory, "A node's --data-dir")->required();
        return command;
    }

    std::string directory;
    DumpOptions dump_options;
    bool shows_values = false;
    engine::LogIndex export_to{UINT64_MAX};

    CLI::App app{
        "Looks into a data directory and changes nothing in it. It takes no lock: the directory may be a "
        "running node's.",
        "quorate-wal"};
    CLI::App* inspect_command =
        add("inspect", "Whose directory it is, its vote, and a line for each segment");
    CLI::App* dump_command = add("dump", "The log's entries as JSON, one a line");
    CLI::App* verify_command = add("verify", "Check every byte and name each thing that is wrong");
    CLI::App* export_command =
        add("export",
            "The keys and values as JSON, one pair a line, as GET /kv/range gives them. It is the state "
            "after the last entry of the log, or after the one that --to names. A log does not know which "
            "of its last entries were committed: the state may hold writes that were never acknowledged "
            "and that the cluster has dropped since. For what was committed give the node's commitIndex "
            "(GET /raft/health) to --to, or read it from a node with GET /kv/range. Holds all keys and "
            "values in memory");
};

WalToolExit look(const Arguments& arguments) {
    const auto reader = io::DirectoryReader::open(arguments.directory);
    if (!reader) {
        remark(fmt::format("{}: {}", arguments.directory, reader.error().detail));
        return WalToolExit::Unreadable;
    }
    const WalToolOutput output{print, remark};
    WalToolExit code = WalToolExit::Sound;
    if (arguments.inspect_command->parsed()) code = inspect_log(**reader, output);
    if (arguments.dump_command->parsed()) code = dump_log(**reader, arguments.dump_options, output);
    if (arguments.verify_command->parsed()) code = verify_log(**reader, output);
    if (arguments.export_command->parsed()) code = export_keys(**reader, arguments.export_to, output);
    return code;
}

WalToolExit start(int argc, char** argv) {
    Arguments arguments;
    try {
        arguments.app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return arguments.app.exit(error) == 0 ? written(WalToolExit::Sound) : WalToolExit::Usage;
    }
    DumpOptions& dump = arguments.dump_options;
    if (dump.from > dump.to) {
        remark(fmt::format("--from {} is behind --to {}", dump.from.value, dump.to.value));
        return WalToolExit::Usage;
    }
    dump.values = arguments.shows_values ? Values::Shown : Values::Left;
    return written(look(arguments));
}

}  // namespace
}  // namespace quorate::server

// What may escape is a lack of memory: nothing to do but end.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) { return static_cast<int>(quorate::server::start(argc, argv)); }
