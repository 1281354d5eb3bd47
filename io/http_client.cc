#include "io/http_client.h"

#include <utility>

#include <curl/curl.h>
#include <fmt/format.h>

#include "engine/check.h"

namespace quorate::io {

using server::HttpFailure;
using server::HttpHeader;
using server::HttpRequest;
using server::HttpResponse;

struct HttpClient::Handle {
    CURL* curl = curl_easy_init();
    Handle() = default;
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    ~Handle() { curl_easy_cleanup(curl); }
};

namespace {

constexpr long kStreamBytesPerSecondMin = 1;
/// A server that will refuse a body of this size by its length alone closes the connection while it is being
/// sent, and the answer may be lost with it: so it is asked first.
constexpr std::size_t kAskBeforeBodyBytes = std::size_t{1} << 20;

struct Received {
    CURL* curl = nullptr;
    std::size_t body_bytes_max = 0;
    const HttpClient::TakeBody* take = nullptr;
    HttpResponse response{};
    bool is_too_large = false;
};

int status_of(CURL* curl) {
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    return static_cast<int>(status);
}

// What is not all of `count` ends the request.
std::size_t take_body(char* bytes, std::size_t, std::size_t count, void* to) {
    Received& received = *static_cast<Received*>(to);
    if (received.take != nullptr && status_of(received.curl) == 200 &&
        received.response.header("Quorate-Revision") != nullptr)
        return (*received.take)({bytes, count}) ? count : 0;
    received.is_too_large = received.response.body.size() + count > received.body_bytes_max;
    if (received.is_too_large) return 0;
    received.response.body.append(bytes, count);
    return count;
}

std::size_t take_header(char* bytes, std::size_t, std::size_t count, void* to) {
    std::string_view line(bytes, count);
    while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
    auto& headers = static_cast<Received*>(to)->response.headers;
    if (line.starts_with("HTTP/")) headers.clear();  // of an interim answer
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return count;
    std::string_view value = line.substr(colon + 1);
    while (value.starts_with(' ')) value.remove_prefix(1);
    headers.push_back({std::string(line.substr(0, colon)), std::string(value)});
    return count;
}

curl_slist* header_lines(const HttpRequest& request) {
    // curl's own ones mean nothing here.
    curl_slist* lines = curl_slist_append(nullptr, "Content-Type:");
    const bool asks_before = request.body.size() > kAskBeforeBodyBytes;
    lines = curl_slist_append(lines, asks_before ? "Expect: 100-continue" : "Expect:");
    for (const HttpHeader& header : request.headers)
        lines = curl_slist_append(lines, fmt::format("{}: {}", header.name, header.value).c_str());
    return lines;
}

void set_times(CURL* curl, const HttpClient::Limits& limits, bool is_stream) {
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(limits.connect_ms));
    if (is_stream) {
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, kStreamBytesPerSecondMin);
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>((limits.request_ms + 999) / 1000));
    } else {
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(limits.request_ms));
    }
}

void set_method(CURL* curl, const HttpRequest& request) {
    if (request.method == "PUT" || request.method == "POST") {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.c_str());
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    // On a connection that was kept, and breaks before an answer has begun, libcurl sends the request again
    // by itself: a write that has been carried out would be carried out twice.
    if (request.method != "GET") curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
}

HttpFailure failure(CURL* curl, CURLcode code, std::string_view address, const Received& received) {
    // The bytes of all that was sent, the request's head included.
    long sent_bytes = 0;
    curl_easy_getinfo(curl, CURLINFO_REQUEST_SIZE, &sent_bytes);
    const std::string_view why =
        received.is_too_large ? "the answer is longer than expected" : curl_easy_strerror(code);
    return {sent_bytes == 0 ? HttpFailure::Sent::Never : HttpFailure::Sent::Maybe,
            fmt::format("{}: {}", address, why)};
}

}  // namespace

HttpClient::HttpClient(const Limits& limits) : limits_(limits), handle_(std::make_unique<Handle>()) {
    ENGINE_CHECK(handle_->curl != nullptr);
}

HttpClient::~HttpClient() = default;

HttpClient::Answer HttpClient::request(std::string_view address, const HttpRequest& request) {
    return this->request(address, request, nullptr);
}

HttpClient::Answer HttpClient::request(std::string_view address, const HttpRequest& request,
                                       const TakeBody& take) {
    CURL* curl = handle_->curl;
    curl_easy_reset(curl);
    Received received{curl, limits_.body_bytes_max, take ? &take : nullptr};
    const std::string url = fmt::format("http://{}{}", address, request.target);
    curl_slist* headers = header_lines(request);
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &received);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &received);
    set_times(curl, limits_, received.take != nullptr);
    set_method(curl, request);
    const CURLcode code = curl_easy_perform(curl);
    curl_slist_free_all(headers);
    if (code != CURLE_OK) return std::unexpected(failure(curl, code, address, received));
    received.response.status = status_of(curl);
    return std::move(received.response);
}

}  // namespace quorate::io
