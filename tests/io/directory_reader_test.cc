// A directory that is only looked at.

#include "io/directory_reader.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quorate::io {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using wal::DiskError;
using wal::FileStatus;

class DirectoryReaderTest : public testing::Test {
 protected:
    DirectoryReaderTest() {
        std::string name = testing::TempDir() + "reader-XXXXXX";
        EXPECT_NE(::mkdtemp(name.data()), nullptr);
        path_ = name;
        std::ofstream(path_ / "log-1") << "0123456789";
        std::ofstream(path_ / "LOCK") << "";
        std::ofstream(path_ / "a") << "x";
        std::filesystem::create_directory(path_ / "folder");
        std::filesystem::create_directory(path_ / "lost+found");
        std::filesystem::create_symlink(path_ / "a", path_ / "link");
    }
    void TearDown() override { std::filesystem::remove_all(path_); }

    std::filesystem::path path_;
};

TEST_F(DirectoryReaderTest, ListsAndReads) {
    const auto reader = DirectoryReader::open(path_.string());
    ASSERT_TRUE(reader);
    EXPECT_THAT((*reader)->list().value(), ElementsAre(FileStatus{"a", 1}, FileStatus{"folder/", 0},
                                                       FileStatus{"link/", 0}, FileStatus{"log-1", 10}));
    std::string out(4, '?');
    ASSERT_TRUE((*reader)->read("log-1", 3, out));
    EXPECT_EQ(out, "3456");
    EXPECT_EQ((*reader)->read("log-1", 8, out).error().error, DiskError::NotFound);
    EXPECT_EQ((*reader)->read("log-2", 0, out).error().error, DiskError::NotFound);
    EXPECT_FALSE((*reader)->read("link", 0, std::span(out).first(1))) << "what is not listed is not read";
}

// A name means the file that has it now.
TEST_F(DirectoryReaderTest, AFileThatGetsAnotherName) {
    const auto reader = DirectoryReader::open(path_.string());
    ASSERT_TRUE(reader);
    std::string out(1, '?');
    ASSERT_TRUE((*reader)->read("a", 0, out));
    std::filesystem::rename(path_ / "log-1", path_ / "a");
    ASSERT_TRUE((*reader)->read("a", 0, out));
    EXPECT_EQ(out, "0");
}

TEST_F(DirectoryReaderTest, MakesNothing) {
    const std::filesystem::path absent = path_ / "absent";
    const auto reader = DirectoryReader::open(absent.string());
    ASSERT_FALSE(reader);
    EXPECT_EQ(reader.error().error, DiskError::NotFound);
    EXPECT_THAT(reader.error().detail, HasSubstr("No such file"));
    EXPECT_FALSE(exists(absent));
    EXPECT_FALSE(DirectoryReader::open((path_ / "a").string())) << "a file is no directory";
}

}  // namespace
}  // namespace quorate::io
