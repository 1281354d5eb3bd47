// One test for each scenario. The files of tests/scenarios, or those that are named:
//
//   build/release/bin/scenario_test [FILE...]
//
// With SCENARIO_UPDATE=1 in the environment the expectations are written anew first.

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <utility>

#include <gtest/gtest.h>

#include "engine/format.h"
#include "tests/scenarios/player.h"
#include "tests/scenarios/words.h"

namespace quorate::scenario {

namespace {

constexpr const char* kFolder = "tests/scenarios";

/// A title as the name of a test: letters and digits, each word with a capital.
std::string test_name(std::string_view title) {
    std::string name;
    bool begins_word = true;
    for (const char c : title) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '\'') continue;
        if (std::isalnum(byte) != 0) name += begins_word ? static_cast<char>(std::toupper(byte)) : c;
        begins_word = std::isalnum(byte) == 0;
    }
    return name;
}

class Plays : public testing::Test {
 public:
    explicit Plays(Scenario scenario) : scenario_(std::move(scenario)) {}
    void TestBody() override {
        try {
            EXPECT_EQ(play(scenario_).text, scenario_.expected)
                << place(scenario_.file, scenario_.number) << scenario_.title;
        } catch (const ScenarioError& error) {
            ADD_FAILURE() << error.what();
        }
    }

 private:
    Scenario scenario_;
};

class Fails : public testing::Test {
 public:
    explicit Fails(std::string why) : why_(std::move(why)) {}
    void TestBody() override { FAIL() << why_; }

 private:
    std::string why_;
};

/// A kind of note that no scenario shows is a rule that none tells.
class ShowsEveryNote : public testing::Test {
 public:
    explicit ShowsEveryNote(const std::vector<ScenarioFile>& files) : files_(files) {}
    void TestBody() override {
        std::set<engine::NoteKind> shown;
        for (const ScenarioFile& file : files_) {
            for (const Scenario& scenario : file.scenarios) {
                try {
                    shown.merge(play(scenario).notes);
                } catch (const ScenarioError&) {
                    continue;  // its own test says so
                }
            }
        }
        std::string missing;
        for (unsigned kind = 0; kind < engine::kNoteKindCount; ++kind) {
            const auto note = static_cast<engine::NoteKind>(kind);
            if (!shown.contains(note)) missing += " " + std::string(to_string(note));
        }
        EXPECT_EQ(missing, "") << "no scenario shows these notes";
    }

 private:
    std::vector<ScenarioFile> files_;
};

template <class Test, class Argument>
void add_test(const std::string& suite, const std::string& name, const Scenario* where,
              const Argument& argument) {
    testing::RegisterTest(suite.c_str(), name.c_str(), nullptr, nullptr,
                          where == nullptr ? __FILE__ : where->file.c_str(),
                          where == nullptr ? __LINE__ : where->number,
                          [argument]() -> testing::Test* { return new Test(argument); });
}

std::vector<std::filesystem::path> files_of_folder() {
    std::vector<std::filesystem::path> paths;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(kFolder, error)) {
        if (entry.path().extension() == ".txt" && entry.path().stem() != "CMakeLists")
            paths.push_back(entry.path());
    }
    std::ranges::sort(paths);
    return paths;
}

/// Whether all of it could be played and written.
bool update(const ScenarioFile& file) {
    ScenarioFile updated = file;
    try {
        for (Scenario& scenario : updated.scenarios) scenario.expected = play(scenario).text;
    } catch (const ScenarioError&) {
        return false;  // its test says why
    }
    const std::string text = to_text(updated);
    if (text == to_text(file)) return true;
    std::ofstream stream(file.path, std::ios::trunc);
    stream << text;
    return static_cast<bool>(stream.flush());
}

void add_file(const std::filesystem::path& path, std::vector<ScenarioFile>& files) {
    const std::string suite = "Scenario" + test_name(path.stem().string());
    try {
        ScenarioFile file = read_scenario_file(path);
        if (std::getenv("SCENARIO_UPDATE") != nullptr && update(file)) file = read_scenario_file(path);
        std::set<std::string> names;
        for (const Scenario& scenario : file.scenarios) {
            const std::string name = test_name(scenario.title);
            if (!names.insert(name).second)
                throw ScenarioError(place(scenario.file, scenario.number) + "this title is there already");
            add_test<Plays>(suite, name, &scenario, scenario);
        }
        files.push_back(std::move(file));
    } catch (const ScenarioError& error) {
        add_test<Fails>(suite, "IsAScenarioFile", nullptr, std::string(error.what()));
    }
}

void add_tests(std::vector<std::filesystem::path> paths) {
    const bool is_folder = paths.empty();
    if (is_folder) paths = files_of_folder();
    std::vector<ScenarioFile> files;
    for (const std::filesystem::path& path : paths) add_file(path, files);
    if (paths.empty())
        add_test<Fails>("Scenarios", "AreFound", nullptr, std::string("none here: run from the repository"));
    if (is_folder) add_test<ShowsEveryNote>("Scenarios", "ShowEveryNote", nullptr, files);
}

}  // namespace

}  // namespace quorate::scenario

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    quorate::scenario::add_tests({argv + 1, argv + argc});
    return RUN_ALL_TESTS();
}
