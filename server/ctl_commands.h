#pragma once

// What quoratectl can be told: one table, of which its flags, its help and its completion scripts are made.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace quorate::server {

enum class CtlVerb : std::uint8_t {
    Get,
    Put,
    Del,
    Range,
    Batch,
    Status,
    MemberList,
    MemberAdd,
    MemberRemove,
    MemberPromote,
    MemberMove,
    Transfer,
    Snapshot,
    Backup,
    Completion,
};

/// What a program that calls quoratectl can decide by.
enum class CtlExit : std::uint8_t {
    Done = 0,
    NoSuchKey = 1,
    Usage = 2,
    Refused = 3,
    Unreachable = 4,
    Unknown = 5,  ///< what was asked for may have happened or not
    LocalFile = 6,
};
inline constexpr std::string_view kCtlExitCodes =
    "Exit codes: 0 done; 1 no such key; 2 bad usage; 3 refused by the cluster, nothing was changed; 4 no "
    "node "
    "could do it in time, nothing was changed; 5 the outcome is unknown: it may have happened, or still "
    "happen; 6 a local file cannot be read or written.";

struct CtlFlag {
    std::string_view name;   ///< "--limit"
    std::string_view value;  ///< what its value is: "N"; empty: a switch
    std::string_view help;
    std::string_view choices{};  ///< all that the value may be, with spaces between; empty: anything
};

struct CtlArgument {
    std::string_view name;  ///< "KEY"
    std::string_view help;
    bool is_optional = false;
    std::string_view choices{};
};

/// Names of arguments and values with this in them are files.
inline constexpr std::string_view kCtlFile = "FILE";

struct CtlCommand {
    CtlVerb verb{};
    std::string_view group;  ///< "member" of "member add", or empty
    std::string_view name;
    std::vector<CtlArgument> arguments;
    std::vector<CtlFlag> flags;
    std::string_view help;
    std::string_view examples;  ///< lines
};

[[nodiscard]] const std::vector<CtlCommand>& ctl_commands();
/// For every command, before or behind it.
[[nodiscard]] const std::vector<CtlFlag>& ctl_global_flags();
[[nodiscard]] std::string_view ctl_group_help(std::string_view group);

/// One use of a command.
struct CtlLine {
    CtlVerb verb{};
    /// By the name of the flag or argument; a switch that is on has "yes". What was not given is absent.
    std::map<std::string, std::string, std::less<>> given{};

    [[nodiscard]] bool has(std::string_view name) const { return given.contains(name); }
    /// Null when it was not given.
    [[nodiscard]] const std::string* find(std::string_view name) const {
        const auto found = given.find(name);
        return found != given.end() ? &found->second : nullptr;
    }
    /// Of what must be there.
    [[nodiscard]] const std::string& text(std::string_view name) const { return given.find(name)->second; }
};

/// For bash, zsh or fish.
[[nodiscard]] std::string completion_script(std::string_view shell);

}  // namespace quorate::server
