// quoratectl: the command line client. What it does is in ctl_run.h; here are its ports.

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "io/file_pieces.h"
#include "io/http_client.h"
#include "io/standard_descriptors.h"
#include "io/whole_file.h"
#include "server/ctl_options.h"
#include "server/ctl_run.h"

namespace quorate::server {
namespace {

constexpr std::uint32_t kConnectMsMax = 2000;
/// Of a page of a range: 8 MiB of keys and values and the value that goes beyond, each byte written as six.
constexpr std::size_t kBodyBytesMax = std::size_t{128} << 20;
/// More than any node takes; a wrong name, as of a disk, shall not fill the memory first.
constexpr std::size_t kInputBytesMax = std::size_t{64} << 20;

bool print(std::string_view bytes) {
    return std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size() && std::fflush(stdout) == 0;
}

// Behind what is printed, where both go to one place. That nobody gets it can be told to nobody.
void print_error(const std::string& text) { (void)std::fputs(text.c_str(), stderr); }
void remark(std::string_view line) { print_error(fmt::format("quoratectl: {}\n", line)); }

std::expected<std::string, std::string> read_stdin_piece() {
    std::string piece(std::size_t{1} << 20, '\0');
    piece.resize(std::fread(piece.data(), 1, piece.size(), stdin));
    if (std::ferror(stdin) != 0) return std::unexpected(std::strerror(errno));
    return piece;
}

std::expected<std::string, std::string> read_file(const std::string& name) {
    const bool is_input = name == "-";
    const auto failed = [&](std::string_view what) {
        return std::unexpected(fmt::format("{}: {}", is_input ? "standard input" : name, what));
    };
    const auto pieces = is_input ? io::FilePieces(read_stdin_piece) : io::read_in_pieces(name);
    if (!pieces) return failed(pieces.error());
    std::string bytes;
    for (;;) {
        const auto piece = (*pieces)();
        if (!piece) return failed(piece.error());
        if (piece->empty()) return bytes;
        bytes += *piece;
        if (bytes.size() > kInputBytesMax) return failed(fmt::format("more than {} bytes", kInputBytesMax));
    }
}

std::expected<CtlFileSink, std::string> create_file(const std::string& name) {
    auto created = io::WholeFile::create(name);
    if (!created) return std::unexpected(std::move(created.error()));
    const std::shared_ptr<io::WholeFile> file = std::move(*created);
    return CtlFileSink{[file](std::string_view bytes) { return file->write(bytes); },
                       [file] { return file->finish(); }};
}

std::uint64_t now_ms() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

CtlNetwork network() {
    const auto client = std::make_shared<io::HttpClient>(io::HttpClient::Limits{});
    return {[client](std::string_view address, const HttpRequest& request, std::uint64_t time_ms,
                     const CtlTakeBody& take) {
                const auto request_ms = static_cast<std::uint32_t>(std::max(time_ms, std::uint64_t{1}));
                client->set_limits({std::min(request_ms, kConnectMsMax), request_ms, kBodyBytesMax});
                return client->request(address, request, take);
            },
            now_ms, [](std::uint64_t ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }};
}

std::string random_key() {
    std::random_device entropy;
    return fmt::format("quoratectl-{:08x}{:08x}{:08x}{:08x}", entropy(), entropy(), entropy(), entropy());
}

int start(int argc, char** argv) {
    auto options = parse_ctl_options(argc, argv, std::getenv);
    if (!options) {
        if (!options.error().to_stdout) {
            print_error(options.error().text);
        } else if (!print(options.error().text)) {
            remark("the output cannot be written");
            return static_cast<int>(CtlExit::LocalFile);
        }
        return options.error().code;
    }
    const CtlPorts ports{network(), print, remark, read_file, create_file, ::isatty(STDOUT_FILENO) == 1};
    const CtlTask task{std::move(options->endpoints), options->timeout_s * 1000, options->prints_json,
                       random_key(), std::move(options->line)};
    return static_cast<int>(run_ctl(task, ports));
}

}  // namespace
}  // namespace quorate::server

// What may escape is a lack of memory: nothing to do but end.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) {
    quorate::io::hold_standard_descriptors();
    return quorate::server::start(argc, argv);
}
