#include "tests/engine/event_source.h"

#include <algorithm>

#include "tests/support/lone_server.h"

namespace quorate::engine::test {

Event EventSource::next(const Raft& raft) {
    entries_.clear();
    memberships_.clear();
    proposed_.clear();
    const std::uint32_t die = below(10);
    if (die < 3) return TickElapsed{};
    if (die < 6) return by_the_caller(raft);
    const ServerId from = peer();
    const Message said = message(raft);
    return MessageReceived{from, said, entries_, memberships_};
}

void EventSource::saw(const Output& output) {
    for (const Action& action : output.actions) {
        if (const auto* write = std::get_if<PersistLog>(&action)) asked_ = write->ticket;
    }
}

Term EventSource::term_near(const Raft& raft) {
    const std::uint32_t die = below(12);
    if (die == 0) return raft.current_term().next();
    if (die == 1) return raft.current_term().previous();
    return raft.current_term();
}

LogIndex EventSource::index_near(const Raft& raft) {
    return LogIndex(random_.between(0, static_cast<std::uint32_t>(raft.log().last_index().value + 2)));
}

// Mostly one that is there.
EntryId EventSource::entry_near(const Raft& raft) {
    const LogIndex index = index_near(raft);
    if (raft.log().knows_term(index) && below(4) > 0) return {index, raft.log().term_at(index)};
    return {index, Term(below(static_cast<std::uint32_t>(raft.current_term().value + 2)))};
}

Message EventSource::append_entries(const Raft& raft) {
    const AppendEntries append{term_near(raft), entry_near(raft), below(4), index_near(raft)};
    LogIndex index = append.previous.index;
    Term term = append.previous.term;
    for (std::uint32_t i = 0; i < append.entry_count; ++i) {
        index = index.next();
        if (below(3) == 0) term = std::max(term, term_near(raft));
        const bool is_membership = below(5) == 0;
        entries_.push_back(
            {term, is_membership ? EntryKind::Membership : EntryKind::Command, is_membership ? 0 : below(9)});
        if (is_membership && below(8) > 0) memberships_.push_back({index, voters(1 + below(4))});
    }
    if (!entries_.empty() && below(16) == 0) entries_.pop_back();
    return append;
}

Message EventSource::answer(const Raft& raft) {
    const Term term = term_near(raft);
    const Round round(raft.as_leader() != nullptr ? raft.as_leader()->round.value + below(2) : below(3));
    switch (below(6)) {
        case 0: return AppendAccepted{term, index_near(raft)};
        case 1: return AppendRefused{term, entry_near(raft), entry_near(raft), index_near(raft)};
        case 2: return HeartbeatReply{term, round, index_near(raft), index_near(raft), index_near(raft)};
        case 3: return StaleTerm{term};
        case 4: return ReadIndexReply{term, RequestId(below(3)), index_near(raft)};
        default: return ReadIndexRefused{term, RequestId(below(3))};
    }
}

Message EventSource::message(const Raft& raft) {
    const auto kind = static_cast<CampaignKind>(1 + below(3));
    switch (below(12)) {
        case 0: return RequestVote{term_near(raft), kind, entry_near(raft)};
        case 1: return VoteGranted{term_near(raft).next(), CampaignKind::PreVote};
        case 2: return VoteGranted{term_near(raft), kind};
        case 3: return VoteRefused{term_near(raft), kind, term_near(raft)};
        case 4:
        case 5:
        case 6: return append_entries(raft);
        case 7: return Heartbeat{term_near(raft), Round(below(4))};
        case 8:
            return below(3) == 0 ? Message(TimeoutNow{term_near(raft)})
                                 : Message(ReadIndexRequest{term_near(raft), RequestId(below(3))});
        case 9: {
            const InstallSnapshot install{term_near(raft), entry_near(raft)};
            if (below(6) > 0) memberships_.push_back({install.last_entry.index, voters(1 + below(4))});
            return install;
        }
        default: return answer(raft);
    }
}

Event EventSource::by_the_caller(const Raft& raft) {
    switch (below(8)) {
        case 0:
            for (std::uint32_t i = below(4); i > 0; --i) proposed_.push_back({EntryKind::Command, below(9)});
            return EntriesProposed{proposed_};
        case 1: return ReadRequested{RequestId(below(3))};
        case 2: return TransferRequested{RequestId(below(3)), ServerId(below(4))};
        case 3: return PeerUnreachable{peer()};
        case 4: return SnapshotSendFailed{peer()};
        case 5: {
            const LogIndex last = raft.commit_index();
            return SnapshotCompleted{{last, raft.log().term_at(last)}, std::min(last, raft.durable_index())};
        }
        default:
            if (completed_ == asked_) return TickElapsed{};
            completed_ = below(2) == 0 ? asked_ : completed_.next();
            return PersistCompleted{completed_};
    }
}

}  // namespace quorate::engine::test
