#pragma once

// The query of a target: NAME=VALUE, separated by '&'. Names and values are percent-decoded once; a '+' is a
// plus, not a space.

#include <expected>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace quorate::server {

struct QueryParameter {
    std::string name;
    std::string value;

    bool operator==(const QueryParameter&) const = default;
};

class Query {
 public:
    /// `text` is what follows the '?'. An error is a sentence for the client: bad encoding, no '=', an empty
    /// name, a name that is there twice or is none of `known`.
    [[nodiscard]] static std::expected<Query, std::string> parse(
        std::string_view text, std::initializer_list<std::string_view> known);

    /// Null when it is not there.
    [[nodiscard]] const std::string* find(std::string_view name) const;

 private:
    std::vector<QueryParameter> parameters_;
};

}  // namespace quorate::server
