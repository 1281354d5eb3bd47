#include "server/members.h"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/server/generators.h"

namespace quorate::server::test {
namespace {

using engine::ServerId;
using testing::ElementsAre;

RC_GTEST_PROP(Members, DecodeToWhatWasEncoded, ()) {
    const ClusterMembers members = any_members();
    RC_ASSERT(decode_members(encode_members(members)) == members);
}

RC_GTEST_PROP(Members, AreRefusedWhenCutOrContinued, ()) {
    const std::string bytes = encode_members(any_members());
    for (std::size_t size = 0; size < bytes.size(); ++size)
        RC_ASSERT(!decode_members(std::string_view(bytes).substr(0, size)));
    RC_ASSERT(!decode_members(bytes + '\0'));
}

RC_GTEST_PROP(Members, ForeignBytesGiveMembersThatTheEngineTakesOrNothing, ()) {
    const std::string bytes = with_flipped_bit(encode_members(any_members()));
    if (const auto members = decode_members(bytes)) {
        RC_ASSERT(members->membership().is_well_formed());
        RC_ASSERT(encode_members(*members) == bytes);
    }
    static_cast<void>(decode_members(any_bytes()));
}

TEST(Members, RolesAreTheEnginesSets) {
    const ClusterMembers members{{{ServerId(1), "a", "h:1", MemberRole::Voter},
                                  {ServerId(2), "b", "h:2", MemberRole::OutgoingVoter},
                                  {ServerId(3), "c", "h:3", MemberRole::ContinuingVoter},
                                  {ServerId(4), "d", "h:4", MemberRole::Learner}}};
    const engine::Membership membership = members.membership();
    EXPECT_THAT(membership.voters, ElementsAre(ServerId(1), ServerId(3)));
    EXPECT_THAT(membership.voters_outgoing, ElementsAre(ServerId(2), ServerId(3)));
    EXPECT_THAT(membership.learners, ElementsAre(ServerId(4)));
    EXPECT_EQ(decode_members(encode_members(members)), members);
}

TEST(Members, OfAnotherOriginAreOthers) {
    const ClusterMembers members{{{ServerId(1), "a", "h:1"}}};
    ClusterMembers restored = members;
    restored.origin = 7;
    EXPECT_EQ(decode_members(encode_members(restored)), restored);
    EXPECT_NE(restored.digest(), members.digest());
    std::string bytes = encode_members(restored);
    bytes[1] = 0;
    EXPECT_FALSE(decode_members(bytes)) << "one form for each";
}

TEST(Members, RefusesWhatNoClusterCanBe) {
    const ClusterMembers good{{{ServerId(1), "a", "h:1"}, {ServerId(2), "b", "h:2"}}};
    const std::string bytes = encode_members(good);
    constexpr std::size_t kFirst = 5;
    constexpr std::size_t kSecond = kFirst + 8 + 1 + 5 + 7;
    const auto with = [&](std::size_t at, char byte) {
        std::string changed = bytes;
        changed[at] = byte;
        return decode_members(changed);
    };
    ASSERT_TRUE(with(0, 1));
    EXPECT_FALSE(with(0, 2)) << "another version";
    EXPECT_FALSE(with(kFirst, 2)) << "an id twice";
    EXPECT_FALSE(with(kFirst, 3)) << "ids that descend";
    EXPECT_FALSE(with(kFirst, 0)) << "nobody's id";
    EXPECT_FALSE(with(kFirst + 8, 0)) << "no role";
    EXPECT_FALSE(with(kFirst + 8, 6)) << "an unknown role";
    EXPECT_FALSE(with(kSecond + 8 + 1 + 4, 'a')) << "a name twice";
    EXPECT_FALSE(with(kSecond + 8 + 1 + 4, '/')) << "no name";
    EXPECT_FALSE(with(bytes.size() - 1, 'x')) << "no address";
    EXPECT_FALSE(decode_members(std::string("\x01\0\0\0\0", 5))) << "nobody";
    std::string learners = bytes;
    learners[kFirst + 8] = learners[kSecond + 8] = 4;
    EXPECT_FALSE(decode_members(learners)) << "nobody votes";
    EXPECT_FALSE(with(4, '\x7f')) << "very many";
}

TEST(Members, DigestTellsConfigurationsApart) {
    const ClusterMembers members{{{ServerId(1), "a", "h:1"}, {ServerId(2), "b", "h:2"}}};
    ClusterMembers other = members;
    EXPECT_EQ(other.digest(), members.digest());
    other.members[1].address = "h:3";
    EXPECT_NE(other.digest(), members.digest());
    other = members;
    other.members[1].role = MemberRole::Learner;
    EXPECT_NE(other.digest(), members.digest());
}

TEST(ServerIds, NumbersNameThemselvesAndOtherNamesAreHashed) {
    const std::map<std::string, std::uint64_t> numbers{{"1", 1}, {"42", 42}, {"4294967295", 4294967295}};
    for (const auto& [name, id] : numbers) EXPECT_EQ(server_id_of(name), ServerId(id)) << name;
    for (const char* name :
         {"0", "01", "4294967296", "99999999999999999999", "-1", "+1", "1a", "n1", "127.0.0.1:7071"}) {
        EXPECT_GE(server_id_of(name).value, std::uint64_t{1} << 63U) << name;
    }
    // In the logs of every cluster: they never change.
    EXPECT_EQ(server_id_of("n1"), ServerId(0xD1CE9F3EF4B004A7U));
    EXPECT_EQ(server_id_of("127.0.0.1:7070"), ServerId(0xC085F38005D2B06FU));
}

TEST(Addresses, AreAHostAndAPort) {
    for (const char* text :
         {"127.0.0.1:7070", "localhost:1", "n1:65535", "[::1]:7070", "[fe80::1:2]:80", "a-b.example_1:9"}) {
        EXPECT_TRUE(is_address(text)) << text;
    }
    for (const char* text :
         {"",         "host",          "host:",   ":7070",     "host:0",   "host:07", "host:65536",
          "host:7o",  "::1:7070",      "[::1]",   "[::1:7070", "[host]:1", "[]:1",    "ho st:1",
          "host:1:2", "http://host:1", "host:-1", "host:+1",   "a,b:1",    "a=b:1",   "[%eth0:]:1"}) {
        EXPECT_FALSE(is_address(text)) << text;
    }
    EXPECT_TRUE(is_address(std::string(253, 'h') + ":65535"));
    EXPECT_FALSE(is_address(std::string(254, 'h') + ":1"));
}

TEST(Names, AreShortAndPlain) {
    for (const std::string& text : {std::string("n1"), std::string("a.B_c-9"), std::string(64, 'x')})
        EXPECT_TRUE(is_name(text)) << text;
    for (const std::string& text : {std::string(), std::string(65, 'x'), std::string("a b"),
                                    std::string("a:1"), std::string("\xc3\xa9")}) {
        EXPECT_FALSE(is_name(text)) << text;
    }
}

}  // namespace
}  // namespace quorate::server::test
