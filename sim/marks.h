#pragma once

// Marks: everything that the engine notes, that logs and nodes meet, and what of the world shows in no
// answer, numbered through. Which of them a batch of runs has reached measures what it covers.

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/note.h"
#include "server/situation.h"
#include "wal/situation.h"

namespace quorate::sim {

#define QUORATE_WORLD_SITUATIONS(X)                             \
    X(NextPageAsked)   /* of a range */                         \
    X(ReadFailedInRun) /* of the log, for a peer or to apply */ \
    X(WriteTriedAgain) /* its outcome was unknown */            \
    X(WriteSentAgain)  /* the same one, with its key */         \
    X(NodeBegunAnew)   /* by another name, after it was removed */

enum class Situation : std::uint8_t {
#define QUORATE_SITUATION_ENUMERATOR(name) name,
    QUORATE_WORLD_SITUATIONS(QUORATE_SITUATION_ENUMERATOR)
#undef QUORATE_SITUATION_ENUMERATOR
};

inline constexpr std::array kMarkNames{
#define QUORATE_ENGINE_MARK(name) std::string_view("engine." #name),
    QUORATE_NOTE_KINDS(QUORATE_ENGINE_MARK)
#undef QUORATE_ENGINE_MARK
#define QUORATE_LOG_MARK(name) std::string_view("wal." #name),
        QUORATE_WAL_SITUATIONS(QUORATE_LOG_MARK)
#undef QUORATE_LOG_MARK
#define QUORATE_NODE_MARK(name) std::string_view("node." #name),
            QUORATE_NODE_SITUATIONS(QUORATE_NODE_MARK)
#undef QUORATE_NODE_MARK
#define QUORATE_WORLD_MARK(name) std::string_view("world." #name),
                QUORATE_WORLD_SITUATIONS(QUORATE_WORLD_MARK)
#undef QUORATE_WORLD_MARK
};
inline constexpr std::size_t kMarkCount = kMarkNames.size();
using MarkSet = std::bitset<kMarkCount>;

#define QUORATE_COUNT_SITUATION(name) +1
inline constexpr std::size_t kFirstNodeMark =
    engine::kNoteKindCount QUORATE_WAL_SITUATIONS(QUORATE_COUNT_SITUATION);
inline constexpr std::size_t kFirstWorldMark =
    kFirstNodeMark QUORATE_NODE_SITUATIONS(QUORATE_COUNT_SITUATION);
#undef QUORATE_COUNT_SITUATION

[[nodiscard]] constexpr std::size_t mark_of(engine::NoteKind kind) { return static_cast<std::size_t>(kind); }
[[nodiscard]] constexpr std::size_t mark_of(wal::Situation situation) {
    return engine::kNoteKindCount + static_cast<std::size_t>(situation);
}
[[nodiscard]] constexpr std::size_t mark_of(server::Situation situation) {
    return kFirstNodeMark + static_cast<std::size_t>(situation);
}
[[nodiscard]] constexpr std::size_t mark_of(Situation situation) {
    return kFirstWorldMark + static_cast<std::size_t>(situation);
}

}  // namespace quorate::sim
