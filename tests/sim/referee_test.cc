// Who judges the judges: what the referee and the book of promises must object to, shown to them directly.

#include "sim/referee.h"

#include <array>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/raft.h"
#include "server/command.h"
#include "sim/promises.h"

namespace quorate::sim {
namespace {

using engine::EntryKind;
using engine::LogIndex;
using engine::ServerId;
using engine::Term;

// One of three servers, whose disk held this.
engine::Raft server_with(const engine::HardState& hard_state, std::size_t entries) {
    engine::Config config;
    config.self = ServerId(1);
    const std::vector<engine::EntryShape> shapes(entries, {Term(1), EntryKind::Membership, 8});
    const std::array memberships{
        engine::MembershipAt{LogIndex(1), {{ServerId(1), ServerId(2), ServerId(3)}, {}, {}}}};
    engine::InitialState initial;
    initial.hard_state = hard_state;
    initial.entries = shapes;
    initial.memberships = memberships;
    return {config, initial};
}

// The only server of its cluster, and so its leader.
engine::Raft leader_of_term_2(std::uint64_t id, std::size_t entries = 1) {
    engine::Config config;
    config.self = ServerId(id);
    const std::vector<engine::EntryShape> shapes(entries, {Term(1), EntryKind::Membership, 8});
    const std::array memberships{engine::MembershipAt{LogIndex(1), {{ServerId(id)}, {}, {}}}};
    engine::InitialState initial;
    initial.hard_state = {Term(1), engine::kNobody};
    initial.entries = shapes;
    initial.memberships = memberships;
    engine::Raft raft(config, initial);
    engine::Output output;
    raft.step(engine::TickElapsed{}, output);
    for (const engine::Action& action : std::vector(output.actions)) {
        if (const auto* persist = std::get_if<engine::PersistLog>(&action))
            raft.step(engine::PersistCompleted{persist->ticket}, output);
    }
    EXPECT_EQ(raft.role(), engine::RoleName::Leader);
    return raft;
}

wal::LogEntry put(const std::string& key, const std::string& value) {
    return {Term(2), EntryKind::Command,
            server::encode_command({{{server::Operation::Kind::Put, key, value}}, {}})};
}

server::StateMachine store_of(const std::vector<std::string>& values) {
    server::StateMachine store;
    for (const std::string& value : values) store.apply(*server::decode_command(put("k", value).payload));
    return store;
}

class RefereeTest : public testing::Test {
 protected:
    // Two versions of k, both committed, the second one known to some client.
    RefereeTest() {
        apply(0, LogIndex(1), put("k", "a1.x"));
        apply(0, LogIndex(2), put("k", "a2.x"));
        EXPECT_EQ(read("a2.x", 2), Fate::Done);
        EXPECT_FALSE(referee_.violation());
    }

    void apply(std::size_t node, LogIndex index, const wal::LogEntry& entry) {
        stores_[node].apply(*server::decode_command(entry.payload));
        referee_.entry_applied(node, raft_, index, entry, stores_[node]);
    }
    Fate read(const std::string& value, std::uint64_t revision) {
        Attempt attempt;
        attempt.floor_revision = referee_.highest_answered();
        attempt.reads = {"k"};
        return referee_.judge(attempt, {200, {{"Quorate-Revision", std::to_string(revision)}}, value});
    }
    void expect_broken(std::string_view property) {
        ASSERT_TRUE(referee_.violation());
        EXPECT_EQ(referee_.violation()->property, property) << referee_.violation()->text;
    }

    engine::Raft raft_ = leader_of_term_2(1);
    Referee referee_;
    std::array<server::StateMachine, 2> stores_;
};

TEST_F(RefereeTest, TheNewestVersionMayBeReadAgain) {
    read("a2.x", 2);
    EXPECT_FALSE(referee_.violation());
}

TEST_F(RefereeTest, AReadOfAnotherValueThanTheRevisionHasIsWrong) {
    read("a1.x", 2);
    expect_broken("Linearizability");
}

TEST_F(RefereeTest, AnOlderRevisionThanWasKnownIsStale) {
    read("a1.x", 1);
    expect_broken("Linearizability");
}

TEST_F(RefereeTest, ARevisionThatIsNotCommittedWillNotLast) {
    read("a3.x", 3);
    expect_broken("Durability");
}

TEST_F(RefereeTest, AQueueMayBeFullAndNoMore) {
    referee_.look_at(0, server::QueueUse{"operations", 7, 7});
    EXPECT_FALSE(referee_.violation());
    referee_.look_at(0, server::QueueUse{"operations", 8, 7});
    expect_broken("Bounded Memory");
}

TEST_F(RefereeTest, AnotherNodeMustApplyTheSame) {
    apply(1, LogIndex(1), put("k", "other.x"));
    expect_broken("State Machine Safety");
}

TEST_F(RefereeTest, EntriesAreAppliedInOrder) {
    apply(1, LogIndex(2), put("k", "a2.x"));
    expect_broken("Order");
}

TEST_F(RefereeTest, ASnapshotHoldsWhatTheLogHasMade) {
    referee_.store_replaced(1, LogIndex(2), store_of({"a1.x", "a2.x"}));
    EXPECT_FALSE(referee_.violation());
    referee_.store_replaced(1, LogIndex(2), store_of({"a1.x", "a3.x"}));
    expect_broken("Snapshot Equals Log");
}

TEST_F(RefereeTest, ASnapshotCoversWhatItSays) {
    referee_.store_replaced(1, LogIndex(2), store_of({"a1.x"}));
    expect_broken("Snapshot Equals Log");
}

TEST_F(RefereeTest, NoSnapshotTakesAStoreBack) {
    referee_.store_replaced(0, LogIndex(1), store_of({"a1.x"}));
    expect_broken("Snapshot Equals Log");
}

TEST_F(RefereeTest, AWriteHappensOnce) {
    apply(0, LogIndex(3), put("k", "a1.x"));
    expect_broken("Exactly Once");
}

// As the log carries it; its session is the first one.
wal::LogEntry once(const std::string& key, const std::string& value) {
    const server::Command command{.operations = {{server::Operation::Kind::Put, "k", value}},
                                  .once = server::Once{key, 0}};
    return {Term(2), EntryKind::Command, server::encode_command(command)};
}

TEST_F(RefereeTest, AWriteWithAKeyMayComeAgainAndHappensOnce) {
    apply(0, LogIndex(3), once("x", "a3.x"));
    apply(0, LogIndex(4), once("x", "a3.x"));
    EXPECT_FALSE(referee_.violation());
}

TEST_F(RefereeTest, AStoreThatKnowsTooFewAnswersIsAnotherOne) {
    apply(0, LogIndex(3), once("x", "a3.x"));
    stores_[1] = store_of({"a1.x", "a2.x", "a3.x"});
    referee_.store_replaced(1, LogIndex(3), stores_[1]);
    expect_broken("Snapshot Equals Log");
}

TEST_F(RefereeTest, ANodeThatAppliesAWriteWithAKeyTwiceIsAnotherOne) {
    apply(0, LogIndex(3), once("x", "a3.x"));
    apply(0, LogIndex(4), once("x", "a3.x"));
    for (std::uint64_t i = 1; i <= 3; ++i)
        apply(1, LogIndex(i), i < 3 ? put("k", i == 1 ? "a1.x" : "a2.x") : once("x", "a3.x"));
    stores_[1].apply(*server::decode_command(put("k", "a3.x").payload));
    referee_.entry_applied(1, raft_, LogIndex(4), once("x", "a3.x"), stores_[1]);
    expect_broken("Replica Agreement");
}

TEST_F(RefereeTest, ASessionOfWhichNothingIsForgottenHasNotExpired) {
    Attempt attempt;
    attempt.writes = {{server::Operation::Kind::Put, "k", "a3.x"}};
    attempt.once = "x";
    attempt.session = 0;
    EXPECT_EQ(referee_.judge(attempt, {410, {}, R"({"code":"session_expired"})"}), Fate::Refused);
    expect_broken("Sessions");
}

TEST_F(RefereeTest, WhatWasRefusedMustNotHappen) {
    Attempt attempt;
    attempt.writes = {{server::Operation::Kind::Put, "k", "a3.x"}};
    EXPECT_EQ(referee_.judge(attempt, {503, {}, R"({"code":"no_leader"})"}), Fate::Refused);
    EXPECT_FALSE(referee_.violation());
    apply(0, LogIndex(3), put("k", "a3.x"));
    expect_broken("Honest Refusal");
}

TEST_F(RefereeTest, OfAnUnknownOutcomeEitherMayCome) {
    Attempt attempt;
    attempt.writes = {{server::Operation::Kind::Put, "k", "a3.x"}};
    EXPECT_EQ(referee_.judge(attempt, {503, {}, R"({"code":"outcome_unknown"})"}), Fate::Unknown);
    apply(0, LogIndex(3), put("k", "a3.x"));
    EXPECT_FALSE(referee_.violation());
}

// k is there, l is not: one of them can be deleted.
class DeletionTest : public RefereeTest {
 protected:
    DeletionTest() {
        const server::Command command{
            {{server::Operation::Kind::Delete, "k", {}}, {server::Operation::Kind::Delete, "l", {}}}, {}};
        attempt_.floor_revision = referee_.highest_answered();
        attempt_.writes = command.operations;
        apply(0, LogIndex(3), {Term(2), EntryKind::Command, server::encode_command(command)});
    }

    void answer(std::uint64_t revision, std::uint64_t deleted) {
        const server::HttpHeader count{"Quorate-Deleted", std::to_string(deleted)};
        EXPECT_EQ(
            referee_.judge(attempt_, {200, {{"Quorate-Revision", std::to_string(revision)}, count}, "OK\n"}),
            Fate::Done);
    }

    Attempt attempt_;
};

TEST_F(DeletionTest, WhatWasThereIsCounted) {
    answer(3, 1);
    EXPECT_FALSE(referee_.violation());
}

TEST_F(DeletionTest, WhatWasNotThereIsNotCounted) {
    answer(3, 2);
    expect_broken("Linearizability");
}

TEST_F(DeletionTest, WhatIsStillThereWasNotDeleted) {
    attempt_.writes[1].key = "m";
    apply(0, LogIndex(4), put("m", "a4.x"));
    answer(4, 0);
    expect_broken("Linearizability");
}

// The condition is the ETag of k's second version, or that l is absent.
TEST_F(DeletionTest, ItsConditionMustHaveHeld) {
    attempt_.writes.pop_back();
    attempt_.if_revision = 2;
    answer(3, 1);
    EXPECT_FALSE(referee_.violation());
    // Nothing was there to be deleted, and so nothing with this ETag either.
    answer(3, 0);
    expect_broken("Linearizability");
}

TEST_F(DeletionTest, AnAbsentKeyMayBeDeletedIfItIsAbsent) {
    attempt_.writes.erase(attempt_.writes.begin());
    attempt_.if_revision = 0;
    answer(3, 0);
    EXPECT_FALSE(referee_.violation());
}

// k, l and m are there, and a range of two at most is asked for: what a page of it may be.
class PageTest : public RefereeTest {
 protected:
    PageTest() {
        apply(0, LogIndex(3), put("l", "a3.x"));
        apply(0, LogIndex(4), put("m", "a4.x"));
        attempt_.is_range = true;
        attempt_.limit = 2;
        attempt_.reads = {"k", "l", "m"};
    }

    void answer(const std::string& body, const std::string& next) {
        server::HttpResponse response{200, {{"Quorate-Revision", "4"}}, body};
        if (!next.empty()) response.headers.push_back({"Quorate-Next", next});
        EXPECT_EQ(referee_.judge(attempt_, response), Fate::Done);
    }

    static constexpr const char* kFirst = R"({"k":"k","v":"a2.x"})"
                                          "\n";
    static constexpr const char* kSecond = R"({"k":"l","v":"a3.x"})"
                                           "\n";
    static constexpr const char* kThird = R"({"k":"m","v":"a4.x"})"
                                          "\n";
    Attempt attempt_;
};

TEST_F(PageTest, MayEndAtOnceOrAtItsLimitWhenMoreFollows) {
    answer(kFirst, "k");
    answer(std::string(kFirst) + kSecond, "l");
    EXPECT_FALSE(referee_.violation());
    attempt_.reads = {"l", "m"};
    answer(std::string(kSecond) + kThird, "");
    EXPECT_FALSE(referee_.violation());
}

TEST_F(PageTest, MustSayThatMoreFollows) {
    answer(std::string(kFirst) + kSecond, "");
    expect_broken("Linearizability");
}

TEST_F(PageTest, MustNotSayThatMoreFollowsTheLast) {
    attempt_.reads = {"m"};
    answer(kThird, "m");
    expect_broken("Linearizability");
}

TEST_F(PageTest, EndsWithTheKeyThatItNames) {
    answer(kFirst, "l");
    expect_broken("Linearizability");
}

TEST_F(PageTest, HasNoMoreThanItsLimit) {
    answer(std::string(kFirst) + kSecond + kThird, "");
    expect_broken("Linearizability");
}

TEST_F(PageTest, BeginsWhereItIsAskedTo) {
    attempt_.reads = {"l", "m"};
    answer(std::string(kFirst) + kSecond, "l");
    expect_broken("Linearizability");
}

TEST_F(PageTest, IsInOrder) {
    attempt_.reads = {"l", "m"};
    answer(std::string(kThird) + kSecond, "");
    expect_broken("Linearizability");
}

TEST_F(PageTest, SkipsNothing) {
    answer(std::string(kFirst) + kThird, "");
    expect_broken("Linearizability");
}

TEST_F(RefereeTest, ATermHasOneLeader) {
    referee_.look_at(0, raft_);
    EXPECT_FALSE(referee_.violation());
    referee_.look_at(1, leader_of_term_2(2));
    expect_broken("Election Safety");
}

// Server 1 of three, whose messages are these.
class PromisesTest : public testing::Test {
 protected:
    std::optional<Breach> sends(const engine::Message& message) {
        engine::Output output;
        output.actions.emplace_back(engine::SendMessage{ServerId(2), message});
        return promises_.stepped(0, output, {&raft_, nullptr, nullptr});
    }
    std::optional<Breach> starts(const engine::Raft& raft, wal::Lost lost = wal::Lost::Nothing,
                                 bool is_damaged = false) {
        return promises_.started(0, raft, lost, is_damaged);
    }
    /// Who leads has committed entries 1 to 3, which this server and another one hold.
    void commit_three() {
        ASSERT_FALSE(sends(engine::AppendAccepted{Term(4), LogIndex(3)}));
        engine::Output output;
        output.actions.emplace_back(engine::CommitEntries{LogIndex(1), LogIndex(3)});
        const engine::Raft leader = leader_of_term_2(2, 3);
        ASSERT_FALSE(promises_.stepped(1, output, {&raft_, &leader, nullptr}));
    }
    std::optional<Breach> recovers_with(std::size_t entries) {
        const engine::Raft raft = server_with({Term(4), engine::kNobody}, entries);
        engine::Output output;
        output.notes.push_back({engine::NoteKind::Recovered, ServerId(2), Term(4), LogIndex(entries)});
        return promises_.stepped(0, output, {&raft, nullptr, nullptr});
    }
    std::optional<Breach> learns(Term term) {
        engine::Output output;
        output.actions.emplace_back(engine::PersistLog{
            engine::PersistTicket(1), engine::HardState{term, engine::kNobody}, {}, {}, {}});
        // Somebody has stood in it.
        engine::Output stands;
        stands.notes.push_back({engine::NoteKind::TransferOrderObeyed, ServerId(2), term, {}});
        stands.actions.emplace_back(engine::AnnounceRole{engine::RoleName::Candidate, term, engine::kNobody,
                                                         engine::NoteKind::TransferOrderObeyed});
        EXPECT_FALSE(promises_.stepped(2, stands, {&raft_, nullptr, &raft_}));
        return promises_.stepped(0, output, {&raft_, nullptr, nullptr});
    }
    void expect_forgotten(const std::optional<Breach>& breach) {
        ASSERT_TRUE(breach);
        EXPECT_EQ(breach->property, "Durability") << breach->text;
    }

    engine::Raft raft_ = server_with({Term(4), ServerId(2)}, 3);
    Promises promises_{3};
};

TEST_F(PromisesTest, AVoteMustBeThereAfterARestart) {
    EXPECT_FALSE(sends(engine::VoteGranted{Term(4), engine::CampaignKind::Election}));
    EXPECT_FALSE(starts(raft_));
    expect_forgotten(starts(server_with({Term(4), engine::kNobody}, 3)));
    expect_forgotten(starts(server_with({Term(4), ServerId(3)}, 3)));
    expect_forgotten(starts(server_with({Term(3), engine::kNobody}, 3)));
}

TEST_F(PromisesTest, WhatWasAcknowledgedMustBeThereAfterARestart) {
    EXPECT_FALSE(sends(engine::AppendAccepted{Term(4), LogIndex(3)}));
    EXPECT_FALSE(starts(raft_));
    expect_forgotten(starts(server_with({Term(4), ServerId(2)}, 2)));
}

TEST_F(PromisesTest, WhoHasRecoveredHoldsWhatWasCommittedWithItsHelp) {
    commit_three();
    EXPECT_FALSE(starts(server_with({Term(4), engine::kNobody}, 1), wal::Lost::TermAndEntries));
    expect_forgotten(recovers_with(2));
    EXPECT_FALSE(recovers_with(3));
}

TEST_F(PromisesTest, WhatWasNeverCommittedNeedNotBeRecovered) {
    EXPECT_FALSE(sends(engine::AppendAccepted{Term(4), LogIndex(3)}));
    EXPECT_FALSE(recovers_with(2));
}

TEST_F(PromisesTest, WhoLearnsItsTermLearnsOneThatItHasTakenPartIn) {
    EXPECT_FALSE(sends(engine::AppendAccepted{Term(4), LogIndex(1)}));
    const engine::Raft anew = server_with({Term(1), engine::kNobody}, 1);
    EXPECT_FALSE(starts(anew, wal::Lost::TermAndEntries));
    expect_forgotten(learns(Term(3)));
    EXPECT_FALSE(starts(anew, wal::Lost::TermAndEntries));
    EXPECT_FALSE(learns(Term(4)));
}

TEST_F(PromisesTest, WhoLearnsItsTermLearnsOneThatItHasVotedIn) {
    EXPECT_FALSE(sends(engine::VoteGranted{Term(4), engine::CampaignKind::Election}));
    EXPECT_FALSE(starts(server_with({Term(1), engine::kNobody}, 1), wal::Lost::TermAndEntries));
    expect_forgotten(learns(Term(3)));
}

TEST_F(PromisesTest, WhatIsAcknowledgedMustBeThere) {
    const auto breach = sends(engine::AppendAccepted{Term(4), LogIndex(4)});
    ASSERT_TRUE(breach);
    EXPECT_EQ(breach->property, "Acknowledgement");
}

TEST_F(PromisesTest, TwoVotesInATermAreOneTooMany) {
    EXPECT_FALSE(sends(engine::VoteGranted{Term(4), engine::CampaignKind::Election}));
    engine::Output output;
    output.actions.emplace_back(
        engine::SendMessage{ServerId(3), engine::VoteGranted{Term(4), engine::CampaignKind::Election}});
    const auto breach = promises_.stepped(0, output, {&raft_, nullptr, nullptr});
    ASSERT_TRUE(breach);
    EXPECT_EQ(breach->property, "One Vote");
}

}  // namespace
}  // namespace quorate::sim
