// quorate-wal: looks into a data directory, also a running node's, and changes nothing; or makes one from a
// backup.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <system_error>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "io/directory_reader.h"
#include "io/disk_worker.h"
#include "io/file_pieces.h"
#include "io/loop.h"
#include "io/standard_descriptors.h"
#include "server/decimal.h"
#include "server/members.h"
#include "server/peers.h"
#include "server/restore.h"
#include "server/wal_tool.h"

namespace quorate::server {
namespace {

bool print(std::string_view text) { return std::fwrite(text.data(), 1, text.size(), stdout) == text.size(); }

// Behind what is printed, where both go to one place.
void remark(std::string_view line) {
    static_cast<void>(std::fflush(stdout));                              // written() asks what became of it
    std::fputs(fmt::format("quorate-wal: {}\n", line).c_str(), stderr);  // who cannot read it misses it
}

constexpr const char* kExitCodes =
    "Exit codes: 0 sound; 1 damaged; 2 bad usage; 3 cannot be read: no such directory, no permission, no "
    "data directory, a format of another version; or the output cannot be written.";

// CLI11 alone takes -1 for a large number.
const CLI::Validator& index_check() {
    static const CLI::Validator check(
        [](const std::string& text) {
            return parse_decimal(text).value_or(0) > 0
                       ? std::string()
                       : fmt::format("'{}' is no index: a number from 1", text);
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
        app.set_version_flag("--version", "quorate-wal " QUORATE_VERSION, "Say which version this is");
        dump_command->add_option("--from", dump_options.from.value, "First index")->check(index_check());
        dump_command->add_option("--to", dump_options.to.value, "Last index")->check(index_check());
        dump_command->add_flag("--values", shows_values, "With the values, not only their sizes");
        export_command->add_option("--to", export_to.value, "Leave out the entries behind this index")
            ->check(index_check());
        add_import();
    }

    void add_import() {
        import_command->add_option("FILE", backup, "A backup, as GET /admin/backup or export gives it")
            ->required();
        import_command->add_option("--cluster-id", cluster_id, "The new cluster's name")->required();
        import_command->add_option("--node-id", node_id, "The name of the node that the directory is for")
            ->required();
        import_command->add_option("--peers", peers, "The new cluster, as quorated --peers has it")
            ->required();
    }

    CLI::App* add(const std::string& name, const std::string& what) {
        CLI::App* command = app.add_subcommand(name, what);
        command->footer(kExitCodes);
        command->add_option("DIR", directory, "A node's --data-dir")->required();
        return command;
    }

    std::string directory;
    std::string backup;
    std::string cluster_id;
    std::string node_id;
    std::string peers;
    DumpOptions dump_options;
    bool shows_values = false;
    engine::LogIndex export_to{UINT64_MAX};

    CLI::App app{
        "Looks into a data directory and changes nothing in it. It takes no lock: the directory may be a "
        "running node's. import alone writes: it makes a new one.",
        "quorate-wal"};
    CLI::App* inspect_command =
        add("inspect", "Whose directory it is, its vote, its snapshots, and a line for each segment");
    CLI::App* dump_command = add("dump", "The log's entries as JSON, one a line");
    CLI::App* verify_command = add("verify", "Check every byte and name each thing that is wrong");
    CLI::App* export_command = add(
        "export",
        "The keys and values as a backup (GET /admin/backup), which --restore and import take. It is the "
        "state after the last entry of the log, or after the one that --to names. A log does not know which "
        "of its last entries were committed: the state may hold writes that were never acknowledged "
        "and that the cluster has dropped since. For what was committed give the node's commitIndex "
        "(GET /raft/health) to --to, or ask a node that runs for GET /admin/backup. Holds all keys and "
        "values in memory");
    CLI::App* import_command =
        add("import",
            "Make DIR, which is empty, the data directory of a node of a new cluster that begins with a "
            "backup, as quorated --restore does, without starting it");
};

// The node's address is the one that the list tells; without one in it, what a person has to fill in.
std::string address_in(std::string_view peers, const std::string& node_id) {
    while (!peers.empty()) {
        const std::string_view item = peers.substr(0, peers.find(','));
        if (item.starts_with(node_id + "=")) return std::string(item.substr(node_id.size() + 1));
        peers.remove_prefix(std::min(item.size() + 1, peers.size()));
    }
    return node_id.contains(':') ? node_id : "HOST:PORT";
}

WalToolExit import(const Arguments& arguments) {
    NodeConfig config;
    if (!is_name(arguments.cluster_id)) {
        remark(fmt::format("--cluster-id: '{}' is not allowed: 1 to {} of A-Z a-z 0-9 . _ -",
                           arguments.cluster_id, kNameBytesMax));
        return WalToolExit::Usage;
    }
    config.cluster_id = arguments.cluster_id;
    const bool is_named = is_name(arguments.node_id) || is_address(arguments.node_id);
    auto peers = is_named ? parse_peers(arguments.peers, arguments.node_id,
                                        address_in(arguments.peers, arguments.node_id))
                          : std::unexpected(fmt::format("'{}' is no name", arguments.node_id));
    if (!peers) {
        remark(fmt::format("--peers, --node-id: {}", peers.error()));
        return WalToolExit::Usage;
    }
    config.self = std::move(peers->self);
    config.members = std::move(peers->members);
    std::random_device entropy;
    config.log_salt = (std::uint64_t{entropy()} << 32U) | entropy();
    io::Loop loop;
    io::DiskWorker disk(loop, arguments.directory, [](const wal::DiskCompletion&) {});
    const auto restored =
        restore(config, disk, arguments.backup, [&] { return io::read_in_pieces(arguments.backup); });
    if (!restored) {
        remark(restored.error().message);
        return WalToolExit::Unreadable;
    }
    remark(fmt::format("{} keys at revision {}{}", restored->backup.keys, restored->backup.revision,
                       restored->was_there ? ": the directory had been made from this backup before" : ""));
    return WalToolExit::Sound;
}

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
    // CLI11 would only say that it misses a command.
    const std::string first = argc > 1 ? argv[1] : "--help";
    const auto is_first = [&](const CLI::App* command) { return command->get_name() == first; };
    if (arguments.app.get_option_no_throw(first) == nullptr &&
        arguments.app.get_subcommands(is_first).empty()) {
        remark(fmt::format("'{}' is no command: inspect, dump, verify, export or import; see --help", first));
        return WalToolExit::Usage;
    }
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
    if (arguments.import_command->parsed()) return import(arguments);
    dump.values = arguments.shows_values ? Values::Shown : Values::Left;
    return written(look(arguments));
}

}  // namespace
}  // namespace quorate::server

// What may escape is a lack of memory: nothing to do but end.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) {
    quorate::io::hold_standard_descriptors();
    return static_cast<int>(quorate::server::start(argc, argv));
}
