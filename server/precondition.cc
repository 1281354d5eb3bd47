#include "server/precondition.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "server/decimal.h"

namespace quorate::server {

namespace {

std::string_view without_spaces_around(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

struct EntityTag {
    bool is_weak = false;
    std::string_view opaque;  ///< without its quotes
};

// Takes one tag off the front of `text`.
std::optional<EntityTag> take_tag(std::string_view& text) {
    EntityTag tag;
    tag.is_weak = text.starts_with("W/");
    if (tag.is_weak) text.remove_prefix(2);
    if (!text.starts_with('"')) return std::nullopt;
    const std::size_t end = text.find('"', 1);
    if (end == std::string_view::npos) return std::nullopt;
    tag.opaque = text.substr(1, end - 1);
    const auto is_tag_character = [](char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7F; };
    if (!std::ranges::all_of(tag.opaque, is_tag_character)) return std::nullopt;
    text.remove_prefix(end + 1);
    return tag;
}

// As etag_of() writes it and in no other way.
std::optional<std::uint64_t> revision_of(std::string_view opaque) {
    return opaque.starts_with('0') ? std::nullopt : parse_decimal(opaque);
}

// RFC 9110 section 5.6.1: tags between commas; empty elements do not count.
std::optional<Condition> parse_tags(std::string_view text, Condition::Kind kind) {
    Condition condition{kind, {}};
    std::size_t tags = 0;
    while (!text.empty()) {
        if (!text.starts_with(',')) {
            const auto tag = take_tag(text);
            if (!tag || ++tags > kConditionRevisionsMax) return std::nullopt;
            const auto revision = revision_of(tag->opaque);
            const bool may_match = !tag->is_weak || kind == Condition::Kind::RevisionNotIn;
            if (revision && may_match) condition.revisions.push_back(*revision);
        }
        text = without_spaces_around(text);
        if (text.empty()) break;
        if (!text.starts_with(',')) return std::nullopt;
        text = without_spaces_around(text.substr(1));
    }
    if (tags == 0) return std::nullopt;
    return condition;
}

}  // namespace

std::expected<Condition, std::string> parse_precondition(const HttpRequest& request) {
    const auto count = [&](std::string_view name) {
        return std::ranges::count_if(request.headers,
                                     [&](const HttpHeader& header) { return header.is(name); });
    };
    const auto if_match = count("If-Match");
    const auto if_none_match = count("If-None-Match");
    if (if_match + if_none_match == 0) return Condition{};
    if (if_match + if_none_match > 1)
        return std::unexpected("If-Match and If-None-Match: only one of them, and once");

    const bool is_match = if_match == 1;
    const std::string_view name = is_match ? "If-Match" : "If-None-Match";
    const std::string_view value = without_spaces_around(*request.header(name));
    if (value == "*") return Condition{is_match ? Condition::Kind::Exists : Condition::Kind::Absent, {}};
    auto condition =
        parse_tags(value, is_match ? Condition::Kind::RevisionIn : Condition::Kind::RevisionNotIn);
    if (!condition) {
        return std::unexpected(
            fmt::format("{} is neither * nor 1 to {} ETags in double quotes, separated by commas", name,
                        kConditionRevisionsMax));
    }
    return *std::move(condition);
}

std::string etag_of(std::uint64_t mod_revision) { return fmt::format("\"{}\"", mod_revision); }

}  // namespace quorate::server
