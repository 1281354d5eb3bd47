#include "server/peers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quorate::server::test {
namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAre;

Member member(const std::string& name, const std::string& address) {
    return {server_id_of(name), name, address};
}

TEST(Peers, NobodyElseIsAClusterOfOne) {
    const auto unnamed = parse_peers("", std::nullopt, "127.0.0.1:7070");
    ASSERT_TRUE(unnamed);
    EXPECT_EQ(unnamed->self, member("127.0.0.1:7070", "127.0.0.1:7070"));
    EXPECT_EQ(unnamed->members.members, std::vector<Member>{unnamed->self});
    EXPECT_EQ(parse_peers("", "n1", "h:1")->self, member("n1", "h:1"));
}

TEST(Peers, NameThisNodeToo) {
    const auto with = parse_peers("n1=h:1,n2=h:2,3=[::1]:3", "n2", "h:2");
    ASSERT_TRUE(with) << with.error();
    EXPECT_EQ(with->self, member("n2", "h:2"));
    EXPECT_THAT(with->members.members,
                UnorderedElementsAre(member("n1", "h:1"), member("n2", "h:2"), member("3", "[::1]:3")));
    const auto shuffled = parse_peers("3=[::1]:3,n2=h:2,n1=h:1", "n2", "h:2");
    ASSERT_TRUE(shuffled) << shuffled.error();
    EXPECT_EQ(*shuffled, *with) << "every order of them is the same cluster";
    EXPECT_EQ(shuffled->members.digest(), with->members.digest());
    const auto without = parse_peers("3=[::1]:3,n1=h:1", "n2", "h:2");
    ASSERT_FALSE(without);
    EXPECT_THAT(without.error(), HasSubstr("'n2', but the list names only 3, n1;"));
    EXPECT_THAT(without.error(), HasSubstr("n2=h:2"));
    EXPECT_TRUE(with->members.membership().is_well_formed());
}

TEST(Peers, AddressesAloneNameThemselves) {
    const auto with = parse_peers("h:1,h:2,h:3", std::nullopt, "h:2");
    ASSERT_TRUE(with) << with.error();
    EXPECT_EQ(with->self, member("h:2", "h:2"));
    EXPECT_THAT(with->members.members,
                UnorderedElementsAre(member("h:1", "h:1"), member("h:2", "h:2"), member("h:3", "h:3")));
    EXPECT_EQ(*parse_peers("h:1,h:3", std::nullopt, "h:2"), *with);
}

TEST(Peers, MistakesSayWhatToWrite) {
    struct Row {
        const char* peers;
        std::optional<std::string> node_id;
        const char* complaint;
    };
    const std::vector<Row> rows{
        {"n1=h:1,n2=h:2", std::nullopt, "write --node-id"},
        {"h:1,h:2", "n1", "write NAME=HOST:PORT for each"},
        {"n1=h:1,h:2", "n1", "some members have a name"},
        {"n1=h:9,n2=h:2", "n1", "write --advertise-addr h:9"},
        {"n1=h:1,n2=h:2,n2=h:3", "n1", "'n2' is there twice"},
        {"n1=h:1,n2=h:2,n3=h:2", "n1", "both at h:2"},
        {"n1=h:1,n2=h:1", "n1", "both at h:1"},
        {"n1=h:1,,n2=h:2", "n1", "empty item"},
        {",n1=h:1", "n1", "empty item"},
        {"n1=h:1,", "n1", "ends in a comma"},
        {"n1=h", "n1", "'n1=h' has no address"},
        {"n1=h:1;n2=h:2", "n1", "has no address"},
        {"n1=h:1, n2=h:2", "n1", "' n2=h:2' has a name that is not"},
        {"=h:1", "n1", "has a name that is not"},
        {"a b=h:1", "n1", "has a name that is not"},
        {"n1=x=h:1", "n1", "has no address"},
        {"n1=h:1,2=h:2,3=h:3,4=h:4,5=h:5,6=h:6,7=h:7,8=h:8,9=h:9,10=h:10", "n1",
         "10 members with this node; at most 9"},
    };
    for (const Row& row : rows) {
        const auto peers = parse_peers(row.peers, row.node_id, "h:1");
        ASSERT_FALSE(peers) << row.peers;
        EXPECT_THAT(peers.error(), HasSubstr(row.complaint)) << row.peers;
    }
}

}  // namespace
}  // namespace quorate::server::test
