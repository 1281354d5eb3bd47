#include "server/batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quorate::server::test {
namespace {

using testing::StartsWith;

Operation put(std::string key, std::string value) {
    return {Operation::Kind::Put, std::move(key), std::move(value)};
}
Operation del(std::string key) { return {Operation::Kind::Delete, std::move(key), {}}; }

TEST(Batch, LinesBecomeOperationsInOrder) {
    const std::vector<std::pair<std::string, std::vector<Operation>>> rows{
        {"PUT a 1", {put("a", "1")}},
        {"PUT a 1\n", {put("a", "1")}},
        {"PUT a 1\nDEL b\nPUT c 3\n", {put("a", "1"), del("b"), put("c", "3")}},
        {"PUT a two words  and spaces ", {put("a", "two words  and spaces ")}},
        {"PUT empty ", {put("empty", "")}},
        {"PUT a  x", {put("a", " x")}},
        {"PUT a%20b %31", {put("a%20b", "%31")}},
        {"PUT a b\rc", {put("a", "b\rc")}},
        {std::string("PUT \xff\0 \xfe", 8), {put(std::string("\xff\0", 2), "\xfe")}},
    };
    for (const auto& [body, operations] : rows) {
        const auto command = parse_batch(body, {});
        ASSERT_TRUE(command) << body << command.error();
        EXPECT_EQ(*command, (Command{operations, {}})) << body;
    }
}

TEST(Batch, NamesTheLineThatIsWrong) {
    const std::vector<std::pair<std::string, std::string>> rows{
        {"", "the batch is empty"},
        {"\n", "line 1 is empty"},
        {"PUT a 1\n\nDEL b", "line 2 is empty"},
        {"PUT a 1\n\n", "line 2 is empty"},
        {"FROB a", "line 1 is neither"},
        {"put a 1", "line 1 is neither"},
        {" PUT a 1", "line 1 is neither"},
        {"PUT", "line 1 is neither"},
        {"PUT a 1\nDEL", "line 2 is neither"},
        {"PUT\ta 1", "line 1 is neither"},
        {"PUT ", "line 1 has an empty key"},
        {"PUT  v", "line 1 has an empty key"},
        {"DEL ", "line 1 has an empty key"},
        {"PUT a", "line 1 has no value"},
        {"DEL a b", "line 1 has something behind"},
        {"DEL a ", "line 1 has something behind"},
        {"PUT a 1\nDEL b\r\n", "line 2 ends in CR"},
        {"PUT a 1\r\n", "line 1 ends in CR"},
        {"PUT long 1", "line 1 has a key of 4 bytes, at most 3"},
        {"PUT a 12345", "line 1 has a value of 5 bytes, at most 4"},
        {"DEL a\nDEL b\nDEL c\nDEL d", "line 4: a batch has at most 3 lines"},
    };
    for (const auto& [body, complaint] : rows) {
        const auto command = parse_batch(body, {3, 3, 4});
        ASSERT_FALSE(command) << body;
        EXPECT_THAT(command.error(), StartsWith(complaint)) << body;
    }
    EXPECT_TRUE(parse_batch("DEL a\nDEL b\nPUT abc 1234\n", {3, 3, 4})) << "exactly at the limits";
}

}  // namespace
}  // namespace quorate::server::test
