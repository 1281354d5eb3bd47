#include "server/members.h"

#include <algorithm>
#include <ranges>
#include <utility>

#include "engine/check.h"
#include "server/bytes.h"
#include "server/decimal.h"
#include "server/hash.h"

namespace quorate::server {

using engine::ServerId;

namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kVersionWithOrigin = 2;
constexpr std::uint8_t kVersionWithRemoved = 3;
constexpr std::uint8_t kVersionWithLineage = 4;
constexpr std::size_t kMemberBytesMin = 8 + 1 + 4 + 1 + 4 + 1;
/// Above every number that names itself.
constexpr std::uint64_t kHashedIdBit = std::uint64_t{1} << 63U;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_name_character(char c) { return is_letter(c) || is_digit(c) || c == '.' || c == '_' || c == '-'; }
bool is_ipv6_character(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' || c == '.';
}

// A decimal number without leading zeros, so that no two texts mean the same.
std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t max) {
    const auto number = text.starts_with('0') ? std::nullopt : parse_decimal(text);
    return number && *number <= max ? number : std::nullopt;
}

bool is_ipv4(std::string_view host) {
    int parts = 0;
    for (const auto part : std::views::split(host, '.')) {
        const std::string_view number(part);
        if (number != "0" && !parse_number(number, 255)) return false;
        ++parts;
    }
    return parts == 4;
}

// What the decoder and the digest rely on.
bool is_well_formed(const ClusterMembers& cluster) {
    const auto& [members, origin, removed, lineage] = cluster;
    const auto descends = [](const Member& a, const Member& b) { return a.id >= b.id; };
    if (std::ranges::adjacent_find(members, descends) != members.end()) return false;
    if (removed.size() > kRemovedMax ||
        std::ranges::adjacent_find(removed, std::ranges::greater_equal{}) != removed.end() ||
        std::ranges::any_of(members, [&](const Member& member) { return cluster.has_removed(member.id); }))
        return false;
    std::vector<std::string_view> names;
    names.reserve(members.size());
    for (const Member& member : members) names.push_back(member.name);
    std::ranges::sort(names);
    return std::ranges::adjacent_find(names) == names.end() && cluster.membership().is_well_formed();
}

Member read_member(ByteReader& reader) {
    Member member;
    member.id = ServerId(reader.u64());
    member.role = reader.enumerator(MemberRole::Voter, MemberRole::JoiningLearner);
    member.name = reader.text(kAddressBytesMax);
    member.address = reader.text(kAddressBytesMax);
    if (!(is_name(member.name) || is_address(member.name)) || !is_address(member.address)) reader.fail();
    return member;
}

}  // namespace

engine::Membership ClusterMembers::membership() const {
    engine::Membership membership;
    for (const Member& member : members) {
        switch (member.role) {
            case MemberRole::Voter: membership.voters.push_back(member.id); break;
            case MemberRole::OutgoingVoter: membership.voters_outgoing.push_back(member.id); break;
            case MemberRole::ContinuingVoter:
                membership.voters.push_back(member.id);
                membership.voters_outgoing.push_back(member.id);
                break;
            case MemberRole::Learner:
            case MemberRole::JoiningLearner: membership.learners.push_back(member.id); break;
        }
    }
    return membership;
}

const Member* ClusterMembers::find(ServerId id) const {
    const auto found = std::ranges::lower_bound(members, id, {}, &Member::id);
    return found != members.end() && found->id == id ? &*found : nullptr;
}

const Member* ClusterMembers::find(std::string_view name) const {
    const auto found = std::ranges::find(members, name, &Member::name);
    return found != members.end() ? &*found : nullptr;
}

std::uint64_t ClusterMembers::digest() const { return hash64(encode_members(*this)); }

std::string_view role_text(MemberRole role, bool is_joint) {
    switch (role) {
        case MemberRole::Voter: return is_joint ? "incoming" : "voter";
        case MemberRole::OutgoingVoter: return "outgoing";
        case MemberRole::ContinuingVoter: return "voter";
        case MemberRole::Learner: return "learner";
        case MemberRole::JoiningLearner: return "joining";
    }
    std::unreachable();
}

std::string encode_members(const ClusterMembers& members) {
    ENGINE_CHECK(is_well_formed(members));
    std::string bytes;
    ByteWriter writer(bytes);
    if (members.lineage != 0) {
        writer.u8(kVersionWithLineage).u64(members.origin).u64(members.lineage);
    } else if (!members.removed.empty()) {
        writer.u8(kVersionWithRemoved).u64(members.origin);
    } else if (members.origin == 0) {
        writer.u8(kVersion);
    } else {
        writer.u8(kVersionWithOrigin).u64(members.origin);
    }
    writer.u32(static_cast<std::uint32_t>(members.members.size()));
    for (const Member& member : members.members) {
        writer.u64(member.id.value)
            .u8(static_cast<std::uint8_t>(member.role))
            .text(member.name)
            .text(member.address);
    }
    if (members.removed.empty() && members.lineage == 0) return bytes;
    writer.u32(static_cast<std::uint32_t>(members.removed.size()));
    for (const ServerId id : members.removed) writer.u64(id.value);
    return bytes;
}

std::optional<ClusterMembers> decode_members(std::string_view bytes) {
    ByteReader reader(bytes);
    ClusterMembers members;
    const std::uint8_t version = reader.u8();
    if (version < kVersion || version > kVersionWithLineage) return std::nullopt;
    if (version >= kVersionWithOrigin) members.origin = reader.u64();
    if (version >= kVersionWithLineage) members.lineage = reader.u64();
    const std::uint32_t count = reader.count(kMemberBytesMin);
    if (count > engine::kMembersMax) return std::nullopt;
    for (std::uint32_t i = 0; i < count && !reader.failed(); ++i)
        members.members.push_back(read_member(reader));
    const std::uint32_t removed = version >= kVersionWithRemoved ? reader.count(sizeof(std::uint64_t)) : 0;
    for (std::uint32_t i = 0; i < removed && !reader.failed(); ++i)
        members.removed.emplace_back(reader.u64());
    // There is one encoding of each.
    if (!reader.finished() || !is_well_formed(members) || encode_members(members) != bytes)
        return std::nullopt;
    return members;
}

ServerId server_id_of(std::string_view name) {
    if (const auto number = parse_number(name, UINT32_MAX)) return ServerId(*number);
    return ServerId(hash64(name) | kHashedIdBit);
}

bool is_name(std::string_view text) {
    return !text.empty() && text.size() <= kNameBytesMax && std::ranges::all_of(text, is_name_character);
}

bool is_host(std::string_view text) {
    if (text.starts_with('[')) {
        return text.size() >= 4 && text.size() <= 47 && text.ends_with(']') && text.contains(':') &&
               std::ranges::all_of(text.substr(1, text.size() - 2), is_ipv6_character);
    }
    return !text.empty() && text.size() <= 253 && std::ranges::all_of(text, is_name_character);
}

bool is_of_every_host(std::string_view address) {
    // Shorter and longer forms too: 0, [::0].
    const std::string_view host = address.substr(0, address.rfind(':'));
    return host.find_first_not_of(host.starts_with('[') ? "[0:]" : "0.") == std::string_view::npos;
}

bool can_be_reached(std::string_view address) {
    if (!is_address(address) || is_of_every_host(address)) return false;
    const std::string_view host = address.substr(0, address.rfind(':'));
    if (host.starts_with('[')) return true;
    if (host.starts_with('-') || host.starts_with('.') || host.contains("..")) return false;
    // Resolvers take a name that ends in a number for an IPv4 address, in older and shorter forms too.
    const std::string_view last = host.substr(host.rfind('.') + 1);
    const bool is_number = last.starts_with("0x") || std::ranges::all_of(last, is_digit);
    return last.empty() || !is_number || is_ipv4(host);
}

bool is_address(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    return colon != std::string_view::npos && is_host(text.substr(0, colon)) &&
           parse_number(text.substr(colon + 1), 65535).has_value();
}

}  // namespace quorate::server
