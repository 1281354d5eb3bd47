#include "server/peers.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace quorate::server {

namespace {

template <class... Arguments>
std::unexpected<std::string> refuse(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
    return std::unexpected(fmt::format(text, std::forward<Arguments>(arguments)...));
}

struct PeerList {
    std::vector<Member> members;
    bool has_names = false;
};

std::expected<Member, std::string> parse_peer(std::string_view item) {
    const std::size_t equals = item.find('=');
    const bool has_name = equals != std::string_view::npos;
    const std::string_view address = has_name ? item.substr(equals + 1) : item;
    const std::string_view name = item.substr(0, equals);
    if (item.empty())
        return refuse("it has an empty item; write NAME=HOST:PORT,NAME=HOST:PORT without commas at the ends");
    if (!can_be_reached(address)) {
        return refuse(
            "'{}' has no address of the form HOST:PORT at which others can reach it (IPv6 as "
            "[ADDRESS]:PORT, ports from 1 to 65535)",
            item);
    }
    if (has_name && !is_name(name)) {
        return refuse("'{}' has a name that is not 1 to {} of A-Z a-z 0-9 . _ -", item, kNameBytesMax);
    }
    return Member{server_id_of(name), std::string(name), std::string(address)};
}

std::expected<PeerList, std::string> parse_list(std::string_view text) {
    PeerList list;
    std::size_t named = 0;
    while (!text.empty()) {
        const std::size_t comma = text.find(',');
        const std::string_view item = text.substr(0, comma);
        auto member = parse_peer(item);
        if (!member) return std::unexpected(std::move(member.error()));
        if (comma + 1 == text.size())
            return refuse("it ends in a comma; write NAME=HOST:PORT,NAME=HOST:PORT");
        if (item.contains('=')) ++named;
        list.members.push_back(std::move(*member));
        text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
    }
    if (named != 0 && named != list.members.size()) {
        return refuse("some members have a name and some have none; write NAME=HOST:PORT for each");
    }
    list.has_names = named != 0;
    return list;
}

// The node by its name, or by its address in a list without names, to which it is added when it is left out.
// A name that is not in a list of names is a mistake in one of the two: with it added, this node would begin
// another cluster than the others, and be refused by them.
std::expected<void, std::string> include_self(PeerList& list, const Member& self) {
    const auto found = std::ranges::find(list.members, self.name, &Member::name);
    if (found == list.members.end()) {
        if (list.has_names) {
            std::vector<std::string_view> names;
            names.reserve(list.members.size());
            for (const Member& member : list.members) names.emplace_back(member.name);
            return refuse(
                "this node is '{}', but the list names only {}; give all members the same list, with {}={} "
                "in it, "
                "or mend --node-id",
                self.name, fmt::join(names, ", "), self.name, self.address);
        }
        list.members.push_back(self);
    } else if (found->address != self.address) {
        return refuse(
            "it says that this node, '{}', is at {}, but this node advertises {}; write --advertise-addr {} "
            "or mend --peers",
            self.name, found->address, self.address, found->address);
    }
    return {};
}

std::expected<void, std::string> check_distinct(const std::vector<Member>& members) {
    for (std::size_t i = 0; i < members.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
            const Member& a = members[j];
            const Member& b = members[i];
            if (a.name == b.name)
                return refuse("'{}' is there twice; every member needs its own name", a.name);
            if (a.address == b.address) {
                return refuse("'{}' and '{}' are both at {}; every member needs its own address", a.name,
                              b.name, a.address);
            }
            if (a.id == b.id)
                return refuse("'{}' and '{}' have the same id by chance; rename one of them", a.name, b.name);
        }
    }
    if (members.size() > kVotersMax)
        return refuse("it has {} members with this node; at most {}", members.size(), kVotersMax);
    return {};
}

}  // namespace

std::expected<Peers, std::string> parse_peers(std::string_view text,
                                              const std::optional<std::string>& node_id,
                                              const std::string& address) {
    auto list = parse_list(text);
    if (!list) return std::unexpected(std::move(list.error()));
    if (!list->members.empty() && list->has_names && !node_id) {
        return refuse("its members have names, so this node needs one too; write --node-id NAME");
    }
    if (!list->members.empty() && !list->has_names && node_id && *node_id != address) {
        return refuse(
            "this node has the name '{}', so the others need names too; write NAME=HOST:PORT for each",
            *node_id);
    }
    const std::string& name = node_id ? *node_id : address;
    const Member self{server_id_of(name), name, address};
    if (auto included = include_self(*list, self); !included)
        return std::unexpected(std::move(included.error()));
    if (auto distinct = check_distinct(list->members); !distinct)
        return std::unexpected(std::move(distinct.error()));
    std::ranges::sort(list->members, {}, &Member::id);
    return Peers{self, {std::move(list->members)}};
}

}  // namespace quorate::server
