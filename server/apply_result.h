#pragma once

// What has become of a command.

#include <cstdint>

namespace quorate::server {

struct ApplyResult {
    enum class Standing : std::uint8_t {
        Applied,         ///< now; or its condition did not hold
        Repeated,        ///< before: this is what was answered then, and nothing has happened now
        KeyReused,       ///< nothing has happened: another write has its Idempotency-Key
        SessionExpired,  ///< nothing has happened now: it may have happened before, which nobody knows any
                         ///< more
    };

    std::uint64_t revision = 0;  ///< of the store, after the command
    std::uint32_t deleted = 0;   ///< keys that its Delete operations found
    bool condition_failed = false;
    std::uint64_t mod_revision =
        0;  ///< of the key of a one-operation command, after it; 0 when absent or for a batch
    Standing standing = Standing::Applied;
    std::uint64_t session = 0;  ///< one that begins now, after a command that must happen once; else 0

    bool operator==(const ApplyResult&) const = default;
};

}  // namespace quorate::server
