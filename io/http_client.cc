#include "io/http_client.h"

#include <utility>

#include <curl/curl.h>
#include <fmt/format.h>

#include "engine/check.h"

namespace quorate::io {

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

struct Received {
    HttpResponse response;
    std::size_t body_bytes_max = 0;
};

std::size_t take_body(char* bytes, std::size_t, std::size_t count, void* to) {
    auto& [response, body_bytes_max] = *static_cast<Received*>(to);
    if (response.body.size() + count > body_bytes_max) return 0;  // which ends the request
    response.body.append(bytes, count);
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

}  // namespace

HttpClient::HttpClient(const Limits& limits) : limits_(limits), handle_(std::make_unique<Handle>()) {
    ENGINE_CHECK(handle_->curl != nullptr);
}

HttpClient::~HttpClient() = default;

std::expected<HttpResponse, std::string> HttpClient::request(std::string_view address,
                                                             const HttpRequest& request) {
    CURL* curl = handle_->curl;
    curl_easy_reset(curl);
    Received received{{}, limits_.body_bytes_max};
    const std::string url = fmt::format("http://{}{}", address, request.target);
    curl_slist* headers = nullptr;
    // Without a body there is nothing to wait for, and curl's own ones mean nothing here.
    for (const char* without : {"Expect:", "Content-Type:"}) headers = curl_slist_append(headers, without);
    for (const HttpHeader& header : request.headers)
        headers = curl_slist_append(headers, fmt::format("{}: {}", header.name, header.value).c_str());

    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(limits_.connect_ms));
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(limits_.request_ms));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &received);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &received);
    if (request.method == "PUT" || request.method == "POST") {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.c_str());
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    const CURLcode code = curl_easy_perform(curl);
    curl_slist_free_all(headers);
    if (code != CURLE_OK) return std::unexpected(fmt::format("{}: {}", address, curl_easy_strerror(code)));
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    received.response.status = static_cast<int>(status);
    return std::move(received.response);
}

}  // namespace quorate::io
