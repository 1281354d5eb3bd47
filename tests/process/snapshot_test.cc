// Snapshots of real processes: taken, loaded, sent and damaged, on disks that are full, and under kills.

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <random>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/process/exit_codes.h"
#include "tests/support/mounted_disk.h"
#include "tests/support/process_load.h"

namespace quorate::test {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

constexpr std::size_t kLargeBytes = std::size_t{4} << 20;
constexpr std::uintmax_t kSnapshotHeaderBytes = 4096;  // docs/log-format.md: behind it are the chunks

std::set<std::string> files_in(const std::filesystem::path& directory) {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory))
        names.insert(entry.path().filename().string());
    return names;
}

// Whole ones, the oldest first.
std::vector<std::filesystem::path> snapshots_in(const std::filesystem::path& directory) {
    std::vector<std::filesystem::path> found;
    for (const std::string& name : files_in(directory))
        if (name.starts_with("snapshot-")) found.push_back(directory / name);
    return found;
}

// In the last chunk.
void flip_a_bit(const std::filesystem::path& path) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const auto at = static_cast<std::streamoff>(std::filesystem::file_size(path) - 1);
    file.seekg(at);
    const int byte = file.get();
    file.seekp(at);
    file.put(static_cast<char>(byte ^ 1));
}

void cut(const std::filesystem::path& path) {
    std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
}

// The entry that the new snapshot ends with.
std::uint64_t take_snapshot(const Cluster& cluster, std::size_t node) {
    HttpClient client(HttpClient::Connections::Fresh, kPatience);
    const Reply reply = client.request("POST", cluster.address(node), "/admin/snapshot", "");
    EXPECT_EQ(reply.status, 200) << reply.body << reply.failure;
    const nlohmann::json taken = nlohmann::json::parse(reply.body, nullptr, false);
    return taken.is_object() ? taken.value("snapshotIndex", std::uint64_t{0}) : 0;
}

// Entries in the log that are large and change nothing: their condition never holds.
void fill_the_log(const std::string& address, int count) {
    HttpClient client(HttpClient::Connections::Fresh);
    const std::string value(kLargeBytes, 'v');
    for (int i = 0; i < count; ++i) (void)client.request("PUT", address, "/kv/never", value, {"If-Match: *"});
}

bool is_serving(const Cluster& cluster, std::size_t node) {
    const nlohmann::json said = cluster.health(node);
    return said.is_object() && said.value("state", "") == "serving";
}

// Where its log begins; 0: it has not said so in time.
std::uint64_t first_index(const Cluster& cluster, std::size_t node) {
    const nlohmann::json said = cluster.health(node);
    return said.is_object() ? said.value("firstIndex", std::uint64_t{0}) : 0;
}

// A node by itself, with a key for each of its snapshots and another one behind the last.
class SnapshotOnDisk : public testing::Test {
 protected:
    SnapshotOnDisk() : cluster_(1, {"--segment-mb", "64"}) { (void)cluster_.wait_for_leader(); }

    void write(const std::string& key) {
        HttpClient client;
        EXPECT_EQ(client.put(cluster_.address(0), "/kv/" + key, "value of " + key).status, 200);
        keys_.emplace_back(key, "value of " + key);
    }
    void write_with_snapshots() {
        write("a");
        (void)take_snapshot(cluster_, 0);
        write("b");
        (void)take_snapshot(cluster_, 0);
        write("c");
    }
    void stop() {
        cluster_.terminate(0);
        EXPECT_EQ(cluster_.wait(0), (Ending{0, 0}));
    }
    void expect_start_with_everything() {
        cluster_.start(0);
        (void)cluster_.wait_for_leader();
        EXPECT_EQ(cluster_.everything(0), keys_);
    }
    [[nodiscard]] const std::filesystem::path& data() const { return cluster_.data_directory(0); }

    Cluster cluster_;
    std::vector<std::pair<std::string, std::string>> keys_;
};

TEST_F(SnapshotOnDisk, IsTakenByOrderAndLoadedAtTheStart) {
    HttpClient client;
    const std::string value(kLargeBytes / 4096, 'v');
    std::string lines;
    for (int i = 0; i < 3000; ++i) lines += "PUT " + std::to_string(10000 + i) + " " + value + "\n";
    ASSERT_EQ(client.request("POST", cluster_.address(0), "/kv/batch", lines).status, 200);
    const std::uint64_t taken = take_snapshot(cluster_, 0);
    write("behind");
    // What a node says of itself while it loads is to be seen in any of its starts.
    std::set<std::string> states;
    ASSERT_TRUE(eventually([&] {
        cluster_.kill(0);
        cluster_.start(0);
        return eventually([&] {
                   const nlohmann::json said = cluster_.health(0);
                   if (said.is_object()) states.insert(said.value("state", ""));
                   return said.is_object() && said.value("state", "") == "serving";
               }) &&
               states.contains("loading");
    }));
    (void)cluster_.wait_for_leader();
    EXPECT_EQ(cluster_.health(0).value("snapshotIndex", std::uint64_t{0}), taken);
    EXPECT_THAT(cluster_.log(0),
                HasSubstr("loaded the snapshot through entry " + std::to_string(taken) + ": 3000 keys"));
    const auto there = cluster_.everything(0);
    EXPECT_EQ(there.size(), 3001U);
    EXPECT_EQ(there.front().second, value);
    EXPECT_EQ(there.back(), keys_.back());
}

class DamagedSnapshot : public SnapshotOnDisk,
                        public testing::WithParamInterface<void (*)(const std::filesystem::path&)> {
 protected:
    void damage(const std::filesystem::path& file) { GetParam()(file); }
};

INSTANTIATE_TEST_SUITE_P(, DamagedSnapshot, testing::Values(&flip_a_bit, &cut), [](const auto& how) {
    return how.param == &cut ? "ItsEndIsMissing" : "OneBitIsFlipped";
});

TEST_P(DamagedSnapshot, TheOneBeforeItTakesItsPlace) {
    write_with_snapshots();
    stop();
    const std::filesystem::path newest = snapshots_in(data()).back();
    const std::string older = snapshots_in(data()).front().filename().string();
    damage(newest);
    expect_start_with_everything();
    const std::string log = cluster_.log(0);
    EXPECT_THAT(log, testing::ContainsRegex("warning " + newest.filename().string() + ".*: not used: "));
    const std::string index = std::to_string(std::stoull(older.substr(older.find('-') + 1), nullptr, 16));
    EXPECT_THAT(log, HasSubstr("loaded the snapshot through entry " + index + ":"));
    EXPECT_TRUE(eventually([&] { return !exists(newest); })) << "nobody needs it any more";
}

TEST_P(DamagedSnapshot, AWholeLogTakesThePlaceOfAll) {
    write_with_snapshots();
    stop();
    for (const std::filesystem::path& snapshot : snapshots_in(data())) damage(snapshot);
    expect_start_with_everything();
}

TEST_P(DamagedSnapshot, WithoutTheLogBeforeThemTheNodeRefusesToStart) {
    write("before");
    fill_the_log(cluster_.address(0), 17);
    write_with_snapshots();
    ASSERT_TRUE(eventually([&] { return !exists(data() / "log-0000000000000001"); }));
    stop();
    for (const std::filesystem::path& snapshot : snapshots_in(data())) damage(snapshot);
    const std::set<std::string> before = files_in(data());
    for (int start = 0; start < 2; ++start) {
        const Outcome outcome = run_quorated(cluster_.flags_of(0));
        EXPECT_EQ(outcome.ending, (Ending{kExitDamage, 0})) << outcome.output;
        EXPECT_THAT(outcome.output, HasSubstr("data directory " + data().string() + ": snapshot-"));
        EXPECT_THAT(outcome.output, HasSubstr("docs/operations.md, When a node refuses its directory"));
        EXPECT_THAT(files_in(data()), testing::IsSupersetOf(before)) << "everything is there to be looked at";
    }
}

TEST_F(SnapshotOnDisk, WithoutRoomForOneTheNodeServesOnAndTakesItLater) {
    stop();
    // Two segments, and 16 MiB.
    const MountedDisk disk(data(), {"-t", "tmpfs", "-o", "size=144m", "tmpfs"});
    if (!disk.failure().empty()) GTEST_SKIP() << "this process may not mount: " << disk.failure();
    cluster_.start(0);
    (void)cluster_.wait_for_leader();
    HttpClient client(HttpClient::Connections::Fresh, kPatience);
    for (const char* key : {"/kv/x", "/kv/y"})
        ASSERT_EQ(client.put(cluster_.address(0), key, std::string(kLargeBytes, 'v')).status, 200);
    const std::filesystem::path ballast = data() / "ballast";
    const std::filesystem::path spare = data() / "spare-0000000000000002";
    ASSERT_TRUE(eventually([&] { return exists(spare) && file_size(spare) == std::uintmax_t{64} << 20; }));
    std::ofstream(ballast) << std::string(10U << 20, 'b');

    const Reply refused = client.request("POST", cluster_.address(0), "/admin/snapshot", "");
    EXPECT_EQ(refused.status, 507) << refused.body << refused.failure;
    EXPECT_THAT(refused.body, HasSubstr(R"("disk_full")"));
    EXPECT_THAT(cluster_.log(0),
                HasSubstr("snapshot.taken: pwrite: No space left on device: no room for a snapshot"));
    EXPECT_TRUE(eventually([&] { return !exists(data() / "snapshot.taken"); })) << "its room is given back";
    write("meanwhile");
    EXPECT_EQ(client.get(cluster_.address(0), "/kv/meanwhile").body, "value of meanwhile");
    EXPECT_EQ(cluster_.health(0).value("storage", ""), "ok");

    std::filesystem::remove(ballast);
    EXPECT_GT(take_snapshot(cluster_, 0), 0U);
    EXPECT_EQ(snapshots_in(data()).size(), 1U);
    cluster_.kill(0);
}

TEST(Snapshot, AFollowerWhoseDirectoryIsEmptyGetsOne) {
    Cluster cluster(3);
    const std::size_t follower = cluster.some_follower();
    const std::size_t others[] = {(follower + 1) % cluster.size(), (follower + 2) % cluster.size()};
    HttpClient client;
    const auto write = [&](const std::string& key) {
        EXPECT_EQ(client.put(cluster.address(others[0]), "/kv/" + key, "value").status, 200);
    };
    // Either of the others may lead when it comes back, and sends its own.
    const auto take_snapshots = [&] {
        std::vector<std::string> installed;
        for (const std::size_t node : others) {
            EXPECT_TRUE(cluster.wait_until_caught_up(node));
            installed.push_back("installed the snapshot through entry " +
                                std::to_string(take_snapshot(cluster, node)) + ": 2 keys");
        }
        return installed;
    };
    write("a");
    (void)take_snapshots();
    write("b");
    const std::vector<std::string> installed = take_snapshots();
    write("c");
    for (const std::size_t node : others)
        ASSERT_TRUE(eventually([&] { return first_index(cluster, node) > 1; }));
    cluster.kill(follower);
    std::filesystem::remove_all(cluster.data_directory(follower));
    cluster.start(follower);
    ASSERT_TRUE(cluster.wait_until_caught_up(follower));
    EXPECT_THAT(cluster.log(follower), AnyOf(HasSubstr(installed[0]), HasSubstr(installed[1])));
    EXPECT_EQ(snapshots_in(cluster.data_directory(follower)).size(), 1U);
    EXPECT_EQ(cluster.everything(follower), cluster.everything(others[0]));
}

// Kills at moments that a snapshot's life has.
class KilledUnderSnapshots : public testing::Test {
 protected:
    KilledUnderSnapshots()
        : cluster_(3, {"--snapshot-entries", "200", "--snapshot-mb", "4", "--heartbeat-ms", "50",
                       "--election-min-ms", "200", "--election-max-ms", "400"}) {}

    std::size_t draw(std::size_t below) { return dice_() % below; }
    std::size_t some_node() { return draw(cluster_.size()); }

    void kill_and_start(std::size_t node) {
        cluster_.kill(node);
        cluster_.start(node);
    }
    // At a random moment of the load.
    void any_time(Load& load) {
        ASSERT_TRUE(load.wait_for(1 + draw(300)));
        kill_and_start(some_node());
    }
    void while_one_is_taken() {
        const std::size_t node = some_node();
        ASSERT_TRUE(eventually([&] { return exists(cluster_.data_directory(node) / "snapshot.taken"); }));
        kill_and_start(node);
    }
    // That is when the log is compacted.
    void when_one_is_kept() {
        const std::size_t node = some_node();
        const auto before = snapshots_in(cluster_.data_directory(node));
        fill_the_log(cluster_.address(node), 2);
        ASSERT_TRUE(eventually([&] { return snapshots_in(cluster_.data_directory(node)) != before; }));
        kill_and_start(node);
    }
    // A follower that was away for too long; it or who sends it the snapshot is killed.
    void while_one_is_received() {
        const std::size_t leader = cluster_.wait_for_leader();
        const std::size_t follower = (leader + 1 + draw(2)) % cluster_.size();
        cluster_.kill(follower);
        // No less than the follower has: what it got until then counts too.
        const auto last = cluster_.health(leader).value("lastIndex", std::uint64_t{0});
        const std::size_t told = cluster_.log(follower).size();
        // Either of the others may lead when it comes back.
        for (const std::size_t other : {(follower + 1) % cluster_.size(), (follower + 2) % cluster_.size()})
            ASSERT_TRUE(eventually([&] { return first_index(cluster_, other) > last + 1; }));
        cluster_.start(follower);
        ASSERT_TRUE(eventually([&] {
            return cluster_.log(follower).find("receiving the snapshot", told) != std::string::npos;
        }));
        kill_and_start(draw(2) == 0 ? follower : cluster_.wait_for_leader(follower));
    }

    Cluster cluster_;

 private:
    std::mt19937_64 dice_{std::random_device{}()};
};

TEST_F(KilledUnderSnapshots, EveryAcknowledgedWriteIsThereAndAllStoresAgree) {
    const char* text = std::getenv("QUORATE_KILL_ROUNDS");
    const int rounds = text != nullptr ? std::stoi(text) : 12;
    constexpr std::size_t kWriters = 4;
    constexpr std::size_t kValueBytes = 256;

    (void)cluster_.wait_for_leader();
    Load load(cluster_, kWriters, kValueBytes);
    for (int round = 0; round < rounds && !HasFailure(); ++round) {
        SCOPED_TRACE(round);
        switch (round % 4) {
            case 0: any_time(load); break;
            case 1: while_one_is_taken(); break;
            case 2: when_one_is_kept(); break;
            default: while_one_is_received(); break;
        }
    }
    ASSERT_TRUE(load.wait_for(100)) << "and writes go on";
    load.stop();

    for (std::size_t node = 0; node < cluster_.size(); ++node)
        ASSERT_TRUE(cluster_.wait_until_caught_up(node) &&
                    eventually([&] { return is_serving(cluster_, node); }));
    expect_exactly_the_attempts(cluster_, load.attempts());

    // Equal stores, their past included, give equal snapshots. What is forgotten may be told in between.
    std::vector<std::uint64_t> taken(cluster_.size());
    ASSERT_TRUE(eventually([&] {
        for (std::size_t node = 0; node < cluster_.size(); ++node)
            taken[node] = take_snapshot(cluster_, node);
        return std::ranges::count(taken, taken[0]) == std::ssize(taken);
    }));
    std::vector<std::string> chunks;
    chunks.reserve(cluster_.size());
    for (std::size_t node = 0; node < cluster_.size(); ++node)
        chunks.push_back(
            bytes_of(snapshots_in(cluster_.data_directory(node)).back()).substr(kSnapshotHeaderBytes));
    EXPECT_TRUE(chunks[0] == chunks[1] && chunks[0] == chunks[2]) << "the stores differ";

    std::string logs;
    for (std::size_t node = 0; node < cluster_.size(); ++node) logs += cluster_.log(node);
    EXPECT_THAT(logs, HasSubstr("installed the snapshot"));
    EXPECT_THAT(logs, HasSubstr("loaded the snapshot"));
}

}  // namespace
}  // namespace quorate::test
