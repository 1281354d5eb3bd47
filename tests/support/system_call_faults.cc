#include "tests/support/system_call_faults.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/process_cluster.h"

namespace quorate::test {

namespace {

// What tells the file.
enum class MadeOn : std::uint8_t { Descriptor, Path, Nothing };

struct Watched {
    unsigned number;
    std::string_view name;
    MadeOn made_on;
};

// libuv sends with the first two. Nobody should make the last one: calls behind its back would not be seen.
constexpr std::array kWatched{
    Watched{SYS_write, "write", MadeOn::Descriptor},
    Watched{SYS_writev, "writev", MadeOn::Descriptor},
    Watched{SYS_pread64, "pread64", MadeOn::Descriptor},
    Watched{SYS_pwrite64, "pwrite64", MadeOn::Descriptor},
    Watched{SYS_fdatasync, "fdatasync", MadeOn::Descriptor},
    Watched{SYS_fsync, "fsync", MadeOn::Descriptor},
    Watched{SYS_getdents64, "getdents64", MadeOn::Descriptor},
    Watched{SYS_openat, "openat", MadeOn::Path},
    Watched{SYS_renameat, "renameat", MadeOn::Path},
    Watched{SYS_unlinkat, "unlinkat", MadeOn::Path},
    Watched{SYS_io_uring_setup, "io_uring_setup", MadeOn::Nothing},
};

// Loads the call's number; every watched one jumps to the end.
constexpr auto kFilter = [] {
    std::array<sock_filter, kWatched.size() + 3> filter{};
    filter.front() = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr));
    for (std::size_t i = 0; i < kWatched.size(); ++i) {
        const auto to_the_end = static_cast<unsigned char>(kWatched.size() - i);
        filter[i + 1] = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kWatched[i].number, to_the_end, 0);
    }
    filter[kWatched.size() + 1] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter.back() = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    return filter;
}();

// One message between child and parent: an error, and the listener when there is none.
struct Message {
    explicit Message(int* error) : data{error, sizeof *error} {
        header.msg_iov = &data;
        header.msg_iovlen = 1;
        header.msg_control = control.data();
        header.msg_controllen = control.size();
    }

    iovec data;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr header{};
};

std::string in_proc(const seccomp_notif& call, std::string_view what) {
    return "/proc/" + std::to_string(call.pid) + "/" + std::string(what);
}

// The text at that place of the process's memory.
std::string text_at(const seccomp_notif& call, std::uint64_t address) {
    std::array<char, 4096> text{};
    const int memory = ::open(in_proc(call, "mem").c_str(), O_RDONLY | O_CLOEXEC);
    const ssize_t count = ::pread(memory, text.data(), text.size() - 1, static_cast<off_t>(address));
    ::close(memory);
    return count > 0 ? text.data() : "";
}

std::string file_of(const seccomp_notif& call, MadeOn made_on) {
    std::filesystem::path path;
    std::error_code ignored;
    switch (made_on) {
        case MadeOn::Descriptor:
            path = std::filesystem::read_symlink(in_proc(call, "fd/" + std::to_string(call.data.args[0])),
                                                 ignored);
            break;
        case MadeOn::Path: path = text_at(call, call.data.args[1]); break;
        case MadeOn::Nothing: break;
    }
    return path.filename().string();
}

}  // namespace

SystemCallFaults::SystemCallFaults() : stop_fd_(::eventfd(0, EFD_CLOEXEC)) {
    if (stop_fd_ < 0 || ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets_.data()) != 0)
        throw std::runtime_error("no descriptors to watch a process with");
}

SystemCallFaults::~SystemCallFaults() {
    ::eventfd_write(stop_fd_, 1);
    if (thread_.joinable()) thread_.join();
    for (const int fd : {sockets_[0], sockets_[1], stop_fd_, listener_})
        if (fd >= 0) ::close(fd);
}

void SystemCallFaults::fail(const Fault& fault) {
    const std::scoped_lock guard(mutex_);
    faults_.push_back(fault);
}

void SystemCallFaults::clear() {
    const std::scoped_lock guard(mutex_);
    faults_.clear();
}

std::vector<SystemCall> SystemCallFaults::seen() const {
    const std::scoped_lock guard(mutex_);
    return seen_;
}

bool SystemCallFaults::has_failed_one() const {
    const std::scoped_lock guard(mutex_);
    return std::ranges::any_of(seen_, [](const SystemCall& call) { return call.error != 0; });
}

void SystemCallFaults::enter() const {
    const sock_fprog program{static_cast<unsigned short>(kFilter.size()),
                             const_cast<sock_filter*>(kFilter.data())};  // NOLINT: the kernel only reads it
    int error = 0;
    Message message(&error);
    int listener = -1;
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
        listener = static_cast<int>(
            ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
    if (listener < 0) {
        error = errno;
        message.header.msg_controllen = 0;
    } else {
        cmsghdr* control = CMSG_FIRSTHDR(&message.header);
        control->cmsg_level = SOL_SOCKET;
        control->cmsg_type = SCM_RIGHTS;
        control->cmsg_len = CMSG_LEN(sizeof listener);
        std::memcpy(CMSG_DATA(control), &listener, sizeof listener);
    }
    (void)::sendmsg(sockets_[1], &message.header, 0);
}

void SystemCallFaults::watch() {
    ::close(std::exchange(sockets_[1], -1));  // so that a child that is gone is noticed
    int error = ECHILD;
    Message message(&error);
    const bool is_told = ::recvmsg(sockets_[0], &message.header, MSG_CMSG_CLOEXEC) > 0;
    const cmsghdr* const control = CMSG_FIRSTHDR(&message.header);
    if (is_told && error == 0 && control != nullptr) {
        std::memcpy(&listener_, CMSG_DATA(control), sizeof listener_);
        thread_ = std::thread([this] { answer_calls(); });
    } else {
        refusal_ = std::string("seccomp: ") + std::strerror(error);
    }
}

// Until the process has ended.
void SystemCallFaults::answer_calls() {
    std::array<pollfd, 2> ready{pollfd{listener_, POLLIN, 0}, pollfd{stop_fd_, POLLIN, 0}};
    do {
        while (::poll(ready.data(), ready.size(), -1) < 0 && errno == EINTR) {
        }
    } while ((ready[0].revents & POLLIN) != 0 && ready[1].revents == 0 && answer_call());
}

// A thread that is killed meanwhile wants no answer any more.
bool SystemCallFaults::answer_call() {
    seccomp_notif call{};
    if (::ioctl(listener_, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) return errno == ENOENT || errno == EINTR;
    const auto* const watched =
        std::ranges::find(kWatched, static_cast<unsigned>(call.data.nr), &Watched::number);
    seccomp_notif_resp answer{};
    answer.id = call.id;
    answer.error = -decide(watched->name, file_of(call, watched->made_on));
    if (answer.error == 0) answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    return ::ioctl(listener_, SECCOMP_IOCTL_NOTIF_SEND, &answer) == 0 || errno == ENOENT || errno == EINTR;
}

int SystemCallFaults::decide(std::string_view name, const std::string& file) {
    const std::scoped_lock guard(mutex_);
    seen_.push_back({std::string(name), file, 0});
    const auto fault = std::ranges::find_if(faults_, [&](Fault& candidate) {
        if (candidate.call != name || !file.starts_with(candidate.file_begin)) return false;
        if (candidate.spared == 0) return true;
        --candidate.spared;
        return false;
    });
    if (fault == faults_.end()) return 0;
    seen_.back().error = fault->error;
    if (fault->lasts == FaultLasts::ForOneCall) faults_.erase(fault);
    return seen_.back().error;
}

std::string no_system_call_faults() {
    const TemporaryDirectory directory;
    SystemCallFaults faults;
    Process process({"/bin/true"}, {}, directory.path() / "output", &faults);
    (void)process.wait();
    return faults.refusal();
}

}  // namespace quorate::test
