#include "server/problem.h"

#include <nlohmann/json.hpp>

#include "server/json_text.h"

namespace quorate::server {

std::string_view reason_phrase(int status) {
    switch (status) {
        case 100: return "Continue";
        case 101: return "Switching Protocols";
        case 200: return "OK";
        case 400: return "Bad Request";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 408: return "Request Timeout";
        case 409: return "Conflict";
        case 410: return "Gone";
        case 411: return "Length Required";
        case 412: return "Precondition Failed";
        case 413: return "Content Too Large";
        case 414: return "URI Too Long";
        case 415: return "Unsupported Media Type";
        case 421: return "Misdirected Request";
        case 422: return "Unprocessable Content";
        case 426: return "Upgrade Required";
        case 429: return "Too Many Requests";
        case 431: return "Request Header Fields Too Large";
        case 500: return "Internal Server Error";
        case 501: return "Not Implemented";
        case 503: return "Service Unavailable";
        case 505: return "HTTP Version Not Supported";
        case 507: return "Insufficient Storage";
        default: return "Error";
    }
}

HttpResponse problem(int status, std::string_view code, std::string_view detail,
                     const ProblemExtras& extras) {
    nlohmann::ordered_json json{{"type", "about:blank"},
                                {"title", reason_phrase(status)},
                                {"status", status},
                                {"detail", detail},
                                {"code", code}};
    for (const auto& [name, value] : extras) {
        json[name] = value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json();
    }
    return {status, {{"Content-Type", "application/problem+json"}}, json_line(json)};
}

HttpResponse retryable_problem(int status, std::string_view code, std::string_view detail,
                               int retry_after_s) {
    HttpResponse response = problem(status, code, detail);
    response.headers.push_back({"Retry-After", std::to_string(retry_after_s)});
    return response;
}

}  // namespace quorate::server
