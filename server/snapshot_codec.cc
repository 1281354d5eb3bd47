#include "server/snapshot_codec.h"

#include <utility>

#include "engine/check.h"
#include "server/bytes.h"

namespace quorate::server {

namespace {

constexpr std::uint8_t kVersion = 2;
constexpr std::uint8_t kVersionWithoutAnswers = 1;
constexpr std::size_t kAnyBytes = UINT32_MAX;  // bounded by what there is to read

enum class Item : std::uint8_t { Change = 1, Present = 2, Answer = 3 };

void write_record(ByteWriter& writer, const Record& record) {
    writer.u64(record.create_revision).u64(record.mod_revision).u64(record.version).text(record.value);
}

Record read_record(ByteReader& reader) {
    Record record;
    record.create_revision = reader.u64();
    record.mod_revision = reader.u64();
    record.version = reader.u64();
    record.value = reader.text(kAnyBytes);
    return record;
}

void write_answer(ByteWriter& writer, const AnsweredWrite& write) {
    writer.u8(static_cast<std::uint8_t>(Item::Answer)).text(write.key).u64(write.fingerprint);
    writer.u8(write.has_session ? 1 : 0).u64(write.result.revision).u32(write.result.deleted);
    writer.u8(write.result.condition_failed ? 1 : 0).u64(write.result.mod_revision);
}

AnsweredWrite read_answer(ByteReader& reader, std::string_view key) {
    AnsweredWrite write;
    if (is_once_key(key))
        write.key = key;
    else
        reader.fail();
    write.fingerprint = reader.u64();
    write.has_session = reader.boolean();
    write.result.revision = reader.u64();
    write.result.deleted = reader.u32();
    write.result.condition_failed = reader.boolean();
    write.result.mod_revision = reader.u64();
    return write;
}

}  // namespace

std::string encode_snapshot_head(const SnapshotHead& head) {
    std::string bytes;
    ByteWriter(bytes)
        .u8(kVersion)
        .u64(head.revision)
        .u64(head.oldest_revision)
        .u64(head.members_index.value)
        .text(encode_members(head.members))
        .text(encode_members(head.first_members))
        .u64(head.answers_forgotten);
    return bytes;
}

std::optional<SnapshotHead> decode_snapshot_head(std::string_view chunk) {
    ByteReader reader(chunk);
    const std::uint8_t version = reader.u8();
    if (version != kVersion && version != kVersionWithoutAnswers) return std::nullopt;
    SnapshotHead head;
    head.revision = reader.u64();
    head.oldest_revision = reader.u64();
    head.members_index = engine::LogIndex(reader.u64());
    const auto members = decode_members(reader.text(kAnyBytes));
    const auto first_members = decode_members(reader.text(kAnyBytes));
    if (version == kVersion) head.answers_forgotten = reader.u64();
    if (!reader.finished() || !members || !first_members || head.oldest_revision > head.revision)
        return std::nullopt;
    head.members = *members;
    head.first_members = *first_members;
    return head;
}

void append_snapshot_key(std::string& chunk, std::string_view key, const Record& record) {
    ByteWriter writer(chunk);
    writer.u8(static_cast<std::uint8_t>(Item::Present)).text(key);
    write_record(writer, record);
}

// False: the chunk has no room for all there is of it.
bool SnapshotEncoder::write(const KeyState& state) {
    ByteWriter writer(chunk_);
    for (; changes_done_ < state.changes.size() && !is_full(); ++changes_done_) {
        const PastRecord& change = *state.changes[changes_done_];
        writer.u8(static_cast<std::uint8_t>(Item::Change)).text(state.key).u64(change.revision);
        writer.u8(change.before ? 1 : 0);
        if (change.before) write_record(writer, *change.before);
    }
    if (changes_done_ < state.changes.size() || (state.changes.empty() && is_full())) return false;
    if (state.record != nullptr) append_snapshot_key(chunk_, state.key, *state.record);
    changes_done_ = 0;
    return true;
}

std::optional<std::string> SnapshotEncoder::next_chunk(const StateMachine& store) {
    if (!has_all_keys_) {
        has_all_keys_ = walk_.go_on(store, [this](const KeyState& state) { return write(state); });
        if (!has_all_keys_ && !is_full()) return std::nullopt;
    }
    ByteWriter writer(chunk_);
    const std::uint64_t answers = pin().answers_last - pin().answers_forgotten;
    for (; has_all_keys_ && answers_done_ < answers && !is_full(); ++answers_done_)
        write_answer(writer, store.answers().at(pin().answers_forgotten + answers_done_ + 1));
    is_complete_ = has_all_keys_ && answers_done_ == answers;
    if (chunk_.empty()) return std::nullopt;
    return std::exchange(chunk_, {});
}

std::optional<std::uint64_t> count_snapshot_keys(std::string_view chunk) {
    ByteReader reader(chunk);
    std::uint64_t keys = 0;
    do {
        const Item item = reader.enumerator(Item::Change, Item::Answer);
        const std::string_view key = reader.text(kAnyBytes);
        if (item == Item::Answer) {
            static_cast<void>(read_answer(reader, key));
            continue;
        }
        if (item == Item::Change) static_cast<void>(reader.u64());
        if (item == Item::Present || reader.boolean()) static_cast<void>(read_record(reader));
        if (item == Item::Present) ++keys;
    } while (!reader.failed() && !reader.finished());
    return reader.failed() ? std::nullopt : std::optional(keys);
}

bool SnapshotDecoder::add(std::string_view chunk) {
    if (!has_head_) {
        const auto head = decode_snapshot_head(chunk);
        if (head) head_ = *head;
        has_head_ = head.has_value();
        if (head) store_.begin_load(head->answers_forgotten);
        return has_head_;
    }
    ByteReader reader(chunk);
    do {
        const Item item = reader.enumerator(Item::Change, Item::Answer);
        const std::string_view key = reader.text(kAnyBytes);
        if (item == Item::Answer) {
            has_answers_ = true;
            AnsweredWrite write = read_answer(reader, key);
            if (reader.failed() || write.result.revision > head_.revision || !store_.load(std::move(write)))
                return false;
            continue;
        }
        if (has_answers_ || key.empty() || key < last_key_) reader.fail();
        if (key != last_key_) last_revision_ = 0;
        const std::uint64_t revision = item == Item::Change ? reader.u64() : UINT64_MAX;
        if (revision <= last_revision_ || (item == Item::Change && revision > head_.revision)) reader.fail();
        const bool has_record = item == Item::Present || reader.boolean();
        std::optional<Record> record;
        if (has_record) record = read_record(reader);
        if (record && record->mod_revision > head_.revision) reader.fail();
        if (reader.failed()) return false;
        last_key_ = key;
        last_revision_ = revision;
        if (item == Item::Change) {
            changes_.push_back({revision, key, std::move(record)});
        } else {
            store_.load(key, std::move(*record));
        }
    } while (!reader.finished());
    return true;
}

StateMachine SnapshotDecoder::take_store() {
    ENGINE_CHECK(has_head_);
    store_.finish_load(head_.revision, head_.oldest_revision, std::move(changes_));
    return std::move(store_);
}

}  // namespace quorate::server
