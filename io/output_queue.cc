#include "io/output_queue.h"

#include <memory>
#include <utility>

namespace quorate::io {

namespace {

/// Pieces are joined up to here: many small answers leave as one buffer.
constexpr std::size_t kJoinedBytesMax = 16384;

struct WriteRequest {
    uv_write_t request{};
    std::deque<std::string> pieces;
    void (*done)(void* owner, int status) = nullptr;
};

}  // namespace

void OutputQueue::append(std::string&& piece) {
    if (piece.empty()) return;
    bytes_ += piece.size();
    if (!pieces_.empty() && pieces_.back().size() + piece.size() <= kJoinedBytesMax) {
        pieces_.back() += piece;
    } else {
        pieces_.push_back(std::move(piece));
    }
}

void OutputQueue::clear() {
    pieces_.clear();
    begin_ = bytes_ = 0;
}

std::vector<uv_buf_t> OutputQueue::buffers() {
    std::vector<uv_buf_t> buffers;
    buffers.reserve(pieces_.size());
    std::size_t begin = begin_;
    for (std::string& piece : pieces_) {
        buffers.push_back(uv_buf_init(piece.data() + begin, static_cast<unsigned>(piece.size() - begin)));
        begin = 0;
    }
    return buffers;
}

int OutputQueue::write_now(uv_stream_t* stream) {
    std::vector<uv_buf_t> all = buffers();
    const int written = uv_try_write(stream, all.data(), static_cast<unsigned>(all.size()));
    if (written < 0) return written == UV_EAGAIN ? 0 : written;
    bytes_ -= static_cast<std::size_t>(written);
    begin_ += static_cast<std::size_t>(written);
    while (!pieces_.empty() && begin_ >= pieces_.front().size()) {
        begin_ -= pieces_.front().size();
        pieces_.pop_front();
    }
    return 0;
}

int OutputQueue::write_later(uv_stream_t* stream, void (*done)(void* owner, int status)) {
    std::vector<uv_buf_t> all = buffers();
    auto* write = new WriteRequest;
    write->pieces = std::move(pieces_);
    write->done = done;
    clear();
    const auto finished = [](uv_write_t* request, int status) {
        const std::unique_ptr<WriteRequest> done_with(reinterpret_cast<WriteRequest*>(request));
        if (void* owner = request->handle->data) done_with->done(owner, status);
    };
    const int error =
        uv_write(&write->request, stream, all.data(), static_cast<unsigned>(all.size()), finished);
    if (error != 0) delete write;
    return error;
}

}  // namespace quorate::io
