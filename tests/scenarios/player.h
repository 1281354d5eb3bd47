#pragma once

#include <set>
#include <string>

#include "engine/note.h"
#include "tests/scenarios/scenario_file.h"

namespace quorate::scenario {

/// What a scenario's commands gave.
struct Played {
    std::string text;
    std::set<engine::NoteKind> notes;  ///< those that the text shows
};

/// Throws ScenarioError, with file and line, for a command that is unknown or cannot be done now, and when a
/// safety property is broken.
[[nodiscard]] Played play(const Scenario& scenario);

}  // namespace quorate::scenario
