#pragma once

// Going over what a store had at a pin while the store goes on changing, a bounded number of keys at a time.

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include <absl/functional/function_ref.h>

#include "server/state_machine.h"

namespace quorate::server {

/// What one turn of the loop can look at beside everything else: some 2 ms where none of them is in a cache.
inline constexpr std::size_t kKeysAtOnce = 4096;

class PinnedWalk {
 public:
    /// `keys_at_once` is at least 1.
    explicit PinnedWalk(const Pin& pin, std::size_t keys_at_once = kKeysAtOnce)
        : pin_(pin), keys_at_once_(keys_at_once) {}

    [[nodiscard]] const Pin& pin() const { return pin_; }

    /// StateMachine::walk() behind what is done with: over `keys_at_once` keys, and two for each that the
    /// store has more of than at the last call, so that it comes to an end however many are written. True: no
    /// key is left.
    [[nodiscard]] bool go_on(const StateMachine& store, absl::FunctionRef<bool(const KeyState&)> take) {
        const std::size_t before = std::exchange(size_, store.size()).value_or(store.size());
        const std::size_t added = store.size() - std::min(store.size(), before);
        return store.walk(pin_, done_through_, keys_at_once_ + 2 * added, take);
    }

 private:
    Pin pin_;
    std::size_t keys_at_once_;
    std::optional<std::string> done_through_;
    std::optional<std::size_t> size_;  ///< of the store, at the last call
};

}  // namespace quorate::server
