// Who only looks at a directory finds what a recovery would refuse, and more: it goes on behind the first
// damage, and looks at what nobody reads.

#include "wal/survey.h"

#include <algorithm>
#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/wal/damage_subject.h"
#include "wal/checksum.h"
#include "wal/copies.h"

namespace quorate::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using wal::Finding;
using wal::FindingKind;
using wal::Survey;

Survey survey_of(const Image& image) {
    VirtualDisk disk(image);
    auto survey = wal::survey(disk, kAnything);
    EXPECT_TRUE(survey) << survey.error().what;
    EXPECT_EQ(disk.operations_done(), 0U);
    return survey ? std::move(*survey) : Survey{};
}

bool names(const Survey& survey, std::string_view file) {
    return std::ranges::any_of(survey.findings, [&](const Finding& f) { return f.file == file; });
}

auto is_damage_at(std::string_view file, std::uint64_t offset) {
    return testing::AllOf(Field(&Finding::kind, FindingKind::Damage), Field(&Finding::file, file),
                          Field(&Finding::offset, offset));
}
auto is_damage_of(std::string_view file) {
    return testing::AllOf(Field(&Finding::kind, FindingKind::Damage), Field(&Finding::file, file));
}

std::string& file_of(Image& image, std::string_view name) { return image.at(std::string(name)); }

bool is_refused(const Image& image) {
    VirtualDisk disk(image);
    return !LogUser(disk).open();
}

void flip(Image& image, std::string_view file, std::size_t at) {
    char& byte = file_of(image, file)[at];
    byte = static_cast<char>(byte ^ 1);
}

// As a later version would write it: intact, and of no form that this one knows.
void make_newer(std::string& bytes) {
    std::uint32_t number = wal::kFormatVersion + 1;
    std::memcpy(bytes.data() + 8, &number, sizeof number);
    number = 0;
    std::memcpy(bytes.data() + 12, &number, sizeof number);
    number = wal::crc32c(std::string_view(bytes).substr(0, wal::kBlockBytes));
    std::memcpy(bytes.data() + 12, &number, sizeof number);
}

// `segments` of them, eight records each.
Image many_segments(std::size_t segments, const wal::Identity& identity = kTestIdentity,
                    std::uint64_t salt = 1) {
    VirtualDisk disk;
    LogUser user(disk, wal::kSegmentBytesMin, identity, salt);
    EXPECT_TRUE(user.open());
    user.vote(1, 1);
    while (!disk.written().contains(wal::segment_name(segments))) {
        user.append(1, 464);  // a record of one sector
        EXPECT_TRUE(user.settle());
    }
    user.append(7, 464);
    EXPECT_TRUE(user.settle());
    user.log().on_idle();
    EXPECT_TRUE(user.settle());
    return disk.written();
}

class SurveyTest : public testing::Test {
 protected:
    // One kind of damage, to `file` alone.
    void judge(const Image& image, const std::string& file) {
        const Survey survey = survey_of(image);
        if (file.starts_with("spare-")) {
            ASSERT_THAT(survey.findings, IsEmpty()) << text_of(survey);
            return;
        }
        ASSERT_TRUE(names(survey, file)) << text_of(survey);
        const bool refuses = is_refused(image);
        ASSERT_TRUE(!refuses || survey.has(FindingKind::Damage)) << text_of(survey);
        if (survey.has(FindingKind::Damage)) {
            ++damaged_;
            harmless_ += refuses ? 0 : 1;
            return;
        }
        ++unfinished_;
        ASSERT_EQ(file, kLastSegment) << "only there can something be torn";
    }

    Subject subject_ = make_subject(true);
    std::uint64_t damaged_ = 0;     ///< and told so
    std::uint64_t harmless_ = 0;    ///< of them, so many that a start does not mind
    std::uint64_t unfinished_ = 0;  ///< told to be no more than torn
};

TEST_F(SurveyTest, OfASoundDirectory) {
    const Survey survey = survey_of(subject_.image);
    EXPECT_THAT(survey.findings, IsEmpty());
    EXPECT_EQ(survey.copies.identity, kTestIdentity);
    EXPECT_EQ(survey.copies.vote()->hard_state, subject_.content.hard_state);
    ASSERT_EQ(survey.log.entries.size(), subject_.content.entries.size());
    for (std::size_t i = 0; i < survey.log.entries.size(); ++i)
        EXPECT_EQ(survey.log.entries[i], subject_.content.entries[i].shape());
    ASSERT_EQ(survey.segments.size(), 2U);
    EXPECT_EQ(survey.segments[0].records + survey.segments[1].records, 14U);
    EXPECT_EQ(survey.segments[1].replacements, 1U);
    EXPECT_EQ(survey.segments[0].index_min, engine::LogIndex(1));
    EXPECT_EQ(survey.segments[1].term_max, engine::Term(3));
    EXPECT_THAT(survey.others, ElementsAre(Field(&wal::FileStatus::name, "spare-0000000000000003")));
}

// Each bit is flipped for the recovery, in damage_test.cc: here a third of the bytes is enough to see that
// both agree.
TEST_F(SurveyTest, FlippedBitsAreTold) {
    for (const bool goes_idle : {true, false}) {
        subject_ = make_subject(goes_idle);
        Image image = subject_.image;
        for (auto& [name, bytes] : image) {
            // Of what nobody reads, some.
            const std::size_t step = name.starts_with("spare-") ? 97 : 3;
            for (std::size_t at = 0; at < bytes.size(); at += step) {
                const bool is_unread = !name.starts_with("log-") && at >= wal::kBlockBytes;
                if (is_unread && at % 31 != 0) continue;
                // Where it stands in a byte makes little difference: one of eight, each in turn.
                const auto bit = static_cast<char>(1 << at % 8);
                bytes[at] = static_cast<char>(bytes[at] ^ bit);
                judge(image, name);
                ASSERT_FALSE(HasFatalFailure()) << name << " offset " << at;
                bytes[at] = static_cast<char>(bytes[at] ^ bit);
            }
        }
    }
    EXPECT_GT(damaged_, 5'000U);
    EXPECT_GT(harmless_, 1'500U) << "between header and records";
    EXPECT_GT(unfinished_, 300U) << "behind the tail";
}

TEST_F(SurveyTest, TruncationsAreTold) {
    for (const auto& [name, bytes] : subject_.image) {
        Image image = subject_.image;
        for (std::size_t size = bytes.size(); size > 0;) {
            size -= std::min<std::size_t>(size, 3);
            image[name].resize(size);
            judge(image, name);
            ASSERT_FALSE(HasFatalFailure()) << name << " truncated to " << size;
        }
    }
    EXPECT_EQ(unfinished_, 0U);
}

TEST_F(SurveyTest, EachMissingFileIsTold) {
    for (const auto& [name, bytes] : subject_.image) {
        Image image = subject_.image;
        image.erase(name);
        judge(image, name);
    }
    EXPECT_EQ(damaged_, 6U);
}

TEST_F(SurveyTest, GoesOnBehindDamage) {
    Image image = many_segments(3);
    flip(image, kFirstSegment, 4096 + 512 + 100);
    flip(image, kFirstSegment, 4096 + 5 * 512 + 100);
    flip(image, kLastSegment, 4096 + 2 * 512 + 3);
    flip(image, "log-0000000000000003", 4096 + 3 * 512);
    const Survey survey = survey_of(image);
    EXPECT_THAT(survey.findings,
                ElementsAre(is_damage_at(kFirstSegment, 4608), is_damage_at(kFirstSegment, 6656),
                            is_damage_at(kLastSegment, 5120), is_damage_at("log-0000000000000003", 5632)));
    EXPECT_EQ(survey.findings[0].behind, (engine::EntryId{engine::LogIndex(1), engine::Term(1)}));
    EXPECT_EQ(survey.findings[1].behind, (engine::EntryId{engine::LogIndex(5), engine::Term(1)}));
    EXPECT_EQ(survey.findings[3].behind->index, engine::LogIndex(19));
    EXPECT_THAT(survey.findings[0].what, HasSubstr("before the one at offset 5120 (entry 3, term 1)"));
    EXPECT_EQ(survey.log.last().index, engine::LogIndex(1)) << "the log is taken as far as it is intact";
}

TEST_F(SurveyTest, TheLastRecordOfASegmentIsMissedByTheNextHeader) {
    Image image = many_segments(3);
    flip(image, kFirstSegment, 8191);
    flip(image, kLastSegment, 8191);
    EXPECT_THAT(survey_of(image).findings,
                ElementsAre(is_damage_at(kFirstSegment, 7680), is_damage_at(kLastSegment, 7680)));
}

TEST_F(SurveyTest, AMissingSegmentHidesNothingBehindIt) {
    Image image = many_segments(4);
    image.erase(std::string(kLastSegment));
    flip(image, "log-0000000000000003", 4096 + 512);
    flip(image, "log-0000000000000004", 4096);
    EXPECT_THAT(survey_of(image).findings,
                ElementsAre(is_damage_at(kLastSegment, 0), is_damage_at("log-0000000000000003", 4608),
                            is_damage_at("log-0000000000000004", 4096)));
    image.erase("log-0000000000000003");
    const Survey survey = survey_of(image);
    EXPECT_THAT(survey.findings,
                ElementsAre(is_damage_at(kLastSegment, 0), is_damage_at("log-0000000000000004", 4096)));
    EXPECT_THAT(survey.findings[0].what, HasSubstr("all up to log-0000000000000003"));
}

TEST_F(SurveyTest, TheLastSegmentMissingIsToldByTheVote) {
    Image image = many_segments(3);
    image.erase("log-0000000000000003");
    EXPECT_THAT(survey_of(image).findings, ElementsAre(is_damage_at("log-0000000000000003", 0)));
    flip(image, kFirstSegment, 4096);
    EXPECT_THAT(survey_of(image).findings,
                ElementsAre(is_damage_at(kFirstSegment, 4096), is_damage_at("log-0000000000000003", 0)));
}

TEST_F(SurveyTest, RecordsOfALostHeaderAreFollowedAllTheSame) {
    Image image = many_segments(3);
    flip(image, kLastSegment, 100);
    flip(image, kLastSegment, 4096 + 3 * 512);
    const Survey survey = survey_of(image);
    EXPECT_THAT(survey.findings,
                ElementsAre(is_damage_at(kLastSegment, 0), is_damage_at(kLastSegment, 5632)));
    EXPECT_EQ(survey.segments[1].records, 7U);
    EXPECT_EQ(survey.segments[2].records, 8U);
}

TEST_F(SurveyTest, TheMarkIsLookedForBehindDamageToo) {
    Image image = many_segments(2);
    flip(image, kFirstSegment, 4096);
    // The last record, which only the mark proves.
    flip(image, kLastSegment, 8000);
    EXPECT_THAT(survey_of(image).findings,
                ElementsAre(is_damage_at(kFirstSegment, 4096), is_damage_at(kLastSegment, 7680)));
}

TEST_F(SurveyTest, OneCopyOfEachSmallFileLost) {
    for (const std::string name : {"vote-a", "vote-b", "identity-a", "identity-b"}) {
        Image image = subject_.image;
        flip(image, name, 40);
        const Survey survey = survey_of(image);
        ASSERT_THAT(survey.findings, ElementsAre(is_damage_at(name, 0)));
        EXPECT_THAT(survey.findings[0].what, HasSubstr("the next start mends this one"));
        EXPECT_EQ(survey.log.entries.size(), subject_.content.entries.size());
    }
}

TEST_F(SurveyTest, BothCopiesOfASmallFileLost) {
    for (const std::string name : {"vote", "identity"}) {
        Image image = subject_.image;
        flip(image, name + "-a", 40);
        flip(image, name + "-b", 41);
        flip(image, kLastSegment, 4200);
        const Survey survey = survey_of(image);
        EXPECT_THAT(survey.findings, ElementsAre(is_damage_at(name + "-a", 0), is_damage_at(name + "-b", 0),
                                                 is_damage_at(kLastSegment, 4096)))
            << "and the log is checked all the same";
        EXPECT_THAT(survey.findings[0].what, testing::Not(HasSubstr("mends")));
    }
}

TEST_F(SurveyTest, VotesThatCountTheSameAndDiffer) {
    Image image = subject_.image;
    auto vote = wal::decode_vote(image["vote-a"].substr(0, wal::kBlockBytes));
    ASSERT_TRUE(vote);
    vote->hard_state.voted_for = engine::ServerId(9);
    image["vote-b"].replace(0, wal::kBlockBytes, wal::encode_vote(*vote));
    EXPECT_THAT(survey_of(image).findings, ElementsAre(is_damage_at("vote-b", 0)));
    --vote->sequence;
    image["vote-b"].replace(0, wal::kBlockBytes, wal::encode_vote(*vote));
    EXPECT_THAT(survey_of(image).findings, ElementsAre(Field(&Finding::kind, FindingKind::Unfinished)));
}

TEST_F(SurveyTest, FilesOfAnotherDirectory) {
    const Image foreign = many_segments(2, {"cluster", "n2"});
    for (const std::string name : {"identity-a", "identity-b", "vote-a", "vote-b"}) {
        Image image = many_segments(2);
        image[name] = foreign.at(name);
        EXPECT_THAT(survey_of(image).findings, ElementsAre(is_damage_at(name, 0)));
    }
    Image image = many_segments(2);
    file_of(image, kLastSegment) = foreign.at(std::string(kLastSegment));
    const Survey survey = survey_of(image);
    EXPECT_THAT(survey.findings, Contains(is_damage_at(kLastSegment, 0)));
    EXPECT_THAT(survey.findings[0].what, HasSubstr("belongs to node 'n2'"));
    Image identities = many_segments(2);
    for (const std::string name : {"identity-a", "identity-b"}) identities[name] = foreign.at(name);
    const Survey other = survey_of(identities);
    for (const std::string_view name : {"vote-a", "vote-b", "log-0000000000000001", "log-0000000000000002"})
        EXPECT_THAT(other.findings, Contains(is_damage_of(name)));
}

TEST_F(SurveyTest, ALaterFormat) {
    for (const std::string name : {"identity-a", "vote-b", "log-0000000000000001", "log-0000000000000002"}) {
        Image image = subject_.image;
        make_newer(image[name]);
        const Survey survey = survey_of(image);
        EXPECT_THAT(survey.findings,
                    Contains(testing::AllOf(Field(&Finding::kind, FindingKind::UnknownFormat),
                                            Field(&Finding::file, name))));
        EXPECT_FALSE(survey.has(FindingKind::Damage)) << text_of(survey);
    }
}

TEST_F(SurveyTest, EntriesThatThisVersionCannotUse) {
    VirtualDisk disk(subject_.image);
    const auto survey = wal::survey(
        disk, [](engine::EntryKind kind, std::string_view) { return kind != engine::EntryKind::Membership; });
    ASSERT_TRUE(survey);
    EXPECT_TRUE(survey->has(FindingKind::UnknownFormat));
    EXPECT_FALSE(survey->has(FindingKind::Damage));
    EXPECT_EQ(survey->log.entries.size(), subject_.content.entries.size());
}

TEST_F(SurveyTest, WhatTheSystemCannotRead) {
    for (const auto& [name, bytes] : subject_.image) {
        if (name.starts_with("spare-")) continue;
        VirtualDisk disk(subject_.image);
        disk.fail_reads_of(name);
        const auto survey = wal::survey(disk, kAnything);
        ASSERT_TRUE(survey);
        EXPECT_THAT(survey->findings, Contains(testing::AllOf(Field(&Finding::kind, FindingKind::Unreadable),
                                                              Field(&Finding::file, name))));
    }
}

TEST_F(SurveyTest, WhatHasTheNameOfAFileAndIsNone) {
    for (const std::string& name :
         {std::string("identity-b"), std::string("vote-a"), std::string(kLastSegment), std::string("joining"),
          wal::spare_name(7), std::string("snapshot-0000000000000007")}) {
        Image image = subject_.image;
        image.erase(name);
        image[name + '/'];
        EXPECT_THAT(survey_of(image).findings,
                    Contains(testing::AllOf(Field(&Finding::kind, FindingKind::Unreadable),
                                            Field(&Finding::file, name))));
    }
}

TEST_F(SurveyTest, NoDataDirectory) {
    for (const Image& image : {Image{}, Image{{"notes.txt", "hello"}}}) {
        VirtualDisk disk(image);
        const auto survey = wal::survey(disk, kAnything);
        ASSERT_FALSE(survey);
        EXPECT_EQ(survey.error().kind, FindingKind::Unreadable);
    }
}

TEST_F(SurveyTest, ADirectoryThatIsBeingFilled) {
    VirtualDisk disk(Image{{"joining", "x"}});
    const auto survey = wal::survey(disk, kAnything);
    ASSERT_TRUE(survey);
    EXPECT_THAT(survey->findings, Contains(is_damage_of("joining")));
}

TEST_F(SurveyTest, FindingsHaveALimit) {
    VirtualDisk disk;
    LogUser user(disk, 512U << 10);
    ASSERT_TRUE(user.open());
    user.vote(1, 1);
    for (int i = 0; i < 3000; ++i) user.append(1, 40);
    ASSERT_TRUE(user.settle());
    user.log().on_idle();
    ASSERT_TRUE(user.settle());
    Image image = disk.written();
    std::string& bytes = file_of(image, kFirstSegment);
    for (std::size_t at = 4096; at < 4096 + std::size_t{250'000}; at += 180) bytes[at] ^= 1;
    const Survey survey = survey_of(image);
    EXPECT_EQ(survey.findings.size(), wal::kFindingsMax);
    EXPECT_GT(survey.findings_omitted, 0U);
}

// Whatever the bytes: what is called sound, a start accepts.
TEST_F(SurveyTest, ArbitraryFiles) {
    Dice dice(7);
    int sound = 0;
    constexpr int kRounds = 3000;
    for (int round = 0; round < kRounds; ++round) {
        Image image = subject_.image;
        for (auto& [name, bytes] : image) {
            if (dice.below(3) != 0) continue;
            if (dice.below(4) == 0) bytes.resize(dice.below(2 * bytes.size() + 2));
            for (std::uint64_t n = dice.below(6); n > 0 && !bytes.empty(); --n)
                bytes[dice.below(bytes.size())] = static_cast<char>(dice.below(256));
        }
        const Survey survey = survey_of(image);
        if (survey.has(FindingKind::Damage)) continue;
        ++sound;
        ASSERT_FALSE(is_refused(image)) << text_of(survey);
    }
    EXPECT_GT(sound, kRounds / 50);
    EXPECT_LT(sound, kRounds);
}

}  // namespace
}  // namespace quorate::test
