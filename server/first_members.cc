#include "server/first_members.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace quorate::server {

namespace {

// Members ascend by id, which is a hash of the name: a person wants them by name.
std::vector<std::string_view> names_of(const ClusterMembers& members) {
    std::vector<std::string_view> names;
    names.reserve(members.members.size());
    for (const Member& member : members.members) names.emplace_back(member.name);
    std::ranges::sort(names);
    return names;
}

}  // namespace

wal::LogEntry first_entry(const ClusterMembers& members) {
    return {kFirstHardState.current_term, engine::EntryKind::Membership, encode_members(members)};
}

std::optional<std::string> other_first_members(const ClusterMembers& given, const ClusterMembers& first,
                                               const ClusterMembers& now) {
    const std::vector<std::string_view> given_names = names_of(given);
    const std::vector<std::string_view> first_names = names_of(first);
    if (given_names.size() <= 1 || given_names == first_names || given_names == names_of(now))
        return std::nullopt;
    return fmt::format(
        "--peers names the members {}, but this data directory was first started as the cluster of {}; it "
        "would "
        "go on as that one, beside the one that the others form, and nothing in it was changed but what "
        "every start mends: to go "
        "on with what is "
        "stored here, name those members or leave --peers out; to join the new cluster, give this node an "
        "empty "
        "--data-dir (what is stored here stays here); members are changed by POST /cluster/members",
        fmt::join(given_names, ", "), fmt::join(first_names, ", "));
}

std::vector<std::string> other_addresses(const ClusterMembers& given, const ClusterMembers& in_log) {
    std::vector<std::string> lines;
    for (const Member& member : given.members) {
        const auto known = std::ranges::find(in_log.members, member.id, &Member::id);
        if (known == in_log.members.end() || known->address == member.address) continue;
        lines.push_back(
            fmt::format("member {} is at {} according to the log, and at {} according to the flags: the log "
                        "decides; to change it, POST /cluster/members "
                        R"({{"move":[{{"nodeId":"{}","addr":"{}"}}]}} to the leader)",
                        member.name, known->address, member.address, member.name, member.address));
    }
    return lines;
}

}  // namespace quorate::server
