#include "server/batch.h"

#include <utility>

#include <fmt/format.h>

namespace quorate::server {

namespace {

std::expected<Operation, std::string> parse_line(std::string_view line, const BatchLimits& limits) {
    if (line.empty()) return std::unexpected("is empty");
    if (line.ends_with('\r')) {
        return std::unexpected(
            "ends in CR: lines end in LF alone, and a value that ends in CR needs a PUT of its own");
    }
    const bool is_put = line.starts_with("PUT ");
    if (!is_put && !line.starts_with("DEL "))
        return std::unexpected("is neither 'PUT <key> <value>' nor 'DEL <key>'");
    line.remove_prefix(4);

    const std::size_t space = line.find(' ');
    const std::string_view key = line.substr(0, space);
    if (key.empty()) return std::unexpected("has an empty key");
    if (key.size() > limits.key_bytes_max) {
        return std::unexpected(
            fmt::format("has a key of {} bytes, at most {}", key.size(), limits.key_bytes_max));
    }
    if (!is_put) {
        if (space != std::string_view::npos) return std::unexpected("has something behind the key of a DEL");
        return Operation{Operation::Kind::Delete, std::string(key), {}};
    }
    if (space == std::string_view::npos) {
        return std::unexpected("has no value: a space follows the key, even when the value is empty");
    }
    const std::string_view value = line.substr(space + 1);
    if (value.size() > limits.value_bytes_max) {
        return std::unexpected(
            fmt::format("has a value of {} bytes, at most {}", value.size(), limits.value_bytes_max));
    }
    return Operation{Operation::Kind::Put, std::string(key), std::string(value)};
}

}  // namespace

std::expected<Command, std::string> parse_batch(std::string_view body, const BatchLimits& limits) {
    if (body.empty()) return std::unexpected("the batch is empty: it needs at least one line");
    Command command;
    for (std::size_t number = 1; !body.empty(); ++number) {
        if (number > limits.operations_max) {
            return std::unexpected(
                fmt::format("line {}: a batch has at most {} lines", number, limits.operations_max));
        }
        const std::size_t end = body.find('\n');
        auto operation = parse_line(body.substr(0, end), limits);
        if (!operation) return std::unexpected(fmt::format("line {} {}", number, operation.error()));
        command.operations.push_back(std::move(*operation));
        body.remove_prefix(end == std::string_view::npos ? body.size() : end + 1);
    }
    return command;
}

}  // namespace quorate::server
