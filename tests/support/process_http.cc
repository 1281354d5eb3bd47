#include "tests/support/process_http.h"

#include <algorithm>
#include <cctype>
#include <stdexcept>

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace quorate::test {

namespace {

constexpr int kSilenceSecondsMax = 20;

std::size_t on_body(char* bytes, std::size_t size, std::size_t count, void* reply) {
    static_cast<Reply*>(reply)->body.append(bytes, size * count);
    return size * count;
}

std::size_t on_header(char* bytes, std::size_t size, std::size_t count, void* reply) {
    const std::string_view line(bytes, size * count);
    if (const std::size_t colon = line.find(':'); colon != std::string_view::npos) {
        std::string name(line.substr(0, colon));
        std::ranges::transform(name, name.begin(),
                               [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        std::string_view value = line.substr(colon + 1);
        value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
        value.remove_suffix(value.size() - (value.find_last_not_of("\r\n") + 1));
        static_cast<Reply*>(reply)->headers.emplace_back(std::move(name), value);
    }
    return size * count;
}

}  // namespace

std::string Reply::header(std::string_view name) const {
    const auto found = std::ranges::find(headers, name, &std::pair<std::string, std::string>::first);
    return found == headers.end() ? std::string() : found->second;
}

HttpClient::HttpClient(Connections connections, std::chrono::milliseconds timeout) {
    static const CURLcode initialised = curl_global_init(CURL_GLOBAL_ALL);
    curl_ = curl_easy_init();
    if (initialised != CURLE_OK || curl_ == nullptr) throw std::runtime_error("libcurl does not start");
    curl_easy_setopt(curl_, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl_, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl_, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl_, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout.count()));
    curl_easy_setopt(curl_, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl_, CURLOPT_HEADERFUNCTION, on_header);
    if (connections == Connections::Fresh) curl_easy_setopt(curl_, CURLOPT_FORBID_REUSE, 1L);
}

HttpClient::~HttpClient() { curl_easy_cleanup(curl_); }

Reply HttpClient::request(const std::string& method, const std::string& address, const std::string& target,
                          std::optional<std::string_view> body, const std::vector<std::string>& headers) {
    Reply reply;
    curl_slist* lines = nullptr;
    for (const std::string& header : headers) lines = curl_slist_append(lines, header.c_str());
    const std::string url = "http://" + address + target;
    curl_easy_setopt(curl_, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl_, CURLOPT_HTTPHEADER, lines);
    curl_easy_setopt(curl_, CURLOPT_WRITEDATA, &reply);
    curl_easy_setopt(curl_, CURLOPT_HEADERDATA, &reply);
    // Setting GET first takes back what the request before may have set.
    curl_easy_setopt(curl_, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(curl_, CURLOPT_NOBODY, method == "HEAD" ? 1L : 0L);
    if (body) {
        curl_easy_setopt(curl_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body->size()));
        const char* const bytes = body->data();  // of the size just set
        curl_easy_setopt(curl_, CURLOPT_POSTFIELDS, bytes);
    }
    curl_easy_setopt(curl_, CURLOPT_CUSTOMREQUEST, method.c_str());

    const CURLcode code = curl_easy_perform(curl_);
    curl_slist_free_all(lines);
    if (code == CURLE_OK) {
        long status = 0;
        curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &status);
        reply.status = static_cast<int>(status);
    } else {
        reply.failure = curl_easy_strerror(code);
        reply.never_sent = code == CURLE_COULDNT_CONNECT;
    }
    return reply;
}

RawConnection::RawConnection(const std::string& address)
    : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const std::size_t colon = address.rfind(':');
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
    inet_pton(AF_INET, address.substr(0, colon).c_str(), &where.sin_addr);
    const timeval silence{.tv_sec = kSilenceSecondsMax, .tv_usec = 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence);
    setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &silence, sizeof silence);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0) {
        ::close(socket_);
        throw std::runtime_error("cannot connect to " + address);
    }
}

RawConnection::~RawConnection() { ::close(socket_); }

void RawConnection::send(std::string_view bytes) const {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) return;  // the server has closed: its answer, if any, tells more
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
}

std::string RawConnection::receive_until(std::string_view enough) const {
    std::string received;
    char buffer[4096];
    while (received.find(enough) == std::string::npos) {
        const ssize_t count = ::recv(socket_, buffer, sizeof buffer, 0);
        if (count <= 0) break;
        received.append(buffer, static_cast<std::size_t>(count));
    }
    return received;
}

std::optional<std::string> RawConnection::receive_until_closed() const {
    std::string received;
    char buffer[4096];
    while (true) {
        const ssize_t count = ::recv(socket_, buffer, sizeof buffer, 0);
        if (count == 0 || (count < 0 && errno == ECONNRESET)) return received;
        if (count < 0) return std::nullopt;
        received.append(buffer, static_cast<std::size_t>(count));
    }
}

}  // namespace quorate::test
