#include "sim/history.h"

#include <utility>

namespace quorate::sim {

namespace {

constexpr std::size_t kDisplayBytesMax = 40;

std::string display_request(const Operation& operation) {
    switch (operation.kind) {
        case OperationKind::Put: return "put " + display(operation.value);
        case OperationKind::Get:
            return operation.outcome == Outcome::Ok ? "get -> " + display(operation.value) : "get";
        case OperationKind::Delete: return "delete";
        case OperationKind::Cas:
            return "cas " + display(operation.expected) + " -> " + display(operation.value);
    }
    std::unreachable();
}

}  // namespace

std::optional<std::string> fault_of(const Operation& operation) {
    const bool is_get = operation.kind == OperationKind::Get;
    const bool is_cas = operation.kind == OperationKind::Cas;
    const bool writes_value = operation.kind == OperationKind::Put || is_cas;
    const bool ok = operation.outcome == Outcome::Ok;
    if (operation.ret && *operation.ret < operation.call) return "it returned before it was called";
    if (operation.ret.has_value() == (operation.outcome == Outcome::Unknown)) {
        return "the outcome is unknown exactly when there is no time of return";
    }
    if (operation.outcome == Outcome::ConditionFailed && !is_cas) return "only a cas has a condition";
    if (writes_value && !operation.value) return "there is no value to write";
    if (!writes_value && operation.value && !(is_get && ok)) return "there can be no value";
    if (operation.expected && !is_cas) return "only a cas expects a value";
    if (operation.revision && !ok) return "only what is done has a revision";
    if (operation.revision == 0 && operation.value) return "the first revision is 1";
    return std::nullopt;
}

std::string display(std::string_view bytes) {
    constexpr std::string_view kHex = "0123456789abcdef";
    std::string text = "\"";
    for (const char c : bytes.substr(0, kDisplayBytesMax)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte >= 0x7F || c == '"' || c == '\\') {
            text.append("\\x");
            text.push_back(kHex[byte >> 4U]);
            text.push_back(kHex[byte & 0xFU]);
        } else {
            text.push_back(c);
        }
    }
    text.push_back('"');
    if (bytes.size() > kDisplayBytesMax) text.append("... of " + std::to_string(bytes.size()) + " bytes");
    return text;
}

std::string display(const std::optional<std::string>& value) {
    return value ? display(std::string_view(*value)) : "absent";
}

std::string display(const Operation& operation) {
    std::string text = display_request(operation);
    switch (operation.outcome) {
        case Outcome::Ok: break;
        case Outcome::ConditionFailed: text.append(": condition failed"); break;
        case Outcome::NotApplied: text.append(": not applied"); break;
        case Outcome::Unknown: text.append(": unknown"); break;
    }
    if (operation.revision) text.append(" at revision " + std::to_string(*operation.revision));
    return text;
}

}  // namespace quorate::sim
