// Histories whose verdict is known.

#include "sim/linearizability.h"

#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quorate::sim {
namespace {

using testing::HasSubstr;

// The words of a history: who, what, from when, until when. 0 for "until" means that nobody knows what came
// of it.
constexpr std::uint64_t kOpen = 0;
constexpr const char* kGone = nullptr;

std::optional<std::string> text(const char* value) {
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

Operation operation(OperationKind kind, const char* value, std::uint64_t call, std::uint64_t ret) {
    Operation made;
    made.kind = kind;
    made.key = "k";
    made.value = text(value);
    made.call = call;
    if (ret != kOpen) {
        made.ret = ret;
        made.outcome = Outcome::Ok;
    }
    return made;
}
Operation put(const char* value, std::uint64_t call, std::uint64_t ret) {
    return operation(OperationKind::Put, value, call, ret);
}
Operation get(const char* value, std::uint64_t call, std::uint64_t ret) {
    return operation(OperationKind::Get, value, call, ret);
}
Operation del(std::uint64_t call, std::uint64_t ret) {
    return operation(OperationKind::Delete, nullptr, call, ret);
}
Operation cas(const char* expected, const char* value, std::uint64_t call, std::uint64_t ret) {
    Operation made = operation(OperationKind::Cas, value, call, ret);
    made.expected = text(expected);
    return made;
}
Operation failed_cas(const char* expected, const char* value, std::uint64_t call, std::uint64_t ret) {
    Operation made = cas(expected, value, call, ret);
    made.outcome = Outcome::ConditionFailed;
    return made;
}
Operation not_applied(Operation made) {
    made.outcome = Outcome::NotApplied;
    if (made.kind == OperationKind::Get) made.value.reset();
    return made;
}
Operation at(std::uint64_t revision, Operation made) {
    made.revision = revision;
    return made;
}
Operation on(const char* key, Operation made) {
    made.key = key;
    return made;
}

struct Story {
    const char* name;
    bool linearizable;
    std::vector<Operation> history;
};

// Else GoogleTest prints it byte by byte.
std::ostream& operator<<(std::ostream& out, const Story& story) { return out << story.name; }

class Stories : public testing::TestWithParam<Story> {};

TEST_P(Stories, AreJudgedRight) {
    const Judgement judgement = judge_linearizability(GetParam().history);
    EXPECT_EQ(judgement.verdict, GetParam().linearizable ? Verdict::Linearizable : Verdict::NotLinearizable)
        << report(judgement);
    EXPECT_EQ(judgement.counterexample.has_value(), !GetParam().linearizable);
    if (judgement.counterexample) {
        EXPECT_TRUE(judgement.counterexample->smallest);
        EXPECT_EQ(judge_linearizability(judgement.counterexample->operations).verdict,
                  Verdict::NotLinearizable);
    }
}

const std::vector<Story> kSequential{
    {"Nothing", true, {}},
    {"AbsentAtFirst", true, {get(kGone, 1, 2)}},
    {"PutThenRead", true, {put("a", 1, 2), get("a", 3, 4)}},
    {"PutThenReadOfAbsent", false, {put("a", 1, 2), get(kGone, 3, 4)}},
    {"ReadOfAValueNeverWritten", false, {put("a", 1, 2), get("b", 3, 4)}},
    {"ReadOfAValueWrittenLater", false, {get("a", 1, 2), put("a", 3, 4)}},
    {"ReadOfAValueOfAnotherKey", false, {on("other", put("a", 1, 2)), get("a", 3, 4)}},
    {"StaleRead", false, {put("a", 1, 2), put("b", 3, 4), get("a", 5, 6)}},
    {"ReadsGoBack", false, {put("a", 1, 2), put("b", 3, 10), get("b", 4, 5), get("a", 6, 7)}},
    {"TheSameValueAgain", true, {put("a", 1, 2), put("b", 3, 4), put("a", 5, 6), get("a", 7, 8)}},
    {"AnEmptyValueIsNotAbsent", false, {put("", 1, 2), get(kGone, 3, 4)}},
    {"DeleteThenReadOfAbsent", true, {put("a", 1, 2), del(3, 4), get(kGone, 5, 6)}},
    {"ReadOfWhatWasDeleted", false, {put("a", 1, 2), del(3, 4), get("a", 5, 6)}},
    {"DeleteOfNothing", true, {del(1, 2), get(kGone, 3, 4)}},
    {"PutAfterDelete", true, {del(1, 2), put("a", 3, 4), get("a", 5, 6)}},
};

const std::vector<Story> kConcurrent{
    {"WhileAPutRunsAReadMaySeeTheOld", true, {put("a", 1, 2), put("b", 3, 8), get("a", 4, 5)}},
    {"WhileAPutRunsAReadMaySeeTheNew", true, {put("a", 1, 2), put("b", 3, 8), get("b", 4, 5)}},
    {"OldThenNewWhileItRuns", true, {put("a", 1, 2), put("b", 3, 10), get("a", 4, 5), get("b", 6, 7)}},
    {"TwoPutsReadInOneOrder", true, {put("a", 1, 10), put("b", 1, 10), get("a", 2, 3), get("b", 4, 5)}},
    {"TwoPutsReadInTheOtherOrder", true, {put("a", 1, 10), put("b", 1, 10), get("b", 2, 3), get("a", 4, 5)}},
    {"TwoPutsReadInBothOrders",
     false,
     {put("a", 1, 20), put("b", 1, 20), get("a", 2, 3), get("b", 4, 5), get("a", 6, 7)}},
    {"TwoReadersDisagreeAboutTheOrder",
     false,
     {put("a", 1, 4), put("b", 1, 4), get("a", 5, 6), get("b", 5, 6)}},
    {"TwoReadersInDifferentOrders",
     false,
     {put("a", 1, 20), put("b", 1, 20), get("a", 2, 3), get("b", 4, 5), get("b", 2, 3), get("a", 4, 5)}},
    {"ThePutThatReturnsFirstMayComeLast", true, {put("a", 1, 3), put("b", 2, 9), get("a", 10, 11)}},
    {"PutAgainstDelete", true, {put("a", 1, 5), del(2, 6), get(kGone, 7, 8)}},
    {"PutAgainstDeleteTheOtherWay", true, {put("a", 1, 5), del(2, 6), get("a", 7, 8)}},
    {"PutAgainstDeleteBothWays", false, {put("a", 1, 5), del(2, 6), get(kGone, 7, 8), get("a", 9, 10)}},
    {"ReturnedOneTickBeforeTheCall", false, {put("a", 1, 5), put("b", 6, 8), get("a", 9, 10)}},
    {"EqualTimesAreConcurrent", true, {put("a", 1, 6), put("b", 6, 8), get("a", 9, 10)}},
    {"EqualTimesAreConcurrentForAReadToo", true, {put("a", 1, 5), get(kGone, 5, 6)}},
    {"OneTickLaterARead", false, {put("a", 1, 5), get(kGone, 6, 7)}},
    {"AllAtOneInstant", true, {get("b", 1, 1), put("b", 1, 1), get("a", 1, 1), put("a", 1, 1)}},
    {"TheSameValueTwiceExplainsTwoTurns",
     true,
     {put("a", 1, 20), put("a", 1, 20), put("b", 1, 20), get("a", 2, 3), get("b", 4, 5), get("a", 6, 7)}},
};

const std::vector<Story> kOpenOnes{
    {"OpenPutSeen", true, {put("a", 1, kOpen), get("a", 5, 6)}},
    {"OpenPutNotSeen", true, {put("a", 1, kOpen), get(kGone, 5, 6)}},
    {"OpenPutSeenLate", true, {put("a", 1, kOpen), get(kGone, 5, 6), put("b", 7, 8), get("a", 100, 101)}},
    {"OpenPutSeenThenUnseen", false, {put("a", 1, kOpen), get("a", 5, 6), get(kGone, 7, 8)}},
    {"OpenPutSeenBeforeItsCall", false, {get("a", 1, 2), put("a", 3, kOpen)}},
    {"OpenPutTakesEffectOnce",
     false,
     {put("a", 1, kOpen), get("a", 2, 3), put("b", 4, 5), get("b", 6, 7), get("a", 8, 9)}},
    {"OpenDeleteSeen", true, {put("a", 1, 2), del(3, kOpen), get("a", 4, 5), get(kGone, 6, 7)}},
    {"OpenDeleteSeenThenUnseen", false, {put("a", 1, 2), del(3, kOpen), get(kGone, 4, 5), get("a", 6, 7)}},
    {"OpenReadSaysNothing",
     true,
     {put("a", 1, 2), operation(OperationKind::Get, nullptr, 3, kOpen), get("a", 4, 5)}},
    {"OpenCasSeen", true, {put("a", 1, 2), cas("a", "b", 3, kOpen), get("b", 4, 5)}},
    {"OpenCasNotSeen", true, {put("a", 1, 2), cas("a", "b", 3, kOpen), get("a", 4, 5)}},
    {"OpenCasCannotHaveHappened", false, {put("a", 1, 2), cas("x", "b", 3, kOpen), get("b", 4, 5)}},
    {"OpenPutThenOpenCas", true, {put("a", 1, kOpen), cas("a", "b", 2, kOpen), get("b", 5, 6)}},
    {"OpenPutExplainsAFailedCas", true, {put("a", 1, 2), put("b", 3, kOpen), failed_cas("a", "c", 4, 5)}},
    {"OpenPutExplainsAFailedCasOnce",
     false,
     {put("a", 1, 2), put("b", 3, kOpen), failed_cas("a", "c", 4, 5), get("a", 6, 7)}},
    {"NotAppliedAndNotSeen", true, {not_applied(put("a", 1, 2)), get(kGone, 3, 4)}},
    {"NotAppliedButSeen", false, {not_applied(put("a", 1, 2)), get("a", 3, 4)}},
    {"NotAppliedRead", true, {put("a", 1, 2), not_applied(get(kGone, 3, 4))}},
};

const std::vector<Story> kConditions{
    {"CasOfWhatIsThere", true, {put("a", 1, 2), cas("a", "b", 3, 4), get("b", 5, 6)}},
    {"CasOfWhatIsNotThere", false, {put("a", 1, 2), cas("x", "b", 3, 4)}},
    {"CasOfAbsent", true, {cas(kGone, "a", 1, 2), get("a", 3, 4)}},
    {"CasOfAbsentThatIsThere", false, {put("a", 1, 2), cas(kGone, "b", 3, 4)}},
    {"CasTwiceFromTheSameValue", false, {put("a", 1, 2), cas("a", "b", 3, 9), cas("a", "c", 3, 9)}},
    {"CasTwiceOneFails", true, {put("a", 1, 2), cas("a", "b", 3, 9), failed_cas("a", "c", 3, 9)}},
    {"CasTwiceAfterTheValueCameBack",
     true,
     {put("a", 1, 2), cas("a", "b", 3, 20), cas("b", "a", 3, 20), cas("a", "c", 3, 20)}},
    {"BothCreateTheKey", false, {cas(kGone, "a", 1, 5), cas(kGone, "b", 1, 5)}},
    {"LostUpdate",
     false,
     {put("0", 1, 2), get("0", 3, 4), get("0", 3, 4), cas("0", "1", 5, 6), cas("0", "1", 5, 6),
      get("1", 7, 8)}},
    {"FailedCasThoughTheValueMatched", false, {put("a", 1, 2), failed_cas("a", "b", 3, 4)}},
    {"FailedCasOfAnotherValue", true, {put("a", 1, 2), failed_cas("x", "b", 3, 4), get("a", 5, 6)}},
    {"FailedCasThatWasSeen", false, {put("a", 1, 2), failed_cas("x", "b", 3, 4), get("b", 5, 6)}},
    {"FailedCasBeforeAConcurrentPut", true, {put("a", 1, 9), failed_cas("a", "b", 2, 3), get("a", 4, 5)}},
    {"FailedCasOfAbsentBeforeAnything", false, {failed_cas(kGone, "b", 1, 2), put("a", 3, 4)}},
    {"AChainOfCas",
     true,
     {cas("c", "d", 1, 9), cas("b", "c", 1, 9), cas("a", "b", 1, 9), put("a", 1, 9), get("d", 10, 11)}},
    {"AChainOfCasInTheWrongOrder", false, {put("a", 1, 2), cas("b", "c", 3, 4), cas("a", "b", 5, 6)}},
};

const std::vector<Story> kRevisions{
    {"RevisionsGrow", true, {at(1, put("a", 1, 2)), at(2, put("b", 3, 4)), at(2, get("b", 5, 6))}},
    {"RevisionsFall", false, {at(2, put("a", 1, 2)), at(1, put("b", 3, 4))}},
    {"RevisionsOrderWhatIsConcurrent",
     false,
     {at(2, put("a", 1, 9)), at(1, put("b", 1, 9)), get("b", 10, 11)}},
    {"TwoWritesOfOneRevision", false, {at(1, put("a", 1, 9)), at(1, put("b", 1, 9))}},
    {"ReadOfAnotherRevisionThanItsWrite", false, {at(1, put("a", 1, 2)), at(2, get("a", 3, 4))}},
    {"ReadTellsTheRevisionOfAnOpenPut",
     true,
     {put("a", 1, kOpen), at(7, get("a", 2, 3)), at(7, get("a", 4, 5))}},
    {"ReadsTellTwoRevisionsOfOnePut",
     false,
     {put("a", 1, kOpen), at(7, get("a", 2, 3)), at(8, get("a", 4, 5))}},
    {"TwoRevisionsOfTwoOpenPuts",
     true,
     {put("a", 1, kOpen), put("a", 1, kOpen), at(7, get("a", 2, 3)), at(8, get("a", 4, 5))}},
    {"DeleteOfNothingTakesNone",
     true,
     {at(3, put("a", 1, 2)), at(4, del(3, 4)), at(4, del(5, 6)), at(5, put("b", 7, 8))}},
    {"AbsentAtALowerRevision", false, {at(3, put("a", 1, 2)), at(4, del(3, 4)), at(2, get(kGone, 5, 6))}},
};

std::string name_of(const testing::TestParamInfo<Story>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Sequential, Stories, testing::ValuesIn(kSequential), name_of);
INSTANTIATE_TEST_SUITE_P(Concurrent, Stories, testing::ValuesIn(kConcurrent), name_of);
INSTANTIATE_TEST_SUITE_P(Open, Stories, testing::ValuesIn(kOpenOnes), name_of);
INSTANTIATE_TEST_SUITE_P(Conditions, Stories, testing::ValuesIn(kConditions), name_of);
INSTANTIATE_TEST_SUITE_P(Revisions, Stories, testing::ValuesIn(kRevisions), name_of);

TEST(Judgement, TellsTheFirstKeyThatIsNotLinearizable) {
    const std::vector<Operation> history{on("a", put("1", 1, 2)), on("c", get("9", 3, 4)),
                                         on("b", get("9", 3, 4))};
    const Judgement judgement = judge_linearizability(history);
    EXPECT_EQ(judgement.verdict, Verdict::NotLinearizable);
    EXPECT_EQ(judgement.key, "b");
}

// What has nothing to do with the fault is not shown.
TEST(Counterexample, HoldsTheFaultAlone) {
    std::vector<Operation> history;
    for (std::uint64_t i = 0; i < 200; ++i) {
        const std::string value = "v" + std::to_string(i);
        history.push_back(put(value.c_str(), 10 * i + 1, 10 * i + 8));
        history.push_back(get(value.c_str(), 10 * i + 3, 10 * i + 9));
    }
    history[301] = get("v148", 1503, 1509);
    const Judgement judgement = judge_linearizability(history);
    ASSERT_TRUE(judgement.counterexample);
    EXPECT_LE(judgement.counterexample->operations.size(), 4U) << report(judgement);
    EXPECT_THAT(report(judgement), HasSubstr("get -> \"v148\""));
}

TEST(Counterexample, IsReadable) {
    Operation first = put("a", 10, 20);
    first.client = 1;
    Operation second = put("b", 30, 45);
    second.client = 2;
    Operation third = get("a", 50, 60);
    third.client = 3;
    Operation later = get("b", 70, 80);
    later.client = 1;
    const std::vector<Operation> history{first, second, third, later};
    EXPECT_EQ(report(judge_linearizability(history)),
              R"(not linearizable
key "k": no order explains these 3 operations
  client 1 put "a"     10..20  |===|
  client 2 put "b"     30..45          |===|
  client 3 get -> "a"  50..60                  |===|
An order that goes as far as possible, and the value after each:
  (at first)  absent
  client 1 put "a"  "a"
  client 2 put "b"  "b"
No place behind it for:
  client 3 get -> "a" (50..60): read "a"; the key holds "b"
)");
}

TEST(Counterexample, TellsTheRevisionThatAReadShouldHaveTold) {
    const std::vector<Operation> history{at(5, put("a", 1, 2)), at(6, get("a", 3, 4))};
    EXPECT_THAT(report(judge_linearizability(history)), HasSubstr("its value was written at revision 5"));
}

TEST(Counterexample, ShowsWhatIsUnknownAsOpen) {
    const std::vector<Operation> history{put("a", 10, kOpen), get("a", 20, 30), get(kGone, 40, 50)};
    EXPECT_EQ(report(judge_linearizability(history)),
              R"(not linearizable
key "k": no order explains these 3 operations
  client 0 put "a": unknown  10..    |...................>
  client 0 get -> "a"        20..30      |===|
  client 0 get -> absent     40..50              |===|
An order that goes as far as possible, and the value after each:
  (at first)  absent
  client 0 put "a": unknown  "a"
  client 0 get -> "a"        "a"
No place behind it for:
  client 0 get -> absent (40..50): read absent; the key holds "a"
)");
}

}  // namespace
}  // namespace quorate::sim
