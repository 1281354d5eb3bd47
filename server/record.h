#pragma once

// What the store holds for a key.

#include <cstdint>

#include "server/packed_text.h"

namespace quorate::server {

/// A key's value and where in the history it stands.
struct Record {
    PackedText value;
    std::uint64_t create_revision = 0;  ///< of the write that made the key, after it was absent
    std::uint64_t mod_revision = 0;     ///< of its last write: the ETag
    std::uint64_t version = 0;          ///< writes since it was made, 1 for the first

    bool operator==(const Record&) const = default;
};

}  // namespace quorate::server
