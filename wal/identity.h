#pragma once

#include <string>

namespace quorate::wal {

/// Whose directory it is. Each 1 to 64 bytes.
struct Identity {
    std::string cluster_id;
    std::string node_id;
    bool operator==(const Identity&) const = default;
};

}  // namespace quorate::wal
