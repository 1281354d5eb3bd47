#include "server/refusal_text.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "server/told_members.h"

namespace quorate::server {

namespace {

using wal::RefusalCode;

enum class Loss : std::uint8_t { None, Possible, Certain };

Loss loss_of(RefusalCode code) {
    switch (code) {
        case RefusalCode::Damage:
        case RefusalCode::MetaUnreadable: return Loss::Certain;
        case RefusalCode::IoFailed: return Loss::Possible;
        case RefusalCode::WrongIdentity:
        case RefusalCode::Locked:
        case RefusalCode::UnknownFormat:
        case RefusalCode::NoSpace:
        case RefusalCode::Configuration: return Loss::None;
    }
    std::unreachable();
}

std::string who_has_the_data(const ClusterMembers& members, engine::ServerId self) {
    std::vector<std::string_view> others;
    for (const Member& member : members.members) {
        if (member.id != self) others.emplace_back(member.name);
    }
    std::ranges::sort(others);
    if (others.empty())
        return "where this node is one of a cluster, a majority of its members has what was acknowledged: "
               "next, read docs/operations.md, A node of a cluster; where it is alone, docs/operations.md, A "
               "node that is "
               "alone";
    return fmt::format(
        "what was acknowledged is on a majority of the members, and {} can supply it; next, read "
        "docs/operations.md, A node of a cluster",
        fmt::join(others, ", "));
}

}  // namespace

std::string refusal_text(const wal::Refusal& refusal, std::string_view data_dir,
                         const ClusterMembers& members, engine::ServerId self) {
    std::string text;
    const bool names_it = refusal.message.starts_with(fmt::format("{}: ", data_dir)) ||
                          refusal.message.starts_with(fmt::format("{}/", data_dir));
    if (!names_it) text = fmt::format("data directory {}: ", data_dir);
    text += refusal.message;
    if (refusal.message.starts_with(kRecoverFlag)) return text;
    switch (loss_of(refusal.code)) {
        case Loss::None: return text;
        case Loss::Possible: text += "; should the disk be lost: "; break;
        case Loss::Certain: text += "; "; break;
    }
    return text + who_has_the_data(members, self);
}

wal::Refusal unreadable_entry(engine::LogIndex index, std::string_view what) {
    return {wal::RefusalCode::UnknownFormat,
            fmt::format(
                "log entry {}: its {} cannot be read by this version ({}); start the version that wrote it",
                index.value, what, QUORATE_VERSION)};
}

}  // namespace quorate::server
