#pragma once

// A disk of its own for a node, seen by this process and its children alone, and gone with them.

#include <filesystem>
#include <string>
#include <vector>

#include <sched.h>
#include <sys/mount.h>

#include "tests/support/process_cluster.h"

namespace quorate::test {

class MountedDisk {
 public:
    /// `how` is what mount(8) is told before the directory `at`.
    MountedDisk(std::filesystem::path at, std::vector<std::string> how)
        : at_(std::move(at)), how_(std::move(how)) {
        // The first of a process makes a place of its own for all of them.
        static const bool is_apart =
            ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
        if (is_apart)
            mount();
        else
            failure_ = "no mounts of its own";
    }
    MountedDisk(const MountedDisk&) = delete;
    MountedDisk& operator=(const MountedDisk&) = delete;
    ~MountedDisk() {
        if (failure_.empty()) (void)::umount2(at_.c_str(), MNT_DETACH);
    }

    /// Why there is none; empty: there is.
    [[nodiscard]] const std::string& failure() const { return failure_; }
    /// Nobody uses it: what it holds without its caches is there. False: it cannot be had again.
    [[nodiscard]] bool mount_again() {
        if (!failure_.empty() || ::umount2(at_.c_str(), 0) != 0) return false;
        mount();
        return failure_.empty();
    }

 private:
    void mount() {
        std::vector<std::string> arguments = how_;
        arguments.push_back(at_.string());
        const Outcome outcome = run_program("/bin/mount", arguments);
        if (outcome.ending != Ending{0, 0}) failure_ = "mount: " + outcome.output;
    }

    std::filesystem::path at_;
    std::vector<std::string> how_;
    std::string failure_;
};

}  // namespace quorate::test
