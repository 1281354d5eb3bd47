#include "server/backup.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/server/generators.h"

namespace quorate::server::test {
namespace {

using testing::HasSubstr;

std::string backup_of(StateMachine& store, std::size_t part_bytes = 1) {
    BackupEncoder encoder("quorate", store, store.pin_present());
    std::string backup;
    while (!encoder.is_complete()) backup += encoder.next_part(store, part_bytes);
    store.unpin(encoder.pin());
    return backup;
}

BackupReader::Source pieces_of(std::string backup, std::size_t piece_bytes) {
    return [backup = std::move(backup), piece_bytes, at = std::size_t{0}]() mutable {
        std::string piece = backup.substr(at, piece_bytes);
        at += piece.size();
        return std::expected<std::string, std::string>(std::move(piece));
    };
}

/// The store, or what is wrong.
std::expected<StateMachine, std::string> read_back(const std::string& backup, std::size_t piece_bytes = 7) {
    BackupReader reader(pieces_of(backup, piece_bytes));
    const auto head = reader.head();
    if (!head) return std::unexpected(head.error());
    StateMachine store;
    for (;;) {
        auto pair = reader.next();
        if (!pair) return std::unexpected(pair.error());
        if (!*pair) break;
        store.load(std::move((*pair)->key), std::move((*pair)->record));
    }
    store.finish_load(head->revision, head->revision, {});
    return store;
}

void put(StateMachine& store, std::string key, std::string value) {
    store.apply({{{Operation::Kind::Put, std::move(key), std::move(value)}}, {}});
}

StateMachine small_store() {
    StateMachine store;
    put(store, "count", "1");
    put(store, "n\xff", std::string("\0\xff", 2));
    put(store, "count", "2\n");
    return store;
}

constexpr const char* kSmallBackup = R"({"quorate_backup":1,"cluster":"quorate","revision":3,"keys":2}
{"k":"count","v":"2\n","create_revision":1,"mod_revision":3,"version":2}
{"k_b64":"bv8=","v_b64":"AP8=","create_revision":2,"mod_revision":2,"version":1}
{"complete":true,"keys":2,"xxh64":"HASH"}
)";

TEST(Backup, IsLinesOfJsonThatTellTheirEnd) {
    StateMachine store = small_store();
    const std::string backup = backup_of(store);
    std::string expected = kSmallBackup;
    const std::string before = expected.substr(0, expected.find("{\"complete\""));
    expected.replace(expected.find("HASH"), 4, fmt::format("{:016x}", hash64(before)));
    EXPECT_EQ(backup, expected);
    EXPECT_EQ(backup_of(store, 1 << 20), backup);
}

// However the store changes meanwhile; the past is not in it.
RC_GTEST_PROP(Backup, HoldsTheStoreAsItWasWhenItWasPinned, ()) {
    StateMachine store;
    const auto change = [&] {
        for (std::size_t i = number_up_to(10); i > 0; --i)
            store.apply(number_up_to(5) == 0 ? Command{{}, {}, 1 + number_up_to(20)} : any_plain_command());
        store.free_some();
    };
    change();
    StateMachine then = store;
    then.apply({{}, {}, UINT64_MAX});
    BackupEncoder encoder("quorate", store, store.pin_present(), 1 + number_up_to(5));
    std::string backup;
    while (!encoder.is_complete()) {
        backup += encoder.next_part(store, 1 + number_up_to(200));
        change();
    }
    const auto restored = read_back(backup, 1 + number_up_to(50));
    RC_ASSERT(restored.has_value());
    RC_ASSERT(restored->digest() == then.digest());
    StateMachine again = *restored;
    RC_ASSERT(backup_of(again) == backup);
}

TEST(Backup, WhatIsCutIsRefusedWithTheLine) {
    StateMachine store = small_store();
    const std::string backup = backup_of(store);
    for (std::size_t size = 0; size < backup.size(); ++size) {
        const auto restored = read_back(backup.substr(0, size));
        ASSERT_FALSE(restored) << size;
        EXPECT_THAT(restored.error(), HasSubstr("line ")) << size;
    }
    EXPECT_THAT(read_back("").error(), HasSubstr("line 1: the file is empty"));
    const std::size_t end = backup.find("{\"complete\"");
    EXPECT_THAT(read_back(backup.substr(0, end)).error(), HasSubstr("line 4: the file ends here"));
    EXPECT_THAT(read_back(backup.substr(0, end - 3)).error(),
                HasSubstr("line 3: the file ends in the middle"));
    EXPECT_THAT(read_back(backup + "x").error(), HasSubstr("line 4: it is the last one"));
    EXPECT_THAT(read_back(backup + "x", 1 << 20).error(), HasSubstr("line 4: it is the last one"));
}

RC_GTEST_PROP(Backup, WhatHasChangedIsRefused, ()) {
    StateMachine store;
    for (std::size_t i = number_up_to(6); i > 0; --i) store.apply(any_command());
    const std::string backup = backup_of(store);
    RC_ASSERT(!read_back(with_flipped_bit(backup)));
}

// With no key, the first line and the last are all there is.
TEST(Backup, EveryFlippedBitOfAnEmptyOneIsSeen) {
    StateMachine empty;
    const std::string backup = backup_of(empty);
    ASSERT_TRUE(read_back(backup));
    for (std::size_t bit = 0; bit < 8 * backup.size(); ++bit) {
        const std::string flipped = with_flipped_bit(backup, bit);
        EXPECT_FALSE(read_back(flipped)) << flipped;
    }
}

TEST(Backup, WhatIsWrongIsNamed) {
    const std::string head = "{\"quorate_backup\":1,\"cluster\":\"quorate\",\"revision\":9,\"keys\":2}\n";
    const auto pair = [](std::string_view key, std::string_view numbers) {
        return fmt::format("{{\"k\":\"{}\",\"v\":\"\",{}}}\n", key, numbers);
    };
    constexpr std::string_view kSound = R"("create_revision":1,"mod_revision":2,"version":1)";
    for (const auto& [backup, error] : std::vector<std::pair<std::string, std::string>>{
             {"{\"k\":\"a\",\"v\":\"\"}\n", "line 1: expected the first line of a backup"},
             {"[]\n", "line 1: expected the first line of a backup"},
             {"{\"quorate_backup\":2}\n", "line 1: a backup of format 2"},
             {"{\"quorate_backup\":1,\"revision\":9,\"keys\":2}\n", "line 1: expected cluster"},
             {head + "x\n", "line 2: expected a JSON object"},
             {head + "{\"k\":\"a\",\"v\":\"\"}\n", "line 2: expected a key with its value"},
             {head + pair("", kSound), "line 2: expected a key with its value"},
             {head + pair("a", R"("create_revision":3,"mod_revision":2,"version":1)"),
              "line 2: expected a key"},
             {head + pair("a", R"("create_revision":1,"mod_revision":10,"version":1)"),
              "line 2: expected a key"},
             {head + pair("a", R"("create_revision":1,"mod_revision":-2,"version":1)"),
              "line 2: expected a key"},
             {head + pair("b", kSound) + pair("a", kSound), "line 3: its key is not behind"},
             {head + pair("b", kSound) + pair("b", kSound), "line 3: its key is not behind"},
             {head + pair("b", kSound) + "{\"complete\":true,\"keys\":1,\"xxh64\":\"\"}\n",
              "line 3: expected 2 keys before it, seen 1"},
             {head + std::string(30U << 20, ' '), "line 2: it is longer than"},
         })
        EXPECT_THAT(read_back(backup, 1 << 20).error(), HasSubstr(error)) << backup.substr(0, 200);
    BackupReader unreadable([] { return std::unexpected(std::string("backup: read: input/output error")); });
    EXPECT_EQ(unreadable.head().error(), "backup: read: input/output error");
}

}  // namespace
}  // namespace quorate::server::test
