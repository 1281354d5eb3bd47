#pragma once

// How quoratectl asks a cluster: one node after the other, and a second time for what may have happened
// already only when it would not happen again.

#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "server/ctl_commands.h"
#include "server/http_message.h"

namespace quorate::server {

/// What it would mean to send a request once more.
enum class CtlEffect : std::uint8_t {
    Nothing,    ///< it reads
    SameAgain,  ///< it has an effect, which a repetition does not add to; as what has an Idempotency-Key
    Once,       ///< a repetition could undo what somebody else has done in between
};

struct CtlVerdict {
    enum class Next : std::uint8_t {
        Done,
        Refused,    ///< by every node
        AskOther,   ///< this one cannot do it now, and has not
        AskLeader,  ///< so, and it knows who can
        Unknown,    ///< it may have happened, or still happen
    };
    Next next = Next::Done;
    std::string leader{};   ///< HOST:PORT
    bool is_final = false;  ///< who answers so will never answer otherwise

    bool operator==(const CtlVerdict&) const = default;
};

using CtlResponse = std::expected<HttpResponse, HttpFailure>;

/// Member `name` of an answer that is a JSON object, when it is a string; else empty.
[[nodiscard]] std::string text_member(const HttpResponse& response, std::string_view name);

/// What a command ends with, and a line for a person: what happened; what to do next.
struct CtlFailure {
    CtlExit exit = CtlExit::Refused;
    std::string text;
};

struct CtlAnswer {
    std::string address;  ///< of who gave it
    HttpResponse response;
};

using CtlTakeBody = std::function<bool(std::string_view bytes)>;

struct CtlRequest {
    HttpRequest request;
    CtlEffect effect = CtlEffect::Nothing;
    /// By this member of its JSON an answer of success shows that it is a node's; where it is empty, by its
    /// Quorate-Revision. There are servers that answer everything with 200.
    std::string_view proof{};
    /// For a body of any length: gets that of a 200 with a Quorate-Revision, which the answer does not have
    /// then.
    CtlTakeBody take{};
    /// Of an answer with a status of success, when not everybody knows the same: whether it is as good as can
    /// be. One that is not is the answer only if all have been asked.
    std::function<bool(const HttpResponse& response)> is_best{};
};

/// What an answer, or none, means for this request.
[[nodiscard]] CtlVerdict judge(const CtlResponse& response, const CtlRequest& request);

/// The way to the network, and a clock that never goes back.
struct CtlNetwork {
    std::function<CtlResponse(std::string_view address, const HttpRequest& request, std::uint64_t time_ms,
                              const CtlTakeBody& take)>
        ask;
    std::function<std::uint64_t()> now_ms;
    std::function<void(std::uint64_t ms)> wait;
};

class CtlCaller {
 public:
    /// `endpoints` are HOST:PORT, at least one. All calls together end within `timeout_ms` from now.
    CtlCaller(std::vector<std::string> endpoints, std::uint64_t timeout_ms, CtlNetwork network);

    /// Until a node has done it or refused it for all. An answer has a status of success.
    [[nodiscard]] std::expected<CtlAnswer, CtlFailure> call(const CtlRequest& request);
    /// The same of this node alone, within `time_ms` at the most.
    [[nodiscard]] std::expected<CtlAnswer, CtlFailure> call_at(const std::string& address,
                                                               const CtlRequest& request,
                                                               std::uint64_t time_ms = UINT64_MAX);

 private:
    [[nodiscard]] std::uint64_t left_ms() const;
    [[nodiscard]] std::uint64_t attempt_ms(CtlEffect effect) const;
    [[nodiscard]] bool advance(std::string& address, bool is_final);
    [[nodiscard]] std::string reasons() const;
    [[nodiscard]] CtlFailure given_up() const;
    [[nodiscard]] CtlFailure unknown() const;

    std::vector<std::string> endpoints_;  ///< without those whose answer is final
    std::uint64_t timeout_ms_;
    CtlNetwork network_;
    std::uint64_t deadline_ms_;
    std::size_t current_ = 0;  ///< the endpoint to ask: the one that has answered last
    std::size_t asked_ = 0;    ///< endpoints, since the last pause
    std::uint64_t pause_ms_ = 0;
    std::map<std::string, std::string> reasons_;  ///< by address: why its last attempt has failed
    bool may_have_happened_ = false;
};

}  // namespace quorate::server
