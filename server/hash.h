#pragma once

// xxHash: stable across platforms and releases, not cryptographic.

#include <cstdint>
#include <memory>
#include <string_view>

struct XXH64_state_s;

namespace quorate::server {

/// XXH64 with seed 0. Part of what members agree on (ids, digests): never change it.
[[nodiscard]] std::uint64_t hash64(std::string_view bytes);

/// The same of bytes that come in pieces.
class RunningHash64 {
 public:
    RunningHash64();

    void add(std::string_view bytes);
    /// Of all that were added.
    [[nodiscard]] std::uint64_t value() const;

 private:
    struct Free {
        void operator()(XXH64_state_s* state) const;
    };
    std::unique_ptr<XXH64_state_s, Free> state_;
};

}  // namespace quorate::server
