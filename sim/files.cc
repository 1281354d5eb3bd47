#include "sim/files.h"

#include <array>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <system_error>

#include <fmt/format.h>

#include "sim/exit.h"

namespace quorate::sim {

std::expected<std::string, std::string> read_file(const std::string& name, std::size_t bytes_max) {
    std::error_code error;
    if (std::filesystem::is_directory(name, error))
        return std::unexpected(fmt::format("{} is a directory", name));
    std::ifstream file(name, std::ios::binary);
    std::string content;
    std::array<char, 65536> piece{};
    while (file.read(piece.data(), piece.size()), file.gcount() > 0) {
        content.append(piece.data(), static_cast<std::size_t>(file.gcount()));
        if (content.size() > bytes_max)
            return std::unexpected(fmt::format("{} has more than {} MiB", name, bytes_max >> 20U));
    }
    // Who has read all is at the end.
    if (!file.eof()) return std::unexpected(fmt::format("cannot read {}", name));
    return content;
}

bool write_file(const std::string& name, std::string_view content) {
    std::ofstream file(name, std::ios::binary);
    file << content;
    file.close();
    return static_cast<bool>(file);
}

void print_line(std::FILE* file, std::string_view line) {
    fmt::print(file, "{}\n", line);
    // One that is emptied line by line only remembers that it could not be.
    if (std::ferror(file) != 0) throw std::system_error(std::make_error_code(std::errc::io_error));
}

bool is_printed() { return std::fflush(stdout) == 0 && std::ferror(stdout) == 0; }

int printing(const std::function<int()>& work) {
    // A reader that has had enough, as head has, is told like a disk that is full. The signal would end a run
    // in a process of its own as a crash does.
    std::signal(SIGPIPE, SIG_IGN);
    bool is_written = false;
    int code = Unusable;
    try {
        code = work();
        is_written = is_printed();
    } catch (const std::system_error&) {
        // fmt's word for a stream that takes no more, and print_line's.
        is_written = false;
    }
    if (is_written) return code;
    std::fputs("quorate-sim: cannot write all to standard output\n", stderr);
    return Unusable;
}

}  // namespace quorate::sim
