#pragma once

// What a node tells its ports, as one number: a recording holds the number, and a replay compares it.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engine/digest.h"
#include "server/environment.h"
#include "server/http_message.h"
#include "wal/disk.h"

namespace quorate::server {

class ArgumentsHash {
 public:
    void add(std::uint64_t number) { digest_.add(number); }
    void add(std::string_view text);
    void add(const std::string& text) { add(std::string_view(text)); }
    void add(engine::ServerId server) { add(server.value); }
    void add(LogLevel level) { add(static_cast<std::uint64_t>(level)); }
    void add(const std::vector<PeerAddress>& peers);
    void add(const HttpResponse& response);
    void add(std::span<const wal::DiskOperation> operations);
    void add(const wal::DiskJob& job);

    [[nodiscard]] std::uint32_t value() const { return static_cast<std::uint32_t>(digest_.value()); }

 private:
    engine::Digest digest_;
};

/// Of one call; order matters.
template <class... Arguments>
[[nodiscard]] std::uint32_t hash_arguments(const Arguments&... arguments) {
    ArgumentsHash hash;
    (hash.add(arguments), ...);
    return hash.value();
}

}  // namespace quorate::server
