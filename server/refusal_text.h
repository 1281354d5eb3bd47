#pragma once

// What an operator is told when a node cannot use its data directory.

#include <string>
#include <string_view>

#include "server/members.h"
#include "wal/refusal.h"

namespace quorate::server {

/// The log names its files alone: with the directory that they are in, who else has the data of `self`, and
/// where to read what to do next.
[[nodiscard]] std::string refusal_text(const wal::Refusal& refusal, std::string_view data_dir,
                                       const ClusterMembers& members, engine::ServerId self);

/// Its `what` cannot be read by this version.
[[nodiscard]] wal::Refusal unreadable_entry(engine::LogIndex index, std::string_view what);

}  // namespace quorate::server
