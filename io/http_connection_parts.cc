// The way of answers into the output; also of those that are given in parts: chunks (RFC 9112, 7.1), or for
// HTTP/1.0 bytes until the connection closes.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/check.h"
#include "io/http_connection.h"

namespace quorate::io {

// Nothing is made for a client that has not taken what it has: it costs one part, whatever it does.
bool HttpConnection::wants_part(server::HttpExchange exchange, std::size_t bytes) const {
    const auto slot = std::ranges::find(slots_, exchange, &Slot::exchange);
    if (slot == slots_.end() || slot->state != SlotState::Streaming) return true;
    const bool is_its_turn = slot == slots_.begin() && slot->head.empty();
    return is_its_turn && outgoing_bytes() < server_.limits_.small_output_bytes &&
           server_.has_room(bytes, true);
}

bool HttpConnection::send_part(server::HttpExchange exchange, std::string&& bytes, server::AnswerPart part) {
    const auto slot = std::ranges::find(slots_, exchange, &Slot::exchange);
    if (slot == slots_.end() || slot->state != SlotState::Streaming) return false;
    touch();
    if (part == server::AnswerPart::BrokenOff) {
        slot->state = SlotState::BrokenOff;
        return true;
    }
    ENGINE_CHECK(slot == slots_.begin() && slot->head.empty());
    server_.turn_bytes_ += bytes.size();
    const bool is_chunked = !slot->is_http_1_0;
    if (!bytes.empty()) {  // an empty chunk would be the last one
        if (is_chunked) output_.append(fmt::format("{:x}\r\n", bytes.size()));
        output_.append(std::move(bytes));
        if (is_chunked) output_.append("\r\n");
    }
    if (part == server::AnswerPart::Last) {
        if (is_chunked) output_.append("0\r\n\r\n");
        slot->state = SlotState::Answered;
    }
    account();
    return true;
}

void HttpConnection::move_answers() {
    while (!slots_.empty() && slots_.front().state > SlotState::Asked) {
        Slot& slot = slots_.front();
        if (slot.state == SlotState::BrokenOff) return cut_off();
        answer_bytes_ -= slot.head.size() + slot.body.size();
        output_.append(std::exchange(slot.head, {}));
        output_.append(std::exchange(slot.body, {}));
        starved_since_ms_ = 0;
        if (slot.state == SlotState::Streaming) return;
        slots_.pop_front();
    }
    if (slots_.empty() && !is_finishing_ && std::exchange(owes_continue_, false))
        output_.append("HTTP/1.1 100 Continue\r\n\r\n");
}

// Without the last chunk the client knows that it has not got all: RFC 9112, 8. What it asked behind it is
// not answered.
void HttpConnection::cut_off() {
    slots_.clear();
    answer_bytes_ = 0;
    is_finishing_ = true;
}

}  // namespace quorate::io
