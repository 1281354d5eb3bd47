#include "engine/config.h"

namespace quorate::engine {

bool Config::is_valid() const {
    return self != kNobody && heartbeat_ticks >= 1 && heartbeat_ticks < election_timeout_ticks_min &&
           election_timeout_ticks_min < election_timeout_ticks_max && append_entries_max >= 1 &&
           append_bytes_max >= 1 && inflight_appends_max >= 1 && inflight_bytes_max >= append_bytes_max &&
           catch_up_bytes_per_tick_max >= 1 && uncommitted_bytes_max >= 1 && persist_stall_ticks_max >= 1 &&
           pending_reads_max >= 1;
}

}  // namespace quorate::engine
