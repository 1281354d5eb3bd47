#pragma once

// Scenario files as text: cut into scenarios, and put together again with what came out. The language is
// described in docs/scenarios.md.

#include <filesystem>
#include <string>
#include <vector>

namespace quorate::scenario {

struct ScenarioLine {
    int number = 0;    ///< in its file, from 1
    std::string text;  ///< without comment; not empty
};

struct Scenario {
    std::string file;
    std::string title;
    int number = 0;  ///< line of the title
    std::vector<ScenarioLine> commands;
    std::string source;    ///< from the title through the line `----`
    std::string expected;  ///< what follows, without empty lines at the end
};

struct ScenarioFile {
    std::filesystem::path path;
    std::string preamble;  ///< what stands above the first title
    std::vector<Scenario> scenarios;
};

/// Throws ScenarioError, with file and line, when the file cannot be read or is no scenario file.
[[nodiscard]] ScenarioFile read_scenario_file(const std::filesystem::path& path);

/// The file's text with each scenario's `expected`.
[[nodiscard]] std::string to_text(const ScenarioFile& file);

/// "file:line: ".
[[nodiscard]] std::string place(const std::string& file, int number);

}  // namespace quorate::scenario
