#pragma once

// The words of a scenario: what is written in one is read here, and what the engine says becomes text here.
// An entry is written index@term, `3@2`; a run of one term 3..5@2.

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/engine_cluster.h"

namespace quorate::scenario {

/// A scenario says something that cannot be done. what() is for the one who wrote it.
struct ScenarioError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// The words of one line, taken from the left. What is missing or wrong is a ScenarioError that calls it by
/// the name given here.
class Words {
 public:
    explicit Words(std::string_view line);

    [[nodiscard]] bool is_empty() const { return taken_ == words_.size(); }
    [[nodiscard]] const std::string* peek() const { return is_empty() ? nullptr : &words_[taken_]; }
    std::string take(std::string_view what);
    std::uint64_t take_number(std::string_view what);
    /// Takes the next word if it is this one.
    bool take_if(std::string_view word);
    void require_end() const;

 private:
    std::vector<std::string> words_;
    std::size_t taken_ = 0;
};

template <class Tag>
[[nodiscard]] std::string number(engine::Ordinal<Tag> ordinal) {
    return std::to_string(ordinal.value);
}
[[nodiscard]] bool is_number(std::string_view text);
[[nodiscard]] std::uint64_t parse_number(std::string_view text, std::string_view what);
[[nodiscard]] engine::EntryId parse_entry_id(std::string_view text, std::string_view what);
/// VOTERS[:OUTGOING[:LEARNERS]], ids joined by `+`. It need not be well-formed.
[[nodiscard]] engine::Membership parse_membership(std::string_view text);
/// Entries from `first` on, joined by commas: a term, and behind a colon the membership of such an entry.
[[nodiscard]] std::vector<StoredEntry> parse_entries(std::string_view text, engine::LogIndex first);
/// An entry that a scenario makes up; the same index and term always give the same one.
[[nodiscard]] StoredEntry made_up_entry(engine::EntryId id);

[[nodiscard]] std::string to_text(engine::EntryId id);
[[nodiscard]] std::string to_text(const engine::Membership& membership);
/// The runs of equal terms at first..last.
[[nodiscard]] std::string to_text(const StoredLog& log, engine::LogIndex first, engine::LogIndex last);
[[nodiscard]] std::string to_text(const engine::HardState& hard_state);
[[nodiscard]] std::string to_text(const engine::Note& note);
/// `log` is the sender's, which has the entries that the message names.
[[nodiscard]] std::string to_text(const engine::Message& message, const StoredLog& log);
[[nodiscard]] std::string to_text(const engine::Progress& progress);

}  // namespace quorate::scenario
