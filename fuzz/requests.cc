// What a client asks for: targets, headers, batch bodies. Whatever comes is a call within the limits or a
// well-formed refusal, and a write that was accepted can be logged, read back and applied.
//
// Input: METHOD SP target LF (header name ':' value LF)* LF body.

#include <nlohmann/json.hpp>

#include "fuzz/fuzz.h"
#include "server/http_api.h"
#include "server/members.h"
#include "server/percent.h"

namespace quorate::fuzz {
namespace {

// Small, so that inputs of a few bytes reach them.
const server::ApiLimits kLimits{.key_bytes_max = 16,
                                .value_bytes_max = 64,
                                .batch_bytes_max = 256,
                                .batch_operations_max = 8,
                                .range_bytes_max = 64};

std::string_view take_through(std::string_view& text, char end) {
    const std::size_t at = text.find(end);
    const std::string_view taken = text.substr(0, at);
    text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
    return taken;
}

server::HttpRequest request_of(std::string_view input) {
    server::HttpRequest request;
    request.method = take_through(input, ' ');
    request.target = take_through(input, '\n');
    while (!input.empty()) {
        std::string_view line = take_through(input, '\n');
        if (line.empty()) break;
        const std::string_view name = take_through(line, ':');
        request.headers.push_back({std::string(name), std::string(line)});
    }
    request.body = input;
    return request;
}

void require_key(const std::string& key) {
    FUZZ_REQUIRE(!key.empty() && key.size() <= kLimits.key_bytes_max);
    FUZZ_REQUIRE(server::percent_decode(server::percent_encode(key)) == key);
}

void require_command(const server::Command& command) {
    FUZZ_REQUIRE(!command.operations.empty() && command.operations.size() <= kLimits.batch_operations_max);
    FUZZ_REQUIRE(command.condition.revisions.size() <= server::kConditionRevisionsMax);
    for (const server::Operation& operation : command.operations) {
        require_key(operation.key);
        FUZZ_REQUIRE(operation.value.size() <= kLimits.value_bytes_max);
    }
    FUZZ_REQUIRE(server::decode_command(server::encode_command(command)) == command);

    server::StateMachine store;
    const server::ApplyResult first = store.apply(command);
    server::StateMachine other;
    FUZZ_REQUIRE(other.apply(command) == first);
    FUZZ_REQUIRE(store == other && store.digest() == other.digest());
}

struct RequireWithinLimits {
    void operator()(const server::PutCall& call) const { require_command(call.command); }
    void operator()(const server::DeleteCall& call) const { require_command(call.command); }
    void operator()(const server::BatchCall& call) const { require_command(call.command); }
    void operator()(const server::GetCall& call) const { require_key(call.key); }
    void operator()(const server::RangeCall& call) const {
        FUZZ_REQUIRE(call.range.limit >= 1 && call.range.limit <= server::kRangeLimitMax);
    }
    template <class Other>
    void operator()(const Other&) const {}
};

void require_refusal(const server::HttpResponse& response) {
    FUZZ_REQUIRE(response.status >= 400 && response.status < 600);
    const nlohmann::json problem = nlohmann::json::parse(response.body, nullptr, false);
    FUZZ_REQUIRE(problem.is_object() && problem.value("status", 0) == response.status);
}

// What the log and the peers hand to these decoders has passed a checksum, which proves no good will.
void require_total_decoders(std::string_view bytes) {
    if (const auto command = server::decode_command(bytes)) {
        FUZZ_REQUIRE(server::decode_command(server::encode_command(*command)) == command);
    }
    if (const auto members = server::decode_members(bytes)) {
        FUZZ_REQUIRE(server::decode_members(server::encode_members(*members)) == members);
    }
}

}  // namespace
}  // namespace quorate::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    namespace fuzz = quorate::fuzz;
    namespace server = quorate::server;
    const server::HttpRequest request = fuzz::request_of({reinterpret_cast<const char*>(data), size});
    const auto call = server::parse_call(request, fuzz::kLimits);
    if (call) {
        std::visit(fuzz::RequireWithinLimits(), call->call);
    } else {
        fuzz::require_refusal(call.error());
    }
    fuzz::require_total_decoders(request.body);
    return 0;
}
