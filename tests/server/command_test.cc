#include "server/command.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/server/generators.h"

namespace quorate::server::test {
namespace {

RC_GTEST_PROP(Command, DecodesToWhatWasEncoded, ()) {
    const Command command = any_command();
    RC_ASSERT(decode_command(encode_command(command)) == command);
}

RC_GTEST_PROP(Command, IsRefusedWhenCutOrContinued, ()) {
    const std::string bytes = encode_command(any_command());
    for (std::size_t size = 0; size < bytes.size(); ++size)
        RC_ASSERT(!decode_command(std::string_view(bytes).substr(0, size)));
    RC_ASSERT(!decode_command(bytes + '\0'));
}

// What decodes at all is a command that can be applied and encoded: no second spelling, nothing out of
// bounds.
RC_GTEST_PROP(Command, ForeignBytesGiveACommandOrNothing, ()) {
    const std::string bytes = with_flipped_bit(encode_command(any_command()));
    if (const auto command = decode_command(bytes)) RC_ASSERT(encode_command(*command) == bytes);
    static_cast<void>(decode_command(any_bytes()));
}

TEST(Command, BytesAreThoseOfTheTable) {
    const Command command{{{Operation::Kind::Put, "k", "vv"}}, {Condition::Kind::RevisionIn, {7}}};
    const std::string expected("\x01\x03\x01\x07\0\0\0\0\0\0\0\x01\0\0\0\x01\x01\0\0\0k\x02\0\0\0vv", 27);
    EXPECT_EQ(encode_command(command), expected);
    const Command once{.operations = {{Operation::Kind::Delete, "k", {}}}, .once = Once{"id", 9}};
    const std::string begins("\x03\x02\0\0\0id\x01\x09\0\0\0\0\0\0\0\0\0\x01", 19);
    EXPECT_EQ(encode_command(once).substr(0, 19), begins);
    EXPECT_EQ(encode_command({.forget_answers_through = 5}), std::string("\x04\x05\0\0\0\0\0\0\0", 9));
}

TEST(Command, WritesAreToldApartByWhatTheyWrite) {
    const auto of = [](std::vector<Operation> operations, Condition condition = {}) {
        return fingerprint_of({std::move(operations), std::move(condition)});
    };
    const Operation put{Operation::Kind::Put, "k", "v"};
    const Operation remove{Operation::Kind::Delete, "k", {}};
    EXPECT_EQ(of({put}), of({put}));
    EXPECT_NE(of({put}), of({{Operation::Kind::Put, "kv", ""}})) << "where a key ends counts";
    EXPECT_NE(of({put}), of({put, put}));
    EXPECT_NE(of({remove}), of({{Operation::Kind::Put, "k", {}}}));
    EXPECT_NE(of({put}), of({put}, {Condition::Kind::Absent, {}}));
    EXPECT_NE(of({put}, {Condition::Kind::RevisionIn, {1}}), of({put}, {Condition::Kind::RevisionIn, {2}}));
}

TEST(Command, AnIdempotencyKeyIsShortAndVisible) {
    EXPECT_TRUE(is_once_key("8e03978e-40d5-43e8-bc93-6894a57f9324"));
    EXPECT_TRUE(is_once_key(std::string(64, '~')));
    for (const std::string& key : {std::string(), std::string(65, 'k'), std::string("a b"),
                                   std::string("\x7f"), std::string("\xc3\xa4")})
        EXPECT_FALSE(is_once_key(key)) << key;
}

TEST(Command, RefusesWhatNoLogMayHold) {
    const std::string good = encode_command({{{Operation::Kind::Delete, "k", {}}}, {}});
    ASSERT_TRUE(decode_command(good));
    const auto with = [&](std::size_t at, char byte) {
        std::string bytes = good;
        bytes[at] = byte;
        return bytes;
    };
    EXPECT_FALSE(decode_command(with(0, 2))) << "another version";
    EXPECT_FALSE(decode_command(with(1, 5))) << "an unknown condition";
    EXPECT_FALSE(decode_command(with(2, 1))) << "revisions for a condition that has none";
    EXPECT_FALSE(decode_command(with(3, 0))) << "no operation";
    EXPECT_FALSE(decode_command(with(6, '\x7f'))) << "two thousand million operations in ten bytes";
    EXPECT_FALSE(decode_command(with(7, 3))) << "an unknown operation";
    EXPECT_FALSE(decode_command(std::string("\x01\0\0\x01\0\0\0\x02\0\0\0\0", 12))) << "an empty key";
    const std::string two =
        encode_command({{{Operation::Kind::Delete, "k", {}}, {Operation::Kind::Delete, "l", {}}}, {}});
    std::string conditional = two;
    conditional[1] = 1;
    EXPECT_FALSE(decode_command(conditional)) << "a condition on two operations";
}

}  // namespace
}  // namespace quorate::server::test
