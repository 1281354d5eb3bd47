#include "server/answered_writes.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "server/answers_window.h"
#include "tests/server/generators.h"

namespace quorate::server::test {
namespace {

AnsweredWrite answered(std::string key, bool has_session = true) {
    return {std::move(key), 7, has_session, {.revision = 3}};
}

AnsweredWrites answers_of(std::uint64_t count, bool have_sessions = true) {
    AnsweredWrites answers;
    for (std::uint64_t i = 1; i <= count; ++i) answers.add(answered(std::to_string(i), have_sessions));
    return answers;
}

TEST(AnsweredWrites, AreKnownByTheirKeysUntilTheyAreForgotten) {
    AnsweredWrites answers = answers_of(3);
    EXPECT_EQ(answers.last(), 3U);
    ASSERT_NE(answers.find("2"), nullptr);
    EXPECT_EQ(*answers.find("2"), answered("2"));
    EXPECT_EQ(answers.find("4"), nullptr);
    answers.forget_through(2);
    EXPECT_EQ(answers.find("2"), nullptr);
    EXPECT_NE(answers.find("3"), nullptr);
    EXPECT_EQ(answers.size(), 1U);
    answers.forget_through(100);
    EXPECT_EQ(answers.forgotten(), 3U) << "no more than there are";
}

TEST(AnsweredWrites, AKeyThatIsForgottenMayComeAgain) {
    AnsweredWrites answers = answers_of(2);
    answers.forget_through(1);
    answers.add(answered("1"));
    ASSERT_NE(answers.find("1"), nullptr);
    answers.free_some(10, 10);
    EXPECT_NE(answers.find("1"), nullptr) << "the later one, when the earlier one's memory is freed";
    EXPECT_EQ(answers.unfreed(), 0U);
}

TEST(AnsweredWrites, ASessionExpiresWithTheFirstAnswerBehindIt) {
    AnsweredWrites answers = answers_of(5);
    answers.forget_through(3);
    EXPECT_TRUE(answers.has_expired(2)) << "the third may have been its own";
    EXPECT_FALSE(answers.has_expired(3));
    EXPECT_FALSE(answers.has_expired(5));
    EXPECT_TRUE(answers.has_expired(6)) << "of another cluster";
}

TEST(AnsweredWrites, WhatAPinKeepsHasMemory) {
    AnsweredWrites answers = answers_of(5);
    answers.forget_through(4);
    answers.free_some(10, 2);
    EXPECT_EQ(answers.unfreed(), 2U);
    EXPECT_EQ(answers.at(3).key, "3");
    answers.free_some(0, 10);
    EXPECT_EQ(answers.unfreed(), 2U) << "a bounded part at a time";
    answers.free_some(1, 10);
    EXPECT_EQ(answers.unfreed(), 1U);
}

// Against the simplest thing that does the same.
RC_GTEST_PROP(AnsweredWrites, BehaveAsAListThatIsSearched, ()) {
    AnsweredWrites answers;
    std::vector<std::string> list;
    std::size_t forgotten = 0;
    const auto position = [&](const std::string& key) {
        return std::find(list.begin() + static_cast<std::ptrdiff_t>(forgotten), list.end(), key);
    };
    for (std::size_t i = number_up_to(60); i > 0; --i) {
        const std::string key(1, static_cast<char>('a' + number_up_to(5)));
        RC_ASSERT((answers.find(key) != nullptr) == (position(key) != list.end()));
        if (position(key) == list.end()) {
            answers.add(answered(key));
            list.push_back(key);
        }
        if (number_up_to(3) == 0) {
            forgotten += number_up_to(list.size() - forgotten);
            answers.forget_through(forgotten);
        }
        if (number_up_to(2) == 0) answers.free_some(number_up_to(3), number_up_to(60));
        if (number_up_to(9) == 0) {
            const AnsweredWrites copy = answers;
            RC_ASSERT(copy == answers);
            answers = copy;
        }
    }
    RC_ASSERT(answers.last() == list.size());
    RC_ASSERT(answers.forgotten() == forgotten);
}

TEST(AnswersWindow, ForgetsWhatIsTooOld) {
    AnswersWindow window({.count_max = 100, .age_ms_max = 1600});
    const AnsweredWrites answers = answers_of(20, false);
    window.note_time(0, 0);
    for (std::uint64_t n = 1; n <= 20; ++n) window.note_time(n * 100, n);
    EXPECT_EQ(window.forget_through(answers), 4U) << "at 2,000 ms what was there at 400 ms";
}

TEST(AnswersWindow, ForgetsOfTooManyThoseWithASession) {
    const AnswersWindow window({.count_max = 16, .age_ms_max = 1000});
    EXPECT_EQ(window.forget_through(answers_of(13)), 0U);
    EXPECT_EQ(window.forget_through(answers_of(15)), 2U) << "an eighth and one are kept free";
    EXPECT_EQ(window.forget_through(answers_of(15, false)), 0U) << "who has none trusts in the age";
    EXPECT_FALSE(window.is_full(answers_of(15)));
    EXPECT_TRUE(window.is_full(answers_of(16)));
    const AnswersWindow one({.count_max = 1, .age_ms_max = 1000});
    EXPECT_EQ(one.forget_through(answers_of(1)), 1U) << "else there never were room for another one";
}

}  // namespace
}  // namespace quorate::server::test
