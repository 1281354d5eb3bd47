#include "server/ctl_options.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <string_view>
#include <utility>

#include <CLI/CLI.hpp>
#include <absl/strings/str_split.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "server/decimal.h"
#include "server/members.h"

namespace quorate::server {

namespace {

constexpr const char* kEndpointsVariable = "QUORATE_ENDPOINTS";
constexpr const char* kEndpointsDefault = "127.0.0.1:7070";
constexpr std::uint64_t kTimeoutSMax = 86'400;

std::unexpected<OptionsExit> mistake(std::string_view text, std::string_view command = {}) {
    return std::unexpected(OptionsExit{
        static_cast<int>(CtlExit::Usage),
        fmt::format("quoratectl: {}; see quoratectl {}{}--help\n", text, command, command.empty() ? "" : " "),
        false});
}

/// A flag or an argument, and what was said of it.
struct Given {
    std::string name;
    std::string text{};
    bool is_switch = false;
    CLI::Option* option = nullptr;
};

/// CLI11's view of the table. It keeps addresses of what is in here.
class Parser {
 public:
    Parser();
    Parser(const Parser&) = delete;
    Parser& operator=(const Parser&) = delete;
    ~Parser() = default;

    std::expected<CtlOptions, OptionsExit> parse(int argc, const char* const* argv,
                                                 const EnvironmentLookup& lookup);

 private:
    struct Command {
        const CtlCommand* command = nullptr;
        CLI::App* app = nullptr;
        std::deque<Given> given{};
    };

    CLI::App* parent_of(const CtlCommand& command);
    void add(const CtlCommand& command);
    static void add_flag(CLI::App& app, const CtlFlag& flag, std::deque<Given>& given);
    [[nodiscard]] const Command* parsed() const;
    [[nodiscard]] std::unexpected<OptionsExit> explain(const CLI::ParseError& error) const;
    [[nodiscard]] const std::string* find(std::string_view global) const;

    CLI::App app_{
        "The command line client of a Quorate cluster: asks any node, and the next one when it cannot "
        "answer. A write is carried out once, however often it has to be sent.",
        "quoratectl"};
    std::deque<Given> globals_;
    std::deque<Command> commands_;
};

std::string full_name(const CtlCommand& command) {
    return command.group.empty() ? std::string(command.name)
                                 : fmt::format("{} {}", command.group, command.name);
}

std::string examples_text(std::string_view examples) {
    std::string text = "Examples:\n  ";
    for (const char c : examples) text += c == '\n' ? std::string("\n  ") : std::string(1, c);
    return text + '\n';
}

Parser::Parser() {
    app_.set_version_flag("--version", "quoratectl " QUORATE_VERSION, "Say which version this is");
    app_.require_subcommand(1);
    std::string examples;
    for (const CtlCommand& command : ctl_commands())
        examples += fmt::format("{}{}", examples.empty() ? "" : "\n",
                                command.examples.substr(0, command.examples.find('\n')));
    app_.footer(fmt::format("{}\n{}", examples_text(examples), kCtlExitCodes));
    for (const CtlFlag& flag : ctl_global_flags()) add_flag(app_, flag, globals_);
    for (const CtlCommand& command : ctl_commands()) add(command);
}

CLI::App* Parser::parent_of(const CtlCommand& command) {
    if (command.group.empty()) return &app_;
    const std::string group(command.group);
    const auto known = app_.get_subcommands([&](CLI::App* app) { return app->get_name() == group; });
    if (!known.empty()) return known.front();
    CLI::App* added = app_.add_subcommand(group, std::string(ctl_group_help(group)));
    added->require_subcommand(1);
    added->fallthrough();
    added->footer(std::string(kCtlExitCodes));
    return added;
}

void Parser::add_flag(CLI::App& app, const CtlFlag& flag, std::deque<Given>& given) {
    Given& place = given.emplace_back(Given{std::string(flag.name)});
    place.is_switch = flag.value.empty();
    const std::string help(flag.help);
    if (place.is_switch) {
        place.option = app.add_flag(place.name, help);
    } else {
        place.option = app.add_option(place.name, place.text, help)->type_name(std::string(flag.value));
    }
}

void Parser::add(const CtlCommand& command) {
    CLI::App* app = parent_of(command)->add_subcommand(std::string(command.name), std::string(command.help));
    app->fallthrough();  // the global flags may stand behind it
    app->footer(fmt::format("{}\n{}", examples_text(command.examples), kCtlExitCodes));
    Command& added = commands_.emplace_back(Command{&command, app});
    for (const CtlArgument& argument : command.arguments) {
        Given& place = added.given.emplace_back(Given{std::string(argument.name)});
        place.option = app->add_option(place.name, place.text, std::string(argument.help));
        place.option->type_name("")->required(!argument.is_optional);
    }
    for (const CtlFlag& flag : command.flags) add_flag(*app, flag, added.given);
}

const Parser::Command* Parser::parsed() const {
    const auto found =
        std::ranges::find_if(commands_, [](const Command& command) { return command.app->parsed(); });
    return found != commands_.end() ? &*found : nullptr;
}

const std::string* Parser::find(std::string_view global) const {
    const auto found = std::ranges::find(globals_, global, &Given::name);
    return found->option->count() > 0 ? &found->text : nullptr;
}

// Of a flag or an argument with choices; nothing when it is one of them, or was not given.
std::optional<std::string> wrong_choice(const CtlLine& line, std::string_view name,
                                        std::string_view choices) {
    const std::string* text = line.find(name);
    if (text == nullptr || choices.empty()) return std::nullopt;
    std::string allowed;
    for (std::string_view rest = choices; !rest.empty();) {
        const std::string_view choice = rest.substr(0, rest.find(' '));
        if (choice == *text) return std::nullopt;
        allowed += fmt::format("{}{}", allowed.empty() ? "" : " or ", choice);
        rest.remove_prefix(std::min(choice.size() + 1, rest.size()));
    }
    return fmt::format("{}: '{}' is not allowed: {}", name, *text, allowed);
}

std::expected<CtlLine, OptionsExit> line_of(const CtlCommand& command, const std::deque<Given>& all) {
    CtlLine line{command.verb};
    for (const Given& given : all) {
        if (given.option->count() > 0) line.given[given.name] = given.is_switch ? "yes" : given.text;
    }
    for (const CtlArgument& argument : command.arguments) {
        if (const auto wrong = wrong_choice(line, argument.name, argument.choices))
            return mistake(*wrong, full_name(command));
    }
    for (const CtlFlag& flag : command.flags) {
        if (const auto wrong = wrong_choice(line, flag.name, flag.choices))
            return mistake(*wrong, full_name(command));
    }
    return line;
}

// CLI11 does not say which one.
const Given* twice_given(const std::deque<Given>& all) {
    const auto found =
        std::ranges::find_if(all, [](const Given& given) { return given.option->count() > 1; });
    return found != all.end() ? &*found : nullptr;
}

std::string commands_of(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
        names.push_back(command->get_name());
    return fmt::format("{}", fmt::join(names, ", "));
}

// What CLI11 has not liked, in words that name it.
std::unexpected<OptionsExit> Parser::explain(const CLI::ParseError& error) const {
    const Command* command = parsed();
    if (command == nullptr) {
        const auto group = app_.get_subcommands();
        const CLI::App& at = group.empty() ? app_ : *group.front();
        const auto rest = app_.remaining(true);
        return mistake(fmt::format("{}: {}",
                                   rest.empty() ? "no command is given"
                                                : fmt::format("'{}' is no command", rest.front()),
                                   commands_of(at)),
                       group.empty() ? "" : at.get_name());
    }
    const std::string name = full_name(*command->command);
    for (const std::deque<Given>* all : {&globals_, &command->given}) {
        if (const Given* twice = twice_given(*all))
            return mistake(fmt::format("{} is there more than once", twice->name), name);
    }
    const auto rest = app_.remaining(true);
    if (!rest.empty()) return mistake(fmt::format("'{}' is not understood here", fmt::join(rest, " ")), name);
    return mistake(error.what(), name);
}

std::expected<std::vector<std::string>, OptionsExit> read_endpoints(const std::string* flag,
                                                                    const EnvironmentLookup& lookup) {
    const char* variable = lookup(kEndpointsVariable);
    const bool is_from_variable = flag == nullptr && variable != nullptr && *variable != '\0';
    const std::string text = flag != nullptr ? *flag : is_from_variable ? variable : kEndpointsDefault;
    std::vector<std::string> endpoints = absl::StrSplit(text, ',');
    for (const std::string& endpoint : endpoints) {
        if (!is_address(endpoint)) {
            return mistake(fmt::format("{}: '{}' is not allowed: HOST:PORT, with commas between several",
                                       is_from_variable ? kEndpointsVariable : "--endpoints", endpoint));
        }
    }
    return endpoints;
}

std::expected<std::uint64_t, OptionsExit> read_timeout(const std::string* text) {
    if (text == nullptr) return CtlOptions{}.timeout_s;
    const auto seconds = parse_decimal(*text);
    if (seconds && *seconds >= 1 && *seconds <= kTimeoutSMax) return *seconds;
    return mistake(
        fmt::format("--timeout-s: '{}' is not allowed: a number from 1 to {}", *text, kTimeoutSMax));
}

std::expected<CtlOptions, OptionsExit> Parser::parse(int argc, const char* const* argv,
                                                     const EnvironmentLookup& lookup) {
    try {
        app_.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        return std::unexpected(OptionsExit{0, app_.help(), true});
    } catch (const CLI::CallForVersion& version) {
        return std::unexpected(OptionsExit{0, fmt::format("{}\n", version.what()), true});
    } catch (const CLI::ParseError& error) {
        return explain(error);
    }
    CtlOptions options;
    auto endpoints = read_endpoints(find("--endpoints"), lookup);
    if (!endpoints) return std::unexpected(std::move(endpoints.error()));
    options.endpoints = std::move(*endpoints);
    const auto timeout = read_timeout(find("--timeout-s"));
    if (!timeout) return std::unexpected(timeout.error());
    options.timeout_s = *timeout;
    options.prints_json = find("--json") != nullptr;
    auto line = line_of(*parsed()->command, parsed()->given);
    if (!line) return std::unexpected(std::move(line.error()));
    options.line = std::move(*line);
    return options;
}

}  // namespace

std::expected<CtlOptions, OptionsExit> parse_ctl_options(int argc, const char* const* argv,
                                                         const EnvironmentLookup& lookup) {
    return Parser().parse(argc, argv, lookup);
}

}  // namespace quorate::server
