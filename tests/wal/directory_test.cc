// Whose directory it is, and which one must not be used.

#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/wal/log_user.h"
#include "wal/checksum.h"

namespace quorate::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using wal::RefusalCode;

class Directory : public testing::Test {
 protected:
    Directory() {
        VirtualDisk disk;
        LogUser user(disk);
        EXPECT_TRUE(user.open());
        user.vote(1, 1);
        user.append(1, 50);
        EXPECT_TRUE(user.settle());
        before_ = disk.written();
        user.vote(5, 2);
        user.append(20, 500);
        EXPECT_TRUE(user.settle());
        image_ = disk.written();
        content_ = user.history().all();
    }

    [[nodiscard]] static wal::Refusal refusal_of(const VirtualDisk::Image& image,
                                                 const wal::Identity& identity = kTestIdentity) {
        VirtualDisk disk(image);
        const auto content = LogUser(disk, wal::kSegmentBytesMin, identity).open();
        EXPECT_FALSE(content);
        EXPECT_EQ(disk.operations_done(), 0U) << "a refusal changes nothing";
        return content ? wal::Refusal{} : content.error();
    }

    VirtualDisk::Image image_;
    VirtualDisk::Image before_;
    LogContent content_;
};

TEST_F(Directory, OfAnotherNodeOrCluster) {
    for (const wal::Identity& other : {wal::Identity{"cluster", "n2"}, wal::Identity{"other", "n1"}}) {
        const wal::Refusal refusal = refusal_of(image_, other);
        EXPECT_EQ(refusal.code, RefusalCode::WrongIdentity);
        EXPECT_THAT(refusal.message, HasSubstr("identity-a"));
        EXPECT_THAT(refusal.message, HasSubstr("node 'n1' of cluster 'cluster'"));
        EXPECT_THAT(refusal.message,
                    HasSubstr("'" + other.node_id + "' of cluster '" + other.cluster_id + "'"));
    }
}

TEST_F(Directory, OfSomebodyElseIsNotFilled) {
    for (const char* name : {"notes.txt", "member/", "log-1", "vote"}) {
        const wal::Refusal refusal = refusal_of({{name, ""}});
        EXPECT_EQ(refusal.code, RefusalCode::Configuration) << name;
        EXPECT_THAT(refusal.message, HasSubstr(std::string("holds ") + name + " and no data of a node"));
        EXPECT_THAT(refusal.message, HasSubstr("name another one, or move away what is in it"));
    }
    // What else stands in ours is of no interest.
    VirtualDisk::Image image = image_;
    for (const char* name : {"notes.txt", "member/", "damaged-once/"}) image[name] = "";
    VirtualDisk disk(image);
    LogUser user(disk);
    EXPECT_EQ(user.open().value_or(LogContent{}), content_);
    EXPECT_THAT(user.recovered().damaged, IsEmpty());
}

TEST_F(Directory, InUse) {
    VirtualDisk disk(image_);
    LogUser first(disk);
    ASSERT_TRUE(first.open());
    const auto second = LogUser(disk).open();
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, RefusalCode::Locked);
    first.append(1, 10);
    EXPECT_TRUE(first.settle()) << "the first goes on";
}

TEST_F(Directory, OfAnotherFormat) {
    for (const auto* file :
         {"identity-a", "identity-b", "vote-a", "vote-b", "log-0000000000000001", "log-0000000000000002"}) {
        VirtualDisk::Image image = image_;
        std::string block = image[file].substr(0, wal::kBlockBytes);
        block[8] = 2;
        block.replace(12, 4, 4, '\0');
        const std::uint32_t crc = wal::crc32c(block);
        std::memcpy(block.data() + 12, &crc, sizeof crc);
        image[file].replace(0, block.size(), block);
        const wal::Refusal refusal = refusal_of(image);
        EXPECT_EQ(refusal.code, RefusalCode::UnknownFormat) << file;
        EXPECT_THAT(refusal.message, HasSubstr(file));
    }
}

TEST_F(Directory, WithOneCopyLostTheOtherIsUsedAndItIsMended) {
    for (const auto* file : {"identity-a", "identity-b", "vote-a", "vote-b"}) {
        for (const bool is_gone : {true, false}) {
            VirtualDisk::Image image = image_;
            if (is_gone) {
                image.erase(file);
            } else {
                image[file][100] ^= 1;
            }
            VirtualDisk disk(image);
            LogUser user(disk);
            ASSERT_EQ(user.open().value_or(LogContent{}), content_) << file;
            EXPECT_THAT(user.recovered().warnings, testing::ElementsAre(HasSubstr(file)));
            const auto none = [] { return false; };
            VirtualDisk after(disk.after_crash(none, none));
            LogUser next(after);
            ASSERT_TRUE(next.open());
            EXPECT_THAT(next.recovered().warnings, IsEmpty()) << file;
        }
    }
}

TEST_F(Directory, WithoutItsVoteIsRefused) {
    VirtualDisk::Image image = image_;
    image.erase("vote-a");
    image["vote-b"].clear();
    const wal::Refusal refusal = refusal_of(image);
    EXPECT_EQ(refusal.code, RefusalCode::MetaUnreadable);
    EXPECT_THAT(refusal.message, HasSubstr("vote-a, vote-b"));
}

TEST_F(Directory, WithTheVoteOfAnotherNodeIsRefused) {
    VirtualDisk other_disk;
    LogUser other(other_disk, wal::kSegmentBytesMin, {"cluster", "n2"});
    ASSERT_TRUE(other.open());
    for (const auto* file : {"vote-a", "vote-b"}) image_[file] = other_disk.written().at(file);
    EXPECT_EQ(refusal_of(image_).code, RefusalCode::MetaUnreadable);
}

TEST_F(Directory, WithoutItsIdentityIsNotTakenForNew) {
    image_.erase("identity-a");
    image_.erase("identity-b");
    EXPECT_EQ(refusal_of(image_).code, RefusalCode::MetaUnreadable);
    image_.erase("vote-a");
    image_.erase("vote-b");
    EXPECT_EQ(refusal_of(image_).code, RefusalCode::MetaUnreadable);
    VirtualDisk::Image only_vote{{"vote-a", before_.at("vote-a")}};
    EXPECT_EQ(refusal_of(only_vote).code, RefusalCode::MetaUnreadable);
    VirtualDisk::Image only_log{{"log-0000000000000001", before_.at("log-0000000000000001")}};
    EXPECT_EQ(refusal_of(only_log).code, RefusalCode::MetaUnreadable);
    // What is no new segment has not been left by a creation that was interrupted.
    only_log.begin()->second.resize(1000);
    EXPECT_EQ(refusal_of(only_log).code, RefusalCode::MetaUnreadable);
    EXPECT_EQ(refusal_of({{"log-0000000000000001", "somebody's"}}).code, RefusalCode::MetaUnreadable);
}

TEST_F(Directory, WithTheSegmentOfAnotherNodeIsRefused) {
    VirtualDisk other_disk;
    LogUser other(other_disk, wal::kSegmentBytesMin, {"cluster", "n2"});
    ASSERT_TRUE(other.open());
    image_["log-0000000000000001"] = other_disk.written().at("log-0000000000000001");
    const wal::Refusal refusal = refusal_of(image_);
    EXPECT_EQ(refusal.code, RefusalCode::WrongIdentity);
    EXPECT_THAT(refusal.message, HasSubstr("log-0000000000000001"));
}

// Both copies of the vote brought back from an earlier day: the log gives them away.
TEST_F(Directory, WithATermInTheLogAboveTheRecordedOneIsRefused) {
    for (const auto* file : {"vote-a", "vote-b"}) image_[file] = before_.at(file);
    const wal::Refusal refusal = refusal_of(image_);
    EXPECT_EQ(refusal.code, RefusalCode::Damage);
    EXPECT_THAT(refusal.message, HasSubstr("seen entry 2 of term 5"));
}

TEST_F(Directory, StrangersInItAreLeftAlone) {
    image_["lost+found"] = "something";
    image_["log-0000000000000001.bak"] = "something";
    VirtualDisk disk(image_);
    EXPECT_EQ(LogUser(disk).open().value_or(LogContent{}), content_);
    EXPECT_EQ(disk.written().at("log-0000000000000001.bak"), "something");
}

TEST_F(Directory, WhatHasTheNameOfAFileAndIsNoneIsRefusedWhateverItIs) {
    for (const std::string name :
         {"identity-b", "vote-a", "log-0000000000000001", "spare-0000000000000007",
          "snapshot-0000000000000007", "snapshot.taken", "snapshot.received", "joining", "restoring"}) {
        VirtualDisk::Image image = image_;
        image.erase(name);
        image[name + '/'];
        const wal::Refusal refusal = refusal_of(image);
        EXPECT_EQ(refusal.code, RefusalCode::Configuration);
        EXPECT_THAT(refusal.message, testing::StartsWith(name + ": expected a file, seen a directory"));
    }
    image_["damaged-notes/"];
    image_["backups/"];
    VirtualDisk disk(image_);
    EXPECT_EQ(LogUser(disk).open().value_or(LogContent{}), content_) << "these are none of its names";
}

TEST_F(Directory, WithoutRoomToStart) {
    VirtualDisk disk;
    disk.set_capacity(100);
    const auto content = LogUser(disk).open();
    ASSERT_FALSE(content);
    EXPECT_EQ(content.error().code, RefusalCode::NoSpace);
}

TEST_F(Directory, StartsWithoutRoomWhenItHasItsFiles) {
    VirtualDisk disk(image_);
    disk.set_capacity(1);
    EXPECT_EQ(LogUser(disk).open().value_or(LogContent{}), content_);
}

TEST_F(Directory, AnyFailureAtStartIsARefusal) {
    for (const VirtualDisk::Image& image : {VirtualDisk::Image{}, image_}) {
        std::uint64_t refused = 0;
        for (std::uint64_t n = 0;; ++n) {
            VirtualDisk disk(image);
            disk.fail_operation(n, wal::DiskError::Failed);
            const auto content = LogUser(disk).open();
            if (content) break;
            ++refused;
            EXPECT_EQ(content.error().code, RefusalCode::IoFailed);
        }
        EXPECT_GT(refused, 6U);
    }
}

}  // namespace
}  // namespace quorate::test
