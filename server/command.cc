#include "server/command.h"

#include "engine/check.h"
#include "server/bytes.h"

namespace quorate::server {

namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kForgetVersion = 2;
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

Operation read_operation(ByteReader& reader) {
    Operation operation;
    operation.kind = reader.enumerator(Operation::Kind::Put, Operation::Kind::Delete);
    operation.key = reader.text(kAnyBytes);
    if (operation.key.empty()) reader.fail();
    if (operation.kind == Operation::Kind::Put) operation.value = reader.text(kAnyBytes);
    return operation;
}

}  // namespace

std::string encode_command(const Command& command) {
    ENGINE_CHECK(command.condition.revisions.size() <= kConditionRevisionsMax);
    ENGINE_CHECK(command.condition.kind == Condition::Kind::None || command.operations.size() == 1);
    std::size_t size = 16 + 8 * command.condition.revisions.size();
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
    writer.u8(kVersion).u8(static_cast<std::uint8_t>(command.condition.kind));
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
    if (version != kVersion) return std::nullopt;
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
