// Where a recording goes, and what it never writes over.

#include "io/recording_file.h"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

namespace quorate::io {
namespace {

using testing::HasSubstr;

constexpr std::string_view kMagic = "MAGIC";

class RecordingFiles : public testing::Test {
 protected:
    RecordingFiles() {
        std::string name = testing::TempDir() + "recording-XXXXXX";
        EXPECT_NE(::mkdtemp(name.data()), nullptr);
        directory_ = name;
        path_ = directory_ + "/node.rec";
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    [[nodiscard]] std::string content(const std::string& suffix = "") const {
        std::ifstream file(path_ + suffix, std::ios::binary);
        return file ? std::string(std::istreambuf_iterator<char>(file), {}) : std::string("absent");
    }
    void make(const std::string& bytes, const std::string& suffix = "") const {
        std::ofstream(path_ + suffix, std::ios::binary) << bytes;
    }
    /// Begins a recording and ends it.
    void record(const std::string& bytes) const {
        const auto file = RecordingFile::create(path_, kMagic);
        ASSERT_TRUE(file) << file.error();
        ASSERT_TRUE((*file)->write(bytes));
    }
    [[nodiscard]] std::string refusal() const {
        const auto file = RecordingFile::create(path_, kMagic);
        return file ? "" : file.error();
    }

    std::string directory_;
    std::string path_;
};

TEST_F(RecordingFiles, AreTheOwnersAloneAndGrowAtTheirEnd) {
    const auto file = RecordingFile::create(path_, kMagic);
    ASSERT_TRUE(file) << file.error();
    EXPECT_TRUE((*file)->write("MAGIC one"));
    (*file)->write_last(" two");
    EXPECT_EQ(content(), "MAGIC one two");
    struct stat status{};
    ASSERT_EQ(::stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(RecordingFiles, AreKeptUnderANumberWhenTheNextBegins) {
    for (const char* name : {"MAGIC a", "MAGIC b", "MAGIC c", "MAGIC d", "MAGIC e"}) record(name);
    EXPECT_EQ(content(), "MAGIC e");
    EXPECT_EQ(content(".1"), "MAGIC d");
    EXPECT_EQ(content(".2"), "MAGIC c");
    EXPECT_EQ(content(".3"), "MAGIC b");
    EXPECT_EQ(content(".4"), "absent");
}

TEST_F(RecordingFiles, TakeTheNameOfAnEmptyFile) {
    make("");
    record("MAGIC");
    EXPECT_EQ(content(), "MAGIC");
}

TEST_F(RecordingFiles, LeaveWhatIsNoRecording) {
    make("somebody's letters");
    EXPECT_THAT(refusal(), HasSubstr("is no recording"));
    make("MAG");
    EXPECT_THAT(refusal(), HasSubstr("is no recording"));
    EXPECT_EQ(content(), "MAG");
    EXPECT_EQ(content(".1"), "absent");
}

// Which has the name that an earlier recording would be kept under, or that of the oldest, which goes.
TEST_F(RecordingFiles, LeaveWhatIsNoRecordingUnderANumber) {
    for (const std::string suffix : {".1", ".2", ".3"}) {
        SCOPED_TRACE(suffix);
        record("MAGIC a");
        make("somebody's letters", suffix);
        EXPECT_THAT(refusal(), HasSubstr("node.rec" + suffix + ": is there, and is no recording"));
        EXPECT_EQ(content(suffix), "somebody's letters");
        EXPECT_EQ(content(), "MAGIC a");
        std::filesystem::remove(path_ + suffix);
        std::filesystem::remove(path_);
    }
}

TEST_F(RecordingFiles, LeaveWhatAnotherProcessRecordsInto) {
    const auto file = RecordingFile::create(path_, kMagic);
    ASSERT_TRUE(file && (*file)->write("MAGIC one"));
    EXPECT_THAT(refusal(), HasSubstr("another process records into it"));
    EXPECT_TRUE((*file)->write(" two"));
    EXPECT_EQ(content(), "MAGIC one two");
}

TEST_F(RecordingFiles, SayWhyTheyCannotBeMade) {
    path_ = directory_ + "/none/node.rec";
    EXPECT_THAT(refusal(), testing::AllOf(HasSubstr(path_), HasSubstr("No such file or directory")));
    path_ = directory_;
    EXPECT_THAT(refusal(), testing::AllOf(HasSubstr(path_), HasSubstr("Is a directory")));
    path_ = "/dev/null";
    EXPECT_THAT(refusal(), HasSubstr("is no regular file"));
}

TEST_F(RecordingFiles, HoldNoPartOfWhatDidNotFit) {
    const auto file = RecordingFile::create(path_, kMagic);
    ASSERT_TRUE(file && (*file)->write("MAGIC"));
    // A limit on the size of files stands for a full disk.
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    const rlimit small{10, before.rlim_max};
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    const auto written = (*file)->write(std::string(100, 'x'));
    (*file)->write_last(std::string(100, 'x'));
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    std::signal(SIGXFSZ, handler);
    ASSERT_FALSE(written);
    EXPECT_THAT(written.error(), testing::AllOf(HasSubstr(path_), HasSubstr("File too large")));
    EXPECT_EQ(content(), "MAGIC");
}

}  // namespace
}  // namespace quorate::io
