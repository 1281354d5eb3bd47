#include "sim/history_json.h"

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

#include <absl/strings/escaping.h>
#include <nlohmann/json.hpp>

#include "engine/check.h"
#include "server/json_text.h"

namespace quorate::sim {

namespace {

using Scalar = std::variant<std::nullptr_t, std::uint64_t, std::string>;

struct Member {
    std::string name;
    Scalar value;
};

// In the order in which they are written.
constexpr std::array<std::string_view, 11> kMembers{"client",   "kind",         "key",   "key_b64",
                                                    "expected", "expected_b64", "value", "value_b64",
                                                    "call",     "return",       "result"};
constexpr std::string_view kRevisionMember = "rev";

template <typename Enum>
struct Name {
    Enum value;
    std::string_view text;
};
constexpr std::array<Name<OperationKind>, 4> kKinds{{{OperationKind::Put, "put"},
                                                     {OperationKind::Get, "get"},
                                                     {OperationKind::Delete, "delete"},
                                                     {OperationKind::Cas, "cas"}}};
constexpr std::array<Name<Outcome>, 4> kOutcomes{{{Outcome::Ok, "ok"},
                                                  {Outcome::ConditionFailed, "condition_failed"},
                                                  {Outcome::NotApplied, "not_applied"},
                                                  {Outcome::Unknown, "unknown"}}};

bool is_member(std::string_view name) {
    return name == kRevisionMember || std::ranges::find(kMembers, name) != kMembers.end();
}

// Takes one object of null, strings and unsigned numbers, and each of our members at most once.
class FlatObject final : public nlohmann::json_sax<nlohmann::json> {
 public:
    std::vector<Member> members;
    std::string error;

    bool null() override { return take(nullptr); }
    bool number_unsigned(std::uint64_t number) override { return take(number); }
    bool string(std::string& text) override { return take(std::move(text)); }
    bool boolean(bool /*value*/) override { return fail_member("true and false have no meaning here"); }
    bool number_integer(std::int64_t /*value*/) override { return fail_member("negative"); }
    bool number_float(double /*value*/, const std::string& text) override {
        return fail_member(text + " is no whole number from 0 to 18446744073709551615");
    }
    bool binary(nlohmann::json::binary_t& /*value*/) override { return fail("binary"); }
    bool start_object(std::size_t /*count*/) override {
        if (std::exchange(is_open_, true)) return fail_member("an object has no meaning here");
        return true;
    }
    bool end_object() override { return true; }
    bool start_array(std::size_t /*count*/) override {
        return is_open_ ? fail_member("an array has no meaning here") : fail("not an object");
    }
    bool end_array() override { return true; }
    bool key(std::string& name) override {
        if (!is_member(name)) return fail("unknown member " + display(std::string_view(name)));
        if (std::ranges::find(members, name, &Member::name) != members.end()) return fail(name + ": twice");
        members.push_back({std::move(name), nullptr});
        return true;
    }
    bool parse_error(std::size_t position, const std::string& /*last*/,
                     const nlohmann::detail::exception& /*why*/) override {
        return fail("not JSON at byte " + std::to_string(position));
    }

 private:
    bool take(Scalar value) {
        if (!is_open_) return fail("not an object");
        members.back().value = std::move(value);
        return true;
    }
    bool fail(std::string message) {
        error = std::move(message);
        return false;
    }
    bool fail_member(const std::string& message) {
        return fail(is_open_ ? members.back().name + ": " + message : "not an object");
    }

    bool is_open_ = false;
};

// The members of one line. What is wrong first is kept as the error; after that, the answers have no meaning.
class Members {
 public:
    explicit Members(std::vector<Member> members) : members_(std::move(members)) {}

    [[nodiscard]] const std::string& error() const { return error_; }

    std::uint64_t number(std::string_view name) {
        const std::optional<std::uint64_t> found = number_or_null(name);
        if (!found) fail(std::string(name) + ": null");
        return found.value_or(0);
    }

    std::optional<std::uint64_t> number_or_null(std::string_view name) {
        const Scalar* found = find(name);
        if (found == nullptr) {
            fail(std::string(name) + ": missing");
            return std::nullopt;
        }
        if (const auto* number = std::get_if<std::uint64_t>(found)) return *number;
        if (!std::holds_alternative<std::nullptr_t>(*found)) fail(std::string(name) + ": not a number");
        return std::nullopt;
    }

    template <typename Enum, std::size_t Count>
    Enum one_of(std::string_view name, const std::array<Name<Enum>, Count>& names) {
        const Scalar* found = find(name);
        const auto* text = found == nullptr ? nullptr : std::get_if<std::string>(found);
        if (text != nullptr) {
            const auto* known = std::ranges::find(names, std::string_view(*text), &Name<Enum>::text);
            if (known != names.end()) return known->value;
        }
        std::string allowed;
        for (const Name<Enum>& each : names) allowed.append(allowed.empty() ? "" : ", ").append(each.text);
        fail(std::string(name) + (found == nullptr ? ": missing" : ": none of " + allowed));
        return names.front().value;
    }

    // "name" or "name_b64"; nothing when it is null.
    std::optional<std::string> bytes_or_null(const std::string& name) {
        const std::string name_b64 = name + "_b64";
        const Scalar* plain = find(name);
        const Scalar* base64 = find(name_b64);
        if (plain != nullptr && base64 != nullptr) fail(name + ": beside " + name_b64);
        if (plain == nullptr && base64 == nullptr) fail(name + ": missing");
        if (plain != nullptr) {
            if (const auto* text = std::get_if<std::string>(plain)) return *text;
            if (!std::holds_alternative<std::nullptr_t>(*plain)) fail(name + ": not a string");
        }
        if (base64 != nullptr) {
            const auto* text = std::get_if<std::string>(base64);
            std::string bytes;
            // Encoded again, since the decoder forgives blanks and a missing end.
            if (text != nullptr && absl::Base64Unescape(*text, &bytes) &&
                absl::Base64Escape(bytes) == *text) {
                return bytes;
            }
            fail(name_b64 + ": not base64");
        }
        return std::nullopt;
    }

    [[nodiscard]] bool has(std::string_view name) const { return find(name) != nullptr; }
    [[nodiscard]] bool has_bytes(const std::string& name) const { return has(name) || has(name + "_b64"); }

    void fail(std::string message) {
        if (error_.empty()) error_ = std::move(message);
    }

 private:
    [[nodiscard]] const Scalar* find(std::string_view name) const {
        const auto found = std::ranges::find(members_, name, &Member::name);
        return found == members_.end() ? nullptr : &found->value;
    }

    std::vector<Member> members_;
    std::string error_;
};

std::expected<std::vector<Member>, std::string> parse_members(std::string_view line) {
    if (line.size() > kHistoryLineBytesMax) {
        return std::unexpected("longer than " + std::to_string(kHistoryLineBytesMax) + " bytes");
    }
    if (line.empty()) return std::unexpected("empty");
    // The parser skips a byte order mark, and takes a NUL byte for the end.
    if (line.front() != '{') return std::unexpected("does not begin with {");
    if (line.contains('\0')) return std::unexpected("holds a NUL byte");
    FlatObject object;
    if (!nlohmann::json::sax_parse(line, &object)) return std::unexpected(object.error);
    return std::move(object.members);
}

bool has_value(const Operation& operation) {
    switch (operation.kind) {
        case OperationKind::Put:
        case OperationKind::Cas: return true;
        case OperationKind::Get: return operation.outcome == Outcome::Ok;
        case OperationKind::Delete: return false;
    }
    std::unreachable();
}

void append_bytes(std::string& out, std::string_view name, const std::optional<std::string>& bytes) {
    out.append(",\"").append(name);
    if (!bytes) {
        out.append("\":null");
    } else if (server::is_utf8(*bytes)) {
        out.append("\":");
        server::append_json_string(out, *bytes);
    } else {
        out.append("_b64\":\"").append(absl::Base64Escape(*bytes)).push_back('"');
    }
}

template <typename Enum, std::size_t Count>
std::string_view name_of(Enum value, const std::array<Name<Enum>, Count>& names) {
    const auto* found = std::ranges::find(names, value, &Name<Enum>::value);
    ENGINE_CHECK(found != names.end());
    return found->text;
}

}  // namespace

std::expected<Operation, std::string> parse_operation(std::string_view line) {
    auto parsed = parse_members(line);
    if (!parsed) return std::unexpected(std::move(parsed.error()));
    Members members(std::move(*parsed));

    Operation operation;
    operation.client = members.number("client");
    operation.kind = members.one_of("kind", kKinds);
    operation.call = members.number("call");
    operation.ret = members.number_or_null("return");
    operation.outcome = operation.ret ? Outcome::Ok : Outcome::Unknown;
    if (members.has("result")) operation.outcome = members.one_of("result", kOutcomes);
    if (members.has(kRevisionMember)) operation.revision = members.number(kRevisionMember);

    std::optional<std::string> key = members.bytes_or_null("key");
    if (!key) members.fail("key: null");
    operation.key = std::move(key).value_or("");
    const bool is_cas = operation.kind == OperationKind::Cas;
    if (is_cas) operation.expected = members.bytes_or_null("expected");
    if (!is_cas && members.has_bytes("expected")) members.fail("expected: only a cas expects a value");
    if (has_value(operation)) operation.value = members.bytes_or_null("value");
    if (!has_value(operation) && members.has_bytes("value")) members.fail("value: there can be no value");
    if (!members.error().empty()) return std::unexpected(members.error());
    if (auto fault = fault_of(operation)) return std::unexpected(std::move(*fault));
    return operation;
}

std::expected<std::vector<Operation>, HistoryError> parse_history(std::string_view text) {
    if (text.empty()) return std::unexpected(HistoryError{1, "no operation: there is nothing to judge"});
    std::vector<Operation> history;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::size_t line = history.size() + 1;
        if (line > kHistoryOperationsMax) {
            return std::unexpected(
                HistoryError{line, "more than " + std::to_string(kHistoryOperationsMax) + " operations"});
        }
        auto operation = parse_operation(text.substr(0, end));
        if (!operation) return std::unexpected(HistoryError{line, std::move(operation.error())});
        history.push_back(std::move(*operation));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return history;
}

void append_operation(std::string& out, const Operation& operation) {
    ENGINE_CHECK(!fault_of(operation));
    out.append(R"({"client":)").append(std::to_string(operation.client));
    out.append(R"(,"kind":")").append(name_of(operation.kind, kKinds)).push_back('"');
    append_bytes(out, "key", operation.key);
    if (operation.kind == OperationKind::Cas) append_bytes(out, "expected", operation.expected);
    if (has_value(operation)) append_bytes(out, "value", operation.value);
    out.append(",\"call\":").append(std::to_string(operation.call));
    out.append(",\"return\":").append(operation.ret ? std::to_string(*operation.ret) : "null");
    out.append(R"(,"result":")").append(name_of(operation.outcome, kOutcomes)).push_back('"');
    if (operation.revision) out.append(",\"rev\":").append(std::to_string(*operation.revision));
    out.append("}\n");
}

std::string render_history(std::span<const Operation> history) {
    std::string text;
    for (const Operation& operation : history) append_operation(text, operation);
    return text;
}

}  // namespace quorate::sim
