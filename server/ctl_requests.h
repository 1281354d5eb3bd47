#pragma once

// What quoratectl's commands ask for, as requests (docs/http.md). An error is bad usage, in words.

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "server/ctl_call.h"
#include "server/ctl_commands.h"

namespace quorate::server {

using CtlRequestOrMistake = std::expected<CtlRequest, std::string>;

[[nodiscard]] CtlRequestOrMistake get_request(const CtlLine& line);
[[nodiscard]] CtlRequestOrMistake put_request(const CtlLine& line, std::string value);
[[nodiscard]] CtlRequestOrMistake del_request(const CtlLine& line);
[[nodiscard]] CtlRequest batch_request(std::string lines);
/// Names when a client has begun; and a write of that client, known by its key, may then be sent again until
/// it is answered (docs/http.md, Exactly once).
[[nodiscard]] CtlRequest session_request();
[[nodiscard]] CtlRequest repeatable(CtlRequest write, std::string key, std::uint64_t session);
/// Add, remove, promote and move.
[[nodiscard]] CtlRequestOrMistake member_request(const CtlLine& line);
[[nodiscard]] CtlRequestOrMistake transfer_request(const CtlLine& line);
[[nodiscard]] CtlRequest snapshot_request();
[[nodiscard]] CtlRequest backup_request(const CtlLine& line, CtlTakeBody take);
/// A read of `target`, and its proof.
[[nodiscard]] CtlRequest read_request(std::string target, std::string_view proof = {});

/// The pages of a range, one after the other.
struct CtlRange {
    std::string bounds{};                ///< what each page's query has, and begins with "?"
    std::optional<std::string> after{};  ///< encoded
    std::string revision{};              ///< of all pages; empty: the present
    std::uint64_t left = 0;              ///< so many keys more at the most
    bool is_pinned = true;               ///< the first page's revision is that of all
    bool is_limited = false;             ///< by the user: there may be more
    bool has_values = true;
};
[[nodiscard]] std::expected<CtlRange, std::string> parse_range(const CtlLine& line);
[[nodiscard]] CtlRequest page_request(const CtlRange& range);

}  // namespace quorate::server
