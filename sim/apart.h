#pragma once

// Work in a process of its own, so that one that dies is told from one that fails, takes nobody with it, and
// leaves word of how far it had come. Part of quorate-sim's shell, not of the pure room.

#include <array>
#include <functional>
#include <optional>
#include <string_view>

#include <sys/types.h>

#include "sim/world.h"

namespace quorate::sim {

/// The property of a run whose process died: a check failed, or worse.
inline constexpr const char* kCrash = "Crash";

/// A page that a process and the one that started it both see, so that it outlives the former.
class LastWords {
 public:
    LastWords();
    LastWords(const LastWords&) = delete;
    LastWords& operator=(const LastWords&) = delete;
    ~LastWords();

    /// For RunOptions; the runs of the process come one after the other.
    [[nodiscard]] Moment& moment() { return page_->moment; }
    void say(std::string_view text);
    [[nodiscard]] std::string_view said() const { return page_->said.data(); }

    /// Starts `work` in a process that ends with its result, or together with the one that started it. What
    /// it prints is out line by line.
    [[nodiscard]] pid_t start(const std::function<int()>& work);
    /// Waits for the end of the process. Its exit code, or nothing when it died before its work was done.
    [[nodiscard]] std::optional<int> wait(pid_t process);
    /// How it died: when, and of which check or signal.
    [[nodiscard]] Violation crash() const;

 private:
    struct Page {
        Moment moment;
        bool is_done = false;
        std::array<char, 1024> said{};
    };

    Page* page_;
};

/// The call that failed is said with its reason, and the process ends: nothing that is left could be
/// believed.
[[noreturn]] void give_up(const char* call);

}  // namespace quorate::sim
