#include "server/recording_header.h"

#include <type_traits>

#include "server/bytes.h"
#include "server/recording.h"
#include "wal/checksum.h"
#include "wal/format.h"

namespace quorate::server {

namespace {

// One list for writing and for reading. The bindings name every field, so that one which is added does not
// compile until it stands here.
template <class Config, class Visit>
void visit_numbers(Config& config, Visit visit) {
    auto& [cluster_id, self, members, raft, tick_ms, operation_timeout_ms, health_timeout_ms, limits, history,
           answers, snapshots, backup_held_bytes_max, segment_bytes, incarnation, log_salt,
           recovers_from_peers, takes_tail_for_torn, has_joined, gives_up, clock_drift_ppm, operations_max,
           cache_bytes_max, apply_bytes_max] = config;
    auto& [raft_self, seed, election_timeout_ticks_min, election_timeout_ticks_max, heartbeat_ticks,
           append_entries_max, append_bytes_max, inflight_appends_max, inflight_bytes_max,
           catch_up_bytes_per_tick_max, uncommitted_bytes_max, persist_stall_ticks_max, pending_reads_max] =
        raft;
    auto& [key_bytes_max, value_bytes_max, batch_bytes_max, batch_operations_max, range_bytes_max] = limits;
    auto& [history_changes_max, history_bytes_max, history_age_ms_max] = history;
    auto& [answers_count_max, answers_age_ms_max] = answers;
    auto& [snapshot_entries_max, snapshot_bytes_max, snapshot_chunk_bytes] = snapshots;
    static_cast<void>(cluster_id);
    static_cast<void>(self);
    static_cast<void>(members);
    static_cast<void>(gives_up);
    const auto each = [&](auto&... numbers) { (visit(numbers), ...); };
    each(raft_self.value, seed, election_timeout_ticks_min, election_timeout_ticks_max, heartbeat_ticks,
         append_entries_max, append_bytes_max, inflight_appends_max, inflight_bytes_max,
         catch_up_bytes_per_tick_max, uncommitted_bytes_max, persist_stall_ticks_max, pending_reads_max);
    each(tick_ms, operation_timeout_ms, health_timeout_ms);
    each(key_bytes_max, value_bytes_max, batch_bytes_max, batch_operations_max, range_bytes_max);
    each(history_changes_max, history_bytes_max, history_age_ms_max);
    each(answers_count_max, answers_age_ms_max);
    each(snapshot_entries_max, snapshot_bytes_max, snapshot_chunk_bytes);
    each(backup_held_bytes_max, segment_bytes, incarnation, log_salt, recovers_from_peers,
         takes_tail_for_torn, has_joined, clock_drift_ppm, operations_max, cache_bytes_max, apply_bytes_max);
}

template <class Config>
std::uint32_t count_numbers(Config& config) {
    std::uint32_t count = 0;
    visit_numbers(config, [&](const auto&) { ++count; });
    return count;
}

// What the node itself relies on.
bool is_usable(const NodeConfig& config) {
    return config.raft.is_valid() && config.raft.self == config.self.id && config.tick_ms > 0 &&
           config.clock_drift_ppm < 1'000'000 && config.incarnation > 0 &&
           config.segment_bytes >= wal::kSegmentBytesMin && config.segment_bytes <= wal::kSegmentBytesMax;
}

}  // namespace

std::string encode_recording_header(const RecordingHeader& header) {
    const NodeConfig& config = header.config;
    std::string body;
    ByteWriter out(body);
    out.text(header.program_version).u64(header.unix_ms).u64(header.loop_ms).text(config.cluster_id);
    const auto& [id, name, address, role] = config.self;
    out.u64(id.value).u8(static_cast<std::uint8_t>(role)).text(name).text(address);
    out.text(encode_members(config.members)).text(config.gives_up).u32(count_numbers(config));
    visit_numbers(config, [&](const auto& number) { out.u64(number); });

    std::string bytes(kRecordingMagic);
    ByteWriter(bytes).u32(kRecordingVersion).u32(static_cast<std::uint32_t>(body.size()));
    ByteWriter(bytes).u32(wal::crc32c(bytes + body));
    return bytes + body;
}

std::optional<RecordingHeader> decode_recording_header(std::string_view bytes) {
    RecordingHeader header;
    NodeConfig& config = header.config;
    ByteReader reader(bytes);
    header.program_version = reader.text(kNameBytesMax);
    header.unix_ms = reader.u64();
    header.loop_ms = reader.u64();
    config.cluster_id = reader.text(kNameBytesMax);
    config.self.id = engine::ServerId(reader.u64());
    config.self.role = reader.enumerator(MemberRole::Voter, MemberRole::JoiningLearner);
    config.self.name = reader.text(kNameBytesMax);
    config.self.address = reader.text(kAddressBytesMax);
    const auto members = decode_members(reader.text(bytes.size()));
    config.gives_up = reader.text(bytes.size());
    if (!members || reader.u32() != count_numbers(config)) return std::nullopt;
    config.members = *members;
    visit_numbers(config, [&](auto& number) {
        const std::uint64_t read = reader.u64();
        number = static_cast<std::remove_reference_t<decltype(number)>>(read);
        if (number != read) reader.fail();
    });
    if (!reader.finished() || !is_usable(config)) return std::nullopt;
    return header;
}

}  // namespace quorate::server
