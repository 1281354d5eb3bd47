#pragma once

// A file that is read from its beginning to its end, however large it is.

#include <expected>
#include <functional>
#include <string>

namespace quorate::io {

/// The next piece, at most a MiB; none at the end. An error says what the system says.
using FilePieces = std::function<std::expected<std::string, std::string>()>;

[[nodiscard]] std::expected<FilePieces, std::string> read_in_pieces(const std::string& path);

}  // namespace quorate::io
