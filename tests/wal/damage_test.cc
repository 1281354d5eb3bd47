// Bytes that change behind the log's back. Every truncation, every flipped bit, every lost, stale or
// misplaced block of a small log must end in one of two ways: everything that was acknowledged is there, or
// the start is refused with a line that names the file, and nothing is touched. DAMAGE_BITS=n flips so many
// bits of each byte, 1, 2, 4 or all 8 of them, others in each.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/environment_number.h"
#include "tests/wal/damage_subject.h"

namespace quorate::test {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

// With its head, a record of exactly one sector.
constexpr std::size_t kSectorPayload = 512 - wal::kHeadBytes;

struct Tally {
    std::uint64_t recovered = 0;
    std::uint64_t refused = 0;
    std::uint64_t last_batch_lost = 0;
};

class Damage : public testing::Test {
 protected:
    enum class LastBatch : bool { MustBeThere, MayBeLost };

    // `named`: the files of which a refusal must name one.
    void judge(const Image& image, std::vector<std::string_view> named,
               LastBatch last_batch = LastBatch::MustBeThere) {
        VirtualDisk disk(image);
        LogUser user(disk);
        const auto content = user.open();
        if (!content) {
            ++tally_.refused;
            ASSERT_THAT(content.error().code,
                        AnyOf(wal::RefusalCode::Damage, wal::RefusalCode::MetaUnreadable));
            ASSERT_TRUE(std::ranges::any_of(named, [&](std::string_view file) {
                return content.error().message.contains(file);
            })) << content.error().message;
            ASSERT_EQ(content.error().message.find('\n'), std::string::npos);
            ASSERT_EQ(disk.operations_done(), 0U) << "a refusal changes nothing";
        } else if (last_batch == LastBatch::MayBeLost && lacks_of_last_batch(*content)) {
            ++tally_.last_batch_lost;
            ASSERT_EQ(user.recovered().lost, wal::Lost::LastBatch) << "silent loss";
        } else {
            ++tally_.recovered;
            ASSERT_TRUE(*content == subject_.content) << "silent loss";
        }
    }

    // All of it but some of the last batch's entries, from one of them on.
    [[nodiscard]] bool lacks_of_last_batch(const LogContent& content) const {
        LogContent prefix = subject_.content;
        if (content.entries.size() >= prefix.entries.size()) return false;
        prefix.entries.resize(content.entries.size());
        return content == prefix && content.entries.size() >= subject_.without_last_batch.entries.size();
    }

    void flip_every_bit(LastBatch (*last_batch)(const Subject&, std::string_view, std::size_t)) {
        Image image = subject_.image;
        for (auto& [name, bytes] : image) {
            for (std::size_t at = 0; at < bytes.size(); ++at) {
                // What nobody reads, now and then: behind the block of a small file, and the spare.
                if (parse(name) == 0 && at >= wal::kBlockBytes && at % 97 != 0) continue;
                for (std::uint64_t bit = at % (8 / bits_); bit < 8; bit += 8 / bits_) {
                    bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
                    judge(image, {name}, last_batch(subject_, name, at));
                    ASSERT_FALSE(HasFatalFailure()) << name << " offset " << at << " bit " << bit;
                    bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
                }
            }
        }
    }

    // Every block of this size of every file becomes what `changed` makes of it.
    template <class Change>
    void change_blocks(std::size_t block_bytes, const Change& changed) {
        Image image = subject_.image;
        for (auto& [name, bytes] : image) {
            for (std::size_t at = 0; at + block_bytes <= bytes.size(); at += block_bytes) {
                const std::string was = bytes.substr(at, block_bytes);
                const std::string is = changed(name, at, was);
                if (is == was) continue;
                bytes.replace(at, block_bytes, is);
                judge(image, {name});
                ASSERT_FALSE(HasFatalFailure()) << name << " block at " << at;
                bytes.replace(at, block_bytes, was);
            }
        }
    }

    static std::uint64_t parse(std::string_view name) { return wal::parse_segment_name(name).value_or(0); }

    void report() const {
        RecordProperty("recovered", std::to_string(tally_.recovered));
        RecordProperty("refused", std::to_string(tally_.refused));
        RecordProperty("last_batch_lost", std::to_string(tally_.last_batch_lost));
    }

    Subject subject_ = make_subject(true);
    const std::uint64_t bits_ = number_from_environment("DAMAGE_BITS", 8);
    Tally tally_;
};

TEST_F(Damage, NoneAtAll) {
    judge(subject_.image, {});
    EXPECT_EQ(tally_.recovered, 1U);
}

TEST_F(Damage, EveryBitFlipped) {
    flip_every_bit([](const Subject&, std::string_view, std::size_t) { return LastBatch::MustBeThere; });
    report();
    EXPECT_GT(tally_.refused, 6'250 * bits_);
    EXPECT_GT(tally_.recovered, 1'250 * bits_);
}

// The last batch of a log that has not been idle since, and has no later batch: its damage cannot be told
// from a write that a crash tore, and is in doubt.
TEST_F(Damage, EveryBitFlippedRightAfterTheLastAcknowledgement) {
    subject_ = make_subject(false);
    flip_every_bit([](const Subject& subject, std::string_view file, std::size_t at) {
        return file == kLastSegment && at >= subject.last_batch_offset ? LastBatch::MayBeLost
                                                                       : LastBatch::MustBeThere;
    });
    report();
    EXPECT_GT(tally_.last_batch_lost, 0U);
    EXPECT_GT(tally_.refused, 6'250 * bits_);
}

TEST_F(Damage, EveryFileTruncatedAtEveryByte) {
    for (const auto& [name, bytes] : subject_.image) {
        Image image = subject_.image;
        for (std::size_t size = bytes.size(); size-- > 0;) {
            image[name].resize(size);
            judge(image, {name});
            ASSERT_FALSE(HasFatalFailure()) << name << " truncated to " << size;
        }
    }
    report();
    EXPECT_GT(tally_.refused, 10'000U);
}

TEST_F(Damage, EveryFileLonger) {
    for (const auto& [name, bytes] : subject_.image) {
        for (const std::size_t more : {1U, 512U, 4096U}) {
            Image image = subject_.image;
            image[name].append(more, '\0');
            judge(image, {name});
        }
    }
}

TEST_F(Damage, ZeroedBlocks) {
    for (const std::size_t block_bytes : {8U, 512U, 4096U})
        change_blocks(block_bytes, [](auto&&, std::size_t, const std::string& was) {
            return std::string(was.size(), '\0');
        });
    EXPECT_GT(tally_.refused, 20U);
}

TEST_F(Damage, GarbledBlocks) {
    Dice dice(1);
    for (const std::size_t block_bytes : {8U, 512U, 4096U}) {
        change_blocks(block_bytes, [&](auto&&, std::size_t, std::string was) {
            for (char& byte : was) byte = static_cast<char>(dice.below(256));
            return was;
        });
    }
    EXPECT_GT(tally_.refused, 20U);
}

// A write that the disk acknowledged and lost: the block is as it was before.
TEST_F(Damage, StaleBlocks) {
    for (const std::size_t block_bytes : {512U, 4096U}) {
        change_blocks(block_bytes, [&](const std::string& file, std::size_t at, const std::string& was) {
            const auto earlier = subject_.earlier.find(file);
            return earlier == subject_.earlier.end() ? was : earlier->second.substr(at, was.size());
        });
    }
    EXPECT_GT(tally_.refused, 0U);
}

TEST_F(Damage, StaleFiles) {
    for (const auto& [name, bytes] : subject_.earlier) {
        if (!subject_.image.contains(name)) continue;
        Image image = subject_.image;
        image[name] = bytes;
        judge(image, {name});
    }
    EXPECT_GT(tally_.refused, 0U);
}

// Written, or read, at the wrong place.
TEST_F(Damage, SwappedBlocks) {
    for (const std::size_t block_bytes : {512U, 4096U}) {
        for (const auto& [name, bytes] : subject_.image) {
            for (const auto& [other, other_bytes] : subject_.image) {
                for (std::size_t at = 0; at < bytes.size(); at += block_bytes) {
                    for (std::size_t from = 0; from < other_bytes.size(); from += block_bytes) {
                        Image image = subject_.image;
                        image[name].replace(at, block_bytes, other_bytes.substr(from, block_bytes));
                        image[other].replace(from, block_bytes, bytes.substr(at, block_bytes));
                        judge(image, {name, other});
                        ASSERT_FALSE(HasFatalFailure())
                            << name << ":" << at << " and " << other << ":" << from;
                    }
                }
            }
        }
    }
    report();
    EXPECT_GT(tally_.refused, 500U);
}

TEST_F(Damage, EachFileMissing) {
    for (const auto& [name, bytes] : subject_.image) {
        Image image = subject_.image;
        image.erase(name);
        judge(image, {name});
        ASSERT_FALSE(HasFatalFailure()) << name;
    }
    EXPECT_EQ(tally_.refused, 2U) << "each of the segments";
    EXPECT_EQ(tally_.recovered, 5U) << "each copy of the vote and of the identity, and the spare";
}

// A record that is intact, in its place and of the right index, but of another history: the chain of
// checksums tells.
TEST_F(Damage, ARecordOfAnotherHistory) {
    const auto write = [](char letter) {
        VirtualDisk disk;
        LogUser user(disk);
        EXPECT_TRUE(user.open());
        user.vote(1, 1);
        for (std::uint64_t index = 1; index <= 3; ++index) {
            const wal::LogEntry entry{engine::Term(1), engine::EntryKind::Command,
                                      std::string(kSectorPayload, letter)};
            user.log().persist(engine::PersistTicket(1 + index), {}, {}, engine::LogIndex(index),
                               {&entry, 1});
            EXPECT_TRUE(user.settle());
        }
        return disk.written();
    };
    Image image = write('a');
    const std::string second = write('b').at(std::string(kFirstSegment)).substr(4096 + 512, 512);
    image.at(std::string(kFirstSegment)).replace(4096 + 512, 512, second);
    VirtualDisk disk(image);
    const auto content = LogUser(disk).open();
    ASSERT_FALSE(content);
    EXPECT_EQ(content.error().code, wal::RefusalCode::Damage);
    EXPECT_THAT(content.error().message, HasSubstr("log-0000000000000001: offset 4608"));
}

// A client fills its value with records that look as if they had been written later, every number in them
// right but the salt, which it cannot know. When a crash tears the write of that value, they are no evidence
// against the start: the client would take down every node that the value was on its way to.
TEST_F(Damage, AValueThatImitatesRecordsIsNoEvidence) {
    constexpr std::uint64_t kSegment = 64U << 10;
    constexpr std::uint64_t kStride = 64;
    std::string value;
    for (std::uint64_t i = 0; i < 500; ++i) {
        // At the latest half a value's length behind the value's head.
        constexpr std::uint64_t kDurable = 4096 + 250 * kStride;
        wal::encode_record({wal::RecordType::Entry, engine::EntryKind::Command, 0, 0, engine::LogIndex(3),
                            engine::Term(1), 1, kDurable},
                           "", value);
        value.resize((i + 1) * kStride, 'x');
    }
    VirtualDisk disk;
    LogUser user(disk, kSegment);
    ASSERT_TRUE(user.open());
    user.vote(1, 1);
    user.append(1, 100);
    ASSERT_TRUE(user.settle());
    const LogContent content = user.history().acknowledged();
    disk.cut_power_after(1);
    const wal::LogEntry entry{engine::Term(1), engine::EntryKind::Command, value};
    user.log().persist(engine::PersistTicket(9), {}, {}, engine::LogIndex(2), {&entry, 1});
    ASSERT_FALSE(user.settle());
    bool is_first = true;
    VirtualDisk torn(disk.after_crash([&] { return !std::exchange(is_first, false); }, [] { return true; }));
    LogUser reader(torn, kSegment);
    const auto found = reader.open();
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(*found, content);
    EXPECT_THAT(reader.recovered().warnings, testing::ElementsAre(HasSubstr("cut ")));
}

// Nothing but the vote files knows of a segment that has just been begun.
TEST_F(Damage, TheLastSegmentMissingRightAfterItsFirstUse) {
    VirtualDisk disk;
    LogUser user(disk);
    ASSERT_TRUE(user.open());
    user.vote(1, 1);
    user.append(6, 700);
    ASSERT_TRUE(user.settle());
    Image image = disk.written();
    ASSERT_EQ(image.erase(std::string(kLastSegment)), 1U);
    VirtualDisk damaged(image);
    const auto content = LogUser(damaged).open();
    ASSERT_FALSE(content);
    EXPECT_EQ(content.error().code, wal::RefusalCode::Damage);
    EXPECT_THAT(content.error().message, HasSubstr(kLastSegment));
}

TEST_F(Damage, EachFileUnreadable) {
    for (const auto& [name, bytes] : subject_.image) {
        if (name.starts_with("spare-")) continue;
        VirtualDisk disk(subject_.image);
        disk.fail_reads_of(name);
        const auto content = LogUser(disk).open();
        ASSERT_FALSE(content);
        EXPECT_EQ(content.error().code, wal::RefusalCode::IoFailed);
        EXPECT_THAT(content.error().message, HasSubstr(name));
    }
}

TEST_F(Damage, ALineForTheOperator) {
    Image image = subject_.image;
    image[std::string(kFirstSegment)][4096 + 20] ^= 1;
    VirtualDisk disk(image);
    const auto content = LogUser(disk).open();
    ASSERT_FALSE(content);
    EXPECT_EQ(
        content.error().message,
        "log-0000000000000001: offset 4096: damaged: expected valid records through offset 8060, as "
        "log-0000000000000002 says, seen them through offset 4096; concerns the entries behind entry 0 "
        "(term 0), which "
        "may have been acknowledged: keep this directory as it is; a node of a cluster whose others are "
        "well is started with --recover-from-peers. See docs/operations.md, When a node refuses its "
        "directory");
}

// The remains of a torn write are cut for good: a shorter one in their place leaves nothing of them behind.
TEST_F(Damage, NothingOfATornWriteComesBack) {
    int remains = 0;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        Dice dice(seed);
        VirtualDisk disk(subject_.image);
        LogUser user(disk);
        ASSERT_TRUE(user.open());
        ASSERT_TRUE(user.settle());
        disk.cut_power_after(1);
        user.append(2, 350);
        ASSERT_FALSE(user.settle());
        bool is_first = true;
        const Image torn = disk.after_crash([&] { return !std::exchange(is_first, false) && dice.flip(); },
                                            [] { return true; });
        VirtualDisk second(torn);
        LogUser writer(second);
        const auto content = writer.open();
        ASSERT_TRUE(content) << content.error().message;
        ASSERT_EQ(*content, subject_.content);
        if (torn.at(std::string(kLastSegment)) != subject_.image.at(std::string(kLastSegment))) {
            ++remains;
            ASSERT_THAT(writer.recovered().warnings,
                        testing::ElementsAre(HasSubstr("a crash interrupted a write")));
            ASSERT_THAT(writer.recovered().warnings.front(),
                        HasSubstr(std::string(kLastSegment) + ": offset "));
        }
        writer.history().resume_with(*content);
        writer.append(1, dice.below(350));
        ASSERT_TRUE(writer.settle());
        VirtualDisk third(second.written());
        LogUser reader(third);
        const auto after = reader.open();
        ASSERT_TRUE(after) << after.error().message;
        ASSERT_EQ(*after, writer.history().all());
        ASSERT_THAT(reader.recovered().warnings, testing::IsEmpty());
    }
    EXPECT_GT(remains, 50);
}

// Arbitrary bytes under the names of a data directory: refused or recovered, never a crash or a hang.
TEST_F(Damage, ArbitraryFiles) {
    Dice dice(7);
    int recovered = 0;
    constexpr int kRounds = 2000;
    for (int round = 0; round < kRounds; ++round) {
        Image image = subject_.image;
        for (auto& [name, bytes] : image) {
            if (dice.below(3) != 0) continue;
            if (dice.below(4) == 0) bytes.resize(dice.below(2 * bytes.size() + 2));
            for (std::uint64_t n = dice.below(6); n > 0 && !bytes.empty(); --n)
                bytes[dice.below(bytes.size())] = static_cast<char>(dice.below(256));
        }
        VirtualDisk disk(image);
        recovered += LogUser(disk).open() ? 1 : 0;
    }
    EXPECT_GT(recovered, kRounds / 20);
    EXPECT_LT(recovered, kRounds);
}

}  // namespace
}  // namespace quorate::test
