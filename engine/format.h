#pragma once

// The engine's words as text, for logs, traces and scenarios.

#include <string_view>

#include "engine/action.h"
#include "engine/note.h"
#include "engine/progress.h"

namespace quorate::engine {

[[nodiscard]] std::string_view to_string(RoleName role);
[[nodiscard]] std::string_view to_string(NoteKind kind);
[[nodiscard]] std::string_view to_string(CampaignKind kind);
[[nodiscard]] std::string_view to_string(EntryKind kind);
[[nodiscard]] std::string_view to_string(RefusalReason reason);
[[nodiscard]] std::string_view to_string(TransferOutcome outcome);
[[nodiscard]] std::string_view to_string(ProgressState state);

}  // namespace quorate::engine
