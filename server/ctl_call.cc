#include "server/ctl_call.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "engine/check.h"
#include "server/problem.h"

namespace quorate::server {

namespace {

using Next = CtlVerdict::Next;

// An election at default settings takes less than a second: so soon again, then twice as late each time.
constexpr std::uint64_t kPauseMsFirst = 100;
constexpr std::uint64_t kPauseMsMax = 1000;
constexpr std::uint64_t kAttemptMsMin = 500;
/// From one node to the next by what they say of the leader: while it changes, two can name each other.
constexpr int kHopsMax = 2;

// What a person can do, where the server's own words do not say it already.
std::string_view advice(std::string_view code) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 18> kAdvice{{
        {"", "nothing was changed; check --endpoints"},
        {"condition_failed", "read it again, then decide"},
        {"session_expired", "nothing was written; run it again"},
        {"revision_compacted", "read without --revision, or make backups of what is to be kept"},
        {"not_caught_up", "quoratectl member list tells how far it is behind; --force does not wait"},
        {"no_live_quorum", "start the members that are down, or use --force"},
        {"last_voter", "add another voter first"},
        {"unknown_member", "quoratectl member list tells who is"},
        {"disk_full", "make room on that disk; quoratectl status tells which disks are full"},
        {"transfer_timed_out", "quoratectl status tells whether the target is up and how far behind it is"},
        {"no_such_target", "quoratectl status tells who is up"},
        {"already_a_member", "to give it another address use quoratectl member move"},
        {"address_taken", "quoratectl member list tells by whom"},
        {"removed_before", "start the node with another --node-id, on an empty --data-dir"},
        {"too_many_members", "remove one first"},
        {"too_many_voters", "remove one first, or leave it a learner"},
        {"too_many_removed", "nothing was changed"},
        {"transfer_replaced", "quoratectl status tells who leads"},
    }};
    const auto found =
        std::ranges::find(kAdvice, code, &std::pair<std::string_view, std::string_view>::first);
    return found != kAdvice.end() ? found->second : "nothing was changed; mend the command, see --help";
}

bool is_success(const HttpResponse& response) { return response.status >= 200 && response.status < 300; }

// In the server's words, or what little there is of somebody else's.
std::string words_of(const HttpResponse& response) {
    const std::string detail = text_member(response, "detail");
    const std::string code = text_member(response, "code");
    if (is_success(response) || detail.empty() || code.empty())
        return fmt::format("answers {} {}, and is no Quorate node", response.status,
                           reason_phrase(response.status));
    return fmt::format("{} ({})", detail, code);
}

bool is_of_a_node(const HttpResponse& response, std::string_view proof) {
    if (proof.empty()) return response.header("Quorate-Revision") != nullptr;
    const auto json = nlohmann::json::parse(response.body, nullptr, false);
    return json.is_object() && json.contains(proof);
}

CtlFailure refusal(const std::string& address, const HttpResponse& response) {
    const std::string code = text_member(response, "code");
    return {code == "key_not_found" ? CtlExit::NoSuchKey : CtlExit::Refused,
            fmt::format("{}{}; {}", code.empty() ? address + ": " : "", words_of(response), advice(code))};
}

CtlVerdict judge_failure(HttpFailure::Sent sent, CtlEffect effect) {
    const bool is_safe = sent == HttpFailure::Sent::Never || effect == CtlEffect::Nothing;
    return {is_safe ? Next::AskOther : Next::Unknown};
}

}  // namespace

std::string text_member(const HttpResponse& response, std::string_view name) {
    const auto json = nlohmann::json::parse(response.body, nullptr, false);
    const auto found = json.is_object() ? json.find(name) : json.end();
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

CtlVerdict judge(const CtlResponse& response, const CtlRequest& request) {
    if (!response) return judge_failure(response.error().sent, request.effect);
    const int status = response->status;
    const std::string code = text_member(*response, "code");
    if (is_success(*response)) {
        if (is_of_a_node(*response, request.proof)) return {Next::Done};
        CtlVerdict verdict = judge_failure(HttpFailure::Sent::Maybe, request.effect);
        verdict.is_final = true;
        return verdict;
    }
    if (code == "not_leader") {
        std::string leader = text_member(*response, "leader");
        if (leader.empty()) return {Next::AskOther};
        return {Next::AskLeader, std::move(leader)};
    }
    if (code == "node_removed") return {.next = Next::AskOther, .is_final = true};
    if (code == "change_in_progress" || status == 429) return {Next::AskOther};
    // Tried again, it would keep writes out for an election timeout each time.
    if (code == "transfer_timed_out") return {Next::Refused};
    if (status < 500 || status == 501 || status == 507) {
        const bool is_of_another_server = code.empty() && request.effect == CtlEffect::Nothing;
        return is_of_another_server ? CtlVerdict{.next = Next::AskOther, .is_final = true}
                                    : CtlVerdict{Next::Refused};
    }
    // Not of a node of ours, as of a proxy in front of it: nobody knows how far the request has come.
    const bool is_known = status == 503 && !code.empty() && code != "outcome_unknown";
    return is_known ? CtlVerdict{Next::AskOther} : judge_failure(HttpFailure::Sent::Maybe, request.effect);
}

CtlCaller::CtlCaller(std::vector<std::string> endpoints, std::uint64_t timeout_ms, CtlNetwork network)
    : endpoints_(std::move(endpoints)),
      timeout_ms_(timeout_ms),
      network_(std::move(network)),
      deadline_ms_(network_.now_ms() + timeout_ms),
      pause_ms_(kPauseMsFirst) {
    ENGINE_CHECK(!endpoints_.empty());
}

std::uint64_t CtlCaller::left_ms() const {
    const std::uint64_t now_ms = network_.now_ms();
    return deadline_ms_ - std::min(deadline_ms_, now_ms);
}

// A node that hangs must not take the time in which another one could answer. What may be sent only once gets
// all of it: to give up earlier would only make more of it unknown.
std::uint64_t CtlCaller::attempt_ms(CtlEffect effect) const {
    const std::uint64_t left = left_ms();
    if (effect == CtlEffect::Once || endpoints_.size() == 1) return left;
    return std::min(left, std::max(left / 2, kAttemptMsMin));
}

// False: there is nobody left to ask.
bool CtlCaller::advance(std::string& address, bool is_final) {
    if (is_final && address == endpoints_[current_]) {
        endpoints_.erase(endpoints_.begin() + static_cast<std::ptrdiff_t>(current_));
        if (endpoints_.empty()) return false;
    } else {
        ++current_;
        ++asked_;
    }
    current_ %= endpoints_.size();
    address = endpoints_[current_];
    if (asked_ < endpoints_.size()) return true;
    asked_ = 0;
    network_.wait(std::min(pause_ms_, left_ms()));
    pause_ms_ = std::min(2 * pause_ms_, kPauseMsMax);
    return true;
}

// A line for each who was asked.
std::string CtlCaller::reasons() const {
    std::string lines;
    for (const auto& [address, reason] : reasons_) lines += "\n  " + reason;
    return lines;
}

CtlFailure CtlCaller::given_up() const {
    if (may_have_happened_) return unknown();
    if (endpoints_.empty())
        return {
            CtlExit::Unreachable,
            "none of the endpoints can do it, and nothing was changed; name other nodes with --endpoints:" +
                reasons()};
    return {CtlExit::Unreachable,
            fmt::format("no node could do it within {} s, and nothing was changed; check --endpoints and "
                        "quoratectl status, or give it more time with --timeout-s:{}",
                        (timeout_ms_ + 999) / 1000, reasons())};
}

CtlFailure CtlCaller::unknown() const {
    return {
        CtlExit::Unknown,
        "the outcome is unknown: it may or may not have happened, or may still happen; look, then decide:" +
            reasons()};
}

std::expected<CtlAnswer, CtlFailure> CtlCaller::call(const CtlRequest& request) {
    may_have_happened_ = false;
    reasons_.clear();
    bool has_begun = false;  // to take a body, of which a second one would be no continuation
    CtlTakeBody take;
    if (request.take) {
        take = [&](std::string_view bytes) {
            has_begun = true;
            return request.take(bytes);
        };
    }
    std::optional<CtlAnswer> second_best;
    std::size_t not_tried = endpoints_.size();
    std::string address = endpoints_[current_];
    for (int hops = 0; left_ms() > 0;) {
        CtlResponse response = network_.ask(address, request.request, attempt_ms(request.effect), take);
        const CtlVerdict verdict = judge(response, request);
        if (verdict.next == Next::Done) {
            CtlAnswer answer{address, std::move(*response)};
            if (!request.is_best || request.is_best(answer.response)) return answer;
            if (!second_best) second_best = std::move(answer);
        } else {
            reasons_[address] =
                response ? fmt::format("{}: {}", address, words_of(*response)) : response.error().text;
        }
        // A refusal says nothing of the request that came before, but for a condition that did not hold: that
        // is the answer to all requests of one Idempotency-Key.
        if (verdict.next == Next::Refused) {
            const bool is_of_this_alone = text_member(*response, "code") != "condition_failed";
            return std::unexpected(may_have_happened_ && is_of_this_alone ? unknown()
                                                                          : refusal(address, *response));
        }
        if (has_begun && verdict.next != Next::Done) {
            return std::unexpected(CtlFailure{
                CtlExit::Unreachable,
                fmt::format("it broke off, and is not complete: {}; try again", reasons_[address])});
        }
        if (verdict.next == Next::Unknown) {
            if (request.effect == CtlEffect::Once) return std::unexpected(unknown());
            may_have_happened_ = true;
        }
        if (verdict.next == Next::AskLeader && ++hops <= kHopsMax) {
            address = verdict.leader;
            continue;
        }
        hops = 0;
        not_tried -= std::min(not_tried, std::size_t{1});
        if (not_tried == 0 && second_best) break;
        if (!advance(address, verdict.is_final)) break;
    }
    if (second_best) return *std::move(second_best);
    return std::unexpected(given_up());
}

std::expected<CtlAnswer, CtlFailure> CtlCaller::call_at(const std::string& address, const CtlRequest& request,
                                                        std::uint64_t time_ms) {
    return CtlCaller({address}, std::min(left_ms(), time_ms), network_).call(request);
}

}  // namespace quorate::server
