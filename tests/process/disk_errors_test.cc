// Disks that fail a call: each is injected at an exact system call of a real node. What the node says, how it
// ends, and that what was acknowledged is there when the disk is well again.

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include "tests/process/exit_codes.h"
#include "tests/support/mounted_disk.h"
#include "tests/support/process_load.h"

namespace quorate::test {
namespace {

using testing::HasSubstr;

constexpr const char* kFirstSegment = "log-0000000000000001";
constexpr const char* kCheckTheDisk =
    ": what was written may be on the disk or not, and this node has not counted it as written: check the "
    "disk, "
    "then start again; recovery decides what is there; should the disk be lost: where this node is one "
    "of a cluster";
constexpr const char* kTryToRead =
    ": check the disk, then start again; should the disk be lost: where this node is one";
constexpr const char* kDenied = ": open: Permission denied: this process may not use this file";
constexpr const char* kEio = ": Input/output error";
constexpr std::size_t kValueBytes = std::size_t{4} << 20;

// More than one segment has room for.
constexpr int kValuesOfASegment = 17;

std::size_t calls_of(const std::vector<SystemCall>& seen, std::string_view name,
                     std::string_view file_begin) {
    return static_cast<std::size_t>(std::ranges::count_if(seen, [&](const SystemCall& call) {
        return call.name == name && call.file.starts_with(file_begin);
    }));
}

// A node by itself whose disk fails, and what was acknowledged to its client.
class DiskErrors : public testing::Test {
 protected:
    explicit DiskErrors(const std::vector<std::string>& flags = {})
        : refusal_(no_system_call_faults()), cluster_(1, flags) {
        (void)cluster_.wait_for_leader();
    }
    void SetUp() override {
        if (!refusal_.empty()) GTEST_SKIP() << "this process may not watch another one: " << refusal_;
    }

    void write(const std::string& key) {
        ASSERT_EQ(put(key), 200);
        acknowledged_[key] = "value of " + key;
    }
    // Zero: no answer came.
    [[nodiscard]] int put(const std::string& key) const {
        HttpClient client(HttpClient::Connections::Fresh, kPatience);
        return client.put(cluster_.address(0), "/kv/" + key, "value of " + key).status;
    }
    [[nodiscard]] int take_snapshot() const {
        HttpClient client(HttpClient::Connections::Fresh, kPatience);
        return client.request("POST", cluster_.address(0), "/admin/snapshot", "").status;
    }
    void write_with_snapshots() {
        for (const char* key : {"a", "b", "c"}) {
            write(key);
            if (*key != 'c') {
                ASSERT_EQ(take_snapshot(), 200);
            }
        }
    }
    // Entries that are large and change nothing: their condition never holds. The last answer's status, of
    // the first that is no such answer or of all.
    [[nodiscard]] int fill_the_log(int count) const {
        HttpClient client(HttpClient::Connections::Fresh, kPatience);
        const std::string value(kValueBytes, 'v');
        int status = 412;
        for (int i = 0; i < count && status == 412; ++i)
            status = client.request("PUT", cluster_.address(0), "/kv/never", value, {"If-Match: *"}).status;
        return status;
    }

    void stop() {
        cluster_.terminate(0);
        ASSERT_EQ(cluster_.wait(0), (Ending{0, 0}));
    }
    void start_again_watched() {
        stop();
        cluster_.start(0, &faults_);
        (void)cluster_.wait_for_leader();
    }
    // It ends, says why, and tries no such call again, which the kernel might call a success.
    void expect_end(const Fault& fault, const std::string& message, int code = kExitIoFailed) {
        EXPECT_EQ(cluster_.wait(0), (Ending{code, 0}));
        EXPECT_THAT(cluster_.log(0), HasSubstr("error exit_code=" + std::to_string(code) + " "));
        EXPECT_THAT(cluster_.log(0), HasSubstr(data().string() + ": " + message));
        const std::vector<SystemCall> seen = faults_.seen();
        const auto failed =
            std::ranges::find_if(seen, [](const SystemCall& call) { return call.error != 0; });
        ASSERT_NE(failed, seen.end());
        const auto again = std::find_if(failed + 1, seen.end(), [&](const SystemCall& call) {
            return call.name == fault.call && call.file == failed->file;
        });
        EXPECT_EQ(again, seen.end()) << fault.call << " of " << failed->file;
        EXPECT_EQ(calls_of(seen, "io_uring_setup", ""), 0U) << "what it asks of the kernel so is not seen";
    }
    // Without faults; `doubtful`, which was not acknowledged, may be there.
    void expect_everything_after_start(const std::string& doubtful = "") {
        cluster_.start(0);
        (void)cluster_.wait_for_leader();
        std::map<std::string, std::string> found;
        for (auto& [key, value] : cluster_.everything(0)) found[key] = value;
        if (!acknowledged_.contains(doubtful)) found.erase(doubtful);
        EXPECT_EQ(found, acknowledged_);
    }
    [[nodiscard]] const std::filesystem::path& data() const { return cluster_.data_directory(0); }

    std::string refusal_;
    SystemCallFaults faults_;
    Cluster cluster_;
    std::map<std::string, std::string> acknowledged_;
};

// What brings the node to the call.
enum class By : std::uint8_t { Write, IdleMoment, Start, Snapshot, NextSegment };

struct FailedCall {
    const char* title;
    Fault fault;
    By by;
    std::string message;
    int code = kExitIoFailed;
};

class DiskFailsACall : public DiskErrors, public testing::WithParamInterface<FailedCall> {
 protected:
    void run_into_the_fault() {
        if (GetParam().by == By::Start) return start_with_the_fault();
        start_again_watched();
        faults_.fail(GetParam().fault);
        switch (GetParam().by) {
            case By::Write: EXPECT_EQ(put("doubtful"), 0); return;
            case By::IdleMoment: return write_before_an_idle_moment();
            case By::Snapshot: EXPECT_EQ(take_snapshot(), 0); return;
            case By::NextSegment: EXPECT_EQ(fill_the_log(kValuesOfASegment), 0); return;
            case By::Start: return;
        }
    }

 private:
    void start_with_the_fault() {
        stop();
        faults_.fail(GetParam().fault);
        cluster_.start(0, &faults_);
    }
    // One may come before it, behind what the start has written.
    void write_before_an_idle_moment() {
        if (put("doubtful") == 200) acknowledged_["doubtful"] = "value of doubtful";
    }
};

constexpr const char* kSegment = "log-";
constexpr const char* kDirectory = "n1";
const std::string kFirst = kFirstSegment;

INSTANTIATE_TEST_SUITE_P(
    Log, DiskFailsACall,
    testing::Values(
        FailedCall{
            "Sync", {"fdatasync", kSegment, EIO}, By::Write, kFirst + ": fdatasync" + kEio + kCheckTheDisk},
        FailedCall{
            "Write", {"pwrite64", kSegment, EIO}, By::Write, kFirst + ": pwrite" + kEio + kCheckTheDisk},
        FailedCall{
            "WriteWithoutRoom",
            {"pwrite64", kSegment, ENOSPC},
            By::Write,
            kFirst + ": pwrite: No space left on device: no room on the disk: make room, then start again"},
        FailedCall{
            "SyncWithoutRoom",
            {"fdatasync", kSegment, EDQUOT},
            By::Write,
            kFirst + ": fdatasync: Disk quota exceeded: no room on the disk: make room, then start again"},
        FailedCall{"SyncAtTheStart",
                   {"fdatasync", kSegment, EIO},
                   By::Start,
                   kFirst + ": fdatasync" + kEio + kCheckTheDisk},
        // The first read is that of recovery.
        FailedCall{"ReadWhenItIsApplied",
                   {"pread64", kSegment, EIO, 1},
                   By::Start,
                   kFirst + ": pread" + kEio + kTryToRead},
        FailedCall{"DirectorySyncAtTheStart",
                   {"fsync", kDirectory, EIO},
                   By::Start,
                   std::string("fsync") + kEio + kCheckTheDisk},
        FailedCall{"NameOfTheNextSegment",
                   {"renameat", "spare-", EIO},
                   By::NextSegment,
                   std::string("spare-0000000000000002: rename") + kEio + kCheckTheDisk},
        FailedCall{"DirectorySyncOfTheNextSegment",
                   {"fsync", kDirectory, EIO},
                   By::NextSegment,
                   std::string("fsync") + kEio + kCheckTheDisk},
        FailedCall{"OpenOfASpare",
                   {"openat", "spare-", EIO},
                   By::Start,
                   std::string("spare-0000000000000002: open") + kEio + kCheckTheDisk},
        FailedCall{"ASpareThatMayNotBeOpened",
                   {"openat", "spare-", EACCES},
                   By::Start,
                   std::string("spare-0000000000000002") + kDenied,
                   kExitConfiguration},
        FailedCall{"WriteOfASpare",
                   {"pwrite64", "spare-", EIO},
                   By::Start,
                   std::string("spare-0000000000000002: pwrite") + kEio + kCheckTheDisk},
        FailedCall{"SyncOfASpare",
                   {"fsync", "spare-", EIO},
                   By::Start,
                   std::string("spare-0000000000000002: fsync") + kEio + kCheckTheDisk}),
    [](const auto& which) { return which.param.title; });

INSTANTIATE_TEST_SUITE_P(Vote, DiskFailsACall,
                         testing::Values(FailedCall{"WriteWhenIdle",
                                                    {"pwrite64", "vote-a", EIO},
                                                    By::IdleMoment,
                                                    std::string("vote-a: pwrite") + kEio + kCheckTheDisk},
                                         FailedCall{"SyncWhenIdle",
                                                    {"fdatasync", "vote-b", EIO},
                                                    By::IdleMoment,
                                                    std::string("vote-b: fdatasync") + kEio + kCheckTheDisk},
                                         FailedCall{"WriteAtTheStart",
                                                    {"pwrite64", "vote-b", EIO},
                                                    By::Start,
                                                    std::string("vote-b: pwrite") + kEio + kCheckTheDisk},
                                         FailedCall{"SyncAtTheStart",
                                                    {"fdatasync", "vote-a", EIO},
                                                    By::Start,
                                                    std::string("vote-a: fdatasync") + kEio + kCheckTheDisk}),
                         [](const auto& which) { return which.param.title; });

INSTANTIATE_TEST_SUITE_P(
    Snapshot, DiskFailsACall,
    testing::Values(FailedCall{"Write",
                               {"pwrite64", "snapshot.taken", EIO},
                               By::Snapshot,
                               std::string("snapshot.taken: pwrite") + kEio + kCheckTheDisk},
                    FailedCall{"Sync",
                               {"fdatasync", "snapshot.taken", EIO},
                               By::Snapshot,
                               std::string("snapshot.taken: fdatasync") + kEio + kCheckTheDisk},
                    FailedCall{"Name",
                               {"renameat", "snapshot.taken", EIO},
                               By::Snapshot,
                               std::string("snapshot.taken: rename") + kEio + kCheckTheDisk},
                    FailedCall{"DirectorySync",
                               {"fsync", kDirectory, EIO},
                               By::Snapshot,
                               std::string("fsync") + kEio + kCheckTheDisk}),
    [](const auto& which) { return which.param.title; });

TEST_P(DiskFailsACall, TheNodeEndsAndNothingAcknowledgedIsLost) {
    write_with_snapshots();
    ASSERT_NO_FATAL_FAILURE(run_into_the_fault());
    expect_end(GetParam().fault, GetParam().message, GetParam().code);
    expect_everything_after_start("doubtful");
}

struct FailedRead {
    const char* title;
    Fault fault;
    std::string message;
    int code = kExitIoFailed;
};

FailedRead denied(const char* title, const char* file_begin) {
    return {title, {"openat", file_begin, EACCES}, kDenied, kExitConfiguration};
}

class DiskCannotBeRead : public DiskErrors, public testing::WithParamInterface<FailedRead> {};

INSTANTIATE_TEST_SUITE_P(
    , DiskCannotBeRead,
    testing::Values(
        FailedRead{
            "Identity", {"pread64", "identity-a", EIO}, std::string("identity-a: pread") + kEio + kTryToRead},
        FailedRead{"Vote", {"pread64", "vote-b", EIO}, std::string("vote-b: pread") + kEio + kTryToRead},
        FailedRead{
            "OpenOfTheVote", {"openat", "vote-a", EIO}, std::string("vote-a: open") + kEio + kTryToRead},
        FailedRead{"Segment", {"pread64", kSegment, EIO}, kFirst + ": pread" + kEio + kTryToRead},
        FailedRead{"OpenOfASegment", {"openat", kSegment, EIO}, kFirst + ": open" + kEio + kTryToRead},
        FailedRead{"Snapshot",
                   {"pread64", "snapshot-", EIO},
                   std::string("expected the header of a snapshot, seen none: pread") + kEio + kTryToRead},
        FailedRead{"Directory", {"getdents64", kDirectory, EIO}, std::string("readdir") + kEio + kTryToRead},
        FailedRead{"OpenOfTheDirectory",
                   {"openat", kDirectory, EIO},
                   std::string("open") + kEio + ": the data directory cannot be used",
                   kExitConfiguration},
        denied("DeniedIdentity", "identity-b"), denied("DeniedVote", "vote-a"),
        denied("DeniedSegment", kSegment), denied("DeniedSnapshot", "snapshot-")),
    [](const auto& which) { return which.param.title; });

TEST_P(DiskCannotBeRead, TheNodeRefusesToStartAndChangesNothing) {
    write_with_snapshots();
    stop();
    const auto before = times_of_files(data());
    faults_.fail(GetParam().fault);
    cluster_.start(0, &faults_);
    EXPECT_EQ(cluster_.wait(0), (Ending{GetParam().code, 0}));
    EXPECT_THAT(cluster_.log(0), HasSubstr("error exit_code=" + std::to_string(GetParam().code) + " "));
    EXPECT_THAT(cluster_.log(0), HasSubstr(data().string()));
    EXPECT_THAT(cluster_.log(0), HasSubstr(GetParam().message));
    EXPECT_TRUE(faults_.has_failed_one());
    EXPECT_EQ(times_of_files(data()), before);
    expect_everything_after_start();
}

TEST_F(DiskErrors, TheOlderSnapshotTakesThePlaceOfOneThatCannotBeRead) {
    write_with_snapshots();
    stop();
    // The two headers are read first.
    faults_.fail({"pread64", "snapshot-", EIO, 2});
    cluster_.start(0, &faults_);
    (void)cluster_.wait_for_leader();
    EXPECT_TRUE(faults_.has_failed_one());
    EXPECT_THAT(
        cluster_.log(0),
        testing::ContainsRegex("warning snapshot-[0-9a-f]*: offset 4096: not used: chunk 0 cannot be read: "
                               "pread: Input/output error"));
    EXPECT_EQ(cluster_.everything(0).size(), acknowledged_.size());
    EXPECT_EQ(cluster_.health(0).value("state", ""), "serving");
    cluster_.kill(0);
    expect_everything_after_start();
}

TEST_F(DiskErrors, WithoutASnapshotThatCanBeReadTheNodeEndsAndKeepsThem) {
    write("before");
    ASSERT_EQ(fill_the_log(kValuesOfASegment), 412);
    write_with_snapshots();
    ASSERT_TRUE(eventually([&] { return !exists(data() / kFirstSegment); }));
    stop();
    faults_.fail({"pread64", "snapshot-", EIO, 2, FaultLasts::UntilCleared});
    cluster_.start(0, &faults_);
    EXPECT_EQ(cluster_.wait(0), (Ending{kExitIoFailed, 0}));
    EXPECT_THAT(cluster_.log(0),
                HasSubstr(std::string(": offset 4096: chunk 0 cannot be read: pread") + kEio + kTryToRead));
    expect_everything_after_start();
}

TEST_F(DiskErrors, ASnapshotForWhichNoDescriptorIsLeftSaysThat) {
    write("before");
    stop();
    faults_.fail({"openat", "snapshot.taken", EMFILE, 0, FaultLasts::UntilCleared});
    cluster_.start(0, &faults_);
    (void)cluster_.wait_for_leader();
    HttpClient client(HttpClient::Connections::Fresh, kPatience);
    const Reply refused = client.request("POST", cluster_.address(0), "/admin/snapshot", "");
    EXPECT_EQ(refused.status, 507);
    const std::string lacking = "snapshot.taken: open: Too many open files";
    EXPECT_THAT(refused.body, HasSubstr(lacking));
    EXPECT_THAT(cluster_.log(0), HasSubstr(lacking + ": no room for a snapshot"));
    faults_.clear();
    EXPECT_TRUE(eventually([&] { return take_snapshot() == 200; }));
    cluster_.kill(0);
    expect_everything_after_start();
}

// The next segment cannot be prepared.
class NoRoomForTheLog : public DiskErrors {
 protected:
    NoRoomForTheLog() : DiskErrors({"--segment-mb", "64"}) {}

    void expect_that_it_only_reads() {
        EXPECT_EQ(fill_the_log(kValuesOfASegment), 507);
        EXPECT_EQ(put("refused"), 507);
        EXPECT_THAT(
            cluster_.log(0),
            testing::AllOf(
                HasSubstr("error data directory " + data().string() + ": spare-"),
                HasSubstr(": no room for the log: until there is, this node takes no writes when it leads")));
        EXPECT_EQ(cluster_.health(0).value("storage", ""), "full");
        EXPECT_EQ(cluster_.health(0).value("state", ""), "serving");
        EXPECT_EQ(cluster_.everything(0).size(), acknowledged_.size());
    }
    void expect_that_it_writes_again() {
        ASSERT_TRUE(eventually([&] { return put("again") == 200; }));
        acknowledged_["again"] = "value of again";
        EXPECT_THAT(cluster_.log(0), HasSubstr("info data directory " + data().string() +
                                               ": there is room for the log again"));
        EXPECT_EQ(cluster_.health(0).value("storage", ""), "ok");
        cluster_.kill(0);
        expect_everything_after_start();
    }
};

class NoRoomByACall : public NoRoomForTheLog,
                      public testing::WithParamInterface<std::pair<const char*, int>> {};

INSTANTIATE_TEST_SUITE_P(, NoRoomByACall,
                         testing::Values(std::pair("openat", ENOSPC), std::pair("pwrite64", ENOSPC),
                                         std::pair("fsync", EDQUOT)),
                         [](const auto& which) { return which.param.first; });

TEST_P(NoRoomByACall, TheNodeOnlyReadsUntilThereIsRoom) {
    write("before");
    stop();
    const auto& [call, error] = GetParam();
    faults_.fail({call, "spare-", error, 0, FaultLasts::UntilCleared});
    cluster_.start(0, &faults_);
    (void)cluster_.wait_for_leader();
    expect_that_it_only_reads();
    faults_.clear();
    expect_that_it_writes_again();
}

TEST_P(NoRoomByACall, AFirstStartIsRefusedAndThenBegunAnew) {
    stop();
    std::filesystem::remove_all(data());
    const auto& [call, error] = GetParam();
    const Fault fault{call, "spare-", error};
    faults_.fail(fault);
    cluster_.start(0, &faults_);
    expect_end(fault, "spare-0000000000000001: ", kExitNoSpace);
    EXPECT_THAT(cluster_.log(0), HasSubstr(": no room on the disk: make room, then start again"));
    expect_everything_after_start();
}

TEST_F(NoRoomForTheLog, OnASmallDiskTheNodeOnlyReadsUntilThereIsRoom) {
    stop();
    // A segment, and 40 MiB.
    const MountedDisk disk(data(), {"-t", "tmpfs", "-o", "size=104m", "tmpfs"});
    if (!disk.failure().empty()) GTEST_SKIP() << "this process may not mount: " << disk.failure();
    cluster_.start(0);
    (void)cluster_.wait_for_leader();
    write("before");
    expect_that_it_only_reads();
    ASSERT_EQ(::mount("tmpfs", data().c_str(), nullptr, MS_REMOUNT, "size=144m"), 0);
    expect_that_it_writes_again();
    cluster_.kill(0);
}

// Three nodes, each of them watched.
class DiskErrorsOfACluster : public testing::Test {
 protected:
    DiskErrorsOfACluster() : refusal_(no_system_call_faults()), faults_(3), cluster_(3) {}
    void SetUp() override {
        if (!refusal_.empty()) GTEST_SKIP() << "this process may not watch another one: " << refusal_;
    }

    void start_all_watched() {
        (void)cluster_.wait_for_leader();
        for (std::size_t node = 0; node < cluster_.size(); ++node) {
            cluster_.kill(node);
            cluster_.start(node, &faults_[node]);
        }
    }

    std::string refusal_;
    std::vector<SystemCallFaults> faults_;
    Cluster cluster_;
};

TEST_F(DiskErrorsOfACluster, TheOthersGoOnWithoutALeaderWhoseSyncFails) {
    start_all_watched();
    const std::size_t leader = cluster_.wait_for_leader();
    Load load(cluster_, 4);
    ASSERT_TRUE(load.wait_for(200));
    faults_[leader].fail({"fdatasync", kSegment, EIO});
    EXPECT_EQ(cluster_.wait(leader), (Ending{kExitIoFailed, 0}));
    EXPECT_THAT(cluster_.log(leader), HasSubstr("fdatasync" + std::string(kEio)));
    EXPECT_THAT(cluster_.log(leader), HasSubstr("what was acknowledged is on a majority of the members"));
    (void)cluster_.wait_for_leader(leader);
    ASSERT_TRUE(load.wait_for(200)) << "two of three go on";
    cluster_.start(leader);
    ASSERT_TRUE(load.wait_for(200)) << "and while it catches up";
    load.stop();
    ASSERT_TRUE(cluster_.wait_until_caught_up(leader));
    expect_exactly_the_attempts(cluster_, load.attempts());
}

// What a leader wrote before its own start is on its disk alone: it is read for whoever lacks it.
TEST_F(DiskErrorsOfACluster, ALeaderThatCannotReadItsLogForAFollowerEndsAndTheOthersGoOn) {
    const std::size_t behind = cluster_.some_follower();
    cluster_.kill(behind);
    HttpClient client(HttpClient::Connections::Fresh, kPatience);
    const auto put = [&](const std::string& key) {
        return client.put(cluster_.address(cluster_.wait_for_leader(behind)), "/kv/" + key, "v").status ==
               200;
    };
    ASSERT_TRUE(eventually([&] { return put("before"); }));
    const std::array<std::size_t, 2> others{(behind + 1) % 3, (behind + 2) % 3};
    for (const std::size_t node : others) cluster_.kill(node);
    for (const std::size_t node : others) cluster_.start(node, &faults_[node]);
    // Who acknowledges this has applied all that came before, and reads nothing for itself any more.
    ASSERT_TRUE(eventually([&] { return put("after"); }));
    // On a slow machine the other one may lead next, and end like it.
    for (const std::size_t node : others) faults_[node].fail({"pread64", kSegment, EIO});
    const auto has_said_so = [&](std::size_t node) {
        return cluster_.log(node).find(kFirst + ": pread" + kEio + ": check the disk") != std::string::npos;
    };
    cluster_.start(behind);
    ASSERT_TRUE(eventually([&] { return std::ranges::any_of(others, has_said_so); }));
    for (const std::size_t node : others) faults_[node].clear();
    for (const std::size_t node : others) {
        if (!has_said_so(node)) continue;
        EXPECT_EQ(cluster_.wait(node), (Ending{kExitIoFailed, 0}));
        cluster_.start(node);
    }
    ASSERT_TRUE(cluster_.wait_until_caught_up(behind));
    EXPECT_EQ(cluster_.everything(behind).size(), 2U);
}

// The disk of one of them has no room for another segment.
class ANodeWithoutRoom : public DiskErrorsOfACluster {
 protected:
    static constexpr std::size_t kFull = 0;

    ANodeWithoutRoom() { take_room(); }

    void take_room() { faults_[kFull].fail({"pwrite64", "spare-", ENOSPC, 0, FaultLasts::UntilCleared}); }
    void make_room() {
        faults_[kFull].clear();
        EXPECT_TRUE(eventually([&] { return storage() == "ok"; }));
    }
    [[nodiscard]] std::string storage() const {
        const nlohmann::json said = cluster_.health(kFull);
        return said.is_object() ? said.value("storage", "") : "";
    }
    // A slow machine elects another leader at any time: nothing but the node's own word tells that it led
    // when it lacked room.
    [[nodiscard]] bool has_offered_leadership() const {
        return cluster_.log(kFull).find("no room for the log: offering leadership to ") != std::string::npos;
    }
    // One step on the way: asks that the node leads and, where it does, for an entry that is large and
    // changes nothing.
    [[nodiscard]] bool has_handed_over() {
        const std::size_t leader = cluster_.wait_for_leader();
        if (leader != kFull) {
            const bool is_full = storage() == "full";
            if (is_full && has_offered_leadership()) return true;
            // What it took as the leader has filled its log when it led no more: it cannot lead so.
            if (is_full) {
                make_room();
                take_room();
            }
            (void)client_.request("POST", cluster_.address(leader), "/cluster/transfer?to=n1", "");
        }
        // Not forwarded: what another leader takes would fill this log, too.
        (void)client_.request("PUT", cluster_.address(kFull), "/kv/never?forward=false",
                              std::string(kValueBytes, 'v'), {"If-Match: *"});
        return false;
    }

    HttpClient client_{HttpClient::Connections::Fresh, kPatience};
};

TEST_F(ANodeWithoutRoom, HandsOverWhenItLeads) {
    start_all_watched();
    ASSERT_TRUE(eventually([&] { return has_handed_over(); }));
    EXPECT_TRUE(eventually([&] {
        return client_.put(cluster_.address(kFull), "/kv/key", "forwarded").status == 200;
    })) << "the others have room";
    EXPECT_TRUE(
        eventually([&] { return client_.get(cluster_.address(kFull), "/kv/key").body == "forwarded"; }));
    make_room();
    EXPECT_TRUE(cluster_.wait_until_caught_up(kFull));
}

// What a start has read may be in the kernel's cache alone: it is on the disk before anybody hears of it.
TEST_F(DiskErrorsOfACluster, WhatAStartHasReadIsSyncedBeforeItsFirstMessage) {
    const std::size_t follower = cluster_.some_follower();
    Load load(cluster_, 4);
    ASSERT_TRUE(load.wait_for(200));
    cluster_.kill(follower);
    load.stop();
    cluster_.start(follower, &faults_[follower]);
    ASSERT_TRUE(cluster_.wait_until_caught_up(follower));
    const std::vector<SystemCall> seen = faults_[follower].seen();
    const auto sent = std::ranges::find_if(seen, [](const SystemCall& call) {
        return call.name.starts_with("write") && call.file.starts_with("socket:");
    });
    ASSERT_NE(sent, seen.end());
    auto at = seen.begin();
    for (const auto& [name, file] :
         {std::pair("fdatasync", std::string(kFirstSegment)), std::pair("fsync", cluster_.name(follower)),
          std::pair("fdatasync", std::string("vote-a")), std::pair("fdatasync", std::string("vote-b"))}) {
        at = std::find_if(at, seen.end(),
                          [&](const SystemCall& call) { return call.name == name && call.file == file; });
        EXPECT_LT(at, sent) << name << " of " << file;
    }
}

TEST_F(DiskErrorsOfACluster, WhatAStartCannotSyncNobodyHearsOf) {
    const std::size_t follower = cluster_.some_follower();
    cluster_.kill(follower);
    faults_[follower].fail({"fdatasync", kSegment, EIO});
    cluster_.start(follower, &faults_[follower]);
    EXPECT_EQ(cluster_.wait(follower), (Ending{kExitIoFailed, 0}));
    const std::vector<SystemCall> seen = faults_[follower].seen();
    EXPECT_EQ(calls_of(seen, "fdatasync", kSegment), 1U);
    EXPECT_EQ(calls_of(seen, "write", "socket:") + calls_of(seen, "writev", "socket:"), 0U);
}

}  // namespace
}  // namespace quorate::test
