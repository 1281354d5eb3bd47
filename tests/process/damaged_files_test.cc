// Every file of a real data directory, with bits flipped, its end missing, of a later version, or of another
// directory: the node starts with everything that was acknowledged, or says exactly why it does not.

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/process/exit_codes.h"
#include "tests/support/process_load.h"

namespace quorate::test {
namespace {

using testing::HasSubstr;

// wal/format.h: the blocks with which files begin.
constexpr std::size_t kVersionAt = 8;
constexpr std::size_t kCrcAt = 12;
constexpr std::size_t kBlockBytes = 512;
constexpr std::size_t kContentsAt = 4096;

using Change = std::function<void(const std::filesystem::path& file)>;

std::string bytes_at_the_start_of(const std::filesystem::path& file, std::size_t count) {
    std::string bytes(count, '\0');
    std::ifstream(file, std::ios::binary).read(bytes.data(), static_cast<std::streamsize>(count));
    return bytes;
}

Change flip(std::size_t at) {
    return [at](const std::filesystem::path& file) {
        std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
        bytes.seekg(static_cast<std::streamoff>(at));
        const int byte = bytes.get();
        bytes.seekp(static_cast<std::streamoff>(at));
        bytes.put(static_cast<char>(byte ^ 1));
    };
}

Change cut_to(std::size_t size) {
    return [size](const std::filesystem::path& file) { std::filesystem::resize_file(file, size); };
}

std::uint32_t checksum(std::string_view bytes) {
    std::uint32_t crc = ~std::uint32_t{0};
    for (const char byte : bytes) {
        crc ^= static_cast<unsigned char>(byte);
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78U : 0U);
    }
    return ~crc;
}

void put_number(std::string& bytes, std::size_t at, std::uint32_t number) {
    for (std::size_t i = 0; i < sizeof number; ++i) bytes.at(at + i) = static_cast<char>(number >> (8 * i));
}

void make_later_version(const std::filesystem::path& file) {
    std::string block = bytes_at_the_start_of(file, kBlockBytes);
    put_number(block, kVersionAt, 2);
    put_number(block, kCrcAt, 0);
    put_number(block, kCrcAt, checksum(block));
    std::fstream(file, std::ios::in | std::ios::out | std::ios::binary) << block;
}

// A node's directory with two snapshots and a log that has everything as well, copied for each damage.
class DamagedFiles : public testing::Test {
 protected:
    DamagedFiles() : cluster_(1) {
        fill(cluster_);
        for (const auto& [key, value] : cluster_.everything(0)) keys_.emplace_back(key, value);
        stop(cluster_);
        std::filesystem::rename(data(), whole());
        for (const auto& entry : std::filesystem::directory_iterator(whole())) {
            const std::string name = entry.path().filename().string();
            if (name.starts_with("snapshot-")) snapshots_.push_back(name);
        }
        std::ranges::sort(snapshots_);
        segment_bytes_ = file_size(whole() / kSegment);
        log_end_ = bytes_at_the_start_of(whole() / kSegment, segment_bytes_).find_last_not_of('\0') + 1;
    }

    static void fill(Cluster& cluster) {
        (void)cluster.wait_for_leader();
        HttpClient client;
        for (int i = 0; i < 30; ++i) {
            const std::string key = std::to_string(100 + i);
            ASSERT_EQ(client.put(cluster.address(0), "/kv/" + key, "value of " + key).status, 200);
            if (i != 9 && i != 19) continue;
            ASSERT_EQ(client.request("POST", cluster.address(0), "/admin/snapshot", "").status, 200);
        }
    }
    // When the vote files tell how far the log is durable: an idle moment after the last write.
    static void stop(Cluster& cluster) {
        const std::filesystem::path& data = cluster.data_directory(0);
        ASSERT_TRUE(
            eventually([&] { return last_write_time(data / "vote-b") > last_write_time(data / kSegment); }));
        cluster.terminate(0);
        ASSERT_EQ(cluster.wait(0), (Ending{0, 0}));
    }

    void make_a_whole_one() const {
        std::filesystem::remove_all(data());
        std::filesystem::create_directory(data());
        for (const auto& entry : std::filesystem::directory_iterator(whole())) {
            const std::string name = entry.path().filename().string();
            if (name == kSegment) {
                // Without the zeros behind the log, which are most of it.
                std::ofstream(data() / name) << bytes_at_the_start_of(entry.path(), log_end_);
                std::filesystem::resize_file(data() / name, segment_bytes_);
            } else if (!name.starts_with("spare")) {
                copy_file(entry.path(), data() / name);
            }
        }
    }

    // Of what is there now; what the node says.
    std::string expect_refusal(int code, const std::string& message) const {
        const auto before = times_of_files(data());
        const Outcome outcome = run_quorated(cluster_.flags_of(0));
        EXPECT_EQ(outcome.ending, (Ending{code, 0})) << outcome.output;
        EXPECT_THAT(outcome.output, HasSubstr("error exit_code=" + std::to_string(code) + " data directory " +
                                              data().string() + ": " + message));
        EXPECT_EQ(times_of_files(data()), before) << "it is there to be looked at";
        return outcome.output;
    }
    void expect_start_with_everything(const std::string& warning) {
        const std::size_t told = cluster_.log(0).size();
        cluster_.start(0);
        (void)cluster_.wait_for_leader();
        EXPECT_EQ(cluster_.everything(0), keys_);
        const std::string log = cluster_.log(0).substr(told);
        if (warning.empty()) {
            EXPECT_THAT(log, testing::Not(HasSubstr(" warning ")));
        } else {
            EXPECT_THAT(log, HasSubstr(" warning " + warning));
        }
        cluster_.kill(0);
    }
    std::string expect_refusal(const std::string& file, const Change& how, int code,
                               const std::string& message) const {
        make_a_whole_one();
        how(data() / file);
        return expect_refusal(code, message);
    }
    void expect_start(const std::string& file, const Change& how, const std::string& warning) {
        make_a_whole_one();
        how(data() / file);
        expect_start_with_everything(warning);
    }

    [[nodiscard]] const std::filesystem::path& data() const { return cluster_.data_directory(0); }
    [[nodiscard]] std::filesystem::path whole() const { return data().string() + "-whole"; }

    static constexpr const char* kSegment = "log-0000000000000001";
    Cluster cluster_;
    std::vector<std::pair<std::string, std::string>> keys_;
    std::vector<std::string> snapshots_;  ///< the older first
    std::size_t segment_bytes_ = 0;
    std::size_t log_end_ = 0;
};

TEST_F(DamagedFiles, OneCopyOfASmallFileIsWrittenAgain) {
    for (const std::string file : {"identity-a", "identity-b", "vote-a", "vote-b"}) {
        SCOPED_TRACE(file);
        for (const Change& how : {flip(kBlockBytes - 1), cut_to(0)})
            expect_start(file, how, file + ": not readable, written again from the other copy");
    }
}

TEST_F(DamagedFiles, WithoutBothCopiesTheNodeRefuses) {
    const auto damage_both = [&](const std::string& name) {
        make_a_whole_one();
        flip(40)(data() / (name + "-a"));
        cut_to(kBlockBytes - 1)(data() / (name + "-b"));
    };
    damage_both("identity");
    (void)expect_refusal(
        kExitMetaUnreadable,
        "identity-a, identity-b: neither copy is readable, yet vote-a holds a vote or a term: keep "
        "this directory as it is");
    damage_both("vote");
    (void)expect_refusal(
        kExitMetaUnreadable,
        "vote-a, vote-b: offset 0: expected the term and vote of this node, seen no readable copy: "
        "this node may have voted and must not forget it: keep this directory as it is");
}

TEST_F(DamagedFiles, ASegmentThatHasChangedIsRefused) {
    const std::string begin = std::string(kSegment) + ": offset ";
    for (const std::size_t at : {std::size_t{0}, kVersionAt, std::size_t{100}})
        (void)expect_refusal(kSegment, flip(at), kExitDamage,
                             begin + "0: damaged: expected a segment header, seen none that is valid");
    for (const std::size_t at : {kContentsAt, (log_end_ + kContentsAt) / 2, log_end_ - 1}) {
        EXPECT_THAT(expect_refusal(kSegment, flip(at), kExitDamage, begin),
                    HasSubstr(" damaged: expected the log that was durable through offset " +
                              std::to_string(log_end_) + " of " + kSegment +
                              ", as the vote record says, seen valid "
                              "records through offset "));
    }
    (void)expect_refusal(kSegment, cut_to(0), kExitDamage,
                         begin + "0: damaged: expected a segment header, seen none that is valid");
    for (const std::size_t size : {log_end_ - 1, segment_bytes_ - 1}) {
        (void)expect_refusal(kSegment, cut_to(size), kExitDamage,
                             begin + std::to_string(size) + ": damaged: expected a file of " +
                                 std::to_string(segment_bytes_) + " bytes, seen " + std::to_string(size));
    }
}

TEST_F(DamagedFiles, WhatIsNoFileIsRefusedWithTheReason) {
    for (const std::string& file :
         {std::string("vote-a"), std::string(kSegment), std::string("spare-0000000000000002"),
          snapshots_.back(), std::string("snapshot.taken")}) {
        SCOPED_TRACE(file);
        const std::string message =
            file +
            ": expected a file, seen a directory, a link or a pipe that has its name: "
            "this node keeps a file of that name in its data directory: move away";
        const auto become_a_directory = [](const std::filesystem::path& path) {
            std::filesystem::remove(path);
            std::filesystem::create_directory(path);
        };
        const auto become_a_link = [](const std::filesystem::path& path) {
            std::filesystem::remove(path);
            std::filesystem::create_symlink("identity-a", path);
        };
        (void)expect_refusal(file, become_a_directory, kExitConfiguration, message);
        (void)expect_refusal(file, become_a_link, kExitConfiguration, message);
    }
}

// It may be the rest of a write.
TEST_F(DamagedFiles, WhatStandsBehindTheLogIsCutOff) {
    const std::string warning = std::string(kSegment) + ": offset " + std::to_string(log_end_) + ": cut ";
    for (const std::size_t at : {log_end_ + 8, segment_bytes_ - 1}) expect_start(kSegment, flip(at), warning);
}

TEST_F(DamagedFiles, ASnapshotThatHasChangedIsNotUsed) {
    ASSERT_EQ(snapshots_.size(), 2U);
    const std::string newest = snapshots_.back();
    const std::string no_header = ": not used: expected the header of a snapshot, seen none that is valid";
    expect_start(newest, flip(kContentsAt),
                 newest + ": offset 4096: not used: expected chunk 0, seen one with another checksum");
    for (const std::string& snapshot : snapshots_) {
        SCOPED_TRACE(snapshot);
        const std::size_t size = file_size(whole() / snapshot);
        expect_start(snapshot, flip(40), snapshot + no_header);
        expect_start(snapshot, cut_to(0), snapshot + no_header);
        expect_start(snapshot, cut_to(size - 1), snapshot + ": not used: expected a snapshot through entry ");
    }
    expect_start(snapshots_.front(), flip(kContentsAt), "");  // nobody needs it
}

TEST_F(DamagedFiles, NobodyReadsWhatIsMadeAnew) {
    make_a_whole_one();
    std::ofstream(data() / "spare-0000000000000002") << "some bytes";
    std::ofstream(data() / "LOCK") << "some bytes";
    expect_start_with_everything("");
}

TEST_F(DamagedFiles, OfALaterVersionTheyAreRefused) {
    for (const std::string& file : {std::string("identity-a"), std::string("vote-b"), std::string(kSegment),
                                    snapshots_.front(), snapshots_.back()})
        (void)expect_refusal(
            file, make_later_version, kExitUnknownFormat,
            file + ": written in a format that this version does not know: start the version that wrote it");
}

TEST_F(DamagedFiles, OfAnotherDirectoryTheyAreRefused) {
    Cluster other(1, {"--cluster-id", "another"});
    fill(other);
    stop(other);
    const auto take = [&](const std::string& file) {
        copy_file(other.data_directory(0) / file, data() / file,
                  std::filesystem::copy_options::overwrite_existing);
    };
    make_a_whole_one();
    take("identity-b");
    (void)expect_refusal(
        kExitWrongIdentity,
        "identity-b: this data directory belongs to node 'n1' of cluster 'another', not to node "
        "'n1' of cluster 'quorate': name the right directory, or the right node and cluster");
    make_a_whole_one();
    take(kSegment);
    (void)expect_refusal(
        kExitWrongIdentity,
        std::string(kSegment) + ": offset 0: belongs to node 'n1' of cluster 'another', not to ");
    make_a_whole_one();
    take(snapshots_.back());
    (void)expect_refusal(kExitWrongIdentity, snapshots_.back() + ": offset 0: belongs to ");
    make_a_whole_one();
    take("vote-a");
    expect_start_with_everything("vote-a: not readable, written again from the other copy");
    make_a_whole_one();
    take("vote-a");
    take("vote-b");
    (void)expect_refusal(kExitMetaUnreadable,
                         "vote-a, vote-b: offset 0: expected the term and vote of this node");
}

}  // namespace
}  // namespace quorate::test
