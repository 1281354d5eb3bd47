#include "server/http_message.h"

#include <algorithm>

namespace quorate::server {

namespace {

// Header names are ASCII, and so is their case.
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

const std::string* first(const std::vector<HttpHeader>& headers, std::string_view name) {
    const auto found =
        std::ranges::find_if(headers, [&](const HttpHeader& header) { return header.is(name); });
    return found == headers.end() ? nullptr : &found->value;
}

}  // namespace

bool HttpHeader::is(std::string_view other) const {
    return std::ranges::equal(name, other, {}, lower, lower);
}

const std::string* HttpRequest::header(std::string_view name) const { return first(headers, name); }

const std::string* HttpResponse::header(std::string_view name) const { return first(headers, name); }

}  // namespace quorate::server
