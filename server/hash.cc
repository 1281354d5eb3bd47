#include "server/hash.h"

#include <xxhash.h>

namespace quorate::server {

std::uint64_t hash64(std::string_view bytes) { return XXH64(bytes.data(), bytes.size(), 0); }

RunningHash64::RunningHash64() : state_(XXH64_createState()) { XXH64_reset(state_.get(), 0); }

void RunningHash64::add(std::string_view bytes) { XXH64_update(state_.get(), bytes.data(), bytes.size()); }

std::uint64_t RunningHash64::value() const { return XXH64_digest(state_.get()); }

void RunningHash64::Free::operator()(XXH64_state_s* state) const { XXH64_freeState(state); }

}  // namespace quorate::server
