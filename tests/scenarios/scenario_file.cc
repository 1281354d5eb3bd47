#include "tests/scenarios/scenario_file.h"

#include <fstream>

#include "tests/scenarios/words.h"

namespace quorate::scenario {

namespace {

constexpr std::string_view kTitle = "== ";
constexpr std::string_view kEnd = "----";

std::string without_comment(const std::string& line) {
    const std::string code = line.substr(0, line.find('#'));
    const std::size_t first = code.find_first_not_of(" \t");
    if (first == std::string::npos) return "";
    return code.substr(first, code.find_last_not_of(" \t") - first + 1);
}

void cut_empty_end(std::string& text) {
    const std::size_t last = text.find_last_not_of('\n');
    text.resize(last == std::string::npos ? 0 : last + 1);
    if (!text.empty()) text += '\n';
}

}  // namespace

std::string place(const std::string& file, int number) { return file + ":" + std::to_string(number) + ": "; }

ScenarioFile read_scenario_file(const std::filesystem::path& path) {
    std::ifstream stream(path);
    if (!stream) throw ScenarioError(path.string() + ": cannot be read");
    ScenarioFile file{.path = path, .preamble = {}, .scenarios = {}};
    bool is_expected = false;
    int number = 0;
    const auto require_end = [&] {
        if (!file.scenarios.empty() && !is_expected)
            throw ScenarioError(place(path.string(), number) + "the scenario above has no line ----");
    };
    for (std::string line; std::getline(stream, line);) {
        ++number;
        if (line.starts_with(kTitle)) {
            require_end();
            file.scenarios.push_back({.file = path.string(),
                                      .title = line.substr(kTitle.size()),
                                      .number = number,
                                      .commands = {},
                                      .source = line + "\n",
                                      .expected = {}});
            is_expected = false;
        } else if (file.scenarios.empty()) {
            if (!without_comment(line).empty())
                throw ScenarioError(place(path.string(), number) + "a scenario begins with '== TITLE'");
            file.preamble += line + "\n";
        } else if (is_expected) {
            file.scenarios.back().expected += line + "\n";
        } else {
            Scenario& scenario = file.scenarios.back();
            scenario.source += line + "\n";
            is_expected = line == kEnd;
            const std::string text = without_comment(line);
            if (!text.empty() && !is_expected) scenario.commands.push_back({number, text});
        }
    }
    require_end();
    if (file.scenarios.empty()) throw ScenarioError(path.string() + ": there is no scenario in it");
    for (Scenario& scenario : file.scenarios) cut_empty_end(scenario.expected);
    return file;
}

std::string to_text(const ScenarioFile& file) {
    std::string text = file.preamble;
    for (const Scenario& scenario : file.scenarios) {
        if (&scenario != &file.scenarios.front()) text += "\n";
        text += scenario.source + scenario.expected;
    }
    return text;
}

}  // namespace quorate::scenario
