// Nodes that may have few descriptors, or only small files.

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "tests/process/exit_codes.h"
#include "tests/support/process_cluster.h"

namespace quorate::test {
namespace {

using testing::HasSubstr;

// A single node, started by a shell that limits it.
class LimitedNode : public testing::Test {
 protected:
    void run(const std::string& limit) {
        const std::string data = (directory_.path() / "data").string();
        process_ = std::make_unique<Process>(
            std::vector<std::string>{"/bin/sh", "-c", limit + R"( && exec "$0" "$@")", QUORATED_PATH,
                                     "--port", port_, "--data-dir", data},
            std::vector<std::string>{}, log_);
    }
    void start(const std::string& limit) {
        run(limit);
        ASSERT_TRUE(eventually([&] { return client_.put(address_, "/kv/first", "1").status == 200; }))
            << log();
    }
    [[nodiscard]] std::string log() const {
        std::ifstream in(log_, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }

    TemporaryDirectory directory_;
    std::filesystem::path log_ = directory_.path() / "log";
    std::string port_ = std::to_string(free_ports(1).front());
    std::string address_ = "127.0.0.1:" + port_;
    HttpClient client_;
    std::unique_ptr<Process> process_;
};

TEST_F(LimitedNode, TakesWhatItMayHave) {
    rlimit limit{};
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    start("ulimit -S -n 40");
    EXPECT_THAT(log(), HasSubstr(" descriptors=" + std::to_string(limit.rlim_max)));
}

TEST_F(LimitedNode, WithTooFewItSaysThatAndTouchesNothing) {
    for (const char* few : {"ulimit -n 32", "ulimit -n 63"}) {
        run(few);
        EXPECT_EQ(process_->wait(), (Ending{kExitConfiguration, 0})) << log();
        EXPECT_THAT(log(), HasSubstr("raise the limit (ulimit -n)"));
        EXPECT_FALSE(exists(directory_.path() / "data"));
    }
}

// Its log, its sockets and its files must not get their numbers.
TEST_F(LimitedNode, RunsAndStopsWithoutStandardDescriptors) {
    for (const char* closed : {"<&-", ">&-", "2>&-", "<&- >&- 2>&-"}) {
        start(std::string("exec ") + closed);
        process_->signal(SIGTERM);
        EXPECT_EQ(process_->wait(), (Ending{0, 0})) << closed << log();
    }
}

// Clients hold every connection that there is while the log rolls into new segments.
TEST_F(LimitedNode, WritesOnWhenClientsHoldAllDescriptors) {
    start("ulimit -n 64");
    EXPECT_THAT(log(), HasSubstr("connections_max=16 reserve_max=24 descriptors=64"));
    std::vector<std::unique_ptr<RawConnection>> held(80);
    for (auto& connection : held) connection = std::make_unique<RawConnection>(address_);
    const std::string value(4U << 20, 'v');
    for (int i = 0; i < 40; ++i) {
        // A crowd that comes at once may take every descriptor for a moment: then a write is refused, to be
        // tried again.
        Reply reply;
        ASSERT_TRUE(eventually([&] {
            reply = client_.put(address_, "/kv/" + std::to_string(i % 4), value);
            return reply.status != 507;
        }));
        ASSERT_EQ(reply.status, 200) << reply.body << reply.failure << log();
    }
    EXPECT_TRUE(process_->running());
    EXPECT_TRUE(exists(directory_.path() / "data" / "log-0000000000000003"));
}

// A limit on the size of files stands for a full disk: no further segment can be made.
TEST_F(LimitedNode, SaysWhenThereIsNoRoomAndWhenThereIsAgain) {
    start("true");
    const std::string told = "data directory " + (directory_.path() / "data").string() + ": ";
    ASSERT_TRUE(process_->limit_file_bytes((64U << 20) - 1));
    const std::string value(4U << 20, 'v');
    ASSERT_TRUE(eventually([&] {
        (void)client_.put(address_, "/kv/k", value);
        return log().contains(told + "spare-0000000000000002: pwrite: File too large: no room for the log");
    })) << log();
    ASSERT_TRUE(process_->limit_file_bytes(RLIM_INFINITY));
    EXPECT_TRUE(eventually([&] { return client_.put(address_, "/kv/k", value).status == 200; }));
    EXPECT_TRUE(eventually([&] { return log().contains(told + "there is room for the log again"); }))
        << log();
}

// The kernel sends a signal besides the error, and would end the process by it.
TEST_F(LimitedNode, WithSmallFilesOnlyItSaysThatThereIsNoRoom) {
    run("ulimit -f 1000");
    EXPECT_EQ(process_->wait(), (Ending{kExitNoSpace, 0})) << log();
    EXPECT_THAT(log(), HasSubstr("File too large"));
}

TEST_F(LimitedNode, AWriteBeyondTheLimitEndsItWithAWord) {
    start("true");
    process_->signal(SIGTERM);
    EXPECT_EQ(process_->wait(), (Ending{0, 0}));
    start("ulimit -f 1000");  // its segment is there already, and longer than that
    const std::string value(100'000, 'v');
    ASSERT_TRUE(eventually([&] { return client_.put(address_, "/kv/next", value).status != 200; }));
    EXPECT_EQ(process_->wait(), (Ending{kExitIoFailed, 0})) << log();
    EXPECT_THAT(log(), HasSubstr("File too large"));
}

}  // namespace
}  // namespace quorate::test
