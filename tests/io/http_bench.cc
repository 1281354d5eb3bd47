// What a request costs before and behind the store: the guard, the parser, the route, the answer's text.
//
//   build/release/bin/http_bench

#include <array>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/check.h"
#include "io/http_server.h"
#include "server/http_answers.h"
#include "server/http_api.h"

namespace quorate::io {
namespace {

const std::string kValue(256, 'v');
const std::string kPut =
    "PUT /kv/user%2F000000000001%2Fprofile HTTP/1.1\r\nHost: 127.0.0.1:7071\r\nUser-Agent: curl/8.5.0\r\n"
    "Accept: */*\r\nContent-Length: 256\r\nContent-Type: application/octet-stream\r\n\r\n" +
    kValue;
constexpr server::ApplyResult kApplied{.revision = 1'000'000, .mod_revision = 1'000'000};

void guard_put(benchmark::State& state) {
    HttpGuard guard({});
    for (auto _ : state) {
        for (std::string_view left = kPut; !left.empty();) {
            const auto progress = guard.feed(left);
            ENGINE_CHECK(progress.accepted > 0);
            left.remove_prefix(progress.accepted);
        }
        ENGINE_CHECK(guard.is_between_messages());
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kPut.size()));
}
BENCHMARK(guard_put);

void route(benchmark::State& state, const server::HttpRequest& request) {
    for (auto _ : state) {
        const auto call = server::parse_call(request, {});
        ENGINE_CHECK(call);
    }
}
const std::vector<server::HttpHeader> kFields{{"Host", "127.0.0.1:7071"}, {"User-Agent", "curl/8.5.0"}};
BENCHMARK_CAPTURE(route, put,
                  server::HttpRequest{"PUT", "/kv/user%2F000000000001%2Fprofile", kFields, kValue});
BENCHMARK_CAPTURE(route, get, server::HttpRequest{"GET", "/kv/user%2F000000000001%2Fprofile", kFields, {}});

void answer_put(benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(server::put_ok(kApplied));
}
BENCHMARK(answer_put);

void answer_get(benchmark::State& state) {
    const server::Record record{kValue, 1, 1'000'000, 2};
    for (auto _ : state) benchmark::DoNotOptimize(server::get_found(record, 1'000'000));
}
BENCHMARK(answer_get);

/// Answers each request at once, as if the store had it.
class Handler final : public HttpHandler {
 public:
    void on_request(server::HttpExchange exchange, const server::HttpRequest& request) override {
        ENGINE_CHECK(server::parse_call(request, {}));
        ++answered;
        server->respond(exchange, server::put_ok(kApplied));
    }
    std::optional<server::HttpResponse> on_upgrade(PeerConnection, const server::HttpRequest&) override {
        return {};
    }
    void on_peer_bytes(PeerConnection, std::string_view) override {}
    void on_peer_closed(PeerConnection) override {}
    void on_trouble(std::string_view) override {}

    HttpServer* server = nullptr;
    std::int64_t answered = 0;
};

/// A socket that is connected to the port of this machine.
int connected(std::uint16_t port) {
    const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ENGINE_CHECK(::connect(client, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    return client;
}

// All of it over a connection, with so many requests sent together: what the sockets cost is divided among
// them.
void serve_puts(benchmark::State& state) {
    Loop loop;
    Handler handler;
    HttpServer server(loop, {}, handler);
    handler.server = &server;
    const auto port = server.listen("127.0.0.1", 0);
    ENGINE_CHECK(port);
    loop.on_turn_end([&server] { server.flush(); });
    const int client = connected(*port);
    std::string requests;
    for (std::int64_t i = 0; i < state.range(0); ++i) requests += kPut;
    std::array<char, 65536> answers{};
    for (auto _ : state) {
        ENGINE_CHECK(::send(client, requests.data(), requests.size(), 0) == std::ssize(requests));
        const std::int64_t end = handler.answered + state.range(0);
        while (handler.answered < end) uv_run(loop.uv(), UV_RUN_ONCE);
        ENGINE_CHECK(::recv(client, answers.data(), answers.size(), 0) > 0);
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
    ::close(client);
}
BENCHMARK(serve_puts)->Arg(1)->Arg(32);

}  // namespace
}  // namespace quorate::io
