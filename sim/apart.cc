#include "sim/apart.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/check.h"
#include "sim/exit.h"
#include "sim/files.h"

namespace quorate::sim {

void give_up(const char* call) {
    fmt::print(stderr, "quorate-sim: {}: {}\n", call, std::strerror(errno));
    std::_Exit(Unusable);
}

LastWords::LastWords() {
    void* memory = ::mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) give_up("mmap");
    page_ = new (memory) Page;
}

LastWords::~LastWords() { ::munmap(page_, sizeof(Page)); }

void LastWords::say(std::string_view text) {
    page_->said = {};
    std::ranges::copy(text.substr(0, page_->said.size() - 1), page_->said.begin());
}

pid_t LastWords::start(const std::function<int()>& work) {
    *page_ = {};
    std::fflush(nullptr);
    const pid_t process = ::fork();
    if (process < 0) give_up("fork");
    if (process > 0) return process;
    // With nobody to tell there is nothing to do.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    // A terminal's, or a group's, is for the one that waits.
    for (const int number : {SIGINT, SIGTERM}) std::signal(number, SIG_IGN);
    // What stands in a buffer would die with the process, and a signal leaves no time to empty it.
    std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
    engine::set_check_hook([this](const char* sentence, const char* file, int line) {
        say(fmt::format("{}:{}: check failed: {}", file, line, sentence));
    });
    const int code = printing(work);
    page_->is_done = true;
    std::_Exit(code);
}

std::optional<int> LastWords::wait(pid_t process) {
    int status = 0;
    while (::waitpid(process, &status, 0) < 0) {
        if (errno != EINTR) give_up("waitpid");
    }
    if (page_->is_done && WIFEXITED(status)) return WEXITSTATUS(status);
    if (!said().empty()) return std::nullopt;
    say(WIFSIGNALED(status) ? fmt::format("the process was ended by signal {} ({})", WTERMSIG(status),
                                          ::strsignal(WTERMSIG(status)))
                            : fmt::format("the process ended with exit code {}", WEXITSTATUS(status)));
    return std::nullopt;
}

Violation LastWords::crash() const { return {kCrash, std::string(said()), page_->moment}; }

}  // namespace quorate::sim
