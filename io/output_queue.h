#pragma once

// Bytes that wait to be written to one stream. Large pieces are moved in and written from where they are,
// never copied.

#include <deque>
#include <string>
#include <vector>

#include <uv.h>

namespace quorate::io {

class OutputQueue {
 public:
    void append(std::string&& piece);
    [[nodiscard]] std::size_t bytes() const { return bytes_; }
    /// What they take of memory: a piece is freed as a whole.
    [[nodiscard]] std::size_t held_bytes() const { return bytes_ + begin_; }
    void clear();

    /// Hands as much as there is to the system, without waiting. A libuv error, or 0.
    [[nodiscard]] int write_now(uv_stream_t* stream);
    /// Hands all of it to libuv, which keeps it until `done` is called with the outcome: 0 or a libuv error.
    /// The stream's `data` is null then when its owner has gone.
    [[nodiscard]] int write_later(uv_stream_t* stream, void (*done)(void* owner, int status));

 private:
    [[nodiscard]] std::vector<uv_buf_t> buffers();

    std::deque<std::string> pieces_;
    std::size_t begin_ = 0;  ///< of what is left of the first piece
    std::size_t bytes_ = 0;  ///< left in all
};

}  // namespace quorate::io
