#include "io/file_pieces.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include <sys/stat.h>

namespace quorate::io {

namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

}  // namespace

std::expected<FilePieces, std::string> read_in_pieces(const std::string& path) {
    const auto failed = [](const char* call) {
        return std::unexpected(std::string(call) + ": " + std::strerror(errno));
    };
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return failed("open");
    if (!S_ISREG(status.st_mode)) return std::unexpected("it is no regular file, and is read more than once");
    const std::shared_ptr<std::FILE> file(std::fopen(path.c_str(), "rbe"),
                                          [](std::FILE* f) { return f != nullptr ? std::fclose(f) : 0; });
    if (file == nullptr) return failed("open");
    return [file, failed]() -> std::expected<std::string, std::string> {
        std::string piece(kPieceBytes, '\0');
        piece.resize(std::fread(piece.data(), 1, piece.size(), file.get()));
        if (std::ferror(file.get()) != 0) return failed("read");
        return piece;
    };
}

}  // namespace quorate::io
