#include "tests/wal/damage_subject.h"

#include <gtest/gtest.h>

namespace quorate::test {

Subject make_subject(bool goes_idle) {
    VirtualDisk disk;
    LogUser user(disk);
    EXPECT_TRUE(user.open());
    const auto write = [&](auto&& what) {
        what();
        EXPECT_TRUE(user.settle());
    };
    Subject subject;
    write([&] { user.vote(1, 1); });
    write([&] { user.append(2, 300); });
    write([&] { user.append(4, 560); });
    write([&] { user.vote(2, 0), user.append(1, 0), user.append(3, 700); });
    subject.earlier = disk.written();
    write([&] { user.vote(3, 2), user.replace(4, 2, 400); });
    if (goes_idle) {
        user.log().on_idle();
        EXPECT_TRUE(user.settle());
    }
    subject.without_last_batch = user.history().acknowledged();
    subject.last_batch_offset = disk.written().at(std::string(kLastSegment)).find_last_not_of('\0') + 1;
    write([&] { user.append(2, 330); });
    if (goes_idle) {
        user.log().on_idle();
        EXPECT_TRUE(user.settle());
    }
    subject.image = disk.written();
    subject.content = user.history().acknowledged();
    EXPECT_EQ(subject.content, user.history().all());
    EXPECT_TRUE(subject.image.contains(kLastSegment));
    EXPECT_FALSE(subject.image.contains("log-0000000000000003"));
    return subject;
}

std::string text_of(const wal::Survey& survey) {
    std::string text;
    for (const wal::Finding& finding : survey.findings)
        text += finding.file + ":" + std::to_string(finding.offset) + ": " + finding.what + "\n";
    return text;
}

}  // namespace quorate::test
