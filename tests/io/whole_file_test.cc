#include "io/whole_file.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace quorate::io::test {
namespace {

using testing::HasSubstr;

class WholeFiles : public testing::Test {
 protected:
    WholeFiles() {
        std::filesystem::create_directory(directory_);
        std::ofstream(name_) << "old";
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    static std::string content(const std::string& name) {
        std::ifstream file(name, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }

    std::filesystem::path directory_ =
        std::filesystem::temp_directory_path() / ("quorate-whole-file-" + std::to_string(::getpid()));
    std::string name_ = (directory_ / "name").string();
};

TEST_F(WholeFiles, ReplaceWhatWasThereWhenTheyAreFinished) {
    // Of a process that was killed, and longer.
    std::ofstream(name_ + ".tmp") << "left over from before";
    auto file = WholeFile::create(name_);
    ASSERT_TRUE(file) << file.error();
    ASSERT_TRUE((*file)->write("new "));
    ASSERT_TRUE((*file)->write("bytes"));
    EXPECT_EQ(content(name_), "old");
    ASSERT_TRUE((*file)->finish());
    file->reset();
    EXPECT_EQ(content(name_), "new bytes");
    EXPECT_FALSE(std::filesystem::exists(name_ + ".tmp"));
}

TEST_F(WholeFiles, LeaveWhatWasThereWhenTheyAreNot) {
    auto file = WholeFile::create(name_);
    ASSERT_TRUE(file && (*file)->write("half"));
    file->reset();
    EXPECT_EQ(content(name_), "old");
    EXPECT_FALSE(std::filesystem::exists(name_ + ".tmp"));
}

TEST_F(WholeFiles, AreWrittenByOneAtATime) {
    auto first = WholeFile::create(name_);
    ASSERT_TRUE(first && (*first)->write("first"));
    const auto second = WholeFile::create(name_);
    ASSERT_FALSE(second);
    EXPECT_THAT(second.error(), HasSubstr("another process is writing it"));
    ASSERT_TRUE((*first)->finish());
    // Its lock ends later than its name; that of the next one is another file.
    EXPECT_TRUE(WholeFile::create(name_));
    EXPECT_EQ(content(name_), "first");
}

TEST_F(WholeFiles, AreNoDevicesAndNoDirectories) {
    EXPECT_FALSE(WholeFile::create("/dev/null"));
    EXPECT_FALSE(WholeFile::create(directory_.string()));
    EXPECT_FALSE(WholeFile::create((directory_ / "absent" / "name").string()));
}

}  // namespace
}  // namespace quorate::io::test
