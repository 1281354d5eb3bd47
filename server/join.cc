#include "server/join.h"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace quorate::server {

namespace {

using Joined = std::expected<JoinAnswer, JoinFailure>;

constexpr std::string_view kTarget = "/cluster/members";

std::unexpected<JoinFailure> finally(std::string text) {
    return std::unexpected(JoinFailure{std::move(text), true});
}

std::unexpected<JoinFailure> for_now(std::string text) {
    return std::unexpected(JoinFailure{std::move(text)});
}

std::string text_of(const nlohmann::json& problem, std::string_view name) {
    const auto found = problem.is_object() ? problem.find(name) : problem.end();
    return found != problem.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// What the leader tells of a node that begins with nothing. Nobody else is believed: who votes already has
// promised something, and a follower may not know.
Joined check(JoinAnswer answer, const Member& self) {
    if (!answer.is_of_leader) return for_now("--join: leadership has just moved");
    const Member* known = answer.members.find(self.id);
    if (known == nullptr) return for_now("--join: it was removed again");
    if (known->role != MemberRole::Learner && known->role != MemberRole::JoiningLearner) {
        return finally(
            fmt::format("--join: '{0}' votes in this cluster already, and the data directory is "
                        "empty: it has forgotten its votes and what it acknowledged. Remove '{0}' "
                        "(DELETE /cluster/members/{0}) and join with another --node-id",
                        self.name));
    }
    return answer;
}

class Join {
 public:
    Join(std::string_view cluster_id, const Member& self, bool has_backup, const AskOther& ask)
        : cluster_id_(cluster_id), self_(&self), has_backup_(has_backup), ask_(&ask) {}

    Joined at(const std::string& contact) {
        const auto known = look(contact);
        if (!known) return known;
        if (known->cluster_id != cluster_id_) {
            return finally(
                fmt::format("--join: that is cluster '{}', and this node is to belong to '{}'; check "
                            "--cluster-id",
                            known->cluster_id, cluster_id_));
        }
        if (known->first.origin != 0 && !has_backup_) {
            return finally(
                "--join: this cluster began with a backup, which a new node needs as well: add --restore "
                "FILE with the same backup");
        }
        if (known->first.origin == 0 && has_backup_)
            return finally("--join: this cluster did not begin with a backup: leave --restore out");
        std::string leader = contact;
        for (int tries = 0; tries < 2; ++tries) {
            const MembersChange change{.add = {{self_->name, self_->address}}};
            const auto answer =
                (*ask_)(leader, {"POST", std::string(kTarget), {}, members_change_json(change)});
            if (!answer) return for_now(answer.error());
            if (answer->status == 200) {
                auto joined = look(leader);
                return joined ? check(std::move(*joined), *self_) : joined;
            }
            const auto problem = nlohmann::json::parse(answer->body, nullptr, false);
            std::string next = text_of(problem, "leader");
            if (text_of(problem, "code") == "not_leader" && !next.empty()) {
                leader = std::move(next);
                continue;
            }
            const bool may_pass = answer->status >= 500 || answer->status == 410 ||
                                  text_of(problem, "code") == "change_in_progress" ||
                                  text_of(problem, "code") == "not_leader";
            return std::unexpected(JoinFailure{
                fmt::format("--join: {} answers: {}", leader, text_of(problem, "detail")), !may_pass});
        }
        return for_now(fmt::format("{} does not lead any more", leader));
    }

 private:
    Joined look(const std::string& address) {
        const auto answer = (*ask_)(address, {"GET", std::string(kTarget), {}, {}});
        if (!answer) return for_now(answer.error());
        if (answer->status != 200) {
            const auto problem = nlohmann::json::parse(answer->body, nullptr, false);
            return for_now(
                fmt::format("{} answers {}: {}", address, answer->status, text_of(problem, "detail")));
        }
        auto parsed = parse_members_json(answer->body);
        if (!parsed) return for_now(fmt::format("{}: {}", address, parsed.error()));
        return std::move(*parsed);
    }

    std::string_view cluster_id_;
    const Member* self_;
    bool has_backup_;
    const AskOther* ask_;
};

}  // namespace

std::expected<JoinAnswer, JoinFailure> join_cluster(const std::vector<std::string>& contacts,
                                                    std::string_view cluster_id, const Member& self,
                                                    bool has_backup, const AskOther& ask) {
    JoinFailure last{"--join names this node's own address alone: name one of a node that runs", true};
    for (const std::string& contact : contacts) {
        if (contact == self.address) continue;
        auto joined = Join(cluster_id, self, has_backup, ask).at(contact);
        if (joined || joined.error().is_final) return joined;
        last = std::move(joined.error());
    }
    return std::unexpected(std::move(last));
}

}  // namespace quorate::server
