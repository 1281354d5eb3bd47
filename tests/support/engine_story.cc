#include "tests/support/engine_story.h"

#include "engine/check.h"

namespace quorate::engine::test {

EngineStory::EngineStory(const Membership& membership, const Config& config)
    : membership_(membership),
      cluster_(membership, config, [this](const scenario::Server& server, const Output& output) {
          seen_.push_back({server.id, output});
      }) {}

const Raft& EngineStory::raft(ServerId id) const { return cluster_.servers().at(id).raft.value(); }

std::vector<std::string> EngineStory::committed_words(ServerId id) const {
    const scenario::StoredLog& log = cluster_.servers().at(id).log;
    std::vector<std::string> words;
    for (LogIndex i = log.base.index.next(); i <= raft(id).commit_index(); i = i.next())
        words.push_back(log.at(i).word.empty() ? "-" : log.at(i).word);
    return words;
}

void EngineStory::give_log(ServerId id, const std::vector<std::uint64_t>& terms, std::uint64_t current_term) {
    std::vector<scenario::StoredEntry> entries;
    for (const std::uint64_t term : terms) {
        if (entries.empty()) {
            entries.push_back({{Term(term), EntryKind::Membership, 0}, "", membership_});
            continue;
        }
        const std::string word = std::to_string(entries.size() + 1) + "@" + std::to_string(term);
        entries.push_back({{Term(term), EntryKind::Command, 1}, word, {}});
    }
    cluster_.reset(id, {Term(current_term), kNobody}, std::move(entries));
}

void EngineStory::tick(ServerId id, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) cluster_.step(id, TickElapsed{});
}

void EngineStory::time_out(ServerId id) {
    const auto campaigns = [&] {
        return times_noted(id, NoteKind::ElectionTimeoutElapsed) +
               times_noted(id, NoteKind::ElectionTimedOut);
    };
    ENGINE_CHECK(raft(id).role() != RoleName::Leader);
    const std::size_t before = campaigns();
    while (campaigns() == before) tick(id);
}

void EngineStory::end_lease(ServerId id) {
    const std::uint32_t lease_ticks = raft(id).config().election_timeout_ticks_min;
    while (raft(id).ticks_since_leader() < lease_ticks) tick(id);
    ENGINE_CHECK(raft(id).role() == RoleName::Follower);  // or the story needs another seed
}

void EngineStory::deliver(ServerId from, ServerId to) {
    for (std::size_t left = cluster_.under_way({from, to}); left > 0; --left) cluster_.deliver({from, to});
}

void EngineStory::lose(ServerId from, ServerId to) {
    while (cluster_.under_way({from, to}) > 0) cluster_.drop({from, to});
}

void EngineStory::persist(ServerId id) {
    if (const auto& writes = cluster_.servers().at(id).writes; !writes.empty())
        cluster_.persist(id, writes.size());
}

void EngineStory::settle() {
    while (!cluster_.is_quiet()) {
        for (const auto& [from, to] : cluster_.busy_links()) deliver(from, to);
        for (const auto& [id, server] : cluster_.servers()) persist(id);
    }
}

void EngineStory::elect(ServerId id) {
    time_out(id);
    settle();
    ENGINE_CHECK(raft(id).role() == RoleName::Leader);
}

std::size_t EngineStory::times_noted(ServerId id, NoteKind kind) const {
    std::size_t times = 0;
    for (const Seen& seen : seen_) {
        if (seen.id != id) continue;
        for (const Note& note : seen.output.notes) times += note.kind == kind ? 1 : 0;
    }
    return times;
}

}  // namespace quorate::engine::test
