#include "server/query.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "server/percent.h"

namespace quorate::server {

namespace {

std::string list_of(std::initializer_list<std::string_view> known) {
    return known.size() == 0 ? "this route takes none"
                             : fmt::format("this route takes {}", fmt::join(known, ", "));
}

std::expected<QueryParameter, std::string> parse_parameter(std::string_view piece) {
    const std::size_t equals = piece.find('=');
    if (equals == 0 || equals == std::string_view::npos) {
        return std::unexpected("the query must be NAME=VALUE, separated by single '&'");
    }
    std::optional<std::string> name = percent_decode(piece.substr(0, equals));
    std::optional<std::string> value = percent_decode(piece.substr(equals + 1));
    if (!name || !value) return std::unexpected("the query has a '%' that two hex digits do not follow");
    return QueryParameter{std::move(*name), std::move(*value)};
}

}  // namespace

std::expected<Query, std::string> Query::parse(std::string_view text,
                                               std::initializer_list<std::string_view> known) {
    Query query;
    while (!text.empty()) {
        const std::size_t separator = text.find('&');
        auto parameter = parse_parameter(text.substr(0, separator));
        if (!parameter) return std::unexpected(std::move(parameter.error()));
        if (std::ranges::find(known, parameter->name) == known.end()) {
            return std::unexpected(fmt::format("unknown query parameter '{}': {}",
                                               percent_encode(parameter->name), list_of(known)));
        }
        if (query.find(parameter->name) != nullptr) {
            return std::unexpected(fmt::format("the query parameter '{}' is there twice", parameter->name));
        }
        query.parameters_.push_back(std::move(*parameter));
        if (separator == std::string_view::npos) break;
        text.remove_prefix(separator + 1);
        if (text.empty()) return std::unexpected("the query ends in '&'");
    }
    return query;
}

const std::string* Query::find(std::string_view name) const {
    const auto found = std::ranges::find(parameters_, name, &QueryParameter::name);
    return found == parameters_.end() ? nullptr : &found->value;
}

}  // namespace quorate::server
