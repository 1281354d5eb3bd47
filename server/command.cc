#include "server/command.h"

#include <algorithm>

#include "engine/check.h"
#include "server/answered_writes.h"
#include "server/bytes.h"
#include "server/hash.h"

namespace quorate::server {

namespace {

constexpr std::uint8_t kCommandVersion = 1;
constexpr std::uint8_t kForgetVersion = 2;
constexpr std::uint8_t kOnceVersion = 3;
constexpr std::uint8_t kForgetAnswersVersion = 4;
constexpr std::size_t kAnyBytes = UINT32_MAX;          // bounded by what there is to read
constexpr std::size_t kOperationBytesMin = 1 + 4 + 1;  // a Delete of a key of one byte

Condition read_condition(ByteReader& reader) {
    Condition condition;
    condition.kind = reader.enumerator(Condition::Kind::None, Condition::Kind::RevisionNotIn);
    const std::uint8_t count = reader.u8();
    const bool has_revisions =
        condition.kind == Condition::Kind::RevisionIn || condition.kind == Condition::Kind::RevisionNotIn;
    if (count > (has_revisions ? kConditionRevisionsMax : 0)) reader.fail();
    for (std::uint8_t i = 0; i < count && !reader.failed(); ++i) condition.revisions.push_back(reader.u64());
    return condition;
}

Once read_once(ByteReader& reader) {
    Once once;
    once.key = reader.text(kOnceKeyBytesMax);
    if (!is_once_key(once.key)) reader.fail();
    const bool has_session = reader.boolean();
    const std::uint64_t session = reader.u64();
    if (has_session) once.session = session;
    if (!has_session && session != 0) reader.fail();
    return once;
}

Operation read_operation(ByteReader& reader) {
    Operation operation;
    operation.kind = reader.enumerator(Operation::Kind::Put, Operation::Kind::Delete);
    operation.key = reader.text(kAnyBytes);
    if (operation.key.empty()) reader.fail();
    if (operation.kind == Operation::Kind::Put) operation.value = reader.text(kAnyBytes);
    return operation;
}

}  // namespace

bool is_once_key(std::string_view key) {
    return !key.empty() && key.size() <= kOnceKeyBytesMax &&
           std::ranges::all_of(key, [](char c) { return c > ' ' && c <= '~'; });
}

std::uint64_t fingerprint_of(const Command& command) {
    RunningHash64 hash;
    std::string numbers;
    const auto add = [&](const std::string& text) {
        numbers.clear();
        ByteWriter(numbers).u64(text.size());
        hash.add(numbers);
        hash.add(text);
    };
    ByteWriter(numbers)
        .u8(static_cast<std::uint8_t>(command.condition.kind))
        .u8(static_cast<std::uint8_t>(command.condition.revisions.size()));
    for (const std::uint64_t revision : command.condition.revisions) ByteWriter(numbers).u64(revision);
    hash.add(numbers);
    for (const Operation& operation : command.operations) {
        hash.add(operation.kind == Operation::Kind::Put ? "+" : "-");
        add(operation.key);
        add(operation.value);
    }
    return hash.value();
}

std::string encode_command(const Command& command) {
    ENGINE_CHECK(command.condition.revisions.size() <= kConditionRevisionsMax);
    ENGINE_CHECK(command.condition.kind == Condition::Kind::None || command.operations.size() == 1);
    std::size_t size = 32 + kOnceKeyBytesMax + 8 * command.condition.revisions.size();
    for (const Operation& operation : command.operations)
        size += 9 + operation.key.size() + operation.value.size();
    std::string bytes;
    bytes.reserve(size);

    ByteWriter writer(bytes);
    if (command.forget_through > 0) {
        ENGINE_CHECK(command.operations.empty());
        writer.u8(kForgetVersion).u64(command.forget_through);
        return bytes;
    }
    if (command.forget_answers_through > 0) {
        ENGINE_CHECK(command.operations.empty());
        writer.u8(kForgetAnswersVersion).u64(command.forget_answers_through);
        return bytes;
    }
    if (command.once) {
        const auto& [key, session] = *command.once;
        ENGINE_CHECK(is_once_key(key));
        writer.u8(kOnceVersion).text(key).u8(session ? 1 : 0).u64(session.value_or(0));
    } else {
        writer.u8(kCommandVersion);
    }
    writer.u8(static_cast<std::uint8_t>(command.condition.kind));
    writer.u8(static_cast<std::uint8_t>(command.condition.revisions.size()));
    for (const std::uint64_t revision : command.condition.revisions) writer.u64(revision);
    writer.u32(static_cast<std::uint32_t>(command.operations.size()));
    for (const Operation& operation : command.operations) {
        writer.u8(static_cast<std::uint8_t>(operation.kind)).text(operation.key);
        if (operation.kind == Operation::Kind::Put) writer.text(operation.value);
    }
    return bytes;
}

std::optional<Command> decode_command(std::string_view bytes) {
    ByteReader reader(bytes);
    const std::uint8_t version = reader.u8();
    Command command;
    if (version == kForgetVersion) {
        command.forget_through = reader.u64();
        if (!reader.finished() || command.forget_through == 0) return std::nullopt;
        return command;
    }
    if (version == kForgetAnswersVersion) {
        command.forget_answers_through = reader.u64();
        if (!reader.finished() || command.forget_answers_through == 0) return std::nullopt;
        return command;
    }
    if (version != kCommandVersion && version != kOnceVersion) return std::nullopt;
    if (version == kOnceVersion) command.once = read_once(reader);
    command.condition = read_condition(reader);
    const std::uint32_t count = reader.count(kOperationBytesMin);
    if (count == 0 || (count != 1 && command.condition.kind != Condition::Kind::None)) return std::nullopt;
    command.operations.reserve(count);
    for (std::uint32_t i = 0; i < count && !reader.failed(); ++i)
        command.operations.push_back(read_operation(reader));
    if (!reader.finished()) return std::nullopt;
    return command;
}

}  // namespace quorate::server
