// What quorate-wal says about a small log, word for word.

#include "server/wal_tool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/command.h"
#include "server/log_line.h"
#include "server/members.h"
#include "server/restore.h"
#include "sim/virtual_disk.h"
#include "tests/support/node_cluster.h"
#include "wal/log.h"

namespace quorate::server {
namespace {

using engine::EntryKind;
using engine::LogIndex;
using engine::Term;
using sim::VirtualDisk;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kSegment = "log-0000000000000001";

using Image = VirtualDisk::Image;

void settle(VirtualDisk& disk, wal::Log& log) {
    log.flush();
    for (const wal::DiskLane lane : {wal::DiskLane::Background, wal::DiskLane::Log}) {
        while (const auto completion = disk.complete_next(lane)) ASSERT_TRUE(log.on_completed(*completion));
    }
}

Operation put(std::string key, std::string value) {
    return {Operation::Kind::Put, std::move(key), std::move(value)};
}

TEST(LogLine, SaysWhatIsForgotten) {
    EXPECT_EQ(
        log_line(LogIndex(9), {Term(3), EntryKind::Command, encode_command({{}, {}, 7})}, Values::Shown),
        R"({"index":9,"term":3,"kind":"command","forget_through":7})"
        "\n");
}

// Seven entries, of which the last takes the place of another.
Image small_log() {
    VirtualDisk disk;
    auto opened = wal::Log::open(disk, {{"cluster", "n1"}, wal::kSegmentBytesMin, 1});
    EXPECT_TRUE(opened);
    wal::Log& log = *opened->log;
    const ClusterMembers members{{{engine::ServerId(1), "n1", "127.0.0.1:7071", MemberRole::Voter},
                                  {engine::ServerId(2), "n2", "127.0.0.1:7072", MemberRole::Learner}}};
    const auto command = [](const Command& what) {
        return wal::LogEntry{Term(2), EntryKind::Command, encode_command(what)};
    };
    const std::vector<wal::LogEntry> entries{
        {Term(1), EntryKind::Membership, encode_members(members)},
        {Term(2), EntryKind::NoOp, ""},
        command({{put("fruit", "apple"), put("n\xff", std::string("\0\xff", 2))}, {}}),
        command({{put("fruit", "pear")}, {Condition::Kind::RevisionIn, {1, 7}}}),
        command({{put("new", "")}, {Condition::Kind::Absent, {}}}),
        command({{{Operation::Kind::Delete, "n\xff", ""}}, {}}),
        command({{put("never", "committed")}, {}}),
    };
    log.persist(engine::PersistTicket(1), engine::HardState{Term(2), engine::ServerId(1)}, {}, LogIndex(1),
                entries);
    settle(disk, log);
    const wal::LogEntry replacement = command({{put("last", "one \"quoted\"")}, {}});
    log.persist(engine::PersistTicket(2), {}, LogIndex(7), LogIndex(7), {&replacement, 1});
    settle(disk, log);
    log.on_idle();
    settle(disk, log);
    return disk.written();
}

class WalTool : public testing::Test {
 protected:
    [[nodiscard]] WalToolOutput output() {
        out_.clear();
        remarks_.clear();
        return {[this](std::string_view text) {
                    out_ += text;
                    return true;
                },
                [this](std::string_view line) { remarks_.emplace_back(line); }};
    }
    WalToolExit inspect() {
        VirtualDisk disk(image_);
        return inspect_log(disk, output());
    }
    WalToolExit dump(const DumpOptions& options = {}) {
        VirtualDisk disk(image_);
        return dump_log(disk, options, output());
    }
    WalToolExit verify() {
        VirtualDisk disk(image_);
        return verify_log(disk, output());
    }
    WalToolExit export_to(LogIndex to = LogIndex(UINT64_MAX)) {
        VirtualDisk disk(image_);
        return export_keys(disk, to, output());
    }
    void flip(const std::string& file, std::size_t at) {
        char& byte = image_.at(file)[at];
        byte = static_cast<char>(byte ^ 1);
    }
    // Where the text stands in the log.
    [[nodiscard]] std::size_t find(std::string_view text) const { return image_.at(kSegment).find(text); }

    Image image_ = small_log();
    std::string out_;
    std::vector<std::string> remarks_;
};

TEST_F(WalTool, Inspect) {
    EXPECT_EQ(inspect(), WalToolExit::Sound);
    EXPECT_THAT(remarks_, IsEmpty());
    EXPECT_EQ(out_, R"(directory: node 'n1' of cluster 'cluster'
vote: term 2, voted for 1, change 3; log durable through log-0000000000000001 offset 4768, committed through entry 0
log: entries 1-7, terms 1-2, 216 bytes of content

file                           bytes          used     records  replaced  entries                terms
log-0000000000000001            8192          4768           8         1  1-7                    1-2
spare-0000000000000002          8192             -           -         -  -                      -
)");
}

TEST_F(WalTool, Dump) {
    EXPECT_EQ(dump(), WalToolExit::Sound);
    EXPECT_THAT(remarks_, IsEmpty());
    EXPECT_EQ(
        out_,
        R"({"index":1,"term":1,"kind":"membership","members":[{"id":"1","role":"voter","name":"n1","address":"127.0.0.1:7071"},{"id":"2","role":"learner","name":"n2","address":"127.0.0.1:7072"}]}
{"index":2,"term":2,"kind":"noop"}
{"index":3,"term":2,"kind":"command","operations":[{"op":"put","k":"fruit","value_bytes":5},{"op":"put","k_b64":"bv8=","value_bytes":2}]}
{"index":4,"term":2,"kind":"command","if":"revision_in","revisions":[1,7],"operations":[{"op":"put","k":"fruit","value_bytes":4}]}
{"index":5,"term":2,"kind":"command","if":"absent","operations":[{"op":"put","k":"new","value_bytes":0}]}
{"index":6,"term":2,"kind":"command","operations":[{"op":"delete","k_b64":"bv8="}]}
{"index":7,"term":2,"kind":"command","operations":[{"op":"put","k":"last","value_bytes":12}]}
)");
}

TEST_F(WalTool, DumpOfARangeWithValues) {
    EXPECT_EQ(dump({LogIndex(3), LogIndex(3), Values::Shown}), WalToolExit::Sound);
    EXPECT_EQ(
        out_,
        R"({"index":3,"term":2,"kind":"command","operations":[{"op":"put","k":"fruit","v":"apple"},{"op":"put","k_b64":"bv8=","v_b64":"AP8="}]}
)");
    EXPECT_EQ(dump({LogIndex(7), LogIndex(900), Values::Shown}), WalToolExit::Sound);
    EXPECT_THAT(out_, HasSubstr(R"("v":"one \"quoted\"")"));
    EXPECT_THAT(remarks_, IsEmpty());
    EXPECT_EQ(dump({LogIndex(8), LogIndex(900), Values::Shown}), WalToolExit::Sound);
    EXPECT_EQ(out_, "");
    EXPECT_THAT(remarks_,
                ElementsAre("none of the entries that were asked for is here: entries 1-7, terms 1-2"));
}

TEST_F(WalTool, DumpOfWhatThisVersionCannotUse) {
    const wal::LogEntry entry{Term(1), EntryKind::Command, "\x09later"};
    EXPECT_EQ(log_line(LogIndex(1), entry, Values::Left),
              "{\"index\":1,\"term\":1,\"kind\":\"command\",\"unreadable_bytes\":6}\n");
    EXPECT_EQ(log_line(LogIndex(1), entry, Values::Shown),
              "{\"index\":1,\"term\":1,\"kind\":\"command\",\"unreadable_bytes\":6,"
              "\"payload_b64\":\"CWxhdGVy\"}\n");
    EXPECT_FALSE(is_known_payload(EntryKind::Membership, "x"));
    EXPECT_FALSE(is_known_payload(EntryKind::NoOp, "x"));
}

TEST_F(WalTool, Export) {
    EXPECT_EQ(export_to(), WalToolExit::Sound);
    EXPECT_THAT(out_, testing::StartsWith(R"({"quorate_backup":1,"cluster":"cluster","revision":5,"keys":3}
{"k":"fruit","v":"pear","create_revision":1,"mod_revision":2,"version":2}
{"k":"last","v":"one \"quoted\"","create_revision":5,"mod_revision":5,"version":1}
{"k":"new","v":"","create_revision":3,"mod_revision":3,"version":1}
{"complete":true,"keys":3,"xxh64":")"));
    EXPECT_THAT(remarks_, ElementsAre("3 keys at revision 5: the state after entry 7, the last of this log, "
                                      "which need not have been committed"));
}

TEST_F(WalTool, ExportOfAnEarlierState) {
    EXPECT_EQ(export_to(LogIndex(3)), WalToolExit::Sound);
    EXPECT_THAT(out_, HasSubstr(R"({"k":"fruit","v":"apple","create_revision":1,"mod_revision":1,"version":1}
{"k_b64":"bv8=","v_b64":"AP8=","create_revision":1,"mod_revision":1,"version":1}
)"));
    EXPECT_THAT(remarks_, ElementsAre("2 keys at revision 1: the state after entry 3"));
}

// A node's directory whose log begins behind its snapshots; all of what was written, by its entry.
class CompactedDirectory : public WalTool {
 protected:
    CompactedDirectory() {
        quorate::test::NodeCluster cluster(1, [](NodeConfig& config) {
            config.segment_bytes = wal::kSegmentBytesMin;
            config.snapshots.chunk_bytes = 500;
        });
        EXPECT_EQ(cluster.await_leader(), 1);
        const auto write = [&](int from, int count) {
            for (int i = from; i < from + count; ++i) {
                const std::string key = "/kv/k" + std::to_string(i % 40);
                EXPECT_EQ(cluster.request(1, "PUT", key, std::string(300, 'v')).status, 200);
            }
            cluster.run_for(100);
        };
        for (int i = 0; i < 3; ++i) {
            write(100 * i, 100);
            EXPECT_EQ(cluster.request(1, "POST", "/admin/snapshot").status, 200);
            snapshots_.push_back(cluster.node(1).applied_index());
        }
        write(300, 7);
        last_ = cluster.node(1).applied_index();
        const auto exchange = cluster.send(1, "GET", "/admin/backup");
        cluster.settle();
        backup_ = cluster.host(1).streams.at(exchange).response.body;
        image_ = cluster.host(1).disk->written();
    }

    std::vector<LogIndex> snapshots_;
    LogIndex last_;
    std::string backup_;
};

TEST_F(CompactedDirectory, IsExportedFromItsNewestSnapshotAsABackup) {
    EXPECT_EQ(export_to(), WalToolExit::Sound);
    EXPECT_EQ(out_, backup_);
    EXPECT_EQ(export_to(snapshots_[1]), WalToolExit::Sound);
    EXPECT_THAT(out_,
                testing::StartsWith(R"({"quorate_backup":1,"cluster":"test","revision":200,"keys":40})"));
    EXPECT_EQ(export_to(snapshots_[0]), WalToolExit::Unreadable) << "that is gone";
    EXPECT_THAT(remarks_, testing::Contains(HasSubstr("give a later --to")));
}

// What the log has behind them is no backup.
TEST_F(CompactedDirectory, IsNotExportedWithoutItsSnapshots) {
    std::erase_if(image_, [](const auto& file) { return file.first.starts_with("snapshot-"); });
    EXPECT_EQ(export_to(), WalToolExit::Unreadable);
    EXPECT_EQ(out_, "");
    EXPECT_THAT(remarks_,
                testing::Contains(HasSubstr("nothing of the log is intact from its first entry on")));
    EXPECT_EQ(verify(), WalToolExit::Damaged);
}

TEST_F(CompactedDirectory, WhatStandsWhereNothingIsKeptIsTold) {
    const std::string name = wal::snapshot_name(snapshots_[2]);
    flip(name, 1000);
    EXPECT_EQ(verify(), WalToolExit::Damaged);
    EXPECT_THAT(out_, testing::StartsWith(name + ": offset 1000: damaged: expected zeros behind the header, "
                                                 "seen other bytes; nothing is kept there\ndamaged: "));
    flip(name, 1000);
    auto file = image_.extract(name);
    file.key() = wal::snapshot_name(snapshots_[2].next());
    image_.insert(std::move(file));
    EXPECT_EQ(verify(), WalToolExit::Damaged);
    EXPECT_THAT(out_, HasSubstr("damaged: holds what should be named " + name + "\n"));
}

TEST_F(CompactedDirectory, IsExportedFromTheSnapshotBeforeWhenTheNewestIsDamaged) {
    flip(wal::snapshot_name(snapshots_[2]), 5000);
    EXPECT_EQ(export_to(), WalToolExit::Damaged);
    EXPECT_EQ(out_, backup_);
    EXPECT_EQ(verify(), WalToolExit::Damaged);
    EXPECT_THAT(out_, HasSubstr(wal::snapshot_name(snapshots_[2])));
    EXPECT_EQ(inspect(), WalToolExit::Damaged);
    EXPECT_THAT(out_, HasSubstr("bytes, damaged\n"));
}

// A start refuses: what is damaged may be needed by others. Whoever is alone wants all that there is.
TEST_F(CompactedDirectory, DamageBeforeTheNewestSnapshotTakesNothingFromTheExport) {
    const Image whole = image_;
    std::vector<std::string> below;
    for (const auto& [name, bytes] : image_) {
        const auto sequence = wal::parse_segment_name(name);
        const auto header = wal::decode_header(std::string_view(bytes).substr(0, wal::kBlockBytes));
        if (sequence && header && header->base.index.plus(25) < snapshots_[2]) below.push_back(name);
    }
    ASSERT_GT(below.size(), 1U);
    for (const std::string& name : below) {
        for (const std::size_t at : {std::size_t{100}, std::size_t{5000}}) {
            image_ = whole;
            flip(name, at);
            EXPECT_EQ(export_to(), WalToolExit::Damaged) << name;
            EXPECT_EQ(out_, backup_) << name;
        }
        image_ = whole;
        image_.erase(name);
        EXPECT_EQ(export_to(), WalToolExit::Damaged) << name;
        EXPECT_EQ(out_, backup_) << name;
    }
}

TEST_F(CompactedDirectory, WithoutTheLogBehindItTheNewestSnapshotIsExported) {
    std::vector<std::string> names;
    for (const auto& [name, bytes] : image_)
        if (wal::parse_segment_name(name)) names.push_back(name);
    for (const std::string& name : names) image_.erase(name);
    EXPECT_EQ(export_to(), WalToolExit::Damaged);
    EXPECT_THAT(out_,
                testing::StartsWith(R"({"quorate_backup":1,"cluster":"test","revision":300,"keys":40})"));
    EXPECT_THAT(remarks_, testing::Contains(HasSubstr("no log goes on behind it")));
}

TEST_F(CompactedDirectory, IsToldWithItsSnapshots) {
    EXPECT_EQ(inspect(), WalToolExit::Sound);
    for (const std::size_t i : {1U, 2U}) {
        EXPECT_THAT(out_,
                    HasSubstr(fmt::format("snapshot: through entry {} (term 2), ", snapshots_[i].value)));
        EXPECT_THAT(out_, HasSubstr(fmt::format(" bytes, 40 keys, revision {}\n", 100 * (i + 1))));
    }
    EXPECT_EQ(verify(), WalToolExit::Sound);
    EXPECT_THAT(out_, HasSubstr(fmt::format("-{}, terms 2, ", last_.value)));
    EXPECT_THAT(out_, HasSubstr(", 2 snapshots\n"));
    EXPECT_EQ(dump(), WalToolExit::Sound);
    EXPECT_THAT(out_, testing::Not(testing::StartsWith(R"({"index":1,)")));
    EXPECT_THAT(out_, HasSubstr(fmt::format(R"({{"index":{},)", last_.value)));
}

// A node that runs has removed the oldest files by the time that they are read.
TEST_F(CompactedDirectory, WhatIsRemovedMeanwhileIsNoDamage) {
    class Removing final : public wal::DiskReader {
     public:
        explicit Removing(Image image) : image_(std::move(image)) {}
        std::expected<std::vector<wal::FileStatus>, wal::DiskFailure> list() override {
            return VirtualDisk(image_).list();
        }
        std::expected<void, wal::DiskFailure> read(std::string_view file, std::uint64_t offset,
                                                   std::span<char> out) override {
            if (file.starts_with("snapshot-") && !std::exchange(has_removed_, true))
                image_.erase(std::string(file));
            return VirtualDisk(image_).read(file, offset, out);
        }

     private:
        Image image_;
        bool has_removed_ = false;
    };
    Removing disk(image_);
    EXPECT_EQ(verify_log(disk, output()), WalToolExit::Sound);
    EXPECT_THAT(out_, HasSubstr(", 1 snapshot\n"));
}

// Its log begins with entry 1, and does not have what was restored.
TEST_F(CompactedDirectory, RestoredFromTheExportHasTheSame) {
    NodeConfig config;
    config.cluster_id = "new";
    config.self = {server_id_of("n1"), "n1", "127.0.0.1:7071", MemberRole::Voter};
    config.members.members = {config.self};
    VirtualDisk disk;
    const auto restored =
        restore(config, disk, "b", [this]() -> std::expected<BackupReader::Source, std::string> {
            return [rest = backup_]() mutable {
                return std::expected<std::string, std::string>(std::exchange(rest, {}));
            };
        });
    ASSERT_TRUE(restored) << restored.error().message;
    image_ = disk.written();
    EXPECT_EQ(export_to(), WalToolExit::Sound);
    EXPECT_EQ(out_.substr(out_.find('\n'), 1000), backup_.substr(backup_.find('\n'), 1000));
    EXPECT_EQ(dump(), WalToolExit::Sound);
    EXPECT_THAT(out_, HasSubstr(R"("origin":")"));
    image_.erase(wal::snapshot_name(LogIndex(1)));
    EXPECT_EQ(export_to(), WalToolExit::Unreadable);
    EXPECT_EQ(out_, "");
    EXPECT_THAT(remarks_, testing::Contains(HasSubstr("restored from a backup")));
}

TEST_F(WalTool, VerifyOfASoundLog) {
    EXPECT_EQ(verify(), WalToolExit::Sound);
    EXPECT_EQ(out_, "sound: entries 1-7, terms 1-2, 1 segment\n");
}

TEST_F(WalTool, VerifyNamesEachDamage) {
    flip(kSegment, find("apple"));
    flip("vote-b", 33);
    EXPECT_EQ(verify(), WalToolExit::Damaged);
    EXPECT_EQ(
        out_,
        R"(vote-b: offset 0: damaged: expected 512 bytes with a checksum that fits, seen others; the other copy is in force, the next start mends this one
log-0000000000000001: offset 4264: damaged: expected the log that was durable through offset 4768 of log-0000000000000001, as the vote record says, seen valid records through offset 4264 of log-0000000000000001, behind entry 2 (term 2)
damaged: findings: 2; intact from the beginning: entries 1-2, terms 1-2, 1 segment
)");
}

// What is there is sound, and not what its node has acknowledged.
TEST_F(WalTool, EntriesThatAreLostAreNotPassedOver) {
    flip(kSegment, find("apple"));
    VirtualDisk disk(image_);
    ASSERT_TRUE(wal::Log::open(disk, {{"cluster", "n1"}, wal::kSegmentBytesMin, 1, true}));
    image_ = disk.written();
    EXPECT_EQ(verify(), WalToolExit::Damaged);
    EXPECT_THAT(out_, HasSubstr("entries are lost: no entries"));
    EXPECT_EQ(export_to(), WalToolExit::Damaged);
    EXPECT_THAT(remarks_, testing::Contains(HasSubstr("lost something of its log")));
}

TEST_F(WalTool, VerifyOfATornTail) {
    image_.at(kSegment)[5000] = 'x';
    EXPECT_EQ(verify(), WalToolExit::Sound);
    EXPECT_EQ(
        out_,
        R"(log-0000000000000001: offset 5000: being written or torn: expected zeros behind the last record, which ends at offset 4768, seen other bytes up to offset 5001, which nothing proves durable, behind entry 7 (term 2)
sound: entries 1-7, terms 1-2, 1 segment; being written or torn: 1
)");
}

TEST_F(WalTool, WhatIsIntactOfADamagedLogIsShownAllTheSame) {
    flip(kSegment, find("pear"));
    EXPECT_EQ(dump(), WalToolExit::Damaged);
    EXPECT_THAT(out_, HasSubstr("\"index\":3"));
    EXPECT_THAT(out_, testing::Not(HasSubstr("\"index\":4")));
    EXPECT_THAT(remarks_, ElementsAre(HasSubstr("damaged"),
                                      "the log is taken as far as it is intact: through entry 3 (term 2)"));
    EXPECT_EQ(export_to(), WalToolExit::Damaged);
    EXPECT_THAT(out_, HasSubstr("apple"));
    EXPECT_EQ(inspect(), WalToolExit::Damaged);
    EXPECT_THAT(out_, HasSubstr("log: entries 1-3"));
}

TEST_F(WalTool, WhatATruncatedSegmentHoldsIsShownAllTheSame) {
    image_.at(kSegment).resize(find("pear"));
    EXPECT_EQ(dump(), WalToolExit::Damaged);
    EXPECT_THAT(out_, HasSubstr("\"index\":3"));
    EXPECT_THAT(out_, testing::Not(HasSubstr("\"index\":4")));
    EXPECT_THAT(remarks_, testing::Contains(HasSubstr("expected a file of ")));
    EXPECT_EQ(export_to(), WalToolExit::Damaged);
    EXPECT_THAT(out_, HasSubstr("apple"));
    EXPECT_THAT(remarks_.back(),
                HasSubstr("the state after entry 3, the last that is intact, which need not"));
    EXPECT_EQ(inspect(), WalToolExit::Damaged);
    EXPECT_THAT(out_, HasSubstr("log: entries 1-3"));
    EXPECT_EQ(verify(), WalToolExit::Damaged);
    EXPECT_THAT(out_, HasSubstr("intact from the beginning: entries 1-3"));
}

// What is cut away may have been zeros: an entry is not whole all the same.
TEST_F(WalTool, ATruncatedSegmentIsShownToTheLastEntryThatIsWhole) {
    const std::size_t last = find("one \"quoted\"");
    for (std::size_t size = last - 200; size < last + 100; ++size) {
        image_ = small_log();
        image_.at(kSegment).resize(size);
        EXPECT_EQ(dump(), WalToolExit::Damaged) << size;
        EXPECT_THAT(remarks_, testing::Contains(testing::StartsWith(kSegment))) << size;
        EXPECT_EQ(export_to(), WalToolExit::Damaged) << size;
    }
}

TEST_F(WalTool, NoDataDirectory) {
    image_.clear();
    for (const WalToolExit code : {inspect(), dump(), verify(), export_to()})
        EXPECT_EQ(code, WalToolExit::Unreadable);
    EXPECT_THAT(remarks_, ElementsAre(HasSubstr("no data directory")));
}

TEST_F(WalTool, ADiskThatFails) {
    VirtualDisk disk(image_);
    disk.fail_reads_of(kSegment);
    EXPECT_EQ(verify_log(disk, output()), WalToolExit::Unreadable);
    EXPECT_THAT(out_, HasSubstr("log-0000000000000001: offset 0: cannot be read: read: input/output error"));
}

/// A directory of which a segment cannot be opened once it has been read from so many times.
class Vanishing final : public wal::DiskReader {
 public:
    Vanishing(const Image& image, int reads, bool stays_listed = false)
        : disk_(image), reads_left_(reads), stays_listed_(stays_listed) {}

    std::expected<std::vector<wal::FileStatus>, wal::DiskFailure> list() override {
        auto files = disk_.list();
        if (reads_left_ <= 0 && !stays_listed_)
            std::erase_if(*files, [](const wal::FileStatus& file) { return file.name == kSegment; });
        return files;
    }
    std::expected<void, wal::DiskFailure> read(std::string_view file, std::uint64_t offset,
                                               std::span<char> out) override {
        if (file == kSegment && reads_left_-- <= 0)
            return std::unexpected(
                wal::DiskFailure{wal::DiskError::Failed, std::string(file), "open: its error"});
        return disk_.read(file, offset, out);
    }
    [[nodiscard]] int reads_left() const { return reads_left_; }

 private:
    VirtualDisk disk_;
    int reads_left_;
    bool stays_listed_;
};

TEST_F(WalTool, WhatIsAboutToBeDumpedCannotBeRead) {
    Vanishing looked_at(image_, 1000);
    ASSERT_EQ(verify_log(looked_at, output()), WalToolExit::Sound);
    const int reads = 1000 - looked_at.reads_left();
    // The node has compacted its log.
    Vanishing removed(image_, reads);
    EXPECT_EQ(dump_log(removed, {}, output()), WalToolExit::Unreadable);
    EXPECT_THAT(remarks_, ElementsAre(HasSubstr("ends before entry 1; begin again")));
    Vanishing failing(image_, reads, true);
    EXPECT_EQ(dump_log(failing, {}, output()), WalToolExit::Unreadable);
    EXPECT_THAT(remarks_, ElementsAre(HasSubstr("open: its error")));
}

TEST_F(WalTool, NobodyTakesTheOutput) {
    VirtualDisk disk(image_);
    int lines = 0;
    const WalToolOutput closed{[&](std::string_view) { return ++lines < 3; }, [](std::string_view) {}};
    EXPECT_EQ(dump_log(disk, {}, closed), WalToolExit::Unreadable);
    EXPECT_EQ(lines, 3);
}

}  // namespace
}  // namespace quorate::server
