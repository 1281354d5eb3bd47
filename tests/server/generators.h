#pragma once

// Random values for properties.

#include <string>
#include <vector>

#include <rapidcheck.h>

#include "server/command.h"
#include "server/members.h"
#include "server/peer_codec.h"

namespace quorate::server::test {

inline std::string any_bytes() { return *rc::gen::container<std::string>(rc::gen::arbitrary<char>()); }
inline std::uint64_t any_number() { return *rc::gen::arbitrary<std::uint64_t>(); }
/// From 0 to max.
inline std::size_t number_up_to(std::size_t max) { return *rc::gen::inRange<std::size_t>(0, max + 1); }

/// Few keys, so that they meet.
inline std::string some_key() {
    return *rc::gen::element<std::string>("a", "b", "c", "aa", "ab", std::string("\0", 1), "\xff");
}

inline Operation any_operation(std::string key) {
    if (number_up_to(2) == 0) return {Operation::Kind::Delete, std::move(key), {}};
    return {Operation::Kind::Put, std::move(key), any_bytes()};
}

inline Condition any_condition(std::size_t revisions_near) {
    Condition condition;
    condition.kind = static_cast<Condition::Kind>(number_up_to(4));
    if (condition.kind < Condition::Kind::RevisionIn) return condition;
    for (std::size_t i = number_up_to(3); i > 0; --i)
        condition.revisions.push_back(number_up_to(revisions_near));
    return condition;
}

inline std::string some_once_key() { return *rc::gen::element<std::string>("!", "a", "b", "c", "~~"); }

inline Command any_plain_command() {
    Command command;
    for (std::size_t i = 1 + number_up_to(4); i > 0; --i)
        command.operations.push_back(any_operation(some_key()));
    if (command.operations.size() == 1) command.condition = any_condition(20);
    return command;
}

inline Command any_command() {
    Command command = any_plain_command();
    if (number_up_to(2) == 0) {
        command.once = Once{some_once_key(), std::nullopt};
        if (number_up_to(1) == 0) command.once->session = number_up_to(20);
    }
    return command;
}

inline ClusterMembers any_members() {
    ClusterMembers members;
    const std::size_t count = 1 + number_up_to(6);
    for (std::size_t i = 0; i < count; ++i) {
        const auto role = i == 0 ? MemberRole::Voter : static_cast<MemberRole>(1 + number_up_to(4));
        members.members.push_back(
            {engine::ServerId(i + 1), "n" + std::to_string(i), "host:" + std::to_string(i + 1), role});
    }
    for (std::size_t removed = number_up_to(3); removed > 0; --removed)
        members.removed.emplace_back(100 - removed);
    return members;
}

/// A copy with one bit flipped.
inline std::string with_flipped_bit(std::string bytes, std::size_t bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    return bytes;
}
/// Any one.
inline std::string with_flipped_bit(std::string bytes) {
    const std::size_t bit = number_up_to(bytes.size() * 8 - 1);
    return with_flipped_bit(std::move(bytes), bit);
}

}  // namespace quorate::server::test
