// The scripts that complete quoratectl's command line, each made of the table of commands. All three work
// alike: the words before the cursor tell which command it is, and with it what may follow.

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "server/ctl_commands.h"

namespace quorate::server {

namespace {

// In single quotes, inside of which a shell looks at nothing; fish alone takes a backslash for one.
std::string shell_quoted(std::string_view text) {
    std::string result = "'";
    for (const char c : text) {
        if (c == '\'') {
            result += "'\\''";
        } else {
            result += c;
        }
    }
    return result + "'";
}

std::string full_name(const CtlCommand& command) {
    return command.group.empty() ? std::string(command.name)
                                 : fmt::format("{} {}", command.group, command.name);
}

std::string joined(const std::vector<std::string>& words) { return fmt::format("{}", fmt::join(words, " ")); }

std::vector<std::string> words_of(const std::vector<CtlFlag>& flags) {
    std::vector<std::string> words;
    words.reserve(flags.size());
    for (const CtlFlag& flag : flags) words.emplace_back(flag.name);
    return words;
}

/// What may stand behind a command, or behind a group's name, or at first.
struct Place {
    std::string command;  ///< "member add", or "member", or empty
    std::vector<std::string> words;
    bool takes_file = false;
};

Place& place_of(std::vector<Place>& places, std::string_view command) {
    for (Place& place : places) {
        if (place.command == command) return place;
    }
    places.push_back({std::string(command), {}});
    return places.back();
}

std::vector<Place> places() {
    std::vector<Place> all{{{}, {}}};
    for (const CtlCommand& command : ctl_commands()) {
        if (!command.group.empty()) {
            std::vector<std::string>& first = place_of(all, "").words;
            if (first.empty() || first.back() != command.group) first.emplace_back(command.group);
        }
        place_of(all, command.group).words.emplace_back(command.name);
        Place place{full_name(command), words_of(command.flags)};
        for (const CtlArgument& argument : command.arguments) {
            place.takes_file = place.takes_file || argument.name == kCtlFile;
            if (!argument.choices.empty()) place.words.emplace_back(argument.choices);
        }
        all.push_back(std::move(place));
    }
    return all;
}

// 'member add' is found at "member" when the command so far is nothing, then at "member add".
std::string command_patterns() {
    std::vector<std::string> patterns;
    for (const Place& place : places()) {
        if (place.command.empty()) continue;
        const bool is_nested = place.command.contains(' ');
        patterns.push_back(shell_quoted(is_nested ? place.command : " " + place.command));
    }
    return fmt::format("{}", fmt::join(patterns, " | "));
}

/// Flags whose value can be completed, each once.
std::vector<CtlFlag> flags_with_known_values() {
    std::vector<CtlFlag> known;
    for (const CtlCommand& command : ctl_commands()) {
        for (const CtlFlag& flag : command.flags) {
            const bool has_values = !flag.choices.empty() || flag.value == kCtlFile;
            const bool is_new = known.end() == std::ranges::find(known, flag.name, &CtlFlag::name);
            if (has_values && is_new) known.push_back(flag);
        }
    }
    return known;
}

std::string bash_script() {
    std::string script =
        fmt::format(R"(# Completion of quoratectl for bash: source <(quoratectl completion bash)
_quoratectl() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} word command= words= files=
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case "$command $word" in
            {}) command=${{command:+$command }}$word ;;
        esac
    done
    case ${{COMP_WORDS[COMP_CWORD-1]}} in
)",
                    command_patterns());
    for (const CtlFlag& flag : flags_with_known_values()) {
        const std::string how = flag.choices.empty() ? "-f" : "-W " + shell_quoted(flag.choices);
        script += fmt::format("        {}) mapfile -t COMPREPLY < <(compgen {} -- \"$current\"); return ;;\n",
                              flag.name, how);
    }
    script += "    esac\n    case $command in\n";
    for (const Place& place : places()) {
        script += fmt::format("        {}) words={}{} ;;\n", shell_quoted(place.command),
                              shell_quoted(joined(place.words)), place.takes_file ? "; files=-f" : "");
    }
    script += fmt::format(R"(    esac
    mapfile -t COMPREPLY < <(compgen $files -W "$words {} --help" -- "$current")
}}
complete -F _quoratectl quoratectl
)",
                          joined(words_of(ctl_global_flags())));
    return script;
}

std::string zsh_script() {
    std::string script = fmt::format(R"(#compdef quoratectl
# Completion of quoratectl for zsh: source <(quoratectl completion zsh), or a file _quoratectl in $fpath
_quoratectl() {{
    local word command=
    for word in "${{(@)words[2,CURRENT-1]}}"; do
        case "$command $word" in
            ({}) command=${{command:+$command }}$word ;;
        esac
    done
    case $words[CURRENT-1] in
)",
                                     command_patterns());
    for (const CtlFlag& flag : flags_with_known_values()) {
        script += fmt::format("        ({}) {}; return ;;\n", flag.name,
                              flag.choices.empty() ? "_files" : fmt::format("compadd -- {}", flag.choices));
    }
    script += "    esac\n    case $command in\n";
    for (const Place& place : places()) {
        script += fmt::format("        ({}) compadd -- {}{} ;;\n", shell_quoted(place.command),
                              joined(place.words), place.takes_file ? "; _files" : "");
    }
    script += fmt::format(R"(    esac
    compadd -- {} --help
}}
if [[ $funcstack[1] == _quoratectl ]]; then
    _quoratectl "$@"
else
    compdef _quoratectl quoratectl
fi
)",
                          joined(words_of(ctl_global_flags())));
    return script;
}

// "-l NAME", and whether it takes a value.
std::string fish_flag(const CtlFlag& flag) {
    std::string text = fmt::format(" -l {} -d {}", flag.name.substr(2), shell_quoted(flag.help));
    if (flag.value == kCtlFile) return text + " -r -F";
    if (!flag.value.empty()) text += " -x";
    if (!flag.choices.empty()) text += fmt::format(" -a {}", shell_quoted(flag.choices));
    return text;
}

// True where a command of this name stands on the line.
std::string fish_condition(const CtlCommand& command) {
    std::string condition = fmt::format("__fish_seen_subcommand_from {}", command.name);
    if (!command.group.empty())
        condition = fmt::format("__fish_seen_subcommand_from {}; and {}", command.group, condition);
    return condition;
}

// True where none of the words that may stand behind `place` has come. fish's own __fish_use_subcommand takes
// the value of a flag for one.
std::string fish_awaits(std::string_view place) {
    std::vector<Place> all = places();
    return fmt::format("not __fish_seen_subcommand_from {}", joined(place_of(all, place).words));
}

std::string fish_script() {
    std::string script =
        "# Completion of quoratectl for fish: quoratectl completion fish | source\n"
        "complete -c quoratectl -f\n";
    for (const CtlFlag& flag : ctl_global_flags())
        script += "complete -c quoratectl" + fish_flag(flag) + '\n';
    std::string_view group;
    for (const CtlCommand& command : ctl_commands()) {
        const auto offer = [&](std::string_view condition, std::string_view name, std::string_view help) {
            script += fmt::format("complete -c quoratectl -n {} -a {} -d {}\n", shell_quoted(condition),
                                  shell_quoted(name), shell_quoted(help));
        };
        if (command.group.empty()) {
            offer(fish_awaits(""), command.name, command.help);
        } else {
            if (std::exchange(group, command.group) != command.group)
                offer(fish_awaits(""), group, ctl_group_help(group));
            offer(fmt::format("__fish_seen_subcommand_from {}; and {}", group, fish_awaits(group)),
                  command.name, command.help);
        }
        const std::string start =
            fmt::format("complete -c quoratectl -n {}", shell_quoted(fish_condition(command)));
        for (const CtlFlag& flag : command.flags) script += start + fish_flag(flag) + '\n';
        for (const CtlArgument& argument : command.arguments) {
            if (argument.name == kCtlFile) script += start + " -F\n";
            if (!argument.choices.empty()) script += start + " -a " + shell_quoted(argument.choices) + '\n';
        }
    }
    return script;
}

}  // namespace

std::string completion_script(std::string_view shell) {
    if (shell == "zsh") return zsh_script();
    return shell == "fish" ? fish_script() : bash_script();
}

}  // namespace quorate::server
