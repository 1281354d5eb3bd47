#pragma once

#include <set>
#include <string>

#include "tests/scenarios/words.h"

namespace quorate::scenario {

/// What a scenario wants to see of each step.
enum class Part : std::uint8_t {
    Roles,     ///< AnnounceRole
    Notes,     ///< why
    Messages,  ///< SendMessage, SendSnapshot
    Disk,      ///< PersistLog, InstallReceivedSnapshot
    Commits,   ///< CommitEntries
    Answers,   ///< to proposals, reads and transfers
};

/// The text of steps, one line for each note and action.
class Transcript {
 public:
    /// Parts by name, from here on; all of them are shown at first.
    void show(Words& names);
    void add_line(const std::string& line) { text_ += line + "\n"; }
    void add_step(const Server& server, const engine::Output& output);

    [[nodiscard]] const std::string& text() const { return text_; }
    [[nodiscard]] const std::set<engine::NoteKind>& notes() const { return notes_; }

 private:
    void add_action(const Server& server, const engine::Action& action);
    [[nodiscard]] bool shows(Part part) const { return shown_.contains(part); }

    std::set<Part> shown_{Part::Roles, Part::Notes, Part::Messages, Part::Disk, Part::Commits, Part::Answers};
    std::string text_;
    std::set<engine::NoteKind> notes_;
};

}  // namespace quorate::scenario
