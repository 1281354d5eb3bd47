#include "server/forced_members.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace quorate::server {

namespace {

std::set<std::string> split(const std::string& names) {
    std::set<std::string> found;
    for (std::size_t begin = 0; begin <= names.size();) {
        const std::size_t end = std::min(names.find(',', begin), names.size());
        found.insert(names.substr(begin, end - begin));
        begin = end + 1;
    }
    return found;
}

}  // namespace

std::expected<std::optional<ClusterMembers>, wal::Refusal> forced_members(const NodeConfig& config,
                                                                          const ClusterMembers& newest,
                                                                          std::uint64_t lineage,
                                                                          engine::EntryId last,
                                                                          wal::Lost lost) {
    const auto refuse = [](std::string why) {
        return std::unexpected(
            wal::Refusal{wal::RefusalCode::Configuration, "--force-new-cluster: " + std::move(why)});
    };
    if (config.gives_up.empty()) return std::nullopt;
    if (newest.find(config.self.id) == nullptr)
        return refuse(fmt::format(
            "'{}' is no member of its cluster any more: use the directory of one that is", config.self.name));
    if (lost == wal::Lost::Entries || lost == wal::Lost::TermAndEntries)
        return refuse("this directory has lost entries that it had acknowledged: use another survivor's");
    const std::set<std::string> named = split(config.gives_up);
    if (std::ranges::all_of(
            named, [&](const std::string& name) { return newest.has_removed(server_id_of(name)); })) {
        if (newest.members.size() == 1) return std::nullopt;
        return refuse(fmt::format(
            "{} is no member any more, and others have joined since: leave the flag out", config.gives_up));
    }
    std::set<std::string> others;
    for (const Member& member : newest.members) {
        if (member.id != config.self.id) others.insert(member.name);
    }
    if (others.empty()) return refuse("this node is its cluster's only member already: leave the flag out");
    if (named != others) {
        std::vector<std::string> strangers;
        std::ranges::set_difference(named, others, std::back_inserter(strangers));
        std::erase_if(strangers, [](const std::string& name) { return !is_name(name) && !is_address(name); });
        const std::string unknown =
            strangers.empty() ? ""
                              : fmt::format("no other member is called {}: ", fmt::join(strangers, ", "));
        return refuse(fmt::format(
            "{}nothing was changed. The log ends with entry {} of term {}: among survivors, use the one with "
            "the "
            "highest term, and of these with the highest entry. To give up all other members for good, what "
            "only they have acknowledged included, name them: --force-new-cluster {}",
            unknown, last.index.value, last.term.value, fmt::join(others, ",")));
    }
    // Higher than all before it, and random beside that: two survivors make two clusters.
    constexpr std::uint64_t kGenerationShift = 48;
    const std::uint64_t generation = std::min<std::uint64_t>((lineage >> kGenerationShift) + 1, UINT16_MAX);
    const std::uint64_t drawn = config.incarnation & ((std::uint64_t{1} << kGenerationShift) - 1);
    ClusterMembers forced{.members = {*newest.find(config.self.id)},
                          .origin = newest.origin,
                          .removed = newest.removed,
                          .lineage = generation << kGenerationShift | drawn};
    forced.members.front().role = MemberRole::Voter;
    for (const Member& member : newest.members) {
        if (member.id != config.self.id) forced.removed.push_back(member.id);
    }
    std::ranges::sort(forced.removed);
    if (forced.removed.size() > kRemovedMax)
        return refuse(
            fmt::format("{} members would have been removed over the life of the cluster, at most {}: "
                        "make a backup, and begin a new cluster from it",
                        forced.removed.size(), kRemovedMax));
    return forced;
}

}  // namespace quorate::server
