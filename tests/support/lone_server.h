#pragma once

// One engine without a cluster: a test says what it hears, and looks at what that one step asked for.

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "engine/raft.h"

namespace quorate::engine::test {

/// The only entry of a server that a test says nothing about: the configuration.
inline constexpr EntryId kBootstrap{LogIndex(1), Term(1)};

inline constexpr ServerId kS1{1};
inline constexpr ServerId kS2{2};
inline constexpr ServerId kS3{3};
inline constexpr ServerId kS4{4};
inline constexpr ServerId kS5{5};

/// Servers 1..count vote.
[[nodiscard]] inline Membership voters(std::uint64_t count) {
    Membership membership;
    for (std::uint64_t id = 1; id <= count; ++id) membership.voters.emplace_back(id);
    return membership;
}

/// Short timeouts, and a wide range of them: two servers seldom draw the same.
[[nodiscard]] inline Config short_timeouts(ServerId self = kS1) {
    Config config;
    config.self = self;
    config.election_timeout_ticks_min = 10;
    config.election_timeout_ticks_max = 40;
    config.heartbeat_ticks = 3;
    return config;
}

/// Commands of one byte each in these terms.
[[nodiscard]] inline std::vector<EntryShape> commands(std::initializer_list<std::uint64_t> terms) {
    std::vector<EntryShape> entries;
    for (const std::uint64_t term : terms) entries.push_back({Term(term), EntryKind::Command, 1});
    return entries;
}

/// What a log of entries in these terms leaves on disk. The first entry is the configuration; without a
/// `hard_state`, the term is that of the last entry and no vote was given.
class LoneServer {
 public:
    explicit LoneServer(const Config& config, const Membership& membership = voters(3),
                        std::initializer_list<std::uint64_t> terms = {1},
                        std::optional<HardState> hard_state = std::nullopt)
        : raft_(start(config, membership, terms, hard_state)) {}

    [[nodiscard]] const Raft& raft() const { return raft_; }
    [[nodiscard]] const Output& output() const { return output_; }

    /// The output of the last step only is kept.
    void step(const Event& event) {
        output_.clear();
        raft_.step(event, output_);
        for (const auto& write : actions<PersistLog>()) last_ticket_ = write.ticket;
    }
    void hear(ServerId from, const Message& message, std::span<const EntryShape> entries = {},
              std::span<const MembershipAt> memberships = {}) {
        step(MessageReceived{from, message, entries, memberships});
    }
    /// Ticks until the election timeout has elapsed, whatever comes of it; returns how many it took. Not for
    /// a leader.
    std::uint32_t time_out() {
        const RoleName before = raft_.role();
        for (std::uint32_t ticks = 1;; ++ticks) {
            step(TickElapsed{});
            if (raft_.role() != before || noted(NoteKind::ElectionTimedOut) ||
                noted(NoteKind::CampaignWaitsForDisk) || noted(NoteKind::CampaignRefusedNotVoter)) {
                return ticks;
            }
        }
    }
    /// All that was asked to be written so far is durable.
    void persist() {
        if (completed_ticket_ == last_ticket_) return output_.clear();
        completed_ticket_ = last_ticket_;
        step(PersistCompleted{completed_ticket_});
    }

    [[nodiscard]] bool noted(NoteKind kind) const {
        return std::ranges::any_of(output_.notes, [&](const Note& note) { return note.kind == kind; });
    }
    /// The last step's actions of this kind.
    template <class A>
    [[nodiscard]] std::vector<A> actions() const {
        std::vector<A> found;
        for (const Action& action : output_.actions) {
            if (const A* one = std::get_if<A>(&action)) found.push_back(*one);
        }
        return found;
    }
    /// The last step's messages of this kind to `to`.
    template <class M>
    [[nodiscard]] std::vector<M> sent(ServerId to) const {
        std::vector<M> found;
        for (const auto& send : actions<SendMessage>()) {
            if (const M* message = std::get_if<M>(&send.message); message != nullptr && send.to == to)
                found.push_back(*message);
        }
        return found;
    }

 private:
    static Raft start(const Config& config, const Membership& membership,
                      std::initializer_list<std::uint64_t> terms, std::optional<HardState> hard_state) {
        std::vector<EntryShape> entries = commands(terms);
        entries.front() = {entries.front().term, EntryKind::Membership, 0};
        const std::vector<MembershipAt> memberships{{LogIndex(1), membership}};
        return Raft(config, {.hard_state = hard_state.value_or(HardState{entries.back().term, kNobody}),
                             .snapshot = {},
                             .snapshot_membership = {},
                             .entries = entries,
                             .memberships = memberships});
    }

    Raft raft_;
    Output output_;
    PersistTicket last_ticket_;
    PersistTicket completed_ticket_;
};

}  // namespace quorate::engine::test
